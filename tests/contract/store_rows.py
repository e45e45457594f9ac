"""Rows for store tests: items, results, mentions and candidates with as little said as possible."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from pipelines.model import ITEMS, UTC_TIME, FetchResult, Outcome, SourceKind, conform
from pipelines.store import Store

T = datetime(2025, 8, 1, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
KINDS = {
    "reddit": SourceKind.EVENT,
    "trends": SourceKind.LEVEL,
    "tiktok": SourceKind.LEVEL,
    "trades": SourceKind.EVENT,
}


def item(item_id: str, source: str = "reddit", at: datetime = T, **values: Any) -> dict[str, Any]:
    """One row of ITEMS."""
    row = {"poll_at": at, "source": source, "feed": "all", "item_id": item_id, "title": f"title {item_id}",
           "url": f"https://example.org/{item_id}", "published_at": None, "engagement": None, "rank": None,
           "names": [], "context": None}  # fmt: skip
    return {**row, **values}


def frame(rows: Sequence[dict[str, Any]]) -> pl.DataFrame:
    return conform(pl.DataFrame(rows, schema=ITEMS), ITEMS)


def result(rows: Sequence[dict[str, Any]], source: str = "reddit", at: datetime = T, **values: Any) -> FetchResult:
    return FetchResult(source, at, values.pop("outcome", Outcome.OK), frame(rows), **values)


def mentions(*rows: tuple[str, str, int] | tuple[str, str, int, str]) -> pl.DataFrame:
    """(source, item_id, entity_id[, matched])."""
    schema = {"source": pl.String, "item_id": pl.String, "entity_id": pl.Int64, "matched": pl.String, "via": pl.String}
    full = [(row[0], row[1], row[2], row[3] if len(row) > 3 else "name", "title") for row in rows]
    return pl.DataFrame(full, schema=schema, orient="row")


def candidates(*rows: tuple[str, str, str]) -> pl.DataFrame:
    """(source, item_id, canonical)."""
    schema = dict.fromkeys(("source", "item_id", "canonical", "name", "via"), pl.String)
    return pl.DataFrame([(*row, row[2].title(), "name") for row in rows], schema=schema, orient="row")


def sentiments(*rows: tuple[str, str, float]) -> pl.DataFrame:
    schema = {"source": pl.String, "item_id": pl.String, "sentiment": pl.Float64}
    return pl.DataFrame(list(rows), schema=schema, orient="row")


def save(
    store: Store,
    results: Sequence[FetchResult],
    found: pl.DataFrame | None = None,
    unowned: pl.DataFrame | None = None,
    moods: pl.DataFrame | None = None,
) -> dict[str, int]:
    return store.save_results(
        results,
        KINDS,
        sentiments() if moods is None else moods,
        mentions() if found is None else found,
        candidates() if unowned is None else unowned,
    )


def add(store: Store, *names: str, kind: str = "person", **columns: Any) -> list[int]:
    """Entities of these names; the canonical form is the name in lower case."""
    rows = {
        "name": list(names),
        "slug": [name.lower().replace(" ", "-") for name in names],
        "kind": [kind] * len(names),
        "domain": ["entertainment"] * len(names),
        "origin": ["catalogue"] * len(names),
        "aliases": [[name] for name in names],
        "canonicals": [[name.lower()] for name in names],
    }
    return store.add_entities(pl.DataFrame(rows).with_columns(**columns))


def score_frames(
    ids: Sequence[int], at: datetime = T, *, velocity: Sequence[float] | None = None, hours: int = 24, **columns: Any
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Frames as scoring makes them: the first entity is the hottest."""
    speeds = list(velocity) if velocity else [3.0 - 0.1 * n for n in range(len(ids))]
    affect = {"m": 0.3, "bonus": 0.1, "n_text": 12, "positive": 0.5, "negative": 0.2}
    trust = {"evidence": 0.5, "baseline": 1.0, "health": 1.0, "agreement": 0.667}
    entities = pl.DataFrame(
        {
            "entity": list(ids), "velocity_z": speeds, "spread_count": [2] * len(ids), "spread": [2 / 3] * len(ids),
            "affect": [0.4] * len(ids), "affect_parts": [affect] * len(ids),
            "raw": [0.5 * z + 0.28 for z in speeds], "heat": [0.5 * z for z in speeds], "peak_at": [at] * len(ids),
            "hours_since_peak": [1.5] * len(ids), "confidence": [0.7] * len(ids),
            "confidence_parts": [trust] * len(ids),
            "n": [9] * len(ids),
        },
        schema_overrides={"spread_count": pl.Int8, "peak_at": UTC_TIME, "n": pl.Int64},
    ).with_columns(**columns)  # fmt: skip
    part = {"z": 2.0, "x": 24.0, "mu": 6.5, "s": 1.7, "windows": 13, "baseline_hours": 156.0, "mentions": 9,
            "noise_unit": 3.0, "warming_up": False, "window_values": [6.0, None, 7.0], "method": "robust"}  # fmt: skip
    platforms = pl.DataFrame([{"entity": e, "source": source, **part} for e in ids for source in ("reddit", "trends")])
    hour = at.replace(minute=0, second=0, microsecond=0)
    points = [
        {"entity": e, "hour": hour - n * HOUR, "heat": 1.0 / (n + 1), "raw": 1.0, "velocity_z": 2.0,
         "spread_count": 2, "affect": 0.4}
        for e in ids for n in range(hours)
    ]  # fmt: skip
    history = pl.DataFrame(points, schema_overrides={"hour": UTC_TIME, "spread_count": pl.Int8})
    return entities, platforms, history
