"""Polling as the server does it: real sources behind the guard, what is kept, what the schedule says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from heatmap_app.polling import poll_jobs, schedule
from heatmap_app.worlds import World, live_world
from pipelines.clock import ManualClock
from pipelines.model import FetchResult, Outcome
from pipelines.read.health import source_health
from pipelines.refresh import Refresh
from pipelines.settings import Settings, load_settings
from pipelines.store import Store
from tests.contract.guard_kit import NOW
from tests.contract.test_faults_time import Flat
from tests.upstreams.server import Upstream, serving, too_many
from tests.upstreams.trends import FakeTrends, trend


@pytest.fixture
def google() -> Iterator[Upstream]:
    with serving(FakeTrends([trend(f"Name {n}") for n in range(8)]).app) as running:
        yield running


@pytest.fixture
def settings(google: Upstream) -> Settings:
    return load_settings(mode="live", trends={"url": google.url}, trades={"feeds": []}, reddit={"client_id": ""})


def world_at(settings: Settings, store: Store, clock: ManualClock) -> World:
    world = live_world(settings, store.source_state)
    return replace(world, sources={"trends": world.sources["trends"], "reddit": world.sources["reddit"]}, clock=clock)


async def test_a_poll_is_stored_planned_and_remembered(
    embedded_store: Store, settings: Settings, google: Upstream
) -> None:
    store, clock = embedded_store, ManualClock(NOW)
    refresh = Refresh(store, settings, Flat(), {"trends": 600.0})
    published: list[int] = []
    world = world_at(settings, store, clock)
    (job,) = poll_jobs(world, refresh, lambda: published.append(1))
    await job.run_once()
    assert (job.failed, published) == (0, [1]), job.last_error
    assert 600 <= job.every() <= 660
    waiting, missing = schedule(world, store, NOW)
    assert (waiting.source, waiting.why, waiting.breaker, waiting.quota_left) == ("trends", "every 10 min", "closed", 9)
    assert waiting.next_run is not None
    assert timedelta(seconds=600) <= waiting.next_run - NOW <= timedelta(seconds=660)
    assert missing.why.startswith("not configured. Set HEATMAP_REDDIT__CLIENT_ID")
    assert missing.next_run is None

    clock.set(NOW + timedelta(seconds=30))
    await world.aclose()
    world = world_at(settings, store, clock)
    (job,) = poll_jobs(world, refresh, lambda: published.append(1))
    await job.run_once()
    assert len(google.log) == 1, "a restart asks no sooner than was planned"
    assert 570 <= job.every() <= 630

    clock.set(NOW + timedelta(seconds=700))
    google.plan("/trending/rss", too_many("1200"))
    await job.run_once()
    (row,) = [row for row in schedule(world, store, clock.now()) if row.source == "trends"]
    assert row.why == "throttled until 14:31 UTC"
    assert (row.base_interval_s, row.interval_s) == (600, 1200)
    health = {row.source: row for row in source_health(store, settings, clock.now())}["trends"]
    assert (health.state, health.success_rate_24h, health.items_per_poll) == ("throttled", 0.5, 8)
    assert health.p95_ms is not None
    rows = store.fetch_rows("trends", None, None, 10)
    assert [row["outcome"] for row in rows] == [Outcome.THROTTLED, Outcome.OK]
    assert [(row["kind"], row["http_status"], row["requests"]) for row in rows] == [
        ("rate_limited", 429, 1),
        ("", 200, 1),
    ]
    told = "no answer from https://example.org/feed?token=hush&x=1, tried 3 times"
    failed = FetchResult("trades", NOW, Outcome.FAILED, detail=told, kind="no_answer", request_id="req-1")
    refresh.ingest([failed])
    (kept,) = store.fetch_rows("trades", None, None, 10)
    assert kept["detail"] == "no answer from https://example.org/feed, tried 3 times"
    assert (kept["kind"], kept["request_id"]) == ("no_answer", "req-1")
    await world.aclose()
