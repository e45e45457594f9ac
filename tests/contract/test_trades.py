"""TradesSource: our client and feedparser against the stand-in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.errors import PermanentError, RateLimitedError, ShapeChangedError, SourceError, TransientError
from pipelines.ingest.http import Http
from pipelines.ingest.state import MemoryState
from pipelines.ingest.trades import TradesSource, feed_name, parse_feed
from pipelines.model import ITEMS, Outcome
from pipelines.settings import load_settings
from tests.upstreams import server
from tests.upstreams.server import Answer, Upstream
from tests.upstreams.trades import XML, Article, Paper, rss, trades_app

NOW = datetime.now(UTC).replace(microsecond=0)
HOUR = timedelta(hours=1)
ARTICLES = [
    Article("Tamsin Orrelle&#8217;s &#039;Glass&#039; &amp; more", "https://trade.example/1/", NOW - HOUR, "https://trade.example/?p=1"),
    Article("Second", "https://trade.example/2/", NOW - 3 * HOUR, "https://trade.example/?p=2"),
]  # fmt: skip


@pytest.fixture
def paper() -> Paper:
    return Paper(lambda: ARTICLES)


@pytest.fixture(scope="module")
def running() -> Iterator[Upstream]:
    with Upstream(trades_app(Paper(list))) as upstream:
        yield upstream


@pytest.fixture
def site(running: Upstream, paper: Paper) -> Upstream:
    running.reset()
    running.app = trades_app(paper)
    return running


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    async with Http() as client:
        yield client


def source(http: Http, site: Upstream, *paths: str, state: MemoryState | None = None, **more: Any) -> TradesSource:
    feeds = [site.url + path for path in paths or ("/feed/",)]
    values = {"feeds": feeds, "timeout_seconds": 3, "max_bytes": 1_000_000} | more
    return TradesSource(load_settings(Path("no.env"), trades=values).trades, http, state or MemoryState())


async def test_reads_headline_link_and_time(http: Http, site: Upstream) -> None:
    result = await source(http, site).fetch(NOW)
    assert result.outcome == Outcome.OK
    assert result.items.schema == ITEMS
    row = result.items.row(0, named=True)
    assert row["title"] == "Tamsin Orrelle’s 'Glass' & more"
    assert row["item_id"] == "https://trade.example/?p=1"
    assert row["url"] == "https://trade.example/1/"
    assert row["published_at"] == NOW - HOUR
    assert row["feed"] == "127.0.0.1"
    assert (row["engagement"], row["names"]) == (None, [])
    assert result.covered_from == NOW - 3 * HOUR


async def test_u16_an_unchanged_feed_is_a_successful_poll(http: Http, site: Upstream) -> None:
    reader = source(http, site)
    await reader.fetch(NOW)
    result = await reader.fetch(NOW + timedelta(minutes=10))
    assert result.outcome == Outcome.NOT_MODIFIED
    assert result.detail == "unchanged"
    assert result.outcome.successful
    assert result.items.is_empty()
    assert result.feeds[0].outcome == Outcome.NOT_MODIFIED
    assert result.covered_from == NOW - 3 * HOUR
    assert "if-none-match" in site.log[1].headers


async def test_last_modified_alone_is_enough(http: Http, site: Upstream, paper: Paper) -> None:
    when = "Sun, 22 Nov 2026 10:00:00 GMT"
    state = MemoryState()
    site.plan("/feed/", server.raw(rss(ARTICLES), XML, last_modified=when))
    paper.modified = datetime(2026, 11, 22, 10, tzinfo=UTC)
    reader = source(http, site, state=state)
    await reader.fetch(NOW)
    assert (await reader.fetch(NOW + HOUR)).outcome == Outcome.NOT_MODIFIED
    assert site.log[1].headers["if-modified-since"] == when


async def test_u17_a_lying_etag_freezes_a_feed_for_six_hours_at_most(http: Http, site: Upstream, paper: Paper) -> None:
    paper.etag = '"always"'
    reader = source(http, site)
    await reader.fetch(NOW)
    paper.articles = lambda: [Article("New", "https://trade.example/3/", NOW, "3")]
    assert (await reader.fetch(NOW + HOUR)).outcome == Outcome.NOT_MODIFIED
    result = await reader.fetch(NOW + 6 * HOUR)
    assert result.items["title"].to_list() == ["New"]
    assert "if-none-match" not in site.log[2].headers


async def test_a_feed_that_failed_to_parse_is_not_remembered_as_read(http: Http, site: Upstream) -> None:
    site.plan("/feed/", server.raw(b"<nothing/>", XML, etag='"bad"'))
    reader = source(http, site)
    with pytest.raises(ShapeChangedError):
        await reader.fetch(NOW)
    await reader.fetch(NOW)
    assert "if-none-match" not in site.log[1].headers


async def test_a_redirect_is_followed_and_an_unsafe_one_refused(http: Http, site: Upstream) -> None:
    result = await source(http, site, "/moved/", "/away/").fetch(NOW)
    assert result.items.height == 2
    assert result.feeds[1].outcome == Outcome.FAILED
    assert "unsafe redirect refused" in result.feeds[1].detail
    assert result.outcome == Outcome.OK


async def test_one_feed_throttles_the_other_goes_on(http: Http, site: Upstream) -> None:
    site.plan("/moved/", server.too_many("90"))
    result = await source(http, site, "/feed/", "/moved/").fetch(NOW)
    assert result.items.height == 2
    assert result.retry_after_s == 90
    assert result.feeds[1].outcome == Outcome.THROTTLED


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (server.too_many("5"), RateLimitedError),
        (server.html(), ShapeChangedError),
        (server.html(404), PermanentError),
        (server.reset(), TransientError),
        (server.truncated(rss(ARTICLES), XML), TransientError),
        (server.drip(XML), TransientError),
        (server.huge(20, XML, b"<rss>"), ShapeChangedError),
        (server.raw(b"", XML), TransientError),
        (server.raw(b"hello", XML), ShapeChangedError),
        (server.raw(b'{"a":1}', XML), ShapeChangedError),
    ],
)
async def test_bad_replies(http: Http, site: Upstream, answer: Answer, kind: type[SourceError]) -> None:
    site.plan("/feed/", answer)
    reader = source(http, site)
    with pytest.raises(kind):
        await reader.fetch(NOW)
    assert (await reader.fetch(NOW)).items.height == 2


async def test_malformed_xml_keeps_the_good_entries(http: Http, site: Upstream) -> None:
    body = rss(ARTICLES).replace(b"</channel></rss>", b"<item><title>Broken & <b></item>")
    site.plan("/feed/", server.raw(body, XML))
    result = await source(http, site).fetch(NOW)
    assert {"Second"} <= set(result.items["title"].to_list())


async def test_entity_declarations_are_refused(http: Http, site: Upstream) -> None:
    bomb = b'<?xml version="1.0"?><!DOCTYPE rss [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>'
    bomb += b"<rss><channel><item><title>&b;</title></item></channel></rss>"
    site.plan("/feed/", server.raw(bomb, XML))
    with pytest.raises(ShapeChangedError, match="entities"):
        await source(http, site).fetch(NOW)


async def test_no_guid_and_repeated_guids(http: Http, site: Upstream, paper: Paper) -> None:
    paper.articles = lambda: [
        Article("No guid", "https://trade.example/9/", NOW),
        Article("First version", "https://trade.example/8/", NOW, "same"),
        Article("Second version", "https://trade.example/8/", NOW, "same"),
    ]
    result = await source(http, site).fetch(NOW)
    assert result.items["title"].to_list() == ["No guid", "Second version"]
    assert result.items["item_id"][0].startswith(("sha256:", "https://trade.example/9/"))


async def test_odd_times_and_markup(http: Http, site: Upstream) -> None:
    body = rss(
        [
            Article("&lt;b&gt;Bold&lt;/b&gt; &lt;img src=x onerror=alert(1)&gt;claim", "javascript:alert(1)", NOW, "1"),
            Article("Too old", "https://trade.example/o/", NOW - timedelta(days=90), "2"),
            Article("No time", "https://trade.example/n/", None, "3"),
            Article("x" * 10_000, "https://trade.example/l/", NOW, "4"),
        ]
    ).replace(b">3</guid>", b">3</guid><pubDate>Fri, 31 Dec 9999 23:59:59 GMT</pubDate>")
    site.plan("/feed/", server.raw(body, XML))
    result = await source(http, site).fetch(NOW)
    rows = {row["item_id"]: row for row in result.items.iter_rows(named=True)}
    assert rows["1"]["title"] == "Bold claim"
    assert rows["1"]["url"] is None
    assert "2" not in rows
    assert rows["3"]["published_at"] is None
    assert len(rows["4"]["title"]) == 500
    assert result.rejected == 1


async def test_caps_the_entries_of_a_feed(http: Http, site: Upstream, paper: Paper) -> None:
    paper.articles = lambda: [Article(f"A{n}", f"https://trade.example/{n}", NOW, str(n)) for n in range(30)]
    result = await source(http, site, max_items=10).fetch(NOW)
    assert (result.items.height, result.rejected) == (10, 20)


async def test_an_empty_channel_is_empty(http: Http, site: Upstream, paper: Paper) -> None:
    paper.articles = list
    result = await source(http, site).fetch(NOW)
    assert result.outcome == Outcome.EMPTY


@pytest.mark.parametrize("charset", ["utf-16", "latin-1"])
def test_charsets(charset: str) -> None:
    body = rss([Article("Beyoncé", "https://trade.example/", NOW, "1")]).decode().replace("UTF-8", charset)
    rows = parse_feed(body.encode(charset), "application/rss+xml", "https://trade.example/feed/", "trade.example")
    assert rows[0]["title"] == "Beyoncé"


def test_an_address_inside_the_body_is_not_fetched() -> None:
    with pytest.raises(ShapeChangedError):
        parse_feed(b"http://127.0.0.1:9/feed", "text/plain", "https://trade.example/", "trade.example")


def test_feed_names() -> None:
    assert feed_name("https://www.hollywoodreporter.com/c/movies/feed/") == "hollywoodreporter.com"
    assert feed_name("https://variety.com/feed/") == "variety.com"
