"""Did the alerts help (SCORING 6): leads over the trades, back-checks, duplicates, and the three KPIs. Pure.

Frames in, frames out; ``rules`` is the section ``[kpis]`` of the settings, ``now`` the present instant, UTC. Readings
where SCORING 6 leaves a choice:

* Lead: the earliest trade item of the window counts, by its publisher's own time; an item without one never does. Both
  ends of the window belong to it. A window is over once ``now`` is past it; until then an alert without a trade item is
  open and counted nowhere.
* Back-check: the scoring polls of the two hours after the alert, its own poll left out, that brought new data (SCORING 5:
  scoring the same data twice is one poll). A poll without a score of the name is one in which it did not hold. Without
  any such poll nobody knows: unknown, and not counted.
* Alerts of a warm-up (a demo or a replay reading its baseline in) were told to nobody and are no cases.
* Duplicate: an alert on a name that alerted up to 24 h before; the first one stands. Names merged later are one name.
* An alert is checked once its back-check has held or failed, or once it is known to be false for another reason. It is
  false for one reason only, the first of: source fault, duplicate, failed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from pipelines.alert.kpi_stats import LeadStats, Share, lead_stats, share
from pipelines.model import UTC_TIME
from pipelines.settings_kpis import Kpis

ALERTS = pl.Schema({"alert": pl.Int64(), "entity": pl.Int64(), "at": UTC_TIME})
"""One row per alert; ``entity`` is the live one, merges resolved."""
TRADES = pl.Schema({"entity": pl.Int64(), "published_at": UTC_TIME})
"""Trade items about an entity, by the publisher's own time."""
POLLS = pl.Schema({"poll_at": UTC_TIME})
"""Scoring polls that brought new data."""
SCORES = pl.Schema({"entity": pl.Int64(), "poll_at": UTC_TIME, "velocity_z": pl.Float64(), "spread_count": pl.Int16()})
"""Scores in those polls; an entity that was not scored has no row."""
LEADS = pl.Schema(
    {
        "alert": pl.Int64(),
        "outcome": pl.String(),
        "trades_at": UTC_TIME,
        "lead_hours": pl.Float64(),
        "so_far_hours": pl.Float64(),
    }
)
"""``outcome``: ahead, trades_first, uncovered or open. ``so_far_hours``: the lead, or how long there has been none."""
CHECKS = pl.Schema({"alert": pl.Int64(), "result": pl.String(), "polls": pl.Int32(), "held": pl.Int32()})
"""``result``: held, failed, unknown (no poll), or open (the two hours are not over)."""
FACTS = pl.Schema(
    {
        **ALERTS,
        "slug": pl.String(),
        "name": pl.String(),
        **{name: dtype for name, dtype in LEADS.items() if name != "alert"},
        "useful": pl.Int32(),
        "not_useful": pl.Int32(),
        **{name: dtype for name, dtype in CHECKS.items() if name != "alert"},
        "fault": pl.Boolean(),
        "duplicate_of": pl.Int64(),
        "verdict": pl.String(),
    }
)
"""Everything the KPIs count, one row per alert. ``verdict``: held, failed, source_fault, duplicate, unknown or open."""

FALSE = ("failed", "source_fault", "duplicate")
"""The verdicts that make an alert false."""


@dataclass(frozen=True, slots=True)
class FalseStats:
    """False alerts of the checked ones, why, and how many could not be or were not yet checked."""

    rate: Share
    failed: int
    source_faults: int
    duplicates: int
    unknown: int
    open: int


@dataclass(frozen=True, slots=True)
class Summary:
    """The three KPIs of some alerts. ``useful`` counts votes, not alerts."""

    alerts: int
    lead: LeadStats
    useful: Share
    false: FalseStats


def hours(value: float) -> timedelta:
    """``value`` hours."""
    return timedelta(hours=value)


def lead_rows(alerts: pl.DataFrame, trades: pl.DataFrame, rules: Kpis, now: datetime) -> pl.DataFrame:
    """:data:`LEADS` of :data:`ALERTS`, in their order, from :data:`TRADES` as published up to ``now``."""
    from_, to = hours(rules.trades_before_hours), hours(rules.trades_after_hours)
    first = (
        alerts.join(trades, on="entity")
        .filter(
            pl.col("published_at").is_between(pl.col("at") - from_, pl.col("at") + to), pl.col("published_at") <= now
        )
        .group_by("alert")
        .agg(pl.col("published_at").min().alias("trades_at"))
    )
    end = pl.min_horizontal(pl.col("at") + to, pl.lit(now, dtype=UTC_TIME))
    lead = _hours(pl.col("trades_at") - pl.col("at"))
    none_yet = pl.when(pl.col("at") + to < now).then(pl.lit("uncovered")).otherwise(pl.lit("open"))
    outcome = pl.when(lead < 0).then(pl.lit("trades_first")).when(lead >= 0).then(pl.lit("ahead")).otherwise(none_yet)
    return (
        alerts.join(first, on="alert", how="left", maintain_order="left")
        .with_columns(outcome.alias("outcome"), lead.alias("lead_hours"))
        .with_columns(pl.coalesce("lead_hours", _hours(end - pl.col("at"))).alias("so_far_hours"))
        .select(*LEADS)
    )


def back_checks(
    alerts: pl.DataFrame, polls: pl.DataFrame, scores: pl.DataFrame, rules: Kpis, now: datetime
) -> pl.DataFrame:
    """:data:`CHECKS` of :data:`ALERTS`, in their order, from :data:`POLLS` and :data:`SCORES`."""
    span = hours(rules.check_hours)
    holds = (pl.col("velocity_z") >= rules.check_velocity) & (pl.col("spread_count") >= rules.check_spread)
    held = scores.filter(holds).select("entity", "poll_at").unique().with_columns(held=pl.lit(value=True))
    counts = (
        alerts.join_where(polls, pl.col("poll_at") > pl.col("at"), pl.col("poll_at") <= pl.col("at") + span)
        .join(held, on=["entity", "poll_at"], how="left")
        .group_by("alert")
        .agg(pl.len().cast(pl.Int32).alias("polls"), pl.col("held").sum().cast(pl.Int32))
    )
    enough = pl.col("held") >= rules.check_share * pl.col("polls")
    result = (
        pl.when(pl.col("at") + span > now).then(pl.lit("open"))
        .when(pl.col("polls") == 0).then(pl.lit("unknown"))
        .when(enough).then(pl.lit("held")).otherwise(pl.lit("failed"))
    )  # fmt: skip
    return (
        alerts.join(counts, on="alert", how="left", maintain_order="left")
        .with_columns(pl.col("polls", "held").fill_null(0))
        .with_columns(result.alias("result"))
        .select(*CHECKS)
    )


def duplicates(alerts: pl.DataFrame, rules: Kpis) -> pl.DataFrame:
    """alert, duplicate_of: the alert on the same name before each one, where it was up to 24 h before, else null."""
    before = pl.col("at") - pl.col("at").shift(1).over("entity")
    return (
        alerts.sort("at", "alert")
        .with_columns(pl.col("alert").shift(1).over("entity").alias("last"))
        .select("alert", pl.when(before <= hours(rules.duplicate_hours)).then("last").alias("duplicate_of"))
    )


def judged(facts: pl.DataFrame) -> pl.DataFrame:
    """``facts`` (fault, duplicate_of, result) with ``verdict``: why an alert is false, or what its back-check says."""
    verdict = (
        pl.when("fault").then(pl.lit("source_fault"))
        .when(pl.col("duplicate_of").is_not_null()).then(pl.lit("duplicate"))
        .otherwise(pl.col("result"))
    )  # fmt: skip
    return facts.with_columns(verdict.alias("verdict"))


def summarise(facts: pl.DataFrame) -> Summary:
    """The three KPIs over :data:`FACTS`."""
    outcomes = _counts(facts, "outcome")
    lead = lead_stats(facts["lead_hours"].drop_nulls().to_list(), outcomes.get("uncovered", 0), outcomes.get("open", 0))
    useful, not_useful = int(facts["useful"].sum()), int(facts["not_useful"].sum())
    return Summary(facts.height, lead, share(useful, useful + not_useful), false_stats(_counts(facts, "verdict")))


def false_stats(verdicts: dict[str, int]) -> FalseStats:
    """The false-positive rate from how many alerts have each verdict."""
    failed, faults, repeated = (verdicts.get(name, 0) for name in FALSE)
    false = failed + faults + repeated
    rate = share(false, false + verdicts.get("held", 0))
    return FalseStats(rate, failed, faults, repeated, verdicts.get("unknown", 0), verdicts.get("open", 0))


def by_day(facts: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """``facts`` by the UTC day of the alert (``2026-11-21``), oldest day first."""
    days = facts.with_columns(pl.col("at").dt.strftime("%Y-%m-%d").alias("day"))
    parts = days.partition_by("day", as_dict=True)
    return {str(key[0]): part.drop("day").sort("at", "alert") for key, part in sorted(parts.items())}


def _counts(facts: pl.DataFrame, column: str) -> dict[str, int]:
    return {str(name): int(count) for name, count in facts[column].value_counts().iter_rows()}


def _hours(span: pl.Expr) -> pl.Expr:
    return span.dt.total_microseconds() / 3_600_000_000
