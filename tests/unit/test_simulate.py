"""The demo's weeks: always the same for a seed, shaped like real polls, safe, and telling the stories they should."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from datetime import UTC, datetime, timedelta
from functools import cache

import polars as pl
import pytest

from pipelines.model import ITEMS, SOURCES, Outcome
from pipelines.simulate import OUTAGES, WARM_UP, DemoWorld, demo_epoch, simulate
from pipelines.simulate_feeds import TRAFFIC_FLOORS
from pipelines.simulate_names import catalogue, world
from pipelines.simulate_stories import ARCHETYPES, WEEK

EPOCH = datetime(2026, 3, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
SEED = 7


@cache
def demo() -> DemoWorld:
    return DemoWorld(SEED, EPOCH)


@cache
def week() -> pl.DataFrame:
    return simulate(SEED, EPOCH)


def of(source: str) -> pl.DataFrame:
    return week().filter(pl.col("source") == source)


def test_a_week_has_the_shape_and_the_size_of_a_recording() -> None:
    frame = week()
    assert frame.schema == ITEMS
    assert 40_000 < frame.height < 60_000
    assert set(frame["source"].unique()) == set(SOURCES)
    assert not frame.select("poll_at", "source", "item_id").is_duplicated().any()
    assert frame["poll_at"].is_between(EPOCH, EPOCH + WEEK, closed="left").all()
    assert frame.select(pl.col("feed", "item_id", "title", "url").is_null().any()).row(0) == (False,) * 4


def test_the_same_seed_gives_the_same_week_and_another_seed_another() -> None:
    assert simulate(SEED, EPOCH).equals(week())
    assert not simulate(SEED + 1, EPOCH, 1)["title"].equals(week()["title"])


def test_a_part_of_a_week_is_the_beginning_of_the_whole() -> None:
    assert simulate(SEED, EPOCH, 2.5).equals(week().filter(pl.col("poll_at") < EPOCH + timedelta(days=2.5)))


def test_links_lead_nowhere_real_and_trends_carry_headlines() -> None:
    assert week()["url"].str.starts_with("https://demo.invalid/").all()
    assert (
        week().select("source", "item_id", "url").unique().select(pl.col("url").str.contains(r"\s").any()).item()
        is False
    )
    contexts = of("trends")["context"].unique().to_list()
    assert all(news["title"] and news["source"] and news["url"] for text in contexts for news in json.loads(text))
    assert week().filter(pl.col("source") != "trends")["context"].null_count() == week().height - of("trends").height


def test_posts_grow_and_are_seen_only_after_they_were_written() -> None:
    posts = of("reddit").sort("poll_at")
    assert (posts["published_at"] <= posts["poll_at"]).all()
    grown = posts.group_by("item_id").agg(pl.col("engagement").diff().drop_nulls().min().fill_null(0.0))
    assert (grown["engagement"] >= 0).all()
    assert posts.group_by("poll_at").len()["len"].max() == posts["rank"].max()


def test_lists_are_ranked_and_traffic_is_a_floor() -> None:
    for source, group in (("trends", ["poll_at"]), ("tiktok", ["poll_at", "feed"])):
        ranks = (
            of(source).group_by(group).agg(pl.col("rank").n_unique() == pl.len(), pl.col("rank").min().alias("first"))
        )
        assert ranks["rank"].all()
        assert (ranks["first"] == 1).all()
    assert set(of("trends")["engagement"].unique()) <= {float(floor) for floor in TRAFFIC_FLOORS}
    assert of("trends")["item_id"].equals(of("trends")["title"].alias("item_id"))
    assert (of("tiktok")["names"].list.len() >= 1).all()


def test_outages_are_gaps() -> None:
    for outage in OUTAGES:
        begin = EPOCH + outage.begin_h * HOUR
        during = pl.col("poll_at").is_between(begin, begin + outage.hours * HOUR, closed="left")
        seen = set(week().filter(during)["source"].unique())
        assert seen == set(SOURCES) - outage.sources


async def test_sources_serve_the_world_and_fail_in_an_outage() -> None:
    source = demo().source("reddit")
    first = await source.fetch(EPOCH + 3 * HOUR)
    assert first.outcome is Outcome.OK
    assert first.covered_from is not None
    assert first.covered_from < EPOCH
    assert first.items.equals(of("reddit").filter(pl.col("poll_at") <= EPOCH + 3 * HOUR))
    assert (await source.fetch(EPOCH + 3 * HOUR)).outcome is Outcome.SKIPPED
    out = OUTAGES[0]
    await source.fetch(EPOCH + out.begin_h * HOUR)
    failed = await source.fetch(EPOCH + (out.begin_h + 1) * HOUR)
    assert (failed.outcome, failed.items.height) == (Outcome.FAILED, 0)
    assert "outage" in failed.detail


async def test_the_world_goes_on_after_the_week_without_a_seam() -> None:
    sources = demo().all_sources(since=EPOCH + WEEK - HOUR)
    assert list(sources) == list(SOURCES)
    frame = (await sources["reddit"].fetch(EPOCH + WEEK + HOUR)).items
    polls = frame.group_by("poll_at", maintain_order=True).agg("item_id")
    assert polls.height == 12
    ids = [set(found) for found in polls["item_id"]]
    assert all(len(before & after) > len(after) / 2 for before, after in itertools.pairwise(ids))


def test_a_far_week_is_the_same_however_one_gets_there() -> None:
    at = EPOCH + 40 * WEEK + 5 * HOUR
    walked = DemoWorld(SEED, EPOCH)
    for number in range(38, 41):
        walked.items("trends", EPOCH + number * WEEK, EPOCH + number * WEEK + HOUR)
    direct = DemoWorld(SEED, EPOCH)
    assert direct.items("trends", at, at + HOUR).equals(walked.items("trends", at, at + HOUR))
    assert [story.name for story in direct.stories(40)] != [story.name for story in direct.stories(39)]


async def test_all_sources_may_be_asked_at_once() -> None:
    fresh = DemoWorld(SEED, EPOCH)
    results = await asyncio.gather(*(source.fetch(EPOCH + WEEK - HOUR) for source in fresh.all_sources().values()))
    together = pl.concat([result.items for result in results])
    assert together.height == week().filter(pl.col("poll_at") <= EPOCH + WEEK - HOUR).height


def test_weeks_may_be_asked_for_in_any_order() -> None:
    restless = DemoWorld(SEED, EPOCH)
    for number in (9, 3, 12, 0, 9, 30, 0):
        assert restless.items("trends", EPOCH + number * WEEK, EPOCH + number * WEEK + HOUR).height > 0
    assert restless.items("trends", None, EPOCH + HOUR).equals(of("trends").filter(pl.col("poll_at") <= EPOCH + HOUR))


def test_item_ids_of_different_weeks_never_meet() -> None:
    first = set(demo().items("reddit", None, EPOCH + WEEK / 2)["item_id"])
    later = set(demo().items("reddit", EPOCH + 1.5 * WEEK, EPOCH + 2 * WEEK)["item_id"])
    assert not first & later


def test_every_shape_of_story_comes_every_week_with_a_fresh_name() -> None:
    for number in range(6):
        stories, before = demo().stories(number + 1), demo().stories(number)
        assert {story.shape.key for story in stories} == {shape.key for shape in ARCHETYPES}
        names = [story.name.text for story in stories if story.shape.cast != "common"]
        assert len(set(names)) == len(names)
        assert not set(names) & {story.name.text for story in before if story.shape.cast != "common"}


def test_platforms_take_stories_up_in_different_orders_and_trades_follow() -> None:
    stories = demo().stories(1)
    first = {min((at, source) for source, at in story.onsets.items())[1] for story in stories}
    assert first == {"reddit", "trends", "tiktok"}
    trades = demo().items("trades", EPOCH + WEEK, EPOCH + 2 * WEEK)
    for story in stories:
        told = trades.filter(pl.col("title").str.contains(story.name.text, literal=True))
        if story.shape.trades and story.shape.cast == "unknown":
            assert not told.is_empty(), story.key
        if not story.shape.trades and story.shape.cast == "unknown":
            assert told.is_empty(), story.key
    early = next(story for story in stories if story.key.endswith("trades_first"))
    assert early.broke_at is not None
    assert early.trades_at[0] < early.broke_at


def test_names_are_varied_and_invented_ones_stay_out_of_the_catalogue() -> None:
    texts = [name.text for name in catalogue()]
    assert 130 < len(texts) == len(set(texts))
    assert max(len(text) for text in texts) == 60
    assert any(re.search("[\u0590-\u06ff]", text) for text in texts), "right to left"
    assert any(re.search("[\u3040-\u9fff\uac00-\ud7af]", text) for text in texts)
    assert any('"' in text and re.search("[\U0001f300-\U0001faff]", text) for text in texts)
    assert not set(texts) & {name.text for name in world(SEED).unknown}
    assert len(world(SEED).regulars) == 80


def test_no_sentence_is_left_with_a_hole() -> None:
    titles = week()["title"].unique()
    assert not titles.str.contains(r"[{}]").any()
    assert titles.str.len_chars().max() < 200  # type: ignore[operator]  # polars types it as any literal


@pytest.mark.parametrize("minute", [0, 59])
def test_a_demo_begins_a_week_before_now(minute: int) -> None:
    now = datetime(2026, 5, 6, 7, minute, 8, tzinfo=UTC)
    epoch = demo_epoch(now)
    assert epoch + WARM_UP == datetime(2026, 5, 6, 7, tzinfo=UTC)
    first = DemoWorld(SEED, epoch).stories(1)[0]
    assert first.broke_at is not None
    assert timedelta(0) < first.broke_at - (epoch + WARM_UP) < 3 * HOUR
