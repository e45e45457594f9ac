"""One name's timeline: how fast it moves against the gate, and for each platform why (SCORING 2).

A platform's line is its volume in the 12 h up to each hour, the number the score compares; the band is what was usual, the
mean of its baseline windows with one deviation to either side. Under the line stand the hours themselves. Pure: values in,
HTML out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from heatmap_app.escape import Html, join, tag
from heatmap_app.pages.svg_lines import HOUR, axis, gaps, level, path, percent, plot, runs, steps, stretched, table
from heatmap_app.pages.words import Times, plain, platform, signed
from pipelines.model import PLATFORMS
from pipelines.settings import Settings
from pipelines.view import EntityView, PlatformScore, TimelinePoint

SPEED_PX, LINE_PX, BARS_PX, LANE_PX, TRADES_PX, AXIS_PX = 66, 40, 12, 62, 22, 18
SPEEDS = (-1.0, 4.2)
"""The velocities there is room for; the score itself goes from -4 to 4."""
WATCHED_SHARE = 0.5
"""Of a window's hours, as for a baseline window: below it the 12 h say nothing."""


@dataclass(frozen=True, slots=True)
class Lane:
    """One source over the shown hours: each hour's volume (None: nobody looked) and mentions, and the volume of the
    ``window`` hours that end with it (None: too few of them watched)."""

    source: str
    volumes: tuple[float | None, ...]
    mentions: tuple[int, ...]
    sums: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Span:
    """The shown hours, oldest first, with the score at the end of each: velocity and HEAT (None: not scored)."""

    hours: tuple[datetime, ...]
    velocity: tuple[float | None, ...]
    heat: tuple[float | None, ...]
    lanes: tuple[Lane, ...]


def span_of(view: EntityView, shown: int, window: int = 12) -> Span:
    """The last ``shown`` hours of ``view``; ``window`` as the score's."""
    ends = [point.hour for point in view.timeline] + [point.hour for point in view.history]
    if not ends:
        return Span((), (), (), ())
    last = max(ends)
    hours = tuple(last - HOUR * back for back in range(shown - 1, -1, -1))
    scores = {point.hour: point for point in view.history}
    found = [scores.get(hour) for hour in hours]
    velocity = [point.velocity_z if point else None for point in found]
    heat = [point.heat if point else None for point in found]
    if view.item is not None and view.scored_at is not None:  # the running hour as the poll shown scored it
        place = next((at for at, hour in enumerate(hours) if hour <= view.scored_at < hour + HOUR), None)
        if place is not None:
            velocity[place], heat[place] = view.item.velocity_z, view.item.heat
    known: dict[str, dict[datetime, TimelinePoint]] = {}
    for point in view.timeline:
        known.setdefault(point.source, {})[point.hour] = point
    lanes = tuple(_lane(source, known.get(source, {}), hours, window, view) for source in (*PLATFORMS, "trades"))
    return Span(hours, tuple(velocity), tuple(heat), lanes)


def _lane(
    source: str, points: Mapping[datetime, TimelinePoint], hours: Sequence[datetime], window: int, view: EntityView
) -> Lane:
    volumes = {hour: point.volume for hour, point in points.items()}
    sums = [_sum([volumes.get(hour - HOUR * back) for back in range(window)]) for hour in hours]
    score = view.item.platforms.get(source) if view.item else None
    if score is not None and sums and sums[-1] is not None:
        sums[-1] = score.x  # to the minute, as scored
    return Lane(
        source,
        tuple(volumes.get(hour) for hour in hours),
        tuple(points[hour].mentions if hour in points else 0 for hour in hours),
        tuple(sums),
    )


def _sum(window: Sequence[float | None]) -> float | None:
    """The volume of a window, as the score takes the current one; None where less than half of it was watched."""
    watched = [value for value in window if value is not None]
    return sum(watched) if len(watched) >= WATCHED_SHARE * len(window) else None


def timeline(view: EntityView, shown: int, settings: Settings, times: Times, *, live: bool = True) -> Html:
    """The figure with its labels, its key and the same in figures. ``live``: its end is the present."""
    window, span = settings.velocity.window_hours, span_of(view, shown, settings.velocity.window_hours)
    if not span.hours:
        return tag("p", "Nothing was scored or said yet, so there is no timeline.", class_="quiet")
    scores = view.item.platforms if view.item else {}
    alerts = [alert["at"] for alert in view.alerts if alert["at"] >= span.hours[0]]
    drawing, height = _drawing(span, scores, settings, alerts, times, end="now" if live else "then")
    label = f"{view.entity.name}: velocity and the volume on each platform, last {_span_words(shown)}."
    key = (
        tag("span", tag("i", class_="k-usual"), f" usual (μ ± s of {window} h windows)"),
        tag("span", tag("i", class_="swatch-none"), " nobody looked"),
        tag("span", tag("i", class_="k-alert"), " alert") if alerts else None,
    )
    return join(
        tag("div", tag("h3", f"Last {_span_words(shown)}"), class_="timeline-head", data_key="head"),
        tag("div", _labels(span, scores, view), plot(drawing, height, label, len(span.hours)), class_="lanes-plot",
            data_key="plot"),
        tag("p", key, class_="key", data_key="key"),
        _figures(span, alerts, window, times),
    )  # fmt: skip


def _drawing(
    span: Span,
    scores: Mapping[str, PlatformScore],
    settings: Settings,
    alerts: Sequence[datetime],
    times: Times,
    *,
    end: str,
) -> tuple[list[Html | None], float]:
    """The figure's parts from the back to the front, and its height in px."""
    count, window = len(span.hours), settings.velocity.window_hours
    height = SPEED_PX + LANE_PX * len(PLATFORMS) + TRADES_PX + AXIS_PX
    now_from = percent(max(0, count - window), count)
    body: list[Html | None] = [
        tag(
            "rect",
            x=now_from,
            y="0",
            width=percent(min(window, count), count),
            height=f"{height - AXIS_PX:g}",
            class_="current",
        ),
        *axis(span.hours, height - AXIS_PX, times),
        tag("text", end if count else "", x="100%", y=f"{height - 5:g}", class_="tick", text_anchor="end"),
        *_speed(span, settings.gates.min_velocity, alerts),
    ]
    top = float(SPEED_PX)
    for lane in span.lanes:
        body += _trades(lane, top) if lane.source == "trades" else _platform(lane, scores.get(lane.source), top)
        top += LANE_PX
    return body, height


def _speed(span: Span, gate: float, alerts: Sequence[datetime]) -> list[Html | None]:
    """The sigma line, filled where it stands over the gate; alerts as points on it."""
    count, height, (low, high) = len(span.hours), SPEED_PX - 8, SPEEDS
    at_gate, at_zero = level(gate, low, high, height), level(0, low, high, height)
    over = "".join(
        f"M{first} {at_gate:.2f}"
        + "".join(f"L{place + 1} {level(max(span.velocity[place] or 0, gate), low, high, height):.2f}"
                  for place in range(first, first + length)) + f"V{at_gate:.2f}Z"
        for first, length in runs([value is not None and value >= gate for value in span.velocity])
    )  # fmt: skip
    points = [
        tag(
            "circle",
            tag("title", "alert"),
            cx=_across(at, span),
            cy=f"{_height(at, span, height):.1f}",
            r="4.5",
            class_="alert",
        )
        for at in alerts
    ]
    unscored = [value is None for value in span.velocity]
    return [
        *gaps(runs(unscored), count, 0, height),
        tag("line", x1="0", x2="100%", y1=f"{at_zero:.1f}", y2=f"{at_zero:.1f}", class_="zero"),
        tag("line", x1="0", x2="100%", y1=f"{at_gate:.1f}", y2=f"{at_gate:.1f}", class_="gate-line"),
        tag("text", f"gate {gate:g}σ", x="2", y=f"{at_gate - 4:.1f}", class_="tick gate-word"),
        stretched(
            count, 0, height, tag("path", d=over, class_="over"), path(steps(span.velocity, low, high, height), "speed")
        ),
        *points,
    ]


def _platform(lane: Lane, score: PlatformScore | None, top: float) -> list[Html | None]:
    count, highest = len(lane.volumes), _top(lane, score)
    band: list[Html | None] = []
    if score is not None and score.windows and not score.warming_up:
        upper = level(score.mu + score.s, 0, highest, LINE_PX)
        lower = level(max(0.0, score.mu - score.s), 0, highest, LINE_PX)
        middle = top + level(score.mu, 0, highest, LINE_PX)
        band = [
            tag(
                "rect",
                x="0",
                y=f"{top + upper:.1f}",
                width="100%",
                height=f"{max(lower - upper, 1.5):.1f}",
                class_="usual",
            ),
            tag("line", x1="0", x2="100%", y1=f"{middle:.1f}", y2=f"{middle:.1f}", class_="mean"),
        ]
    ground = top + LINE_PX
    return [
        *gaps(runs([volume is None for volume in lane.volumes]), count, top, LINE_PX + BARS_PX + 2),
        *band,
        tag("line", x1="0", x2="100%", y1=f"{ground:g}", y2=f"{ground:g}", class_="zero"),
        stretched(count, top, LINE_PX, path(steps(lane.sums, 0, highest, LINE_PX), f"volume {lane.source}")),
        *_bars(lane, ground + 2, BARS_PX),
    ]


def _trades(lane: Lane, top: float) -> list[Html | None]:
    missing = runs([volume is None for volume in lane.volumes])
    return [*gaps(missing, len(lane.volumes), top, BARS_PX + 2), *_bars(lane, top, BARS_PX)]


def _bars(lane: Lane, top: float, height: float) -> list[Html]:
    """The hours' own volumes, hanging from the line's ground."""
    count, highest = len(lane.volumes), max((volume or 0.0 for volume in lane.volumes), default=0.0) or 1.0
    return [
        tag("rect", x=percent(place + 0.08, count), y=f"{top:.1f}", width=percent(0.84, count),
            height=f"{max(1.5, height * volume / highest):.1f}", class_=f"bar {lane.source}")
        for place, volume in enumerate(lane.volumes) if volume
    ]  # fmt: skip


def _labels(span: Span, scores: Mapping[str, PlatformScore], view: EntityView) -> Html:
    """What stands left of each lane: its number now, and what is usual."""
    now = view.item.velocity_z if view.item else None
    rows = [
        tag(
            "div",
            tag("b", "Velocity"),
            tag("small", f"{signed(now)}σ" if now is not None else "not scored"),
            class_="speed-label",
        )
    ]
    for lane in span.lanes:
        score = scores.get(lane.source)
        rows.append(
            tag("div", tag("b", platform(lane.source)), [tag("small", text) for text in _lane_words(lane, score)])
        )
    return tag("div", rows, class_="lane-labels")


def _lane_words(lane: Lane, score: PlatformScore | None) -> list[str]:
    if all(volume is None for volume in lane.volumes):
        return ["not watched"]
    if lane.source == "trades":
        stories = sum(lane.mentions)
        return [f"{stories} {'story' if stories == 1 else 'stories'}"]
    if score is None:  # muted, or said too little of to be scored
        total = lane.sums[-1]
        return [f"{plain(total, 1)} in 12 h" if total else "quiet"]
    usual = (
        "warming up" if score.warming_up or not score.windows else f"usual {plain(score.mu, 1)} ± {plain(score.s, 1)}"
    )
    return [f"{plain(score.x, 1)} in 12 h", usual]


def _figures(span: Span, alerts: Sequence[datetime], window: int, times: Times) -> Html:
    heads = ["Hour", "Velocity", "HEAT", *(platform(lane.source) for lane in span.lanes)]
    rows = []
    for place, hour in enumerate(span.hours):
        speed, heat = span.velocity[place], span.heat[place]
        alert = ", alert" if any(hour <= at < hour + HOUR for at in alerts) else ""
        cells = [f"{signed(speed)}σ{alert}" if speed is not None else "–", plain(heat) if heat is not None else "–"]
        rows.append([times.hour(hour), *cells, *(_cell(lane, place, window) for lane in span.lanes)])
    return table("Hour by hour, the newest first", heads, rows, "figures")


def _cell(lane: Lane, place: int, window: int) -> str:
    volume, mentions, total = lane.volumes[place], lane.mentions[place], lane.sums[place]
    if volume is None:
        return "nobody looked"
    said = f"{plain(volume, 1)} from {mentions} {'mention' if mentions == 1 else 'mentions'}" if mentions else "quiet"
    if lane.source == "trades":
        return said
    return f"{said}; {plain(total, 1)} in {window} h" if total is not None else said


def _top(lane: Lane, score: PlatformScore | None) -> float:
    """The volume that fills a lane's height."""
    usual = score.mu + score.s if score is not None and score.windows else 0.0
    return 1.06 * max(max((value or 0.0 for value in lane.sums), default=0.0), usual, 1e-9)


def _across(at: datetime, span: Span) -> str:
    return percent((at - span.hours[0]) / HOUR, len(span.hours))


def _height(at: datetime, span: Span, height: float) -> float:
    """Where the sigma line stands at an instant."""
    place = min(max(int((at - span.hours[0]) / HOUR), 0), len(span.hours) - 1)
    speed = span.velocity[place]
    return level(speed if speed is not None else 0.0, *SPEEDS, height)


def _span_words(hours: int) -> str:
    return f"{hours} h" if timedelta(hours=hours) < timedelta(days=3) else f"{hours // 24} days"
