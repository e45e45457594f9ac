"""The velocity methods behind one interface: windows in, z out (SCORING 2 for the first three).

A :class:`Look` is one platform at one or many times; a method turns it into :class:`Rated`. Pure arithmetic, the same
for the score at T and for the hours before it. Every z rises with x where all else stays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from pipelines.score_model import Method, Scoring
from pipelines.score_rows import Floats

_CLOSE = 1e-9
"""Volumes that differ by no more than this part are the same; only ``plain`` could tell."""

_SURE = 8.0
"""Below -8 sigma a normal probability is 1 in double precision."""


@dataclass(frozen=True, slots=True)
class Look:
    """One platform's windows, of shape (columns,) or (times, columns).

    ``x`` is the current window; ``values`` the baseline windows, newest first, each ending ``ends`` hours before the
    time, corrected for coverage and 0 where dropped; ``used`` is 1 or 0 for each window, with axes to fit;
    ``shorter(hours)`` is the current window of so many hours; ``unit`` the volume of one ordinary mention.
    """

    x: Floats
    values: Sequence[Floats]
    used: Floats
    ends: tuple[int, ...]
    shorter: Callable[[int], Floats]
    unit: float


@dataclass(frozen=True, slots=True)
class Rated:
    """``z`` in [-cap, cap], and the usual volume ``mu`` with its deviation ``s`` that it was held against."""

    z: Floats
    mu: Floats
    s: Floats


Rate = Callable[[Look, Scoring], Rated]


@dataclass(frozen=True, slots=True)
class VelocityMethod:
    """``sentence`` says what it does, for the desk; ``min_windows`` is the least baseline windows for a full answer
    (None: ``velocity.min_windows``). ``steady`` allows the short cut for ``robust`` where every window counts."""

    name: Method
    sentence: str
    rate: Rate
    min_windows: int | None = None
    steady: bool = False


def mean_and_deviation(look: Look, min_windows: int) -> tuple[Floats, Floats]:
    """Mean and sample deviation over the used windows, in two passes; dropped windows are zeros that weigh nothing."""
    windows = np.add.reduce(look.used)
    mu = np.zeros_like(look.x)
    for value in look.values:
        mu += value
    mu /= np.maximum(windows, 1.0)
    squares, part = np.zeros_like(mu), np.empty_like(mu)
    for value, counts in zip(look.values, look.used, strict=True):
        np.subtract(value, mu, out=part)
        part *= part
        part *= counts
        squares += part
    s = np.sqrt(squares / np.maximum(windows - 1.0, 1.0))
    return mu, np.where(windows >= min_windows, s, 0.0)


def noisy_z(x: Floats, mu: Floats, s: Floats, unit: float) -> Floats:
    """``(x - mu) / sqrt(s^2 + u*mu + u^2)``, not clipped: the counting noise of SCORING 2."""
    return (x - mu) / np.sqrt(s * s + unit * mu + unit * unit)


def robust(look: Look, scoring: Scoring) -> Rated:
    """SCORING 2, also for ``seasonal``, whose windows are others."""
    mu, s = mean_and_deviation(look, scoring.min_windows)
    return Rated(np.clip(noisy_z(look.x, mu, s, look.unit), -scoring.cap, scoring.cap), mu, s)


def plain(look: Look, scoring: Scoring) -> Rated:
    """SCORING 2: the brief's bare reading."""
    mu, s = mean_and_deviation(look, scoring.min_windows)
    cap, x = scoring.cap, look.x
    flat = s <= _CLOSE * (1.0 + np.abs(mu))
    z = np.clip((x - mu) / np.where(flat, 1.0, s), -cap, cap)
    return Rated(np.where(flat, np.where(x <= mu + _CLOSE * (1.0 + np.abs(mu)), 0.0, cap), z), mu, s)


def ewma(look: Look, scoring: Scoring) -> Rated:
    """Mean and variance with weights that halve every ``ewma_half_life_hours``.

    The weights are divided by the sum of those of the windows there are (the correction of the bias towards the start
    value 0), the variance by ``W - sum(w^2)/W`` (that of reliability weights), so that few windows bend neither.
    """
    ages = np.array(look.ends, dtype=np.float64) - look.ends[0]
    weights = 0.5 ** (ages / scoring.parameters.ewma_half_life_hours)
    parts = [weight * counts for weight, counts in zip(weights, look.used, strict=True)]
    total = np.sum(parts, axis=0)
    whole = np.maximum(total, 1e-12)
    mu = sum((part * v for part, v in zip(parts, look.values, strict=True)), start=np.zeros_like(look.x)) / whole
    squares = np.zeros_like(look.x)
    for part, value in zip(parts, look.values, strict=True):
        squares += part * (value - mu) ** 2
    degrees = total - np.sum([part * part for part in parts], axis=0) / whole
    enough = np.sum(look.used, axis=0) >= scoring.min_windows
    s = np.sqrt(np.where(enough, squares / np.maximum(degrees, 1e-12), 0.0))
    return Rated(np.clip(noisy_z(look.x, mu, s, look.unit), -scoring.cap, scoring.cap), mu, s)


def multi(look: Look, scoring: Scoring) -> Rated:
    """The largest robust z of several current windows, made smaller for having looked so often (Šidák 1967).

    A window of L of the W hours is held against ``mu L/W`` and ``s^2 L/W``, and looked at only where it holds
    ``multi_min_mentions`` ordinary mentions; the probability of the largest becomes ``1 - (1 - p)^looks``.
    """
    from scipy.special import ndtr, ndtri  # here: takes longer to load than a scoring with the default method

    told = scoring.parameters
    mu, s = mean_and_deviation(look, scoring.min_windows)
    largest = noisy_z(look.x, mu, s, look.unit)
    for hours in told.multi_hours:
        if hours >= scoring.window_hours:
            continue
        part = hours / scoring.window_hours
        x = look.shorter(hours)
        z = noisy_z(x, mu * part, s * np.sqrt(part), look.unit)
        np.maximum(largest, z, out=largest, where=x >= told.multi_min_mentions * look.unit)
    chance = ndtr(-np.maximum(largest, -_SURE))
    z = -ndtri(-np.expm1(told.multi_looks * np.log1p(-chance)))
    return Rated(np.clip(z, -scoring.cap, scoring.cap), mu, s)


def negative_binomial(look: Look, scoring: Scoring) -> Rated:
    """The chance of a window at least this full, as a z; see :mod:`pipelines.score_methods_nb`."""
    from pipelines.score_methods_nb import rate

    return Rated(*rate(look.x, look.values, look.used, look.ends, look.unit, scoring))


_ALL = (
    VelocityMethod(
        "robust",
        "The last 12 h against the mean and deviation of the windows before, with counting noise added, so that a "
        "handful of mentions over silence is not an endless z.",
        robust,
        steady=True,
    ),
    VelocityMethod(
        "plain",
        "The last 12 h against the bare mean and deviation of the windows before.",
        plain,
    ),
    VelocityMethod(
        "seasonal",
        "As robust, but against the same 12 h of each of the six days before.",
        robust,
    ),
    VelocityMethod(
        "nb",
        "How unlikely so many mentions would be at this hour of the week if nothing had happened: the tail of a negative "
        "binomial, written as a z; with less than four weeks it leans on the time of day, then on a cautious guess.",
        negative_binomial,
        min_windows=1,
    ),
    VelocityMethod(
        "ewma",
        "As robust, with a mean and deviation in which recent windows weigh more.",
        ewma,
    ),
    VelocityMethod(
        "multi",
        "The fastest of the last 1, 3, 6 and 12 h, each held against its share of the usual, made smaller for having "
        "looked four times.",
        multi,
    ),
    VelocityMethod(
        "weighted",
        "As robust on each platform; platforms that told more in a recorded month weigh more in the sum.",
        robust,
        steady=True,
    ),
)
METHODS: Mapping[Method, VelocityMethod] = {method.name: method for method in _ALL}
"""Every velocity method by its name, SCORING's own three first."""


def method_named(name: str) -> VelocityMethod:
    """The method a checked setting names."""
    return METHODS[cast("Method", name)]
