"""From hourly volumes to z: windows, baseline, coverage and the three methods (SCORING 2).

A *grid* has one row an hour, the row ``g`` holding what falls into ``(t_g - 1h, t_g]``, where the ``t_g`` are one hour
apart and share their minutes with T; columns are entities. Windows are sums of ``window_hours`` rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipelines.model import PLATFORMS
from pipelines.score_model import Scoring
from pipelines.score_rows import HOUR, Floats, Ints

SEEN = 0.5
"""A mention weighs at least 1, so a volume above this has one and a volume below has none, whatever the rounding."""

_CLOSE = 1e-9
"""Volumes that differ by no more than this part are the same; only ``plain`` could tell."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of each window was polled. ``None`` in place of this: everything.

    ``factor`` is 1/c for a window that counts and 0 for a dropped one; shape (times, windows, platforms).
    """

    factor: Floats

    @classmethod
    def of(cls, coverage: pl.DataFrame | None, times: Ints, scoring: Scoring) -> Coverage | None:
        """Measure the windows before each of ``times`` (microseconds) against the clock hours in ``coverage``.

        An hour that a window cuts counts for the part inside the window.
        """
        if coverage is None:
            return None
        length = scoring.window_hours * HOUR
        ends = times[:, None] - np.array(scoring.window_ends, dtype=np.int64)[None, :] * HOUR
        factor = np.zeros((*ends.shape, len(PLATFORMS)))
        for i, name in enumerate(PLATFORMS):
            hours = polled_hours(coverage, name)
            polled = _polled_until(hours, ends) - _polled_until(hours, ends - length)
            enough = polled >= scoring.min_coverage * length
            factor[..., i] = np.where(enough, length / np.maximum(polled, 1), 0.0)
        return cls(factor)

    def for_source(self, source: int) -> Floats:
        """The factors of one platform: (times, windows)."""
        return self.factor[:, :, source]


def polled_hours(coverage: pl.DataFrame, source: str) -> Ints:
    """The clock hours in which ``source`` was polled, as microseconds, ascending and distinct."""
    hours = coverage.filter(pl.col("source") == source)["hour"].dt.timestamp("us").to_numpy()
    return np.unique(hours // HOUR * HOUR)


def _polled_until(hours: Ints, instants: Ints) -> Ints:
    """Microseconds of polled time before each instant."""
    if not len(hours):
        return np.zeros_like(instants)
    begun = np.searchsorted(hours, instants, side="right")
    in_last = np.minimum(instants - hours[begun - 1], HOUR)
    return np.where(begun > 0, (begun - 1) * HOUR + in_last, 0)


@dataclass(frozen=True, slots=True)
class Passing:
    """Rows that a newer one replaced before T: seen from hour ``start`` up to before hour ``stop``.

    Hours are counted from the first time that is scored (negative: before it); ``column`` is the entity's.
    """

    start: Ints
    stop: Ints
    column: Ints
    weight: Floats

    def within(self, end: int, length: int, shape: tuple[int, int]) -> Floats:
        """What they add to the window that ends ``end`` hours back and is ``length`` long: (times, columns)."""
        times, columns = shape
        start = np.clip(self.start + end, 0, times)
        stop = np.clip(np.minimum(self.stop, self.start + end + length), 0, times)
        live = stop > np.maximum(start, 0)
        steps = np.zeros((times + 1, columns))
        np.add.at(steps, (start[live], self.column[live]), self.weight[live])
        np.add.at(steps, (stop[live], self.column[live]), -self.weight[live])
        return np.cumsum(steps[:-1], axis=0)


@dataclass(frozen=True, slots=True)
class Volumes:
    """One platform's hourly volumes for some entities, ready to be scored at the last ``times`` hours of the grid.

    ``grid`` (hours, columns); ``extra`` (times, columns) counts towards the current window alone; ``passing`` changes
    what is seen from some of the hours.
    """

    grid: Floats
    times: int
    extra: Floats | None = None
    passing: Passing | None = None

    def window(self, sums: Floats, end: int, length: int) -> Floats:
        """The windows of ``length`` hours that end ``end`` hours before each time; ``sums`` are sums of ``length``."""
        first = self.grid.shape[0] - self.times - end - length + 1
        part = sums[first : first + self.times]
        if self.passing is None:
            return part
        return part + self.passing.within(end, length, part.shape)


@dataclass(frozen=True, slots=True)
class Velocity:
    """One platform's terms, all (times, columns): ``z`` (0 where absent), ``x``, ``mu``, ``s``, ``windows`` used,
    ``present`` (any mention in the trailing 7 days), and ``values`` of the baseline windows if asked for."""

    z: Floats
    x: Floats
    mu: Floats
    s: Floats
    windows: Ints
    present: NDArray[np.bool_]
    values: tuple[Floats, ...] = ()


def sliding_sums(grid: Floats, length: int) -> Floats:
    """Sums of ``length`` rows in a row; no differences of large totals, so nothing stays nothing."""
    total: Floats | None = None
    power, size, done = grid, 1, 0
    while True:
        if length & size:
            part = power[done:]
            total = part if total is None else total[: len(part)] + part[: len(total)]
            done += size
        if done == length:
            assert total is not None  # noqa: S101  # length is at least 1
            return total[: len(grid) - length + 1]
        power = power[:-size] + power[size:]
        size *= 2


def velocity(volumes: Volumes, factor: Floats | None, unit: float, scoring: Scoring, *, keep: bool = False) -> Velocity:
    """Score one platform at every time of ``volumes``; ``factor`` as in :class:`Coverage`, ``unit`` its noise unit."""
    length = scoring.window_hours
    sums = sliding_sums(volumes.grid, length)
    x = volumes.window(sums, 0, length)
    trailing = scoring.trailing_hours
    all_of_it = volumes.window(sliding_sums(volumes.grid, trailing), 0, trailing)
    if volumes.extra is not None:
        x, all_of_it = x + volumes.extra, all_of_it + volumes.extra
    values = _baseline(volumes, sums, factor, scoring)
    used = np.ones((1, len(values))) if factor is None else (factor > 0).astype(np.float64)
    windows = used.sum(axis=1, keepdims=True)
    mu, s = _mean_and_deviation(values, None if factor is None else used, windows, scoring.min_windows)
    present = all_of_it > SEEN
    z = np.where(present, _z(x, mu, s, unit, scoring), 0.0)
    counted = np.broadcast_to(windows, z.shape).astype(np.int64) if keep else windows.astype(np.int64)
    return Velocity(z, x, mu, s, counted, present, tuple(values) if keep else ())


def _baseline(volumes: Volumes, sums: Floats, factor: Floats | None, scoring: Scoring) -> list[Floats]:
    windows = [volumes.window(sums, end, scoring.window_hours) for end in scoring.window_ends]
    if factor is None:
        return windows
    return [window * factor[:, [k]] for k, window in enumerate(windows)]


def _mean_and_deviation(
    values: Sequence[Floats], used: Floats | None, windows: Floats, min_windows: int
) -> tuple[Floats, Floats]:
    """Mean and sample deviation over the used windows, in two passes; dropped windows are zeros with no weight."""
    mu = sum(values[1:], start=values[0]) / np.maximum(windows, 1.0)
    squares = np.zeros_like(mu)
    step = np.empty_like(mu)
    for k, value in enumerate(values):
        np.subtract(value, mu, out=step)
        np.multiply(step, step, out=step)
        if used is not None:
            step *= used[:, [k]]
        squares += step
    squares /= np.maximum(windows - 1.0, 1.0)
    np.sqrt(squares, out=squares)
    return mu, np.where(windows >= min_windows, squares, 0.0)


def _z(x: Floats, mu: Floats, s: Floats, unit: float, scoring: Scoring) -> Floats:
    cap = scoring.cap
    if scoring.method != "plain":
        return np.clip((x - mu) / np.sqrt(s * s + unit * mu + unit * unit), -cap, cap)
    flat = s <= _CLOSE * (1.0 + np.abs(mu))
    z = np.clip((x - mu) / np.where(flat, 1.0, s), -cap, cap)
    return np.where(flat, np.where(x <= mu + _CLOSE * (1.0 + np.abs(mu)), 0.0, cap), z)


def combined(z: Sequence[Floats], present: Sequence[NDArray[np.bool_]], scoring: Scoring) -> Floats:
    """One velocity from the platforms that have the entity; 0 where none has. Absent platforms have z = 0."""
    platforms = np.sum(present, axis=0)
    if scoring.combine == "max":
        highest = np.max([np.where(here, part, -np.inf) for part, here in zip(z, present, strict=True)], axis=0)
        total = np.where(platforms > 0, highest, 0.0)
    else:
        share = np.maximum(platforms, 1)
        total = np.sum(z, axis=0) / (np.sqrt(share) if scoring.combine == "stouffer" else share)
    return np.clip(total, -scoring.cap, scoring.cap)
