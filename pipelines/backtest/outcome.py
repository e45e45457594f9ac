"""What came of a run: leads, back-checks, episodes, misses. The arithmetic is that of the KPIs (SCORING 6)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import polars as pl

from pipelines.alert.kpi_stats import LeadStats, lead_stats
from pipelines.alert.kpis import ALERTS, POLLS, SCORES, TRADES, back_checks, duplicates, false_stats, hours, lead_rows
from pipelines.backtest.flow import Fired, Flow
from pipelines.backtest.misses import missed, nearly
from pipelines.backtest.model import BACKTEST_DECISIONS, BACKTEST_EPISODES, BacktestAlert, BacktestResult
from pipelines.backtest.prepared import Prepared
from pipelines.outbox import DecisionOutcome
from pipelines.settings import Settings


def conclude(
    flow: Flow, prepared: Prepared, settings: Settings, start: datetime, end: datetime, domain: str,
    overrides: Mapping[str, Any],
) -> BacktestResult:  # fmt: skip
    """The result of a run whose polls are all taken."""
    fired, rules = flow.kept.fired, settings.kpis
    alerts = pl.DataFrame(
        [(number, one.entity.id, one.at) for number, one in enumerate(fired)], schema=ALERTS, orient="row"
    )
    trades = _publications(flow, {one.entity.id for one in fired})
    leads = lead_rows(alerts, trades, rules, end)
    scores = pl.DataFrame(
        [(entity, at, velocity, spread) for entity, at, velocity, spread in flow.kept.checks],
        schema=SCORES,
        orient="row",
    )
    polls = pl.DataFrame({"poll_at": flow.kept.polls}, schema=POLLS)
    checks = back_checks(alerts, polls, scores, rules, end)
    repeated = _repeated(flow, alerts)
    results: list[str] = checks["result"].to_list()
    verdicts = Counter("duplicate" if twice else result for twice, result in zip(repeated, results, strict=True))
    decisions, episodes = _decisions(flow), _episodes(flow)
    starts = _google_starts(flow, prepared, settings, end)
    shown = tuple(
        _alert(one, lead, check, starts.get(number), twice=twice)
        for number, (one, lead, check, twice) in enumerate(
            zip(fired, leads.iter_rows(named=True), results, repeated, strict=True)
        )
    )
    outcomes = Counter(leads["outcome"].to_list())
    return BacktestResult(
        recording=prepared.recording, start=start, end=end,
        polls=sum(start <= at <= end for at in prepared.ticks["at"]), method=flow.scoring.method, alerts=shown,
        lead=lead_stats(leads["lead_hours"].drop_nulls().to_list(), outcomes["uncovered"], outcomes["open"]),
        google_lead=_google_lead(shown), false_rate=false_stats(dict(verdicts)).rate, held_back=_held_back(decisions),
        decisions=decisions, episodes=episodes, misses=missed(flow, prepared, episodes, start, end),
        near_misses=nearly(episodes), domain=domain,
        discovered=sum(one.since is not None and one.since >= start for one in flow.discovery.cast.values()),
        overrides=overrides, notes=prepared.notes,
    )  # fmt: skip


def _repeated(flow: Flow, alerts: pl.DataFrame) -> list[bool]:
    """Whether each alert is a duplicate; of one in the warm-up too, which is not itself counted."""
    earlier = [(-1 - number, entity, at) for number, (entity, at, _) in enumerate(flow.kept.before)]
    found = duplicates(pl.concat([pl.DataFrame(earlier, schema=ALERTS, orient="row"), alerts]), flow.settings.kpis)
    return found.filter(pl.col("alert") >= 0).sort("alert")["duplicate_of"].is_not_null().to_list()


def _publications(flow: Flow, entities: set[int]) -> pl.DataFrame:
    rows = [
        (entity, published) for entity in sorted(entities)
        for _, published in flow.memory.trades.get(entity, ()) if published is not None
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=TRADES, orient="row").unique(maintain_order=True)


def _alert(fired: Fired, lead: Mapping[str, Any], check: str, google: datetime | None, *, twice: bool) -> BacktestAlert:
    said = fired.decision
    google_lead = None if google is None else (google - fired.at) / hours(1)
    return BacktestAlert(
        at=fired.at, entity=fired.entity.name, slug=fired.entity.slug, velocity_z=said["velocity_z"],
        spread_count=said["spread_count"], affect=said["affect"], heat=said["heat"], confidence=said["confidence"],
        platforms=fired.platforms, receipts=fired.receipts, first_trade_at=lead["trades_at"],
        lead_hours=lead["lead_hours"], google_start_at=google, google_lead_hours=google_lead,
        backcheck=check if check in ("held", "failed") else "open", duplicate=twice, domain=str(fired.entity.domain),
        sentence=said["sentence"], started_at=said["started_at"], trail=fired.trail,
    )  # fmt: skip


def _google_starts(flow: Flow, prepared: Prepared, settings: Settings, end: datetime) -> dict[int, datetime]:
    """Google's own start of the trend behind each alert: the earliest it gave in the window of the lead."""
    said: dict[int, list[datetime]] = defaultdict(list)
    for item, at in prepared.starts.iter_rows():
        said[item].append(at)
    starts = {}
    for number, one in enumerate(flow.kept.fired):
        first = one.at - hours(settings.kpis.trades_before_hours)
        last = min(one.at + hours(settings.kpis.trades_after_hours), end)
        near = [
            at for item in flow.memory.items.get(one.entity.id, ()) for at in said.get(item, ()) if first <= at <= last
        ]
        if near:
            starts[number] = min(near)
    return starts


def _google_lead(alerts: Sequence[BacktestAlert]) -> LeadStats:
    return lead_stats([alert.google_lead_hours for alert in alerts if alert.google_lead_hours is not None])


def _held_back(decisions: pl.DataFrame) -> dict[str, int]:
    held = decisions.filter(pl.col("outcome") == str(DecisionOutcome.HELD_BACK))
    return {
        str(reason): int(count)
        for reason, count in held["reason"].value_counts().sort("count", "reason", descending=[True, False]).iter_rows()
    }


def _decisions(flow: Flow) -> pl.DataFrame:
    found, cast = flow.kept.decisions.frame(), flow.discovery.cast
    named = [(one, cast[one].name, cast[one].slug) for one in found["entity"].unique()]
    names = pl.DataFrame(named, schema=["entity", "name", "slug"], orient="row", schema_overrides={"entity": pl.Int64})
    return found.join(names, on="entity", how="left", maintain_order="left").cast(BACKTEST_DECISIONS)


def _episodes(flow: Flow) -> pl.DataFrame:
    """Episodes from the decisions: those of one entity with one start belong together."""
    started = flow.kept.decisions.frame().drop_nulls("started_at").drop("sentence")
    open_now = flow.open_episodes()
    rows = []
    for part in started.partition_by("entity", "started_at", maintain_order=True):
        key = (part["entity"][0], part["started_at"][0])
        rows.append(_episode(flow, key, part.to_dicts(), ended=key not in open_now))
    return pl.DataFrame(rows, schema=BACKTEST_EPISODES).sort("started_at", "entity")


def _episode(
    flow: Flow, key: tuple[int, datetime], part: Sequence[Mapping[str, Any]], *, ended: bool
) -> dict[str, Any]:
    who = flow.discovery.cast[key[0]]
    gates = flow.rules.gates
    passes = [
        row for row in part
        if (row["velocity_z"] or 0.0) >= gates.min_velocity and (row["spread_count"] or 0) >= gates.min_spread
    ]  # fmt: skip
    earlier = (at for entity, at, started_at in flow.kept.before if (entity, started_at) == key)
    alerted = next((row["at"] for row in part if row["outcome"] == DecisionOutcome.FIRED), next(earlier, None))
    held = Counter(str(row["reason"]) for row in passes if row["outcome"] == DecisionOutcome.HELD_BACK)
    return {
        "entity": who.id, "name": who.name, "slug": who.slug, "started_at": key[1],
        "ended_at": part[-1]["at"] if ended else None, "polls": len(part), "passes": len(passes),
        "max_velocity": max((row["velocity_z"] for row in part if row["velocity_z"] is not None), default=None),
        "max_spread": max((row["spread_count"] or 0 for row in part), default=0), "alerted_at": alerted,
        "held_back": "" if alerted or not held else _most(held),
    }  # fmt: skip


def _most(held: Counter[str]) -> str:
    """The reason that held most polls; persistence, which every episode meets once, only where it is the only one."""
    others = Counter({reason: count for reason, count in held.items() if reason != "persistence"})
    return (others or held).most_common(1)[0][0]
