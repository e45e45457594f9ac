"""Arrays back into the frames of ``score_model``: what is stored, shown and printed."""

from __future__ import annotations

import numpy as np
import polars as pl

from pipelines.model import PLATFORMS
from pipelines.score_coverage import Polled, polled_hours
from pipelines.score_hours import HistoryArrays, Trail, decay
from pipelines.score_model import Scoring, entities_schema, history_schema, platforms_schema
from pipelines.score_now import Now
from pipelines.score_rows import HOUR, Floats, Ints
from pipelines.score_velocity import Flags


def entities_frame(
    entities: pl.Series,
    current: Now,
    hours: Trail | None,
    scoring: Scoring,
    health: tuple[int, int],
) -> pl.DataFrame:
    """One row an entity that some platform knows, unordered; without ``hours`` the peak is ``now``."""
    peak = np.full(len(entities), current.at) if hours is None else hours.peak_at
    parts = confidence_parts(current, scoring, health)
    felt = current.feeling
    columns = {
        "entity": entities,
        "velocity_z": current.velocity,
        "spread_count": current.spread,
        "spread": current.spread / len(PLATFORMS),
        "affect": current.affect,
        "affect_parts": pl.DataFrame(
            {
                "m": felt.mean(),
                "bonus": felt.bonus(scoring),
                "n_text": felt.count.astype(np.int64),
                "positive": felt.share(felt.positive),
                "negative": felt.share(felt.negative),
            }
        ).to_struct(),
        "raw": current.raw,
        "heat": current.raw * decay(current.at - peak, scoring),
        "peak_at": pl.Series(peak).cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
        "hours_since_peak": (current.at - peak) / HOUR,
        "confidence": np.prod(list(parts.values()), axis=0) ** (1.0 / len(parts)),
        "confidence_parts": pl.DataFrame(parts).to_struct(),
        "n": current.mentions.sum(axis=0),
    }
    return pl.DataFrame(columns).filter(pl.Series(current.present)).cast(entities_schema(entities.dtype))


def confidence_parts(current: Now, scoring: Scoring, health: tuple[int, int]) -> dict[str, Floats]:
    """The four parts of the confidence (SCORING 3), each with one value an entity; it is their geometric mean."""
    n = current.mentions.sum(axis=0)
    present = np.array([part.present for part in current.platforms])
    windows = np.array([part.windows for part in current.platforms])
    used = np.where(present, windows, 0).sum(axis=0) / np.maximum(present.sum(axis=0), 1)
    healthy, enabled = health
    return {
        "evidence": n / (n + scoring.evidence_half),
        "baseline": np.minimum(used / scoring.baseline_windows, 1.0),
        "health": np.full(len(n), min(healthy / enabled, 1.0) if enabled else 0.0),
        "agreement": current.spread / len(PLATFORMS),
    }


def platforms_frame(entities: pl.Series, current: Now, scoring: Scoring) -> pl.DataFrame:
    """One row an entity and platform with a mention in the trailing 7 days."""
    return pl.concat([_platform(entities, current, i, scoring) for i in range(len(PLATFORMS))])


def _platform(entities: pl.Series, current: Now, i: int, scoring: Scoring) -> pl.DataFrame:
    part, name = current.platforms[i], PLATFORMS[i]
    here = np.flatnonzero(part.present)
    values = np.stack([value[here] for value in part.values], axis=1)
    if current.factor is not None:
        values[:, current.factor[:, i] == 0.0] = np.nan
    windows = part.windows[here]
    columns = {
        "entity": entities.gather(here),
        "source": pl.repeat(name, len(here), eager=True),
        "z": part.z[here],
        "x": part.x[here],
        "mu": part.mu[here],
        "s": part.s[here],
        "windows": windows,
        "baseline_hours": windows * float(scoring.window_hours),
        "mentions": current.mentions[i, here],
        "noise_unit": pl.repeat(scoring.noise_units[name], len(here), eager=True),
        "warming_up": windows < scoring.min_windows,
        "window_values": _lists(values),
        "method": pl.repeat(scoring.method, len(here), eager=True),
    }
    return pl.DataFrame(columns).cast(platforms_schema(entities.dtype))


def _lists(values: Floats) -> pl.Series:
    flat = pl.Series(values.ravel()).fill_nan(None)
    return flat.reshape(values.shape).arr.to_list() if len(values) else pl.Series(dtype=pl.List(pl.Float64))


def history_frame(entities: pl.Series, past: HistoryArrays, coverage: Polled | None) -> pl.DataFrame:
    """The history of ``entities``; all null in a clock hour in which no platform was polled."""
    schema = history_schema(entities.dtype)
    count, width = past.raw.shape
    if not width:
        return pl.DataFrame(schema=schema)
    hours = clock_hours(past)
    frame = pl.DataFrame(
        {
            "entity": entities.gather(np.repeat(np.arange(width), count)),
            "hour": pl.Series(np.tile(hours, width)).cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
            "heat": past.heat.T.ravel(),
            "raw": past.raw.T.ravel(),
            "velocity_z": past.velocity.T.ravel(),
            "spread_count": past.spread.T.ravel(),
            "affect": past.affect.T.ravel(),
        }
    )
    if coverage is not None:
        seen = pl.Series(np.tile(looked_at(hours, coverage), width))
        frame = frame.with_columns(pl.when(seen).then(pl.exclude("entity", "hour")))
    return frame.cast(schema)


def clock_hours(past: HistoryArrays) -> Ints:
    """The start of the clock hour that each of its instants ends or lies in (microseconds)."""
    hours: Ints = (past.instants + HOUR - 1) // HOUR * HOUR - HOUR
    return hours


def looked_at(hours: Ints, coverage: Polled) -> Flags:
    """Whether any platform was polled in each of the clock ``hours`` (microseconds)."""
    return np.isin(hours, np.concatenate([polled_hours(coverage, name) for name in PLATFORMS]))
