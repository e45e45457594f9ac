"""Each method over a labelled set: at the gates as configured, at equal false alarms, and at every threshold. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import Any

import numpy as np

from pipelines.evaluate.alerts import Alerts, Gate, alerts_of, median, threshold_for
from pipelines.evaluate.labelled import HOUR, Series, Window, velocity_of
from pipelines.score_methods import METHODS
from pipelines.score_model import Scoring
from pipelines.score_rows import Floats
from pipelines.settings import Settings

OPEN_CAP = 30.0
"""z is clipped here instead of at ``velocity.cap``, so that thresholds above the cap can be tried; at lower ones the
alerts are the same."""

THRESHOLDS: tuple[float, ...] = tuple(float(value) for value in np.round(np.geomspace(0.5, 29.0, 90), 3))
WEEK_HOURS = 168.0
ROC_LIMIT = 7.0
"""The area under the ROC counts up to so many false alarms a series-week: one a day."""


@dataclass(frozen=True, slots=True)
class Found:
    """What one threshold finds: ``windows`` marked, ``hit`` of them; ``delay_hours`` the median time to detection from
    the window's begin, ``middle_hours`` from its middle, which is what was labelled;
    ``alerts_week`` and ``false_week`` a series-week."""

    threshold: float
    windows: int
    hit: int
    delay_hours: float | None
    middle_hours: float | None
    alerts_week: float
    false_week: float

    @property
    def recall(self) -> float | None:
        """Share of the windows found."""
        return self.hit / self.windows if self.windows else None

    def as_json(self) -> dict[str, Any]:
        """All of it, with the recall."""
        return {**asdict(self), "recall": self.recall}


@dataclass(frozen=True, slots=True)
class MethodOnLabels:
    """``configured``: the whole set at the configured gate. ``first``: the threshold chosen for the wanted false alarms,
    on the half it was chosen on; ``second``: the same on the other half; both None where no threshold is strict enough.
    ``roc``: the whole set at every threshold; ``area``: mean recall up to ``ROC_LIMIT`` false alarms a series-week."""

    method: str
    configured: Found
    first: Found | None
    second: Found | None
    roc: tuple[Found, ...]
    area: float

    def as_json(self) -> dict[str, Any]:
        """JSON of all of it."""
        return {
            "method": self.method, "configured": self.configured.as_json(),
            "first_half": self.first and self.first.as_json(), "second_half": self.second and self.second.as_json(),
            "roc_area": self.area, "roc": [found.as_json() for found in self.roc],
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Half:
    """A part of a series: its scored steps ``begin <= step < stop``, and the windows whose middle lies in it."""

    series: Series
    z: Floats
    begin: int
    stop: int

    @property
    def windows(self) -> list[Window]:
        """The marked windows that belong here."""
        low, high = self.series.at(self.begin - 1), self.series.at(self.stop - 1)
        return [span for span in self.series.windows if low <= span[0] + (span[1] - span[0]) / 2 < high]


def evaluate_labelled(
    sets: Sequence[Series],
    settings: Settings,
    *,
    false_week: float,
    methods: Sequence[str] = tuple(METHODS),
    progress: Callable[[float, str], None] | None = None,
) -> list[MethodOnLabels]:
    """Every method over ``sets``; ``false_week`` is the wanted number of false alarms a series-week."""
    results = []
    for place, name in enumerate(methods):
        scoring = replace(Scoring.from_settings(settings, name), cap=OPEN_CAP)
        results.append(_method(name, sets, scoring, settings, false_week))
        if progress is not None:
            progress((place + 1) / len(methods), name)
    return results


def _method(
    name: str, sets: Sequence[Series], scoring: Scoring, settings: Settings, false_week: float
) -> MethodOnLabels:
    whole, first, second = [], [], []
    for series in sets:
        z = velocity_of(series, scoring)
        warm = scoring.window_hours * (scoring.min_windows + 1) * (HOUR // series.step)
        middle = max(len(z) // 2, warm)
        whole.append(Half(series, z, warm, len(z)))
        first.append(Half(series, z, warm, middle))
        second.append(Half(series, z, middle, len(z)))
    curve = {threshold: found(first, threshold, settings) for threshold in THRESHOLDS}
    chosen = threshold_for(lambda threshold: curve[threshold].false_week, false_week, THRESHOLDS)
    roc = tuple(found(whole, threshold, settings) for threshold in THRESHOLDS)
    return MethodOnLabels(
        name,
        found(whole, settings.gates.min_velocity, settings),
        None if chosen is None else curve[chosen],
        None if chosen is None else found(second, chosen, settings),
        roc,
        area(roc),
    )


def found(parts: Sequence[Half], threshold: float, settings: Settings) -> Found:
    """What ``threshold`` finds in ``parts``."""
    windows = hit = alerts = false = 0
    delays: list[float] = []
    middles: list[float] = []
    hours = 0.0
    for part in parts:
        gate = Gate.from_settings(settings, part.series.step / HOUR).at(threshold)
        given = _within(alerts_of(part.z[:, None], None, gate), part)
        early = gate.quiet_steps * part.series.step
        good = _delays(part, given, early)
        windows += len(part.windows)
        hit += len(good.delays)
        delays += good.delays
        middles += good.middles
        alerts += len(given)
        false += len(given) - good.used
        hours += (part.stop - part.begin) * (part.series.step / HOUR)
    weeks = max(hours / WEEK_HOURS, 1e-9)
    return Found(threshold, windows, hit, median(delays), median(middles), alerts / weeks, false / weeks)


def _within(alerts: Alerts, part: Half) -> Alerts:
    inside = (alerts.step >= part.begin) & (alerts.step < part.stop)
    return Alerts(alerts.step[inside], alerts.column[inside], alerts.until[inside])


@dataclass(frozen=True, slots=True)
class _Good:
    """Hours from each found window's begin and middle to its first alert, and how many alerts are not false."""

    delays: list[float]
    middles: list[float]
    used: int


def _delays(part: Half, alerts: Alerts, early: timedelta) -> _Good:
    at = [part.series.at(int(step)) for step in alerts.step]
    over = [part.series.at(int(step)) for step in alerts.until]
    delays, middles, used = [], [], set()
    for begin, end in part.windows:
        mine = [
            place
            for place, when in enumerate(at)
            if begin <= when <= end or (begin - early <= when < begin and over[place] > begin)
        ]
        if mine:
            delays.append((at[mine[0]] - begin) / HOUR)
            middles.append(delays[-1] - (end - begin) / 2 / HOUR)
        used |= set(mine)
    # a window at the border belongs to one half, and an alert in it is false in neither
    used |= {
        place for place, when in enumerate(at) for begin, end in part.series.windows if begin - early <= when <= end
    }
    return _Good(delays, middles, len(used))


def area(roc: Sequence[Found]) -> float:
    """Mean recall over 0 to ``ROC_LIMIT`` false alarms a series-week, the best recall at or below each rate."""
    best = sorted((one.false_week, one.recall or 0.0) for one in roc)
    rates = np.array([rate for rate, _ in best])
    recalls = np.maximum.accumulate(np.array([recall for _, recall in best]))
    ticks = np.linspace(0.0, ROC_LIMIT, 701)
    place = np.searchsorted(rates, ticks, side="right") - 1
    return float(np.where(place >= 0, recalls[np.maximum(place, 0)], 0.0).mean())
