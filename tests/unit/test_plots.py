"""The map: a view's cells as a region, and the figure every page draws by itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from bokeh.document import Document

from heatmap_app.board import Board
from heatmap_app.figure import COLUMNS, figure
from heatmap_app.pages.cells import GAP, cells
from heatmap_app.pages.dashboard import Dashboard
from heatmap_app.pages.reader import Filters
from heatmap_app.pages.site import Site
from heatmap_app.pages.state import ViewState
from heatmap_app.pages.words import Times
from heatmap_app.plots import COLOURS, SCALES, Colour, legend_gradient, palette
from heatmap_app.themes import INKS, Shade
from pipelines.clock import ManualClock
from pipelines.settings import load_settings
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


def models(node: Any) -> Iterator[dict[str, Any]]:
    """Every model told with its attributes, however deep."""
    if isinstance(node, dict):
        if "attributes" in node:
            yield node
        node = list(node.values())
    for inner in node if isinstance(node, list) else ():
        yield from models(inner)


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(figure())
    return found


@pytest.fixture(scope="module")
def named(told: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {str(one["attributes"].get("name")): one["attributes"] for one in models(told["item"])}


def test_the_figure_has_no_cells_and_its_parts_are_named(named: dict[str, dict[str, Any]]) -> None:
    assert dict(named["heatmap-cds"]["data"]["entries"]) == {name: [] for name in COLUMNS}
    assert named["heatmap-x_range"]["factors"] == named["heatmap-y_range"]["factors"] == []
    glyph = named["heatmap-glyph"]
    assert (glyph["x"]["field"], glyph["y"]["field"]) == ("hour", "row")
    assert glyph["fill_color"]["field"] == "zvalues"
    assert glyph["fill_color"]["transform"]["attributes"]["name"] == "heatmap-color_mapper"


@pytest.mark.parametrize("shade", INKS)
@pytest.mark.parametrize("colour", COLOURS)
def test_the_page_is_told_the_scale_of_every_colour(colour: Colour, shade: Shade, told: dict[str, Any]) -> None:
    scale, said = SCALES[colour], told["scales"][colour]
    assert (said["low"], said["high"]) == (scale.low, scale.high)
    colours = told["palettes"][said[shade]]
    assert tuple(f"#{colours[at : at + 6]}" for at in range(0, len(colours), 6)) == palette(scale, shade)
    assert told["inks"][shade] == {
        "surface": INKS[shade].surface, "gap": INKS[shade].gap, "hatch": INKS[shade].hatch,
    }  # fmt: skip


def test_hatched_cells_are_a_glyph_of_their_own(told: dict[str, Any], named: dict[str, dict[str, Any]]) -> None:
    assert "hatch_pattern" not in named["heatmap-glyph"]
    # told cell by cell, Bokeh would make a canvas for every cell at every paint: a second of work in the browser
    assert named["heatmap-gaps"]["hatch_pattern"] == {"type": "value", "value": "/"}
    drawn = {one["id"]: one["attributes"] for one in models(told["item"]) if one["name"] == "GlyphRenderer"}
    number, over = next(each for each in drawn.items() if each[1]["glyph"]["attributes"]["name"] == "heatmap-gaps")
    assert over["view"]["attributes"]["filter"]["attributes"] == {"column_name": "hatch", "group": "/"}
    hover = next(one["attributes"] for one in models(told["item"]) if one["name"] == "HoverTool")
    assert [one["id"] for one in hover["renderers"]] == [other for other in drawn if other != number]


def test_the_figure_cannot_end_its_script_element(told: dict[str, Any]) -> None:
    assert "<" not in figure()
    assert "<style>" in json.dumps(told)  # the hover's own


def test_an_open_page_has_no_figure_in_its_session() -> None:
    reader, doc = SampleReader(), Document()
    site = Site(Board(reader), load_settings(mode="demo"), ManualClock(reader.now))
    page = Dashboard(site, doc, ViewState(), Times())
    page.paint_first()
    assert [root.name for root in doc.roots] == ["et-in"]
    assert "rows" in doc.template_variables["regions"]
    page.zone("UTC")
    assert not doc.template_variables, "its first HTML is out"


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
