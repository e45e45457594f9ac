"""Views to columns, and columns into the models HoloViews made."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from itertools import pairwise

import numpy as np
import pytest
from bokeh.models import HoverTool, Plot

from heatmap_app.pages.reader import Filters
from heatmap_app.pages.words import Times
from heatmap_app.plots import COLOURS, SCALES, Colour, LiveHeatMap, cells, legend_gradient, map_columns, row_factors
from pipelines.view import HeatView
from tests.browser.sample_reader import SampleReader


def board(step: int = 0) -> HeatView:
    reader = SampleReader()
    reader.step = step
    return reader.heat(Filters())


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def drawn(view: HeatView, colour: Colour = "heat") -> LiveHeatMap:
    live = LiveHeatMap(Times(), lambda _slug, _hour: None)
    live.show(view, colour)
    live.pane.get_root()
    return live


def test_a_cell_for_each_row_and_hour_hour_by_hour() -> None:
    view = board()
    frame = cells(view)
    assert frame.height == len(view.items) * len(view.hours)
    assert frame["row"].to_list()[:20] == [item.entity.slug for item in view.items]
    assert frame["hour"][0] == view.hours[0]
    assert frame["hour"][-1] == view.hours[-1]


def test_spread_is_a_count_of_platforms() -> None:
    assert set(cells(board())["spread"].drop_nulls().unique()) == {0.0, 1.0, 2.0, 3.0}


def test_an_hour_nobody_looked_is_hatched_and_says_so() -> None:
    columns = map_columns(cells(board()), "heat", Times().hour)
    missing = [at for at, hatch in enumerate(columns["hatch"]) if hatch == "/"]
    assert missing
    assert all(np.isnan(columns["zvalues"][at]) and columns["heat"][at] == "–" for at in missing)
    assert all("no data" in columns["note"][at] for at in missing)
    quiet = next(at for at, hatch in enumerate(columns["hatch"]) if hatch == " ")
    assert columns["note"][quiet] == ""


@pytest.mark.parametrize("colour", COLOURS)
def test_the_figure_holds_the_view_in_rank_order(colour: Colour) -> None:
    view = board()
    live = drawn(view, colour)
    handles, scale = live._handles, SCALES[colour]
    assert handles["y_range"].factors[::-1] == row_factors(view)
    assert handles["x_range"].factors == [hour.isoformat() for hour in view.hours]
    assert (handles["color_mapper"].low, handles["color_mapper"].high) == (scale.low, scale.high)
    assert handles["glyph"].x == "hour"
    assert handles["glyph"].y == "row"
    assert handles["glyph"].fill_color["field"] == "zvalues"
    assert handles["glyph"].hatch_pattern is None
    # told cell by cell, Bokeh would make a canvas for every cell at every paint: a second of work in the browser
    assert handles["gaps"].hatch_pattern == "/"
    over = next(one for one in handles["plot"].renderers if one.glyph is handles["gaps"])
    assert (over.view.filter.column_name, over.view.filter.group) == ("hatch", "/")
    assert over.data_source is handles["cds"]
    assert all(over not in hover.renderers for hover in handles["plot"].select(HoverTool))


def test_a_new_view_changes_the_same_models() -> None:
    live = drawn(board())
    before = {key: live._handles[key] for key in ("plot", "cds", "glyph", "x_range", "y_range", "color_mapper")}
    figure: Plot = before["plot"]
    renderers = list(figure.renderers)
    later = board(3)
    live.show(later, "velocity")
    assert {key: live._handles[key] for key in before} == before
    assert figure.renderers == renderers
    assert before["y_range"].factors[::-1] == row_factors(later)
    assert before["cds"].data["row"][:20] == [item.entity.slug for item in later.items]


def test_a_short_board_keeps_its_row_height() -> None:
    view = board()
    short = replace(view, items=view.items[:3])
    live = drawn(short)
    factors = live._handles["y_range"].factors
    assert len(factors) == len(set(factors)) == 20
    assert factors[::-1][:3] == [item.entity.slug for item in short.items]
    assert set(live._handles["cds"].data["row"]) == set(factors[::-1][:3])


def test_an_empty_board_draws_nothing() -> None:
    live = drawn(replace(board(), items=(), hours=()))
    assert len(live._handles["cds"].data["row"]) == 0
    live.show(board(), "heat")
    assert len(live._handles["cds"].data["row"]) == 480


def test_a_tap_names_the_row_and_the_hour_and_a_blank_row_nothing() -> None:
    taps: list[tuple[str, datetime]] = []
    view = board()
    live = LiveHeatMap(Times(), lambda slug, hour: taps.append((slug, hour)))
    live.show(replace(view, items=view.items[:3]), "heat")
    live._tapped(x=view.hours[4].isoformat(), y=view.items[1].entity.slug)
    live._tapped(x=view.hours[4].isoformat(), y=" 7")
    live._tapped(x=None, y=None)
    assert taps == [(view.items[1].entity.slug, view.hours[4])]


@pytest.mark.parametrize("colour", COLOURS)
def test_scales_run_from_dark_to_bright_without_turning(colour: Colour) -> None:
    light = [luminance(step) for step in legend_gradient(SCALES[colour], 32)]
    assert all(low < high for low, high in pairwise(light))


def test_domains_of_the_scales_are_fixed() -> None:
    spans = {colour: (SCALES[colour].low, SCALES[colour].high) for colour in COLOURS}
    assert spans == {"heat": (0, 2.5), "velocity": (-1, 4), "spread": (-0.5, 3.5), "affect": (0, 1)}
    assert SCALES["velocity"].mark == 2.5
    assert len(SCALES["spread"].palette) == 4
