"""The timeline's geometry: a lane per source, bars per hour, gaps where nobody looked, the usual band, marks. Pure, and
knows neither stores nor formats: :mod:`heatmap_app.web.svg` and the PDF draw the same shapes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

HOUR = timedelta(hours=1)
WIDTH, LEFT, RIGHT = 960.0, 96.0, 64.0
LANE, TOP, FOOT = 58.0, 18.0, 22.0
FILL = 0.82
"""The share of a lane its highest bar takes."""

Kind = Literal["lane", "gap", "usual", "bar", "alert", "trade"]


@dataclass(frozen=True, slots=True)
class Lane:
    """One source's hours, oldest first: (start, volume or None where nobody looked). ``usual`` is the band per hour;
    ``beside`` stands at the right."""

    source: str
    title: str
    hours: tuple[tuple[datetime, float | None], ...]
    usual: tuple[float, float] | None = None
    beside: str = ""


@dataclass(frozen=True, slots=True)
class Shape:
    """A rectangle; ``source`` colours a bar, ``words`` say what it is."""

    kind: Kind
    x: float
    y: float
    width: float
    height: float
    source: str = ""
    words: str = ""


@dataclass(frozen=True, slots=True)
class Label:
    """A short text; ``anchor`` says which end of it stands at ``x``."""

    x: float
    y: float
    text: str
    anchor: Literal["start", "middle", "end"] = "start"
    strong: bool = False


@dataclass(frozen=True, slots=True)
class Chart:
    """What to draw, in a box of ``width`` by ``height``."""

    width: float
    height: float
    shapes: tuple[Shape, ...]
    labels: tuple[Label, ...]


def timeline_chart(
    lanes: Sequence[Lane], *, alerts: Sequence[datetime] = (), trades: Sequence[datetime] = ()
) -> Chart | None:
    """The figure of ``lanes`` (all over the same hours); None where there is nothing to draw."""
    hours = [hour for lane in lanes for hour, _ in lane.hours]
    if not hours:
        return None
    first, end = min(hours), max(hours) + HOUR
    scale = (WIDTH - LEFT - RIGHT) / ((end - first) / HOUR)

    def x(instant: datetime) -> float:
        return round(LEFT + (min(max(instant, first), end) - first) / HOUR * scale, 2)

    bottom = TOP + LANE * len(lanes)
    shapes: list[Shape] = []
    labels: list[Label] = []
    for place, lane in enumerate(lanes):
        top = TOP + LANE * place
        shapes += _lane(lane, top, x, scale)
        labels += _lane_labels(lane, top)
    shapes += [Shape("trade", x(at), TOP, 1.5, bottom - TOP, words=f"trade story {_when(at)}")
               for at in trades if first <= at <= end]  # fmt: skip
    shapes += [Shape("alert", x(at), TOP, 1.5, bottom - TOP, words=f"alert {_when(at)}")
               for at in alerts if first <= at <= end]  # fmt: skip
    labels += [Label(x(at), TOP - 5, "alert", "middle", strong=True) for at in alerts[-1:] if first <= at <= end]
    labels += _days(first, end, x, bottom)
    return Chart(WIDTH, bottom + FOOT, tuple(shapes), tuple(labels))


def _lane(lane: Lane, top: float, at: Callable[[datetime], float], scale: float) -> list[Shape]:
    shapes = [Shape("lane", LEFT, round(top + LANE, 2), WIDTH - LEFT - RIGHT, 1.0)]
    highest = max((volume for _, volume in lane.hours if volume), default=0.0)
    most = max(highest, lane.usual[1] if lane.usual else 0.0, 1e-9)
    unit = FILL * LANE / most
    for begin, length in _gaps(lane.hours):
        shapes.append(Shape("gap", at(begin), top + 1, round(length * scale, 2), LANE - 1, words="nobody looked"))
    if lane.usual is not None:
        low, high = max(0.0, lane.usual[0]) * unit, lane.usual[1] * unit
        height = max(high - low, 1.5)
        shapes.append(Shape("usual", LEFT, round(top + LANE - low - height, 2), WIDTH - LEFT - RIGHT, round(height, 2)))
    for hour, volume in lane.hours:
        if volume:
            height = max(round(volume * unit, 2), 1.0)
            words = f"{lane.title} {_when(hour)}: {volume:.1f}"
            shapes.append(Shape("bar", at(hour), round(top + LANE - height, 2), round(scale * 0.9, 2), height,
                                lane.source, words))  # fmt: skip
    return shapes


def _lane_labels(lane: Lane, top: float) -> list[Label]:
    volumes = [volume for _, volume in lane.hours if volume is not None]
    note = "not watched" if not volumes else f"top {max(volumes):.1f}/h" if max(volumes) > 0 else "quiet"
    labels = [Label(0.0, top + LANE / 2 - 2, lane.title, strong=True), Label(0.0, top + LANE / 2 + 12, note)]
    return [*labels, Label(WIDTH, top + LANE / 2 + 4, lane.beside, "end", strong=True)] if lane.beside else labels


def _gaps(hours: Sequence[tuple[datetime, float | None]]) -> list[tuple[datetime, int]]:
    """Runs of hours nobody looked: where each begins and how many hours it has."""
    runs: list[tuple[datetime, int]] = []
    for hour, volume in hours:
        if volume is not None:
            continue
        if runs and runs[-1][0] + runs[-1][1] * HOUR == hour:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((hour, 1))
    return runs


def _days(first: datetime, end: datetime, at: Callable[[datetime], float], bottom: float) -> list[Label]:
    day = first.replace(hour=0) + timedelta(days=1)
    labels = []
    while day < end - 6 * HOUR:
        labels.append(Label(at(day), bottom + 15, f"{day:%a} {day.day} {day:%b}", "start"))
        day += timedelta(days=1)
    return labels


def _when(instant: datetime) -> str:
    return f"{instant.day} {instant:%b %H:%M} UTC"
