"""The arithmetic of the KPIs (SCORING 6): Wilson intervals, quartiles of leads, shares with their denominators. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

Z95 = 1.959963984540054
"""The normal quantile of a two-sided 95% interval."""
TAIL = 0.025
"""What a two-sided 95% interval leaves out on either side."""
SHARE_HOURS, SHARE_STRETCH_HOURS = 2.0, 6.0
"""The two limits whose shares SCORING 6 names."""


@dataclass(frozen=True, slots=True)
class Share:
    """``hits`` of ``n``, with its 95% Wilson interval; no value where ``n`` is 0."""

    n: int
    hits: int
    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class LeadStats:
    """Lead over the trades, in hours. ``n``: alerts with a trade item in their window, whatever its sign.

    median, p25, p75, share_2h, share_6h and share_trades_first are of those ``n``; share_uncovered is of ``decided`` =
    ``n`` + ``uncovered``. ``median_low`` and ``median_high``: the median's 95% interval, none below 6 cases. ``open``: no
    trade item so far and the window not over; counted nowhere else.
    """

    n: int
    median: float | None
    median_low: float | None
    median_high: float | None
    p25: float | None
    p75: float | None
    share_2h: float | None
    share_6h: float | None
    share_trades_first: float | None
    share_uncovered: float | None
    decided: int
    uncovered: int
    open: int


def wilson(hits: int, n: int, z: float = Z95) -> tuple[float, float]:
    """The Wilson score interval of ``hits`` in ``n`` >= 1: inside [0, 1], and never leaving the share itself out."""
    p, z2 = hits / n, z * z
    middle = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = z / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    return max(0.0, min(p, middle - half)), min(1.0, max(p, middle + half))


def share(hits: int, n: int) -> Share:
    """``hits`` of ``n`` with its interval."""
    if n == 0:
        return Share(0, 0, None, None, None)
    low, high = wilson(hits, n)
    return Share(n, hits, hits / n, low, high)


def median_interval(values: Sequence[float]) -> tuple[float, float] | tuple[None, None]:
    """The 95% interval of the median from the order of the values alone, whatever their distribution; none where there
    are too few (below 6) for one."""
    ranked, n = sorted(values), len(values)
    chance, rank = 0.0, 0
    while rank < n and (chance := chance + math.comb(n, rank) / 2**n) <= TAIL:
        rank += 1
    return (ranked[rank - 1], ranked[n - rank]) if rank else (None, None)


def lead_stats(leads: Sequence[float], uncovered: int = 0, still_open: int = 0) -> LeadStats:
    """``leads``: hours from alert to first trade item, negative where the trades were first. Quartiles interpolate
    linearly between neighbours."""
    hours = pl.Series("lead", list(leads), dtype=pl.Float64)
    n = hours.len()
    decided = n + uncovered

    def part(hits: int, of: int) -> float | None:
        return hits / of if of else None

    def quantile(at: float) -> float | None:
        return None if n == 0 else float(hours.quantile(at, interpolation="linear") or 0.0)

    low, high = median_interval(hours.to_list())
    return LeadStats(
        n, quantile(0.5), low, high, quantile(0.25), quantile(0.75), part(int((hours >= SHARE_HOURS).sum()), n),
        part(int((hours >= SHARE_STRETCH_HOURS).sum()), n), part(int((hours < 0).sum()), n), part(uncovered, decided),
        decided, uncovered, still_open,
    )  # fmt: skip
