"""Scoring: the worked example of the definitions, edges of windows and hours, and what must not change a score."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipelines import score as score_module
from pipelines import score_rows
from pipelines.errors import SettingsError
from pipelines.model import COVERAGE, MENTIONS, PLATFORMS
from pipelines.score import score, velocities
from pipelines.score_hours import plan
from pipelines.score_model import Scored, Scoring, entities_schema, history_schema, platforms_schema
from pipelines.settings import load_settings
from tests.unit.score_kit import SCORING, T, frame
from tests.unit.score_reference import Row

HOUR = timedelta(hours=1)
WINDOW = 12 * HOUR


def posts(
    count: int, at: datetime, entity: str = "Vela", *, engagement: float = 99.0, mood: float | None = None
) -> list[Row]:
    """Reddit posts within the hour before ``at``; 99 points make w = 3."""
    return [
        Row(entity, "reddit", f"{at.isoformat()}-{n}", at - timedelta(minutes=n % 59), engagement, sentiment=mood)
        for n in range(count)
    ]


def one(scored: Scored, entity: str = "Vela") -> dict[str, object]:
    return scored.entities.row(by_predicate=pl.col("entity") == entity, named=True)


def part(scored: Scored, source: str, entity: str = "Vela") -> dict[str, object]:
    return scored.platforms.row(by_predicate=(pl.col("entity") == entity) & (pl.col("source") == source), named=True)


def worked_example() -> list[Row]:
    """Reddit: windows of 6.0, one of 12.0, now 24.0. Trends: nothing before, now one clock hour of w = 9.5."""
    rows = [row for k in range(1, 14) for row in posts(4 if k == 5 else 2, T - k * WINDOW - HOUR)]
    rows += posts(8, T - 3 * HOUR, mood=0.4)
    return [*rows, Row("Vela", "trends", "vela", T - timedelta(hours=3, minutes=30), 10**9.5 - 10)]


def test_the_worked_example() -> None:
    scored = score(frame(worked_example()), None, SCORING, T)

    reddit, trends, vela = part(scored, "reddit"), part(scored, "trends"), one(scored)
    assert reddit["mu"] == pytest.approx(6.4615, abs=5e-5)
    assert reddit["s"] == pytest.approx(1.6641, abs=5e-5)
    assert reddit["x"] == pytest.approx(24.0)
    assert reddit["z"] == pytest.approx(3.1422, abs=5e-5)
    assert (trends["x"], trends["mu"], trends["z"]) == (pytest.approx(9.5), 0.0, pytest.approx(2.375))
    assert vela["velocity_z"] == pytest.approx(3.9013, abs=1e-4)
    assert (vela["spread_count"], vela["spread"]) == (2, pytest.approx(2 / 3))
    assert vela["affect"] == pytest.approx(0.4)
    assert vela["raw"] == pytest.approx(2.2306, abs=1e-4)
    assert vela["confidence_parts"] == {
        "evidence": pytest.approx(9 / 14), "baseline": 1.0, "health": 1.0, "agreement": pytest.approx(2 / 3),
    }  # fmt: skip
    assert vela["confidence"] == pytest.approx((9 / 14 * 2 / 3) ** 0.25)


def test_heat_decays_from_the_latest_hour_at_the_maximum() -> None:
    rows = [*posts(30, T - 20 * HOUR), *posts(1, T - HOUR)]

    vela = one(score(frame(rows), None, SCORING, T))

    assert vela["peak_at"] == T - 9 * HOUR  # the burst leaves the window 12 h after 20 h ago; nothing else came
    assert vela["heat"] == pytest.approx(float(str(vela["raw"])) * math.exp(-9 / 24))


def test_a_mention_twelve_hours_old_is_baseline() -> None:
    rows = [Row("Vela", "reddit", "a", T - WINDOW, 99.0), Row("Vela", "reddit", "b", T - WINDOW + HOUR, 99.0)]

    reddit = part(score(frame(rows), None, SCORING, T), "reddit")

    assert (reddit["x"], reddit["mentions"]) == (pytest.approx(3.0), 1)
    assert reddit["mu"] == pytest.approx(3.0 / 13)


def test_a_mention_seven_days_old_is_gone() -> None:
    assert score(frame([Row("Vela", "reddit", "a", T - 14 * WINDOW)]), None, SCORING, T).entities.is_empty()
    assert (
        score(
            frame([Row("Vela", "reddit", "a", T - 14 * WINDOW + timedelta(microseconds=1))]), None, SCORING, T
        ).entities.height
        == 1
    )


def test_a_level_hour_counts_once_by_its_largest_weight_where_it_was_last_seen() -> None:
    half = T - WINDOW - timedelta(minutes=30)
    rows = [Row("Vela", "trends", item, at, engagement) for item, at, engagement in (
        ("a", half, 90.0), ("b", half + timedelta(minutes=10), 990.0), ("a", half + timedelta(minutes=20), 90.0),
    )]  # fmt: skip
    later = T - timedelta(minutes=20)  # cuts that clock hour: its last sighting is in the window

    assert part(score(frame(rows), None, SCORING, T), "trends")["mu"] == pytest.approx(3.0 / 13)
    assert part(score(frame(rows), None, SCORING, later), "trends")["x"] == pytest.approx(3.0)


def test_a_rank_stands_in_for_engagement_in_a_list() -> None:
    def x(**of: float | None) -> object:
        row = replace(Row("Vela", "tiktok", "a", T - HOUR, rank=5, list_length=50), **of)  # type: ignore[arg-type]  # test data
        longest = Row("Oru", "tiktok", "z", T - HOUR, rank=20)
        return part(score(frame([row, longest]), None, SCORING, T), "tiktok")["x"]

    assert x() == pytest.approx(1.9)
    assert x(list_length=None) == pytest.approx(1.75), "the longest rank of that instant is the list's length"
    assert x(engagement=90.0) == pytest.approx(2.0)
    assert x(engagement=math.nan) == pytest.approx(1.9)
    assert x(rank=None) == pytest.approx(1.0)


def test_negative_missing_and_infinite_engagement_is_none_for_an_event() -> None:
    for engagement in (-7.0, 0.0, None, math.nan, math.inf):
        rows = [Row("Vela", "reddit", "a", T - HOUR, engagement)]
        assert part(score(frame(rows), None, SCORING, T), "reddit")["x"] == pytest.approx(1.0)


def test_an_item_seen_again_is_updated_not_added() -> None:
    rows = [
        Row("Vela", "reddit", "a", T - HOUR, 0.0, sentiment=-1.0),
        Row("Vela", "reddit", "a", T - HOUR, 99.0, sentiment=0.5),
    ]

    scored = score(frame(rows), None, SCORING, T)

    assert (part(scored, "reddit")["x"], part(scored, "reddit")["mentions"]) == (pytest.approx(3.0), 1)
    assert one(scored)["affect"] == pytest.approx(0.5)


def test_controversy_needs_more_than_the_floor() -> None:
    def affect(count: int) -> object:
        half = count // 2
        rows = [*posts(half, T - HOUR, mood=0.8), *posts(count - half, T - 3 * HOUR, mood=-0.8)]
        return one(score(frame(rows), None, SCORING, T))["affect"]

    assert affect(10) == pytest.approx(0.0)
    assert affect(12) == pytest.approx(0.25)


def test_an_outage_neither_hides_a_spike_nor_makes_one() -> None:
    rows = [row for hour in range(1, 168) for row in posts(1, T - hour * HOUR) if not 30 <= hour < 80]
    polled = [("reddit", T - hour * HOUR) for hour in range(1, 180) if not 31 <= hour <= 80]
    coverage = pl.DataFrame(polled, schema=COVERAGE, orient="row")

    blind, aware = (part(score(frame(rows), c, SCORING, T), "reddit") for c in (None, coverage))

    assert aware["windows"] == 9
    assert aware["baseline_hours"] == 108.0
    values = aware["window_values"]
    assert isinstance(values, list)
    assert [value is None for value in values] == [False] * 2 + [True] * 4 + [False] * 7
    assert float(str(blind["z"])) > 0.3 > abs(float(str(aware["z"])))


def test_warming_up_with_fewer_than_four_windows() -> None:
    polled = [("reddit", T - hour * HOUR) for hour in range(1, 48)]
    coverage = pl.DataFrame(polled, schema=COVERAGE, orient="row")
    rows = [*posts(4, T - HOUR), *posts(2, T - 20 * HOUR)]

    reddit = part(score(frame(rows), coverage, SCORING, T), "reddit")

    assert (reddit["windows"], reddit["warming_up"], reddit["s"]) == (3, True, 0.0)
    assert reddit["mu"] == pytest.approx(2.0, rel=0.05)


def test_plain_without_deviation_is_nothing_or_the_cap() -> None:
    steady = [row for k in range(14) for row in posts(2, T - k * WINDOW - HOUR)]
    plain = SCORING.with_(method="plain")

    assert part(score(frame(steady), None, plain, T), "reddit")["z"] == 0.0
    assert part(score(frame([*steady, *posts(1, T - 2 * HOUR)]), None, plain, T), "reddit")["z"] == 4.0


def test_seasonal_compares_with_the_same_hours_of_six_days() -> None:
    daily = [row for day in range(7) for row in posts(9, T - day * 24 * HOUR - HOUR)]
    seasonal = part(score(frame(daily), None, SCORING.with_(method="seasonal"), T), "reddit")

    assert (seasonal["windows"], seasonal["mu"], seasonal["z"]) == (6, pytest.approx(27.0), pytest.approx(0.0))
    assert float(str(part(score(frame(daily), None, SCORING, T), "reddit")["z"])) > 0.5


def busy(seed: int = 5, count: int = 600) -> list[Row]:
    rng = np.random.default_rng(seed)
    return [
        Row(f"E{rng.integers(5)}", str(rng.choice([*PLATFORMS, "trades"])), f"i{rng.integers(90)}",
            T - timedelta(minutes=int(rng.integers(-600, 20_000))), float(rng.integers(-5, 5_000)),
            sentiment=float(rng.uniform(-1, 1)))
        for _ in range(count)
    ]  # fmt: skip


def assert_same(left: Scored, right: Scored) -> None:
    assert_frame_equal(left.entities, right.entities)
    assert_frame_equal(left.platforms.sort("entity", "source"), right.platforms.sort("entity", "source"))
    assert_frame_equal(left.history.sort("entity", "hour"), right.history.sort("entity", "hour"))


def test_rows_after_the_time_and_other_sources_change_nothing() -> None:
    rows = busy()
    past = [row for row in rows if row.at <= T and row.source in PLATFORMS]
    assert len(past) < len(rows)

    assert_same(score(frame(rows), None, SCORING, T), score(frame(past), None, SCORING, T))


def test_entities_do_not_touch_each_other() -> None:
    rows = busy()
    together, alone = (
        score(frame(rows), None, SCORING, T),
        score(frame([r for r in rows if r.entity == "E3"]), None, SCORING, T),
    )

    only = Scored(
        T, *(f.filter(pl.col("entity") == "E3") for f in (together.entities, together.platforms, together.history))
    )
    assert_same(only, alone)


def test_order_of_single_rows_does_not_matter() -> None:
    rows = list({(row.source, row.item_id, row.entity): row for row in busy()}.values())
    shuffled = [rows[i] for i in np.random.default_rng(1).permutation(len(rows))]

    assert_same(score(frame(rows), None, SCORING, T), score(frame(shuffled), None, SCORING, T))


def test_all_of_time_may_move() -> None:
    days = timedelta(days=11)
    moved = [replace(row, at=row.at + days) for row in busy()]
    here, there = score(frame(busy()), None, SCORING, T), score(frame(moved), None, SCORING, T + days)

    assert_frame_equal(here.entities.drop("peak_at"), there.entities.drop("peak_at"))


def test_chunks_give_what_one_piece_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = score(frame(busy()), None, SCORING, T)
    monkeypatch.setattr(score_module, "CHUNK", 2)

    assert_same(whole, score(frame(busy()), None, SCORING, T))


def test_numbered_entities_keep_their_numbers() -> None:
    named = score(frame(busy()), None, SCORING, T)
    for spread_out in (1, 10**12):  # dense codes by look-up, and by joining
        mentions = frame(busy()).with_columns(pl.col("entity").str.slice(1).cast(pl.Int64) * spread_out)
        numbered = score(mentions, None, SCORING, T)
        assert numbered.entities["entity"].to_list() == [int(e[1:]) * spread_out for e in named.entities["entity"]]
        assert_frame_equal(numbered.entities.drop("entity"), named.entities.drop("entity"))


def test_history_is_what_each_hour_would_have_said() -> None:
    now = T + timedelta(minutes=25)
    rows = frame(busy())

    history = score(rows, None, SCORING, now, history_hours=24).history.filter(pl.col("entity") == "E1")

    assert history["hour"].to_list() == [T - hour * HOUR for hour in range(23, -1, -1)]
    for row in history.to_dicts()[-4:]:
        then = one(score(rows, None, SCORING, min(row["hour"] + HOUR, now)), "E1")
        for name in ("heat", "raw", "velocity_z", "spread_count", "affect"):
            assert row[name] == pytest.approx(then[name], abs=1e-9), name


def test_history_is_blank_where_nobody_looked() -> None:
    polled = [(source, T - hour * HOUR) for source in PLATFORMS for hour in range(1, 400) if hour != 5]
    coverage = pl.DataFrame(polled, schema=COVERAGE, orient="row")

    history = score(frame(busy()), coverage, SCORING, T).history.filter(pl.col("entity") == "E1")

    assert history.filter(pl.col("heat").is_null())["hour"].to_list() == [T - 5 * HOUR]


def test_history_of_the_hottest_only() -> None:
    scored = score(frame(busy()), None, SCORING, T, history_top=2)

    assert set(scored.history["entity"]) == set(scored.entities["entity"].head(2))
    assert score(frame(busy()), None, SCORING, T, history_hours=0).history.is_empty()
    assert score(frame(busy()), None, SCORING, T, history_hours=1).history.height == 5


def test_velocities_are_the_same_without_looking_back() -> None:
    full, quick = score(frame(busy()), None, SCORING, T), velocities(frame(busy()), None, SCORING, T)

    same = ["entity", "velocity_z", "spread_count", "affect", "n"]
    assert_frame_equal(full.entities.select(same).sort("entity"), quick.entities.select(same).sort("entity"))
    assert_frame_equal(full.platforms.sort("entity", "source"), quick.platforms.sort("entity", "source"))


def test_health_is_part_of_confidence() -> None:
    rows = frame(busy())
    whole, half, none = (one(score(rows, None, SCORING, T, health=h), "E1") for h in ((2, 2), (1, 2), (0, 0)))

    assert float(str(half["confidence"])) == pytest.approx(float(str(whole["confidence"])) * 0.5**0.25)
    assert none["confidence"] == 0.0


def test_nothing_gives_empty_frames_with_their_columns() -> None:
    scored = score(pl.DataFrame(schema=MENTIONS), None, SCORING, T)

    assert scored.entities.schema == entities_schema(pl.Int64())
    assert scored.platforms.schema == platforms_schema(pl.Int64())
    assert scored.history.schema == history_schema(pl.Int64())
    trades = frame([Row("Vela", "trades", "a", T - HOUR)])
    assert score(trades, None, SCORING, T).entities.is_empty()


def test_frames_have_the_declared_columns() -> None:
    scored = score(frame(busy()), None, SCORING, T)

    assert scored.entities.schema == entities_schema(pl.String())
    assert scored.platforms.schema == platforms_schema(pl.String())
    assert scored.history.schema == history_schema(pl.String())
    assert scored.entities["heat"].is_sorted(descending=True)


def test_ties_of_keys_are_told_apart_even_where_their_leading_bits_agree() -> None:
    values = np.array([(1 << 63) + 1, 7, 1 << 63, (1 << 63) + 1, 7, 1 << 63], dtype=np.uint64)

    order = score_rows._stable_order(values)  # the slow way is too rare to be met through the front door

    assert values[order].tolist() == sorted(values.tolist())
    assert order.tolist() == [1, 4, 2, 5, 0, 3]


def test_full_hours_of_the_peak() -> None:
    on_the_hour, after_it = plan(T, SCORING, 0), plan(T + timedelta(minutes=1), SCORING, 0)

    assert (on_the_hour.times, after_it.times) == (167, 168)
    assert score_rows.instant(int(on_the_hour.instants[0])) == T - 167 * HOUR
    assert score_rows.instant(int(after_it.instants[-1])) == T


def test_the_constants_are_the_configured_ones() -> None:
    settings = load_settings(Path("none.env"))

    assert Scoring.from_settings(settings) == SCORING
    assert Scoring.from_settings(settings, "plain", "max") == SCORING.with_(method="plain", combine="max")
    with pytest.raises(SettingsError, match=r"velocity\.method: unknown value 'fast'; one of robust, plain, seasonal"):
        Scoring.from_settings(settings, "fast")


def test_other_window_lengths_work_too() -> None:
    short = replace(SCORING, window_hours=6, baseline_windows=27)
    for method in ("robust", "plain", "seasonal"):
        scored = score(frame(busy()), None, replace(short, method=method), T)
        assert scored.entities["velocity_z"].is_between(-4, 4).all()


def test_a_million_years_ago() -> None:
    far = [
        Row("Vela", "reddit", "old", datetime(1970, 1, 1, tzinfo=UTC)),
        Row("Vela", "reddit", "new", datetime(9999, 1, 1, tzinfo=UTC)),
    ]

    assert score(frame([*far, *posts(1, T)]), None, SCORING, T).platforms["x"].to_list() == [pytest.approx(3.0)]
