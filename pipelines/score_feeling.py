"""Affect: how strongly, and how divided, the mentions of a window feel (SCORING 3).

A mention is one item of one platform about one entity, felt as its latest sighting in the window says. ``m`` weighs the
mentions with text by ``w``; the shares of the controversy bonus count each of them once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipelines.score_grid import Anchor
from pipelines.score_model import Scoring
from pipelines.score_rows import HOUR, Floats, Ints, Rows
from pipelines.score_scratch import ORDINARY, Scratch
from pipelines.score_velocity import sliding_sums

_SOME = 0.5
_SUMS = 4
"""Weighted sentiment, weight, mentions with the positive ones packed above them, negative ones."""

_SHIFT = float(1 << 26)
"""Two counts in one float64, exactly, while both stay below 67 million."""


@dataclass(frozen=True, slots=True)
class Feeling:
    """Sums over the mentions with text of a window: weighted sentiment, weight, and three counts."""

    weighted: Floats
    weight: Floats
    count: Floats
    positive: Floats
    negative: Floats

    def affect(self, scoring: Scoring, scratch: Scratch = ORDINARY) -> Floats:
        """``min(1, |m| + bonus)``; 0 where there is no text. It lies in ``scratch``."""
        affect = scratch.take(*self.count.shape)
        affect.fill(0.0)
        np.divide(self.weighted, self.weight, out=affect, where=self.count > _SOME)
        np.abs(affect, out=affect)
        if (self.count > scoring.controversy_floor + _SOME).any():
            affect += self.bonus(scoring)
        return np.minimum(affect, 1.0, out=affect)

    def mean(self) -> Floats:
        """``m``, 0 where there is no text."""
        some = self.count > _SOME
        return np.where(some, self.weighted, 0.0) / np.where(some, self.weight, 1.0)

    def share(self, part: Floats) -> Floats:
        """``part`` of the mentions with text, 0 where there are none."""
        return part / np.maximum(self.count, 1.0)

    def bonus(self, scoring: Scoring) -> Floats:
        """The reward for a split, where there are more than ``controversy_floor`` mentions with text."""
        split = 2.0 * np.minimum(self.positive, self.negative) / np.maximum(self.count, 1.0)
        return np.where(self.count > scoring.controversy_floor + _SOME, scoring.controversy_weight * split, 0.0)


def _with_text(rows: Rows) -> Rows:
    known = ~np.isnan(rows.sentiment)
    return rows if known.all() else rows.take(known)


def current_feeling(parts: Sequence[Rows], width: int, scoring: Scoring) -> Feeling:
    """The feeling of the rows of one window, each mention once; one value an entity."""
    sums = np.zeros((_SUMS, width))
    for rows in map(_with_text, parts):
        if len(rows):
            _add(sums, rows.entity, _values(rows, scoring))
    return _unpacked(sums)


@dataclass(frozen=True, slots=True)
class FeelingHours:
    """The sums by hour: ``whole`` (sums, hours + window - 1, entities) of rows that stay for the whole window, by the
    hour they come in; ``steps`` (sums, hours, entities) the changes that rows replaced sooner make."""

    whole: Floats
    steps: Floats | None
    length: int

    def feeling(self, part: slice, scratch: Scratch = ORDINARY) -> Feeling:
        """The feeling at each hour of the entities of ``part``: (hours, entities). It lies in ``scratch``."""
        sums = [sliding_sums(self.whole[i, :, part], self.length, 1, scratch) for i in range(_SUMS)]
        if self.steps is not None:
            for total, steps in zip(sums, self.steps[:, :, part], strict=True):
                changes = np.cumsum(steps, axis=0, out=scratch.take(*total.shape))
                np.add(total, changes, out=total)
        return _unpacked(sums, scratch)


def feeling_hours(platforms: Sequence[Rows], anchor: Anchor, scoring: Scoring) -> FeelingHours:
    """Pour the rows into hours. A row is felt from the hour it is seen until a newer one replaces it or it is
    ``window_hours`` old."""
    length = scoring.window_hours
    early = Anchor(anchor.last, anchor.size + length - 1, anchor.width)
    whole = np.zeros((_SUMS, early.size * early.width))
    steps: Floats | None = None
    for platform in platforms:
        rows = platform.between(early.first - HOUR, early.last)
        text, stays = ~np.isnan(rows.sentiment), rows.until >= rows.at + length * HOUR
        lasting = rows.take(text & stays)
        _add(whole, early.cells(lasting.at, lasting.entity), _values(lasting, scoring))
        if not stays.all():
            steps = np.zeros((_SUMS, anchor.size * anchor.width)) if steps is None else steps
            _pour_replaced(steps, rows.take(text & ~stays), anchor, scoring)
    by_hour = None if steps is None else steps.reshape(_SUMS, anchor.size, anchor.width)
    return FeelingHours(whole.reshape(_SUMS, early.size, early.width), by_hour, length)


def _pour_replaced(steps: Floats, rows: Rows, anchor: Anchor, scoring: Scoring) -> None:
    start, stop = anchor.hour(rows.at), anchor.hour(rows.until)
    start = np.maximum(start, 0)
    seen = np.flatnonzero(stop > start)
    values = _values(rows, scoring)
    _add(steps, (start * anchor.width + rows.entity)[seen], [value[seen] for value in values])
    ends = np.flatnonzero((stop > start) & (stop < anchor.size))
    _add(steps, (stop * anchor.width + rows.entity)[ends], [-value[ends] for value in values])


def _values(rows: Rows, scoring: Scoring) -> list[Floats]:
    """What each row adds to the sums: weighted sentiment, weight, one and (packed) one if positive, one if negative."""
    positive, negative = rows.sentiment >= scoring.positive, rows.sentiment <= scoring.negative
    packed = np.where(positive, 1.0 + _SHIFT, 1.0)
    return [rows.weight * rows.sentiment, rows.weight, packed, negative.astype(np.float64)]


def _add(sums: Floats, cells: Ints, values: Sequence[Floats]) -> None:
    for total, value in zip(sums, values, strict=True):
        np.add.at(total, cells, value)


def _unpacked(sums: Sequence[Floats] | Floats, scratch: Scratch = ORDINARY) -> Feeling:
    weighted, weight, packed, negative = sums
    positive = np.multiply(packed, 1.0 / _SHIFT, out=scratch.take(*packed.shape))
    np.floor(positive, out=positive)
    count = np.multiply(positive, -_SHIFT, out=scratch.take(*packed.shape))
    count += packed
    return Feeling(weighted, weight, count, positive, negative)
