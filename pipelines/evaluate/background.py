"""A recording as mentions on one clock, with names as numbers, and its velocities hour by hour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from pipelines.errors import InputError
from pipelines.model import COVERAGE, MENTIONS, PLATFORMS
from pipelines.score_hours import Plan, trail
from pipelines.score_model import Scoring
from pipelines.score_now import score_now
from pipelines.score_rows import HOUR, Floats, Ints, instant, micros, prepare

if TYPE_CHECKING:
    from pipelines.backtest.prepared import Prepared

AN_HOUR = timedelta(hours=1)
WIDTH = 4096
"""Names scored together: bounds the memory."""


@dataclass(frozen=True, slots=True)
class Background:
    """``mentions`` (MENTIONS, ``entity`` Int64) and ``coverage`` (COVERAGE) of the whole recording; ``start`` and ``end``
    (UTC, full hours) bound what is scored; ``platforms`` are those it has."""

    name: str
    mentions: pl.DataFrame
    coverage: pl.DataFrame
    start: datetime
    end: datetime

    @property
    def platforms(self) -> tuple[str, ...]:
        """The platforms it has mentions of."""
        there = set(self.mentions["source"].unique())
        return tuple(name for name in PLATFORMS if name in there)

    @property
    def middle(self) -> datetime:
        """The full hour at which the second half begins."""
        return self.start + (self.end - self.start) // AN_HOUR // 2 * AN_HOUR


def background_of(
    prepared: Prepared, name: str, start: datetime | None = None, end: datetime | None = None
) -> Background:
    """The mentions of a prepared recording, by the names that stand in its texts, scored from ``start`` to ``end``
    (default: a week after its first poll, so that baselines are full, to its last).

    An event counts from the poll that first showed it, with what it had then: nothing is known before its time. Names
    seen on fewer platforms than an alert needs are left out, as they cannot alert. Raises :class:`InputError` where
    nothing is left.
    """
    known = prepared.owned.select("text", canonical=pl.lit("\x1f") + pl.col("entity").cast(pl.String))
    names = pl.concat([known, prepared.stands.select("text", "canonical")]).unique(maintain_order=True)
    ticks = prepared.ticks.with_row_index("tick").select(pl.col("tick").cast(pl.Int32), tick_at="at")
    seen = prepared.seen.join(ticks, on="tick", how="left")
    items = prepared.items.select("source", "item_id").with_row_index("item").cast({"item": pl.Int32})
    rows = seen.join(items, on="item", how="left").filter(pl.col("source").is_in(PLATFORMS))
    rows = rows.join(names, on="text", how="inner").with_columns(
        at=pl.when("level").then(pl.col("at")).otherwise(pl.col("tick_at"))
    )
    once = rows.filter(pl.col("level") | (pl.col("tick") == pl.col("tick").min().over("item", "canonical")))
    coverage = prepared.covered.select("source", "hour").unique()
    wide = once.filter(pl.col("source").n_unique().over("canonical") >= min(2, once["source"].n_unique()))
    if wide.is_empty():
        raise InputError(f"{name}: no name stands on as many platforms as an alert needs")
    mentions = wide.select(
        (pl.col("canonical").rank("dense") - 1).cast(pl.Int64).alias("entity"), "source", "item_id", "at",
        engagement=_engagement(),
        rank=pl.lit(None, MENTIONS["rank"]), list_length=pl.lit(None, MENTIONS["list_length"]),
        sentiment=pl.lit(None, MENTIONS["sentiment"]),
    )  # fmt: skip
    first, last = _ends(prepared)
    begin = _full_hour(start) if start else _full_hour(first + timedelta(hours=168)) + AN_HOUR
    until = _full_hour(end or last)
    if until <= begin:
        raise InputError(
            f"{name}: nothing to score between {begin:%Y-%m-%d %H:%M} and {until:%Y-%m-%d %H:%M} UTC; a recording must be "
            f"longer than the 169 hours its baselines need"
        )
    return Background(name, mentions, coverage.cast(COVERAGE), begin, until)


def _engagement() -> pl.Expr:
    """The engagement that gives a row its weight again, so that ranks need not be carried along (SCORING 1)."""
    shown = 10.0 ** (pl.col("weight") - 1.0)
    return pl.when("level").then(10.0 * shown - 10.0).otherwise(shown - 1.0)


def _ends(prepared: Prepared) -> tuple[datetime, datetime]:
    times = prepared.ticks["at"]
    first, last = times.min(), times.max()
    if not isinstance(first, datetime) or not isinstance(last, datetime):
        raise InputError(f"{prepared.recording}: nothing was polled in it")
    return first, last


def _full_hour(at: datetime) -> datetime:
    return instant(micros(at) // HOUR * HOUR)


@dataclass(frozen=True, slots=True)
class Paces:
    """Velocity and spread count at the end of each hour: (hours, names); ``columns`` has each column's entity."""

    hours: Ints
    velocity: Floats
    spread: Ints
    columns: Ints

    def place(self, at: datetime) -> int:
        """The first row at or after ``at``."""
        return int(np.searchsorted(self.hours, micros(at)))


def paces(mentions: pl.DataFrame, coverage: pl.DataFrame, scoring: Scoring, start: datetime, end: datetime) -> Paces:
    """Every name of ``mentions`` at every full hour in ``start < t <= end``, from the rows not later than it: the search
    for the peak (SCORING 3) gone over the whole span."""
    entities = mentions["entity"].unique().sort().to_list()
    parts = [
        _part(mentions.filter(pl.col("entity").is_between(some[0], some[-1])), coverage, scoring, start, end)
        for some in _chunks(entities)
    ]
    return Paces(
        parts[0].hours,
        np.concatenate([part.velocity for part in parts], axis=1),
        np.concatenate([part.spread for part in parts], axis=1),
        np.concatenate([part.columns for part in parts]),
    )


def _chunks(entities: Sequence[int]) -> list[Sequence[int]]:
    return [entities[place : place + WIDTH] for place in range(0, len(entities), WIDTH)]


def _part(mentions: pl.DataFrame, coverage: pl.DataFrame, scoring: Scoring, start: datetime, end: datetime) -> Paces:
    times = (end - start) // AN_HOUR
    prepared = prepare(mentions, scoring, end)
    current = score_now(prepared, coverage, scoring, end)
    plan = Plan(micros(end), times, 1, times, 1)
    past = trail(prepared, coverage, scoring, plan, current)
    return Paces(plan.instants, past.velocity, past.spread, prepared.entities.to_numpy())
