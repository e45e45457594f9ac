"""Which part of each window was polled (SCORING 2): an hour in which nobody looked is missing, not zero."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from pipelines.model import PLATFORMS
from pipelines.score_model import Scoring
from pipelines.score_rows import HOUR, Floats, Ints

Polled = pl.DataFrame | Mapping[str, Ints]
"""Which hours were polled: COVERAGE, or for each source what :func:`polled_hours` makes of it."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of each window was polled. ``None`` in place of this: everything.

    ``factor`` is 1/c for a window that counts and 0 for a dropped one; shape (times, windows, platforms).
    """

    factor: Floats

    @classmethod
    def of(cls, coverage: Polled | None, times: Ints, scoring: Scoring) -> Coverage | None:
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
            upto, before = _polled_until(hours, np.stack((ends, ends - length)))
            polled = upto - before
            enough = polled >= scoring.min_coverage * length
            factor[..., i] = np.where(enough, length / np.maximum(polled, 1), 0.0)
        return cls(factor)

    def for_source(self, source: int) -> Floats:
        """The factors of one platform: (times, windows)."""
        return self.factor[:, :, source]


def polled_hours(coverage: Polled, source: str) -> Ints:
    """The clock hours in which ``source`` was polled, as microseconds, ascending and distinct."""
    if not isinstance(coverage, pl.DataFrame):
        return coverage.get(source, np.empty(0, dtype=np.int64))
    hours = coverage.filter(pl.col("source") == source)["hour"].dt.timestamp("us").to_numpy()
    return np.unique(hours // HOUR * HOUR)


def _polled_until(hours: Ints, instants: Ints) -> Ints:
    """Microseconds of polled time before each instant."""
    if not len(hours):
        return np.zeros_like(instants)
    begun = np.searchsorted(hours, instants, side="right")
    in_last = np.minimum(instants - hours[begun - 1], HOUR)
    return np.where(begun > 0, (begun - 1) * HOUR + in_last, 0)
