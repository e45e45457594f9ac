"""Confidence calibrated on what came of the alerts: isotonic regression over votes and back-checks. Pure.

Used only from :data:`NEEDED` outcomes on; below, confidence stays as SCORING 3 defines it. Scores are never changed by it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipelines.alert.kpi_stats import Share, share

NEEDED = 200
"""Below so many outcomes the confidence is shown as defined."""
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
    """Steps that never go down: from ``edges[i]`` on the share is ``shares[i]``. Empty while ``n`` is below
    :data:`NEEDED`."""

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
    if len(known) < NEEDED:
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
