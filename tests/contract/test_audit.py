"""The audit: whatever becomes of a fetch, it is one row that says so, in every column, without a secret.

Real adapters ask stand-ins over HTTP, through the guard; the poll is stored as in a live process and read back as the
page and the API read it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest
import stamina
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipelines.errors import FieldsMissingError, PausedError, TransientError
from pipelines.ingest.fetching import Policy
from pipelines.ingest.http import Http
from pipelines.ingest.reddit import RedditSource
from pipelines.ingest.source import Source
from pipelines.ingest.state import MemoryState
from pipelines.ingest.tiktok import TikTokSource
from pipelines.ingest.trades import TradesSource
from pipelines.ingest.trends import TrendsSource
from pipelines.model import FetchResult, Outcome
from pipelines.refresh import Refresh
from pipelines.settings import Settings, load_settings
from pipelines.store import Store
from tests.contract.guard_kit import NOW, Rig, Scripted
from tests.contract.json_state import JsonState
from tests.contract.test_faults_time import Flat
from tests.upstreams import apify, reddit, trades
from tests.upstreams.server import Answer, Upstream, html, raw, reset, serving, silence, too_many, truncated
from tests.upstreams.trends import FakeTrends, feed_xml, trend

CANARY = "canary-3f9a"
RSS, XML = "/trending/rss", "application/rss+xml"
BARE = b"<item><pubDate>Mon, 01 Jan 2024 00:00:00 GMT</pubDate></item>"
HEAD = b'<?xml version="1.0"?><rss version="2.0"><channel><title>x</title>'
COLUMNS = {
    "id", "source", "at", "outcome", "items", "new_items", "rejected", "requests", "http_status", "bytes", "ms", "detail",
    "covered_from", "retry_after_s", "feeds", "kind", "request_id",
}  # fmt: skip


def naming(app: ASGIApp) -> ASGIApp:
    """``app`` whose answers carry a name, as those of most upstreams do."""
    count = 0

    async def named(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal count
        count += 1
        name = f"req-{count}"

        async def with_name(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), (b"x-request-id", name.encode())]}
            await send(message)

        await app(scope, receive, with_name)

    return named


@pytest.fixture(autouse=True)
def quick_retries() -> Iterator[None]:
    with stamina.set_testing(True, attempts=3, cap=True):
        yield


@dataclass
class Desk:
    """One store, one guard, and the way from a source to a row."""

    store: Store
    refresh: Refresh
    rig: Rig = field(default_factory=lambda: Rig(Policy(600.0, failures=50), JsonState()))

    async def row(self, source: Source, *, force: bool = False) -> dict[str, Any]:
        """Ask ``source`` once; the row that stands in the audit then, and no other."""
        before = {row["id"] for row in self.store.fetch_rows(None, None, None, 500)}
        result = await self.rig.poll(source, force=force)
        self.refresh.ingest([result])
        after = self.store.fetch_rows(None, None, None, 500)
        (row,) = [row for row in after if row["id"] not in before]
        assert len(after) == len(before) + 1
        assert set(row) == COLUMNS
        assert CANARY not in str(row)
        assert "?" not in row["detail"] + row["request_id"]
        assert row["at"] == self.rig.now
        self.rig.pass_time(600)
        return row


@pytest.fixture
def desk(embedded_store: Store) -> Desk:
    return Desk(embedded_store, Refresh(embedded_store, load_settings(), Flat(), {"trends": 600.0}))


@pytest.fixture
def google() -> Iterator[Upstream]:
    with serving(FakeTrends([trend(f"Name {n}") for n in range(8)]).app) as running:
        yield running


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    async with Http() as client:
        yield client


def live(url: str, seconds: float = 5.0) -> Settings:
    """Settings with a secret in every address and credential, against ``url``."""
    return load_settings(
        trends={"url": url, "timeout_seconds": seconds, "geo": "US"}, trades={"feeds": [f"{url}/feed/?key={CANARY}"]},
        tiktok={"url": url, "token": CANARY, "timeout_seconds": 3.0, "run_seconds": 60},
        reddit={"url": url, "client_id": reddit.CLIENT_ID, "client_secret": reddit.CLIENT_SECRET, "feeds": ["all"]},
    )  # fmt: skip


def named(answer: Answer) -> Answer:
    """``answer`` with a request id of its own."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        async def with_name(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), (b"x-request-id", b"req-7")]}
            await send(message)

        await answer(scope, receive, with_name)

    return wrapped


ANSWERS: tuple[tuple[str, Callable[[], Answer], Outcome, str, int | None], ...] = (
    ("empty", lambda: raw(feed_xml([]).encode(), XML), Outcome.EMPTY, "", 200),
    ("429", lambda: too_many("120"), Outcome.THROTTLED, "rate_limited", 429),
    ("500", lambda: Response("oops", 500), Outcome.FAILED, "server_error", 500),
    ("401", lambda: Response("no", 401), Outcome.FAILED, "credentials", 401),
    ("404", lambda: Response("gone", 404), Outcome.FAILED, "refused", 404),
    ("consent page", html, Outcome.FAILED, "unexpected_reply", 200),
    ("missing fields", lambda: raw(HEAD + BARE * 12 + b"</channel></rss>", XML), Outcome.QUARANTINED, "shape_changed", 200),
)  # fmt: skip
BROKEN: tuple[tuple[str, Callable[[], Answer]], ...] = (
    ("reset", reset), ("silence", silence), ("cut short", lambda: truncated(HEAD + b"<item>", XML)),
)  # fmt: skip


async def test_a_fetch_that_was_answered_is_one_row_with_status_size_and_name(
    desk: Desk, google: Upstream, http: Http
) -> None:
    source = TrendsSource(live(google.url).trends, http, MemoryState())
    google.plan(RSS, *(named(answer()) for _, answer, *_ in ANSWERS))
    for what, _, outcome, kind, status in ANSWERS:
        row = await desk.row(source, force=True)
        assert (row["outcome"], row["kind"], row["http_status"]) == (outcome, kind, status), what
        assert (row["items"], row["requests"], row["request_id"]) == (0, 1, "req-7"), what
        assert row["bytes"] > 0 or status not in (200, None), what
        assert row["ms"] >= 0, what
        assert row["retry_after_s"] == (120 if outcome is Outcome.THROTTLED else None), what
        assert row["detail"], what


async def test_a_fetch_without_an_answer_is_one_row(desk: Desk, google: Upstream, http: Http) -> None:
    source = TrendsSource(live(google.url, 1.5).trends, http, MemoryState())
    google.plan(RSS, *(answer() for _, answer in BROKEN))
    for what, _ in BROKEN:
        row = await desk.row(source, force=True)
        assert (row["outcome"], row["kind"]) == (Outcome.FAILED, "no_answer"), what
        assert (row["http_status"], row["requests"], row["request_id"]) == (None, 1, ""), what


async def test_fetched_unchanged_and_from_the_cache_are_one_row_each(desk: Desk, google: Upstream, http: Http) -> None:
    desk.rig = Rig(Policy(600.0, cache_seconds=700.0), JsonState())
    google.app = naming(google.app)
    source = TrendsSource(live(google.url).trends, http, MemoryState())
    fetched, hit, unchanged = [await desk.row(source) for _ in range(3)]
    seen = [(row["outcome"], row["items"], row["http_status"], row["requests"]) for row in (fetched, hit, unchanged)]
    assert seen == [("ok", 8, 200, 1), ("cache_hit", 8, None, 0), ("not_modified", 8, 304, 1)]
    assert [row["request_id"] for row in (fetched, hit, unchanged)] == ["req-1", "", "req-2"]
    assert (fetched["bytes"] > 1000, fetched["new_items"], hit["bytes"], unchanged["new_items"]) == (True, 8, 0, 0)
    assert fetched["feeds"][0]["items"] == 8


async def test_what_the_guard_did_not_send_is_one_row_that_says_why(desk: Desk) -> None:
    desk.rig = Rig(Policy(600.0, failures=2, breaker_seconds=3000.0), JsonState())
    down = Scripted()
    failed = [await desk.row(Scripted([TransientError("trends", f"g.example/p?k={CANARY} broke")])) for _ in range(2)]
    assert [row["outcome"] for row in failed] == ["failed", "failed"]
    opened = await desk.row(down)
    assert (opened["outcome"], opened["requests"], down.calls) == ("breaker_open", 0, [])
    assert opened["detail"].startswith("left alone after 2 failures in a row; one probe at ")

    desk.rig = Rig(per_minute=1, state=JsonState(), now=desk.rig.now)
    await desk.rig.poll(Scripted())
    skipped = await desk.row(Scripted())
    assert (skipped["outcome"], skipped["requests"]) == ("bucket_empty", 0)
    assert skipped["detail"].startswith("our own limit of requests is reached; next try in ")

    desk.rig = Rig(state=JsonState(), now=desk.rig.now)
    paused = await desk.row(Scripted([PausedError("trends", "paused: quota is spent", status=402)]))
    assert (paused["outcome"], paused["kind"], paused["http_status"]) == ("paused", "paused", 402)
    still = Scripted()
    assert (await desk.row(still))["outcome"] == "paused"
    assert still.calls == []


async def test_the_rest_of_the_failures(desk: Desk) -> None:
    async def bug(_now: datetime) -> FetchResult:
        raise RuntimeError(f"https://g.example/?token={CANARY}")

    async def endless(_now: datetime) -> FetchResult:
        await asyncio.Event().wait()
        raise AssertionError

    odd = await desk.row(Scripted([bug]))
    assert (odd["outcome"], odd["kind"]) == ("failed", "unexpected")
    desk.rig.guard.policies["trends"] = Policy(600.0, deadline_s=0.05, failures=50)
    late = await desk.row(Scripted([endless]))
    assert (late["outcome"], late["kind"], late["http_status"]) == ("failed", "deadline", None)
    shape = await desk.row(Scripted([FieldsMissingError("trends", "shape changed", sample=CANARY)]))
    assert (shape["outcome"], shape["kind"]) == ("quarantined", "shape_changed")


async def test_each_source_gives_status_size_and_the_upstreams_name(desk: Desk, http: Http) -> None:
    fake, now = apify.FakeApify(apify.hashtags(6), token=CANARY), NOW
    paper = trades.Paper(lambda: [trades.Article("Odalys Brightwater signs on", "https://t.example/1", now, "g1")])
    posts = reddit.fixed([reddit.post("a1", "Odalys Brightwater walks off set", now)])
    made: dict[str, tuple[ASGIApp, Callable[[Settings], Source]]] = {
        "reddit": (reddit.reddit_app(posts), lambda s: RedditSource(s.reddit)),
        "tiktok": (fake.app, lambda s: TikTokSource(s.tiktok, MemoryState())),
        "trades": (trades.trades_app(paper), lambda s: TradesSource(s.trades, http, MemoryState())),
    }
    for name, (app, make) in made.items():
        desk.rig = Rig(name=name, policy=Policy(600.0, failures=50), state=JsonState(), now=desk.rig.now)
        with serving(naming(app)) as upstream:
            source = make(live(upstream.url))
            row = await desk.row(source)
            assert (row["source"], row["outcome"], row["http_status"]) == (name, "ok", 200)
            assert row["items"] >= 1
            assert row["bytes"] > 50
            assert row["requests"] == len(upstream.log), "the last of them is named"
            assert row["request_id"] == f"req-{len(upstream.log)}"
            upstream.reset()
            upstream.plan("/", *[named(too_many("90"))] * 3)
            desk.rig.pass_time(7 * 3600)
            row = await desk.row(source)
            assert (row["outcome"], row["kind"], row["request_id"]) == ("throttled", "rate_limited", "req-7"), name
            assert row["http_status"] == 429
