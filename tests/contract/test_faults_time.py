"""Clocks that jump (T1 to T3), and the return after an outage (U19): no burst, no stall, no false alert."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from heatmap_app.jobs import Job
from pipelines.errors import RateLimitedError, TransientError
from pipelines.ingest.buckets import Buckets
from pipelines.ingest.fetching import Policy
from pipelines.model import FetchResult, Outcome
from pipelines.outbox import SLACK
from pipelines.read.health import source_health
from pipelines.refresh import Refresh
from pipelines.refresh_alerts import Desk
from pipelines.settings import load_settings
from pipelines.store import Store
from tests.contract.guard_kit import NOW, Rig, Scripted, items
from tests.contract.json_state import JsonState
from tests.contract.store_rows import HOUR, T, add, item, result

SETTINGS = load_settings(
    mode="live", reddit={"poll_seconds": 60, "client_id": "id", "client_secret": "secret"}, tiktok={"token": "t"}
)
NAMES = ("Odalys Brightwater", "Vesper Hollow", "Marlow Quint")


class Flat:
    """No mood at all."""

    name = "flat"

    def scores(self, texts: Sequence[str]) -> list[float | None]:
        return [0.0 for _ in texts]


@pytest.mark.parametrize("jump", [3600.0, -7200.0])
async def test_t1_a_clock_that_jumps_makes_neither_burst_nor_stall(jump: float) -> None:
    rig = Rig(Policy(60.0, failures=2, breaker_seconds=30.0), JsonState(), per_minute=5)
    source = Scripted([None, TransientError("trends", "down"), TransientError("trends", "down")], poll_seconds=60)
    for _ in range(3):
        await rig.poll(source)
    rig.now += timedelta(seconds=jump)  # the wall clock alone: the monotonic one goes on as ever
    assert 0 <= await rig.wait_s() <= 3660, "never longer than its cap"
    for _ in range(10):
        await rig.poll(source)
    assert len(source.calls) <= 5, "no burst above the quota"
    rig.pass_time(60)
    assert (await rig.poll(source)).outcome is Outcome.OK, "no stall: the wait went back with the clock"


async def test_t1_a_refusal_is_not_stretched_by_a_clock_set_back() -> None:
    rig = Rig(Policy(60.0), JsonState())
    source = Scripted([RateLimitedError("trends", "wait", retry_after_s=100)], poll_seconds=60)
    await rig.poll(source)
    rig.now -= timedelta(hours=2)
    assert (await rig.poll(source)).outcome is Outcome.THROTTLED
    rig.pass_time(101)
    assert (await rig.poll(source)).outcome is Outcome.OK


async def test_t1_jobs_wait_by_the_monotonic_clock() -> None:
    class Jumping:
        def __init__(self) -> None:
            self.times = iter([NOW, NOW + HOUR, NOW - 2 * HOUR])

        def now(self) -> datetime:
            return next(self.times, NOW)

    runs: list[int] = []

    async def work() -> str:
        runs.append(1)
        return ""

    job = Job("t1", work, every=lambda: 30.0, clock=Jumping())
    await job.run_once()
    await job.run_once()
    assert len(runs) == 2
    assert job.ok == 2


@pytest.mark.parametrize(
    "moment",
    [datetime(2026, 11, 1, 5, 30, tzinfo=UTC), datetime(2026, 3, 8, 6, 30, tzinfo=UTC)],
    ids=["clocks go back", "clocks go forward"],
)
def test_t2_hours_are_utc_whatever_the_host_keeps(
    embedded_store: Store, monkeypatch: pytest.MonkeyPatch, moment: datetime
) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    refresh = Refresh(embedded_store, SETTINGS, Flat(), {"reddit": 60.0})
    for hour in range(4):
        at = moment + hour * HOUR
        refresh.ingest([result([item(f"i{hour}", at=at, published_at=at)], at=at, covered_from=at)])
    hours = embedded_store.load_coverage(moment - HOUR, moment + 5 * HOUR)["hour"].sort().to_list()
    assert hours == [moment.replace(minute=0) + hour * HOUR for hour in range(4)]


async def test_t3_two_processes_five_minutes_apart_share_one_quota() -> None:
    # the skew of application and database is a row of the database: see docs/faults.md
    rig = Rig(Policy(60.0, failures=1, breaker_seconds=30.0), JsonState())
    await rig.poll(Scripted([TransientError("trends", "down")], poll_seconds=60))
    other = Rig(rig.policy, rig.state, now=rig.now - timedelta(minutes=5))
    assert (await other.poll(Scripted())).outcome is Outcome.BREAKER_OPEN
    assert await other.wait_s() <= 33
    assert Buckets({}).left("trends") == 0


def polls(at: datetime, outcome: Outcome = Outcome.OK) -> list[FetchResult]:
    """A quiet hour's worth of every platform, the same three names at their usual volume."""
    if not outcome.successful:
        return [FetchResult(name, at, outcome, detail="cannot connect") for name in ("reddit", "trends", "tiktok")]
    stamp = f"{at:%d%H%M}"
    posts = [
        item(f"{stamp}-{n}", at=at, title=f"{name} again", published_at=at - timedelta(minutes=5), engagement=20.0)
        for n, name in enumerate(NAMES)
    ]
    lists = [
        [item(name.lower(), source, at, title=name.lower(), names=[name], rank=n + 1, engagement=1000.0)
         for n, name in enumerate(NAMES)]
        for source in ("trends", "tiktok")
    ]  # fmt: skip
    return [
        result(posts, at=at, covered_from=at - HOUR),
        result(lists[0], "trends", at),
        result(lists[1], "tiktok", at),
    ]


def test_u19_six_hours_without_any_upstream_alert_nobody_on_return(embedded_store: Store) -> None:
    refresh = Refresh(
        embedded_store, SETTINGS, Flat(), {"reddit": 60.0, "trends": 600.0, "tiktok": 3600.0}, desk=Desk(SLACK)
    )
    for name in NAMES:
        add(embedded_store, name)
    week = [T - (7 * 24 - hour) * HOUR for hour in range(7 * 24)]
    refresh.ingest([fetched for at in week for fetched in polls(at)])
    before = refresh.score(T - HOUR)
    for hour in range(6):
        refresh.ingest(polls(T + hour * HOUR, Outcome.FAILED))
        if hour in (2, 5):
            report = refresh.score(T + hour * HOUR)
            assert report.alerts == ()
            assert not report.counted, "a poll without any delivery ends and begins nothing"
            assert report.scored == before.scored, "no blank board"
    health = {row.source: row for row in source_health(embedded_store, SETTINGS, T + 5 * HOUR)}
    assert {row.state for row in health.values() if row.source != "trades"} == {"down"}
    assert health["reddit"].line.endswith("Showing posts up to 11:00 UTC.")
    assert health["reddit"].success_rate_24h == pytest.approx(18 / 24, abs=0.03)
    assert health["reddit"].items_per_poll == 3
    for minute in (0, 20, 40):
        at = T + 6 * HOUR + timedelta(minutes=minute)
        refresh.ingest(polls(at))
        report = refresh.score(at)
        assert report.alerts == (), "coming back is no trend"
        assert report.eligible == ()


def test_u11_empty_lists_and_quarantines_leave_the_baseline_alone(embedded_store: Store) -> None:
    refresh = Refresh(embedded_store, SETTINGS, Flat(), {"reddit": 60.0}, desk=Desk(SLACK))
    for name in NAMES:
        add(embedded_store, name)
    refresh.ingest([fetched for hour in range(48) for fetched in polls(T - (48 - hour) * HOUR)])
    refresh.score(T - HOUR)
    covered = embedded_store.load_coverage(T - 72 * HOUR, T + 9 * HOUR).height
    for n, outcome in enumerate(
        (Outcome.EMPTY, Outcome.QUARANTINED, Outcome.BREAKER_OPEN, Outcome.BUCKET_EMPTY, Outcome.PAUSED)
    ):
        at = T + n * HOUR
        refresh.ingest([FetchResult(name, at, outcome) for name in ("reddit", "trends", "tiktok")])
    report = refresh.score(T + 4 * HOUR)
    assert report.alerts == ()
    assert not report.counted
    assert embedded_store.load_coverage(T - 72 * HOUR, T + 9 * HOUR).height == covered, "no hour counts as looked at"
    assert embedded_store.sources_delivered(T - timedelta(seconds=1), T + 9 * HOUR) == frozenset()
    states = {row.source: row.state for row in source_health(embedded_store, SETTINGS, T + 4 * HOUR)}
    assert states["reddit"] == "paused"


def test_u16_unchanged_and_cached_polls_are_deliveries(embedded_store: Store) -> None:
    refresh = Refresh(embedded_store, SETTINGS, Flat(), {"reddit": 60.0})
    for n, outcome in enumerate((Outcome.NOT_MODIFIED, Outcome.CACHE_HIT)):
        at = T + (n + 1) * HOUR
        refresh.ingest([FetchResult("trends", at, outcome, items(at))])
        assert embedded_store.sources_delivered(at - HOUR, at) == {"trends"}


def test_u10_the_same_items_again_change_nothing(embedded_store: Store) -> None:
    refresh = Refresh(embedded_store, SETTINGS, Flat(), {"reddit": 60.0})
    add(embedded_store, NAMES[0])
    assert refresh.ingest(polls(T))["reddit"] == 3
    assert refresh.ingest(polls(T))["reddit"] == 0
    doubled = polls(T + HOUR)[0]
    twice = FetchResult("reddit", doubled.at, Outcome.OK, doubled.items.vstack(doubled.items), doubled.covered_from)
    assert refresh.ingest([twice])["reddit"] == 3


async def test_a_shorter_interval_counts_from_the_next_start_on() -> None:
    state = JsonState()
    rig = Rig(Policy(600.0), state)
    await rig.poll(Scripted())
    quick = Rig(Policy(20.0), state, now=rig.now + timedelta(seconds=5))
    assert await quick.guard.wait_s("trends", quick.now, first=True) <= 22
