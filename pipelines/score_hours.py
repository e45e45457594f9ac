"""The same scores at every full hour before T: where the peak was, and the history (SCORING 3, freshness).

Works through blocks of entities on all cores; numpy lets go of the interpreter while it counts.
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from pipelines.model import PLATFORMS
from pipelines.score_coverage import Coverage, Polled
from pipelines.score_feeling import FeelingHours, feeling_hours
from pipelines.score_grid import Anchor, HourGrid, hour_grid, passing_rows
from pipelines.score_model import Scoring
from pipelines.score_now import Now, raw_score
from pipelines.score_rows import HOUR, Floats, Ints, Mentions, micros
from pipelines.score_scratch import Scratch
from pipelines.score_velocity import Flags, Passing, Volumes, combined, velocity_over

BLOCK = 128
"""Entities a thread works on at once, so that its arrays stay in the processor's cache."""

_ARRAYS = 24
"""How many arrays of a block are in use at the same time, at most."""

TIE = 1e-9
"""Raw scores this close to the maximum are at it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Which full hours are scored: ``times`` of them up to ``last`` (microseconds), the peak being among the last
    ``peak`` of them and the history made of the last ``history``. ``peak_hours`` is how far back a peak may lie."""

    last: int
    times: int
    peak: int
    history: int
    peak_hours: int

    @property
    def instants(self) -> Ints:
        """All the hours, ascending."""
        return self.last - np.arange(self.times - 1, -1, -1, dtype=np.int64) * HOUR


def plan(now: datetime, scoring: Scoring, history_hours: int) -> Plan:
    """The full hours strictly between T - ``peak_hours`` and T, and those the history needs before them.

    The history's newest hour is scored at T, the others at full hours, each with its own trailing peak.
    """
    at = micros(now)
    last = (at - 1) // HOUR * HOUR
    oldest = (at - scoring.peak_hours * HOUR) // HOUR * HOUR + HOUR
    peak = (last - oldest) // HOUR + 1
    history = max(history_hours - 1, 0)
    times = max(peak, history + scoring.peak_hours - 1 if history else 0)
    return Plan(last, times, peak, history, scoring.peak_hours)


@dataclass(frozen=True, slots=True)
class Trail:
    """Scores at the hours of ``plan``: ``raw`` (times, entities; no times without a history), -inf where no platform
    knew the entity; ``velocity``, ``spread``, ``affect`` (history hours, entities); ``peak_at`` (microseconds)."""

    plan: Plan
    peak_at: Ints
    raw: Floats
    velocity: Floats
    spread: Ints
    affect: Floats


def trail(mentions: Mentions, coverage: Polled | None, scoring: Scoring, hours: Plan, current: Now) -> Trail:
    """Score all entities at all hours of ``hours``; ``current`` takes part in the search for the peak."""
    width = len(mentions.entities)
    size = hours.times + scoring.reach_hours - 1
    anchor = Anchor(hours.last, size, width)
    work = _Work(
        hours,
        scoring,
        tuple(hour_grid(rows, anchor, extra=True) for rows in mentions.platforms),
        tuple(passing_rows(rows, anchor, hours.times) for rows in mentions.platforms),
        feeling_hours(mentions.platforms, Anchor(hours.last, hours.times, width), scoring),
        Coverage.of(coverage, hours.instants, scoring),
        np.where(current.present, current.raw, -np.inf),
        current.at,
    )
    starts = range(0, width, BLOCK)
    local = threading.local()

    def block(start: int) -> Trail:
        if not hasattr(local, "scratch"):
            local.scratch = Scratch(_ARRAYS * BLOCK * size)
        return _block(work, slice(start, min(start + BLOCK, width)), local.scratch)

    if len(starts) > 1:
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            parts = list(pool.map(block, starts))
    else:
        parts = [block(start) for start in starts]
    return Trail(
        hours,
        np.concatenate([part.peak_at for part in parts]),
        *(
            np.concatenate([getattr(part, name) for part in parts], axis=1)
            for name in ("raw", "velocity", "spread", "affect")
        ),
    )


@dataclass(frozen=True, slots=True)
class _Work:
    """What every block reads."""

    hours: Plan
    scoring: Scoring
    grids: tuple[HourGrid, ...]
    passing: tuple[Passing | None, ...]
    feelings: FeelingHours
    coverage: Coverage | None
    raw_now: Floats
    now: int


def _block(work: _Work, part: slice, scratch: Scratch) -> Trail:
    scoring, hours = work.scoring, work.hours
    scratch.release(0)
    fast, spread, known = _velocities(work, part, scratch)
    affect = work.feelings.feeling(part, scratch).affect(scoring, scratch)
    raw = raw_score(fast, spread, affect, scoring)
    if not known.all():
        raw[~known] = -np.inf
    peak_at = _peak(raw[hours.times - hours.peak :], work.raw_now[part], hours.last, work.now)
    kept = slice(hours.times - hours.history, hours.times)
    raw = raw if hours.history else raw[:0]
    return Trail(hours, peak_at, raw, fast[kept].copy(), spread[kept].astype(np.int64), affect[kept].copy())


def _velocities(work: _Work, part: slice, scratch: Scratch) -> tuple[Floats, Floats, Flags]:
    """Combined velocity, spread count and whether any platform knows the entity: (times, entities of the block)."""
    shape = (work.hours.times, part.stop - part.start)
    zs, presents = [], []
    spread = scratch.take(*shape)
    spread.fill(0.0)
    for i, name in enumerate(PLATFORMS):
        volumes, columns = _volumes(work, i, part)
        factor = None if work.coverage is None else work.coverage.for_source(i)
        pace = velocity_over(volumes, factor, work.scoring.noise_units[name], work.scoring, scratch)
        if columns is None:
            z, present = pace.z, pace.present
            spread += pace.seen
        else:
            z, present = np.zeros(shape), np.zeros(shape, dtype=np.bool_)
            z[:, columns], present[:, columns] = pace.z, pace.present
            spread[:, columns] += pace.seen
        zs.append(z)
        presents.append(present)
    known = np.logical_or.reduce(presents)
    return combined(zs, presents, work.scoring, scratch), spread, known


def _volumes(work: _Work, source: int, part: slice) -> tuple[Volumes, Ints | None]:
    """One platform's volumes of those entities of a block that it has at all, and which these are (None: all)."""
    whole = work.grids[source]
    grid = whole.volume[:, part]
    extra = None if whole.extra is None else whole.extra[-work.hours.times :, part]
    some = grid.any(axis=0)
    passing = work.passing[source]
    if passing is None and some.all():
        return Volumes(grid, work.hours.times, extra), None
    if passing is not None:
        inside = (passing.column >= part.start) & (passing.column < part.stop)
        some[passing.column[inside] - part.start] = True
    columns = np.flatnonzero(some)
    if passing is not None:
        place = np.cumsum(some) - 1
        column = place[passing.column[inside] - part.start]
        passing = Passing(passing.start[inside], passing.stop[inside], column, passing.weight[inside])
    extra = None if extra is None else extra[:, columns]
    return Volumes(grid[:, columns], work.hours.times, extra, passing), columns


def _peak(raw: Floats, raw_now: Floats, last: int, now: int) -> Ints:
    """When each entity was last at its maximum; ``raw`` is (hours up to ``last``, entities)."""
    top = np.maximum(raw.max(axis=0, initial=-np.inf), raw_now)
    reached = raw >= top - TIE
    back = np.argmax(reached[::-1], axis=0) if len(raw) else np.zeros(raw.shape[1], dtype=np.int64)
    return np.where(raw_now >= top - TIE, now, last - back * HOUR)


def _own_peaks(raw: Floats, hours: Plan) -> Ints:
    """The peak as of each history hour, among the ``peak_hours`` full hours that end with it: (hours, entities)."""
    peaks = np.empty((hours.history, raw.shape[1]), dtype=np.int64)
    for i in range(len(peaks)):
        stop = hours.times - len(peaks) + i + 1
        span = raw[stop - hours.peak_hours : stop]
        at = hours.last - (len(peaks) - 1 - i) * HOUR
        peaks[i] = _peak(span[:-1], span[-1], at - HOUR, at)
    return peaks


@dataclass(frozen=True, slots=True)
class HistoryArrays:
    """History of some entities: ``instants`` (microseconds, ascending) and (hours, entities) of everything else."""

    instants: Ints
    heat: Floats
    raw: Floats
    velocity: Floats
    spread: Ints
    affect: Floats


def history_at(hours: Trail, current: Now, scoring: Scoring, which: Ints) -> HistoryArrays:
    """The history of the entities ``which``, with T itself as its last hour; zeros where no platform knew one."""
    count = hours.plan.history
    instants = np.append(hours.plan.last - np.arange(count - 1, -1, -1, dtype=np.int64) * HOUR, current.at)
    raw = hours.raw[:, which]
    peaks = np.vstack([_own_peaks(raw, hours.plan), hours.peak_at[which]])
    raw = np.vstack([raw[len(raw) - count :], np.where(current.present, current.raw, -np.inf)[which]])
    known = np.isfinite(raw)
    raw = np.where(known, raw, 0.0)

    def values(past: Floats | Ints, last: Floats | Ints) -> Floats:
        return np.where(known, np.vstack([past[:, which], last[which]]), 0.0)

    return HistoryArrays(
        instants,
        raw * decay(instants[:, None] - peaks, scoring),
        raw,
        values(hours.velocity, current.velocity),
        values(hours.spread, current.spread).astype(np.int64),
        values(hours.affect, current.affect),
    )


def decay(since_peak: Ints, scoring: Scoring) -> Floats:
    """What is left of raw after microseconds ``since_peak``."""
    return np.exp(-(since_peak / HOUR) / scoring.decay_hours)
