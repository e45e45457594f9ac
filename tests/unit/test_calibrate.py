"""Calibrated confidence: never falling, inside 0 to 1, and not there below 200 outcomes."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.calibrate import NEEDED, Calibration, Outcome, calibrate, outcome, reliability

PARTS = st.floats(0, 1)
ONE = st.builds(Outcome, PARTS, good=st.booleans())
MANY = st.lists(ONE, min_size=1, max_size=40).map(lambda some: some * (NEEDED // len(some) + 1))
FEW = st.lists(ONE, max_size=60)


@given(MANY, st.lists(PARTS, min_size=2))
def test_more_confidence_is_never_less(outcomes: list[Outcome], asked: list[float]) -> None:
    made = calibrate(outcomes)
    assert made.used
    assert all(low <= high for low, high in pairwise(made(one) for one in sorted(asked)))
    assert all(0 < made(one) < 1 for one in asked)


@given(FEW, PARTS)
def test_below_the_number_needed_it_is_as_defined(outcomes: list[Outcome], asked: float) -> None:
    made = calibrate(outcomes)
    assert (made.used, made.n, made(asked)) == (False, len(outcomes), asked)


def test_the_number_needed_is_a_bound() -> None:
    one = Outcome(0.4, good=True)
    assert not calibrate([one] * NEEDED).used
    assert calibrate([one] * (NEEDED + 1))(0.9) == (NEEDED + 2) / (NEEDED + 3)


@given(MANY)
def test_the_order_of_the_outcomes_is_nothing(outcomes: list[Outcome]) -> None:
    assert calibrate(outcomes) == calibrate(outcomes[::-1])


def test_it_gives_the_shares_it_was_shown() -> None:
    """60 of 100 at 0.2, then 50 of 100 at 0.5 (a fall: pooled), then 90 of 100 at 0.8."""
    shown = [Outcome(at, good=n < good) for at, good in ((0.2, 60), (0.5, 50), (0.8, 90)) for n in range(100)]
    made = calibrate(shown)
    assert made == Calibration(300, (0.2, 0.8), (111 / 202, 91 / 102))
    assert (made(0.0), made(0.5), made(0.79), made(0.8), made(1.0)) == (
        111 / 202, 111 / 202, 111 / 202, 91 / 102, 91 / 102
    )  # fmt: skip


@given(FEW)
def test_the_table_counts_everyone_once(outcomes: list[Outcome]) -> None:
    table = reliability(outcomes)
    assert sum(row.good.n for row in table) == len(outcomes)
    assert sum(row.good.hits for row in table) == sum(one.good for one in outcomes)
    assert all(row.low <= row.mean + 1e-12 and row.mean <= row.high + 1e-12 for row in table)


@pytest.mark.parametrize(
    ("useful", "not_useful", "check", "fault", "good"),
    [
        (2, 1, "failed", False, True), (0, 1, "held", False, False), (1, 1, "held", False, True),
        (1, 1, "failed", False, False), (0, 0, "held", False, True), (5, 0, "held", True, False),
        (0, 0, "unknown", False, None), (0, 0, None, False, None),
    ],
)  # fmt: skip
def test_what_an_alert_counts_as(
    useful: int, not_useful: int, check: str | None, fault: bool, good: bool | None
) -> None:
    found = outcome(0.5, useful, not_useful, check, fault=fault)
    assert (found.good if found else None) is good
    assert outcome(None, useful, not_useful, check, fault=fault) is None
