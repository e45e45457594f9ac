"""Hostile JSON from every JSON source: nesting, endless integers, infinities, doubled keys. Each poll ends in words or in
rows that can be stored, and the next one is as good as any."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from heatmap_app.auth.oidc import Provider, SignInError
from heatmap_app.writer_http import _reply
from pipelines.alert.package_writer import parse
from pipelines.errors import ShapeChangedError, SourceError, TransientError
from pipelines.ingest.clean import items_frame
from pipelines.ingest.tiktok import TikTokSource
from pipelines.model import FetchResult
from tests.contract import test_explore, test_reddit, test_tiktok
from tests.contract.json_state import JsonState
from tests.contract.security_kit import settings_with
from tests.upstreams import server
from tests.upstreams.apify import FakeApify, hashtags
from tests.upstreams.oidc import FakeProvider
from tests.upstreams.reddit import fixed, listing, post, reddit_app
from tests.upstreams.server import Upstream
from tests.upstreams.trends import FakeTrends

SECRET = "an-oidc-client-secret-long-enough"
NOW = datetime.now(UTC).replace(microsecond=0)
DEEP = b"[" * 100_000
WHOLE = b'{"kind": "Listing", "data": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001
LONG = b'{"kind": "Listing", "data": {"children": [], "after": ' + b"9" * 5_000 + b"}}"
HOSTILE = pytest.mark.parametrize(
    "body", [DEEP, WHOLE, LONG, b'"\xff\xfe"', b"null", b"NaN", b"1e400"],
    ids=["100,000 deep, cut", "100,000 deep, whole", "5,000 digits", "no UTF-8", "null", "NaN", "1e400"],
)  # fmt: skip


@pytest.fixture(scope="module")
def reddit() -> Iterator[Upstream]:
    with Upstream(reddit_app(fixed([post("a1", "Well", NOW)]))) as upstream:
        yield upstream


@HOSTILE
async def test_reddit_says_what_came(reddit: Upstream, body: bytes) -> None:
    reddit.reset()
    error = await test_reddit.failing(reddit, server.raw(body))
    assert isinstance(error, ShapeChangedError | TransientError)
    reddit.reset()
    assert (await test_reddit.source(reddit).fetch(NOW)).items.height == 1


@HOSTILE
async def test_apify_says_what_came(body: bytes) -> None:
    with server.serving(FakeApify(hashtags(12)).app) as upstream:
        source = TikTokSource(test_tiktok.settings(upstream.url), JsonState(), wait_seconds=1.5)
        upstream.plan("/datasets/", *[server.raw(body)] * 4)
        with pytest.raises(SourceError):
            await source.fetch(NOW)


@pytest.mark.parametrize("body", [DEEP, WHOLE, LONG], ids=["deep, cut", "deep, whole", "5,000 digits"])
async def test_explore_says_what_came(body: bytes) -> None:
    fake = FakeTrends()
    fake.end = test_explore.NOW
    with server.serving(fake.app) as upstream:
        desk = test_explore.Desk(upstream.url, test_explore.NAMES[:2])
        upstream.plan("/trends/api/", server.raw(b")]}'\n" + body), repeat=True)
        error = (await desk.ask()).error
        assert isinstance(error, ShapeChangedError | TransientError)


@pytest.mark.parametrize("body", [DEEP, WHOLE, LONG, b"NaN"], ids=["deep, cut", "deep, whole", "5,000 digits", "NaN"])
async def test_a_sign_in_provider_that_answers_nonsense_is_said_to(tmp_path: Path, body: bytes) -> None:
    with server.serving(FakeProvider("heatmap", SECRET).app) as upstream:
        upstream.plan("/", server.raw(body), repeat=True)
        settings = settings_with(
            tmp_path,
            method="oidc",
            users=[],
            oidc_issuer=upstream.url,
            oidc_client_id="heatmap",
            oidc_client_secret=SECRET,
        )
        with pytest.raises(SignInError, match=r"no usable answer"):
            await Provider(settings, "http://localhost/auth/oidc/callback").begin()


ODD = {
    "NaN": "NaN", "Infinity": "Infinity", "-Infinity": "-Infinity", "1e400": "1e400", "negative": "-50", "2^31": str(2**31),
    "2^63": str(2**63), "a truth value": "true", "text": '"1,234"', "a list": "[1]", "nothing": "null",
}  # fmt: skip


@pytest.mark.parametrize("number", list(ODD.values()), ids=list(ODD))
async def test_any_number_makes_a_row_that_can_be_stored(reddit: Upstream, number: str) -> None:
    reddit.reset()
    body = json.dumps(listing([post("n1", "Odd", NOW, score=777, num_comments=0)])).replace("777", number)
    reddit.plan("/r/", server.raw(body.encode()))
    found: FetchResult = await test_reddit.source(reddit).fetch(NOW)
    kept = found.items["engagement"].to_list()
    assert all(value is None or 0 <= value <= 1e15 for value in kept)
    assert kept in ([], [0.0], [1234.0], [None], [float(2**31)], [1e15])


async def test_of_doubled_keys_the_last_counts_and_nul_is_taken_out(reddit: Upstream) -> None:
    reddit.reset()
    body = json.dumps(listing([post("n1", "TITLE", NOW)])).replace('"TITLE"', '"first", "title": "la\\u0000st \\ud83d"')
    reddit.plan("/r/", server.raw(body.encode()))
    assert (await test_reddit.source(reddit).fetch(NOW)).items["title"].to_list() == ["last"]


def test_counts_beyond_32_bits_are_added_not_wrapped() -> None:
    rows = [
        {"item_id": str(n), "title": "t", "engagement": 2**31, "published_at": NOW - timedelta(hours=1)} for n in (1, 2)
    ]
    frame, _ = items_frame(rows, NOW, "reddit")
    assert frame["engagement"].dtype == pl.Float64
    assert frame["engagement"].sum() == 2.0**32


@pytest.mark.parametrize("body", [DEEP, WHOLE, LONG, b"NaN"], ids=["deep, cut", "deep, whole", "5,000 digits", "NaN"])
def test_a_writer_that_answers_nonsense_is_refused(body: bytes) -> None:
    with pytest.raises(ShapeChangedError, match="not a chat completion"):
        _reply(body)
    assert parse("x" + body.decode().replace("[", "{")) is None
