"""From velocities hour by hour to alerts, the gates and episodes of SCORING 5 without HEAT. Pure.

What is left out: the boost that lets a second alert through inside the cool-down (it needs HEAT), and the trades.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipelines.score_rows import Floats, Ints
from pipelines.settings import Settings

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Gate:
    """``consecutive`` and ``end_steps`` count steps (scorings); ``quiet_steps`` is the cool-down in steps."""

    min_velocity: float
    min_spread: int
    consecutive: int
    end_velocity: float
    end_steps: int
    quiet_steps: int

    @classmethod
    def from_settings(cls, settings: Settings, step_hours: float, min_spread: int | None = None) -> Gate:
        """The configured gates on a clock of ``step_hours``; ``min_spread`` where the data has fewer platforms."""
        gates, episode = settings.gates, settings.episode
        spread = gates.min_spread if min_spread is None else min(min_spread, gates.min_spread)
        quiet = round(episode.cooldown_hours / step_hours)
        return cls(gates.min_velocity, spread, gates.consecutive, episode.end_velocity, episode.end_polls, quiet)

    def at(self, velocity: float) -> Gate:
        """The same with another threshold; an episode never ends above it."""
        return replace(self, min_velocity=velocity, end_velocity=min(self.end_velocity, velocity))


@dataclass(frozen=True, slots=True)
class Alerts:
    """Alerts in time order: the step each was given at, its column, and the step at which its episode was over."""

    step: Ints
    column: Ints
    until: Ints

    def __len__(self) -> int:
        return len(self.step)


def alerts_of(velocity: Floats, spread: Ints | None, gate: Gate) -> Alerts:
    """The alerts in ``velocity`` (steps, columns) with the spread counts of the same shape (None: not asked)."""
    passes = velocity >= gate.min_velocity
    if spread is not None:
        passes &= spread >= gate.min_spread
    ready = _runs(passes, gate.consecutive)
    found: list[tuple[int, int, int]] = []
    for column in np.flatnonzero(ready.any(axis=0)):
        low = np.flatnonzero(_runs(velocity[:, [column]] < gate.end_velocity, gate.end_steps)[:, 0])
        found += _of_column(np.flatnonzero(ready[:, column]), low, len(velocity), int(column), gate.quiet_steps)
    rows = np.array(sorted(found), dtype=np.int64).reshape(-1, 3)
    return Alerts(rows[:, 0], rows[:, 1], rows[:, 2])


def _of_column(ready: Ints, low: Ints, steps: int, column: int, quiet: int) -> Iterator[tuple[int, int, int]]:
    """(step, column, end of the episode) of each alert: the first ready step after the last episode and the cool-down."""
    free = 0
    while (place := int(np.searchsorted(ready, free))) < len(ready):
        step = int(ready[place])
        end = int(np.searchsorted(low, step, side="right"))
        over = int(low[end]) if end < len(low) else steps
        yield step, column, over
        free = max(over, step + quiet, step + 1)


def _runs(flags: Flags, length: int) -> Flags:
    """Where a flag and the ``length - 1`` before it are all up."""
    result = flags.copy()
    for back in range(1, length):
        result[back:] &= flags[:-back]
        result[:back] = False
    return result


def threshold_for(rate: Callable[[float], float], target: float, candidates: Iterable[float]) -> float | None:
    """The lowest of ``candidates`` from which on ``rate`` stays at or below ``target``; None where none does."""
    chosen = None
    for threshold in sorted(candidates, reverse=True):
        if rate(threshold) > target:
            break
        chosen = threshold
    return chosen


def median(values: Sequence[float]) -> float | None:
    """The median, None of nothing."""
    return float(np.median(values)) if len(values) else None
