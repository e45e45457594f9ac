"""The KPIs from the store: every alert with what came of it, and the one view that page, command and API show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from pipelines.alert.kpi_build import build
from pipelines.alert.kpi_view import KpiView
from pipelines.alert.kpi_words import outcome_words
from pipelines.alert.kpis import FACTS, LEADS, duplicates, hours, judged, lead_rows
from pipelines.settings_kpis import Kpis
from pipelines.store.store import Store

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
MAX_DAYS = 366
SETTLED = ("ahead", "trades_first", "uncovered")


@dataclass(frozen=True, slots=True)
class AlertLead:
    """One alert's lead so far. ``outcome``: ahead, trades_first, uncovered or open; ``hours`` is the lead, or where there
    is no trade item how long there has been none."""

    outcome: str
    hours: float
    trades_at: datetime | None
    words: str


def kpis(store: Store, rules: Kpis, now: datetime, days: int = 30, mode: str = "") -> KpiView:
    """The KPIs of the alerts of the last ``days`` UTC days, today included. ``rules``: section ``[kpis]``."""
    since = first_day(now, days)
    facts = kpi_facts(store, rules, since, now)
    watched = _trades_watched(store, facts, now)
    return build(facts, rules, now=now, since=since, days=days, mode=mode or store.schema, trades_watched=watched)


def first_day(now: datetime, days: int) -> datetime:
    """The start of the first of ``days`` UTC days of which today is the last."""
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return today - (days - 1) * DAY


def kpi_facts(store: Store, rules: Kpis, since: datetime, now: datetime) -> pl.DataFrame:
    """:data:`pipelines.alert.kpis.FACTS` of the alerts from ``since`` (UTC) on, oldest first.

    Leads that are settled come from the daily rows where those have them: the items behind them may be gone. Alerts that
    are gone themselves come from there as a whole.
    """
    # the alert before the first one may make it a duplicate
    rows = store.outcome_rows(since - hours(rules.duplicate_hours))
    stored = _stored(store.kpi_rows(since.date()))
    repeats = duplicates(rows, rules)
    rows = rows.filter(pl.col("at") >= since)
    edge = now - rules.settle_days * DAY
    known = {
        alert: row for alert, row in stored.items() if row["outcome"] in SETTLED and row["at"] < edge
    }  # fmt: skip
    settled = rows.filter(pl.col("alert").is_in(list(known)))
    fresh = rows.filter(~pl.col("alert").is_in(list(known)))
    leads = pl.concat([leads_of(store, fresh, rules, now), _known_leads(settled, known, rules)])
    live = judged(
        rows.join(leads, on="alert", how="left")
        .join(repeats, on="alert", how="left")
        .with_columns(pl.col("result").fill_null("open"), pl.lit("").alias("verdict"))
        .select(*FACTS)
    )
    have = set(rows["alert"])
    gone = [_whole(row, rules) for alert, row in stored.items() if alert not in have and row["at"] >= since]
    return pl.concat([live, pl.DataFrame(gone, schema=FACTS)]).sort("at", "alert")


def leads_of(store: Store, alerts: pl.DataFrame, rules: Kpis, now: datetime) -> pl.DataFrame:
    """:data:`pipelines.alert.kpis.LEADS` of alerts (alert, entity, at) from the trade items in the store."""
    if alerts.is_empty():
        return pl.DataFrame(schema=LEADS)
    first, last = alerts["at"].min(), alerts["at"].max()
    assert isinstance(first, datetime)  # noqa: S101 - not empty; tells the type checker
    assert isinstance(last, datetime)  # noqa: S101 - the same
    items = store.trade_publications(
        alerts["entity"].unique().to_list(), first - hours(rules.trades_before_hours),
        min(now, last + hours(rules.trades_after_hours)),
    )  # fmt: skip
    return lead_rows(alerts.select("alert", "entity", "at"), items, rules, now)


def alert_leads(store: Store, rules: Kpis, ids: Sequence[int], now: datetime) -> dict[int, AlertLead]:
    """The lead so far of these alerts, by number; unknown numbers are left out."""
    rows = leads_of(store, store.outcome_rows(ids=ids), rules, now).iter_rows(named=True)
    return {
        row["alert"]: AlertLead(
            row["outcome"], row["so_far_hours"], row["trades_at"],
            outcome_words(row["outcome"], row["lead_hours"], row["so_far_hours"]),
        )
        for row in rows
    }  # fmt: skip


def _trades_watched(store: Store, facts: pl.DataFrame, now: datetime) -> float:
    """In which share of the clock hours since the first alert a trade feed was read."""
    first = facts["at"].min()
    if not isinstance(first, datetime):
        return 1.0
    span = max(1, round((now - first) / HOUR))
    return min(1.0, store.watched_hours(["trades"], now, span) / span)


def _stored(rows: Sequence[Mapping[str, Any]]) -> dict[int, dict[str, Any]]:
    """What the daily rows say about each alert, by number."""
    found: dict[int, dict[str, Any]] = {}
    for row in rows:
        for part in row["detail"].get("alerts", ()):
            found.setdefault(part["id"], {}).update(part)
    whole = {alert: row for alert, row in found.items() if {"at", "outcome", "useful", "verdict"} <= row.keys()}
    for row in whole.values():
        row["at"] = datetime.fromisoformat(row["at"])
        row["trades_at"] = datetime.fromisoformat(row["trades_at"]) if row["trades_at"] else None
    return whole


def _so_far(row: Mapping[str, Any], rules: Kpis) -> float:
    return rules.trades_after_hours if row["lead_hours"] is None else float(row["lead_hours"])


def _known_leads(alerts: pl.DataFrame, known: Mapping[int, Mapping[str, Any]], rules: Kpis) -> pl.DataFrame:
    rows = [{**known[alert], "alert": alert, "so_far_hours": _so_far(known[alert], rules)} for alert in alerts["alert"]]
    return pl.DataFrame([{name: row[name] for name in LEADS} for row in rows], schema=LEADS)


def _whole(row: Mapping[str, Any], rules: Kpis) -> dict[str, Any]:
    """The facts of an alert that is no longer in the store."""
    same = ("entity", "at", "slug", "name", "outcome", "trades_at", "lead_hours", "useful", "not_useful", "polls", "held",
            "duplicate_of", "verdict")  # fmt: skip
    fault = row["verdict"] == "source_fault"
    return {"alert": row["id"], **{key: row[key] for key in same}, "so_far_hours": _so_far(row, rules), "fault": fault,
            "result": row["verdict"]}  # fmt: skip
