"""Keeps the KPIs: back-checks that are due, and the daily rows. Level-triggered: what is missing or no longer right is
made anew, however long nobody looked; running it twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl

from pipelines.alert.kpi_stats import Share
from pipelines.alert.kpi_words import check_words
from pipelines.alert.kpis import Summary, back_checks, by_day, hours, summarise
from pipelines.read.kpis import first_day, kpi_facts
from pipelines.settings_kpis import Kpis
from pipelines.store.store import Store

GRACE = timedelta(minutes=30)
"""How long a back-check waits for the scoring poll at the end of its two hours; after that the server was off."""
LOOK_BACK_DAYS = 120
"""A vote or a mark on an alert up to this old still moves its day."""
LEAD = ("alert", "entity", "at", "slug", "name", "outcome", "trades_at", "lead_hours")
USEFUL = ("alert", "useful", "not_useful")
FALSE = ("alert", "verdict", "polls", "held", "duplicate_of")


@dataclass(frozen=True, slots=True)
class KpiReport:
    """What a run did."""

    checked: int
    days: int

    @property
    def changed(self) -> bool:
        """Whether a page that shows KPIs is out of date."""
        return bool(self.checked or self.days)

    def __str__(self) -> str:
        """In one line."""
        return f"{self.checked} alerts checked, {self.days} daily rows changed"


def refresh_kpis(store: Store, rules: Kpis, now: datetime) -> KpiReport:
    """Check what is due at ``now`` (UTC, the world's), then bring the daily rows up to date. Raises :class:`StoreError`."""
    return KpiReport(check_alerts(store, rules, now), refresh_days(store, rules, now))


def check_alerts(store: Store, rules: Kpis, now: datetime) -> int:
    """Back-check the alerts whose two hours are over and whose polls are stored; how many."""
    latest = store.latest(now)
    seen_until = max(now - GRACE, latest.at) if latest else now - GRACE
    waiting = store.unchecked_alerts(seen_until - hours(rules.check_hours))
    return sum(_check_day(store, rules, day, now) for day in by_day(waiting).values())


def _check_day(store: Store, rules: Kpis, alerts: pl.DataFrame, now: datetime) -> int:
    first, last = alerts["at"][0], alerts["at"][-1]
    ids = alerts["entity"].unique().to_list()
    polls, scores = store.counted_polls(ids, first, last + hours(rules.check_hours))
    checks = back_checks(alerts, polls, scores, rules, now)
    said = [check_words(row["result"], row["polls"], row["held"], None, rules) for row in checks.iter_rows(named=True)]
    return store.save_back_checks(checks.with_columns(pl.Series("detail", said, dtype=pl.String)), now)


def refresh_days(store: Store, rules: Kpis, now: datetime) -> int:
    """Bring the daily rows up to date; how many were written."""
    since = first_day(now, LOOK_BACK_DAYS)
    stored = {(row["day"], row["kpi"]): _figures(row) for row in store.kpi_rows(since.date())}
    parts = by_day(kpi_facts(store, rules, since, now))
    rows = [row for day, facts in parts.items() for row in day_rows(date.fromisoformat(day), facts)]
    return store.save_kpi_rows([row for row in rows if stored.get((row["day"], row["kpi"])) != _figures(row)], now)


def day_rows(day: date, facts: pl.DataFrame) -> list[dict[str, Any]]:
    """The stored form of one day: a row a KPI with its figures and, in ``detail``, every alert behind them."""
    total: Summary = summarise(facts)
    lead, false = total.lead, total.false
    counts = {"decided": lead.decided, "uncovered": lead.uncovered, "open": lead.open}
    reasons = {"failed": false.failed, "source_faults": false.source_faults, "duplicates": false.duplicates,
               "unknown": false.unknown, "open": false.open}  # fmt: skip
    return [
        {"day": day, "kpi": "lead", "n": lead.n, "value": lead.median, "low": lead.p25, "high": lead.p75,
         "detail": {**counts, "alerts": _alerts(facts, LEAD)}},
        {**_share(day, "useful", total.useful), "detail": {"alerts": _alerts(facts, USEFUL)}},
        {**_share(day, "false", false.rate), "detail": {**reasons, "alerts": _alerts(facts, FALSE)}},
    ]  # fmt: skip


def _share(day: date, kpi: str, found: Share) -> dict[str, Any]:
    return {"day": day, "kpi": kpi, "n": found.n, "value": found.value, "low": found.low, "high": found.high}


def _alerts(facts: pl.DataFrame, columns: tuple[str, ...]) -> list[dict[str, Any]]:
    rows = facts.select(columns).rename({"alert": "id"}).to_dicts()
    return [
        {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}
        for row in rows
    ]


def _figures(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("n", "value", "low", "high", "detail"))
