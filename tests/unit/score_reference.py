"""SCORING 1 to 3 once more, in plain loops over plain values: slow, and easy to hold against the words."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pipelines.score_model import Scoring

PLATFORMS = ("reddit", "trends", "tiktok")
HOUR = timedelta(hours=1)
Coverage = set[tuple[str, datetime]] | None


@dataclass(frozen=True)
class Row:
    entity: str
    source: str
    item_id: str
    at: datetime
    engagement: float | None = None
    rank: int | None = None
    list_length: int | None = None
    sentiment: float | None = None


@dataclass(frozen=True)
class Counted:
    """A row with its weight, as one mention or one sighting."""

    item_id: str
    at: datetime
    weight: float
    sentiment: float | None


def number(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value


def clock_hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)


def weight(row: Row, rows: list[Row], scoring: Scoring) -> float:
    engagement = number(row.engagement)
    if scoring.kinds[row.source] == "event":
        return 1 + math.log10(1 + max(engagement or 0.0, 0.0))
    if engagement is None and row.rank is not None:
        length = row.list_length
        if length is None:
            length = max(r.rank for r in rows if r.source == row.source and r.at == row.at and r.rank is not None)
        return 1 + (length - row.rank) / length
    return math.log10(10 + max(engagement or 0.0, 0.0))


def windows(scoring: Scoring) -> list[tuple[timedelta, timedelta]]:
    """(older end, newer end) of each baseline window, back from T."""
    length = timedelta(hours=scoring.window_hours)
    if scoring.method == "seasonal":
        return [(timedelta(hours=24 * d) + length, timedelta(hours=24 * d)) for d in range(1, 7)]
    return [(length * (k + 1), length * k) for k in range(1, scoring.baseline_windows + 1)]


def polled_part(source: str, start: datetime, end: datetime, coverage: Coverage) -> float:
    if coverage is None:
        return 1.0
    polled = timedelta(0)
    hour = clock_hour(start)
    while hour < end:
        if (source, hour) in coverage:
            polled += min(hour + HOUR, end) - max(hour, start)
        hour += HOUR
    return polled / (end - start)


def volumes(counted: list[Counted], kind: str) -> list[tuple[datetime, float]]:
    """What counts, and when: each event by itself, each clock hour of a level at its last sighting."""
    if kind == "event":
        return [(mention.at, mention.weight) for mention in counted]
    hours: dict[datetime, list[Counted]] = defaultdict(list)
    for sighting in counted:
        hours[clock_hour(sighting.at)].append(sighting)
    return [(max(s.at for s in seen), max(s.weight for s in seen)) for seen in hours.values()]


def noisy_z(x: float, mu: float, s: float, unit: float) -> float:
    return (x - mu) / math.sqrt(s * s + unit * mu + unit * unit)


def z_score(x: float, mu: float, s: float, unit: float, scoring: Scoring) -> float:
    if scoring.method == "plain" and s <= 1e-9 * (1 + abs(mu)):
        z = 0.0 if x <= mu + 1e-9 * (1 + abs(mu)) else scoring.cap
    elif scoring.method == "plain":
        z = (x - mu) / s
    else:
        z = noisy_z(x, mu, s, unit)
    return max(-scoring.cap, min(scoring.cap, z))


def platform(source: str, counted: list[Counted], coverage: Coverage, now: datetime, scoring: Scoring) -> Any:
    kind, unit = scoring.kinds[source], scoring.noise_units[source]
    if not any(now - timedelta(hours=168) < row.at <= now for row in counted):
        return None
    found = volumes(counted, kind)

    def total(start: datetime, end: datetime) -> float:
        return math.fsum(volume for at, volume in found if start < at <= end)

    x = total(now - timedelta(hours=scoring.window_hours), now)
    values: list[float] = []
    for older, newer in windows(scoring):
        c = polled_part(source, now - older, now - newer, coverage)
        if c >= scoring.min_coverage:
            values.append(total(now - older, now - newer) / c)
    mu = sum(values) / len(values) if values else 0.0
    s = 0.0
    if len(values) >= scoring.min_windows:
        s = math.sqrt(sum((value - mu) ** 2 for value in values) / (len(values) - 1))
    start = now - timedelta(hours=scoring.window_hours)
    return {
        "z": z_score(x, mu, s, unit, scoring), "x": x, "mu": mu, "s": s,
        "windows": len(values), "baseline_hours": 12.0 * len(values),
        "mentions": len({row.item_id for row in counted if row.at > start}),
    }  # fmt: skip


def latest(counted: Iterable[Counted]) -> list[Counted]:
    """Each item once, by its last sighting; among sightings of one instant by the one later in the file."""
    items: dict[str, Counted] = {}
    for row in counted:
        if row.item_id not in items or row.at >= items[row.item_id].at:
            items[row.item_id] = row
    return list(items.values())


def affect(mentions: list[Counted], scoring: Scoring) -> float:
    felt = [(row.sentiment, row.weight) for row in mentions if row.sentiment is not None]
    if not felt:
        return 0.0
    m = sum(sentiment * w for sentiment, w in felt) / sum(w for _, w in felt)
    positive = sum(sentiment >= scoring.positive for sentiment, _ in felt) / len(felt)
    negative = sum(sentiment <= scoring.negative for sentiment, _ in felt) / len(felt)
    bonus = scoring.controversy_weight * 2 * min(positive, negative) if len(felt) > scoring.controversy_floor else 0.0
    return min(1.0, abs(m) + bonus)


def count_rows(rows: list[Row], now: datetime, scoring: Scoring) -> dict[str, dict[str, list[Counted]]]:
    """entity -> platform -> what counts at ``now``."""
    there = [row for row in rows if row.at <= now and row.source in PLATFORMS]
    mentions: dict[tuple[str, str, str], Row] = {}
    found: dict[str, dict[str, list[Counted]]] = defaultdict(lambda: defaultdict(list))

    def add(row: Row) -> None:
        sentiment = number(row.sentiment)
        found[row.entity][row.source].append(Counted(row.item_id, row.at, weight(row, there, scoring), sentiment))

    for row in there:
        if scoring.kinds[row.source] == "event":
            mentions[row.source, row.item_id, row.entity] = row
        else:
            add(row)
    for row in mentions.values():
        add(row)
    return found


def raw_scores(rows: list[Row], coverage: Coverage, now: datetime, scoring: Scoring) -> dict[str, dict[str, Any]]:
    """Everything but peak and HEAT, from the rows not later than ``now``."""
    scored: dict[str, dict[str, Any]] = {}
    start = now - timedelta(hours=scoring.window_hours)
    for entity, sources in count_rows(rows, now, scoring).items():
        parts = {s: platform(s, counted, coverage, now, scoring) for s, counted in sources.items()}
        parts = {s: part for s, part in parts.items() if part is not None}
        if not parts:
            continue
        z = [part["z"] for part in parts.values()]
        velocity = {"stouffer": sum(z) / math.sqrt(len(z)), "max": max(z), "mean": sum(z) / len(z)}[scoring.combine]
        velocity = max(-scoring.cap, min(scoring.cap, velocity))
        current = {s: latest(r for r in counted if r.at > start) for s, counted in sources.items()}
        spread = sum(bool(mentions) for mentions in current.values())
        felt = affect([row for mentions in current.values() for row in mentions], scoring)
        n = sum(len(mentions) for mentions in current.values())
        used = sum(part["windows"] for part in parts.values()) / len(parts)
        scored[entity] = {
            "velocity_z": velocity, "spread_count": spread, "spread": spread / 3, "affect": felt,
            "raw": 0.5 * velocity + 0.3 * spread / 3 + 0.2 * felt,
            "confidence": (n / (n + 5) * used / 13 * 1.0 * spread / 3) ** 0.25,
            "platforms": parts,
        }  # fmt: skip
    return scored


def score_by_hand(rows: list[Row], coverage: Coverage, now: datetime, scoring: Scoring) -> dict[str, dict[str, Any]]:
    """entity -> all numbers at ``now``."""
    times = [now]
    hour = clock_hour(now)
    while hour > now - timedelta(hours=168):
        if hour < now:
            times.append(hour)
        hour -= HOUR
    by_time = {at: raw_scores(rows, coverage, at, scoring) for at in times}
    result = by_time[now]
    for entity, numbers in result.items():
        raw = {at: scores[entity]["raw"] for at, scores in by_time.items() if entity in scores}
        highest = max(raw.values())
        numbers["peak_at"] = max(at for at, value in raw.items() if value >= highest - 1e-9)
        numbers["hours_since_peak"] = (now - numbers["peak_at"]) / HOUR
        numbers["heat"] = numbers["raw"] * math.exp(-numbers["hours_since_peak"] / 24)
    return result
