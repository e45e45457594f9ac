"""The map's figure: HoloViews makes it once in a process, every page carries it as JSON and draws it by itself.

What the map shows comes from the page's region of cells, how it is coloured from the scales beside the figure: both are
put into it by ``assets/static/map.js``, before it is drawn for the first time and again whenever they change. So no figure
is in a session, an open page costs the server none, and the map is drawn without waiting for the page's socket.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import holoviews as hv
import numpy as np
from bokeh.document import Document
from bokeh.models import CDSView, CustomJS, GroupFilter, HoverTool, Model, Rect

from heatmap_app.plots import SCALES, palette
from heatmap_app.themes import INKS

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


@cache
def figure() -> str:
    """What the browser needs to draw the map, as JSON that may stand inside a script element: ``item`` is the figure as
    Bokeh embeds it, finished and empty; ``scales`` and ``inks`` are how it is coloured (:func:`colouring`)."""
    told = json.dumps({"item": _item(), **colouring()}, separators=(",", ":"))
    return told.replace("<", "\\u003c")


def colouring() -> dict[str, Any]:
    """``scales``: of each colour the ends and, by shade, the palette's place in ``palettes`` (colours without their ``#``,
    low to high, in one text); ``inks``: by shade the colours around the cells."""
    found: dict[tuple[str, ...], int] = {}
    scales = {
        colour: {
            "low": scale.low,
            "high": scale.high,
            **{shade: found.setdefault(palette(scale, shade), len(found)) for shade in INKS},
        }
        for colour, scale in SCALES.items()
    }
    inks = {shade: {"surface": ink.surface, "gap": ink.gap, "hatch": ink.hatch} for shade, ink in INKS.items()}
    return {"scales": scales, "inks": inks, "palettes": ["".join(colours).replace("#", "") for colours in found]}


def _item() -> dict[str, Any]:
    """The figure as ``Bokeh.embed.embed_item`` takes it: a document of its own, without the models of extensions that
    Bokeh would declare in it."""
    made, doc = _made(), Document()
    doc.add_root(made)
    told = {key: part for key, part in doc.to_json(deferred=False).items() if key != "defs"}
    return {"root_id": made.id, "doc": told}


def _made() -> Any:
    """The figure as HoloViews makes it, finished and empty."""
    plot = hv.renderer("bokeh").get_plot(_element(), doc=Document())
    figure, handles = plot.state, plot.handles
    _finish(figure, handles)
    return figure


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
    handles["color_mapper"].palette = []
    for name in ("x_range", "y_range"):
        handles[name].factors = []
    gaps = _hatching(figure, glyph, source)
    for each in (renderer, gaps):
        each.selection_glyph = each.nonselection_glyph = each.muted_glyph = None
    for hover in figure.select(HoverTool):
        hover.renderers = [renderer]
    for name, model in {**{name: handles[name] for name in _PARTS}, "gaps": gaps.glyph}.items():
        model.name = f"heatmap-{name}"
    figure.js_on_event("tap", CustomJS(code="window.ET.tapped(cb_obj.x, cb_obj.y)"))


def _hatching(figure: Any, glyph: Any, source: Model) -> Any:
    """The hatched cells once more, over the others: Bokeh makes a canvas for every cell of a glyph whose pattern is
    told cell by cell, blank ones too, and none for one pattern told for all."""
    over = Rect(
        x=glyph.x, y=glyph.y, width=glyph.width, height=glyph.height, dilate=glyph.dilate, fill_color=None,
        hatch_pattern="/", hatch_scale=9, hatch_weight=1, line_width=2,
    )  # fmt: skip
    return figure.add_glyph(source, over, view=CDSView(filter=GroupFilter(column_name="hatch", group="/")))
