"""The velocity methods that SCORING does not define, in plain loops over plain values."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import NormalDist

from pipelines.score_model import Scoring
from tests.unit.score_reference import noisy_z

Window = float | None
NORMAL = NormalDist()


def clip(z: float, scoring: Scoring) -> float:
    return max(-scoring.cap, min(scoring.cap, z))


def mean_and_deviation(values: Sequence[Window], scoring: Scoring) -> tuple[float, float]:
    there = [value for value in values if value is not None]
    mu = sum(there) / len(there) if there else 0.0
    if len(there) < scoring.min_windows:
        return mu, 0.0
    return mu, math.sqrt(sum((value - mu) ** 2 for value in there) / (len(there) - 1))


def ewma(
    x: float, values: Sequence[Window], short: Callable[[int], float], unit: float, scoring: Scoring
) -> tuple[float, float, float]:
    pairs = [
        (0.5 ** (place * scoring.window_hours / scoring.parameters.ewma_half_life_hours), value)
        for place, value in enumerate(values)
        if value is not None
    ]
    total = sum(weight for weight, _ in pairs)
    mu = sum(weight * value for weight, value in pairs) / total if pairs else 0.0
    s = 0.0
    if len(pairs) >= scoring.min_windows:
        squares = sum(weight * (value - mu) ** 2 for weight, value in pairs)
        s = math.sqrt(squares / (total - sum(weight * weight for weight, _ in pairs) / total))
    return clip(noisy_z(x, mu, s, unit), scoring), mu, s


def multi(
    x: float, values: Sequence[Window], short: Callable[[int], float], unit: float, scoring: Scoring
) -> tuple[float, float, float]:
    mu, s = mean_and_deviation(values, scoring)
    found = [noisy_z(x, mu, s, unit)]
    for hours in scoring.parameters.multi_hours:
        part = hours / scoring.window_hours
        if short(hours) >= scoring.parameters.multi_min_mentions * unit:
            found.append(noisy_z(short(hours), mu * part, s * math.sqrt(part), unit))
    chance = 0.5 * math.erfc(max(*found, -8.0) / math.sqrt(2))
    looked = -math.expm1(scoring.parameters.multi_looks * math.log1p(-chance))
    if looked <= 0.0:
        return scoring.cap, mu, s
    return clip(-NORMAL.inv_cdf(looked) if looked < 1.0 else -math.inf, scoring), mu, s


def tail(count: float, size: float, share: float) -> float:
    """P(X >= count) of a negative binomial for whole counts, added up."""
    if count <= 0:
        return 1.0
    below = sum(
        math.exp(math.lgamma(k + size) - math.lgamma(k + 1) - math.lgamma(size) + size * math.log(1 - share)) * share**k
        for k in range(int(count))
    )
    return 1.0 - below


def nb(
    x: float, values: Sequence[Window], short: Callable[[int], float], unit: float, scoring: Scoring
) -> tuple[float, float, float]:
    """For whole counts only."""
    told = scoring.parameters
    every = [None if value is None else value / unit for value in values]
    counts, weekly = every[:13], [count for count in every[13:] if count is not None]
    there = [count for count in counts if count is not None]
    shape = told.nb_prior_mentions * told.nb_prior_windows + sum(there)
    overall = shape / (told.nb_prior_windows + len(there))
    daily = [c for place, c in enumerate(counts, 1) if c is not None and place * scoring.window_hours % 24 == 0]
    mean = (sum(daily) + told.nb_day_windows * overall) / (len(daily) + told.nb_day_windows)
    mean = (sum(weekly) + told.nb_week_windows * mean) / (len(weekly) + told.nb_week_windows)
    weight, seen = 0, 0.0
    if len(there) >= scoring.min_windows and sum(there) > 0:
        usual = sum(there) / len(there)
        variance = sum((count - usual) ** 2 for count in there) / (len(there) - 1)
        weight, seen = len(there), max(variance - usual, 0.0) / usual**2
    prior = told.nb_dispersion_windows
    beyond = (told.nb_dispersion * prior + weight * seen) / (prior + weight) + 1.0 / shape
    size = 1.0 / beyond
    share = mean / (mean + size)
    chance = 0.5 * (tail(x / unit, size, share) + tail(x / unit + 1.0, size, share))
    z = scoring.cap if chance <= 0 else clip(-NORMAL.inv_cdf(chance), scoring)
    return z, mean * unit, math.sqrt(mean + mean * mean * beyond) * unit
