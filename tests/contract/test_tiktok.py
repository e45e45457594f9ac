"""TikTok through the real Apify client against the stand-in."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipelines.errors import PermanentError, RateLimitedError, ShapeChangedError, TransientError
from pipelines.ingest.tiktok import COME_BACK_SECONDS, TikTokSource
from pipelines.model import ITEMS, Outcome
from pipelines.settings import load_settings
from pipelines.settings_sections import TikTok
from tests.contract.json_state import JsonState
from tests.upstreams import server
from tests.upstreams.apify import ACTOR, TOKEN, FakeApify, hashtag, hashtags, refusal

NOW = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
SOON = NOW + timedelta(hours=1)


@pytest.fixture
def apify() -> FakeApify:
    return FakeApify(hashtags(12))


@pytest.fixture
def upstream(apify: FakeApify) -> Iterator[server.Upstream]:
    with server.serving(apify.app) as running:
        yield running


@pytest.fixture
def state() -> JsonState:
    return JsonState()


def settings(url: str, **changes: Any) -> TikTok:
    base = load_settings(tiktok={"token": TOKEN, "url": url}).tiktok
    return base.model_copy(update={"timeout_seconds": 3.0, "run_seconds": 60} | changes)


@pytest.fixture
def source(upstream: server.Upstream, state: JsonState) -> TikTokSource:
    return TikTokSource(settings(upstream.url), state, wait_seconds=1.5)


def starts(upstream: server.Upstream) -> list[server.Seen]:
    return [seen for seen in upstream.log if seen.method == "POST" and seen.path.endswith("/runs")]


async def test_a_run_becomes_items(source: TikTokSource, upstream: server.Upstream, state: JsonState) -> None:
    result = await source.fetch(NOW)
    assert result.outcome is Outcome.OK
    assert result.items.schema == ITEMS
    assert result.items.height == 12
    first = result.items.row(0, named=True)
    assert first | {"poll_at": NOW} == first
    assert first["item_id"] == "hashtag:marlowquint"
    assert (first["title"], first["names"], first["feed"]) == ("#marlowquint", ["marlowquint"], "hashtag")
    assert (first["engagement"], first["rank"]) == (90_000.0, 1)
    assert first["url"] == "https://www.tiktok.com/tag/marlowquint"
    assert result.detail == "12 hashtags"
    assert result.requests == len(upstream.log) == 3
    assert result.bytes_read > 1000
    assert [(feed.feed, feed.items) for feed in result.feeds] == [("hashtag", 12)]
    assert state.get("tiktok:good") == {
        "actor": ACTOR, "run_id": "run1", "dataset_id": "data1", "at": NOW.isoformat(), "rows": 12,
    }  # fmt: skip


async def test_every_start_carries_the_three_budget_guards(source: TikTokSource, upstream: server.Upstream) -> None:
    await source.fetch(NOW)
    start = starts(upstream)[0]
    assert start.path == "/v2/actors/clockworks~tiktok-trends-scraper/runs"
    assert start.query == {"maxItems": "100", "maxTotalChargeUsd": "0.5", "timeout": "60"}
    assert start.headers["authorization"] == f"Bearer {TOKEN}"
    assert "et-heatmap" in start.headers["user-agent"]
    assert not any("/log" in seen.path for seen in upstream.log)


async def test_a_long_input_arrives_gzipped(upstream: server.Upstream, state: JsonState, apify: FakeApify) -> None:
    from pipelines.ingest.tiktok_client import Apify

    client = Apify(settings(upstream.url))
    await client.start({"note": "x" * 2000})
    assert gzip.decompress(starts(upstream)[0].body) == json.dumps({"note": "x" * 2000}).encode()
    assert apify.runs["run1"].run_input["note"].startswith("x")


async def test_without_a_token_it_says_what_to_set(upstream: server.Upstream, state: JsonState) -> None:
    bare = load_settings(tiktok={"token": "", "url": upstream.url}).tiktok
    assert TikTokSource(bare, state).missing() == ("HEATMAP_TIKTOK__TOKEN",)
    assert TikTokSource(settings(upstream.url), state).missing() == ()


async def test_the_clients_settings_reach_loopback_past_a_proxy(
    source: TikTokSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    assert (await source.fetch(NOW)).outcome is Outcome.OK


async def test_an_unknown_actor_is_named_with_the_known_ones(upstream: server.Upstream, state: JsonState) -> None:
    source = TikTokSource(settings(upstream.url, actor="someone/else"), state)
    with pytest.raises(PermanentError, match=r"HEATMAP_TIKTOK__ACTOR.*clockworks/tiktok-trends-scraper"):
        await source.fetch(NOW)
    assert upstream.log == []


# ---- runs that take their time ----


async def test_a_slow_run_is_waited_for(source: TikTokSource, apify: FakeApify, upstream: server.Upstream) -> None:
    apify.seconds = 0.5
    assert (await source.fetch(NOW)).outcome is Outcome.OK
    assert len(starts(upstream)) == 1


async def test_u7_a_run_still_going_is_picked_up_and_not_started_again(
    source: TikTokSource, apify: FakeApify, upstream: server.Upstream, state: JsonState
) -> None:
    apify.forced = "RUNNING"
    first = await source.fetch(NOW)
    assert first.outcome is Outcome.DEGRADED
    assert first.items.is_empty()
    assert first.retry_after_s == COME_BACK_SECONDS
    apify.forced = ""
    again = TikTokSource(settings(upstream.url), state, wait_seconds=1.5)  # as after a restart
    second = await again.fetch(NOW + timedelta(seconds=30))
    assert (second.outcome, second.items.height) == (Outcome.OK, 12)
    assert len(starts(upstream)) == 1
    third = await again.fetch(SOON)
    assert third.outcome is Outcome.OK
    assert len(starts(upstream)) == 2


async def test_rows_of_a_late_run_carry_the_time_it_finished(
    source: TikTokSource, apify: FakeApify, upstream: server.Upstream, state: JsonState
) -> None:
    apify.forced = "RUNNING"
    asked = datetime.now(UTC)
    await source.fetch(asked)
    apify.forced = ""
    result = await source.fetch(asked + timedelta(hours=1))
    assert asked <= result.at <= datetime.now(UTC)
    assert result.items["poll_at"].unique().to_list() == [result.at]


async def test_u7_a_run_past_its_time_is_aborted(upstream: server.Upstream, apify: FakeApify, state: JsonState) -> None:
    apify.seconds = 60
    source = TikTokSource(settings(upstream.url, run_seconds=1), state, wait_seconds=5, grace_seconds=0.2)
    with pytest.raises(TransientError, match="still RUNNING after 1 s and was aborted"):
        await source.fetch(NOW)
    assert apify.runs["run1"].aborted
    apify.seconds = 0
    assert (await source.fetch(SOON)).outcome is Outcome.OK


async def test_an_abandoned_poll_leaves_its_run_to_the_next(
    source: TikTokSource, apify: FakeApify, upstream: server.Upstream
) -> None:
    apify.seconds = 0.6
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.4):
            await source.fetch(NOW)
    assert (await source.fetch(NOW)).outcome is Outcome.OK
    assert len(starts(upstream)) == 1


@pytest.mark.parametrize("status", ["READY", "RUNNING", "TIMING-OUT", "ABORTING"])
async def test_every_unfinished_status_is_waited_for(
    source: TikTokSource, apify: FakeApify, status: str, upstream: server.Upstream, state: JsonState
) -> None:
    apify.forced = status
    hasty = TikTokSource(settings(upstream.url), state, wait_seconds=0.1)
    assert (await hasty.fetch(NOW)).outcome is Outcome.DEGRADED


@pytest.mark.parametrize("status", ["FAILED", "TIMED-OUT", "ABORTED"])
async def test_a_run_that_failed_is_said_to_have_and_shows_the_last_good_one(
    source: TikTokSource, apify: FakeApify, status: str
) -> None:
    await source.fetch(NOW)
    apify.final, apify.status_message = status, "Proxy trouble"
    with pytest.raises(
        TransientError, match=f"ended as {status}: Proxy trouble; showing the last good run of 12:00 UTC"
    ):
        await source.fetch(SOON)


async def test_a_start_whose_answer_was_lost_is_not_paid_twice(
    source: TikTokSource, apify: FakeApify, upstream: server.Upstream
) -> None:
    real_now = datetime.now(UTC)

    async def lost(scope: Any, receive: Any, send: Any) -> None:
        """The run starts; the answer never arrives."""

        async def swallow(message: Any) -> None:
            return None

        await apify.app(scope, receive, swallow)
        scope["transport"].close()

    upstream.plan("/runs", lost)
    with pytest.raises(TransientError):
        await source.fetch(real_now)
    assert len(apify.runs) == 1
    assert (await source.fetch(real_now)).outcome is Outcome.OK
    assert len(apify.runs) == len(starts(upstream)) == 1


async def test_a_start_that_never_happened_is_made_up_for(
    source: TikTokSource, apify: FakeApify, upstream: server.Upstream, state: JsonState
) -> None:
    upstream.plan("/runs", server.reset())
    with pytest.raises(TransientError):
        await source.fetch(NOW)
    assert (await source.fetch(NOW)).outcome is Outcome.OK
    assert len(apify.runs) == 1
    assert state.get("tiktok:spend") == {"day": NOW.date().isoformat(), "usd": 0.03}


async def test_the_run_before_is_not_taken_for_the_one_that_was_lost(
    source: TikTokSource, apify: FakeApify, upstream: server.Upstream
) -> None:
    real_now = datetime.now(UTC)
    await source.fetch(real_now)
    upstream.plan("/runs", server.reset())
    with pytest.raises(TransientError):
        await source.fetch(real_now)
    assert (await source.fetch(real_now)).outcome is Outcome.OK
    assert len(apify.runs) == 2


async def test_a_dataset_that_fails_to_arrive_is_read_again_not_paid_again(
    source: TikTokSource, upstream: server.Upstream
) -> None:
    upstream.plan("/datasets/", server.html(502), server.html(502))
    with pytest.raises(TransientError, match="502"):
        await source.fetch(NOW)
    assert (await source.fetch(NOW)).outcome is Outcome.OK
    assert len(starts(upstream)) == 1


# ---- lists that are not the list ----


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], "succeeded with an empty list"),
        (hashtags(3), "only 3 hashtags, as anonymous visitors see"),
        ([{"error": "blocked", "url": "https://ads.tiktok.com"}] * 5, "nothing but 5 error rows"),
        (
            [{"type": "video", "name": f"clip {n}", "url": f"https://x.example/{n}"} for n in range(9)],
            "only 0 hashtags",
        ),
    ],
)
async def test_a_list_that_is_not_one_is_degraded_and_never_zero(
    source: TikTokSource, apify: FakeApify, rows: list[Any], words: str
) -> None:
    apify.rows = rows
    first = await source.fetch(NOW)
    assert (first.outcome, first.items.height) == (Outcome.DEGRADED, 0)
    assert not first.outcome.successful
    assert first.detail.endswith("no good run yet")
    apify.rows = hashtags(12)
    await source.fetch(SOON)
    apify.rows = rows
    third = await source.fetch(SOON + timedelta(hours=1))
    assert words in third.detail
    assert third.detail.endswith("showing the last good run of 13:00 UTC (12 rows)")
    assert (third.items.height, third.rejected) == (0, len(rows))


async def test_three_rows_are_a_list_where_three_were_asked_for(
    upstream: server.Upstream, apify: FakeApify, state: JsonState
) -> None:
    apify.rows = hashtags(3)
    source = TikTokSource(settings(upstream.url, max_items=3), state)
    assert (await source.fetch(NOW)).outcome is Outcome.OK


async def test_u9_rows_nobody_understands_quarantine_the_run(
    source: TikTokSource, apify: FakeApify, state: JsonState
) -> None:
    await source.fetch(NOW)
    apify.rows = [*hashtags(6), {"tagTitle": "new"}, {"tagTitle": "shape"}]
    with pytest.raises(ShapeChangedError, match="2 of 8 rows are not understood; showing the last good run") as caught:
        await source.fetch(SOON)
    assert '"tagTitle": "new"' in caught.value.sample
    kept = state.get("tiktok:unknown")
    assert kept is not None
    assert kept["rows"] == 2


async def test_u10_a_few_strange_rows_are_set_aside_and_counted(source: TikTokSource, apify: FakeApify) -> None:
    strange = hashtag(13, "nul\x00 name\ud800", -5, -7) | {"rank": "many", "url": "javascript:alert(1)"}
    huge = hashtag(14, "x" * 10_000, 10**30, 10**30)
    apify.rows = [*hashtags(10), strange, huge, {"what": "is this"}, {"error": "one page failed"}, 7]
    result = await source.fetch(NOW)
    assert (result.outcome, result.items.height, result.rejected) == (Outcome.OK, 12, 3)
    rows = result.items.to_dicts()
    assert rows[10]["names"] == ["nul name"]
    assert (rows[10]["engagement"], rows[10]["rank"]) == (None, None)
    assert rows[10]["url"].startswith("https://www.tiktok.com/tag/")
    assert len(rows[11]["title"]) <= 500


async def test_hashtags_and_videos_come_as_two_lists(source: TikTokSource, apify: FakeApify) -> None:
    clips = [{"type": "video", "name": f"#saltwind clip {n}", "url": f"https://www.tiktok.com/@a/video/{n}", "rank": n}
             for n in range(1, 3)]  # fmt: skip
    apify.rows = [*hashtags(5), *clips]
    result = await source.fetch(NOW)
    assert [(feed.feed, feed.outcome) for feed in result.feeds] == [
        ("hashtag", Outcome.OK), ("video", Outcome.DEGRADED),
    ]  # fmt: skip
    assert result.items.filter(feed="video")["names"].to_list() == [["saltwind"], ["saltwind"]]


# ---- money ----


async def test_the_day_has_a_cap_and_goes_on_after_midnight(
    upstream: server.Upstream, apify: FakeApify, state: JsonState
) -> None:
    apify.usage = 0.4
    source = TikTokSource(settings(upstream.url, daily_charge_usd=1.2), state)
    await source.fetch(NOW)
    await source.fetch(NOW + timedelta(minutes=1))
    with pytest.raises(PermanentError, match=r"paused: spent \$0\.80 of \$1\.20 today"):
        await source.fetch(NOW + timedelta(minutes=2))
    assert len(starts(upstream)) == 2
    assert (await source.fetch(NOW + timedelta(hours=13))).outcome is Outcome.OK


async def test_a_run_of_unknown_cost_counts_at_its_highest_price(
    upstream: server.Upstream, apify: FakeApify, state: JsonState
) -> None:
    apify.usage = None
    source = TikTokSource(settings(upstream.url, daily_charge_usd=0.9), state)
    await source.fetch(NOW)
    with pytest.raises(PermanentError, match=r"spent \$0\.50 of \$0\.90"):
        await source.fetch(NOW)


@pytest.mark.parametrize(
    ("status", "kind"), [(402, "not-enough-usage-to-run-paid-actor"), (403, "platform-feature-disabled")]
)
async def test_u8_a_spent_quota_pauses_with_its_reset_date_and_no_retry(
    source: TikTokSource, upstream: server.Upstream, state: JsonState, status: int, kind: str
) -> None:
    upstream.plan("/runs", refusal(status, kind, "Monthly usage hard limit exceeded"))
    with pytest.raises(PermanentError, match="paused: Apify's usage quota is spent; resets 2026-12-01 23:59 UTC"):
        await source.fetch(NOW)
    assert len(starts(upstream)) == 1
    assert state.get("tiktok:spend") == {"day": NOW.date().isoformat(), "usd": 0.0}


# ---- refusals and faults ----


async def test_u3_a_rejected_token_names_the_setting_and_not_the_token(
    source: TikTokSource, apify: FakeApify, upstream: server.Upstream
) -> None:
    apify.token = "another"
    with pytest.raises(PermanentError, match="token rejected: check HEATMAP_TIKTOK__TOKEN") as caught:
        await source.fetch(NOW)
    assert TOKEN not in str(caught.value)
    assert len(upstream.log) == 1


async def test_an_actor_that_is_gone(source: TikTokSource, apify: FakeApify) -> None:
    apify.actors = set()
    with pytest.raises(PermanentError, match=f"Apify knows no actor {ACTOR}"):
        await source.fetch(NOW)


@pytest.mark.parametrize(("header", "seconds"), [("120", 120), (None, 60), ("-5", 60), ("1000000000", 3600)])
async def test_u1_u2_too_many_requests(
    source: TikTokSource, upstream: server.Upstream, header: str | None, seconds: float
) -> None:
    headers = {"retry-after": header} if header else {}
    upstream.plan("/runs", refusal(429, "rate-limit-exceeded", **headers))
    with pytest.raises(RateLimitedError) as caught:
        await source.fetch(NOW)
    assert caught.value.retry_after_s == seconds
    assert len(upstream.log) == 1
    assert (await source.fetch(NOW)).outcome is Outcome.OK


async def test_missing_pagination_headers_are_a_changed_shape(source: TikTokSource, apify: FakeApify) -> None:
    apify.pagination = False
    with pytest.raises(ShapeChangedError, match="KeyError"):
        await source.fetch(NOW)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (server.html(), ShapeChangedError),
        (server.raw(b'{"data": {"id": "run1", "status": "SUCCEEDED"}}'), ShapeChangedError),
        (server.raw(b"[1, 2]"), ShapeChangedError),
        (server.raw(b"[" * 200_000), ShapeChangedError),
        (server.raw(b'{"data": {"id": "ru'), TransientError),
        (server.raw('{"data": "\xe9"}'.encode("latin-1")), ShapeChangedError),
        (server.raw(b""), TransientError),
        (server.truncated(b'{"data": {'), TransientError),
        (server.reset(), TransientError),
        (server.html(503), TransientError),
        (server.html(403), PermanentError),
        (server.raw(b"", status=302, location="http://169.254.169.254/latest"), PermanentError),
        (server.huge(50), ShapeChangedError),
        (server.gzip_bomb(100), ShapeChangedError),
    ],
    ids=["html", "fields gone", "a list", "nested", "cut", "charset", "nothing", "closed", "reset", "503", "403 html",
         "redirect", "50 MB", "bomb"],
)  # fmt: skip
@pytest.mark.parametrize("where", ["/runs", "/actor-runs/", "/datasets/"])
async def test_u6_u12_u15_a_broken_reply_anywhere_loses_nothing(
    source: TikTokSource,
    upstream: server.Upstream,
    state: JsonState,
    where: str,
    answer: server.Answer,
    error: type[Exception],
) -> None:
    real_now = datetime.now(UTC)
    await source.fetch(real_now)
    good = state.get("tiktok:good")
    upstream.plan(where, answer, answer)
    with pytest.raises(error):
        await source.fetch(real_now)
    assert state.get("tiktok:good") == good
    upstream.reset()
    assert (await source.fetch(real_now)).outcome is Outcome.OK


async def test_u14_a_slow_drip_ends_at_the_deadline(upstream: server.Upstream, state: JsonState) -> None:
    source = TikTokSource(settings(upstream.url, timeout_seconds=0.4), state)
    upstream.plan("/datasets/", server.drip(every_s=0.05), server.drip(every_s=0.05))
    began = time.monotonic()
    with pytest.raises(TransientError, match="in time"):
        await source.fetch(NOW)
    assert time.monotonic() - began < 3


async def test_u13_nobody_answers(state: JsonState) -> None:
    with pytest.raises(TransientError, match="cannot connect to Apify"):
        await TikTokSource(settings("http://127.0.0.1:9"), state).fetch(NOW)
