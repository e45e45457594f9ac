"""The velocity methods: bounded, monotone, the same as plain loops, and the same at T as hour by hour."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import get_args

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heatmap_app.pages import formula
from pipelines.errors import SettingsError
from pipelines.score import score
from pipelines.score_methods import METHODS, Look, Rated
from pipelines.score_model import Method, Scored, Scoring
from pipelines.score_parameters import Parameters
from pipelines.score_velocity import Volumes, combined, velocity_at, velocity_over
from pipelines.settings import load_settings
from pipelines.view import PlatformScore
from tests.unit import methods_reference as reference
from tests.unit.score_kit import SCORING, T, frame
from tests.unit.score_reference import Row

NEW: tuple[Method, ...] = ("nb", "ewma", "multi", "weighted")
BY_HAND = {"nb": reference.nb, "ewma": reference.ewma, "multi": reference.multi}
UNIT = 3.0

volume = st.one_of(st.just(0.0), st.floats(0, 60), st.integers(0, 40).map(lambda n: n * UNIT), st.just(1e5))
window = st.one_of(st.none(), volume)


def look(x: Sequence[float], values: Sequence[float | None], last: Sequence[float] | None = None) -> Look:
    """The same baseline for every x; ``last`` is the part of each x in the last hours (all lengths alike)."""
    short = np.array(x if last is None else last)
    return Look(
        np.array(x),
        [np.full(len(x), value or 0.0) for value in values],
        np.array([0.0 if value is None else 1.0 for value in values]),
        SCORING.with_(method="nb").window_ends[: len(values)],
        lambda hours: short,
        UNIT,
    )


def rate(name: Method, seen: Look, scoring: Scoring = SCORING) -> Rated:
    return METHODS[name].rate(seen, scoring.with_(method=name))


def test_every_name_has_a_method_and_a_sentence() -> None:
    assert tuple(METHODS) == get_args(Method)
    for name, method in METHODS.items():
        assert method.name == name
        assert method.sentence.endswith(".")
        assert method.sentence.count(". ") == 0, "one sentence"


@settings(max_examples=40, deadline=None)
@given(values=st.lists(window, min_size=13, max_size=13), x=st.lists(volume, min_size=2, max_size=6))
@pytest.mark.parametrize("name", get_args(Method))
def test_bounded_without_nan_and_rising_with_x(name: Method, values: list[float | None], x: list[float]) -> None:
    x = sorted(x)

    rated = rate(name, look(x, values))

    for array in (rated.z, rated.mu, rated.s):
        assert np.isfinite(array).all()
    assert (np.abs(rated.z) <= SCORING.cap).all()
    assert (np.diff(rated.z) >= -1e-9).all()


@settings(max_examples=40, deadline=None)
@given(values=st.lists(window, min_size=13, max_size=13), x=volume, last=volume)
@pytest.mark.parametrize("name", ["ewma", "multi"])
def test_the_same_as_by_hand(name: Method, values: list[float | None], x: float, last: float) -> None:
    rated = rate(name, look([x], values, [min(x, last)]))

    z, mu, s = BY_HAND[name](x, values, lambda hours: min(x, last), UNIT, SCORING)
    assert rated.mu[0] == pytest.approx(mu, abs=1e-7)
    assert rated.s[0] == pytest.approx(s, rel=1e-7, abs=1e-7)
    assert rated.z[0] == pytest.approx(z, abs=1e-6)


whole = st.integers(0, 30).map(lambda n: n * UNIT)


@settings(max_examples=40, deadline=None)
@given(values=st.lists(st.one_of(st.none(), whole), min_size=13, max_size=17), x=whole)
def test_the_tail_is_the_sum_of_its_chances(values: list[float | None], x: float) -> None:
    rated = rate("nb", look([x], values))

    z, mu, s = reference.nb(x, values, lambda hours: x, UNIT, SCORING)
    assert rated.mu[0] == pytest.approx(mu)
    assert rated.s[0] == pytest.approx(s)
    assert rated.z[0] == pytest.approx(z, abs=2e-4)  # one minus a sum loses digits of small chances


@pytest.mark.parametrize(
    ("mentions", "silence", "z"),
    # the first by hand: mean 0.5 and r 0.5 make P(0) = sqrt(1/2), and 1 - P(0)/2 = 0.646 is 0.376 sigma below
    [(0, False, -0.376), (1, False, 0.826), (3, False, 1.799), (0, True, -0.040), (1, True, 2.129)],
)
def test_a_short_baseline_leans_on_a_guess(mentions: int, silence: bool, z: float) -> None:
    guess = replace(Parameters(), nb_prior_mentions=0.5, nb_prior_windows=2.0, nb_dispersion=1.0)
    told = replace(SCORING, parameters=guess)
    rated = rate("nb", look([mentions * UNIT], [0.0 if silence else None] * 13), told)

    assert rated.z[0] == pytest.approx(z, abs=0.001)


def test_a_name_of_every_sunday_is_no_surprise_on_a_sunday() -> None:
    """Six busy mentions at this hour of each of four weeks, silence on the other days: usual. Below four weeks it leans."""
    quiet: list[float | None] = [0.0] * 13
    z = [
        float(rate("nb", look([6 * UNIT], quiet + [6 * UNIT] * weeks)).z[0]) for weeks in range(5)
    ]  # fmt: skip
    assert z == sorted(z, reverse=True)
    assert z[0] > 2.5 > 1.0 > z[4]
    assert rate("nb", look([6 * UNIT], [*quiet, *[None] * 4])).z[0] == pytest.approx(z[0]), "no week was watched"


def test_only_nb_looks_beyond_the_week() -> None:
    reach = {name: SCORING.with_(method=name).reach_hours for name in get_args(Method)}
    assert reach == {**dict.fromkeys(get_args(Method), 168), "nb": 4 * 168 + 12}
    assert SCORING.with_(method="nb").within_a_week.reach_hours == 168


def test_recent_windows_weigh_more() -> None:
    lately, long_ago = [30.0] * 3 + [0.0] * 10, [0.0] * 10 + [30.0] * 3

    assert rate("ewma", look([30.0], list(lately))).z[0] < rate("ewma", look([30.0], list(long_ago))).z[0]
    assert rate("robust", look([30.0], list(lately))).z[0] == rate("robust", look([30.0], list(long_ago))).z[0]


def test_a_burst_of_an_hour_is_seen_while_the_window_is_still_usual() -> None:
    values = [30.0, 36.0] * 6 + [33.0]
    steady, burst = look([36.0], values, [3.0]), look([36.0], values, [30.0])

    assert rate("multi", burst).z[0] > 2.5 > rate("multi", steady).z[0]
    assert rate("robust", burst).z[0] == rate("robust", steady).z[0] < 1.0
    guarded = replace(SCORING, parameters=replace(Parameters(), multi_min_mentions=10.1))
    assert rate("multi", burst, guarded).z[0] == rate("multi", steady).z[0], "fewer than the guard do not count"


def test_the_correction_is_that_of_sidak() -> None:
    quiet = look([33.0], [30.0, 36.0] * 6 + [33.0], [0.0])
    once = replace(SCORING, parameters=replace(Parameters(), multi_looks=1.0))

    assert rate("multi", quiet, once).z[0] == pytest.approx(rate("robust", quiet).z[0])
    half = reference.NORMAL.inv_cdf((1 - 0.5) ** 4)
    assert rate("multi", quiet).z[0] == pytest.approx(half, abs=1e-9)


def test_weights_change_the_sum_of_the_platforms_only() -> None:
    weights = {"reddit": 2.0, "trends": 1.0, "tiktok": 5.0}
    scoring = replace(SCORING, method="weighted", parameters=replace(Parameters(), weights=weights))
    z = [np.array([2.0, 2.0, 0.0]), np.array([1.0, 0.0, 0.0]), np.zeros(3)]
    there = [np.array([True, True, False]), np.array([True, False, False]), np.zeros(3, dtype=np.bool_)]

    assert combined(z, there, scoring) == pytest.approx([5 / math.sqrt(5), 2.0, 0.0])
    same = replace(scoring, parameters=replace(Parameters(), weights=dict.fromkeys(weights, 1.0)))
    assert combined(z, there, same) == pytest.approx(combined(z, there, SCORING))


def mentions(seed: int) -> list[Row]:
    rng = random.Random(seed)
    return [
        Row(
            rng.choice("ABC"), rng.choice(("reddit", "reddit", "trends", "tiktok")), f"i{rng.randrange(200)}",
            T - timedelta(minutes=rng.randrange(330 * 60)), rng.choice((None, rng.random() * 1e4)),
        )
        for _ in range(250)
    ]  # fmt: skip


def gaps(seed: int) -> pl.DataFrame:
    hours = [T - timedelta(hours=hour) for hour in range(-1, 350) if hour // 20 % (3 + seed) or hour < 40]
    pairs = [(source, hour) for source in ("reddit", "trends", "tiktok") for hour in hours]
    return pl.DataFrame(pairs, schema={"source": pl.String(), "hour": pl.Datetime("us", "UTC")}, orient="row")


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("method", NEW)
def test_each_past_hour_is_what_the_score_would_have_said_then(method: Method, seed: int) -> None:
    rows, scoring = mentions(seed), SCORING.with_(method=method)
    coverage = gaps(seed) if seed else None
    result = score(frame(rows), coverage, scoring, T)

    assert_bounded(result)
    for back in (1, 5, 17):
        then: datetime = T - timedelta(hours=back)
        known = score(frame(row for row in rows if row.at <= then), coverage, scoring, then, history_hours=0)
        past = result.history.filter(pl.col("hour") == then - timedelta(hours=1))
        both = known.entities.join(past, on="entity", suffix="_past").drop_nulls("velocity_z_past")
        assert both.height >= 2
        assert both["velocity_z"].to_list() == pytest.approx(both["velocity_z_past"].to_list(), abs=1e-9)


def assert_bounded(result: Scored) -> None:
    for z in (result.entities["velocity_z"], result.platforms["z"], result.history["velocity_z"].drop_nulls()):
        assert z.is_between(-4, 4).all()
        assert z.is_not_nan().all()


@pytest.mark.parametrize("method", get_args(Method))
def test_one_time_and_many_times_agree(method: Method) -> None:
    rng = np.random.default_rng(5)
    scoring = SCORING.with_(method=method)
    rows = scoring.reach_hours + 3
    grid = rng.poisson(0.4, (rows, 6)).astype(np.float64) * rng.choice([0.0, 1.0, 4.0], (rows, 6))

    over = velocity_over(Volumes(grid, 4), None, UNIT, scoring)

    for time in range(4):
        alone = velocity_at(grid[time : scoring.reach_hours + time], None, UNIT, scoring).z
        assert alone.tolist() == pytest.approx(over.z[time].tolist(), abs=1e-9)


@pytest.mark.parametrize(
    ("method", "words"),
    [
        ("robust", "z = (x − μ) / √(s² + u·μ + u²)"),
        ("nb", "z of the chance of 24.00 or more, where 6.46 ± 1.66 is expected, = +3.14"),
        (
            "multi",
            "z = the largest of (x − μ) / √(s² + u·μ + u²) over 1, 3, 6 and 12 h, corrected for 4 looks, = +3.14",
        ),
        ("ewma", "μ and s with weights that halve every 48 h"),
    ],
)
def test_the_panel_explains_each_method(method: str, words: str) -> None:
    told = load_settings(velocity=load_settings().velocity.model_dump() | {"method": method})
    shown = PlatformScore(3.1422, 24.0, 6.4615, 1.6641, 13, 156.0, 4, 3.0)

    assert words in formula.z_words(shown, told)
    assert formula.method_words(told) == METHODS[told.velocity.method].sentence


def test_the_panel_dates_the_windows_of_seasonal_by_days() -> None:
    told = load_settings(velocity=load_settings().velocity.model_dump() | {"method": "seasonal"})
    shown = PlatformScore(1.0, 24.0, 6.0, 1.0, 2, 24.0, 4, 3.0, window_values=(6.0, 6.0))

    assert "−48 h" in str(formula.windows(shown, told))
    assert "−36 h" not in str(formula.windows(shown, told))


def test_the_panel_shows_the_weights() -> None:
    given = load_settings()
    weights = given.methods.model_dump() | {"weight_reddit": 2.0, "weight_trends": 1.0}
    told = load_settings(velocity=given.velocity.model_dump() | {"method": "weighted"}, methods=weights)

    assert formula.weighted_words({"reddit": 2.0, "trends": -1.0}, told) == "(2 × 2.0 − 1 × 1.0) / √(2² + 1²)"


def test_the_configuration_holds_the_defaults_and_is_checked() -> None:
    assert Scoring.from_settings(load_settings(), "nb").method == "nb"
    told = Scoring.from_settings(load_settings()).parameters
    assert told == Parameters()
    with pytest.raises(SettingsError, match=r"methods\.nb_dispersion"):
        load_settings(methods=load_settings().methods.model_dump() | {"nb_dispersion": 0})
    with pytest.raises(SettingsError, match=r"velocity\.method"):
        load_settings(velocity=load_settings().velocity.model_dump() | {"method": "fast"})
