"""Trending Now through our HTTP client against the stand-in."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from pipelines.errors import PermanentError, RateLimitedError, ShapeChangedError, TransientError
from pipelines.ingest.amounts import amount
from pipelines.ingest.http import Http
from pipelines.ingest.trends import FULL_FETCH, TrendsSource
from pipelines.model import ITEMS, Outcome
from pipelines.settings import load_settings
from pipelines.settings_sections import Trends
from tests.contract.json_state import JsonState
from tests.upstreams import server
from tests.upstreams.trends import TOO_MANY, FakeTrends, Trend, feed_xml, trend

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
STARTED = NOW - timedelta(hours=3)


def a_list() -> list[Trend]:
    rows = [trend("Vesper  Hollow", "20K+", 3), trend("marlow quint", "2000+", 1), trend("日本 映画", "1.5M+", 0)]
    for row in rows:
        row.started = STARTED
    return rows


@pytest.fixture
def google() -> FakeTrends:
    return FakeTrends(a_list())


@pytest.fixture
def upstream(google: FakeTrends) -> Iterator[server.Upstream]:
    with server.serving(google.app) as running:
        yield running


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    async with Http() as client:
        yield client


@pytest.fixture
def state() -> JsonState:
    return JsonState()


def settings(url: str, timeout: float = 3) -> Trends:
    return load_settings().trends.model_copy(update={"url": url, "timeout_seconds": timeout})


@pytest.fixture
def source(upstream: server.Upstream, http: Http, state: JsonState) -> TrendsSource:
    return TrendsSource(settings(upstream.url), http, state)


async def test_reads_ranks_traffic_and_every_headline(source: TrendsSource, upstream: server.Upstream) -> None:
    result = await source.fetch(NOW)
    assert result.outcome is Outcome.OK
    assert result.items.schema == ITEMS
    rows = result.items.to_dicts()
    assert [row["item_id"] for row in rows] == ["vesper hollow", "marlow quint", "日本 映画"]
    assert [row["rank"] for row in rows] == [1, 2, 3]
    assert [row["engagement"] for row in rows] == [20_000.0, 2000.0, 1_500_000.0]
    assert rows[0]["title"] == "Vesper Hollow"
    assert rows[0]["names"] == ["Vesper Hollow"]
    assert rows[0]["feed"] == "US"
    assert rows[0]["published_at"] == STARTED
    assert rows[0]["poll_at"] == NOW
    headlines = json.loads(rows[0]["context"])
    assert [entry["source"] for entry in headlines] == ["News 1", "News 2", "News 3"]
    assert rows[0]["url"] == headlines[0]["url"]
    assert rows[2]["url"].startswith(f"{upstream.url}/trends/explore?q=%E6%97%A5")
    assert rows[2]["context"] is None
    assert upstream.requests("/trending/rss")[0].query == {"geo": "US"}
    assert result.requests == 1
    assert result.http_status == 200
    assert result.feeds[0].feed == "US"


async def test_u16_304_repeats_the_list_as_seen_now(source: TrendsSource, upstream: server.Upstream) -> None:
    first = await source.fetch(NOW)
    later = NOW + timedelta(minutes=10)
    second = await source.fetch(later)
    assert second.outcome is Outcome.NOT_MODIFIED
    assert second.http_status == 304
    assert upstream.log[1].headers["if-none-match"]
    assert second.items.drop("poll_at").equals(first.items.drop("poll_at"))
    assert second.items["poll_at"].unique().to_list() == [later]


async def test_u17_a_lying_validator_is_overruled_within_an_hour(
    source: TrendsSource, upstream: server.Upstream
) -> None:
    await source.fetch(NOW)
    result = await source.fetch(NOW + FULL_FETCH)
    assert result.outcome is Outcome.OK
    assert "if-none-match" not in upstream.log[1].headers


async def test_without_a_kept_list_no_conditional_request(
    source: TrendsSource, upstream: server.Upstream, state: JsonState
) -> None:
    state.put("trends:US", {"etag": '"x"', "fetched_at": NOW.isoformat(), "rows": []})
    assert (await source.fetch(NOW)).outcome is Outcome.OK
    assert "if-none-match" not in upstream.log[0].headers


async def test_u11_an_empty_list_is_no_zero(
    source: TrendsSource, google: FakeTrends, upstream: server.Upstream
) -> None:
    await source.fetch(NOW)
    google.trends = []
    result = await source.fetch(NOW + timedelta(minutes=10))
    assert result.outcome is Outcome.EMPTY
    assert not result.outcome.successful
    assert result.items.is_empty()


async def test_u6_a_consent_page_is_an_unexpected_page(source: TrendsSource, upstream: server.Upstream) -> None:
    upstream.plan("rss", server.html())
    with pytest.raises(ShapeChangedError, match="unexpected page") as caught:
        await source.fetch(NOW)
    assert "Before you continue" in caught.value.sample
    assert (await source.fetch(NOW)).outcome is Outcome.OK


async def test_other_xml_is_an_unexpected_page(source: TrendsSource, upstream: server.Upstream) -> None:
    upstream.plan("rss", server.raw(b"<feed xmlns='http://www.w3.org/2005/Atom'><title>x</title></feed>", "text/xml"))
    with pytest.raises(ShapeChangedError, match="unexpected page"):
        await source.fetch(NOW)


async def test_u1_429_html_says_how_long_to_wait(source: TrendsSource, upstream: server.Upstream) -> None:
    upstream.plan("rss", server.raw(TOO_MANY.encode(), "text/html", 429, retry_after="120"))
    with pytest.raises(RateLimitedError) as caught:
        await source.fetch(NOW)
    assert caught.value.retry_after_s == 120


@pytest.mark.parametrize("body", [feed_xml(a_list()).encode()[:-200], b"<?xml version='1.0'?><rss>"])
async def test_u12_a_truncated_feed_commits_nothing(
    source: TrendsSource, upstream: server.Upstream, body: bytes
) -> None:
    before = await source.fetch(NOW)
    upstream.plan("rss", server.raw(body, "application/rss+xml"), server.truncated(body, "application/rss+xml"))
    for _ in range(2):
        with pytest.raises(TransientError):
            await source.fetch(NOW)
    after = await source.fetch(NOW + timedelta(minutes=10))
    assert after.items.height == before.items.height


async def test_a_wrong_charset_and_control_characters_are_read_with_replacements(
    source: TrendsSource, upstream: server.Upstream
) -> None:
    rows = [trend("Zoë Märlow", "2000+", 1), trend("tab\x0bbed \x00 name", "500+", 0)]
    body = feed_xml(rows).replace("Zoë", "Zo\xeb").encode("latin-1")
    upstream.plan("rss", server.raw(body, "application/rss+xml"))
    result = await source.fetch(NOW)
    assert result.items["item_id"].to_list() == ["zo\ufffd m\ufffdrlow", "tabbed name"]


async def test_i1_50_mb_is_refused(source: TrendsSource, upstream: server.Upstream) -> None:
    upstream.plan("rss", server.huge(50, "application/rss+xml", b"<?xml version='1.0'?><rss>"))
    with pytest.raises(ShapeChangedError, match="more than"):
        await source.fetch(NOW)


async def test_u14_a_slow_drip_ends_at_the_deadline(upstream: server.Upstream, http: Http, state: JsonState) -> None:
    upstream.plan("rss", server.drip("application/rss+xml", every_s=0.05))
    with pytest.raises(TransientError, match="within"):
        await TrendsSource(settings(upstream.url, 0.4), http, state).fetch(NOW)


async def test_a_feed_that_is_gone_says_so(source: TrendsSource, upstream: server.Upstream) -> None:
    upstream.plan("rss", server.raw(b"gone", "text/plain", 404))
    with pytest.raises(PermanentError, match="404"):
        await source.fetch(NOW)


async def test_entities_are_refused(source: TrendsSource, upstream: server.Upstream) -> None:
    bomb = b'<?xml version="1.0"?><!DOCTYPE r [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><rss><channel/></rss>'
    upstream.plan("rss", server.raw(bomb, "application/rss+xml"))
    with pytest.raises(ShapeChangedError, match="unsafe"):
        await source.fetch(NOW)


async def test_u9_titles_missing_in_a_quarter_is_a_changed_shape(source: TrendsSource, google: FakeTrends) -> None:
    google.trends = [trend(f"name {n}") for n in range(6)] + [Trend(None), Trend("")]
    with pytest.raises(ShapeChangedError, match="2 of 8 rows have no title") as caught:
        await source.fetch(NOW)
    assert "approx_traffic" in caught.value.sample


async def test_u9_traffic_that_disappears_is_a_changed_shape(source: TrendsSource, google: FakeTrends) -> None:
    await source.fetch(NOW)
    google.trends = [Trend(row.query, None, row.started) for row in a_list()]
    with pytest.raises(ShapeChangedError, match="approx_traffic"):
        await source.fetch(NOW + timedelta(minutes=10))


async def test_u10_one_bad_row_is_set_aside_and_counted(source: TrendsSource, google: FakeTrends) -> None:
    google.trends = [trend(f"name {n}") for n in range(9)] + [Trend(None)]
    google.trends[3].traffic = "many"
    google.trends[4].started = datetime(1970, 1, 2, tzinfo=UTC)
    google.trends[5].started = datetime(9998, 1, 2, tzinfo=UTC)
    google.trends[6].news = [("evil", "javascript:alert(1)", "x")]
    result = await source.fetch(NOW)
    assert (result.items.height, result.rejected) == (9, 1)
    rows = {row["rank"]: row for row in result.items.to_dicts()}
    assert rows[4]["engagement"] is None
    assert rows[5]["published_at"] is None
    assert rows[6]["published_at"] is None
    assert "/trends/explore?" in rows[7]["url"]
    assert json.loads(rows[7]["context"])[0]["url"] is None


async def test_of_two_rows_for_one_search_the_better_placed_stays(source: TrendsSource, google: FakeTrends) -> None:
    google.trends = [trend("Vesper Hollow", "5000+"), trend("other"), trend("VESPER  hollow", "100+")]
    result = await source.fetch(NOW)
    rows = {row["item_id"]: row for row in result.items.to_dicts()}
    assert (rows["vesper hollow"]["rank"], rows["vesper hollow"]["engagement"]) == (1, 5000)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("2000+", 2000), ("10,000+", 10_000), ("20K+", 20_000), ("1.5M+", 1_500_000), ("1,5M", 1_500_000),
        ("2 000", 2000), ("1.000.000+", 1_000_000), ("3B", 3e9), ("209000000", 209e6), (17, 17), (0, 0), (2.5, 2.5),
        ("", None), ("many", None), ("-5", None), (-1, None), (True, None), (float("nan"), None),
        (float("inf"), None), (10**400, None), (None, None), ([], None), ("9" * 39, None),
    ],
)  # fmt: skip
def test_amounts_as_upstreams_write_them(text: object, number: float | None) -> None:
    assert amount(text) == number
