"""Who should perhaps have alerted and did not: what the trades covered, and what passed a gate and was held back."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta

import polars as pl

from pipelines.backtest.flow import Flow
from pipelines.backtest.model import MISSES, NEAR_MISSES
from pipelines.backtest.prepared import Prepared
from pipelines.model import SOURCES
from pipelines.score_rows import micros

LEAST_TRADE_ITEMS = 1
"""Trade items in the span from which a name counts as covered."""


def missed(flow: Flow, prepared: Prepared, episodes: pl.DataFrame, start: datetime, end: datetime) -> pl.DataFrame:
    """:data:`MISSES`: names with a trade item published in the span that a platform named within the lead's window of the
    first of them, and that had no alert in the span, nor one in the warm-up so late that this item is in its lead's window.
    """
    alerted = defaultdict(list)
    for one in flow.kept.fired:
        alerted[one.entity.id].append(one.at)
    decided = _fastest(flow)
    rows = []
    for entity, items in sorted(flow.memory.trades.items()):
        out = sorted({at for _, at in items if at is not None and start <= at <= end})
        if len(out) < LEAST_TRADE_ITEMS or alerted.get(entity):
            continue
        late = out[0] - timedelta(hours=flow.settings.kpis.trades_after_hours)
        if any(who == entity and at >= late for who, at, _ in flow.kept.before):
            continue
        seen = _seen(flow, prepared, entity, out[0])
        if not seen:
            continue
        who = flow.discovery.cast[entity]
        held = episodes.filter(pl.col("entity") == entity)["held_back"].to_list()
        velocity = decided.get(entity)
        rows.append({
            "entity": entity, "name": who.name, "slug": who.slug, "first_trade_at": out[0], "trade_items": len(out),
            "platforms": [name for name in SOURCES if name in seen], "mentions": sum(seen.values()),
            "max_velocity": velocity, "reason": next((why for why in held if why), "") or _why(flow, velocity),
        })  # fmt: skip
    return pl.DataFrame(rows, schema=MISSES).sort("first_trade_at", "entity")


def _why(flow: Flow, velocity: float | None) -> str:
    return "velocity" if velocity is None or velocity < flow.rules.gates.min_velocity else "spread"


def _fastest(flow: Flow) -> dict[int, float]:
    """The highest velocity decided on; a name that never came near a gate has none."""
    highest: dict[int, float] = {}
    for row in flow.kept.decisions:
        if row["velocity_z"] is not None:
            highest[row["entity"]] = max(row["velocity_z"], highest.get(row["entity"], row["velocity_z"]))
    return highest


def _seen(flow: Flow, prepared: Prepared, entity: int, trade: datetime) -> dict[str, int]:
    """How many items of each platform named it near its first trade item."""
    kpis = flow.settings.kpis
    first = micros(trade) - round(kpis.trades_before_hours * 3.6e9)
    last = micros(trade) + round(kpis.trades_after_hours * 3.6e9)
    counts: dict[str, int] = defaultdict(int)
    for item in flow.memory.items.get(entity, ()):
        source = SOURCES[flow.memory.source[item]]
        if source != "trades" and flow.memory.times(item, first, last):
            counts[source] += 1
    return counts


def nearly(episodes: pl.DataFrame) -> pl.DataFrame:
    """:data:`NEAR_MISSES`: episodes that passed at least once and never alerted."""
    held = episodes.filter(pl.col("alerted_at").is_null() & (pl.col("passes") > 0))
    return held.select(list(NEAR_MISSES)).cast(NEAR_MISSES)
