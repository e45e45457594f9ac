"""Makes the view of the KPIs from the facts of the alerts. Pure."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import polars as pl

from pipelines.alert import kpi_words as words
from pipelines.alert.kpi_stats import LeadStats, Share
from pipelines.alert.kpi_view import (
    FalseDay,
    FalseTotal,
    KpiAlert,
    KpiDay,
    KpiView,
    LeadDay,
    LeadTotal,
    UsefulDay,
    UsefulTotal,
)
from pipelines.alert.kpis import FalseStats, Summary, by_day, summarise
from pipelines.settings_kpis import Kpis

LEAD_FIELDS = tuple(LeadStats.__dataclass_fields__)


def build(
    facts: pl.DataFrame, rules: Kpis, *, now: datetime, since: datetime, days: int, mode: str, trades_watched: float
) -> KpiView:
    """The view of ``facts`` (:data:`pipelines.alert.kpis.FACTS`), all of which lie in the span from ``since`` on."""
    total = summarise(facts)
    parts = by_day(facts)
    return KpiView(
        as_of=now, mode=mode, days=days, since=since, alerts=total.alerts,
        lead=_lead_total(total, rules, trades_watched), usefulness=_useful_total(total, rules),
        false_positive_rate=_false_total(total, rules),
        by_day=tuple(day_view(day, parts[day], rules) for day in reversed(parts)),
    )  # fmt: skip


def day_view(day: str, facts: pl.DataFrame, rules: Kpis) -> KpiDay:
    """One UTC day (``2026-11-21``)."""
    total = summarise(facts)
    alerts = tuple(alert_view(row, rules) for row in facts.sort("at", "alert", descending=True).iter_rows(named=True))
    return KpiDay(
        day=date.fromisoformat(day), alerts=alerts, lead=LeadDay(**_lead(total.lead)),
        usefulness=UsefulDay(**_useful(total.useful)), false_positive_rate=FalseDay(**_false(total.false)),
    )  # fmt: skip


def alert_view(row: dict[str, Any], rules: Kpis) -> KpiAlert:
    """One alert from its row of facts."""
    same = ("slug", "name", "at", "outcome", "trades_at", "lead_hours", "useful", "not_useful", "polls", "held")
    return KpiAlert(
        **{key: row[key] for key in same}, id=row["alert"], check=row["verdict"], duplicate_of=row["duplicate_of"],
        lead_words=words.outcome_words(row["outcome"], row["lead_hours"], row["so_far_hours"]),
        check_words=words.check_words(row["verdict"], row["polls"], row["held"], row["duplicate_of"], rules),
    )  # fmt: skip


def _lead(stats: LeadStats) -> dict[str, Any]:
    return {name: getattr(stats, name) for name in LEAD_FIELDS}


def _interval(found: Share) -> dict[str, Any]:
    return {"n": found.n, "value": found.value, "low": found.low, "high": found.high}


def _useful(found: Share) -> dict[str, Any]:
    return {**_interval(found), "useful": found.hits, "not_useful": found.n - found.hits}


def _false(found: FalseStats) -> dict[str, Any]:
    counts = {name: getattr(found, name) for name in ("failed", "source_faults", "duplicates", "unknown", "open")}
    return {**_interval(found.rate), "false": found.rate.hits, **counts}


def _judged(judgement: words.Judgement, target: float) -> dict[str, Any]:
    return {"target": target, "verdict": judgement.verdict, "sure": judgement.sure, "words": judgement.words}


def _lead_total(total: Summary, rules: Kpis, watched: float) -> LeadTotal:
    judgement = _judged(words.judge_lead(total.lead, rules), rules.lead_hours)
    return LeadTotal(**_lead(total.lead), **judgement, stretch=rules.lead_stretch_hours, trades_watched=watched)


def _useful_total(total: Summary, rules: Kpis) -> UsefulTotal:
    judgement = _judged(words.judge_useful(total.useful, rules), rules.useful_share)
    return UsefulTotal(**_useful(total.useful), **judgement, needed=rules.votes_needed)


def _false_total(total: Summary, rules: Kpis) -> FalseTotal:
    return FalseTotal(**_false(total.false), **_judged(words.judge_false(total.false.rate, rules), rules.false_share))
