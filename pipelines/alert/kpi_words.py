"""The KPIs in words: figures never rounded across their target, and a verdict a person can read. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pipelines.alert.kpi_stats import LeadStats, Share
from pipelines.settings_kpis import Kpis

Verdict = Literal["met", "missed", "not_enough", "none"]
MOST_DIGITS = 4


@dataclass(frozen=True, slots=True)
class Judgement:
    """Against the target: ``sure`` where the whole interval lies on the verdict's side of it."""

    verdict: Verdict
    sure: bool
    words: str


def pct(value: float | None, *limits: float) -> str:
    """``83%``; with decimals where rounding would carry it across one of ``limits``; a dash for no value."""
    return "–" if value is None else _rounded(value * 100, 0, [limit * 100 for limit in limits]) + "%"


def lead(value: float | None, *limits: float) -> str:
    """``2.4 h``, with a real minus; with more decimals where rounding would carry it across one of ``limits``."""
    return "–" if value is None else f"{_rounded(value, 1, [0.0, *limits]).replace('-', '−')} h"


def span(low: float | None, high: float | None, shown: Callable[[float | None], str]) -> str:
    """``66 to 93%``: both ends, the unit once."""
    if low is None or high is None:
        return "–"
    first, last = shown(low), shown(high)
    unit = "%" if last.endswith("%") else " h"
    return f"{first.removesuffix(unit)} to {last}"


def judge_lead(stats: LeadStats, rules: Kpis) -> Judgement:
    """The median lead against its target and its stretch target."""
    target, stretch = rules.lead_hours, rules.lead_stretch_hours
    if stats.median is None:
        return Judgement("none", sure=False, words="No trade story matched to an alert yet")
    if stats.median < target:
        sure = stats.median_high is not None and stats.median_high < target
        return _judgement(f"Below the target of {target:g} h", met=False, sure=sure)
    sure = stats.median_low is not None and stats.median_low >= target
    past = f", past the stretch target of {stretch:g} h" if stats.median >= stretch else ""
    return _judgement(f"On target: {target:g} h or more{past}", met=True, sure=sure)


def judge_useful(useful: Share, rules: Kpis) -> Judgement:
    """The share of useful votes against its target, once there are enough votes."""
    if useful.n < rules.votes_needed:
        return Judgement("not_enough", sure=False, words=f"Not enough votes: {useful.n} of {rules.votes_needed}")
    return _judge_share(useful, rules.useful_share, at_most=False)


def judge_false(false: Share, rules: Kpis) -> Judgement:
    """The share of false alerts against its limit."""
    if false.n == 0:
        return Judgement("none", sure=False, words="No alert checked yet")
    return _judge_share(false, rules.false_share, at_most=True)


def _judge_share(found: Share, target: float, *, at_most: bool) -> Judgement:
    value, low, high = found.value or 0.0, found.low or 0.0, found.high or 0.0
    if value <= target if at_most else value >= target:
        sure = high <= target if at_most else low >= target
        return _judgement(f"On target: {pct(target)} or {'less' if at_most else 'more'}", met=True, sure=sure)
    sure = low > target if at_most else high < target
    return _judgement(f"{'Above' if at_most else 'Below'} the target of {pct(target)}", met=False, sure=sure)


def _judgement(words: str, *, met: bool, sure: bool) -> Judgement:
    return Judgement("met" if met else "missed", sure, words if sure else f"{words}; too few cases to be sure")


def outcome_words(outcome: str, lead_hours: float | None, so_far_hours: float | None) -> str:
    """One alert's lead in words."""
    if outcome == "ahead":
        return f"{lead(lead_hours)} ahead"
    if outcome == "trades_first":
        return f"trades first by {lead(-(lead_hours or 0.0))}"
    if outcome == "open":
        return f"no trade story yet, {lead(so_far_hours)} so far"
    return "never covered"


def check_words(verdict: str, polls: int, held: int, duplicate_of: int | None, rules: Kpis) -> str:
    """One alert's back-check in words, with the reason."""
    after = f"the {rules.check_hours:g} h after the alert"
    if verdict == "source_fault":
        return "false: marked as a source fault"
    if verdict == "duplicate":
        return f"false: repeats alert {duplicate_of} inside {rules.duplicate_hours:g} h"
    if verdict == "open":
        return f"not due yet: looks at {after}"
    if verdict == "unknown":
        return f"unknown: no scoring poll with new data in {after}"
    told = f"in {held} of {polls} polls in {after}"
    return f"held {told}" if verdict == "held" else f"false: held {told}"


def _rounded(value: float, digits: int, limits: list[float]) -> str:
    """``value`` rounded, with as many more decimals as it takes to stay on its own side of every limit."""
    for places in range(digits, MOST_DIGITS):
        shown = round(value, places)
        if all((shown < limit) == (value < limit) and (shown > limit) == (value > limit) for limit in limits):
            return f"{shown + 0.0:.{places}f}"
    return f"{value:.{MOST_DIGITS}f}"
