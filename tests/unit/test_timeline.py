"""The timeline, the comparison and the graph: what is drawn is what was scored."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape
from itertools import pairwise

import pytest

from heatmap_app.pages import comparing, ego
from heatmap_app.pages.state import ViewState, from_query
from heatmap_app.pages.svg_lines import level, runs, steps
from heatmap_app.pages.words import Times
from heatmap_app.timeline import span_of, timeline
from pipelines.settings import load_settings
from pipelines.view import EntityRef, EntityView, HistoryPoint, NameLine, TimelinePoint
from tests.browser.sample_reader import SampleReader

SETTINGS = load_settings(mode="demo")
NOW = datetime(2026, 3, 14, 14, tzinfo=UTC)
HOUR = timedelta(hours=1)


def text(markup: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", markup)).split())


def view_of(volumes: list[float | None], source: str = "reddit") -> EntityView:
    """A name nobody scored, with one source's hourly volumes, the last hour being ``NOW``."""
    points = [
        TimelinePoint(NOW - HOUR * (len(volumes) - 1 - place), source, volume, 0 if volume is None else 1)
        for place, volume in enumerate(volumes)
    ]
    view = SampleReader().entity("n1")
    assert view is not None
    return replace(view, timeline=tuple(points), history=(), item=None, scored_at=None)


@pytest.mark.parametrize(
    ("volumes", "last"),
    [
        ([1.0] * 12, 12.0),
        ([9.0, *[1.0] * 12], 12.0),  # the 13th hour back is outside the window
        ([*[None] * 6, *[1.0] * 6], 6.0),  # half of it watched: as the score takes it, not stretched
        ([*[None] * 7, *[1.0] * 5], None),  # less than half: nothing to say
    ],
)
def test_the_line_is_the_volume_of_the_12_hours_to_each_hour(volumes: list[float | None], last: float | None) -> None:
    assert span_of(view_of(volumes), 24).lanes[0].sums[-1] == last


def test_the_last_point_is_the_score_itself() -> None:
    view = SampleReader().entity("n1")
    assert view is not None
    assert view.item is not None
    span = span_of(view, 24)
    assert span.lanes[0].sums[-1] == view.item.platforms["reddit"].x == 24.0
    assert (span.velocity[-1], span.heat[-1]) == (view.item.velocity_z, view.item.heat)
    assert [len(span_of(view, hours).hours) for hours in (12, 24, 48, 168)] == [12, 24, 48, 168]


def test_lines_break_where_nothing_is_known() -> None:
    assert steps([1.0, 2.0, None, 0.0], 0, 2, 10) == "M1 5.00L2 0.00M3.4 10.00H4"
    assert runs([True, True, False, True]) == [(0, 2), (3, 1)]
    assert [level(value, -1, 4, 100) for value in (-9, -1, 4, 9)] == [100, 100, 0, 0]


def test_the_figure_says_what_is_usual_and_where_the_gate_is() -> None:
    view = SampleReader().entity("n1")
    assert view is not None
    alert = {"id": 1, "at": NOW - HOUR, "why": "", "heat": 1.0}
    shown = timeline(replace(view, alerts=(alert,)), 24, SETTINGS, Times())
    assert 'class="usual"' in shown
    assert shown.count('class="alert"') == 1
    assert 'class="gate-line"' in shown
    words = text(shown)
    assert "gate 2.5σ" in words
    assert "24.0 in 12 h usual 6.5 ± 1.7" in words
    assert words.count("Sat 13:00–14:00") == 1
    assert ", alert" in words


def test_hours_nobody_looked_are_hatched_and_said() -> None:
    shown = timeline(view_of([1.0, None, None, 2.0]), 12, SETTINGS, Times())
    assert shown.count('class="unwatched"') >= 2
    assert "nobody looked" in text(shown)
    assert "not watched" in text(shown)  # the other platforms


def test_nothing_known_says_so() -> None:
    assert "no timeline" in text(timeline(view_of([]), 24, SETTINGS, Times()))


def line(number: int, name: str, *heats: float | None) -> NameLine:
    points = [HistoryPoint(NOW - HOUR * (len(heats) - 1 - at), heat, heat, 1 / 3, 0.2) for at, heat in enumerate(heats)]
    return NameLine(EntityRef(number, f"n{number}", name, "person", "other"), tuple(points))


def test_names_are_compared_by_what_the_map_is_coloured_by() -> None:
    lines = [line(1, "Ada Quill", 1.0, 2.0), line(2, "<b>Bo</b>", 0.5, None), line(3, "شادية", 0.1, 0.2)]
    state = ViewState(compare=("n1", "n2", "n3"), colour="velocity")
    shown = comparing.comparing(lines, state, 2.5, Times())
    assert "<b>Bo</b>" not in shown
    words = text(shown)
    assert "Velocity per hour" in words
    assert "+2.0σ – +0.2σ" in words  # the newest hour, in the order of the names
    assert [f'class="line n{place}"' in shown for place in range(4)] == [True, True, True, False]
    assert "Room for 1 more" in words
    assert "Platforms per hour" in text(comparing.comparing(lines, replace(state, colour="spread"), 2.5, Times()))
    assert comparing.comparing((), ViewState(), 2.5, Times()) == ""


def test_names_at_the_ends_of_lines_do_not_touch() -> None:
    lines = [line(at, f"Name {at}", 1.0, 1.0) for at in range(1, 5)]
    shown = comparing.comparing(lines, ViewState(compare=("n1", "n2", "n3", "n4")), 2.5, Times())
    ends = sorted(float(y) for y in re.findall(r'y="([0-9.]+)" text-anchor="end" class="end', shown))
    assert len(ends) == 4
    assert all(low - high >= 15 - 0.1 for high, low in pairwise(ends))
    assert ends[-1] <= comparing.HEIGHT


def test_a_full_comparison_takes_no_fifth() -> None:
    state = from_query("?compare=a,b,c,d,e")
    assert state.compare == ("a", "b", "c", "d")
    assert "disabled" in comparing.add_button("e", "E", state)
    assert "disabled" not in comparing.add_button("a", "A", state)


def test_the_graph_is_said_by_the_list() -> None:
    related = [{"name": f"Name <{at}>", "slug": f"s{at}", "count": 9 - at} for at in range(9)]
    shown = ego.together("Ada", related)
    assert shown.count("<circle") == 9  # eight around one
    assert shown.count("<button") == 9
    assert "<0>" not in shown
    assert "<svg" not in ego.together("Ada", related[:2])
