"""Explore through the real pytrends against the stand-in."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from pipelines.errors import RateLimitedError, ShapeChangedError, TransientError
from pipelines.ingest.explore import INTEREST, ExploreResult, ExploreSource
from pipelines.model import Outcome
from pipelines.settings import load_settings
from tests.contract.json_state import JsonState
from tests.upstreams import server
from tests.upstreams.trends import TOO_MANY, FakeTrends

NOW = datetime(2026, 11, 22, 12, 10, tzinfo=UTC)
NAMES = ["Vesper Hollow", "Marlow Quint", "Lumen Fair", "Orrin Vale", "Juno Halloway", "Saltwind"]


@pytest.fixture
def google() -> FakeTrends:
    fake = FakeTrends()
    fake.end = NOW
    return fake


@pytest.fixture
def upstream(google: FakeTrends) -> Iterator[server.Upstream]:
    with server.serving(google.app) as running:
        yield running


class Desk:
    """A source with its memory and its naps in view."""

    def __init__(self, url: str, names: list[str], *, timeout: float = 3, explore: bool = True) -> None:
        changes = {"url": url, "explore": explore, "timeout_seconds": timeout}
        self.names = names
        self.state = JsonState()
        self.naps: list[float] = []
        self.source = ExploreSource(
            load_settings().trends.model_copy(update=changes),
            self.state,
            lambda: self.names,
            sleep=self.naps.append,
            jitter=lambda: 0.5,
        )

    async def ask(self, now: datetime = NOW) -> ExploreResult:
        return await self.source.fetch_interest(now)


@pytest.fixture
def desk(upstream: server.Upstream) -> Desk:
    return Desk(upstream.url, NAMES[:2])


async def test_hourly_interest_of_the_week(desk: Desk, upstream: server.Upstream, google: FakeTrends) -> None:
    google.interest = lambda word, category, hour: hour % 50 if word == NAMES[0] else 7
    result = await desk.ask()
    assert result.error is None
    assert result.interest.schema == INTEREST
    first = result.interest.filter(keyword=NAMES[0])
    assert first.height == 169
    assert first["at"].max() == NOW.replace(minute=0)
    assert first["value"].to_list()[:60] == [float(hour % 50) for hour in range(60)]
    assert first["is_partial"].to_list() == [False] * 168 + [True]
    asked = upstream.requests("/trends/api/explore")[0]
    payload = json.loads(asked.query["req"])
    assert payload["comparisonItem"] == [{"keyword": name, "time": "now 7-d", "geo": "US"} for name in NAMES[:2]]
    assert "et-heatmap" in asked.headers["user-agent"]
    assert "NID=" in asked.headers["cookie"]
    assert asked.method == "POST"


async def test_at_most_five_keywords_and_a_pause_before_every_request(upstream: server.Upstream) -> None:
    desk = Desk(upstream.url, [*NAMES, NAMES[0].upper(), "", "\x00"])
    result = await desk.ask()
    sizes = [len(json.loads(seen.query["req"])["comparisonItem"]) for seen in upstream.requests("/trends/api/explore")]
    assert sizes == [5, 5, 1, 1]
    assert result.requests == len(upstream.log) == len(desk.naps) == 9
    assert all(nap >= 2.5 for nap in desk.naps)
    assert result.interest["keyword"].n_unique() == 6


async def test_a_round_is_cached_for_the_hour_and_the_category_for_a_day(desk: Desk, upstream: server.Upstream) -> None:
    first = await desk.ask()
    again = await desk.ask(NOW + timedelta(minutes=59))
    assert again.interest.equals(first.interest)
    assert (again.asked, again.requests) == ((), 0)
    assert (await desk.source.fetch(NOW + timedelta(minutes=59))).outcome is Outcome.CACHE_HIT
    upstream.reset()
    await desk.ask(NOW + timedelta(minutes=60))
    categories = [json.loads(seen.query["req"])["category"] for seen in upstream.requests("/trends/api/explore")]
    assert categories == [0]


async def test_interest_within_entertainment_is_evidence(desk: Desk, google: FakeTrends) -> None:
    def interest(word: str, category: int, hour: int) -> int:
        if word == NAMES[0]:
            return 80 if hour > 150 else 10
        return 0 if category == 3 else 20

    google.interest = interest
    result = await desk.ask()
    assert result.evidence() == [(NAMES[0], 1.0, "Explore: rises in Entertainment category (100% of hours)")]


async def test_no_data_at_all_is_empty(desk: Desk, google: FakeTrends) -> None:
    google.interest = lambda word, category, hour: None
    result = await desk.ask()
    assert (result.error, result.interest.height) == (None, 0)
    assert (await desk.source.fetch(NOW)).outcome is Outcome.EMPTY


async def test_429_breaks_the_circuit_for_half_an_hour(desk: Desk, upstream: server.Upstream) -> None:
    upstream.plan("multiline", server.raw(TOO_MANY.encode(), "text/html", 429))
    first = await desk.ask()
    assert isinstance(first.error, RateLimitedError)
    upstream.reset()
    second = await desk.ask(NOW + timedelta(minutes=29))
    assert isinstance(second.error, RateLimitedError)
    assert second.error.retry_after_s == 60
    assert upstream.log == []
    with pytest.raises(RateLimitedError, match="left alone until 12:40 UTC"):
        await desk.source.fetch(NOW + timedelta(minutes=29))
    assert (await desk.ask(NOW + timedelta(minutes=31))).error is None


async def test_a_refusal_keeps_what_was_already_paid_for(upstream: server.Upstream) -> None:
    desk = Desk(upstream.url, NAMES)
    await desk.ask()
    upstream.plan("multiline", server.too_many("5"))
    later = await desk.ask(NOW + timedelta(hours=2))
    assert isinstance(later.error, RateLimitedError)
    assert later.interest["keyword"].n_unique() == 6


async def test_a_redirect_to_the_captcha_breaks_the_circuit(desk: Desk, upstream: server.Upstream) -> None:
    upstream.plan("/trends/explore", server.raw(b"", "text/html", 302, location="https://www.google.com/sorry/index"))
    assert isinstance((await desk.ask()).error, RateLimitedError)
    assert desk.state.get("explore:breaker") is not None


async def test_u15_a_redirect_elsewhere_is_not_followed(desk: Desk, upstream: server.Upstream) -> None:
    upstream.plan("multiline", server.raw(b"", "text/html", 302, location="http://169.254.169.254/latest/meta-data"))
    error = (await desk.ask()).error
    assert isinstance(error, ShapeChangedError)
    assert "unsafe redirect" in str(error)


@pytest.mark.parametrize("status", [500, 502, 503])
async def test_u5_a_server_error_is_transient(desk: Desk, upstream: server.Upstream, status: int) -> None:
    upstream.plan("/trends/api/explore", server.html(status))
    assert isinstance((await desk.ask()).error, TransientError)
    assert (await desk.ask()).error is None


@pytest.mark.parametrize(
    "answer",
    [
        server.html(),
        server.raw(b')]}\'\n{"widgets": []}', ""),
        server.raw(b')]}\'\n{"widgets": [{"id": "SOMETHING_ELSE"}]}'),
        server.raw(b")]}'\n[]"),
        server.huge(50),
    ],
    ids=["consent", "no content type", "no series", "a list", "50 MB"],
)
async def test_u6_a_changed_page_is_said_to_be_one(
    desk: Desk, upstream: server.Upstream, answer: server.Answer
) -> None:
    upstream.plan("/trends/api/explore", answer)
    assert isinstance((await desk.ask()).error, ShapeChangedError)
    assert (await desk.ask()).error is None


@pytest.mark.parametrize(
    "answer",
    [
        server.raw(b')]}\',\n{"default": {"timelineData": [{"time": "17'),
        server.truncated(b')]}\',\n{"default": {"timelineData": ['),
        server.reset(),
    ],
    ids=["cut short", "connection closed", "reset"],
)
async def test_u12_a_cut_reply_is_transient(desk: Desk, upstream: server.Upstream, answer: server.Answer) -> None:
    upstream.plan("multiline", answer)
    assert isinstance((await desk.ask()).error, TransientError)
    assert (await desk.ask()).error is None


async def test_strange_rows_change_the_shape_not_the_process(desk: Desk, upstream: server.Upstream) -> None:
    for row in ({"time": "1", "value": "x"}, {"time": None, "value": [1, 2]}, {"value": [1]}, 7):
        body = b")]}',\n" + json.dumps({"default": {"timelineData": [row]}}).encode()
        upstream.plan("multiline", server.raw(body))
        assert isinstance((await desk.ask()).error, ShapeChangedError)


async def test_u14_a_slow_drip_ends_at_the_deadline(upstream: server.Upstream) -> None:
    desk = Desk(upstream.url, NAMES[:1], timeout=0.5)
    upstream.plan("multiline", server.drip(every_s=0.05))
    started = time.monotonic()
    assert isinstance((await desk.ask()).error, TransientError)
    assert time.monotonic() - started < 3


async def test_off_by_default_and_then_silent(upstream: server.Upstream) -> None:
    desk = Desk(upstream.url, NAMES, explore=False)
    assert desk.source.missing() == ("HEATMAP_TRENDS__EXPLORE",)
    assert (await desk.ask()).asked == ()
    assert upstream.log == []


async def test_two_upstreams_in_one_process_are_kept_apart(upstream: server.Upstream) -> None:
    with server.serving(FakeTrends().app) as other:
        desks = [Desk(upstream.url, NAMES[:1]), Desk(other.url, NAMES[:1])]
        results = await asyncio.gather(*(desk.ask() for desk in desks * 2))
        assert all(result.error is None for result in results)
        assert len(upstream.log) == len(other.log) == 5


async def test_only_the_retired_addresses_are_gone(upstream: server.Upstream) -> None:
    desk = Desk(upstream.url, NAMES[:1])
    await desk.ask()
    assert {seen.path for seen in upstream.log} == {
        "/trends/explore/",
        "/trends/api/explore",
        "/trends/api/widgetdata/multiline",
    }
