"""RedditSource: the real PRAW against the stand-in. Fault rows carry their id from the fault table (U1 ...)."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from pipelines.errors import PermanentError, RateLimitedError, ShapeChangedError, SourceError, TransientError
from pipelines.ingest.reddit import RedditSource
from pipelines.model import ITEMS, FetchResult, Outcome
from pipelines.settings import load_settings
from tests.upstreams import server
from tests.upstreams.reddit import CLIENT_ID, CLIENT_SECRET, World, fixed, listing, post, reddit_app
from tests.upstreams.server import Answer, Upstream

NOW = datetime.now(UTC).replace(microsecond=0)
HOUR = timedelta(hours=1)


@pytest.fixture
def world() -> World:
    return fixed([post("a1", "Odalys Brightwater walks off set", NOW - HOUR), post("a2", "Quiet day", NOW - 5 * HOUR)])


@pytest.fixture(scope="module")
def running() -> Iterator[Upstream]:
    with Upstream(reddit_app(fixed([]))) as upstream:
        yield upstream


@pytest.fixture
def reddit(running: Upstream, world: World) -> Upstream:
    running.reset()
    running.app = reddit_app(world)
    return running


def source(reddit: Upstream, **more: Any) -> RedditSource:
    values = {
        "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "url": reddit.url, "feeds": ["all"],
        "timeout_seconds": 10,
    }  # fmt: skip
    return RedditSource(load_settings(Path("no.env"), reddit=values | more).reddit)


async def failing(reddit: Upstream, *answers: Answer, **more: Any) -> SourceError:
    reddit.plan("/r/", *answers, repeat=True)
    with pytest.raises(SourceError) as caught:
        await source(reddit, **more).fetch(NOW)
    assert CLIENT_SECRET not in str(caught.value)
    return caught.value


def titles(result: FetchResult) -> list[str]:
    return result.items["title"].to_list()


async def test_reads_a_listing_with_one_request_and_no_author(reddit: Upstream) -> None:
    result = await source(reddit).fetch(NOW)

    assert result.outcome == Outcome.OK
    assert result.items.schema == ITEMS
    row = result.items.row(0, named=True)
    assert row["item_id"] == "t3_a1"
    assert row["feed"] == "movies"
    assert row["url"] == "https://www.reddit.com/r/movies/comments/a1/x/"
    assert row["engagement"] == 120.0
    assert row["published_at"] == NOW - HOUR
    assert row["names"] == []
    assert "someone_private" not in result.items.write_json()
    assert [seen.path for seen in reddit.log] == ["/api/v1/access_token", "/r/all/hot"]
    assert (result.requests, result.http_status, result.feeds[0].items) == (2, 200, 2)
    assert result.bytes_read > 0


async def test_asks_as_reddit_wants_to_be_asked(reddit: Upstream) -> None:
    await source(reddit, feeds=["movies+television"], listing="new", limit=50).fetch(NOW)

    asked = reddit.requests("/r/")[0]
    assert asked.path == "/r/movies+television/new"
    assert asked.query == {"limit": "50", "raw_json": "1"}
    assert asked.headers["authorization"].startswith("bearer ")
    assert asked.headers["user-agent"].startswith("linux:et-heatmap:0.1 (by /u/")


async def test_works_under_a_base_path(world: World) -> None:
    from starlette.applications import Starlette
    from starlette.routing import Mount

    with Upstream(Starlette(routes=[Mount("/gateway/reddit", reddit_app(world))])) as gateway:
        result = await source(gateway, url=gateway.url + "/gateway/reddit/").fetch(NOW)
    assert result.items.height == 2


async def test_keeps_its_token_between_polls(reddit: Upstream) -> None:
    reader = source(reddit)
    await reader.fetch(NOW)
    await reader.fetch(NOW)
    assert len(reddit.requests("access_token")) == 1


async def test_never_asks_for_a_single_post(world: World, reddit: Upstream) -> None:
    bare = {
        "name": "t3_b",
        "title": "Bare",
        "subreddit": "movies",
        "permalink": "/r/x/",
        "created_utc": NOW.timestamp(),
    }
    world.posts = lambda feed, now: [bare]
    result = await source(reddit).fetch(NOW)
    assert result.items["engagement"].to_list() == [None]
    assert reddit.requests("/comments/") == []


async def test_leaves_out_stickied_adult_and_removed_posts(world: World, reddit: Upstream) -> None:
    posts = [
        post("a", "Kept", NOW - HOUR),
        post("b", "Pinned", NOW - 400 * HOUR, stickied=True),
        post("c", "Adult", NOW, over_18=True),
        post("d", "Gone", NOW, removed_by_category="moderator"),
        post("e", "[deleted]", NOW),
    ]
    world.posts = lambda feed, now: posts
    result = await source(reddit).fetch(NOW)
    assert titles(result) == ["Kept"]
    assert result.rejected == 2
    assert result.covered_from == NOW - HOUR


async def test_follows_pages_up_to_the_limit(world: World, reddit: Upstream) -> None:
    posts = [post(f"p{n}", f"Post {n}", NOW - n * timedelta(minutes=1)) for n in range(70)]
    world.posts, world.page = (lambda feed, now: posts), 25
    result = await source(reddit, limit=60).fetch(NOW)
    assert result.items.height == 60
    assert [seen.query.get("after") for seen in reddit.requests("/r/")] == [None, "t3_p24", "t3_p49"]


async def test_covers_back_to_the_latest_of_the_oldest_posts(world: World, reddit: Upstream) -> None:
    depth = {"all": 3, "movies": 20}
    world.posts = lambda feed, now: [post(f"{feed}{n}", "x", NOW - n * HOUR) for n in range(depth[feed] + 1)]
    result = await source(reddit, feeds=["all", "movies"]).fetch(NOW)
    assert result.covered_from == NOW - 3 * HOUR


async def test_one_post_in_two_feeds_is_one_row(reddit: Upstream) -> None:
    result = await source(reddit, feeds=["all", "movies"]).fetch(NOW)
    assert result.items.height == 2
    assert [report.items for report in result.feeds] == [2, 2]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("120", 120), (None, 60), ("-5", 60), ("1000000000", 3600), ("0", 1), ("soon", 60), ("nan", 60), ("120.5", 120.5)],
)
async def test_u1_u2_too_many_requests(reddit: Upstream, header: str | None, seconds: float) -> None:
    error = await failing(reddit, server.too_many(header), feeds=["all", "movies"])
    assert isinstance(error, RateLimitedError)
    assert error.retry_after_s == seconds
    assert len(reddit.requests("/r/")) == 1, "asked again after being told to wait"


async def test_u2_retry_after_as_a_date(reddit: Upstream) -> None:
    until = format_datetime(NOW + timedelta(seconds=90), usegmt=True)
    error = await failing(reddit, server.too_many(until))
    assert isinstance(error, RateLimitedError)
    assert error.retry_after_s == pytest.approx(90)


async def test_u1_throttling_keeps_what_was_read(reddit: Upstream) -> None:
    reddit.plan("/r/movies", server.too_many("300"))
    result = await source(reddit, feeds=["all", "movies", "kpop"]).fetch(NOW)
    assert result.items.height == 2
    assert result.retry_after_s == 300
    assert [report.outcome for report in result.feeds] == [Outcome.OK, Outcome.THROTTLED, Outcome.SKIPPED]
    assert reddit.requests("/r/kpop") == []


async def test_u1_too_many_sign_ins(reddit: Upstream) -> None:
    reddit.plan("access_token", server.too_many("30"), repeat=True)
    with pytest.raises(RateLimitedError) as caught:
        await source(reddit).fetch(NOW)
    assert caught.value.retry_after_s == 30


async def test_u3_an_expired_token_is_renewed_silently(world: World, reddit: Upstream) -> None:
    reader = source(reddit)
    await reader.fetch(NOW)
    world.expire()
    assert (await reader.fetch(NOW)).outcome == Outcome.OK
    assert len(reddit.requests("access_token")) == 2


@pytest.mark.parametrize("how", ["reject", "stale", "wrong secret"])
async def test_u3_rejected_credentials_name_the_settings(world: World, reddit: Upstream, how: str) -> None:
    world.reject, world.stale = how == "reject", how == "stale"
    more = {"client_secret": "not-the-secret"} if how == "wrong secret" else {}
    with pytest.raises(PermanentError) as caught:
        await source(reddit, feeds=["all", "movies", "kpop"], **more).fetch(NOW)
    assert caught.value.message == (
        "credentials rejected: check HEATMAP_REDDIT__CLIENT_ID and HEATMAP_REDDIT__CLIENT_SECRET"
    )
    assert len(reddit.log) <= 6, "a retry storm"
    assert "not-the-secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("feed", "words"),
    [
        ("secretclub", "private"),
        ("bannedsub", "not found or banned"),
        ("nosuchsub", "no such subreddit"),
        ("blocked", "blocked"),
        ("../api/v1/me", "no subreddit name"),
    ],
)
async def test_u4_a_feed_that_is_gone_leaves_the_others_live(reddit: Upstream, feed: str, words: str) -> None:
    result = await source(reddit, feeds=[feed, "movies"]).fetch(NOW)
    assert result.outcome == Outcome.OK
    assert result.items.height == 2
    assert result.feeds[0].outcome == Outcome.FAILED
    assert words in result.feeds[0].detail
    assert words in result.detail


async def test_u4_all_feeds_gone_is_a_permanent_failure(reddit: Upstream) -> None:
    with pytest.raises(PermanentError, match="none of 2 feeds"):
        await source(reddit, feeds=["secretclub", "nosuchsub"]).fetch(NOW)


async def test_u9_missing_fields_in_many_rows_is_a_changed_shape(world: World, reddit: Upstream) -> None:
    posts = [post(f"p{n}", "x", NOW) for n in range(10)]
    for data in posts[:3]:
        data["headline"] = data.pop("title")
    world.posts = lambda feed, now: posts
    with pytest.raises(ShapeChangedError, match="3 of 10"):
        await source(reddit).fetch(NOW)


async def test_u10_one_bad_row_is_set_aside(world: World, reddit: Upstream) -> None:
    posts = [post(f"p{n}", f"Post {n}", NOW) for n in range(10)]
    del posts[0]["id"], posts[0]["name"]
    posts[1] |= {"author": 7, "subreddit_id": None, "poll_data": "no"}
    world.posts = lambda feed, now: posts
    result = await source(reddit).fetch(NOW)
    assert result.items.height == 9
    assert result.rejected == 1


async def test_u11_an_empty_listing_is_empty(world: World, reddit: Upstream) -> None:
    world.posts = lambda feed, now: []
    result = await source(reddit).fetch(NOW)
    assert result.outcome == Outcome.EMPTY
    assert result.items.schema == ITEMS
    assert result.detail.startswith("0 posts")


async def test_hostile_values_are_cleaned(world: World, reddit: Upstream) -> None:
    odd: list[dict[str, Any]] = [
        post("n1", "N\x00UL and \ud800 surrogate", NOW, score=-50, num_comments=0),
        post("n2", "x" * 10_000, NOW, score="12", num_comments="3"),
        post("n3", "Year 9999", NOW, created_utc=253402300799, score=2**63, num_comments=None),
        post("n4", "Year 1970", NOW, created_utc=0, score=True),
        post("n5", "Two months old", NOW - timedelta(days=60)),
    ]
    body = json.dumps(listing(odd)).replace('"num_comments": null', '"num_comments": NaN').encode()
    reddit.plan("/r/", server.raw(body))
    result = await source(reddit).fetch(NOW)
    rows = {row["item_id"]: row for row in result.items.iter_rows(named=True)}
    assert rows["t3_n1"]["title"] == "NUL and surrogate"
    assert rows["t3_n1"]["engagement"] == 0.0
    assert len(rows["t3_n2"]["title"]) == 500
    assert rows["t3_n2"]["engagement"] == 15.0
    assert rows["t3_n3"]["published_at"] is None
    assert rows["t3_n4"]["published_at"] is None
    assert rows["t3_n4"]["engagement"] == 20.0
    assert result.covered_from == NOW, "a time nobody believes must not claim hours as watched"
    assert "t3_n5" not in rows
    assert result.rejected == 1


GOOD = json.dumps(listing([post("g", "Café Société", NOW)]), ensure_ascii=False)


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (server.html(), ShapeChangedError, "unexpected page"),
        (server.raw(b'{"kind": "Listing", "data": {"chil'), TransientError, "cut-off JSON"),
        (server.raw(b'{"kind": "more"}'), ShapeChangedError, "did not answer with a listing"),
        (server.raw(b"[" * 200_000), TransientError, "cut-off JSON"),
        (server.raw(b""), ShapeChangedError, "did not answer with a listing"),
        (server.huge(50), ShapeChangedError, "15,000,000 bytes; refused"),
        (server.gzip_bomb(100), ShapeChangedError, "15,000,000 bytes; refused"),
        (server.raw(b"junk", content_encoding="gzip"), ShapeChangedError, "damaged body"),
        (server.drip(), TransientError, "no complete answer in time"),
        (server.drip_headers(), TransientError, "no complete answer in time"),
        (server.html(418), PermanentError, "answered 418"),
        (server.html(401), PermanentError, "credentials rejected"),
    ],
)
async def test_bad_replies_are_refused_in_bounded_time(
    reddit: Upstream, answer: Answer, kind: type[SourceError], words: str
) -> None:
    started = time.monotonic()
    error = await failing(reddit, answer, timeout_seconds=1 if "in time" in words else 10)
    assert isinstance(error, kind)
    assert words in error.message
    assert time.monotonic() - started < 9


async def test_a_poll_after_a_bad_reply_is_as_good_as_any(reddit: Upstream) -> None:
    reader = source(reddit, timeout_seconds=1)
    reddit.plan("/r/", server.drip())
    with pytest.raises(TransientError):
        await reader.fetch(NOW)
    assert (await reader.fetch(NOW)).items.height == 2


@pytest.mark.parametrize("answer", [server.truncated(GOOD.encode()), server.reset(), server.html(503)])
async def test_u12_a_broken_answer_is_asked_for_again(reddit: Upstream, answer: Answer) -> None:
    reddit.plan("/r/", answer)
    assert (await source(reddit).fetch(NOW)).items.height == 2
    assert len(reddit.requests("/r/")) == 2


@pytest.mark.slow
async def test_u12_a_connection_that_keeps_breaking_is_a_transient_failure(reddit: Upstream) -> None:
    error = await failing(reddit, server.truncated(GOOD.encode()))
    assert isinstance(error, TransientError)
    assert "connection broke" in error.message


async def test_a_wrong_charset_spoils_letters_not_the_poll(reddit: Upstream) -> None:
    reddit.plan("/r/", server.raw(GOOD.encode("latin-1"), "application/json; charset=utf-8"))
    assert titles(await source(reddit).fetch(NOW)) == ["Caf\ufffd Soci\ufffdt\ufffd"]


async def test_an_unreadable_charset_is_a_failure_in_words(reddit: Upstream) -> None:
    error = await failing(reddit, server.raw(GOOD.encode("utf-16"), "application/json; charset=utf-8"))
    assert isinstance(error, TransientError)
    assert "JSON" in error.message


async def test_rate_headers_that_praw_cannot_read_do_no_harm(world: World, reddit: Upstream) -> None:
    rates = {"x_ratelimit_remaining": "95.0", "x_ratelimit_used": "5.0", "x_ratelimit_reset": "0.5"}
    reddit.plan("/r/", server.raw(GOOD.encode(), "application/json", 200, **rates))
    assert (await source(reddit).fetch(NOW)).items.height == 1


async def test_a_spent_rate_window_is_reported_not_slept(world: World, reddit: Upstream) -> None:
    world.remaining, world.window_s = 0.0, 300
    started = time.monotonic()
    result = await source(reddit, feeds=["all", "movies"]).fetch(NOW)
    assert time.monotonic() - started < 5
    assert result.items.height == 2
    assert result.retry_after_s == pytest.approx(300, abs=3)
    assert len(reddit.requests("/r/")) == 1


async def test_without_credentials_says_what_to_set(reddit: Upstream) -> None:
    names = ("HEATMAP_REDDIT__CLIENT_ID", "HEATMAP_REDDIT__CLIENT_SECRET")
    assert source(reddit, client_id="", client_secret="").missing() == names
    assert source(reddit).missing() == ()
