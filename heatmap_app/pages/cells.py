"""The map's cells as a region of the page: the numbers, once, from which the browser draws the figure and says its texts.

The figure's own columns would hold each number twice and each name and hour hundreds of times. Pure: a view in, markup
out; ``assets/static/map.js`` makes the figure's columns of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime

from heatmap_app.columns import HOURLY_UP_TO, Column, columns
from heatmap_app.escape import Html, join, tag
from heatmap_app.pages.words import Times
from pipelines.view import HeatView, HistoryPoint

GAP = "x"
"""No number."""


def cells(view: HeatView, times: Times) -> Html:
    """The region. Its ``p`` has ``data-hours`` (UTC starts), ``data-when`` (their words), ``data-starts`` (each column's
    place among the hours, where columns hold several) and ``data-looked`` (1 for a column in which a platform was looked
    at). Each ``i`` is a row, best rank first: ``data-heat``, ``-velocity``, ``-affect`` in hundredths and ``-spread`` as
    a count of platforms, a number a column, oldest first, :data:`GAP` without a score; ``data-best``: the place of the
    hour the numbers are of, where columns hold several. Velocities are cut, not rounded, so that they round to tenths
    as they are.
    """
    shown = columns(view.hours, times)
    grouped = len(view.hours) > HOURLY_UP_TO
    places = {hour: at for at, hour in enumerate(view.hours)}
    rows = []
    for item in view.items:
        numbers = _numbers(item.history, shown, places, grouped=grouped)
        rows.append(tag("i", data_key=item.entity.slug, data_name=item.entity.name, **numbers))
    return join(_head(view, shown, times, places, grouped=grouped), rows)


def _head(
    view: HeatView, shown: Sequence[Column], times: Times, places: Mapping[datetime, int], *, grouped: bool
) -> Html:
    watched = set(view.watched or ())
    suffix = ", hottest of its six hours" if grouped else ""
    return tag(
        "p",
        data_hours=" ".join(hour.isoformat() for hour in view.hours),
        data_when="|".join(f"{times.hour(hour)}{suffix}" for hour in view.hours),
        data_starts=" ".join(str(places[column.start]) for column in shown) if grouped else None,
        data_looked="".join("0" if watched.isdisjoint(column.hours) else "1" for column in shown),
    )


def _numbers(
    history: Sequence[HistoryPoint], shown: Sequence[Column], places: Mapping[datetime, int], *, grouped: bool
) -> dict[str, str | None]:
    points = {point.hour: point for point in history}
    best = [_best(column, points) for column in shown]
    return {
        "data_heat": " ".join(_hundredths(point.heat) if point else GAP for point in best),
        "data_velocity": " ".join(_cut(point.velocity_z) if point else GAP for point in best),
        "data_spread": " ".join(_platforms(point.spread) if point else GAP for point in best),
        "data_affect": " ".join(_hundredths(point.affect) if point else GAP for point in best),
        "data_best": " ".join(
            str(places[point.hour if point else column.hours[-1]]) for point, column in zip(best, shown, strict=True)
        )
        if grouped
        else None,
    }


def _best(column: Column, points: Mapping[datetime, HistoryPoint]) -> HistoryPoint | None:
    known = [point for hour in column.hours if (point := points.get(hour)) and point.heat is not None]
    return max(known, key=lambda point: point.heat or 0.0) if known else None


def _hundredths(value: float | None) -> str:
    return GAP if value is None else str(round(value * 100))


def _cut(value: float | None) -> str:
    return GAP if value is None else str(math.floor(value * 100 + 1e-9))


def _platforms(spread: float | None) -> str:
    """A spread share as a count of platforms."""
    return GAP if spread is None else str(round(spread * 3))
