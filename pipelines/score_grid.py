"""One platform's rows poured into hours: the grids that ``score_velocity`` reads (SCORING 1).

A grid ends at T (for the score itself) or at a full hour (for the search for the peak). A level source's clock hour
counts as a whole where its last sighting falls, by its largest ``w``: a sighting exactly on the hour opens the clock
hour that begins there, is all that is seen of it at that instant, and goes with the rest of that hour afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from pipelines.model import SourceKind
from pipelines.score_rows import FOREVER, HOUR, Floats, Ints, Rows
from pipelines.score_velocity import Passing

SMALL = 400_000
"""Cells (hours x entities) up to which a grid is counted in one go: no loop over hours, but sorting and a second copy."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """``size`` hours, the last of which ends at ``last`` (microseconds); of ``width`` entities."""

    last: int
    size: int
    width: int

    @property
    def first(self) -> int:
        """The instant at which the first hour ends."""
        return self.last - (self.size - 1) * HOUR

    @property
    def ends(self) -> Ints:
        """The instants at which the hours end."""
        return self.first + np.arange(self.size, dtype=np.int64) * HOUR

    def hour(self, at: Ints) -> Ints:
        """Which hour an instant falls into; negative before the first."""
        return -((self.first - at) // HOUR)

    def cells(self, at: Ints, entity: Ints) -> Ints:
        """Hour and entity as one index; ``at`` is in order and within the hours."""
        counts = np.diff(np.searchsorted(at, self.ends, side="right"), prepend=0)
        return np.repeat(np.arange(self.size, dtype=np.int64) * self.width, counts) + entity


@dataclass(frozen=True, slots=True)
class HourGrid:
    """Volumes (hours, entities), and what sightings add to the current window alone (same shape, None: nothing)."""

    volume: Floats
    extra: Floats | None = None


def hour_grid(rows: Rows, anchor: Anchor, *, extra: bool = False) -> HourGrid:
    """What every hour of ``anchor`` holds of the rows that last until T (of all sightings, for a level source).

    The ``extra`` is needed where hours before the last are scored.
    """
    small = anchor.size * anchor.width <= SMALL
    if rows.kind == SourceKind.LEVEL:
        if small and (not extra or anchor.last % HOUR == 0):
            return _level_hours_at_once(rows, anchor, extra=extra)
        return _level_hours(rows, anchor, extra=extra)
    return _event_hours_at_once(rows.lasting(), anchor) if small else _event_hours(rows.lasting(), anchor)


def _event_hours_at_once(rows: Rows, anchor: Anchor) -> HourGrid:
    part = rows.between(anchor.first - HOUR, anchor.last)
    return HourGrid(_poured(anchor.cells(part.at, part.entity), part.weight, anchor))


def _poured(cells: Ints, weight: Floats, anchor: Anchor) -> Floats:
    volume = np.bincount(cells, weights=weight, minlength=anchor.size * anchor.width).astype(
        np.float64
    )  # none: integers
    return volume.reshape(anchor.size, anchor.width)


def _level_hours_at_once(rows: Rows, anchor: Anchor, *, extra: bool) -> HourGrid:
    """:func:`_level_hours` by sorting; with ``extra`` the anchor must be a full hour."""
    wide = Anchor(anchor.last, anchor.size + 1, anchor.width)
    part = rows.between(wide.first - HOUR, wide.last)
    if not len(part):
        return HourGrid(np.zeros((anchor.size, anchor.width)))
    key = part.at // HOUR * wide.width + part.entity
    order = np.argsort(key, kind="stable")
    sorted_key, at, entity = key[order], part.at[order], part.entity[order]
    begins = np.flatnonzero(np.concatenate([[True], sorted_key[1:] != sorted_key[:-1]]))
    ends = np.append(begins[1:], len(order)) - 1
    largest = np.maximum.reduceat(part.weight[order], begins)
    volume = _poured(wide.hour(at[ends]) * wide.width + entity[ends], largest, wide)[1:]
    if not extra:
        return HourGrid(volume)
    goes_on = np.repeat(at[ends], ends - begins + 1) > at
    sharp = np.flatnonzero((at % HOUR == 0) & goes_on)
    alone = np.zeros((wide.size, wide.width))
    np.maximum.at(alone, (wide.hour(at[sharp]), entity[sharp]), part.weight[order][sharp])
    return HourGrid(volume, alone[1:] if alone[1:].any() else None)


def _event_hours(rows: Rows, anchor: Anchor) -> HourGrid:
    volume = np.zeros((anchor.size, anchor.width))
    for hour, part in enumerate(hourly(rows, anchor)):
        if part.stop > part.start:
            volume[hour] = np.bincount(rows.entity[part], weights=rows.weight[part], minlength=anchor.width)
    return HourGrid(volume)


def hourly(rows: Rows, anchor: Anchor) -> list[slice]:
    """Where the rows of each hour ``(end - 1h, end]`` stand."""
    bounds = np.searchsorted(rows.at, np.append(anchor.first - HOUR, anchor.ends), side="right")
    return [slice(int(lo), int(hi)) for lo, hi in pairwise(bounds)]


def _level_hours(rows: Rows, anchor: Anchor, *, extra: bool) -> HourGrid:
    """Each clock hour's largest weight, in the hour of the grid in which its last sighting falls.

    The grid cuts each clock hour in an early part, which ends one of its hours, and a late part, which begins the
    next. One hour more is needed in front, for the early part of the clock hour that the first one begins in.
    """
    wide = Anchor(anchor.last, anchor.size + 1, anchor.width)
    volume = np.zeros((wide.size, wide.width))
    alone = np.zeros_like(volume) if extra else None
    opened = np.zeros(wide.width)
    is_open = False
    opens = np.searchsorted(rows.at, wide.ends // HOUR * HOUR, side="left")
    for hour, part in enumerate(hourly(rows, wide)):
        opening = max(int(opens[hour]), part.start)
        late = volume[hour]
        _largest(late, rows, slice(part.start, opening))
        if is_open:
            goes_on = late > 0
            np.add(volume[hour - 1], opened, out=volume[hour - 1], where=~goes_on)
            np.maximum(late, opened, out=late, where=goes_on)
            if alone is not None:
                np.copyto(alone[hour - 1], opened, where=goes_on)
            opened.fill(0.0)
        is_open = part.stop > opening
        _largest(opened, rows, slice(opening, part.stop))
    volume[-1] += opened
    return HourGrid(volume[1:], alone[1:] if alone is not None and alone.any() else None)


def _largest(largest: Floats, rows: Rows, part: slice) -> None:
    if part.stop > part.start:
        np.maximum.at(largest, rows.entity[part], rows.weight[part])


def passing_rows(rows: Rows, anchor: Anchor, times: int) -> Passing | None:
    """Events that a newer row replaced before T, but not before some of the last ``times`` hours of ``anchor``."""
    if rows.kind == SourceKind.LEVEL:
        return None
    gone = rows.take(rows.until < FOREVER)
    offset = anchor.size - times
    start, stop = anchor.hour(gone.at) - offset, anchor.hour(gone.until) - offset
    seen = stop > np.maximum(start, 0)
    if not seen.any():
        return None
    return Passing(start[seen], stop[seen], gone.entity[seen], gone.weight[seen])
