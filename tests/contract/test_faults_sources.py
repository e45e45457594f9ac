"""Upstreams in trouble, rows U1 to U18 of the fault matrix, through the guard; the real Trends client over HTTP.

The rows that only concern one adapter (U3, U4, U7, U10, U13, U15, U17) are in that adapter's own file: docs/faults.md.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
import stamina

from pipelines.errors import FieldsMissingError, PausedError, PermanentError, RateLimitedError, TransientError
from pipelines.ingest import guard_state
from pipelines.ingest.buckets import Buckets
from pipelines.ingest.fetching import Policy
from pipelines.ingest.http import Http
from pipelines.ingest.pace import Turns
from pipelines.ingest.trends import TrendsSource
from pipelines.model import FetchResult, Outcome
from pipelines.read.health import judge
from pipelines.read.schedule import Planned, schedule_rows
from pipelines.settings import load_settings
from tests.contract.guard_kit import NOW, Rig, Scripted, good
from tests.contract.json_state import JsonState
from tests.upstreams.server import Upstream, drip, html, raw, serving, too_many, truncated
from tests.upstreams.trends import FakeTrends, Trend, trend

RSS = "/trending/rss"
TRENDS = Policy(600.0, deadline_s=20.0, attempts=1, failures=3, breaker_seconds=150.0)


@pytest.fixture
def google() -> FakeTrends:
    return FakeTrends([trend(f"Name {n}") for n in range(8)])


@pytest.fixture
def upstream(google: FakeTrends) -> Iterator[Upstream]:
    with serving(google.app) as running:
        yield running


@pytest.fixture
def rig() -> Rig:
    return Rig(TRENDS, JsonState())


@pytest.fixture
async def source(upstream: Upstream, rig: Rig) -> AsyncIterator[TrendsSource]:
    async with Http() as http:
        settings = load_settings().trends.model_copy(update={"url": upstream.url, "timeout_seconds": 3.0})
        yield TrendsSource(settings, http, rig.state)


@pytest.fixture(autouse=True)
def quick_retries() -> Iterator[None]:
    with stamina.set_testing(True, attempts=3, cap=True):
        yield


def why(rig: Rig, poll_seconds: float = 600.0) -> str:
    state = guard_state.from_json(rig.state.get("guard:trends"))
    return schedule_rows({"trends": Planned(poll_seconds)}, {"trends": state}, rig.now)[0].why


def row(result: FetchResult, **more: Any) -> dict[str, Any]:
    """``result`` as ``Store.last_fetches`` gives it."""
    kept: dict[str, Any] = {
        "at": result.at, "outcome": result.outcome.value, "items": result.items.height, "detail": result.detail,
        "retry_after_s": result.retry_after_s, "feeds": [], "success_at": None, "success_items": 0,
        "bad_since": result.at, "empties": 0,
    }  # fmt: skip
    return kept | more


async def test_u1_never_called_before_the_time_and_no_breaker_failure(
    rig: Rig, source: TrendsSource, upstream: Upstream
) -> None:
    upstream.plan(RSS, *[too_many("1200")] * 3)
    first = await rig.poll(source)
    assert (first.outcome, first.retry_after_s, first.kind) == (Outcome.THROTTLED, 1200, "rate_limited")
    assert why(rig) == "throttled until 14:20 UTC"
    assert await rig.wait_s() == pytest.approx(1200, abs=1)
    rig.pass_time(1100)
    for force in (False, True):
        again = await rig.poll(source, force=force)
        assert (again.outcome, again.requests) == (Outcome.THROTTLED, 0)
        assert again.detail == "throttled by Google until 14:20 UTC"
    rig.restart()
    assert (await rig.poll(source)).outcome is Outcome.THROTTLED, "remembered across a restart"
    assert len(upstream.log) == 1
    rig.pass_time(101)
    await rig.poll(source)
    assert len(upstream.log) == 2
    assert not guard_state.from_json(rig.state.get("guard:trends")).breaker.failures
    assert judge("trends", row(first), NOW, 600.0).line.startswith("Trends: throttled by Google until 14:20")


@pytest.mark.parametrize(
    ("said", "wait"), [(None, 60), ("-5", 60), ("1000000000", 3600), ("soon", 60), ("0", 1), ("NaN", 60)]
)
async def test_u2_a_strange_retry_after_is_clamped(
    rig: Rig, source: TrendsSource, upstream: Upstream, said: str | None, wait: float
) -> None:
    upstream.plan(RSS, too_many(said))
    assert (await rig.poll(source)).retry_after_s == wait
    assert 600 <= await rig.wait_s() <= 3600


async def test_the_interval_stretches_after_refusals_and_recovers() -> None:
    rig = Rig(Policy(60.0), JsonState())
    source = Scripted([RateLimitedError("trends", "wait", retry_after_s=5)] * 2, poll_seconds=60)
    waits = []
    for _ in range(2):
        await rig.poll(source)
        waits.append(await rig.until_next())
    assert waits == [120, 240]
    assert why(rig, 60.0) == "stretched to 4 min after 2 refusals"
    rig.restart()
    for _ in range(6):
        await rig.poll(source)
        waits.append(await rig.until_next())
    assert waits[2:] == [240, 240, 120, 120, 120, 60], "three clean polls halve it"
    assert why(rig, 60.0) == "every 60 s"


async def test_u5_three_500s_one_probe_then_live(rig: Rig, source: TrendsSource, upstream: Upstream) -> None:
    upstream.plan(RSS, *[raw(b"oops", status=500)] * 4)
    for _ in range(3):
        result = await rig.poll(source)
        assert (result.outcome, result.kind, result.http_status) == (Outcome.FAILED, "server_error", 500)
        wait = await rig.wait_s()
        if len(upstream.log) < 3:
            rig.pass_time(wait)
    assert wait == 150
    assert why(rig) == f"breaker open, one probe at {rig.now + timedelta(seconds=150):%H:%M} UTC"
    rig.restart()
    blocked = [await rig.poll(source) for _ in range(5)]
    assert {result.outcome for result in blocked} == {Outcome.BREAKER_OPEN}
    assert blocked[0].detail.startswith("left alone after 3 failures in a row; one probe at ")
    down = judge("trends", row(blocked[0]), rig.now, 600.0)
    assert down.state == "down"
    assert len(upstream.log) == 3, "nothing asked while it is open"
    rig.pass_time(150)
    assert (await rig.poll(source)).outcome is Outcome.FAILED, "the probe"
    assert [(await rig.poll(source)).outcome for _ in range(3)] == [Outcome.BREAKER_OPEN] * 3
    assert len(upstream.log) == 4
    assert await rig.until_next() == 300, "doubled"
    assert (await rig.poll(source)).outcome is Outcome.OK
    assert why(rig) == "every 10 min"


async def test_u5_of_many_callers_one_is_the_probe() -> None:
    rig = Rig(Policy(60.0, failures=1, breaker_seconds=30))

    async def slow(now: datetime) -> FetchResult:
        await asyncio.sleep(0.05)
        return good(now)

    source = Scripted([TransientError("trends", "down"), slow])
    await rig.poll(source)
    outcomes = [result.outcome for result in await asyncio.gather(*(rig.poll(source) for _ in range(10)))]
    assert outcomes == [Outcome.BREAKER_OPEN] * 10
    rig.pass_time(30)
    await asyncio.gather(*(rig.guard.call(source, rig.now) for _ in range(1)))
    assert len(source.calls) == 2


async def test_u6_a_consent_page_is_down_and_stores_nothing(rig: Rig, source: TrendsSource, upstream: Upstream) -> None:
    upstream.plan(RSS, html())
    result = await rig.poll(source)
    assert (result.outcome, result.kind, result.items.height) == (Outcome.FAILED, "unexpected_reply", 0)
    assert "unexpected page" in result.detail


async def test_u8_a_spent_quota_pauses_until_it_resets_and_is_not_retried() -> None:
    until = NOW + timedelta(hours=2)
    rig = Rig(Policy(600.0, attempts=3), JsonState())
    source = Scripted([PausedError("trends", "paused: quota is spent; resets 16:00", until=until, status=402)])
    first = await rig.poll(source)
    assert (first.outcome, first.kind) == (Outcome.PAUSED, "paused")
    assert await rig.wait_s() == 7200
    rig.pass_time(3600)
    rig.restart()
    assert (await rig.poll(source)).outcome is Outcome.PAUSED
    assert len(source.calls) == 1
    health = judge("trends", row(first), rig.now, 600.0)
    assert (health.state, health.line) == (
        "paused",
        "Trends: paused: quota is spent; resets 16:00. No searches yet.",
    )
    assert (await rig.poll(source, force=True)).outcome is Outcome.OK, "a person may look whether it was raised"
    rig.pass_time(1)
    assert (await rig.poll(source)).outcome is Outcome.OK


async def test_u9_missing_fields_quarantine_the_source_until_a_clean_poll(
    rig: Rig, source: TrendsSource, upstream: Upstream, google: FakeTrends
) -> None:
    google.trends = [trend("One"), trend("Two"), Trend(None), Trend(None), trend("Three"), trend("Four")]
    result = await rig.poll(source)
    assert (result.outcome, result.kind, result.items.height) == (Outcome.QUARANTINED, "shape_changed", 0)
    assert result.detail.startswith("shape changed: 2 of 6 rows have no title; quarantined")
    assert not result.outcome.successful
    kept = rig.state.get("quarantine:trends")
    assert kept is not None
    assert kept["sample"]
    assert "quarantined since 14:00" in why(rig)
    assert judge("trends", row(result), rig.now, 600.0).state == "paused"
    google.trends = [trend(f"Name {n}") for n in range(8)]
    await rig.until_next()
    assert (await rig.poll(source)).outcome is Outcome.OK
    assert why(rig) == "every 10 min", "released by a clean poll"


async def test_u9_a_person_may_release_a_source() -> None:
    rig = Rig(state=JsonState())
    await rig.poll(Scripted([FieldsMissingError("trends", "shape changed: 3 of 5", sample="x")]))
    assert await rig.guard.release("trends")
    assert why(rig) == "every 10 min"
    assert not await rig.guard.release("trends")


async def test_u11_three_empty_lists_in_a_row_are_a_delay_and_no_zero(
    rig: Rig, source: TrendsSource, google: FakeTrends
) -> None:
    await rig.poll(source)
    google.trends = []
    for n in (1, 2, 3):
        await rig.until_next()
        result = await rig.poll(source)
        assert (result.outcome, result.outcome.successful) == (Outcome.EMPTY, False)
        fetch = row(result, empties=n, success_at=NOW, success_items=8)
        state = judge("trends", fetch, rig.now, 600.0).state
        assert state == ("delayed" if n == 3 else "live") or (n == 2 and state == "delayed")


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("times", [1, 3])
async def test_u11_after_empty_lists_the_source_is_back_one_interval_later(
    rig: Rig, source: TrendsSource, google: FakeTrends, times: int, restarted: bool
) -> None:
    rig.policy = Policy(600.0, deadline_s=20.0, attempts=3, cache_seconds=120.0, breaker_seconds=150.0)
    rig.restart()
    assert (await rig.poll(source)).outcome is Outcome.OK
    listed, google.trends = google.trends, []
    for _ in range(times):
        assert await rig.until_next() == pytest.approx(600, abs=0.01)
        assert (await rig.poll(source)).outcome is Outcome.EMPTY
    google.trends = listed
    if restarted:
        rig.restart()
        assert await rig.guard.wait_s(rig.name, rig.now, first=True) == pytest.approx(600, abs=0.01)
    assert await rig.until_next() == pytest.approx(600, abs=0.01), (
        "an empty list is no fault, and stretches no interval"
    )
    assert (await rig.poll(source)).outcome.successful


async def test_u12_a_cut_reply_is_tried_again_within_the_poll(
    rig: Rig, source: TrendsSource, upstream: Upstream
) -> None:
    rig.policy = Policy(600.0, deadline_s=20.0, attempts=3)
    rig.restart()
    upstream.plan(RSS, truncated(b"<rss><channel><item>", "application/rss+xml"), raw(b"", status=502))
    result = await rig.poll(source)
    assert result.outcome is Outcome.OK
    assert len(upstream.log) == 3
    upstream.plan(RSS, *[truncated(b"<rss><channel>", "application/rss+xml")] * 3)
    rig.pass_time(7200)
    failed = await rig.poll(source)
    assert (failed.outcome, failed.requests, failed.items.height) == (Outcome.FAILED, 3, 0)


@pytest.mark.parametrize("error", [PermanentError("trends", "no"), RateLimitedError("trends", "w", retry_after_s=9)])
async def test_u12_what_cannot_pass_by_itself_is_not_tried_again(error: PermanentError | RateLimitedError) -> None:
    rig = Rig(Policy(600.0, attempts=3))
    source = Scripted([error])
    await rig.poll(source)
    assert len(source.calls) == 1


async def test_u14_a_drip_ends_at_the_total_deadline(rig: Rig, source: TrendsSource, upstream: Upstream) -> None:
    rig.policy = Policy(600.0, deadline_s=0.3, attempts=3)
    rig.restart()
    upstream.plan(RSS, drip("application/rss+xml"), repeat=True)
    started = asyncio.get_running_loop().time()
    result = await rig.poll(source)
    assert asyncio.get_running_loop().time() - started < 1.5
    assert (result.outcome, result.kind) == (Outcome.FAILED, "deadline")
    assert result.detail == "no complete answer within 0.3 s; abandoned"


async def test_u16_a_304_and_a_young_answer_both_count_as_delivered(upstream: Upstream) -> None:
    rig = Rig(Policy(600.0, cache_seconds=120.0), JsonState())
    async with Http() as http:
        settings = load_settings().trends.model_copy(update={"url": upstream.url})
        source = TrendsSource(settings, http, rig.state)
        first = await rig.poll(source)
        rig.pass_time(60)
        again = await rig.poll(source, force=True)
        assert (again.outcome, again.items.height) == (Outcome.CACHE_HIT, 8)
        assert again.items.equals(first.items), "as it was read, not as if seen again"
        assert again.detail.endswith("read 60 s ago")
        rig.pass_time(61)
        third = await rig.poll(source)
    assert (third.outcome, third.items.height) == (Outcome.NOT_MODIFIED, 8)
    assert len(upstream.log) == 2
    assert all(result.outcome.successful for result in (first, again, third))


async def test_u18_ten_due_at_once_are_spread_and_stay_within_the_quota() -> None:
    turns = Turns(0.3)
    waits = [turns.wait_s(100.0, jitter=0.5) for _ in range(10)]
    gaps = [later - earlier for earlier, later in pairwise(waits)]
    assert waits[0] == 0
    assert min(gaps) >= 0.3
    rig = Rig(Policy(60.0, requests=1), per_minute=4)
    source = Scripted(poll_seconds=60)
    outcomes = [(await rig.poll(source)).outcome for _ in range(10)]
    assert outcomes == [Outcome.OK] * 4 + [Outcome.BUCKET_EMPTY] * 6
    assert len(source.calls) == 4
    assert await rig.wait_s() == pytest.approx(15, abs=0.1)
    rig.pass_time(15)
    assert (await rig.poll(source)).outcome is Outcome.OK


async def test_requests_beyond_those_expected_are_charged_too() -> None:
    async def thirsty(now: datetime) -> FetchResult:
        return FetchResult("trends", now, Outcome.OK, requests=5)

    rig = Rig(Policy(60.0, requests=2), per_minute=6)
    source = Scripted([thirsty])
    await rig.poll(source)
    assert rig.guard.buckets.left("trends") == 1
    assert (await rig.poll(source)).outcome is Outcome.BUCKET_EMPTY


async def test_a_bucket_refills_at_its_rate() -> None:
    seconds = [0.0]
    buckets = Buckets({"reddit": 60}, monotonic=lambda: seconds[0])
    assert (await buckets.take("reddit", 60)).ok
    assert not (await buckets.take("reddit")).ok
    seconds[0] = 3.0
    assert [(await buckets.take("reddit")).ok for _ in range(4)] == [True, True, True, False]
    assert (await buckets.take("unknown", 1000)).ok


async def test_the_unexpected_and_a_database_away_are_one_result_each(rig: Rig) -> None:
    async def broken(now: datetime) -> FetchResult:
        raise ValueError("?token=hush")

    result = await rig.poll(Scripted([broken]))
    assert (result.outcome, result.kind) == (Outcome.FAILED, "unexpected")
    assert "hush" not in json.dumps(rig.state.get("guard:trends")) + result.detail


async def test_u1_a_request_beside_the_polls_shares_limit_and_refusal() -> None:
    rig = Rig(Policy(60.0, failures=1), JsonState(), per_minute=2)
    assert [await rig.guard.permit("trends", rig.now) for _ in range(3)] == [True, True, False]
    rig.pass_time(60)
    await rig.guard.refused("trends", rig.now, 300.0)
    assert not await rig.guard.permit("trends", rig.now)
    source = Scripted()
    assert (await rig.poll(source)).outcome is Outcome.THROTTLED
    assert source.calls == []
    rig.pass_time(301)
    assert await rig.guard.permit("trends", rig.now)
