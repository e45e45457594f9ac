"""Frames to HoloViews: the one place where view data becomes a figure.

HoloViews builds each figure once; a new view then patches the Bokeh models it made: a tenth of the cost of a refresh,
and pixels survive a re-ranking, where HoloViews' gridded glyph goes blank. The models come from a plot hook.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args
from weakref import WeakMethod

import holoviews as hv
import numpy as np
import panel as pn
import polars as pl
from bokeh.models import CDSView, GroupFilter, HoverTool, Rect
from bokeh.palettes import Inferno256

from heatmap_app.columns import HOURLY_UP_TO, Column, columns
from heatmap_app.pages.words import Times
from heatmap_app.themes import INKS, Shade
from pipelines.model import UTC_TIME
from pipelines.view import HeatView

Colour = Literal["heat", "velocity", "spread", "affect"]
COLOURS: tuple[Colour, ...] = get_args(Colour)

hv.extension("bokeh")


def mixed(colour: str, other: str, share: float) -> str:
    """``colour`` with ``share`` of ``other`` in it (0 to 1), channel by channel."""
    pairs = ((int(colour[at : at + 2], 16), int(other[at : at + 2], 16)) for at in (1, 3, 5))
    return "#" + "".join(f"{round(one + (two - one) * share):02X}" for one, two in pairs)


ROWS = 20
"""A board of fewer names keeps their height."""
WIDE_COLUMNS = 30
"""Up to so many columns cells stand two pixels apart, else one."""

CELLS = pl.Schema(
    {
        "row": pl.String(),
        "name": pl.String(),
        "column": UTC_TIME,
        "hour": UTC_TIME,
        "watched": pl.Boolean(),
        "heat": pl.Float64(),
        "velocity": pl.Float64(),
        "spread": pl.Float64(),
        "affect": pl.Float64(),
    }
)
"""One row per cell; ``row`` is the entity's slug, ``column`` where the cell's column starts, ``hour`` the hour whose
numbers it carries (the hottest of its column), ``watched`` whether a platform was looked at in it (false where nobody
knows), ``spread`` a count of platforms, nulls where there is no score."""


@dataclass(frozen=True, slots=True)
class Scale:
    """A fixed colour scale: the same colour means the same number at 9 and at 17 o'clock."""

    label: str
    low: float
    high: float
    palette: tuple[str, ...]
    ticks: tuple[tuple[float, str], ...]
    mark: float | None = None
    """A value worth a line on the colour bar: the gate."""


# Inferno: perceptually uniform, lightness alone carries it for colour-blind readers. Its black end would drown here.
_RAMP = tuple(Inferno256[26:250])
_FADE, _PALEST = 80, 0.75
_LIGHT_RAMP = tuple(
    mixed(colour, "#FFFFFF", _PALEST * max(0.0, 1 - at / _FADE)) for at, colour in enumerate(reversed(_RAMP))
)
"""The same map for a light page: reversed, and its quiet end faded into the ground, where yellow would shout."""
_STEPS = tuple(_RAMP[at] for at in (0, 75, 140, 205))
_LIGHT_STEPS = tuple(_LIGHT_RAMP[at] for at in (0, 75, 140, 205))

SCALES: Mapping[Colour, Scale] = {
    "heat": Scale(
        "HEAT", 0.0, 2.5, _RAMP, ((0, "0"), (0.5, "0.5"), (1, "1.0"), (1.5, "1.5"), (2, "2.0"), (2.5, "2.5"))
    ),
    "velocity": Scale(
        "Velocity, σ", -1.0, 4.0, _RAMP, ((-1, "−1"), (0, "0"), (1, "+1"), (2.5, "+2.5"), (4, "+4")), mark=2.5
    ),
    "spread": Scale("Spread, platforms", -0.5, 3.5, _STEPS, ((0, "0"), (1, "1"), (2, "2"), (3, "3"))),
    "affect": Scale("Affect", 0.0, 1.0, _RAMP, ((0, "0"), (0.25, ".25"), (0.5, ".5"), (0.75, ".75"), (1, "1"))),
}


NOBODY = "no data: no source was watched in this hour"
NOT_SCORED = "no score: not known yet, or too little was said"


def cells(view: HeatView, shown: Sequence[Column] | None = None) -> pl.DataFrame:
    """The board as :data:`CELLS`: column by column (oldest first; one an hour where ``shown`` is not given), in each the
    rows in rank order."""
    shown = tuple(Column(hour, (hour,)) for hour in view.hours) if shown is None else shown
    history = [(item.entity, {point.hour: point for point in item.history}) for item in view.items]
    watched = set(view.watched or ())
    rows = []
    for column in shown:
        looked = not watched.isdisjoint(column.hours)
        for entity, points in history:
            known = [point for hour in column.hours if (point := points.get(hour)) and point.heat is not None]
            point = max(known, key=lambda point: point.heat or 0.0, default=None)
            values = (
                (None, None, None, None)
                if point is None
                else (point.heat, point.velocity_z, _platforms(point.spread), point.affect)
            )
            hour = point.hour if point else column.hours[-1]
            rows.append((entity.slug, entity.name, column.start, hour, looked, *values))
    return pl.DataFrame(rows, schema=CELLS, orient="row")


def map_columns(frame: pl.DataFrame, colour: Colour, hour_text: Callable[[datetime], str]) -> dict[str, Any]:
    """``frame`` (:data:`CELLS`) as the flat columns of the map's data source, coloured by ``colour``.

    Text columns are for the hover, where Bokeh sets them as text; ``best`` is the hour a tap opens; ``hatch`` marks the
    cells nobody looked at.
    """
    texts = {hour: hour_text(hour) for hour in frame["hour"].unique()}
    values = frame[colour].to_numpy().astype("float64")
    hours, gaps, looked = frame["hour"].to_list(), np.isnan(values), frame["watched"].to_list()
    return {
        "hour": [start.isoformat() for start in frame["column"]],
        "best": [hour.isoformat() for hour in hours],
        "row": frame["row"].to_list(),
        "zvalues": values,
        "hatch": ["/" if gap and not seen else " " for gap, seen in zip(gaps, looked, strict=True)],
        "name": frame["name"].to_list(),
        "when": [texts[hour] for hour in hours],
        "heat": [_number(value, "{:.2f}") for value in frame["heat"]],
        "velocity": [_number(value, "{:+.1f}σ") for value in frame["velocity"]],
        "spread": [_number(value, "{:.0f} of 3") for value in frame["spread"]],
        "affect": [_number(value, "{:.2f}") for value in frame["affect"]],
        "note": [(NOT_SCORED if seen else NOBODY) if gap else "" for gap, seen in zip(gaps, looked, strict=True)],
    }


def row_factors(view: HeatView) -> list[str]:
    """The map's row categories, top to bottom: slugs, then blanks, so that a short board keeps its row height."""
    slugs = [item.entity.slug for item in view.items]
    return slugs + [f" {place}" for place in range(len(slugs), ROWS)]


HOVER_CSS = """<style>
:host { --tooltip-color: var(--raised); --tooltip-border: var(--line-strong); --tooltip-text: var(--text);
  border-radius: 6px; opacity: 1; padding: 8px 10px; font: 13px/1.4 var(--sans); font-feature-settings: "tnum";
  max-width: 280px; }
strong, span, em { display: block; } strong { overflow-wrap: anywhere; } span, dt { color: var(--second); }
em { color: var(--warn); font-style: normal; } em:empty { display: none; }
dl { display: grid; grid-template-columns: auto auto; gap: 0 16px; margin: 6px 0 0; }
dd { margin: 0; text-align: right; }
.bk-tooltip-content > div:not(:first-child) { display: none; }
</style>"""
"""The hover lives in a shadow root of Bokeh's, so its looks travel with it."""

HOVER = (
    "<div>"
    + HOVER_CSS
    + """<strong>@name</strong><span>@when</span><em>@note</em><dl><dt>HEAT</dt><dd>@heat</dd><dt>Velocity</dt>
<dd>@velocity</dd><dt>Spread</dt><dd>@spread</dd><dt>Affect</dt><dd>@affect</dd></dl></div>"""
)
"""Fields without a format are set as text by Bokeh; a test holds names with markup against it."""


def weak_hook(method: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    """``method`` as a plot hook that does not keep its owner: HoloViews holds hooks in a global registry, by element,
    and the owner holds the element, so a plain method would keep every closed page for ever.
    """
    held = WeakMethod(method)

    def hook(plot: Any, element: Any) -> None:
        alive = held()
        if alive is not None:
            alive(plot, element)

    return hook


class LiveHeatMap:
    """One session's heatmap: ``pane`` to place, :meth:`show` to change in place, ``on_tap(slug, hour)`` when tapped."""

    def __init__(self, times: Times, on_tap: Callable[[str, datetime], None], shade: Shade = "dark") -> None:
        self.times, self._on_tap, self._shade = times, on_tap, shade
        self._handles: dict[str, Any] = {}
        self._factors: tuple[list[str], list[str]] = ([], [])
        self._drawn: tuple[object, ...] = ()
        self._columns: dict[str, Any] = {}
        self._colour: Colour = "heat"
        element = self._element()
        self._tap = hv.streams.Tap(source=element, x=None, y=None)
        self._tap.add_subscriber(self._tapped)
        self.pane = pn.pane.HoloViews(  # type: ignore[no-untyped-call]  # Panel types it half
            element, sizing_mode="stretch_both", margin=0, min_height=0, linked_axes=False
        )

    def show(self, view: HeatView, colour: Colour) -> None:
        """Draw ``view`` coloured by ``colour``; in the open page only data, categories and colour scale change, and
        nothing is sent where nothing changed."""
        drawn = (view.items, view.hours, colour, self.times)
        if drawn == self._drawn:
            return
        self._drawn, self._colour = drawn, colour
        shown = columns(view.hours, self.times)
        grouped = len(view.hours) > HOURLY_UP_TO
        text = (lambda hour: f"{self.times.hour(hour)}, hottest of its six hours") if grouped else self.times.hour
        self._columns = map_columns(cells(view, shown), colour, text)
        self._factors = ([column.start.isoformat() for column in shown], row_factors(view))
        if self._handles:
            self._patch()

    def paint(self, shade: Shade) -> None:
        """Draw in the colours of ``shade`` from now on."""
        self._shade = shade
        if self._handles:
            self._patch()

    def release(self) -> None:
        """Let go of the figure and the stream."""
        self._tap.clear()
        self._handles = {}

    def _element(self) -> Any:
        inks = INKS[self._shade]
        placeholder = hv.HeatMap((["-"], ["-"], np.array([[0.0]])), ["hour", "row"], ["value"])
        hover = HoverTool(tooltips=HOVER, point_policy="follow_mouse", attachment="above", show_arrow=False)
        return placeholder.opts(
            optimize_gridded=False, responsive=True, invert_yaxis=True, xaxis=None, yaxis=None, toolbar=None,
            default_tools=[], tools=[hover], show_frame=False, bgcolor=inks.surface, border=0, cmap=list(_RAMP),
            clipping_colors={"NaN": inks.gap}, line_color=inks.surface, line_alpha=1, line_width=2,
            hooks=[weak_hook(self._adopt)],
        )  # fmt: skip

    def _adopt(self, plot: Any, _element: Any) -> None:
        """Plot hook: keep the models HoloViews made, and finish what its options cannot say."""
        self._handles = plot.handles
        figure, glyph = plot.handles["plot"], plot.handles["glyph"]
        figure.update(
            min_border=0,
            output_backend="canvas",
            outline_line_color=None,
            border_fill_alpha=0,
            background_fill_alpha=0,
            name="heat-figure",
        )
        for name in ("cds", "x_range", "color_mapper"):
            plot.handles[name].name = f"heatmap-{name}"  # how the page's script finds them
        plot.handles["cds"].data = {key: list(value) for key, value in self._columns.items()}
        renderer = plot.handles["glyph_renderer"]
        gaps = self._hatching(figure, glyph, plot.handles["cds"])
        for each in (renderer, gaps):
            each.selection_glyph = each.nonselection_glyph = each.muted_glyph = None
        for hover in figure.select(HoverTool):
            hover.renderers = [renderer]
        self._handles["gaps"] = gaps.glyph
        self._patch()

    @staticmethod
    def _hatching(figure: Any, glyph: Any, source: Any) -> Any:
        """The hatched cells once more, over the others: Bokeh makes a canvas for every cell of a glyph whose pattern is
        told cell by cell, blank ones too, and none for one pattern told for all."""
        over = Rect(
            x=glyph.x, y=glyph.y, width=glyph.width, height=glyph.height, dilate=glyph.dilate, fill_color=None,
            hatch_pattern="/", hatch_scale=9, hatch_weight=1,
        )  # fmt: skip
        return figure.add_glyph(source, over, view=CDSView(filter=GroupFilter(column_name="hatch", group="/")))

    def _patch(self) -> None:
        scale, (hours, rows) = SCALES[self._colour], self._factors
        self._handles["x_range"].factors = hours
        self._handles["y_range"].factors = rows[::-1]  # Bokeh counts categories upwards
        self._handles["cds"].data = self._columns
        mapper, colours, inks = self._handles["color_mapper"], palette(scale, self._shade), INKS[self._shade]
        if (mapper.low, mapper.high, tuple(mapper.palette)) != (scale.low, scale.high, colours):
            mapper.update(palette=list(colours), low=scale.low, high=scale.high)
        mapper.nan_color = inks.gap
        wide = 2 if len(hours) <= WIDE_COLUMNS else 1
        self._handles["glyph"].update(line_color=inks.surface, line_width=wide)
        self._handles["gaps"].update(line_color=inks.surface, hatch_color=inks.hatch, line_width=wide)

    def _tapped(self, x: Any = None, y: Any = None) -> None:
        hours, rows = self._factors
        if x not in hours or y not in rows or str(y).startswith(" "):
            return
        known = zip(self._columns["row"], self._columns["hour"], self._columns["best"], strict=True)
        best = next((best for row, hour, best in known if row == y and hour == x), None)
        if best is not None:
            self._on_tap(str(y), datetime.fromisoformat(best))


def _platforms(spread: float | None) -> float | None:
    """A spread share as a count of platforms."""
    return None if spread is None else float(round(spread * 3))


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value).replace("-", "−")


def palette(scale: Scale, shade: Shade) -> tuple[str, ...]:
    """The colours from low to high: quiet is near the page's own ground, hot stands out, so light pages reverse it."""
    if shade == "dark":
        return scale.palette
    return _LIGHT_RAMP if scale.palette is _RAMP else _LIGHT_STEPS


def legend_gradient(scale: Scale, stops: int = 12, shade: Shade = "dark") -> Sequence[str]:
    """``stops`` colours from low to high, for a colour bar drawn by the page."""
    colours = palette(scale, shade)
    last = len(colours) - 1
    if last < stops:
        return colours
    return [colours[round(at * last / (stops - 1))] for at in range(stops)]
