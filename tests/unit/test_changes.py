"""A text told by the one before: whatever the two are, the page gets the new one, and small changes are told small."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heatmap_app.pages import board_view
from heatmap_app.pages.cells import cells
from heatmap_app.pages.changes import as_json, change, counted, put_together
from heatmap_app.pages.reader import Filters
from heatmap_app.pages.state import ViewState
from heatmap_app.pages.words import Times
from pipelines.view import HeatView
from tests.browser.sample_reader import SampleReader

PARTS = st.sampled_from(
    ['<li data-key="a">', '<li data-key="b">', "<b>", "</b>", "</ol>", '"', "12", "é", "🔥", "σ ", "<", ">"]
)
TEXTS = st.lists(PARTS, max_size=24).map("".join)


@given(TEXTS, TEXTS)
def test_the_new_text_comes_out_whatever_the_two_are(old: str, new: str) -> None:
    old, new = counted(old), counted(new)
    assert put_together(old, change(old, new)) == new


@given(TEXTS)
def test_characters_are_counted_as_the_browser_counts_them(text: str) -> None:
    made = counted(text)
    assert len(made.encode("utf-16-le")) == 2 * len(made)


def test_a_change_of_another_text_is_refused() -> None:
    said = change("<b>one</b><b>two</b>", "<b>one</b><b>three</b>")
    with pytest.raises(ValueError, match="another text"):
        put_together("<b>", said)


def board(step: int) -> HeatView:
    reader = SampleReader()
    reader.step = step
    return reader.heat(Filters())


def markup(view: HeatView) -> tuple[str, str]:
    return board_view.rows(view, ViewState(), Times()), cells(view, Times())


@pytest.mark.parametrize("step", [1, 2, 3])
def test_a_poll_that_moves_every_name_is_told_in_a_fraction(step: int) -> None:
    for old, new in zip(markup(board(step - 1)), markup(board(step)), strict=True):
        said = change(old, new)
        assert put_together(old, said) == new
    rows = as_json(markup(board(step - 1))[0], markup(board(step))[0])
    assert len(rows) < len(markup(board(step))[0]) / 3


def test_one_name_that_changes_costs_its_own_numbers() -> None:
    view = board(0)
    item = view.items[7]
    points = (*item.history[:-1], replace(item.history[-1], heat=1.23, velocity_z=2.34))
    changed = replace(item, heat=1.23, velocity_z=2.34, history=points)
    later = replace(view, items=(*view.items[:7], changed, *view.items[8:]))
    for old, new in zip(markup(view), markup(later), strict=True):
        assert put_together(old, change(old, new)) == new
        assert len(as_json(old, new)) < 250


def test_rows_that_only_change_places_are_not_sent() -> None:
    view = board(0)
    names = list(view.items)
    random.Random(4).shuffle(names)
    old, new = (cells(one, Times()) for one in (view, replace(view, items=tuple(names))))
    said = json.loads(as_json(old, new))
    assert not any(isinstance(part, str) and part for part in said)


def test_a_list_that_comes_between_leaves_what_follows_as_it_was() -> None:
    row, guide = '<li data-key="{}"><b>{}</b></li>', "<h3>How to read it</h3>" + "<p>words</p>" * 20
    old = f"<h3>Gates</h3><ul>{row.format('a', 1)}</ul>{guide}"
    new = f"<h3>Gates</h3><ul>{row.format('b', 2)}</ul><h3>New</h3><ul>{row.format('a', 1)}</ul>{guide}"
    assert put_together(old, change(old, new)) == new
    assert len(as_json(old, new)) < 160


def test_a_page_without_a_text_gets_the_whole() -> None:
    assert json.loads(as_json(None, "<b>σ 🔥</b>")) == "<b>σ &#128293;</b>"


def test_a_text_that_has_nothing_in_common_comes_whole() -> None:
    def make(seed: int) -> str:
        return "".join(random.Random(seed).choices("abcdefgh", k=400))

    assert json.loads(as_json(make(1), make(2))) == make(2)
