"""Joins the store and the decision: reads what a decision needs, and makes the alerts that come of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from pipelines.alert.decide import Rules, decide
from pipelines.alert.words import PLATFORM_NAMES, hhmm, listed, trades_line, why_line
from pipelines.calibrate import DEFINED, Calibration
from pipelines.model import DEFAULT_DOMAINS, PLATFORMS
from pipelines.outbox import Decided, DecisionOutcome, NewAlert
from pipelines.read.story import Evidence, Numbers, gather, try_package
from pipelines.settings import Settings
from pipelines.store.store import Store

WEEK = timedelta(days=7)
RECEIPTS = 3
EVER = datetime(1970, 1, 1, tzinfo=UTC)
"""From when on trade items count: all that are kept."""


@dataclass(frozen=True, slots=True)
class Desk:
    """Where alerts go: ``channel`` None only keeps them; alerts from before ``since`` (a warm-up's) are not sent."""

    channel: str | None = None
    since: datetime | None = None


def rules_of(settings: Settings) -> Rules:
    """The rules the settings ask for."""
    return Rules(settings.gates, settings.episode, tuple(str(domain) for domain in DEFAULT_DOMAINS))


def decide_poll(
    store: Store, settings: Settings, gated: pl.DataFrame, platforms: pl.DataFrame, now: datetime, desk: Desk, *,
    counted: bool, calibration: Calibration = DEFINED,
) -> Decided:  # fmt: skip
    """What the scoring poll at ``now`` decides, ready to be stored with it; ``calibration`` is what its alerts tell beside
    their confidence. Raises :class:`StoreError`."""
    rules = rules_of(settings)
    episodes = store.episodes()
    fast = gated.filter((pl.col("velocity_z") >= rules.gates.min_velocity) | pl.col("passes"))["entity"]
    ids = sorted({*fast.to_list(), *episodes["entity"].to_list()})
    names = store.alert_names(ids)
    decisions, after = decide(
        gated, episodes, pl.DataFrame([{key: row[key] for key in ("entity", "domain", "muted")} for row in names],
                                      schema={"entity": pl.Int64, "domain": pl.String, "muted": pl.Boolean}),
        store.trade_items(ids, EVER, now),
        store.heat_peaks(ids, now - WEEK, now.replace(minute=0, second=0, microsecond=0)),
        rules, now, counted=counted,
    )  # fmt: skip
    fired = decisions.filter(pl.col("outcome") == str(DecisionOutcome.FIRED)).to_dicts()
    known = {row["entity"]: row for row in names}
    alerts = tuple(
        _alert(store, row, known[row["entity"]], platforms, calibration, now) for row in fired if row["entity"] in known
    )
    sends = desk.since is None or now > desk.since
    if not sends:
        # decided while a baseline was read in, at polls far apart: nobody was told, and no KPI counts them
        alerts = tuple(replace(alert, payload={**alert.payload, "warm_up": True}) for alert in alerts)
    return Decided(decisions, after, alerts, desk.channel if sends else None)


def _alert(
    store: Store, row: Mapping[str, Any], name: Mapping[str, Any], platforms: pl.DataFrame, calibration: Calibration,
    now: datetime,
) -> NewAlert:  # fmt: skip
    numbers = {key: float(row[key] or 0.0) for key in ("heat", "velocity_z", "affect", "confidence")}
    spread = int(row["spread_count"] or 0)
    started: datetime = row["started_at"]
    parts = _platforms(platforms, row["entity"])
    evidence = gather(store, store.family(row["entity"]), now)
    told = Numbers(numbers["velocity_z"], spread, numbers["confidence"], row["trades_at"])
    package, problem = try_package(name, evidence, told)
    calibrated = calibration.of(row["confidence"])
    payload = {
        **{key: name[key] for key in ("name", "slug", "kind", "domain")}, "mode": store.schema, "at": now.isoformat(),
        "started_at": started.isoformat(), "trades_at": row["trades_at"].isoformat() if row["trades_at"] else None,
        "platforms": parts, "receipts": _receipts(evidence, list(parts)), "sentence": row["sentence"],
        "hook": package.hook if package else _hook(name["name"], list(parts), started, row["trades_at"], now),
        "package": package.to_dict() if package else None, "package_note": problem,
        "calibrated": asdict(calibrated) if calibrated else None,
    }  # fmt: skip
    return NewAlert(
        f"{store.schema}|spike|{row['entity']}|{started.isoformat()}", row["entity"], numbers["heat"],
        numbers["velocity_z"], spread, numbers["affect"], numbers["confidence"],
        why_line(numbers["velocity_z"], spread, numbers["affect"], numbers["confidence"], calibrated), payload,
    )  # fmt: skip


def _platforms(platforms: pl.DataFrame, entity: int) -> dict[str, dict[str, Any]]:
    """What each platform that names the entity says, the fastest first."""
    mine = platforms.filter(pl.col("entity") == entity, pl.col("mentions") > 0).sort(
        "z", descending=True, nulls_last=True
    )
    return {
        row["source"]: {key: row[key] for key in ("z", "x", "mu", "mentions")} for row in mine.iter_rows(named=True)
    }


def _hook(name: str, sources: Sequence[str], started: datetime, trades_at: datetime | None, now: datetime) -> str:
    where = listed([PLATFORM_NAMES.get(source, source) for source in sources])
    trades = trades_line(trades_at, now).removeprefix("trades: ")
    trades = trades.replace("no story yet", "no trade story yet").replace("already on it", "the trades are on it")
    return f"{name} has climbed since {hhmm(started)} on {where}; {trades}."


def _receipts(evidence: Evidence, sources: Sequence[str]) -> list[dict[str, Any]]:
    """The best receipts of the window: one a platform, then whatever else is strongest."""
    order = tuple(dict.fromkeys((*sources, *PLATFORMS)))
    pools = {source: [row for row in evidence.rows if row["source"] == source] for source in order}
    firsts = [pool[0] for pool in pools.values() if pool]
    rest = sorted((row for pool in pools.values() for row in pool[1:]), key=_strength, reverse=True)
    return [_shown(row) for row in [*firsts, *rest][:RECEIPTS]]


def _strength(row: Mapping[str, Any]) -> tuple[float, datetime, str]:
    return float(row["engagement"] or 0.0), row["at"], row["item_id"]


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    shown = {key: row[key] for key in ("source", "feed", "item_id", "title", "url", "engagement")}
    return {**shown, "at": row["at"].isoformat()}
