"""Velocity, spread, affect, raw, peak, HEAT and confidence of every entity at T, as SCORING 2 and 3 define them.

Pure: frames, constants and T in, frames out. The readings decided where the words allow two:

- Only rows with ``at <= T`` count; window k is ``(T - 12h (k+1), T - 12h k]``: a mention exactly 12 h old is baseline.
- ``coverage`` None means polled throughout; hours before the first row are then empty, not missing.
- ``windows`` of the confidence is the mean over the entity's platforms, always held against all baseline windows,
  also for ``seasonal``. ``baseline_hours`` is windows x window length.
- The peak is looked for at T and at every full UTC hour in ``(T - 168h, T)``; each is scored from the rows not later
  than it, so baselines reach back up to 336 h. Hours in which no platform knew the entity have no score.
  Raw scores within 1e-9 of the maximum are at it, and the latest of them is the peak.
- Entities without a mention on any platform in ``(T - 168h, T]`` are not scored.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

import polars as pl

from pipelines.score_frames import entities_frame, history_frame, platforms_frame
from pipelines.score_hours import Trail, history_at, plan, trail
from pipelines.score_model import Scored, Scoring, entities_schema, history_schema, platforms_schema
from pipelines.score_now import Now, score_now
from pipelines.score_rows import Mentions, Rows, prepare

CHUNK = 20_480
"""Entities scored together: bounds the memory (about 0.5 GB a chunk)."""


def score(
    mentions: pl.DataFrame,
    coverage: pl.DataFrame | None,
    scoring: Scoring,
    now: datetime,
    *,
    health: tuple[int, int] = (1, 1),
    history_hours: int = 24,
    history_top: int | None = None,
) -> Scored:
    """Score every entity in ``mentions`` (columns of MENTIONS, ``entity`` integer or text, in any order) at ``now``.

    ``coverage`` (COVERAGE) says which hours were polled; None: all. ``health`` is (healthy, enabled) platforms.
    ``history_hours`` is how many clock hours back the history goes (0: none), for the ``history_top`` hottest
    entities (None: all).
    """
    parts = [
        _score_chunk(chunk, coverage, scoring, now, health, history_hours)
        for chunk in _chunks(prepare(mentions, scoring, now))
    ]
    dtype = mentions.schema["entity"]
    entities = _stacked([part.entities for part in parts], entities_schema(dtype))
    entities = entities.sort(["heat", "raw", "entity"], descending=[True, True, False], nulls_last=True)
    platforms = _stacked([part.platforms for part in parts], platforms_schema(dtype))
    shown = entities.select("entity").head(entities.height if history_top is None else history_top)
    past = [part.history(shown, coverage) for part in parts] if history_hours else []
    return Scored(now, entities, platforms, _stacked(past, history_schema(dtype)))


def velocities(mentions: pl.DataFrame, coverage: pl.DataFrame | None, scoring: Scoring, now: datetime) -> Scored:
    """The part of :func:`score` that needs no look back at earlier hours: ``platforms`` and, of ``entities``,
    ``velocity_z``, ``spread_count``, ``spread``, ``affect`` and ``n``. ``peak_at`` is ``now`` and HEAT is raw."""
    prepared = prepare(mentions, scoring, now)
    dtype = mentions.schema["entity"]
    parts = []
    for chunk in _chunks(prepared):
        current = score_now(chunk, coverage, scoring, now)
        entities = entities_frame(chunk.entities, current, None, scoring, (1, 1))
        parts.append((entities, platforms_frame(chunk.entities, current, scoring)))
    return Scored(
        now,
        _stacked([part[0] for part in parts], entities_schema(dtype)),
        _stacked([part[1] for part in parts], platforms_schema(dtype)),
        pl.DataFrame(schema=history_schema(dtype)),
    )


@dataclass(frozen=True, slots=True)
class _Chunk:
    """What came of scoring some of the entities."""

    codes: pl.Series
    entities: pl.DataFrame
    platforms: pl.DataFrame
    current: Now
    hours: Trail
    scoring: Scoring

    def history(self, shown: pl.DataFrame, coverage: pl.DataFrame | None) -> pl.DataFrame:
        """The history of those of its entities that are in ``shown``."""
        which = self.codes.to_frame("entity").with_row_index().join(shown, on="entity", how="semi")["index"]
        past = history_at(self.hours, self.current, self.scoring, which.cast(pl.Int64).to_numpy())
        return history_frame(self.codes.gather(which), past, coverage)


def _score_chunk(
    mentions: Mentions,
    coverage: pl.DataFrame | None,
    scoring: Scoring,
    now: datetime,
    health: tuple[int, int],
    history_hours: int,
) -> _Chunk:
    current = score_now(mentions, coverage, scoring, now)
    hours = trail(mentions, coverage, scoring, plan(now, scoring, history_hours), current)
    entities = entities_frame(mentions.entities, current, hours, scoring, health)
    platforms = platforms_frame(mentions.entities, current, scoring)
    return _Chunk(mentions.entities, entities, platforms, current, hours, scoring)


def _chunks(mentions: Mentions) -> Iterator[Mentions]:
    count = len(mentions.entities)
    if count <= CHUNK:
        if count:
            yield mentions
        return
    for start in range(0, count, CHUNK):
        stop = min(start + CHUNK, count)
        yield Mentions(
            mentions.entities[start:stop],
            tuple(_of_entities(rows, start, stop) for rows in mentions.platforms),
        )


def _of_entities(rows: Rows, start: int, stop: int) -> Rows:
    part = rows.take((rows.entity >= start) & (rows.entity < stop))
    return replace(part, entity=part.entity - start)


def _stacked(parts: list[pl.DataFrame], schema: pl.Schema) -> pl.DataFrame:
    return pl.concat(parts) if parts else pl.DataFrame(schema=schema)
