"""The action package as markup, and the timeline's geometry."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from heatmap_app.pages.package_view import package_section
from heatmap_app.pages.words import Times
from heatmap_app.web.chart import Lane, timeline_chart
from heatmap_app.web.markdown import escape
from heatmap_app.web.svg import svg
from pipelines.view import EntityRef, EntityView, Gates, HeatItem, TradesStatus
from tests.unit.package_kit import NAME, T, package, reddit, story

HOUR = timedelta(hours=1)
VIEW = EntityView(
    EntityRef(1, "odalys-brightwater", NAME, "person", "entertainment"), None, "demo", False, {}, (), None, ()
)


def stored(**more: Any) -> dict[str, Any]:
    made = package(story(*reddit(f"{NAME} joins the cast of Ember Season", f"{NAME} cast in Ember Season")))
    return {**made.to_dict(), "alert": 3, "at": T.isoformat(), "preview": False, "writer": None, **more}


def shown(held: dict[str, Any] | None) -> str:
    return package_section(replace(VIEW, package=held), Times(), T)


def test_every_text_can_be_copied_and_says_what_it_rests_on() -> None:
    held = stored()
    html = shown(held)
    assert html.count("data-copy=") == 11
    assert 'aria-label="Copy: Tease 2"' in html
    assert f"{len(held['push'])} characters" in html
    assert "Rests on 2 receipts" in html
    assert "unconfirmed" in html
    assert 'href="/research/odalys-brightwater"' in html


def test_a_preview_a_writer_and_a_failure_are_said() -> None:
    assert "nothing has alerted" in shown(stored(preview=True, alert=None))
    assert "The writer&#x27;s: push." in shown(stored(writer={"used": ["push"], "notes": []}))
    assert "No package: broken" in shown({"problem": "No package: broken", "preview": True})
    assert "nothing was said" in shown(None)


@pytest.mark.parametrize(("hours", "said"), [(2, True), (-2, False), (None, False)])
def test_a_trade_story_that_came_later_is_said(hours: int | None, said: bool) -> None:
    first = None if hours is None else T + hours * HOUR
    item = heat_item(first)
    html = package_section(replace(VIEW, package=stored(), item=item), Times(), T + 3 * HOUR)
    assert ("A trade story came after these texts" in html) is said


def heat_item(first: datetime | None) -> HeatItem:
    gates = Gates(velocity=True, spread=True, persistence=True)
    return HeatItem(
        1,
        VIEW.entity,
        1.0,
        1.0,
        3.0,
        0.6,
        2,
        0.4,
        0.8,
        {},
        {},
        T,
        0.0,
        True,
        True,
        gates,
        T,
        {},
        TradesStatus(first),
        (),
    )


def test_hostile_texts_stay_texts() -> None:
    evil = "<img src=x onerror=alert(1)>"
    held = stored(hook=evil, notes=[evil], receipts=[{**row, "title": evil, "link": "javascript:alert(1)"}
                                                     for row in stored()["receipts"]])  # fmt: skip
    html = shown(held)
    assert "<img" not in html
    assert "javascript:" not in html


def test_the_timeline_shows_gaps_bars_usual_and_marks() -> None:
    start = T.replace(hour=0) - timedelta(days=3)
    volumes = [None if 5 <= n < 9 else float(n % 7) for n in range(72)]
    hours = tuple((start + n * HOUR, volume) for n, volume in enumerate(volumes))
    lane = Lane("reddit", "Reddit", hours, (1.0, 2.0), "+3.1σ")
    chart = timeline_chart([lane], alerts=[start + 70 * HOUR], trades=[start - HOUR])
    assert chart is not None
    kinds = [shape.kind for shape in chart.shapes]
    assert (kinds.count("gap"), kinds.count("usual"), kinds.count("alert"), kinds.count("trade")) == (1, 1, 1, 0)
    assert kinds.count("bar") == sum(1 for volume in volumes if volume)
    assert all(shape.x >= 0 and shape.x + shape.width <= chart.width + 0.1 for shape in chart.shapes)
    assert all(shape.y >= 0 and shape.y + shape.height <= chart.height for shape in chart.shapes)
    drawn = svg(chart, "<b>what</b>")
    assert "<b>" not in drawn
    assert "nobody looked" in drawn
    assert timeline_chart([]) is None


def test_markdown_keeps_plain_words_plain() -> None:
    assert escape("the-fifth, at 14:08 (again)") == "the-fifth, at 14:08 (again)"
    assert escape("- not a list") == "\\- not a list"
    assert escape("1. not a list") == "1\\. not a list"
    assert escape("a\n# b") == "a \\# b"
