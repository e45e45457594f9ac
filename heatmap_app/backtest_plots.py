"""The plots of a backtest's report, as SVG that stands in the page itself: no script, no external file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from heatmap_app.escape import Html, join, tag
from pipelines.backtest import BacktestAlert, BacktestResult

WIDE = 1080
LEFT, RIGHT = 44, 28
DAY = timedelta(days=1)
LEAD_EDGES = (-48, -24, -12, -6, -2, 0, 2, 6, 12, 24, 48, 72)
"""Hours between which leads are counted together; 0, 2 and 6 are the limits that mean something."""


def timeline(result: BacktestResult, gate: float, cap: float) -> Html:
    """Every alert by its time and its velocity; filled where the back-check held."""
    height, top, bottom = 220, 14, 28
    low = min([gate, *(alert.velocity_z for alert in result.alerts)]) - 0.15

    def y(value: float) -> float:
        return top + (cap - value) / (cap - low) * (height - top - bottom)

    def x(at: datetime) -> float:
        return LEFT + (at - result.start) / max(result.end - result.start, timedelta(seconds=1)) * (WIDE - LEFT - RIGHT)

    lines = [_level(y(value), f"+{value:g}σ") for value in _steps(low, cap)]
    marks = [
        tag(
            "circle",
            tag("title", f"{alert.entity}: +{alert.velocity_z:.2f}σ, {alert.at:%Y-%m-%d %H:%M} UTC, {alert.backcheck}"),
            cx=f"{x(alert.at):.1f}", cy=f"{y(alert.velocity_z):.1f}", r=5,
            class_=f"mark {'duplicate' if alert.duplicate else alert.backcheck}",
        )
        for alert in result.alerts
    ]  # fmt: skip
    days = [
        tag("text", f"{at:%d %b}", x=f"{x(at):.1f}", y=height - 8, class_="tick", text_anchor="middle")
        for at in _days(result.start, result.end)
    ]
    gate_line = tag("line", x1=LEFT, x2=WIDE - RIGHT, y1=f"{y(gate):.1f}", y2=f"{y(gate):.1f}", class_="gate")
    return _svg(height, join(lines, gate_line, days, marks), "Alerts by time and velocity")


def leads(result: BacktestResult) -> Html:
    """How many alerts had which lead over the trades."""
    values = [alert.lead_hours for alert in result.alerts if alert.lead_hours is not None]
    counts = [sum(low <= value < high for value in values) for low, high in _pairs(LEAD_EDGES)]
    counts[-1] += sum(value == LEAD_EDGES[-1] for value in values)
    height, top, bottom = 190, 20, 44
    step, most = (WIDE - LEFT - RIGHT) / len(counts), max([*counts, 1])
    bars = []
    for place, ((low, _), count) in enumerate(zip(_pairs(LEAD_EDGES), counts, strict=True)):
        tall = count / most * (height - top - bottom)
        x = LEFT + place * step
        kind = "behind" if low < 0 else "ahead" if low >= 2 else "close"
        bars.append(tag("rect", x=f"{x + 3:.1f}", y=f"{height - bottom - tall:.1f}", width=f"{step - 6:.1f}",
                        height=f"{max(tall, 0):.1f}", class_=f"bar {kind}"))  # fmt: skip
        if count:
            bars.append(tag("text", count, x=f"{x + step / 2:.1f}", y=f"{height - bottom - tall - 5:.1f}",
                            class_="value", text_anchor="middle"))  # fmt: skip
    edges = [
        tag("text", f"{edge:+d} h" if edge else "0", x=f"{LEFT + place * step:.1f}", y=height - bottom + 18,
            class_="tick", text_anchor="middle")
        for place, edge in enumerate(LEAD_EDGES)
    ]  # fmt: skip
    base = tag("line", x1=LEFT, x2=WIDE - RIGHT, y1=height - bottom, y2=height - bottom, class_="base")
    zero = LEFT + LEAD_EDGES.index(0) * step
    words = join(
        tag("text", "trades first", x=f"{zero - 8:.1f}", y=height - 6, class_="tick", text_anchor="end"),
        tag("text", "we first", x=f"{zero + 8:.1f}", y=height - 6, class_="tick"),
    )
    return _svg(height, join(base, bars, edges, words), "Lead over the trades, in hours")


def strip(alert: BacktestAlert, gate: float, cap: float) -> Html:
    """Velocity in the 48 h before an alert, an hour a bar; the gate as a line, hours nobody looked at as a gap."""
    width, height, middle = 292, 40, 30
    hours = alert.trail[-48:]
    step = width / 48
    bars = []
    for place, (at, velocity, spread) in enumerate(hours, start=48 - len(hours)):
        x = place * step
        told = f"{at:%d %b %H:%M}: "
        if velocity is None:
            bars.append(tag("rect", tag("title", f"{told}nobody looked"), x=f"{x:.2f}", y=middle - 1,
                            width=f"{step - 1:.2f}", height=2, class_="missing"))  # fmt: skip
            continue
        tall = max(abs(velocity) / cap * (middle if velocity >= 0 else height - middle), 0.6)
        kind = "hot" if velocity >= gate and (spread or 0) > 1 else "warm" if velocity >= gate else "cool"
        bars.append(tag("rect", tag("title", f"{told}{velocity:+.2f}σ, {spread or 0} platforms"), x=f"{x:.2f}",
                        y=f"{middle - tall if velocity >= 0 else middle:.2f}", width=f"{step - 1:.2f}",
                        height=f"{tall:.2f}", class_=f"hour {kind}"))  # fmt: skip
    level = middle - gate / cap * middle
    line = tag("line", x1=0, x2=width, y1=f"{level:.1f}", y2=f"{level:.1f}", class_="gate")
    return tag("svg", bars, line, viewbox=f"0 0 {width} {height}", width=width, height=height, role="img",
               aria_label=f"Velocity of {alert.entity} in the 48 hours before the alert")  # fmt: skip


def _svg(height: int, content: Html, label: str) -> Html:
    return tag("svg", content, viewbox=f"0 0 {WIDE} {height}", role="img", aria_label=label, class_="plot")


def _level(y: float, label: str) -> Html:
    return join(
        tag("line", x1=LEFT, x2=WIDE - RIGHT, y1=f"{y:.1f}", y2=f"{y:.1f}", class_="grid"),
        tag("text", label, x=LEFT - 6, y=f"{y + 4:.1f}", class_="tick", text_anchor="end"),
    )


def _steps(low: float, high: float) -> list[float]:
    first = math.ceil(low * 2) / 2
    return [first + 0.5 * n for n in range(round((high - first) * 2) + 1)]


def _days(start: datetime, end: datetime) -> list[datetime]:
    """Midnights, thinned to at most 16 labels."""
    first = start.replace(hour=0, minute=0, second=0, microsecond=0)
    every = max(1, math.ceil((end - first) / DAY / 16))
    days = [first + n * DAY for n in range(0, math.floor((end - first) / DAY) + 1, every)]
    return [day for day in days if day >= start]


def _pairs(edges: Sequence[int]) -> list[tuple[int, int]]:
    return list(pairwise(edges))
