"""A KPI over days as the coordinates of a small drawing; the template draws it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

WIDTH, HEIGHT = 340, 150
LEFT, RIGHT, TOP, BOTTOM = 38, 304, 16, 126
MOST_LEAD, LEAST_LEAD = 24.0, -12.0
"""A lead of three days must not press the target line to the floor; beyond these hours the band ends at the edge."""
APART = 0.1
"""So much of the height two labels need between them."""


@dataclass(frozen=True, slots=True)
class Point:
    """One day's figure: ``value`` with its band (``low`` to ``high``) from ``n`` cases, and its words."""

    day: date
    value: float
    low: float
    high: float
    words: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A day as drawn: the band as a rectangle, the value as a dot."""

    x: float
    y: float
    left: float
    width: float
    top: float
    height: float
    words: str


@dataclass(frozen=True, slots=True)
class Line:
    """A horizontal line with its label."""

    y: float
    label: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Everything the template draws. ``dot`` is the radius."""

    label: str
    marks: tuple[Mark, ...]
    ticks: tuple[Line, ...]
    targets: tuple[Line, ...]
    first: str
    last: str
    dot: float


def share_chart(
    label: str, points: Sequence[Point], days: int, last: date, target: float, target_words: str
) -> Chart:  # fmt: skip
    """Shares, 0 to 1."""
    ticks = ((0.0, "0%"), (0.5, "50%"), (1.0, "100%"))
    return _chart(label, points, days, last, (0.0, 1.0), ticks, ((target, target_words),))


def lead_chart(label: str, points: Sequence[Point], days: int, last: date, target: float, stretch: float) -> Chart:
    """Hours, with the target and the stretch target."""
    values = [value for point in points for value in (point.low, point.value, point.high)]
    top = min(MOST_LEAD, max([stretch * 1.25, *values]))
    floor = max(LEAST_LEAD, min([0.0, *values]))
    ticks = [(0.0, "0 h"), (top, f"{top:.0f} h")]
    if (0.0 - floor) > APART * (top - floor):
        ticks.append((floor, f"{floor:.0f} h".replace("-", "−")))
    targets = ((target, f"{target:g} h"), (stretch, f"{stretch:g} h"))
    return _chart(label, points, days, last, (floor, top), ticks, targets)


def _chart(
    label: str, points: Sequence[Point], days: int, last: date, domain: tuple[float, float],
    ticks: Sequence[tuple[float, str]], targets: Sequence[tuple[float, str]],
) -> Chart:  # fmt: skip
    y = _scale(*domain)
    step = (RIGHT - LEFT) / days
    first = last - timedelta(days=days - 1)
    return Chart(
        label, tuple(_mark(point, (point.day - first).days, step, y) for point in points),
        tuple(Line(y(value), name) for value, name in ticks), tuple(Line(y(value), name) for value, name in targets),
        f"{first:%b} {first.day}", f"{last:%b} {last.day}", 2.0 if days > 45 else 3.0,
    )  # fmt: skip


def _scale(low: float, high: float) -> Callable[[float], float]:
    def y(value: float) -> float:
        return round(BOTTOM - (min(high, max(low, value)) - low) / (high - low) * (BOTTOM - TOP), 2)

    return y


def _mark(point: Point, place: int, step: float, y: Callable[[float], float]) -> Mark:
    width = max(2.0, min(step * 0.7, 20.0))
    middle = LEFT + (place + 0.5) * step
    top, bottom = y(point.high), y(point.low)
    return Mark(
        round(middle, 2), y(point.value), round(middle - width / 2, 2), round(width, 2), top, round(max(1.0, bottom - top), 2),
        point.words,
    )  # fmt: skip
