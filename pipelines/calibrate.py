"""Confidence calibrated on what came of the alerts: isotonic regression over votes and back-checks. Pure.

Used only above :data:`NEEDED` outcomes; up to there, confidence stays as SCORING 3 defines it. It is a second value beside
the confidence as defined: no score, gate or decision reads it, and it is fitted on the one as defined, never on itself.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from pipelines.alert.kpi_stats import Share, share
from pipelines.view import Calibrated

METHOD = "isotonic"
NEEDED = 200
"""Up to so many outcomes the confidence is shown as defined."""
BINS = 10
"""Rows of the reliability table: tenths of the confidence."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One alert: the ``confidence`` it was sent with, and whether it was ``good``."""

    confidence: float
    good: bool


@dataclass(frozen=True, slots=True)
class Bin:
    """Alerts whose confidence was in ``[low, high)`` (the last one with 1): their mean confidence, and the good ones."""

    low: float
    high: float
    mean: float
    good: Share


@dataclass(frozen=True, slots=True)
class Calibration:
    """Steps that never go down: from ``edges[i]`` on the share is ``shares[i]``. Empty while ``n`` is not
    above :data:`NEEDED`."""

    n: int
    edges: tuple[float, ...] = ()
    shares: tuple[float, ...] = ()

    @property
    def used(self) -> bool:
        """Whether it stands in for the confidence as defined."""
        return bool(self.edges)

    def __call__(self, confidence: float) -> float:
        """``confidence`` (0 to 1) calibrated; as it is where this is not used. Between two steps it is the lower one's."""
        if not self.used:
            return confidence
        return self.shares[max(bisect_right(self.edges, confidence) - 1, 0)]

    def of(self, confidence: float | None) -> Calibrated | None:
        """``confidence`` calibrated, with what it rests on; None where this is not used or there is no confidence."""
        if not self.used or confidence is None:
            return None
        return Calibrated(self(confidence), self.n, METHOD)

    def beside(self, scores: pl.DataFrame) -> pl.DataFrame:
        """``scores`` (with ``confidence``) and, where this is used, a column ``calibrated``: a struct of
        :class:`~pipelines.view.Calibrated`'s fields."""
        if not self.used:
            return scores
        values = [None if one is None else self(one) for one in scores["confidence"].to_list()]
        made = scores.select(
            pl.Series("confidence", values, dtype=pl.Float64), outcomes=pl.lit(self.n, dtype=pl.Int64),
            method=pl.lit(METHOD),
        )  # fmt: skip
        return scores.with_columns(made.to_struct("calibrated"))


DEFINED = Calibration(0)
"""Confidence as it is defined."""


def outcome(
    confidence: float | None, useful: int, not_useful: int, check: str | None, *, fault: bool
) -> Outcome | None:
    """What an alert counts as: a source fault is bad; else the majority of its votes; without one, its back-check
    (``held`` or ``failed``). None where nothing is known, or no confidence is kept."""
    if confidence is None:
        return None
    if fault:
        return Outcome(confidence, good=False)
    if useful != not_useful:
        return Outcome(confidence, good=useful > not_useful)
    return Outcome(confidence, good=check == "held") if check in ("held", "failed") else None


def calibrate(outcomes: Iterable[Outcome]) -> Calibration:
    """The non-decreasing steps nearest to the outcomes in squares, by pooling adjacent violators (Ayer and others, 1955).

    Equal confidences are one point. Each pool's share is that of (good + 1) / (n + 2), then made non-decreasing again, so
    that a pool of a few never says 0 or 1.
    """
    known = sorted(outcomes, key=lambda one: one.confidence)
    if len(known) <= NEEDED:
        return Calibration(len(known))
    points: dict[float, tuple[int, int]] = {}
    for one in known:
        good, n = points.get(one.confidence, (0, 0))
        points[one.confidence] = (good + one.good, n + 1)
    pools: list[tuple[float, int, int]] = []
    for edge, (good, n) in points.items():
        pools.append((edge, good, n))
        while len(pools) > 1 and pools[-2][1] * pools[-1][2] >= pools[-1][1] * pools[-2][2]:
            (first, left, m), (_, right, k) = pools[-2:]
            pools[-2:] = [(first, left + right, m + k)]
    shares: list[float] = []
    for _, good, n in pools:
        shares.append(max((good + 1) / (n + 2), shares[-1] if shares else 0.0))
    return Calibration(len(known), tuple(edge for edge, _, _ in pools), tuple(shares))


def reliability(outcomes: Sequence[Outcome], bins: int = BINS) -> list[Bin]:
    """How often alerts of each confidence were good; ranges without any are left out."""
    found: dict[int, list[Outcome]] = {}
    for one in outcomes:
        found.setdefault(min(int(one.confidence * bins), bins - 1), []).append(one)
    return [
        Bin(
            place / bins, (place + 1) / bins, sum(one.confidence for one in part) / len(part),
            share(sum(one.good for one in part), len(part)),
        )
        for place, part in sorted(found.items())
    ]  # fmt: skip


def judged(rows: Iterable[Mapping[str, Any]]) -> list[Outcome]:
    """The outcomes among the store's ``judged_alerts``."""
    return [
        one for row in rows
        if (one := outcome(row["confidence"], row["useful"], row["not_useful"], row["result"], fault=row["fault"]))
    ]  # fmt: skip
