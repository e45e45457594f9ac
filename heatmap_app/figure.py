"""The map's figure: HoloViews makes it once in a process, every open page gets a copy of the Bokeh models it made.

Making it takes HoloViews 0.1 s and keeps a pipeline of plots and streams alive that nothing uses afterwards: what the map
shows comes from the page's region of cells and is put into the models by ``assets/static/map.js``. So a page that follows
costs the server no figure at all, and a page that is opened a copy of a few models. The copies do not tell the server what
the browser has put into them.
"""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

import holoviews as hv
import numpy as np
import panel as pn
from bokeh.core.serialization import Deserializer, Serializer
from bokeh.document import Document
from bokeh.models import CDSView, CustomJS, GroupFilter, HoverTool, Model, Rect
from bokeh.util.serialization import make_id

from heatmap_app.plots import SCALES, Colour, palette
from heatmap_app.themes import INKS, Shade

hv.extension("bokeh")

COLUMNS = ("hour", "best", "row", "zvalues", "hatch", "name", "when", "heat", "velocity", "spread", "affect", "note")
"""The flat columns of the map's data source: categories, the hour a tap opens, the value that colours, ``/`` in cells
nobody looked at, and the texts of the hover, where Bokeh sets them as text."""

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

_PARTS = ("cds", "x_range", "y_range", "color_mapper", "glyph")
"""HoloViews' handles that the page's script finds as ``heatmap-NAME``."""
_ID = re.compile(r'"(p\d+)"')


class LiveHeatMap:
    """One session's heatmap: ``pane`` to place, :meth:`paint` and :meth:`colour_by` to change its colours in place."""

    def __init__(self, shade: Shade = "dark", colour: Colour = "heat") -> None:
        self._shade, self._colour = shade, colour
        figure = copied()
        self.models = {name: _named(figure, name) for name in (*_PARTS, "gaps")}
        self._draw()
        self.pane = pn.pane.Bokeh(  # type: ignore[no-untyped-call]  # Panel types it half
            figure, sizing_mode="stretch_both", margin=0, min_height=0
        )

    def colour_by(self, colour: Colour) -> None:
        """Use the scale of ``colour`` from now on."""
        if colour != self._colour:
            self._colour = colour
            self._draw()

    def paint(self, shade: Shade) -> None:
        """Draw in the colours of ``shade`` from now on."""
        self._shade = shade
        self._draw()

    def _draw(self) -> None:
        scale, inks = SCALES[self._colour], INKS[self._shade]
        mapper, colours = self.models["color_mapper"], palette(scale, self._shade)
        if (mapper.low, mapper.high, tuple(mapper.palette)) != (scale.low, scale.high, colours):
            mapper.update(palette=list(colours), low=scale.low, high=scale.high)
        mapper.nan_color = inks.gap
        self.models["glyph"].line_color = inks.surface
        self.models["gaps"].update(line_color=inks.surface, hatch_color=inks.hatch)


def copied() -> Any:
    """A new figure, in no document yet: :func:`_made` with ids of its own."""
    made = _made()
    ids = {old: make_id() for old in dict.fromkeys(_ID.findall(made))}
    return Deserializer().deserialize(json.loads(_ID.sub(lambda found: f'"{ids[found[1]]}"', made)))


def _named(figure: Any, name: str) -> Any:
    return next(iter(figure.select({"name": f"heatmap-{name}"})))


@cache
def _made() -> str:
    """The figure as HoloViews makes it, finished and empty, as JSON."""
    plot = hv.renderer("bokeh").get_plot(_element(), doc=Document())
    figure, handles = plot.state, plot.handles
    _finish(figure, handles)
    return json.dumps(Serializer(deferred=False).serialize(figure).content)


def _element() -> Any:
    placeholder = hv.HeatMap((["-"], ["-"], np.array([[0.0]])), ["hour", "row"], ["value"])
    hover = HoverTool(tooltips=HOVER, point_policy="follow_mouse", attachment="above", show_arrow=False)
    return placeholder.opts(
        optimize_gridded=False, responsive=True, invert_yaxis=True, xaxis=None, yaxis=None, toolbar=None,
        default_tools=[], tools=[hover], show_frame=False, border=0, cmap=list(SCALES["heat"].palette),
        line_alpha=1, line_width=2,
    )  # fmt: skip


def _finish(figure: Any, handles: dict[str, Any]) -> None:
    """What HoloViews' options cannot say: names, nothing drawn yet, no marks of a selection, what a tap does."""
    figure.update(
        min_border=0, output_backend="canvas", outline_line_color=None, border_fill_alpha=0, background_fill_alpha=0,
        name="heat-figure",
    )  # fmt: skip
    source, glyph, renderer = handles["cds"], handles["glyph"], handles["glyph_renderer"]
    source.data = {name: [] for name in COLUMNS}
    for name in ("x_range", "y_range"):
        handles[name].factors = []
    gaps = _hatching(figure, glyph, source)
    for each in (renderer, gaps):
        each.selection_glyph = each.nonselection_glyph = each.muted_glyph = None
    for hover in figure.select(HoverTool):
        hover.renderers = [renderer]
    for name, model in {**{name: handles[name] for name in _PARTS}, "gaps": gaps.glyph}.items():
        model.update(name=f"heatmap-{name}", syncable=False)
    figure.js_on_event("tap", CustomJS(code="window.ET.tapped(cb_obj.x, cb_obj.y)"))


def _hatching(figure: Any, glyph: Any, source: Model) -> Any:
    """The hatched cells once more, over the others: Bokeh makes a canvas for every cell of a glyph whose pattern is
    told cell by cell, blank ones too, and none for one pattern told for all."""
    over = Rect(
        x=glyph.x, y=glyph.y, width=glyph.width, height=glyph.height, dilate=glyph.dilate, fill_color=None,
        hatch_pattern="/", hatch_scale=9, hatch_weight=1, line_width=2,
    )  # fmt: skip
    return figure.add_glyph(source, over, view=CDSView(filter=GroupFilter(column_name="hatch", group="/")))
