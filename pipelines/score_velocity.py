"""From hourly volumes to z: windows, baseline and coverage, handed to a method of ``score_methods`` (SCORING 2).

A *grid* has one row an hour, the row ``g`` holding what falls into ``(t_g - 1h, t_g]``, where the ``t_g`` are one hour
apart and share their minutes with T; columns are entities. Windows are sums of ``window_hours`` rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.model import PLATFORMS
from pipelines.score_methods import Look, method_named
from pipelines.score_model import Scoring
from pipelines.score_rows import Floats, Ints
from pipelines.score_scratch import ORDINARY, Scratch

Flags = NDArray[np.bool_]

SEEN = 0.5
"""A mention weighs at least 1, so a volume above this has one and a volume below has none, whatever the rounding."""


@dataclass(frozen=True, slots=True)
class Passing:
    """Rows that a newer one replaced before T: seen from hour ``start`` up to before hour ``stop``.

    Hours are counted from the first time that is scored (negative: before it); ``column`` is the entity's.
    """

    start: Ints
    stop: Ints
    column: Ints
    weight: Floats

    def within(self, end: int, length: int, shape: tuple[int, ...]) -> Floats:
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
        part = self.windows_at(sums, end, length)
        return part if self.passing is None else part + self.passing.within(end, length, part.shape)

    def current(self, length: int) -> Floats:
        """The window of ``length`` hours that ends at each time."""
        x = self.window(sliding_sums(self.grid, length), 0, length)
        return x if self.extra is None else x + self.extra

    def windows_at(self, sums: Floats, end: int, length: int) -> Floats:
        """The rows of ``sums`` over ``length`` hours that end ``end`` hours before each time."""
        first = len(self.grid) - self.times - end - length + 1
        return sums[first : first + self.times]


@dataclass(frozen=True, slots=True)
class Velocity:
    """One platform's terms, one value a column: ``z`` (0 where absent), ``x``, ``mu``, ``s``, ``windows`` used,
    ``present`` (any mention in the trailing 7 days), and the ``values`` of the baseline windows."""

    z: Floats
    x: Floats
    mu: Floats
    s: Floats
    windows: Ints
    present: Flags
    values: tuple[Floats, ...]


@dataclass(frozen=True, slots=True)
class Pace:
    """One platform at many times, each (times, columns): ``z`` (0 where absent), whether a mention lies in the current
    window (``seen``) and in the trailing 7 days (``present``)."""

    z: Floats
    seen: Flags
    present: Flags


def sliding_sums(grid: Floats, count: int, stride: int = 1, scratch: Scratch = ORDINARY) -> Floats:
    """Sums of ``count`` rows, ``stride`` apart, beginning at each row that has them all.

    Sums by doubling, without differences of large totals, so nothing stays exactly nothing.
    """
    rows = len(grid) - (count - 1) * stride
    result = scratch.take(rows, *grid.shape[1:])
    mark = scratch.mark
    total: Floats | None = None
    power, size, done = grid, 1, 0
    while True:
        if count & size:
            part = power[done * stride : done * stride + rows]
            total = part if total is None else np.add(total, part, out=result)
            done += size
        if done == count:
            break
        doubled = scratch.take(len(power) - size * stride, *grid.shape[1:])
        power = np.add(power[: -size * stride], power[size * stride :], out=doubled)
        size *= 2
    if total is not result:
        result[...] = total
    scratch.release(mark)
    return result


def velocity_at(grid: Floats, factor: Floats | None, unit: float, scoring: Scoring) -> Velocity:
    """Score one platform at the end of ``grid`` (hours, columns), with all terms; ``factor`` has one value a window."""
    length, hours = scoring.window_hours, len(grid)
    ends = scoring.window_ends
    x, *values = (np.add.reduce(grid[hours - end - length : hours - end]) for end in (0, *ends))
    if factor is not None:
        values = [value * part for value, part in zip(values, factor, strict=True)]
    used = np.ones(len(values)) if factor is None else (factor > 0).astype(np.float64)
    look = Look(x, values, used, ends, lambda last: np.add.reduce(grid[hours - last :]), unit)
    rated = method_named(scoring.method).rate(look, scoring)
    present = np.add.reduce(grid[hours - scoring.trailing_hours :]) > SEEN
    z = np.where(present, rated.z, 0.0)
    return Velocity(z, x, rated.mu, rated.s, np.full(len(x), int(used.sum())), present, tuple(values))


def velocity_over(
    volumes: Volumes, factor: Floats | None, unit: float, scoring: Scoring, scratch: Scratch = ORDINARY
) -> Pace:
    """Score one platform at every time of ``volumes``; ``factor`` (times, windows) as in ``score_coverage``.

    ``z`` lies in ``scratch``.
    """
    length, trailing = scoring.window_hours, scoring.trailing_hours
    whole = factor is None or bool((factor == 1.0).all())
    steady = whole and volumes.passing is None and scoring.baseline_windows >= scoring.min_windows
    z = scratch.take(volumes.times, volumes.grid.shape[1])
    mark = scratch.mark
    sums = sliding_sums(volumes.grid, length, 1, scratch)
    older = volumes.windows_at(sliding_sums(sums, scoring.baseline_windows, length, scratch), length, trailing - length)
    x = volumes.window(sums, 0, length)
    if volumes.passing is not None:
        older = older + volumes.passing.within(length, trailing - length, x.shape)
    if volumes.extra is not None:
        x = x + volumes.extra
    present = np.add(older, x, out=z) > SEEN
    method = method_named(scoring.method)
    if steady and method.steady:
        _steady_z(volumes, sums, older, x, unit, scoring, scratch, z)
    else:
        rated = method.rate(_look(volumes, sums, x, factor, unit, scoring), scoring)
        np.multiply(rated.z, present, out=z)
    seen = x > SEEN
    scratch.release(mark)
    return Pace(z, seen, present)


def _look(volumes: Volumes, sums: Floats, x: Floats, factor: Floats | None, unit: float, scoring: Scoring) -> Look:
    """What the method may see of ``volumes``; ``sums`` are its windows, ``x`` the current ones."""
    ends = scoring.window_ends
    values = [volumes.window(sums, end, scoring.window_hours) for end in ends]
    if factor is None:
        factor = np.ones((1, len(values)))
    else:
        values = [value * factor[:, [k]] for k, value in enumerate(values)]
    used = (factor > 0).T[:, :, None].astype(np.float64)
    return Look(x, values, used, ends, volumes.current, unit)


def _steady_z(
    volumes: Volumes,
    sums: Floats,
    older: Floats,
    x: Floats,
    unit: float,
    scoring: Scoring,
    scratch: Scratch,
    z: Floats,
) -> None:
    """Robust z into ``z``, where all baseline windows count and ``older`` is their sum; 0 where there is nothing.

    The variance comes from the sum of squares. That costs up to 1e-16 of the largest square; against the counting
    noise in the denominator it is nothing.
    """
    count, length = scoring.baseline_windows, scoring.window_hours
    squares = np.multiply(sums, sums, out=scratch.take(*sums.shape))
    noise = volumes.windows_at(sliding_sums(squares, count, length, scratch), length, count * length)
    mu = np.divide(older, count, out=scratch.take(*z.shape))
    np.multiply(mu, mu, out=z)
    z *= count
    noise -= z
    np.maximum(noise, 0.0, out=noise)
    noise /= count - 1
    np.multiply(mu, unit, out=z)
    noise += z
    noise += unit * unit
    np.sqrt(noise, out=noise)
    np.subtract(x, mu, out=z)
    z /= noise
    np.clip(z, -scoring.cap, scoring.cap, out=z)


def combined(z: Sequence[Floats], present: Sequence[Flags], scoring: Scoring, scratch: Scratch = ORDINARY) -> Floats:
    """One velocity from the platforms that have the entity; 0 where none has. Absent platforms have z = 0.

    ``z`` and ``present`` have one entry a platform, in their order. It lies in ``scratch``.
    """
    shape = z[0].shape
    total = scratch.take(*shape)
    mark = scratch.mark
    platforms = scratch.take(*shape)
    platforms[...] = present[0]
    for here in present[1:]:
        platforms += here
    if scoring.method == "weighted":
        total[...] = _weighted(z, present, scoring)
    elif scoring.combine == "max":
        highest = np.max([np.where(here, part, -np.inf) for part, here in zip(z, present, strict=True)], axis=0)
        total[...] = np.where(platforms > 0, highest, 0.0)
    else:
        total[...] = z[0]
        for part in z[1:]:
            total += part
        np.maximum(platforms, 1.0, out=platforms)
        total /= np.sqrt(platforms, out=platforms) if scoring.combine == "stouffer" else platforms
    scratch.release(mark)
    return np.clip(total, -scoring.cap, scoring.cap, out=total)


def _weighted(z: Sequence[Floats], present: Sequence[Flags], scoring: Scoring) -> Floats:
    """Stouffer's sum with weights: ``sum(w z) / sqrt(sum(w^2))`` over the platforms that have the entity."""
    weights = [scoring.parameters.weights[name] for name in PLATFORMS]
    top = sum((w * part for w, part in zip(weights, z, strict=True)), start=np.zeros_like(z[0]))
    squares = sum((w * w * here for w, here in zip(weights, present, strict=True)), start=np.zeros_like(z[0]))
    return top / np.sqrt(np.where(squares > 0, squares, 1.0))
