"""Up to four names on one timeline, by whatever the map is coloured by. The names stand in the address; pure but for events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from heatmap_app.escape import Html, join, tag
from heatmap_app.pages.site import Handler, Page
from heatmap_app.pages.state import COMPARED, ViewState, change
from heatmap_app.pages.svg_lines import axis, gaps, level, path, plot, runs, steps, stretched, table
from heatmap_app.pages.words import Times, plain, shortened, signed
from heatmap_app.plots import Colour
from pipelines.view import HistoryPoint, NameLine

HEIGHT, AXIS_PX = 150, 18
LABEL_PX, LABEL_LETTERS = 15, 22
WORDS: Mapping[Colour, str] = {"heat": "HEAT", "velocity": "Velocity", "spread": "Platforms", "affect": "Affect"}
FLOORS: Mapping[Colour, tuple[float, float]] = {
    "heat": (0.0, 1.0), "velocity": (-1.0, 3.0), "spread": (0.0, 3.0), "affect": (0.0, 1.0),
}  # fmt: skip
"""The range each scale shows at least."""


def comparing(lines: Sequence[NameLine], state: ViewState, gate: float, times: Times) -> Html:
    """The block above the panel; empty where nothing is compared."""
    if not state.compare:
        return Html()
    head = tag(
        "header",
        tag("h2", "Compare"),
        tag("p", f"{WORDS[state.colour]} per hour, last {state.window} h. The map's colour chooses the measure."),
        tag("button", "✕", type="button", class_="close", data_act="compare-none", aria_label="Stop comparing",
            title="Stop comparing"),
        data_key="head",
    )  # fmt: skip
    chips = [_chip(slug, place, lines) for place, slug in enumerate(state.compare)]
    room = COMPARED - len(state.compare)
    more = (
        f"Room for {room} more: “Compare” in a name's panel, or + beside a name you find."
        if room
        else "Four is the most: take one off to add another."
    )
    return tag(
        "section", head, tag("ul", chips, class_="compared", data_key="names"), tag("small", more, data_key="room"),
        _figure(lines, state, gate, times), class_="comparing", aria_label="Names compared",
    )  # fmt: skip


def add_button(slug: str, name: str, state: ViewState) -> Html:
    """``Compare`` or what it would take to."""
    if slug in state.compare:
        return _act("compare-off", "Compared ✓", slug, f"Take {name} off the comparison", pressed=True)
    full = len(state.compare) >= COMPARED
    return _act(
        "compare-on",
        "Compare",
        slug,
        "Four names at most: take one off first" if full else f"Compare {name} with others",
        off=full,
    )


def _act(act: str, words: str, slug: str, title: str, *, pressed: bool = False, off: bool = False) -> Html:
    return tag(
        "button", words, type="button", class_="do-one", data_act=act, data_slug=slug, title=title, disabled=off,
        aria_pressed="true" if pressed else None, data_key="compare",
    )  # fmt: skip


def _chip(slug: str, place: int, lines: Sequence[NameLine]) -> Html:
    known = {line.entity.slug: line.entity.name for line in lines}
    name = known.get(slug) or (lines[place].entity.name if len(lines) > place else slug)
    sample = tag(
        "svg",
        tag("line", x1="0", x2="26", y1="5", y2="5", class_=f"line n{place}"),
        width="26",
        height="10",
        aria_hidden="true",
    )
    off = tag(
        "button",
        "✕",
        type="button",
        data_act="compare-off",
        data_slug=slug,
        aria_label=f"Take {name} off the comparison",
    )
    opens = tag(
        "button", tag("bdi", name), type="button", class_="link", data_act="open", data_slug=slug, data_name=name
    )
    return tag("li", sample, opens, off, data_key=slug)


def _figure(lines: Sequence[NameLine], state: ViewState, gate: float, times: Times) -> Html:
    hours = [point.hour for point in lines[0].history] if lines else []
    if not hours:
        return tag(
            "p",
            "None of these names was scored in this window. Choose a longer one, or other names.",
            class_="quiet",
            data_key="figure",
        )
    values = [[_value(point, state.colour) for point in line.history] for line in lines]
    low, high = _range(values, state.colour)
    unscored = [all(row[place] is None for row in values) for place in range(len(hours))]
    body: list[Html | None] = [
        *gaps(runs(unscored), len(hours), 0, HEIGHT),
        *axis(hours, HEIGHT, times),
        *_rules(low, high, gate if state.colour == "velocity" else None),
        stretched(
            len(hours),
            0,
            HEIGHT,
            *(path(steps(row, low, high, HEIGHT), f"line n{place}") for place, row in enumerate(values)),
        ),
        *_ends(lines, values, low, high),
    ]
    label = f"{WORDS[state.colour]} of {', '.join(line.entity.name for line in lines)}, last {state.window} h."
    heads = ["Hour", *(line.entity.name for line in lines)]
    rows = [
        [times.hour(hour), *(_said(row[place], state.colour) for row in values)] for place, hour in enumerate(hours)
    ]
    return join(
        tag("div", plot(body, HEIGHT + AXIS_PX, label, len(hours)), data_key="figure"),
        table("Hour by hour, the newest first", heads, rows, "figures"),
    )


def _range(values: Sequence[Sequence[float | None]], colour: Colour) -> tuple[float, float]:
    """What the scale shows: its floor, and wherever the lines go beyond."""
    known = [value for row in values for value in row if value is not None]
    low, high = FLOORS[colour]
    low, high = min([low, *known]), max([high, *known])
    return low, high + 0.06 * (high - low)


def _rules(low: float, high: float, gate: float | None) -> list[Html]:
    marks = [(0.0, "zero", "0")] if low < 0 < high else []
    if gate is not None:
        marks.append((gate, "gate-line", f"gate {gate:g}σ"))
    drawn = []
    for value, looks, words in marks:
        y = f"{level(value, low, high, HEIGHT):.1f}"
        drawn.append(tag("line", x1="0", x2="100%", y1=y, y2=y, class_=looks))
        drawn.append(tag("text", words, x="2", y=f"{float(y) - 4:.1f}", class_="tick"))
    return drawn


def _ends(lines: Sequence[NameLine], values: Sequence[Sequence[float | None]], low: float, high: float) -> list[Html]:
    """Each name beside the end of its line, moved apart where they would touch."""
    wanted = []
    for place, row in enumerate(values):
        last = next((value for value in reversed(row) if value is not None), None)
        if last is not None:
            wanted.append((level(last, low, high, HEIGHT) - 4, place, last))
    found: list[tuple[float, int]] = []
    free = LABEL_PX - 3.0
    for y, place, _last in sorted(wanted):
        at = max(y, free)
        found.append((at, place))
        free = at + LABEL_PX
    over = max(0.0, (found[-1][0] if found else 0.0) - (HEIGHT - 3))
    return [
        tag("text", shortened(lines[place].entity.name, LABEL_LETTERS), x="100%", dx="-4", y=f"{max(at - over, 11.0):.1f}",
            text_anchor="end", class_=f"end n{place}")
        for at, place in found
    ]  # fmt: skip


def _value(point: HistoryPoint, colour: Colour) -> float | None:
    if colour == "spread":
        return None if point.spread is None else float(round(3 * point.spread))
    return {"heat": point.heat, "velocity": point.velocity_z, "affect": point.affect}[colour]


def _said(value: float | None, colour: Colour) -> str:
    if value is None:
        return "–"
    return f"{signed(value)}σ" if colour == "velocity" else f"{value:.0f} of 3" if colour == "spread" else plain(value)


def read(page_reader: Any, state: ViewState, at: datetime | None) -> Sequence[NameLine]:
    """The lines of the names compared, in their order."""
    found: Sequence[NameLine] = page_reader.lines(state.compare, state.window, at) if state.compare else ()
    return found


def _on(page: Page, value: Any) -> None:
    page.move(change(page.state, "compare", (*page.state.compare, value)))


def _off(page: Page, value: Any) -> None:
    page.move(change(page.state, "compare", tuple(slug for slug in page.state.compare if slug != value)))


def _none(page: Page, _value: Any) -> None:
    page.move(change(page.state, "compare", ()))


EVENTS: Mapping[str, Handler] = {"compare-on": _on, "compare-off": _off, "compare-none": _none}
