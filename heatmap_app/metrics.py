"""``/metrics``: the process and its data as Prometheus reads them. Labels come from fixed sets; nothing is named by users.

What happened is counted from the rows it left (polls, scoring polls), so that a follower's metrics tell the same as the
leader's; what is true now is asked at each scrape. Where the database does not answer, ``heatmap_database_up`` is 0 and
what would have been read from it is left out.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import structlog
from fastapi import APIRouter
from fastapi.responses import Response
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.requests import Request

from heatmap_app.jobs import Schedule
from heatmap_app.runtime import Runtime
from pipelines.errors import StoreError
from pipelines.model import SOURCES, Outcome
from pipelines.outbox import DeliveryState
from pipelines.store.lease import Role
from pipelines.view import SourceHealth

log = structlog.get_logger(__name__)

STATES = ("live", "delayed", "throttled", "down", "paused", "not_configured", "waiting")
BREAKER = {"closed": 0.0, "probing": 0.5, "open": 1.0}
DELIVERIES = (*(str(state) for state in DeliveryState), "kept")
WAITING = (DeliveryState.PENDING, DeliveryState.SENDING, DeliveryState.UNCERTAIN)
NAMES = (*SOURCES, "explore")
FETCH_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
SCORE_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
LATE = 500
"""So far back rows are looked for again: one with a lower number may be committed after one with a higher."""

router = APIRouter()


class LoopLag:
    """How late the event loop wakes up: the worst of the last ``window`` seconds. :meth:`watch` runs on that loop."""

    def __init__(self, every_s: float = 0.25, window_s: float = 60.0) -> None:
        self._every = every_s
        self._seen: deque[float] = deque(maxlen=max(1, round(window_s / every_s)))

    @property
    def worst(self) -> float:
        """Seconds; 0 before the first look."""
        return max(tuple(self._seen), default=0.0)

    async def watch(self) -> None:
        """Look for ever."""
        while True:
            due = time.monotonic() + self._every
            await asyncio.sleep(self._every)
            self._seen.append(max(0.0, time.monotonic() - due))


class Metrics:
    """The registry of one process. ``lag`` is to be watched on its event loop. :meth:`text`
    blocks on the database: call from a worker thread."""

    def __init__(self, runtime: Runtime, jobs: Schedule) -> None:
        self.registry, self.lag = CollectorRegistry(), LoopLag()
        self._runtime = runtime
        self._lock = threading.Lock()
        self._marks: tuple[int, int] | None = None
        self._counted: set[int] = set()
        self._polls = Counter(
            "heatmap_polls", "Polls by source and outcome", ["source", "outcome"], registry=self.registry
        )
        self._items = Counter("heatmap_items", "Items fetched", ["source"], registry=self.registry)
        self._new = Counter("heatmap_new_items", "Items not seen before", ["source"], registry=self.registry)
        self._bytes = Counter("heatmap_fetched_bytes", "Decoded bytes fetched", ["source"], registry=self.registry)
        self._fetch = Histogram(
            "heatmap_fetch_seconds", "What a poll took", ["source"], buckets=FETCH_BUCKETS, registry=self.registry
        )
        self._score = Histogram(
            "heatmap_score_seconds", "What a scoring poll took", buckets=SCORE_BUCKETS, registry=self.registry
        )
        self.registry.register(Now(runtime, jobs, self.lag))
        for standard in (ProcessCollector, PlatformCollector, GCCollector):
            standard(registry=self.registry)

    def text(self) -> bytes:
        """The metrics in Prometheus' text format."""
        with self._lock:
            try:
                self._count()
            except StoreError as error:
                log.warning("metrics without the database", reason=str(error))
            return generate_latest(self.registry)

    def _count(self) -> None:
        """Count what is new since the last look; a fresh process counts from now on."""
        store = self._runtime.store
        if self._marks is None:
            self._marks = store.newest_numbers()
            self._counted = {row["id"] for row in store.polls_since(self._marks[0] - LATE)}
            return
        poll, score = self._marks
        for row in store.polls_since(poll - LATE):
            if row["id"] in self._counted:
                continue
            self._counted.add(row["id"])
            poll = max(poll, row["id"])
            self._add(row["source"], row["outcome"], row["items"], row["new_items"], row["bytes"], row["ms"])
        for number, ms in store.scores_since(score):
            score = max(score, number)
            self._score.observe(ms / 1000)
        self._marks = (poll, score)
        self._counted = {number for number in self._counted if number > poll - LATE}

    def _add(self, source: str, outcome: str, items: int, new: int, size: int, ms: int) -> None:
        name = source if source in NAMES else "other"
        self._polls.labels(name, outcome if outcome in set(Outcome) else "other").inc()
        self._items.labels(name).inc(items)
        self._new.labels(name).inc(new)
        self._bytes.labels(name).inc(size)
        self._fetch.labels(name).observe(ms / 1000)


class Now(Collector):
    """What is true at the moment of the scrape."""

    def __init__(self, runtime: Runtime, jobs: Schedule, lag: LoopLag) -> None:
        self._runtime, self._jobs, self._lag = runtime, jobs, lag

    def describe(self) -> list[Metric]:
        """Nothing ahead: registering must not ask the database."""
        return []

    def collect(self) -> Iterator[Metric]:
        """One family after the other."""
        runtime = self._runtime
        yield _family("heatmap_info", "Which mode runs", ("mode",), {(runtime.mode,): 1.0})
        yield _gauge("heatmap_event_loop_lag_seconds", "The loop's worst delay of the last minute", self._lag.worst)
        yield _gauge("heatmap_sessions", "Open heatmap and wall pages", len(runtime.board.hub))
        yield _gauge("heatmap_stream_listeners", "Open event streams", len(runtime.events))
        state = runtime.database_state()
        roles = {(role,): float(state.role == role) for role in Role}
        yield _family("heatmap_role", "1 for the part this process plays", ("role",), roles)
        yield _gauge("heatmap_buffered_polls", "Polls that wait in memory for the database", state.buffered)
        yield _gauge("heatmap_dropped_polls", "Polls that did not fit while the database was away", state.dropped)
        if (cache := runtime.cache_health()) is not None:
            yield _gauge("heatmap_cache_up", "Whether the cache is asked: 0 while Redis does not answer", cache.ok)
            yield _gauge("heatmap_cache_errors", "Calls to Redis that failed since the start", cache.errors)
        yield from self._job_families()
        try:
            found = list(self._stored())
        except StoreError:
            found = [_gauge("heatmap_database_up", "Whether the database answers", 0.0)]
        yield from found

    def _job_families(self) -> Iterator[Metric]:
        jobs = self._jobs.jobs.values()
        runs = {(job.name, result): float(n) for job in jobs for result, n in (("ok", job.ok), ("failed", job.failed))}
        yield _family("heatmap_job_runs", "Runs of each job since the start", ("job", "result"), runs)
        running = {(job.name,): float(job.running) for job in jobs}
        yield _family("heatmap_job_running", "Whether a job runs now", ("job",), running)

    def _stored(self) -> Iterator[Metric]:
        runtime = self._runtime
        runtime.store.ping()
        yield _gauge("heatmap_database_up", "Whether the database answers", 1.0)
        now = runtime.reader.clock.now()
        yield from _source_families(runtime.reader.sources(), now.timestamp())
        alerts = runtime.store.alert_states()
        by_state = {(state,): float(alerts.get(state, 0)) for state in DELIVERIES}
        yield _family("heatmap_alerts", "Alerts by the state of their delivery", ("delivery",), by_state)
        depth = sum(alerts.get(state, 0) for state in WAITING)
        yield _gauge("heatmap_outbox_depth", "Alerts that still have to reach Slack", depth)
        latest = runtime.store.latest()
        if latest is not None:
            yield _gauge(
                "heatmap_board_age_seconds", "Age of the newest scores", max(0.0, (now - latest.at).total_seconds())
            )


def _source_families(found: Sequence[SourceHealth], now: float) -> Iterator[Metric]:
    age = {(one.source,): max(0.0, now - one.last_success.timestamp()) for one in found if one.last_success}
    yield _family("heatmap_source_last_success_age_seconds", "Seconds since a source last delivered", ("source",), age)
    state = {(one.source, word): float(one.state == word) for one in found for word in STATES}
    yield _family("heatmap_source_state", "1 for the state a source is in", ("source", "state"), state)
    breaker = {(one.source,): BREAKER[one.breaker] for one in found}
    yield _family("heatmap_source_breaker_open", "0 closed, 0.5 probing, 1 open", ("source",), breaker)
    quota = {(one.source,): float(one.quota_left) for one in found if one.quota_left is not None}
    yield _family("heatmap_source_quota_left", "Requests left, as the upstream says", ("source",), quota)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=float(value))


def _family(name: str, text: str, labels: tuple[str, ...], values: Mapping[Any, float]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=list(labels))
    for names, value in values.items():
        family.add_metric(list(names), value)
    return family


@router.get("/metrics", summary="Prometheus metrics", response_class=Response)
def metrics(request: Request) -> Response:
    """The text format of Prometheus."""
    found: Metrics = request.app.state.metrics
    return Response(found.text(), media_type=CONTENT_TYPE_LATEST)
