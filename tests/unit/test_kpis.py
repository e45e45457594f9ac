"""The KPIs against cases worked out by hand, and what must hold for any case."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.alert import kpi_words as words
from pipelines.alert.kpi_build import build
from pipelines.alert.kpi_stats import lead_stats, median_interval, share, wilson
from pipelines.alert.kpis import (
    ALERTS,
    FACTS,
    POLLS,
    SCORES,
    TRADES,
    back_checks,
    by_day,
    duplicates,
    judged,
    lead_rows,
)
from pipelines.settings import load_settings

RULES = load_settings(mode="demo").kpis
T = datetime(2025, 8, 1, 12, 0, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def alerts(*rows: tuple[int, int, datetime]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=ALERTS, orient="row")


def trades(*hours: float, entity: int = 7) -> pl.DataFrame:
    return pl.DataFrame([(entity, T + hour * HOUR) for hour in hours], schema=TRADES, orient="row")


def one_lead(found: pl.DataFrame, now: datetime) -> tuple[str, float | None, float]:
    (row,) = lead_rows(alerts((1, 7, T)), found, RULES, now).to_dicts()
    return row["outcome"], row["lead_hours"], row["so_far_hours"]


@pytest.mark.parametrize(
    ("hours", "now", "expected"),
    [
        ((2.4, 5.0), 100, ("ahead", 2.4, 2.4)),
        ((0.0,), 100, ("ahead", 0.0, 0.0)),
        ((-1.5, 3.0), 100, ("trades_first", -1.5, -1.5)),  # the earliest of the window counts
        ((-48.0,), 100, ("trades_first", -48.0, -48.0)),  # both ends belong to the window
        ((-48.01, 1.0), 100, ("ahead", 1.0, 1.0)),
        ((72.0,), 100, ("ahead", 72.0, 72.0)),
        ((72.01,), 100, ("uncovered", None, 72.0)),
        ((), 72, ("open", None, 72.0)),
        ((), 72.01, ("uncovered", None, 72.0)),
        ((), 5, ("open", None, 5.0)),
        ((6.0,), 5, ("open", None, 5.0)),  # a time that has not come yet is nobody's publication
        ((-3.0,), 0, ("trades_first", -3.0, -3.0)),
    ],
)
def test_a_lead_by_hand(hours: tuple[float, ...], now: float, expected: tuple[str, float | None, float]) -> None:
    assert one_lead(trades(*hours), T + now * HOUR) == pytest.approx(expected)


def test_a_lead_is_of_ones_own_name() -> None:
    both = alerts((1, 7, T), (2, 8, T))
    found = lead_rows(both, trades(3.0, entity=8), RULES, T + 100 * HOUR)
    assert found["outcome"].to_list() == ["uncovered", "ahead"]
    assert found["alert"].to_list() == [1, 2]
    assert lead_rows(both.clear(), trades(3.0), RULES, T).is_empty()


def test_the_lead_figures_by_hand() -> None:
    stats = lead_stats([-1.0, 1.0, 2.0, 3.0, 6.0, 10.0], uncovered=2, still_open=3)
    assert (stats.n, stats.decided, stats.uncovered, stats.open) == (6, 8, 2, 3)
    assert (stats.p25, stats.median, stats.p75) == (1.25, 2.5, 5.25)
    assert (stats.median_low, stats.median_high) == (-1.0, 10.0)
    assert stats.share_2h == pytest.approx(4 / 6)
    assert stats.share_6h == pytest.approx(2 / 6)
    assert stats.share_trades_first == pytest.approx(1 / 6)
    assert stats.share_uncovered == pytest.approx(2 / 8)


def test_no_case_has_no_figure() -> None:
    stats = lead_stats([])
    assert (stats.n, stats.median, stats.share_2h, stats.share_uncovered, stats.median_low) == (
        0,
        None,
        None,
        None,
        None,
    )
    assert share(0, 0).value is None
    assert lead_stats([], uncovered=3).share_uncovered == 1.0


def poll_frames(*marks: str, step: timedelta = 20 * MINUTE) -> tuple[pl.DataFrame, pl.DataFrame]:
    """One poll every ``step`` after T: h holds, v too slow, s too narrow, - not scored, n no velocity."""
    at = [T + (n + 1) * step for n in range(len(marks))]
    values = {"h": (1.0, 2), "v": (0.99, 3), "s": (3.0, 1), "n": (None, 3)}
    rows = [(7, when, *values[mark]) for when, mark in zip(at, marks, strict=True) if mark != "-"]
    return pl.DataFrame([(when,) for when in at], schema=POLLS, orient="row"), pl.DataFrame(
        rows, schema=SCORES, orient="row"
    )


@pytest.mark.parametrize(
    ("marks", "now", "expected"),
    [
        ("hhhhhh", 2, ("held", 6, 6)),
        ("hhh---", 2, ("held", 6, 3)),  # exactly half
        ("hh----", 2, ("failed", 6, 2)),
        ("vvvvvv", 2, ("failed", 6, 0)),
        ("ssssss", 2, ("failed", 6, 0)),
        ("nnnnnn", 2, ("failed", 6, 0)),
        ("hvhshn", 2, ("held", 6, 3)),
        ("------hhh", 9, ("failed", 6, 0)),  # later polls are not those of the two hours
        ("hhhvvvvvv", 9, ("held", 6, 3)),
        ("", 2, ("unknown", 0, 0)),
        ("hhhhhh", 1.99, ("open", 5, 5)),
    ],
)
def test_a_back_check_by_hand(marks: str, now: float, expected: tuple[str, int, int]) -> None:
    polls, scores = poll_frames(*marks)
    polls = polls.filter(pl.col("poll_at") <= T + now * HOUR)
    (row,) = back_checks(alerts((1, 7, T)), polls, scores, RULES, T + now * HOUR).to_dicts()
    assert (row["result"], row["polls"], row["held"]) == expected


def test_the_alerts_own_poll_is_not_one_of_the_two_hours() -> None:
    polls = pl.DataFrame([(T,)], schema=POLLS, orient="row")
    scores = pl.DataFrame([(7, T, 3.0, 3)], schema=SCORES, orient="row")
    (row,) = back_checks(alerts((1, 7, T)), polls, scores, RULES, T + 3 * HOUR).to_dicts()
    assert (row["result"], row["polls"]) == ("unknown", 0)


def test_two_rows_of_one_poll_are_one_poll() -> None:
    """Two names that were merged later both have a row; either may hold."""
    polls, scores = poll_frames("h", "v")
    both = pl.concat([scores, scores])
    (row,) = back_checks(alerts((1, 7, T)), polls, both, RULES, T + 3 * HOUR).to_dicts()
    assert (row["result"], row["polls"], row["held"]) == ("held", 2, 1)


def test_duplicates_by_hand() -> None:
    rows = alerts(
        (1, 7, T), (2, 7, T + 24 * HOUR), (3, 7, T + 48 * HOUR + MINUTE), (4, 8, T + HOUR), (5, 7, T + 49 * HOUR)
    )
    found = dict(duplicates(rows.reverse(), RULES).iter_rows())
    assert found == {1: None, 2: 1, 3: None, 4: None, 5: 3}


def facts(**columns: object) -> pl.DataFrame:
    row = {
        "alert": 1, "entity": 7, "at": T, "slug": "a", "name": "A", "outcome": "ahead", "trades_at": T, "lead_hours": 3.0,
        "so_far_hours": 3.0, "useful": 1, "not_useful": 0, "result": "held", "polls": 6, "held": 5, "fault": False,
        "duplicate_of": None, "verdict": "held", **columns,
    }  # fmt: skip
    return judged(pl.DataFrame([row], schema=FACTS))


@pytest.mark.parametrize(
    ("columns", "verdict"),
    [
        ({}, "held"),
        ({"result": "failed"}, "failed"),
        ({"result": "failed", "fault": True}, "source_fault"),
        ({"fault": True, "duplicate_of": 9}, "source_fault"),
        ({"duplicate_of": 9}, "duplicate"),
        ({"result": "unknown", "fault": True}, "source_fault"),
        ({"result": "unknown"}, "unknown"),
        ({"result": "open"}, "open"),
    ],
)
def test_why_an_alert_is_false(columns: dict[str, object], verdict: str) -> None:
    assert facts(**columns)["verdict"].to_list() == [verdict]


def test_the_view_adds_up() -> None:
    """Four alerts on two days: one held, one failed, one fault, one nobody saw."""
    frame = pl.concat([
        facts(), facts(alert=2, result="failed", held=1, useful=2, not_useful=3, lead_hours=-1.0, outcome="trades_first"),
        facts(alert=3, fault=True, at=T + 24 * HOUR, lead_hours=None, outcome="uncovered"),
        facts(alert=4, result="unknown", at=T + 24 * HOUR, lead_hours=None, outcome="open", polls=0, held=0),
    ])  # fmt: skip
    view = build(frame, RULES, now=T, since=T - HOUR, days=30, mode="demo", trades_watched=1.0)
    false = view.false_positive_rate
    assert (false.n, false.false, false.failed, false.source_faults, false.unknown) == (3, 2, 1, 1, 1)
    assert (view.usefulness.n, view.usefulness.useful, view.usefulness.words) == (8, 5, "Not enough votes: 8 of 30")
    assert (view.lead.n, view.lead.median, view.lead.share_uncovered, view.lead.open) == (2, 1.0, 1 / 3, 1)
    assert [(str(day.day), [row.id for row in day.alerts]) for day in view.by_day] == [
        ("2025-08-02", [4, 3]),
        ("2025-08-01", [2, 1]),
    ]
    assert sum(day.false_positive_rate.n for day in view.by_day) == false.n
    assert list(by_day(frame.clear())) == []


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [
        (0, 10, 0.0, 0.2775),
        (5, 10, 0.2366, 0.7634),
        (24, 30, 0.6269, 0.9049),
        (30, 30, 0.8865, 1.0),
        (1, 1, 0.2065, 1.0),
    ],
)
def test_wilson_by_the_book(hits: int, n: int, low: float, high: float) -> None:
    assert wilson(hits, n) == pytest.approx((low, high), abs=1e-4)


@settings(deadline=None)
@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_the_share(case: tuple[int, int]) -> None:
    hits, n = case
    low, high = wilson(hits, n)
    assert 0 <= low <= hits / n <= high <= 1
    other = wilson(n - hits, n)
    assert (1 - other[1], 1 - other[0]) == pytest.approx((low, high), abs=1e-12)
    if hits < n:
        more = wilson(hits + 1, n)
        assert more[0] >= low
        assert more[1] >= high


@settings(deadline=None)
@given(st.integers(0, 50), st.integers(1, 50))
def test_wilson_narrows_with_more_of_the_same(hits: int, n: int) -> None:
    hits = min(hits, n)
    (low, high), (low4, high4) = wilson(hits, n), wilson(4 * hits, 4 * n)
    assert high4 - low4 < high - low


HOURS = st.lists(st.floats(-48, 72, allow_nan=False), max_size=40)


@settings(deadline=None)
@given(HOURS, st.integers(0, 20), st.integers(0, 20))
def test_lead_figures_of_any_leads(leads: list[float], uncovered: int, still_open: int) -> None:
    stats = lead_stats(leads, uncovered, still_open)
    assert stats.decided == len(leads) + uncovered
    if not leads:
        return
    assert stats.p25 is not None
    assert stats.median is not None
    assert stats.p75 is not None
    assert min(leads) <= stats.p25 <= stats.median <= stats.p75 <= max(leads)
    assert 0 <= (stats.share_6h or 0) <= (stats.share_2h or 0)
    assert (stats.share_2h or 0) + (stats.share_trades_first or 0) <= 1 + 1e-12
    assert (stats.share_uncovered or 0) + stats.n / stats.decided == pytest.approx(1)
    mirrored = lead_stats([-hours for hours in leads])
    assert mirrored.median == pytest.approx(-stats.median)
    assert mirrored.p25 == pytest.approx(-stats.p75)
    if stats.median_low is not None and stats.median_high is not None:
        assert stats.median_low <= stats.median <= stats.median_high


@settings(deadline=None)
@given(st.floats(-60, 90, allow_nan=False), st.floats(-60, 90, allow_nan=False))
def test_a_lead_moves_with_the_trade_item(first: float, second: float) -> None:
    """The later of two trade items never shortens a lead, and shifting all times together changes nothing."""
    now = T + 200 * HOUR
    alone, both = one_lead(trades(first), now), one_lead(trades(first, second), now)
    if alone[1] is not None and both[1] is not None:
        assert both[1] <= alone[1]
    moved = pl.DataFrame([(7, T + 9 * HOUR + first * HOUR)], schema=TRADES, orient="row")
    (row,) = lead_rows(alerts((1, 7, T + 9 * HOUR)), moved, RULES, now + 9 * HOUR).to_dicts()
    assert row["outcome"] == alone[0]
    assert row["lead_hours"] == pytest.approx(alone[1])


@pytest.mark.parametrize(("n", "rank"), [(5, 0), (6, 1), (8, 1), (9, 2), (20, 6), (100, 40)])
def test_the_medians_interval_by_the_book(n: int, rank: int) -> None:
    low, high = median_interval([float(value) for value in range(1, n + 1)])
    assert (low, high) == ((rank, n + 1 - rank) if rank else (None, None))


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (words.pct(0.8), "80%"), (words.pct(0.796, 0.8), "79.6%"), (words.pct(0.7999, 0.8), "79.99%"),
        (words.pct(None), "–"), (words.pct(0.826, 0.8), "83%"), (words.lead(1.96, 2.0), "1.96 h"),
        (words.lead(-1.25), "−1.2 h"), (words.lead(2.0, 2.0), "2.0 h"), (words.lead(-0.01), "−0.01 h"),
        (words.lead(0.0), "0.0 h"), (words.span(0.66, 0.93, words.pct), "66 to 93%"),
        (words.span(-1.0, 4.0, words.lead), "−1.0 to 4.0 h"), (words.span(None, None, words.pct), "–"),
    ],
)  # fmt: skip
def test_figures_never_cross_their_target(shown: str, expected: str) -> None:
    assert shown == expected


@settings(deadline=None)
@given(st.floats(0, 1, allow_nan=False))
def test_a_share_reads_on_its_own_side_of_the_target(value: float) -> None:
    shown = float(words.pct(value, 0.8).removesuffix("%"))
    if abs(value - 0.8) > 1e-5:
        assert math.copysign(1, shown - 80) == math.copysign(1, value - 0.8) if shown != 80 else value == 0.8


@pytest.mark.parametrize(
    ("useful", "n", "verdict", "sure"),
    [(29, 29, "not_enough", False), (24, 30, "met", False), (23, 30, "missed", False), (30, 30, "met", True),
     (10, 30, "missed", True)],
)  # fmt: skip
def test_usefulness_is_judged_from_30_votes_on(useful: int, n: int, verdict: str, *, sure: bool) -> None:
    found = words.judge_useful(share(useful, n), RULES)
    assert (found.verdict, found.sure) == (verdict, sure)


@pytest.mark.parametrize(
    ("false", "n", "verdict", "sure"),
    [(0, 0, "none", False), (0, 10, "met", False), (0, 40, "met", True), (3, 20, "met", False), (4, 20, "missed", False),
     (10, 20, "missed", True)],
)  # fmt: skip
def test_the_false_rate_is_judged_against_its_limit(false: int, n: int, verdict: str, *, sure: bool) -> None:
    found = words.judge_false(share(false, n), RULES)
    assert (found.verdict, found.sure) == (verdict, sure)


@pytest.mark.parametrize(
    ("leads", "verdict", "sure"),
    [((), "none", False), ((1.9,), "missed", False), ((2.0,), "met", False), ((7.0,) * 6, "met", True),
     ((1.0,) * 6, "missed", True)],
)  # fmt: skip
def test_the_lead_is_judged_by_its_median(leads: tuple[float, ...], verdict: str, *, sure: bool) -> None:
    found = words.judge_lead(lead_stats(leads), RULES)
    assert (found.verdict, found.sure) == (verdict, sure)
    assert ("stretch" in found.words) == (leads == (7.0,) * 6)
