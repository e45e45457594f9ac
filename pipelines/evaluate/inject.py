"""How many bursts of which size each method finds, and how soon, with as many alerts on the recording itself.

The threshold of each method is set on the first half of the recording, so that it gives no more alerts a day there than
``robust`` at the configured gate (or than asked for); recall and delay are those of the second half.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from pipelines.evaluate.alerts import Gate, alerts_of, median, threshold_for
from pipelines.evaluate.background import AN_HOUR, Background, Paces, paces
from pipelines.evaluate.bursts import Burst, draw, laid_over
from pipelines.score_methods import METHODS
from pipelines.score_model import Scoring
from pipelines.score_rows import micros
from pipelines.settings import Settings

DAY = timedelta(days=1)
REST_BEFORE, REST_AFTER = 12, 24
"""A burst is laid over a name that stays below the end of an episode from so many hours before to so many after."""

Progress = Callable[[float, str], None]


@dataclass(frozen=True, slots=True)
class Recall:
    """Of ``n`` bursts ``hit`` were found, ``delay_hours`` (median) after the onset."""

    n: int
    hit: int
    delay_hours: float | None

    def as_json(self) -> dict[str, Any]:
        """All of it, with the share."""
        return {**asdict(self), "recall": self.hit / self.n if self.n else None}


@dataclass(frozen=True, slots=True)
class AtThreshold:
    """One threshold on one half: ``alerts_day`` on the recording as it is; bursts over all, by size and by shape."""

    threshold: float
    alerts_day: float
    every: Recall
    sizes: Mapping[float, Recall]
    shapes: Mapping[str, Recall]

    def as_json(self) -> dict[str, Any]:
        """JSON of all of it."""
        return {
            "threshold": self.threshold, "alerts_day": self.alerts_day, **self.every.as_json(),
            "sizes": {f"{size:g}": recall.as_json() for size, recall in self.sizes.items()},
            "shapes": {shape: recall.as_json() for shape, recall in self.shapes.items()},
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class MethodOnBursts:
    """``configured``: the second half at the configured gate. ``first`` and ``second``: both halves at the threshold that
    the first gave; None where even the cap lets more alerts through than wanted."""

    method: str
    configured: AtThreshold
    first: AtThreshold | None
    second: AtThreshold | None

    def as_json(self) -> dict[str, Any]:
        """JSON of all of it."""
        return {
            "method": self.method, "configured": self.configured.as_json(),
            "first_half": self.first and self.first.as_json(), "second_half": self.second and self.second.as_json(),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Trial:
    """A recording with its bursts, the same for every method. ``alerts_day``: what is allowed on the first half."""

    background: Background
    bursts: tuple[tuple[Burst, ...], tuple[Burst, ...]]
    mentions: pl.DataFrame
    gate: Gate
    alerts_day: float
    cap: float


def make_trial(
    background: Background,
    settings: Settings,
    sizes: Sequence[float],
    *,
    each: int = 40,
    seed: int = 1,
    alerts_day: float | None = None,
) -> Trial:
    """Draw the bursts for both halves (the same for the same ``seed``) and lay them over names at rest."""
    scoring = Scoring.from_settings(settings, "robust", "stouffer")
    gate = Gate.from_settings(settings, 1.0, len(background.platforms))
    rng = np.random.default_rng(seed)
    base = paces(background.mentions, background.coverage, scoring, background.start, background.end)
    busy = base.velocity >= gate.end_velocity
    number = int(base.columns.max()) + 1
    drawn: list[tuple[Burst, ...]] = []
    for span in _halves(background):
        hosts = _at_rest(busy, base, background, span)
        found = draw(rng, span, background.platforms, sizes, each, hosts, number)
        number += len(found)
        drawn.append(tuple(found))
    every = [burst for half in drawn for burst in half]
    mentions = laid_over(background.mentions, every, rng, scoring.kinds, scoring.noise_units)
    allowed = _rate(base, gate, _halves(background)[0]) if alerts_day is None else alerts_day
    return Trial(background, (drawn[0], drawn[1]), mentions, gate, allowed, scoring.cap)


def _halves(background: Background) -> tuple[tuple[datetime, datetime], tuple[datetime, datetime]]:
    return (background.start, background.middle), (background.middle, background.end)


def _at_rest(
    busy: np.ndarray[Any, np.dtype[np.bool_]], base: Paces, background: Background, span: tuple[datetime, datetime]
) -> dict[int, list[int]]:
    """For each hour of ``span`` the names known in the week before that stay at rest around it."""
    rows = background.mentions.select("entity", "at").sort("at")
    hosts = {}
    for hour in range((span[1] - span[0]) // AN_HOUR):
        at = span[0] + hour * AN_HOUR
        row = base.place(at)
        calm = ~busy[max(row - REST_BEFORE, 0) : row + REST_AFTER].any(axis=0)
        known = rows.filter((pl.col("at") > at - timedelta(days=7)) & (pl.col("at") <= at))["entity"].unique()
        hosts[hour] = sorted(set(base.columns[calm].tolist()) & set(known.to_list()))
    return hosts


def evaluate_bursts(
    trial: Trial, settings: Settings, methods: Sequence[str] = tuple(METHODS), progress: Progress | None = None
) -> list[MethodOnBursts]:
    """Every method over one trial."""
    results = []
    for place, name in enumerate(methods):
        results.append(on_bursts(trial, Scoring.from_settings(settings, name), settings.gates.min_velocity))
        if progress is not None:
            progress((place + 1) / len(methods), name)
    return results


def on_bursts(trial: Trial, scoring: Scoring, configured: float) -> MethodOnBursts:
    """One method over one trial; ``configured`` is the gate of the product."""
    of = trial.background
    plain = paces(of.mentions, of.coverage, scoring, of.start, of.end)
    laid = paces(trial.mentions, of.coverage, scoring, of.start, of.end)
    first, second = _halves(of)
    candidates = np.round(np.arange(0.3, trial.cap + 0.001, 0.05), 2).tolist()
    chosen = threshold_for(lambda one: _rate(plain, trial.gate.at(one), first), trial.alerts_day, candidates)

    def at(threshold: float, half: int) -> AtThreshold:
        gate = trial.gate.at(threshold)
        rate = _rate(plain, gate, (first, second)[half])
        return _recalled(threshold, rate, laid, trial.bursts[half], gate)

    return MethodOnBursts(
        scoring.method,
        at(configured, 1),
        None if chosen is None else at(chosen, 0),
        None if chosen is None else at(chosen, 1),
    )


def _rate(plain: Paces, gate: Gate, span: tuple[datetime, datetime]) -> float:
    """Alerts a day on the recording as it is."""
    rows = slice(plain.place(span[0] + AN_HOUR), plain.place(span[1] + AN_HOUR))
    return len(alerts_of(plain.velocity[rows], plain.spread[rows], gate)) / max((span[1] - span[0]) / DAY, 1e-9)


def _recalled(threshold: float, rate: float, laid: Paces, bursts: Sequence[Burst], gate: Gate) -> AtThreshold:
    column = {int(entity): place for place, entity in enumerate(laid.columns)}
    given = alerts_of(laid.velocity, laid.spread, gate)
    times: dict[int, list[int]] = {}
    for step, where in zip(given.step.tolist(), given.column.tolist(), strict=True):
        times.setdefault(where, []).append(int(laid.hours[step]))
    delays: dict[Burst, float | None] = {}
    for burst in bursts:
        low, high = micros(burst.onset), micros(burst.until)
        inside = [at for at in times.get(column.get(burst.entity, -1), []) if low <= at <= high]
        delays[burst] = (inside[0] - low) / 3.6e9 if inside else None
    sizes = sorted({burst.size for burst in bursts})
    shapes = list(dict.fromkeys(burst.shape for burst in bursts))
    return AtThreshold(
        threshold,
        rate,
        _recall(list(delays.values())),
        {size: _recall([late for burst, late in delays.items() if burst.size == size]) for size in sizes},
        {shape: _recall([late for burst, late in delays.items() if burst.shape == shape]) for shape in shapes},
    )


def _recall(delays: Sequence[float | None]) -> Recall:
    found = [late for late in delays if late is not None]
    return Recall(len(delays), len(found), median(found))
