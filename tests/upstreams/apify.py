"""A stand-in for api.apify.com, as the Apify client speaks to it: runs, long polls, datasets, refusals.

Faithful in: ``/actors/`` and ``/acts/``, bodies that arrive gzipped, ``waitForFinish``, whole Run objects, pagination
headers, error bodies, all eight statuses, runs that succeed with nothing or with three rows.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.upstreams.stories import stories

STATUSES = ("READY", "RUNNING", "SUCCEEDED", "FAILED", "TIMING-OUT", "TIMED-OUT", "ABORTING", "ABORTED")
FINAL = ("SUCCEEDED", "FAILED", "TIMED-OUT", "ABORTED")
TOKEN = "apify_api_stand-in"
ACTOR = "clockworks/tiktok-trends-scraper"
TAGS = (
    "saltwind", "marlowquint", "gardentok", "lumenfair", "oneminutemeals", "junohalloway", "orrinvale", "nightferry",
    "paperlanterns", "citymarathon", "stormwatch", "northgate", "recipeoftheday", "roomtour", "booktok",
)  # fmt: skip


def hashtag(rank: int, name: str, posts: int = 12_000, views: int = 34_000_000) -> dict[str, Any]:
    """A hashtag row as clockworks writes it."""
    return {
        "type": "hashtag", "id": str(7_000_000 + rank), "name": name, "rank": rank, "rankDiff": 2, "countryCode": "US",
        "url": f"https://www.tiktok.com/tag/{name}", "markedAsNew": False, "isPromoted": False,
        "industryName": "News & Entertainment", "videoCount": posts, "viewCount": views,
        "trendingHistogram": [{"date": "2026-11-21T00:00:00.000Z", "value": 0.8}],
        "relatedCreators": [{"nickName": "A creator", "avatar": "https://example.com/a.jpg"}],
    }  # fmt: skip


def hashtags(count: int) -> list[dict[str, Any]]:
    """``count`` plausible rows, best first."""
    return [hashtag(n, f"{TAGS[n % len(TAGS)]}{n // len(TAGS) or ''}", 90_000 // n) for n in range(1, count + 1)]


def moving(now: datetime) -> list[dict[str, Any]]:
    """The invented stories of the moment among everyday tags that are always there, biggest first."""
    sizes = {tag: 8_000 + 400 * n for n, tag in enumerate(TAGS)}
    sizes |= {story.who.replace(" ", "").lower(): round(300_000 * story.loudness) for story in stories(now)}
    ordered = sorted((tag for tag in sizes if sizes[tag] > 5_000), key=lambda tag: -sizes[tag])
    return [hashtag(rank, tag, sizes[tag], sizes[tag] * 900) for rank, tag in enumerate(ordered, 1)]


def refusal(status: int, kind: str, message: str = "refused", **headers: str) -> Response:
    """An error as Apify words it."""
    return JSONResponse({"error": {"type": kind, "message": message}}, status, headers)


@dataclass
class FakeRun:
    """One run; ``ends`` is when it reaches its last status (monotonic)."""

    id: str
    actor: str
    dataset: str
    options: dict[str, Any]
    run_input: Any
    ends: float
    final: str
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    aborted: bool = False
    forced: str | None = None

    @property
    def status(self) -> str:
        """READY, RUNNING or what it came to."""
        if self.forced:
            return self.forced
        if self.aborted:
            return "ABORTED"
        return self.final if time.monotonic() >= self.ends else "RUNNING"


class FakeApify:
    """The upstream's state; the test changes it while it runs.

    ``rows`` what the next run's dataset holds (None: rows that move with the clock); ``seconds`` how long a run takes;
    ``final`` its last status; ``forced`` a status to report whatever the clock says; ``long_poll`` whether
    ``waitForFinish`` is honoured; ``pagination`` whether the item headers are sent.
    """

    def __init__(self, rows: list[Any] | None = None, token: str | None = TOKEN) -> None:
        self.rows = rows
        self.token = token
        self.actors: set[str] | None = None
        self.seconds, self.final, self.forced = 0.0, "SUCCEEDED", ""
        self.usage: float | None = 0.03
        self.status_message: str | None = None
        self.long_poll = self.pagination = True
        self.runs: dict[str, FakeRun] = {}
        self.datasets: dict[str, list[Any]] = {}
        routes = []
        for acts in ("actors", "acts"):
            routes += [
                Route(f"/v2/{acts}/{{actor}}/runs", self._start, methods=["POST"]),
                Route(f"/v2/{acts}/{{actor}}/runs", self._list_runs, methods=["GET"]),
                Route(f"/v2/{acts}/{{actor}}/runs/last", self._last),
                Route(f"/v2/{acts}/{{actor}}/runs/last/dataset/items", self._last_items),
            ]
        routes += [
            Route("/v2/actor-runs/{run}", self._run),
            Route("/v2/actor-runs/{run}/abort", self._abort, methods=["POST"]),
            Route("/v2/actor-runs/{run}/dataset/items", self._run_items),
            Route("/v2/datasets/{dataset}/items", self._items),
            Route("/v2/users/me/limits", self._limits),
        ]
        self.app = Starlette(routes=routes, exception_handlers={404: _not_found})

    def _refused(self, request: Request) -> Response | None:
        if self.token and request.headers.get("authorization") != f"Bearer {self.token}":
            return refusal(401, "user-or-token-not-found", "User was not found or authentication token is not valid")
        return None

    async def _start(self, request: Request) -> Response:
        actor = request.path_params["actor"].replace("~", "/")
        if refused := self._refused(request):
            return refused
        if self.actors is not None and actor not in self.actors:
            return refusal(404, "record-not-found", "Actor was not found")
        body = await request.body()
        if request.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        number = len(self.runs) + 1
        run = FakeRun(
            f"run{number}", actor, f"data{number}", dict(request.query_params), json.loads(body or b"{}"),
            time.monotonic() + self.seconds, self.final,
        )  # fmt: skip
        self.runs[run.id] = run
        self.datasets[run.dataset] = moving(datetime.now(UTC)) if self.rows is None else list(self.rows)
        await self._wait(request, run)
        return JSONResponse({"data": self._describe(run)}, 201)

    async def _wait(self, request: Request, run: FakeRun) -> None:
        seconds = min(float(request.query_params.get("waitForFinish", 0)), 60.0) if self.long_poll else 0.0
        deadline = time.monotonic() + seconds
        while self._status(run) not in FINAL and time.monotonic() < deadline:  # noqa: ASYNC110 # the clock decides
            await asyncio.sleep(0.02)

    def _status(self, run: FakeRun) -> str:
        return self.forced or run.status

    def _describe(self, run: FakeRun) -> dict[str, Any]:
        status = self._status(run)
        over = status in FINAL
        return {
            "id": run.id, "actId": "actId1", "userId": "userId1", "status": status,
            "startedAt": _iso(run.started), "finishedAt": _iso(datetime.now(UTC)) if over else None,
            "statusMessage": self.status_message, "buildId": "build1", "buildNumber": "0.0.36",
            "meta": {"origin": "API"}, "stats": {"inputBodyLen": 2, "computeUnits": 0.01},
            "options": {"build": "latest", "timeoutSecs": int(run.options.get("timeout", 300)),
                        "memoryMbytes": 1024, "diskMbytes": 2048},
            "exitCode": 0 if status == "SUCCEEDED" else None, "defaultKeyValueStoreId": "kvs1",
            "defaultDatasetId": run.dataset, "defaultRequestQueueId": "queue1", "containerUrl": "https://x.runs.apify.net",
            "usageTotalUsd": self.usage if over else None,
        }  # fmt: skip

    async def _run(self, request: Request) -> Response:
        if refused := self._refused(request):
            return refused
        run = self.runs.get(request.path_params["run"])
        if run is None:
            return refusal(404, "record-not-found", "Actor run was not found")
        await self._wait(request, run)
        return JSONResponse({"data": self._describe(run)})

    async def _abort(self, request: Request) -> Response:
        run = self.runs.get(request.path_params["run"])
        if run is None:
            return refusal(404, "record-not-found", "Actor run was not found")
        run.aborted = True
        return JSONResponse({"data": self._describe(run) | {"status": "ABORTING"}})

    def _newest(self, request: Request) -> FakeRun | None:
        actor, wanted = request.path_params["actor"].replace("~", "/"), request.query_params.get("status")
        fitting = [run for run in self.runs.values() if run.actor == actor and wanted in (None, self._status(run))]
        return fitting[-1] if fitting else None

    async def _list_runs(self, request: Request) -> Response:
        if refused := self._refused(request):
            return refused
        runs = [self._describe(run) for run in self.runs.values()]
        page = {"items": runs, "total": len(runs), "count": len(runs), "offset": 0, "limit": 1000, "desc": False}
        return JSONResponse({"data": page})

    async def _last(self, request: Request) -> Response:
        run = self._newest(request)
        if run is None:
            return refusal(404, "record-not-found", "Actor run was not found")
        return JSONResponse({"data": self._describe(run)})

    async def _last_items(self, request: Request) -> Response:
        run = self._newest(request)
        return self._page(request, run.dataset if run else "")

    async def _run_items(self, request: Request) -> Response:
        run = self.runs.get(request.path_params["run"])
        return self._page(request, run.dataset if run else "")

    async def _items(self, request: Request) -> Response:
        return self._refused(request) or self._page(request, request.path_params["dataset"])

    def _page(self, request: Request, dataset: str) -> Response:
        rows = self.datasets.get(dataset)
        if rows is None:
            return refusal(404, "record-not-found", "Dataset was not found")
        offset, limit = (
            int(request.query_params.get("offset", 0)),
            int(request.query_params.get("limit", 999_999_999_999)),
        )
        page = rows[offset : offset + limit]
        sizes = {"total": len(rows), "offset": offset, "count": len(page), "limit": limit, "desc": "false"}
        headers = {f"X-Apify-Pagination-{name.title()}": str(value) for name, value in sizes.items()}
        # a row may hold what UTF-8 cannot, such as half an emoji: JSON carries it escaped
        body = json.dumps(page).encode()
        return Response(body, 200, headers if self.pagination else {}, "application/json; charset=utf-8")

    async def _limits(self, request: Request) -> Response:
        limits = ("maxMonthlyActorComputeUnits", "maxMonthlyExternalDataTransferGbytes", "maxMonthlyProxySerps",
                  "maxMonthlyResidentialProxyGbytes", "maxActorMemoryGbytes", "maxActorCount", "maxActorTaskCount",
                  "maxConcurrentActorJobs", "maxTeamAccountSeatCount", "dataRetentionDays")  # fmt: skip
        current = ("monthlyActorComputeUnits", "monthlyExternalDataTransferGbytes", "monthlyProxySerps",
                   "monthlyResidentialProxyGbytes", "actorMemoryGbytes", "actorCount", "actorTaskCount",
                   "activeActorJobCount", "teamAccountSeatCount")  # fmt: skip
        cycle = {"startAt": "2026-11-02T00:00:00.000Z", "endAt": "2026-12-01T23:59:59.999Z"}
        data = {
            "monthlyUsageCycle": cycle,
            "limits": dict.fromkeys(limits, 1) | {"maxMonthlyUsageUsd": 5},
            "current": dict.fromkeys(current, 1) | {"monthlyUsageUsd": 5.0},
        }
        return self._refused(request) or JSONResponse({"data": data})


async def _not_found(request: Request, error: Exception) -> Response:
    return refusal(404, "page-not-found", "We have bad news: there is no API endpoint at this URL.")


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moving_app() -> Starlette:
    """The stand-in with data that moves with the clock; a run takes two seconds."""
    fake = FakeApify()
    fake.seconds = 2.0
    return fake.app
