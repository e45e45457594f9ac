"""The demo against the real matching and scoring: stories reach the gate in time, everyday talk does not."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

import polars as pl
import pytest

from pipelines.model import ALIASES, MENTIONS, PLATFORMS, conform
from pipelines.normalize.candidates import candidates, find_candidates_in
from pipelines.normalize.match import Matcher
from pipelines.normalize.names import canonical
from pipelines.score import velocities
from pipelines.score_model import Scoring
from pipelines.settings import load_settings
from pipelines.simulate import DemoWorld
from pipelines.simulate_names import CATALOGUE_FILE
from pipelines.simulate_stories import WEEK, Story

EPOCH = datetime(2026, 3, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
SEED = 7
ONE_PLATFORM = {"reddit_only", "tiktok_only", "trends_only"}


@dataclass(frozen=True)
class Watched:
    """Two weeks of the demo, matched: polls with their entity, and what each entity is called (canonical)."""

    stories: tuple[Story, ...]
    mentions: pl.DataFrame
    coverage: pl.DataFrame
    names: dict[int, str]
    domains: dict[int, str]


@cache
def watched() -> Watched:
    demo = DemoWorld(SEED, EPOCH)
    end = EPOCH + 2 * WEEK - timedelta(microseconds=1)
    items = pl.concat([demo.items(source, None, end) for source in PLATFORMS])
    once = items.unique(["source", "item_id"], keep="first", maintain_order=True)
    with CATALOGUE_FILE.open(encoding="utf-8", newline="") as file:
        known = list(csv.DictReader(file))
    rows = [
        (canonical(text), text, number, row["needs_second_sign"] == "yes")
        for number, row in enumerate(known)
        for text in [row["name"], *filter(None, row["aliases"].split("|"))]
    ]
    matcher = Matcher(pl.DataFrame(rows, schema=ALIASES, orient="row"))
    found = candidates(once, matcher)
    found = pl.concat([found, find_candidates_in(once, found, matcher).select(found.columns)])
    unknown = {canonical(name.text): 10_000 + number for number, name in enumerate(demo.cast.unknown)}
    fresh = found.filter(pl.col("canonical").is_in(list(unknown))).select(
        "source", "item_id", pl.col("canonical").replace_strict(unknown, return_dtype=pl.Int64).alias("entity")
    )
    owned = matcher.match(once).select("source", "item_id", pl.col("entity_id").alias("entity"))
    pairs = pl.concat([owned, fresh]).unique()
    return Watched(
        demo.stories(1),
        items.join(pairs, on=["source", "item_id"]),
        items.select("source", hour=pl.col("poll_at").dt.truncate("1h")).unique(),
        {number: canonical(row["name"]) for number, row in enumerate(known)} | {i: name for name, i in unknown.items()},
        {number: row["domain"] for number, row in enumerate(known)},
    )


@cache
def scored(now: datetime) -> pl.DataFrame:
    """The board at ``now``: entity, velocity_z, spread_count, raw."""
    world = watched()
    seen = world.mentions.filter(pl.col("poll_at") <= now)
    posts = seen.filter(pl.col("source") == "reddit").unique(["item_id", "entity"], keep="last", maintain_order=True)
    lists = seen.filter(pl.col("source") != "reddit")
    frame = pl.concat([posts.with_columns(at="published_at"), lists.with_columns(at="poll_at")])
    coverage = world.coverage.filter(pl.col("hour") <= now)
    return velocities(conform(frame, MENTIONS), coverage, Scoring.from_settings(load_settings()), now).entities


def passing(now: datetime) -> set[str]:
    """Canonical names past both gates at ``now``."""
    board = scored(now).filter((pl.col("velocity_z") >= 2.5) & (pl.col("spread_count") >= 2))
    return {watched().names[entity] for entity in board["entity"]}


def story(key: str) -> Story:
    return next(told for told in watched().stories if told.shape.key == key)


@pytest.mark.parametrize(
    "key",
    [
        "reddit_first", "tiktok_first", "trends_first", "overlap_a", "overlap_b", "late_trends", "night_story",
        "controversy", "common_word", "never_covered", "trades_first", "slow_burner",
        "unknown_person", "unknown_two", "unknown_tiktok", "unknown_uncovered",
    ],
)  # fmt: skip
def test_a_story_on_several_platforms_passes_two_hours_before_the_trades(key: str) -> None:
    told = story(key)
    assert told.broke_at is not None
    name = canonical(told.name.text)
    assert name not in passing(min(told.onsets.values()) - HOUR)
    trades = [at for at in told.trades_at if at > told.broke_at]
    deadline = trades[0] - 2 * HOUR if trades else told.broke_at + 3 * HOUR
    assert name in passing(deadline)


@pytest.mark.parametrize("key", sorted(ONE_PLATFORM))
@pytest.mark.parametrize("after", [2, 6, 11])
def test_a_burst_on_one_platform_never_passes(key: str, after: int) -> None:
    told = story(key)
    now = min(told.onsets.values()) + after * HOUR
    assert canonical(told.name.text) not in passing(now)
    assert scored(now).filter(pl.col("velocity_z") >= 1.0).height > 0


@pytest.mark.parametrize("after", [2, 3, 5, 9])
def test_the_fizzled_story_stays_below(after: int) -> None:
    told = story("fizzled")
    assert canonical(told.name.text) not in passing(min(told.onsets.values()) + after * HOUR)


def test_everyday_talk_stays_below_the_gate_nearly_always() -> None:
    world = watched()
    told = {canonical(word) for part in world.stories for word in part.words.values()}
    told |= {canonical(word) for part in DemoWorld(SEED, EPOCH).stories(0) for word in part.words.values()}
    everyday = {world.names[entity] for entity, domain in world.domains.items() if domain == "entertainment"} - told
    looks = [EPOCH + WEEK + (3 + 11 * number) * HOUR for number in range(14)]
    above = [name for now in looks for name in passing(now) & everyday]
    assert len(everyday) > 50
    assert len(above) <= 0.005 * len(everyday) * len(looks), above


def test_the_top_of_the_board_is_what_is_happening() -> None:
    world = watched()
    for told in world.stories:
        if told.broke_at is None or told.shape.key == "fizzled":
            continue
        running = [
            canonical(other.name.text)
            for other in world.stories
            if min(other.onsets.values()) <= told.broke_at + 4 * HOUR
        ]
        board = scored(told.broke_at + 4 * HOUR).sort("raw", descending=True, nulls_last=True)
        ours = [world.names[e] for e in board["entity"] if world.domains.get(e, "entertainment") == "entertainment"]
        assert canonical(told.name.text) in ours[:12]
        assert len(set(ours[:3]) & set(running)) >= 1
