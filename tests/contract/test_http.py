"""Http: our own client against every way an answer can go wrong."""

from __future__ import annotations

import gzip
import time
import zlib
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from pipelines.clock import ManualClock
from pipelines.errors import PermanentError, RateLimitedError, ShapeChangedError, SourceError, TransientError
from pipelines.ingest.guard import looks_like, place
from pipelines.ingest.http import Http, Reply
from pipelines.outgoing import is_private
from pipelines.retry_after import retry_after_seconds
from tests.upstreams import server
from tests.upstreams.server import Answer, Upstream

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
XML = "application/rss+xml"
CAP = 1_000_000


async def page(scope: Scope, receive: Receive, send: Send) -> None:
    await Response(b"<rss/>", media_type=XML, headers={"etag": '"one"'})(scope, receive, send)


@pytest.fixture(scope="module")
def running() -> Iterator[Upstream]:
    with Upstream(page) as upstream:
        yield upstream


@pytest.fixture
def site(running: Upstream) -> Upstream:
    running.reset()
    return running


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    async with Http(ManualClock(NOW)) as client:
        yield client


async def get(http: Http, site: Upstream, *answers: Answer, **more: Any) -> Reply:
    site.plan("/", *answers)
    limits = {"max_bytes": CAP, "deadline_s": 10.0} | more
    return await http.get("trades", site.url + "/feed?token=hush", **limits)


def location(target: str, status: int = 302) -> Response:
    return Response(status_code=status, headers={"location": target})


async def test_fetches_a_document(http: Http, site: Upstream) -> None:
    reply = await get(http, site)
    assert (reply.status, reply.body, reply.not_modified, reply.requests) == (200, b"<rss/>", False, 1)
    assert reply.headers["ETag"] == '"one"'
    assert site.log[0].headers["user-agent"].startswith("et-heatmap/")
    assert site.log[0].headers["accept-encoding"] == "gzip"


async def test_u16_a_conditional_request_may_be_answered_unchanged(http: Http, site: Upstream) -> None:
    reply = await get(
        http, site, Response(status_code=304), etag='"one"', last_modified="Sun, 22 Nov 2026 10:00:00 GMT"
    )
    assert reply.not_modified
    assert reply.body == b""
    assert site.log[0].headers["if-none-match"] == '"one"'
    assert site.log[0].headers["if-modified-since"] == "Sun, 22 Nov 2026 10:00:00 GMT"


async def test_unchanged_without_having_asked_is_a_failure(http: Http, site: Upstream) -> None:
    with pytest.raises(TransientError, match="304"):
        await get(http, site, Response(status_code=304))


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (server.html(), ShapeChangedError, "unexpected page"),
        (server.raw(b'{"a": 1}'), ShapeChangedError, "JSON where XML"),
        (server.html(403), PermanentError, "403"),
        (server.html(403, {"cf-mitigated": "challenge"}), PermanentError, "bot protection"),
        (server.html(404), PermanentError, "404"),
        (server.html(500), TransientError, "500"),
        (server.html(503), TransientError, "503"),
        (server.raw(b""), TransientError, "empty reply"),
        (server.raw(b" \n"), TransientError, "empty reply"),
        (server.truncated(b"<rss>"), TransientError, "connection broke"),
        (server.reset(), TransientError, "connection broke"),
        (server.huge(50), ShapeChangedError, "more than 1,000,000 bytes"),
        (server.gzip_bomb(50), ShapeChangedError, "more than 1,000,000 bytes"),
        (server.raw(gzip.compress(b"<rss/>" * 1000)[:-20], content_encoding="gzip"), TransientError, "damaged"),
        (server.raw(b"nonsense", content_encoding="gzip"), TransientError, "damaged"),
        (server.raw(b"x", content_encoding="br"), TransientError, "unknown content encoding"),
        (server.drip(), TransientError, "no complete answer within 1 s"),
        (server.drip_headers(), TransientError, "no complete answer within 1 s"),
        (server.silence(), TransientError, "no complete answer within 1 s"),
        (Response(status_code=302), ShapeChangedError, "without saying where to go"),
    ],
)
async def test_bad_answers(http: Http, site: Upstream, answer: Answer, kind: type[SourceError], words: str) -> None:
    started = time.monotonic()
    with pytest.raises(kind) as caught:
        await get(http, site, answer, deadline_s=1.0 if "within 1 s" in words else 10.0)
    assert words in caught.value.message
    assert "hush" not in str(vars(caught.value))
    assert "127.0.0.1/feed" in caught.value.message
    assert time.monotonic() - started < 8
    assert (await get(http, site)).status == 200, "one bad answer spoilt the client"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120), (None, 60), ("-5", 60), ("1000000000", 3600), ("0", 1), ("0.2", 1), ("", 60), ("inf", 60),
        ("Sun, 22 Nov 2026 12:02:00 GMT", 120), ("Sun, 22 Nov 2026 11:00:00 GMT", 60),
        ("Fri, 01 Jan 2100 00:00:00 GMT", 3600),
        ("Sun, 99 Nov 2026", 60), ("9" * 400, 60),
    ],
)  # fmt: skip
async def test_u2_retry_after(http: Http, site: Upstream, header: str | None, seconds: float) -> None:
    assert retry_after_seconds(header, NOW) == seconds
    with pytest.raises(RateLimitedError) as caught:
        await get(http, site, server.too_many(header))
    assert caught.value.retry_after_s == seconds


async def test_503_with_retry_after_is_throttling(http: Http, site: Upstream) -> None:
    with pytest.raises(RateLimitedError) as caught:
        await get(http, site, server.too_many("7", status=503))
    assert (caught.value.retry_after_s, caught.value.status) == (7, 503)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "raw deflate", "two members", "padded"])
async def test_compressed_bodies(http: Http, site: Upstream, encoding: str) -> None:
    plain = b"<rss>" + b"x" * 200_000
    raw = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    bodies = {
        "gzip": gzip.compress(plain),
        "deflate": zlib.compress(plain),
        "raw deflate": raw.compress(plain) + raw.flush(),
        "two members": gzip.compress(plain[:9]) + gzip.compress(plain[9:]),
        "padded": gzip.compress(plain) + b"\0" * 512,
    }
    header = "deflate" if "deflate" in encoding else "gzip"
    reply = await get(http, site, server.raw(bodies[encoding], XML, content_encoding=header))
    assert reply.body == plain


async def test_redirects_are_followed_and_counted(http: Http, site: Upstream) -> None:
    reply = await get(http, site, location("/moved?x=1", 301), location("other", 307))
    assert reply.url == site.url + "/other"
    assert reply.requests == 3


async def test_a_redirect_elsewhere_loses_the_sign_in(http: Http, site: Upstream) -> None:
    with Upstream(page) as other:
        site.plan("/", location(other.url + "/feed"))
        headers = {"Authorization": "Bearer hush", "X-Kept": "yes"}
        await http.get("trades", site.url, headers=headers, max_bytes=CAP, deadline_s=2)
        assert "authorization" in site.log[0].headers
        assert "authorization" not in other.log[0].headers
        assert other.log[0].headers["x-kept"] == "yes"


async def test_u15_redirect_loop(http: Http, site: Upstream) -> None:
    with pytest.raises(PermanentError, match="circles"):
        await get(http, site, *[location("/again")] * 10)
    assert len(site.log) == 6


@pytest.mark.parametrize(
    "target",
    [
        "http://169.254.169.254/latest/meta-data/?token=hush",
        "http://[::ffff:169.254.169.254]/",
        "http://2852039166/",
        "http://[fe80::1]/",
        "file:///etc/passwd",
        "ftp://127.0.0.1/x",
        "data:text/xml,<rss/>",
        "http://user:hush@127.0.0.1/",
        "http://127.0.0.1:99999/",
        "http://[broken/",
        "javascript:alert(1)",
    ],
)
async def test_u15_unsafe_redirects_are_refused(http: Http, site: Upstream, target: str) -> None:
    with pytest.raises(PermanentError, match="unsafe redirect refused") as caught:
        await get(http, site, location(target))
    assert "hush" not in str(caught.value)
    assert len(site.log) == 1


@pytest.mark.parametrize("url", ["ftp://x/", "feed", "http://", "http://[1", "file:///etc/passwd", "http://a b/"])
async def test_addresses_that_cannot_be_fetched(http: Http, url: str) -> None:
    with pytest.raises(SourceError):
        await http.get("trades", url, max_bytes=CAP, deadline_s=1)


async def test_u13_nobody_listens(http: Http) -> None:
    with Upstream(page) as gone:
        url = gone.url
    with pytest.raises(TransientError, match="cannot connect"):
        await http.get("trades", url, max_bytes=CAP, deadline_s=2)


async def test_u13_not_tls(http: Http, site: Upstream) -> None:
    with pytest.raises(TransientError, match="TLS"):
        await http.get("trades", site.url.replace("http:", "https:"), max_bytes=CAP, deadline_s=2)


async def test_sources_do_not_share_cookies(http: Http, site: Upstream) -> None:
    await get(http, site, Response(b"<rss/>", headers={"set-cookie": "a=b"}))
    await get(http, site)
    assert "cookie" not in site.log[1].headers


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"\xef\xbb\xbf  <?xml version='1.0'?><rss/>", "xml"),
        ("<?xml version='1.0'?><rss/>".encode("utf-16"), "xml"),
        (b"<?xml version='1.0'?><!DOCTYPE html><html/>", "html"),
        (b"<!-- hi --><html>", "html"),
        (b"<HTML>", "html"),
        (b")]}',\n{}", "json"),
        (b" [1]", "json"),
        (b"hello", "text"),
        (b"\0\0", "empty"),
    ],
)
def test_looks_like(body: bytes, kind: str) -> None:
    assert looks_like(body) == kind


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "::ffff:10.0.0.1", "fe80::1%eth0", "0.0.0.0"]
)
def test_private_addresses(address: str) -> None:
    assert is_private(address)
    assert not is_private("93.184.216.34")


def test_place_hides_what_may_be_secret() -> None:
    assert place("https://user:hush@variety.com/feed/?token=hush#hush") == "variety.com/feed/"
    assert place("http://[") == "an unreadable address"
