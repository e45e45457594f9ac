"""What an alert rests on: its platforms' numbers, its receipts, and the hours that led to it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from pipelines.backtest.discovery import finite
from pipelines.backtest.memory import TRADES, Memory
from pipelines.backtest.peaks import Peaks
from pipelines.backtest.prepared import Prepared
from pipelines.model import PLATFORMS
from pipelines.refresh_alerts import RECEIPTS
from pipelines.score_coverage import Polled
from pipelines.score_model import Scoring
from pipelines.score_now import Now
from pipelines.score_rows import HOUR, instant, micros

TRAIL_HOURS = 48


def platform_parts(current: Now, place: int) -> dict[str, dict[str, Any]]:
    """z, x, mu and mentions of each platform that names it in the window, the fastest first."""
    parts = [
        (float(part.z[place]), name, {"z": float(part.z[place]), "x": float(part.x[place]), "mu": float(part.mu[place]),
                                      "mentions": int(current.mentions[i, place])})
        for i, (name, part) in enumerate(zip(PLATFORMS, current.platforms, strict=True))
        if current.mentions[i, place] > 0
    ]  # fmt: skip
    return {name: part for _, name, part in sorted(parts, key=lambda part: -part[0])}


def receipts(
    memory: Memory, prepared: Prepared, entity: int, platforms: Mapping[str, Any], now: datetime, window_hours: int
) -> tuple[dict[str, Any], ...]:
    """The strongest items of the window: one a platform, then whatever else is strongest; three in all."""
    until = micros(now)
    found = []
    for item in memory.items.get(entity, ()):
        if memory.source[item] == TRADES:
            continue
        times = memory.times(item, until - window_hours * HOUR, until)
        if times:
            ref, at = times[-1]
            engagement = finite(memory.figures(item, ref)[0])
            found.append((engagement or 0.0, at, item, engagement))
    found.sort(key=lambda row: (-row[0], -row[1], row[2]))
    order = tuple(dict.fromkeys((*platforms, *PLATFORMS)))
    firsts = [next((row for row in found if PLATFORMS[memory.source[row[2]]] == name), None) for name in order]
    chosen = [row for row in firsts if row is not None]
    chosen += [row for row in found if row not in chosen]
    return tuple(_shown(memory, prepared, item, at, engagement) for _, at, item, engagement in chosen[:RECEIPTS])


def _shown(memory: Memory, prepared: Prepared, item: int, at: int, engagement: float | None) -> dict[str, Any]:
    source, item_id = memory.keys[item]
    row = prepared.items.row(item, named=True)
    title = prepared.texts.row(memory.text[item], named=True)["title"]
    return {
        "source": source, "feed": row["feed"], "item_id": item_id, "title": title, "url": row["url"],
        "engagement": engagement, "at": instant(at).isoformat().replace("+00:00", "Z"),
    }  # fmt: skip


def trail_before(
    memory: Memory, entity: int, coverage: Polled, scoring: Scoring, now: datetime
) -> tuple[tuple[datetime, float | None, int | None], ...]:
    """(end of the hour, velocity, spread count) of the 48 h before ``now``, oldest first; None where nobody looked."""
    hours = Peaks(memory, scoring).history(entity, coverage, now, TRAIL_HOURS)
    return tuple(
        (min(hour + timedelta(hours=1), now), velocity, spread)
        for hour, velocity, spread in hours.sort("hour").select("hour", "velocity_z", "spread_count").iter_rows()
    )
