"""SCORING 5: what passes, what persists, what is eligible."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from pipelines.alert.gates import PASSES, gate
from pipelines.settings import Gates

T = datetime(2026, 11, 22, 14, tzinfo=UTC)
GATES = Gates(min_velocity=2.5, min_spread=2, consecutive=2)


def scores(velocity: float | None, spread: int) -> pl.DataFrame:
    return pl.DataFrame(
        {"entity": [7], "velocity_z": [velocity], "spread_count": [spread]},
        schema={"entity": pl.Int64, "velocity_z": pl.Float64, "spread_count": pl.Int8},
    )


def before(*passes: bool) -> pl.DataFrame:
    """The polls before, oldest first, five minutes apart."""
    times = [T - timedelta(minutes=5 * (len(passes) - place)) for place in range(len(passes))]
    return pl.DataFrame({"at": times, "entity": [7] * len(passes), "passes": list(passes)}, schema=PASSES)


def verdict(velocity: float | None, spread: int, history: pl.DataFrame, *, counted: bool = True) -> tuple[bool, bool]:
    row = gate(scores(velocity, spread), history, GATES, counted=counted).row(0, named=True)
    assert row["eligible"] == (row["passes"] and row["persistence"])
    return row["passes"], row["persistence"]


@pytest.mark.parametrize(
    ("velocity", "spread", "passes"),
    [(2.5, 2, True), (2.4999, 2, False), (4.0, 1, False), (2.5, 3, True), (None, 3, False), (-4.0, 3, False)],
)
def test_both_gates_are_needed(velocity: float | None, spread: int, passes: bool) -> None:
    assert verdict(velocity, spread, before())[0] is passes


@pytest.mark.parametrize(
    ("history", "counted", "persists"),
    [
        (before(), True, False),
        (before(True), True, True),
        (before(False), True, False),
        (before(True, False), True, False),
        (before(False, True), True, True),
        (before(True), False, False),
        (before(True, True), False, True),
        (before(False, True), False, False),
    ],
    ids=["first poll", "second in a row", "failed before", "not in a row", "in a row again", "same data twice is one poll",
         "two before, nothing new", "one before, nothing new"],
)  # fmt: skip
def test_persistence_counts_polls_with_new_data(history: pl.DataFrame, counted: bool, persists: bool) -> None:
    assert verdict(3.0, 2, history, counted=counted) == (True, persists)


def test_an_entity_nobody_scored_before_does_not_persist() -> None:
    other = before(True).with_columns(pl.lit(8, pl.Int64).alias("entity"))
    assert verdict(3.0, 2, other) == (True, False)
