"""Hostile feeds and answers over HTTP: entities, nesting, charsets, identities, times, lengths. One table a class."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from pipelines.errors import PermanentError, ShapeChangedError, SourceError, TransientError
from pipelines.ingest.apart import LARGE
from pipelines.ingest.clean import items_frame
from pipelines.ingest.http import Http
from pipelines.ingest.state import MemoryState
from pipelines.ingest.trades import TradesSource, parse_feed
from pipelines.ingest.trends import TrendsSource, _items
from pipelines.model import Outcome
from pipelines.settings import load_settings
from tests.upstreams import server
from tests.upstreams.server import Answer, Upstream
from tests.upstreams.trades import XML, Article, Paper, rss, trades_app

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SECRET = "the contents of a local file"
NESTED = b"<rss><channel>" + b"<a>" * 200_000 + b"</a>" * 200_000 + b"</channel></rss>"


@pytest.fixture(scope="module")
def running() -> Iterator[Upstream]:
    with Upstream(trades_app(Paper(lambda: [Article("Well", "https://trade.example/1", NOW)]))) as upstream:
        yield upstream


@pytest.fixture
def site(running: Upstream) -> Upstream:
    running.reset()
    return running


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    async with Http() as client:
        yield client


def trades(http: Http, site: Upstream, **more: Any) -> TradesSource:
    values = {"feeds": [site.url + "/feed/"], "timeout_seconds": 20, "max_bytes": 3_000_000, **more}
    return TradesSource(load_settings(Path("no.env"), trades=values).trades, http, MemoryState())


def trends(http: Http, site: Upstream) -> TrendsSource:
    settings = load_settings(Path("no.env")).trends.model_copy(update={"url": site.url, "timeout_seconds": 20.0})
    return TrendsSource(settings, http, MemoryState())


def rows_of(body: bytes) -> list[dict[str, Any]]:
    rows = parse_feed(body, XML, "https://trade.example/feed/", "trade.example")
    return items_frame(rows, NOW, "trades", drop_old=True)[0].to_dicts()


# ---- XML ----


def doctype(declared: str, title: str = "&x;") -> bytes:
    head = f'<?xml version="1.0"?><!DOCTYPE rss [{declared}]>'
    return f"{head}<rss version='2.0'><channel><item><title>{title}</title></item></channel></rss>".encode()


LAUGHS = '<!ENTITY x0 "ha">' + "".join(f'<!ENTITY x{n} "{f"&x{n - 1};" * 10}">' for n in range(1, 10))


@pytest.mark.parametrize(
    "declared",
    [
        pytest.param('<!ENTITY x SYSTEM "file://{file}">', id="XXE, a file"),
        pytest.param('<!ENTITY x SYSTEM "{url}/xxe">', id="XXE, an address"),
        pytest.param('<!ENTITY % p SYSTEM "{url}/xxe"> %p;', id="XXE, a parameter entity"),
        pytest.param(LAUGHS + '<!ENTITY x "&x9;">', id="a billion laughs"),
        pytest.param(f'<!ENTITY x "{"a" * 50_000}">', id="quadratic blow-up"),
    ],
)
async def test_entities_are_refused_and_nothing_is_read(
    http: Http, site: Upstream, tmp_path: Path, declared: str
) -> None:
    file = tmp_path / "secret"
    file.write_text(SECRET, encoding="utf-8")
    body = doctype(declared.replace("{file}", str(file)).replace("{url}", site.url), "&x;" * 1_000)
    site.plan("/feed/", server.raw(body, XML))
    site.plan("rss", server.raw(body, XML))
    for source in (trades(http, site), trends(http, site)):
        started = time.monotonic()
        with pytest.raises(ShapeChangedError, match=r"entities|unsafe") as caught:
            await source.fetch(NOW)
        assert SECRET not in str(vars(caught.value))
        assert time.monotonic() - started < 10
    assert not site.requests("/xxe")


async def test_an_external_doctype_is_not_fetched(http: Http, site: Upstream) -> None:
    body = rss([Article("Well", "https://trade.example/1", NOW)])
    body = body.replace(b"<rss", f'<!DOCTYPE rss SYSTEM "{site.url}/xxe">'.encode() + b"<rss", 1)
    site.plan("/feed/", server.raw(body, XML))
    try:
        await trades(http, site).fetch(NOW)
    except SourceError as error:
        assert isinstance(error, ShapeChangedError)  # noqa: PT017 - read or refused, both are right; fetched is not
    assert not site.requests("/xxe")


async def test_200_000_nested_tags_end_in_words_within_the_deadline(http: Http, site: Upstream) -> None:
    assert len(NESTED) > LARGE
    site.plan("/feed/", server.raw(NESTED, XML))
    started = time.monotonic()
    try:
        result = await trades(http, site, timeout_seconds=15).fetch(NOW)
        assert result.outcome is Outcome.EMPTY
    except SourceError as error:
        assert isinstance(error, ShapeChangedError | TransientError | PermanentError)  # noqa: PT017 - or no entries at all
    assert time.monotonic() - started < 60, "the process is killed at its deadline"
    assert (await trades(http, site).fetch(NOW)).items.height == 1


def test_200_000_nested_tags_are_no_list_of_trends() -> None:
    try:
        assert _items(NESTED) == []
    except SourceError as error:
        assert isinstance(error, ShapeChangedError | TransientError)  # noqa: PT017 - or an empty list


@pytest.mark.parametrize(
    ("encoded", "title"),
    [
        pytest.param(("utf-8", "utf-8"), "Beyoncé 東京", id="as declared"),
        pytest.param(("utf-16", "utf-16"), "Beyoncé 東京", id="UTF-16 with its mark"),
        pytest.param(("utf-8", "utf-8-sig"), "Beyoncé 東京", id="a byte order mark"),
        pytest.param(("utf-8", "latin-1"), "Beyonc", id="Latin-1 under the name of UTF-8"),
        pytest.param(("nonsense-8", "utf-8"), "Beyonc", id="a charset nobody knows"),
    ],
)
def test_charsets_cost_letters_and_no_feed(encoded: tuple[str, str], title: str) -> None:
    declared, real = encoded
    text = rss([Article("Beyoncé 東京", "https://trade.example/1", NOW, "1")]).decode().replace("UTF-8", declared)
    body = text.encode(real, "replace")
    (row,) = rows_of(body)
    assert row["title"].startswith(title)
    row["title"].encode("utf-8")


def test_control_characters_are_taken_out() -> None:
    body = rss(
        [
            Article("A\x01 b\x0b\x1bc\x7f", "https://trade.example/1", NOW, "1"),
            Article("Second", "https://trade.example/2", NOW, "2"),
        ]
    )
    titles = [row["title"] for row in rows_of(body)]
    assert not any(ord(char) < 32 or ord(char) == 127 for title in titles for char in title)
    assert "Second" in titles


# ---- identities and times ----


def test_ten_thousand_identical_entries_are_one() -> None:
    item = b"<item><title>Same</title><link>https://trade.example/1</link></item>"
    body = b"<rss version='2.0'><channel><title>t</title>" + item * 10_000 + b"</channel></rss>"
    (row,) = rows_of(body)
    assert row["item_id"].startswith("sha256:")


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("Sun, 22 Nov 2026 11:00:00 GMT", NOW - timedelta(hours=1)), ("Fri, 31 Dec 9999 23:59:59 GMT", None),
        ("Thu, 01 Jan 1970 00:00:00 GMT", None), ("", None), ("yesterday", None), ("Sun, 22 Nov 294276 00:00:00 GMT", None),
        ("Mon, 23 Nov 2026 12:00:00 GMT", None), ("Sun, 22 Nov 2026 12:09:00 GMT", NOW + timedelta(minutes=9)),
        ("Sun, 22 Nov 2026 25:61:61 GMT", None),
    ],
)  # fmt: skip
def test_times_nobody_believes_become_no_time(written: str, kept: datetime | None) -> None:
    body = rss([Article("One", "https://trade.example/1", None, "1")])
    body = body.replace(b">1</guid>", f">1</guid><pubDate>{written}</pubDate>".encode())
    (row,) = rows_of(body)
    assert row["published_at"] == kept


# ---- HTTP ----


def written(head: str, body: bytes) -> Answer:
    """Exactly this on the wire, then the connection closed."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        scope["transport"].write(f"HTTP/1.1 200 OK\r\ncontent-type: {XML}\r\n{head}\r\n\r\n".encode() + body)
        scope["transport"].close()

    return answer


GOOD = rss([Article("Well", "https://trade.example/1", NOW, "1")])


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        pytest.param(f"content-length: {len(GOOD) + 500}", TransientError, id="promises more than comes"),
        pytest.param("content-length: 20", ShapeChangedError, id="promises less than comes"),
        pytest.param("content-length: -1", TransientError, id="negative"),
        pytest.param("content-length: 99999999999999999999999", TransientError, id="without end"),
        pytest.param(f"content-length: {len(GOOD)}\r\ncontent-length: 7", TransientError, id="two of them"),
        pytest.param("transfer-encoding: chunked", TransientError, id="chunks that are none"),
    ],
)
async def test_a_length_that_lies_commits_nothing(
    http: Http, site: Upstream, head: str, kind: type[SourceError]
) -> None:
    site.plan("/feed/", written(head, GOOD))
    with pytest.raises(kind):
        await trades(http, site).fetch(NOW)
    assert (await trades(http, site).fetch(NOW)).items.height == 1


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        pytest.param(
            server.html(403, {"cf-mitigated": "challenge"}), PermanentError, "bot protection", id="Cloudflare"
        ),
        pytest.param(server.html(), ShapeChangedError, "unexpected page", id="HTML with 200"),
        pytest.param(server.raw(GOOD, "text/plain"), None, "", id="a wrong content type over a good feed"),
        pytest.param(
            server.raw(GOOD, "\udcff".encode("utf-8", "surrogateescape").decode("latin-1")),
            None,
            "",
            id="an unreadable content type",
        ),
        pytest.param(server.gzip_bomb(50, XML), ShapeChangedError, "more than 3,000,000 bytes", id="a gzip bomb"),
        pytest.param(
            server.huge(20, XML, b"<rss>"), ShapeChangedError, "more than 3,000,000 bytes", id="20 MB without a length"
        ),
    ],
)
async def test_answers_that_are_not_what_they_say(
    http: Http, site: Upstream, answer: Answer, kind: type[SourceError] | None, words: str
) -> None:
    site.plan("/feed/", answer)
    if kind is None:
        assert (await trades(http, site).fetch(NOW)).items.height == 1
        return
    with pytest.raises(kind, match=words):
        await trades(http, site).fetch(NOW)
