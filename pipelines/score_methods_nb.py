"""``nb``: how unlikely a window this full is, from the negative binomial, turned into a z.

Volumes are counted in ordinary mentions, ``c = v / u``. The mean of the window's hour of the week is learned from the
windows that end whole weeks before it, and leans on the mean of its time of day; that is learned from the windows of the
last seven days that end whole days before it, and leans on the mean of all of them, which leans on a prior rate: with a
few windows the prior speaks, with a week the time of day does, with four weeks the hour of the week. The spread beyond
Poisson (``1/r``) is learned the same way, from the seven days. Gamma-Poisson updating: Gelman et al., Bayesian Data
Analysis, 2.6; moments of the negative binomial: its mean ``m`` has the variance ``m + m^2 / r``. The tail is the
regularised incomplete beta, which takes counts that are not whole.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import betainc, ndtri

from pipelines.score_model import Scoring
from pipelines.score_rows import Floats

_DAY, _WEEK = 24, 168


def rate(
    x: Floats, values: Sequence[Floats], used: Floats, ends: tuple[int, ...], unit: float, scoring: Scoring
) -> tuple[Floats, Floats, Floats]:
    """z in [-cap, cap], the expected volume and its deviation; arguments as in ``score_methods.Look``."""
    mean, inverse_size = expectation([value / unit for value in values], used, ends, scoring)
    mean, inverse_size = np.broadcast_arrays(mean, inverse_size)
    z = np.clip(tail_z(x / unit, mean, inverse_size), -scoring.cap, scoring.cap)
    return z, mean * unit, np.sqrt(mean + mean * mean * inverse_size) * unit


def expectation(
    counts: Sequence[Floats], used: Floats, ends: tuple[int, ...], scoring: Scoring
) -> tuple[Floats, Floats]:
    """Mean and ``1/r`` of the coming window, from the counts of the baseline windows."""
    told = scoring.parameters
    weekly = [place for place, end in enumerate(ends) if end % _WEEK == 0]
    same_hour, weeks = _sums(counts, used, weekly)
    lately = len(ends) - len(weekly)  # the weeks stand last
    counts, used, ends = counts[:lately], used[:lately], ends[:lately]
    nothing = np.zeros_like(counts[0])
    windows = np.sum(used, axis=0)
    total = sum(counts, start=nothing)
    shape = told.nb_prior_mentions * told.nb_prior_windows + total
    overall = shape / (told.nb_prior_windows + windows)
    daily = [place for place, end in enumerate(ends) if end % _DAY == 0]
    same_time, days = _sums(counts, used, daily)
    mean = (same_time + told.nb_day_windows * overall) / (days + told.nb_day_windows)
    mean = (same_hour + told.nb_week_windows * mean) / (weeks + told.nb_week_windows)
    return mean, _dispersion(counts, used, windows, total, scoring) + 1.0 / shape


def _sums(counts: Sequence[Floats], used: Floats, places: Sequence[int]) -> tuple[Floats, Floats | float]:
    """What the windows at ``places`` hold, and how many of them there are."""
    held = sum((counts[place] for place in places), start=np.zeros_like(counts[0]))
    return held, np.sum([used[place] for place in places], axis=0) if places else 0.0


def _dispersion(counts: Sequence[Floats], used: Floats, windows: Floats, total: Floats, scoring: Scoring) -> Floats:
    """``1/r`` by moments over all windows, leaning on the prior by so many windows; the prior where there are few."""
    told = scoring.parameters
    mean = total / np.maximum(windows, 1.0)
    squares = np.zeros_like(mean)
    for value, there in zip(counts, used, strict=True):
        squares += there * (value - mean) ** 2
    beyond = squares / np.maximum(windows - 1.0, 1.0) - mean
    seen = np.maximum(beyond, 0.0) / np.maximum(mean * mean, 1e-12)
    weight = np.where((windows >= scoring.min_windows) & (mean > 0), windows, 0.0)
    return (told.nb_dispersion * told.nb_dispersion_windows + weight * seen) / (told.nb_dispersion_windows + weight)


def tail_z(count: Floats, mean: Floats, inverse_size: Floats) -> Floats:
    """z of the middle of ``P(X >= count)`` and ``P(X >= count + 1)`` for a negative binomial; rises with ``count``.

    The middle, so that nothing at all over a silent baseline is near 0 and not at minus infinity.
    """
    size = 1.0 / inverse_size
    share = mean / (mean + size)
    none = np.exp(size * np.log1p(-share))
    chance = 0.5 * (2.0 - none)
    some = count > 0
    here, size, share = count[some], size[some], share[some]
    chance[some] = 0.5 * (betainc(here, size, share) + betainc(here + 1.0, size, share))
    with np.errstate(divide="ignore"):
        z: Floats = -ndtri(chance)
    return z
