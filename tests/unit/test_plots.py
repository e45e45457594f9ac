"""The map: a view's cells as a region, and the figure every page gets a copy of."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from bokeh.document import Document
from bokeh.models import HoverTool, Model

from heatmap_app.figure import COLUMNS, LiveHeatMap, copied
from heatmap_app.pages.cells import GAP, cells
from heatmap_app.pages.reader import Filters
from heatmap_app.pages.words import Times
from heatmap_app.plots import COLOURS, SCALES, Colour, legend_gradient
from heatmap_app.themes import INKS
from pipelines.view import HeatView
from tests.browser.sample_reader import SampleReader
from tests.unit.markup import head_of, rows_of


def board(step: int = 0) -> HeatView:
    reader = SampleReader()
    reader.step = step
    return reader.heat(Filters())


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_a_row_for_each_name_and_a_number_for_each_hour() -> None:
    view = board()
    markup = cells(view, Times())
    assert [row["data-key"] for row in rows_of(markup)] == [item.entity.slug for item in view.items]
    assert head_of(markup)["data-hours"].split() == [hour.isoformat() for hour in view.hours]
    for row, item in zip(rows_of(markup), view.items, strict=True):
        heats, velocities = row["data-heat"].split(), row["data-velocity"].split()
        assert len(heats) == len(velocities) == len(view.hours)
        for heat, velocity, point in zip(heats, velocities, item.history, strict=True):
            assert (heat == GAP) == (point.heat is None)
            if point.heat is not None and point.velocity_z is not None:
                assert abs(int(heat) / 100 - point.heat) <= 0.005
                assert 0 <= point.velocity_z - int(velocity) / 100 < 0.01


def test_spread_is_a_count_of_platforms() -> None:
    found = {part for row in rows_of(cells(board(), Times())) for part in row["data-spread"].split()}
    assert found == {"0", "1", "2", "3", GAP}


@pytest.mark.parametrize("colour", COLOURS)
def test_the_figure_has_the_scale_of_its_colour_and_no_cells(colour: Colour) -> None:
    models, scale = LiveHeatMap("dark", colour).models, SCALES[colour]
    assert (models["color_mapper"].low, models["color_mapper"].high) == (scale.low, scale.high)
    assert tuple(models["color_mapper"].palette) == scale.palette
    assert models["cds"].data == {name: [] for name in COLUMNS}
    glyph = models["glyph"]
    assert (glyph.x.field, glyph.y.field) == ("hour", "row")
    assert glyph.fill_color.field == "zvalues"
    assert glyph.fill_color.transform is models["color_mapper"]


def test_hatched_cells_are_a_glyph_of_their_own() -> None:
    live = LiveHeatMap()
    figure, models = live.pane.object, live.models
    assert models["glyph"].hatch_pattern is None
    # told cell by cell, Bokeh would make a canvas for every cell at every paint: a second of work in the browser
    assert models["gaps"].hatch_pattern.value == "/"
    over = next(one for one in figure.renderers if one.glyph is models["gaps"])
    assert (over.view.filter.column_name, over.view.filter.group) == ("hatch", "/")
    assert over.data_source is models["cds"]
    assert all(over not in hover.renderers for hover in figure.select(HoverTool))


def test_what_the_browser_draws_is_not_told_back() -> None:
    assert not any(model.syncable for name, model in LiveHeatMap().models.items())


def test_every_page_has_models_of_its_own() -> None:
    first, second = copied(), copied()
    ids = [{model.id for model in figure.select({"type": Model})} for figure in (first, second)]
    assert len(ids[0]) == len(ids[1]) > 10
    assert not ids[0] & ids[1]
    for figure in (first, second):
        Document().add_root(figure)  # raises where a model belongs to two


def test_a_change_of_colour_or_shade_changes_the_same_models() -> None:
    live = LiveHeatMap()
    before = dict(live.models)
    live.colour_by("velocity")
    live.paint("light")
    assert live.models == before
    assert before["color_mapper"].low == SCALES["velocity"].low
    assert before["gaps"].hatch_color == INKS["light"].hatch


def test_an_empty_board_has_no_cells() -> None:
    empty = cells(replace(board(), items=(), hours=()), Times())
    assert rows_of(empty) == []
    assert head_of(empty)["data-hours"] == ""


@pytest.mark.parametrize("colour", COLOURS)
def test_scales_run_from_dark_to_bright_without_turning(colour: Colour) -> None:
    light = [luminance(step) for step in legend_gradient(SCALES[colour], 32)]
    assert all(low < high for low, high in pairwise(light))


def test_domains_of_the_scales_are_fixed() -> None:
    spans = {colour: (SCALES[colour].low, SCALES[colour].high) for colour in COLOURS}
    assert spans == {"heat": (0, 2.5), "velocity": (-1, 4), "spread": (-0.5, 3.5), "affect": (0, 1)}
    assert SCALES["velocity"].mark == 2.5
    assert len(SCALES["spread"].palette) == 4
