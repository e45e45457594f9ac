"""Rows poured into hours: the grids that ``score_velocity`` and the affect read (SCORING 1 and 3).

A grid is anchored at T (for the score itself) or at full hours (for the search for the peak); ``first`` is the instant
at which its first row ends. A level source's clock hour counts as a whole where its last sighting falls, by its
largest ``w``: a sighting exactly on the hour opens the clock hour that begins there, is all that is seen of it at that
instant, and goes with the rest of that hour afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.model import PLATFORMS
from pipelines.score_model import Scoring
from pipelines.score_rows import FOREVER, HOUR, Codes, Floats, Ints, Mentions, Rows
from pipelines.score_velocity import Passing

_SHIFT = float(1 << 26)
"""Two counts in one float64, exactly, while both stay below 67 million."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """``size`` hours that end at ``first``, ``first + 1h``, ...; of ``width`` entities."""

    first: int
    size: int
    width: int

    @property
    def last(self) -> int:
        """The instant at which the last hour ends."""
        return self.first + (self.size - 1) * HOUR

    def hour(self, at: Ints) -> Ints:
        """Which row an instant falls into."""
        return ceil_hours(at, self.first)


def ceil_hours(at: Ints, first: int) -> Ints:
    """Hours from ``first`` to the end of the hour an instant falls into."""
    return -((first - at) // HOUR)


@dataclass(frozen=True, slots=True)
class HourGrid:
    """Volumes (hours, platforms, entities), and what on-the-hour sightings add to the current window alone."""

    volume: Floats
    extra: Floats | None


def hour_grid(mentions: Mentions, anchor: Anchor) -> HourGrid:
    """All rows that last until T, by hour, platform and entity."""
    shape = (anchor.size, len(PLATFORMS), anchor.width)
    events = mentions.events.between(anchor.first - HOUR, anchor.last)
    lasting = events.until == FOREVER
    if not lasting.all():
        events = events.take(lasting)
    volume = _sums(_cells(events, anchor), events.weight, int(np.prod(shape))).reshape(shape)
    if not len(mentions.levels):
        return HourGrid(volume, None)
    levels, extra = _level_hours(mentions.levels, anchor, shape)
    volume += levels
    return HourGrid(volume, extra)


def _sums(cells: Ints | Codes, weights: Floats | NDArray[np.bool_], size: int) -> Floats:
    return np.bincount(cells, weights=weights, minlength=size).astype(np.float64, copy=False)  # of nothing: integers


def _cells(rows: Rows, anchor: Anchor) -> Ints:
    return (anchor.hour(rows.at) * len(PLATFORMS) + rows.source) * anchor.width + rows.entity


def _level_hours(rows: Rows, anchor: Anchor, shape: tuple[int, int, int]) -> tuple[Floats, Floats | None]:
    """Each clock hour's largest weight, in the row where its last sighting falls; and the extra.

    The grid cuts each clock hour in an early part, which ends one of its rows, and a late part, which begins the next;
    so one more row is needed in front, for the early part of the clock hour that the first row begins in.
    """
    anchor = Anchor(anchor.first - HOUR, anchor.size + 1, anchor.width)
    shape = (anchor.size, *shape[1:])
    rows = rows.between(anchor.first - HOUR, anchor.last)
    late_part = rows.at % HOUR > anchor.first % HOUR
    late = _largest(rows if late_part.all() else rows.take(late_part), anchor, shape)
    if late_part.all():
        return late[1:], None
    early = _largest(rows.take(~late_part), anchor, shape)
    extra = np.zeros_like(early)
    goes_on = late[1:] > 0
    extra[:-1][goes_on] = early[:-1][goes_on]
    np.maximum(late[1:], early[:-1], out=late[1:], where=goes_on)
    early -= extra
    late += early
    return late[1:], extra[1:] if extra.any() else None


def _largest(rows: Rows, anchor: Anchor, shape: tuple[int, int, int]) -> Floats:
    grid = np.zeros(int(np.prod(shape)))
    np.maximum.at(grid, _cells(rows, anchor), rows.weight)
    return grid.reshape(shape)


def passing_rows(events: Rows, anchor: Anchor, times: int) -> dict[int, Passing]:
    """Per platform, the events that a newer row replaced before T but not before some hour of ``anchor`` passed.

    ``times`` is how many of the anchor's last hours are scored.
    """
    start_of_scoring = anchor.size - times
    gone = events.take(events.until < FOREVER)
    start = anchor.hour(gone.at) - start_of_scoring
    stop = anchor.hour(gone.until) - start_of_scoring
    seen = stop > np.maximum(start, 0)
    found: dict[int, Passing] = {}
    for source in np.unique(gone.source[seen]):
        of = seen & (gone.source == source)
        found[int(source)] = Passing(start[of], stop[of], gone.entity[of].astype(np.int64), gone.weight[of])
    return found


@dataclass(frozen=True, slots=True)
class Feeling:
    """Sums over the mentions with text of some window: weighted sentiment, weight, and three counts."""

    weighted: Floats
    weight: Floats
    count: Floats
    positive: Floats
    negative: Floats

    def affect(self, scoring: Scoring) -> Floats:
        """``min(1, |m| + bonus)``; 0 where there is no text."""
        return np.minimum(1.0, np.abs(self.mean()) + self.bonus(scoring))

    def mean(self) -> Floats:
        """``m``, 0 where there is no text."""
        some = self.count > SOME
        return np.where(some, self.weighted / np.where(some, self.weight, 1.0), 0.0)

    def share(self, part: Floats) -> Floats:
        """``part`` of the mentions with text, 0 where there are none."""
        return part / np.maximum(self.count, 1.0)

    def bonus(self, scoring: Scoring) -> Floats:
        """The reward for a split, where there are more than ``controversy_floor`` mentions with text."""
        split = 2.0 * np.minimum(self.share(self.positive), self.share(self.negative))
        return np.where(self.count > scoring.controversy_floor, scoring.controversy_weight * split, 0.0)


SOME = 0.5


def feeling_grid(mentions: Mentions, anchor: Anchor, scoring: Scoring) -> Floats:
    """Changes of :class:`Feeling` from hour to hour: (4, hours, entities); :func:`feeling` reads it.

    A row is in the window from the hour it is seen until a newer one replaces it or it is ``window_hours`` old.
    """
    shape = (anchor.size, anchor.width)
    grid = np.zeros((4, anchor.size * anchor.width))
    for rows in (mentions.events, mentions.levels):
        _pour_feeling(grid, rows, anchor, scoring)
    return grid.reshape(4, *shape)


def _pour_feeling(grid: Floats, rows: Rows, anchor: Anchor, scoring: Scoring) -> None:
    rows = with_text(rows.between(anchor.first - scoring.window_hours * HOUR, anchor.last))
    start: Ints = np.maximum(anchor.hour(rows.at), 0)
    stop = anchor.hour(np.minimum(rows.until, rows.at + scoring.window_hours * HOUR))
    seen = stop > start
    if not seen.all():
        rows, start, stop = rows.take(seen), start[seen], stop[seen]
    values: tuple[Floats | None, ...] = (rows.weight * rows.sentiment, rows.weight, None, _signs(rows, scoring))
    _add(grid, start * anchor.width + rows.entity, values, 1)
    ends = stop < anchor.size
    gone = tuple(None if value is None else value[ends] for value in values)
    _add(grid, (stop * anchor.width + rows.entity)[ends], gone, -1)


def _signs(rows: Rows, scoring: Scoring) -> Floats:
    return (rows.sentiment >= scoring.positive) + _SHIFT * (rows.sentiment <= scoring.negative)


def _add(grid: Floats, cells: Ints, values: tuple[Floats | None, ...], sign: int) -> None:
    for i, value in enumerate(values):
        grid[i] += sign * np.bincount(cells, weights=value, minlength=grid.shape[1])


def with_text(rows: Rows) -> Rows:
    """The rows that have a sentiment."""
    known = ~np.isnan(rows.sentiment)
    return rows if known.all() else rows.take(known)


def feeling(changes: Floats) -> Feeling:
    """Running totals of ``changes`` (4, hours, entities)."""
    weighted, weight, count, signs = np.cumsum(changes, axis=1)
    negative = np.floor(signs / _SHIFT)
    return Feeling(weighted, weight, count, signs - negative * _SHIFT, negative)


def current_feeling(rows: Rows, width: int, scoring: Scoring) -> Feeling:
    """The same for the rows of one window, each entity once."""
    rows = with_text(rows)

    def total(values: Floats | NDArray[np.bool_]) -> Floats:
        return _sums(rows.entity, values, width)

    return Feeling(
        weighted=total(rows.weight * rows.sentiment),
        weight=total(rows.weight),
        count=total(np.ones(len(rows))),
        positive=total(rows.sentiment >= scoring.positive),
        negative=total(rows.sentiment <= scoring.negative),
    )


def current_rows(mentions: Mentions, now: int, scoring: Scoring) -> tuple[Rows, Rows]:
    """The mentions of the window that ends ``now``, each by the row that stands for it: events, levels."""
    start = now - scoring.window_hours * HOUR
    events, levels = mentions.events.between(start, now), mentions.levels.between(start, now)
    return events.take(events.until == FOREVER), levels.take(levels.until == FOREVER)


def count_pairs(parts: tuple[Rows, ...], width: int) -> NDArray[np.int64]:
    """How many rows each platform and entity has: (platforms, entities)."""
    size = len(PLATFORMS) * width
    counts = sum((np.bincount(_pairs(rows, width), minlength=size) for rows in parts), start=np.zeros(size, np.int64))
    return counts.reshape(len(PLATFORMS), width)


def _pairs(rows: Rows, width: int) -> Codes | Ints:
    return rows.source.astype(np.int64) * width + rows.entity
