"""SCORING 5: what passes, what persists, what is eligible."""

import polars as pl
import pytest

from pipelines.alert.gates import gate, polls_before
from pipelines.settings_sections import Gates

GATES = Gates(min_velocity=2.5, min_spread=2, consecutive=2)


def scores(velocity: float | None, spread: int) -> pl.DataFrame:
    return pl.DataFrame(
        {"entity": [7], "velocity_z": [velocity], "spread_count": [spread]},
        schema={"entity": pl.Int64, "velocity_z": pl.Float64, "spread_count": pl.Int8},
    )


def verdict(velocity: float | None, spread: int, history: list[bool], *, counted: bool = True) -> tuple[bool, bool]:
    """``history``: whether name 7 passed in the counted polls before this one, oldest first."""
    wanted = polls_before(GATES, counted=counted)
    latest = history[len(history) - wanted :] if wanted <= len(history) else [False]
    row = gate(scores(velocity, spread), {7} if all(latest) else set(), GATES, counted=counted).row(0, named=True)
    assert row["eligible"] == (row["passes"] and row["persistence"])
    return row["passes"], row["persistence"]


@pytest.mark.parametrize(
    ("velocity", "spread", "passes"),
    [(2.5, 2, True), (2.4999, 2, False), (4.0, 1, False), (2.5, 3, True), (None, 3, False), (-4.0, 3, False)],
)
def test_both_gates_are_needed(velocity: float | None, spread: int, passes: bool) -> None:
    assert verdict(velocity, spread, [])[0] is passes


@pytest.mark.parametrize(
    ("history", "counted", "persists"),
    [
        pytest.param([], True, False, id="first poll"),
        pytest.param([True], True, True, id="second in a row"),
        pytest.param([False], True, False, id="failed before"),
        pytest.param([True, False], True, False, id="not in a row"),
        pytest.param([False, True], True, True, id="in a row again"),
        pytest.param([True], False, False, id="same data twice is one poll"),
        pytest.param([True, True], False, True, id="two before, nothing new"),
        pytest.param([False, True], False, False, id="one before, nothing new"),
    ],
)
def test_persistence_counts_polls_with_new_data(history: list[bool], counted: bool, persists: bool) -> None:
    assert verdict(3.0, 2, history, counted=counted) == (True, persists)


def test_what_fails_now_does_not_persist() -> None:
    assert verdict(2.0, 2, [True, True]) == (False, False)


def test_one_poll_is_enough_where_the_desk_says_so() -> None:
    eager = GATES.model_copy(update={"consecutive": 1})
    assert gate(scores(3.0, 2), set(), eager, counted=True).row(0, named=True)["eligible"]
