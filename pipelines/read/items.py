"""Rows of a scoring poll turned into :class:`pipelines.view.HeatItem`, with what stands beside the score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pipelines.naming_past import NamesThen
from pipelines.settings import Settings
from pipelines.store.store import Store
from pipelines.view import Calibrated, EntityRef, Gates, HeatItem, HistoryPoint, PlatformScore, TradesStatus

HOUR = timedelta(hours=1)
COLUMNS = 24
TRADES_BEFORE = timedelta(hours=48)
TRADES_AFTER = timedelta(hours=72)
"""A trade item belongs to a story from 48 h before we had it to 72 h after (SCORING 6)."""


@dataclass(frozen=True, slots=True)
class Beside:
    """What belongs to the rows of a board and is stored elsewhere, by entity id."""

    names: Mapping[int, tuple[str, ...]]
    first_seen: Mapping[int, datetime]
    trades: Mapping[int, TradesStatus]
    history: Mapping[int, tuple[HistoryPoint, ...]]
    previous: Mapping[int, int]
    watched: frozenset[int] = frozenset()


def hour_starts(as_of: datetime, hours: int = COLUMNS) -> tuple[datetime, ...]:
    """The starts of the last clock hours, oldest first; the last one is running at ``as_of``."""
    last = as_of.replace(minute=0, second=0, microsecond=0)
    return tuple(last - n * HOUR for n in range(hours - 1, -1, -1))


def read_beside(
    store: Store, ids: Sequence[int], as_of: datetime, previous: Mapping[int, int], hours: int = COLUMNS,
    then: NamesThen | None = None,
) -> Beside:  # fmt: skip
    """Everything :class:`Beside` holds for these entities, in a handful of queries; ``hours`` of history. ``then``: with the
    names of a past board."""
    first_pass, trade_items = store.trade_times(ids, as_of - TRADES_BEFORE - TRADES_AFTER, as_of, then)
    trades = {key: trades_status(first_pass.get(key), trade_items.get(key, []), as_of) for key in ids}
    history = read_history(store, ids, as_of, hours)
    watched = store.watched() if then is None else then.watched
    return Beside(store.names_of(ids, then), store.first_seen(ids, then), trades, history, previous, watched)


def trades_status(
    first_pass: datetime | None, items: Sequence[tuple[datetime, bool]], as_of: datetime
) -> TradesStatus:  # fmt: skip
    """The first trade item of the story, and our lead over it in hours. ``items``: time, and whether it is its own.

    The story starts where the entity first passed the gates in the last 72 h; ours is the lead when the trades came
    after that. An entity that did not pass has no lead, and shows its first trade item of the last 48 h. An item without
    a time of its own makes no lead (SCORING 6: never from our first sight); it is shown where there is no other.
    """
    ours = first_pass if first_pass is not None and as_of - first_pass <= TRADES_AFTER else None
    since = (ours or as_of) - TRADES_BEFORE
    own = min((at for at, own in items if own and at >= since), default=None)
    first = own or min((at for at, _ in items if at >= since), default=None)
    lead = (own - ours) / HOUR if own is not None and ours is not None else None
    return TradesStatus(first, lead)


def read_history(
    store: Store, ids: Sequence[int], as_of: datetime, hours: int = COLUMNS
) -> dict[int, tuple[HistoryPoint, ...]]:
    """For each entity one point per clock hour, oldest first; hours without a score have None everywhere."""
    starts = hour_starts(as_of, hours)
    known = {(row["entity_id"], row["hour"]): row for row in store.score_hours(ids, starts[0], starts[-1])}
    return {key: tuple(_point(start, known.get((key, start))) for start in starts) for key in ids}


def _point(hour: datetime, row: Mapping[str, Any] | None) -> HistoryPoint:
    if row is None:
        return HistoryPoint(hour, None, None, None, None)
    count = row["spread_count"]
    return HistoryPoint(hour, row["heat"], row["velocity_z"], None if count is None else count / 3, row["affect"])


def heat_item(row: Mapping[str, Any], rank: int, beside: Beside, settings: Settings) -> HeatItem:
    """One row of a board."""
    key, parts = row["entity_id"], row["parts"]
    return HeatItem(
        rank=rank,
        entity=EntityRef(key, row["slug"], row["name"], row["kind"], row["domain"], beside.names.get(key, ())),
        heat=row["heat"],
        raw=row["raw"] or 0.0,
        velocity_z=row["velocity_z"] or 0.0,
        spread=row["spread_count"] / 3,
        spread_count=row["spread_count"],
        affect=row["affect"] or 0.0,
        confidence=row["confidence"] or 0.0,
        confidence_parts=_numbers(parts.get("confidence_parts")),
        affect_parts=_numbers(parts.get("affect_parts")),
        peak_at=row["peak_at"],
        hours_since_peak=row["hours_since_peak"] or 0.0,
        eligible=row["eligible"],
        passes=row["passes"],
        gates=_gates(row, settings),
        first_seen=beside.first_seen.get(key, row["created_at"]),
        platforms={source: _platform(part) for source, part in sorted(row["platforms"].items())},
        trades=beside.trades.get(key, TradesStatus()),
        history=beside.history.get(key, ()),
        previous_rank=beside.previous.get(key),
        watched=key in beside.watched,
        calibrated=calibrated_of(parts.get("calibrated")),
    )


def calibrated_of(part: Mapping[str, Any] | None) -> Calibrated | None:
    """What was stored with a score or an alert."""
    return Calibrated(**part) if part else None


def _gates(row: Mapping[str, Any], settings: Settings) -> Gates:
    velocity = row["velocity_z"] is not None and row["velocity_z"] >= settings.gates.min_velocity
    return Gates(velocity, row["spread_count"] >= settings.gates.min_spread, row["persistence"])


def _platform(part: Mapping[str, Any]) -> PlatformScore:
    return PlatformScore(
        z=part.get("z") or 0.0,
        x=part.get("x") or 0.0,
        mu=part.get("mu") or 0.0,
        s=part.get("s") or 0.0,
        windows=int(part.get("windows") or 0),
        baseline_hours=part.get("baseline_hours") or 0.0,
        mentions=int(part.get("mentions") or 0),
        noise_unit=part.get("noise_unit") or 0.0,
        warming_up=bool(part.get("warming_up")),
        window_values=tuple(part.get("window_values") or ()),
    )


def _numbers(parts: Mapping[str, Any] | None) -> dict[str, float]:
    return {key: value for key, value in (parts or {}).items() if value is not None}
