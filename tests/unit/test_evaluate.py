"""Marked windows, bursts and thresholds: what counts as found, when, and how often nothing was there."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from heatmap_app.cli import app
from pipelines.errors import InputError
from pipelines.evaluate.alerts import Gate, alerts_of, threshold_for
from pipelines.evaluate.background import Background, paces
from pipelines.evaluate.bursts import SHAPES, Burst, draw, laid_over, rows_of
from pipelines.evaluate.inject import Trial, evaluate_bursts, make_trial
from pipelines.evaluate.labelled import Series, read_folder, velocity_of
from pipelines.evaluate.learn import choices, learn
from pipelines.evaluate.roc import Found, area, evaluate_labelled
from pipelines.model import COVERAGE, MENTIONS, SourceKind
from pipelines.score import score
from pipelines.settings import load_settings
from tests.unit.score_kit import SCORING

SETTINGS = load_settings()
GATE = Gate(2.5, 2, 2, 1.0, 2, 3)
S = datetime(2026, 1, 1, tzinfo=UTC)
STEP = timedelta(minutes=30)


def alerts_by_hand(velocity: list[float], spread: list[int], gate: Gate) -> list[tuple[int, int]]:
    """SCORING 5, step by step: (step of the alert, step at which its episode was over)."""
    found: list[list[int]] = []
    row = low = 0
    is_open, last = False, -1000
    for step, (z, count) in enumerate(zip(velocity, spread, strict=True)):
        row = row + 1 if z >= gate.min_velocity and count >= gate.min_spread else 0
        low = low + 1 if z < gate.end_velocity else 0
        if is_open and low >= gate.end_steps:
            is_open = False
            found[-1][1] = step
        if row >= gate.consecutive and not is_open and step - last >= gate.quiet_steps:
            is_open, last = True, step
            found.append([step, len(velocity)])
    return [(step, over) for step, over in found]


@settings(max_examples=200, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.sampled_from([-1.0, 0.0, 0.9, 1.0, 2.4, 2.5, 4.0]), st.integers(0, 3)), min_size=3, max_size=60
    ),
    quiet=st.integers(0, 6),
    consecutive=st.integers(1, 3),
)
def test_alerts_are_those_of_walking_through(rows: list[tuple[float, int]], quiet: int, consecutive: int) -> None:
    gate = Gate(2.5, 2, consecutive, 1.0, 2, quiet)
    velocity, spread = [z for z, _ in rows], [count for _, count in rows]

    found = alerts_of(np.array([velocity]).T, np.array([spread]).T, gate)

    assert list(zip(found.step.tolist(), found.until.tolist(), strict=True)) == alerts_by_hand(velocity, spread, gate)


def test_columns_do_not_touch_each_other() -> None:
    velocity = np.array([[0.0, 4.0], [4.0, 4.0], [4.0, 0.0], [4.0, 0.0], [0.0, 0.0]])

    found = alerts_of(velocity, None, GATE)

    assert found.step.tolist() == [1, 2]
    assert found.column.tolist() == [1, 0]
    assert found.until.tolist() == [3, 5]


def test_a_threshold_must_hold_for_all_stricter_ones() -> None:
    rates = {1.0: 0.5, 2.0: 3.0, 3.0: 1.0, 4.0: 0.0}

    assert threshold_for(rates.__getitem__, 1.0, rates) == 3.0
    assert threshold_for(rates.__getitem__, -1.0, rates) is None


def counts(seed: int = 0, days: int = 24) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Two bursts of six hours, in the night of day 8 and of day 18, over a wave a day."""
    rng = np.random.default_rng(seed)
    steps = np.arange(days * 48)
    usual = 6.0 + 4.0 * np.sin(2 * np.pi * steps / 48)
    for day in (8, 18):
        usual[day * 48 : day * 48 + 12] += 60.0
    return rng.poisson(usual).astype(np.float64)


def marked(*days: int) -> tuple[tuple[datetime, datetime], ...]:
    begin = [S + timedelta(days=day, hours=-6) for day in days]
    return tuple((at, at + timedelta(hours=18)) for at in begin)


def made_series(values: Any = None, windows: Any = None) -> Series:
    return Series(
        "made", S, STEP, counts() if values is None else values, marked(8, 18) if windows is None else windows
    )


def test_velocity_is_that_of_the_score_at_the_same_time() -> None:
    series = made_series(counts(3, 10))
    places = (470, 471, 479)

    z = velocity_of(series, SCORING)

    for place in places:
        at = series.at(place)
        before = [series.start + number * STEP for number in range(place + 1)]
        rows = [
            ("name", "reddit", f"{number}-{one}", begin + STEP / 2, 0.0, None, None, None)
            for number, begin in enumerate(before)
            for one in range(int(series.counts[number]))
        ]
        mentions = pl.DataFrame(rows, schema={**MENTIONS, "entity": pl.String()}, orient="row")
        single = replace(SCORING, noise_units={**SCORING.noise_units, "reddit": 1.0})
        scored = score(mentions, None, single, at, history_hours=0)
        assert z[place] == pytest.approx(scored.entities["velocity_z"][0], abs=1e-9)
    assert not z[: 60 * 2 - 1].any(), "no score before four windows of baseline"


def test_a_gap_is_missing_and_not_silence() -> None:
    values = counts(1)
    values[48 * 10 : 48 * 12] = np.nan

    z = velocity_of(made_series(values), SCORING)

    after = z[48 * 13 : 48 * 15]
    assert np.abs(after).max() < 2.5
    silent = velocity_of(made_series(np.nan_to_num(values)), SCORING)[48 * 13 : 48 * 15]
    assert silent.max() > after.max()


@pytest.fixture(scope="module")
def results() -> dict[str, Any]:
    found = evaluate_labelled([made_series()], SETTINGS, false_week=1.0)
    return {result.method: result for result in found}


def test_marked_bursts_are_found_by_every_method(results: dict[str, Any]) -> None:
    assert list(results) == ["robust", "plain", "seasonal", "nb", "ewma", "multi", "weighted"]
    for name in ("robust", "seasonal", "ewma", "multi"):
        configured = results[name].configured
        assert (configured.hit, configured.windows) == (2, 2), name
        assert 6.0 < configured.delay_hours < 12.0, name
        assert configured.middle_hours == pytest.approx(configured.delay_hours - 9.0)


def test_the_second_half_has_its_own_window_and_the_first_sets_the_threshold(results: dict[str, Any]) -> None:
    for result in results.values():
        assert result.first.windows == result.second.windows == 1
        assert result.first.threshold == result.second.threshold
        assert result.first.false_week <= 1.0
        assert 0.0 <= result.area <= 1.0
        recalls = [found.recall for found in result.roc]
        assert recalls[-1] <= recalls[0]


def test_an_unmarked_burst_is_a_false_alarm() -> None:
    (result,) = evaluate_labelled([made_series(windows=marked(18))], SETTINGS, false_week=1.0, methods=["robust"])

    assert (result.configured.hit, result.configured.windows) == (1, 1)
    weeks = (24 - 2.5) / 7
    assert result.configured.false_week == pytest.approx(1 / weeks)
    assert result.configured.alerts_week == pytest.approx(2 / weeks)


@pytest.mark.parametrize(("begins", "hit"), [(4.0, 1), (5.5, 1), (20.0, 0)])
def test_an_alert_just_before_the_window_finds_it_early(begins: float, hit: int) -> None:
    """The burst is noticed about an hour and a half in; its episode is open for longer than the cool-down."""
    begin = S + timedelta(days=18, hours=begins)
    series = made_series(windows=((begin, begin + timedelta(hours=5)),))

    (result,) = evaluate_labelled([series], SETTINGS, false_week=1.0, methods=["robust"])

    assert result.configured.hit == hit
    if hit:
        assert (result.configured.delay_hours or 0.0) < 0


def test_the_area_is_the_mean_recall() -> None:
    def at(false_week: float, hit: int) -> Found:
        return Found(1.0, 2, hit, None, None, 1.0, false_week)

    assert area([at(0.0, 2)]) == pytest.approx(1.0)
    assert area([at(3.5, 2)]) == pytest.approx(0.5, abs=0.01)
    assert area([at(8.0, 2)]) == 0.0


def write_folder(folder: Path, *, packed: bool = False) -> None:
    text = "timestamp,value\n" + "".join(
        f"{S + number * STEP:%Y-%m-%d %H:%M:%S},{int(value)}\n" for number, value in enumerate(counts())
    )
    if packed:
        (folder / "made.csv.gz").write_bytes(gzip.compress(text.encode()))
    else:
        (folder / "made.csv").write_text(text, encoding="utf-8")
    windows = [[f"{a:%Y-%m-%d %H:%M:%S}.000000", f"{b:%Y-%m-%d %H:%M:%S}.000000"] for a, b in marked(8, 18)]
    (folder / "windows.json").write_text(json.dumps({"some/made.csv": windows}), encoding="utf-8")


@pytest.mark.parametrize("packed", [False, True])
def test_a_folder_is_read(tmp_path: Path, packed: bool) -> None:
    write_folder(tmp_path, packed=packed)

    (series,) = read_folder(tmp_path)

    assert series.name == "made"
    assert series.step == STEP
    assert series.counts.tolist() == counts().tolist()
    assert len(series.windows) == 2


def test_zones_and_two_rows_of_one_step_are_read(tmp_path: Path) -> None:
    lines = [f"2026-01-01T00:{minute:02d}:00Z,{count}" for minute, count in ((0, 1), (5, 2), (5, 3), (10, 4), (15, 5))]
    (tmp_path / "a.csv").write_text("\n".join(["timestamp,value", *lines]), encoding="utf-8")
    windows = {"a.csv": [["2026-01-01T01:05:00+01:00", "2026-01-01 00:10:00"]]}
    (tmp_path / "windows.json").write_text(json.dumps(windows), encoding="utf-8")
    (series,) = read_folder(tmp_path)
    assert series.counts.tolist() == [1, 5, 4, 5]
    assert series.at(0) == series.windows[0][0]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, r"no windows\.json"),
        ({"windows.json": "[]"}, "wanted"),
        ({"windows.json": "{}"}, "names no series"),
        ({"windows.json": '{"a.csv": [["2026-01-01"]]}'}, "wanted"),
        ({"windows.json": '{"a.csv": []}'}, "no such file"),
        ({"windows.json": '{"a.csv": []}', "a.csv": "time,count\n1,2\n"}, "timestamp,value"),
        ({"windows.json": '{"a.csv": []}', "a.csv": "timestamp,value\n2026-01-01 00:00:00,1\n"}, "two rows"),
        (
            {
                "windows.json": '{"a.csv": []}',
                "a.csv": "timestamp,value\n2026-01-01 00:00:00,1\n2026-01-03 00:00:00,1\n",
            },
            "part of an hour",
        ),
    ],
)
def test_a_folder_of_another_shape_is_named(tmp_path: Path, files: dict[str, str], message: str) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")

    with pytest.raises(InputError, match=message):
        read_folder(tmp_path)


@pytest.mark.parametrize("command", ["evaluate", "backtest"])
def test_the_command_prints_json(tmp_path: Path, command: str) -> None:
    write_folder(tmp_path)

    result = CliRunner().invoke(app, [command, "--labelled", str(tmp_path), "--json"])

    told = json.loads(result.stdout)
    assert result.exit_code == 0
    assert told["series"] == ["made"]
    assert {method["method"]: method["configured"]["recall"] for method in told["methods"]}["robust"] == 1.0


def recorded(days: int = 20) -> Background:
    """Names that are chatted about on two platforms, each at a pace of its own."""
    rng = np.random.default_rng(0)
    rows: list[tuple[Any, ...]] = []
    for entity in range(25):
        pace = rng.gamma(0.5, 0.05)
        for source in ("reddit", "trends"):
            for hour in np.flatnonzero(rng.random(24 * days) < pace):
                at = S + timedelta(hours=int(hour), minutes=int(rng.integers(60)))
                item, amount = (f"{entity}-{hour}", 99.0) if source == "reddit" else (f"{entity}", 9990.0)
                rows.append((entity, source, item, at, amount, None, None, None))
    hours = [(source, S + timedelta(hours=hour)) for source in ("reddit", "trends") for hour in range(24 * days)]
    return Background(
        "made",
        pl.DataFrame(rows, schema={**MENTIONS, "entity": pl.Int64()}, orient="row"),
        pl.DataFrame(hours, schema=COVERAGE, orient="row"),
        S + timedelta(days=8),
        S + timedelta(days=days),
    )


@pytest.fixture(scope="module")
def trial() -> Trial:
    return make_trial(recorded(), SETTINGS, (2.0, 8.0, 30.0), each=6)


def test_paces_are_the_scores_of_each_hour() -> None:
    background = recorded()
    found = paces(background.mentions, background.coverage, SCORING, background.start, background.end)

    for hour in (40, 201):
        at = background.start + timedelta(hours=hour)
        known = background.mentions.filter(pl.col("at") <= at)
        scored = score(known, background.coverage, SCORING, at, history_hours=0).entities
        row, places = found.velocity[found.place(at)], np.searchsorted(found.columns, scored["entity"].to_numpy())
        assert row[places].tolist() == pytest.approx(scored["velocity_z"].to_list(), abs=1e-9)
        assert found.spread[found.place(at)][places].tolist() == scored["spread_count"].to_list()


@pytest.mark.parametrize("shape", SHAPES)
def test_a_burst_has_its_size_its_shape_and_its_order(shape: str) -> None:
    assert SHAPES[shape].sum() == pytest.approx(1.0)
    burst = Burst(7, None, S, 400.0, shape, ("trends", "reddit"), 2.0)

    rows = rows_of(burst, np.random.default_rng(1), SCORING.kinds, SCORING.noise_units)

    mentions = pl.DataFrame(rows, schema={**MENTIONS, "entity": pl.Int64()}, orient="row")
    posts = mentions.filter(pl.col("source") == "reddit")
    assert 340 <= posts.height <= 460
    length = timedelta(hours=len(SHAPES[shape]))
    assert posts["at"].is_between(S + timedelta(hours=2), S + timedelta(hours=2) + length).all()
    sightings = mentions.filter(pl.col("source") == "trends")
    assert sightings.height == len(SHAPES[shape]), "a list shows it once an hour"
    assert (1.0 + (1.0 + posts["engagement"]).log10()).mean() == pytest.approx(3.0, abs=0.1)


def test_bursts_are_drawn_alike_for_the_same_seed() -> None:
    span = (S, S + timedelta(days=10))
    hosts = {hour: [3, 4] for hour in range(240)}

    def drawn(seed: int) -> list[Burst]:
        return draw(np.random.default_rng(seed), span, ("reddit", "trends"), (3.0, 6.0), 5, hosts, 100)

    assert drawn(1) == drawn(1) != drawn(2)
    bursts = drawn(1)
    assert [burst.entity for burst in bursts] == list(range(100, 140))
    assert {burst.host for burst in bursts} == {None, 3, 4}
    assert {burst.order for burst in bursts} == {("reddit", "trends"), ("trends", "reddit")}
    assert all(span[0] <= burst.onset and burst.until <= span[1] for burst in bursts)


def test_a_burst_over_a_name_has_what_was_said_of_it() -> None:
    background = recorded()
    burst = Burst(500, 3, background.start, 5.0, "step", ("reddit", "trends"), 1.0)

    laid = laid_over(
        background.mentions,
        [burst],
        np.random.default_rng(1),
        {"reddit": SourceKind.EVENT, "trends": SourceKind.LEVEL},
        SCORING.noise_units,
    )

    assert laid["entity"].unique().to_list() == [500]
    before = background.mentions.filter(pl.col("entity") == 3)
    assert laid.filter(~pl.col("item_id").str.starts_with("burst")).height == before.height


def test_larger_bursts_are_found_more_often_at_no_more_alerts(trial: Trial) -> None:
    for result in evaluate_bursts(trial, SETTINGS, ["robust", "nb", "multi"]):
        assert result.first is not None
        assert result.second is not None
        assert result.first.alerts_day <= trial.alerts_day + 1e-9
        assert result.second.every.n == len(trial.bursts[1]) == 72
        found = [recall.hit for recall in result.second.sizes.values()]
        assert found[0] < found[-1]
        assert found[-1] >= 20, "of 24 bursts of ten times the usual"
        assert (result.second.every.delay_hours or 0.0) > 0
        assert sum(recall.n for recall in result.second.shapes.values()) == 72


def test_one_platform_needs_no_spread() -> None:
    background = recorded()
    alone = background.mentions.filter(pl.col("source") == "reddit")
    only = Background("one", alone, background.coverage, background.start, background.end)

    made = make_trial(only, SETTINGS, (30.0,), each=2)

    assert made.gate.min_spread == 1
    (result,) = evaluate_bursts(made, SETTINGS, ["robust"])
    assert result.configured.every.hit >= 6


def test_what_is_learned_is_the_best_of_the_first_half(trial: Trial) -> None:
    ranked = learn(trial, SETTINGS, "weighted")

    assert [sorted(one.values) for one in ranked] == [["weight_trends"]] * 8, "reddit stays at 1; there is no tiktok"
    hits = [one.first.every.hit if one.first else -1 for one in ranked]
    assert hits == sorted(hits, reverse=True)
    assert len(choices("nb", ("reddit",))) == 32
    with pytest.raises(InputError, match="no parameters"):
        choices("robust", ("reddit",))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "one of --labelled"),
        (["--labelled", "x", "--demo-days", "9"], "one of --labelled"),
        (["--labelled", "x", "--learn", "nb"], "--learn"),
        (["--demo-days", "9", "--sizes", "3;6"], "--sizes"),
    ],
)
def test_a_wrong_command_line_says_so(given: list[str], message: str) -> None:
    result = CliRunner().invoke(app, ["evaluate", *given])

    assert isinstance(result.exception, InputError)
    assert message in str(result.exception)
