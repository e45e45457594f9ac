"""Pages that show the same are told alike, once: the memory of results, the wire, and two pages over one board."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from bokeh.document import Document
from bokeh.document.events import DocumentPatchedEvent, MessageSentEvent

from heatmap_app.board import Board
from heatmap_app.pages import board_view
from heatmap_app.pages.bridge import AGAIN, MESSAGE, Bridge
from heatmap_app.pages.changes import put_together
from heatmap_app.pages.dashboard import Dashboard
from heatmap_app.pages.reader import Filters
from heatmap_app.pages.sharing import Once, SharedReader
from heatmap_app.pages.site import Site
from heatmap_app.pages.state import ViewState
from heatmap_app.pages.words import Times
from pipelines.clock import ManualClock
from pipelines.settings import load_settings
from pipelines.view import HeatView
from tests.browser.sample_reader import SampleReader

UPDATE_BYTES = 11_000
"""A poll in which all 480 cells change, before compression; the page as a whole is 40 kB."""


class Heard:
    """A page's script: keeps the texts as the real one does, and what it was sent."""

    def __init__(self, doc: Document) -> None:
        self.texts: dict[str, str] = {}
        self.sent: list[str] = []
        self._doc = doc
        doc.on_change(self._changed)

    def _changed(self, event: Any) -> None:
        assert isinstance(event, DocumentPatchedEvent)
        if isinstance(event, MessageSentEvent) and event.msg_type == MESSAGE:
            self.sent.append(str(event.msg_data))
            for region, said in json.loads(event.msg_data).items():
                self.texts[region] = said if isinstance(said, str) else put_together(self.texts[region], said)

    def say(self, kind: str, value: object = None) -> None:
        wire = self._doc.get_model_by_name("et-in")
        assert wire is not None
        wire.data = {"event": [json.dumps({"type": kind, "value": value})]}  # type: ignore[attr-defined]  # a data source


@dataclass
class World:
    reader: SampleReader
    board: Board
    clock: ManualClock
    site: Site

    def page(self) -> tuple[Dashboard, Heard]:
        doc = Document()
        page = Dashboard(self.site, doc, ViewState(), Times())
        heard = Heard(doc)
        page.paint_first()
        heard.say("hello", "UTC")
        return page, heard

    def move(self) -> None:
        self.reader.step += 1
        self.clock.set(self.reader.now)
        self.board.version += 1


@pytest.fixture
def world() -> World:
    reader = SampleReader()
    board, clock = Board(reader), ManualClock(reader.now)
    return World(reader, board, clock, Site(board, load_settings(mode="demo"), clock))


def test_a_result_is_made_once_for_equal_values_and_for_the_same_board() -> None:
    calls: list[HeatView] = []

    def shown(view: HeatView, state: ViewState) -> int:
        calls.append(view)
        return len(view.items)

    once, view = Once(), SampleReader().heat(Filters())
    assert [once(shown, view, ViewState()), once(shown, view, ViewState())] == [20, 20]
    assert len(calls) == 1
    once(shown, replace(view), ViewState())
    once(shown, view, ViewState(colour="affect"))
    assert len(calls) == 3


def test_several_threads_make_a_result_once() -> None:
    calls: list[int] = []
    begun = threading.Barrier(4)

    def slow(number: int) -> int:
        calls.append(number)
        return number

    def ask() -> None:
        begun.wait(5)
        assert once(slow, 7) == 7

    once = Once()
    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert calls == [7]


def test_what_raised_is_asked_again_and_what_nobody_asks_for_goes() -> None:
    answers: Iterator[int | Exception] = iter([ValueError("not now"), 5, 6])
    once = Once()

    def answer(_key: str) -> int:
        found = next(answers)
        if isinstance(found, Exception):
            raise found
        return found

    with pytest.raises(ValueError, match="not now"):
        once(answer, "a")
    assert once(answer, "a") == 5
    for version in (1, 2):
        once.turn(version)
    assert once(answer, "a") == 6


def test_so_many_results_are_kept_and_no_more() -> None:
    once, calls = Once(kept=2), list[int]()

    def noted(number: int) -> None:
        calls.append(number)

    for number in (1, 2, 3, 3, 1):
        once(noted, number)
    assert calls == [1, 2, 3, 1]


def test_pages_that_follow_share_what_one_has_read() -> None:
    reader, once = SampleReader(), Once()
    for version in (1, 1, 2):
        shared = SharedReader(reader, once, version)
        shared.entity("n3")
        shared.receipts("n3", None, None, 50, None)
    assert reader.calls.count("entity") == reader.calls.count("receipts") == 2


def test_two_pages_with_the_same_view_are_rendered_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    rendered: list[HeatView] = []
    real = board_view.rows

    def counted(view: HeatView, state: ViewState, times: Times) -> Any:
        rendered.append(view)
        return real(view, state, times)

    monkeypatch.setattr(board_view, "rows", counted)
    (first, heard), (second, other) = world.page(), world.page()
    for _ in range(3):
        world.move()
        rendered.clear()
        made = world.site.once.calls
        first.follow()
        first_cost = world.site.once.calls - made
        second.follow()
        assert len(rendered) == 1
        assert world.site.once.calls - made == first_cost
    assert heard.texts == other.texts
    assert heard.sent[-1] == other.sent[-1]


def test_the_page_has_what_was_rendered_and_an_update_costs_a_fraction(world: World) -> None:
    page, heard = world.page()
    world.move()
    page.follow()
    whole = sum(map(len, heard.sent))
    for _ in range(3):
        world.move()
        page.follow()
        assert heard.texts["rows"] == board_view.rows(page.view, ViewState(), Times())
        assert len(heard.sent[-1]) < UPDATE_BYTES
    assert whole > 2.5 * len(heard.sent[-1])


def test_one_name_that_changes_costs_less_than_a_kilobyte(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    page, heard = world.page()
    world.move()
    page.follow()
    view = page.view
    item = replace(view.items[4], heat=view.items[4].heat + 0.01)
    later = replace(view, items=(*view.items[:4], item, *view.items[5:]))
    monkeypatch.setattr(world.reader, "heat", lambda _filters: later)
    world.board.version += 1
    page.follow()
    assert "rows" in json.loads(heard.sent[-1])
    assert len(heard.sent[-1]) < 1000


def test_nothing_is_sent_when_nothing_changed_but_the_sign_of_life(world: World) -> None:
    page, heard = world.page()
    world.move()
    page.follow()
    sent = len(heard.sent)
    page.follow()
    assert len(heard.sent) == sent
    world.clock.set(world.clock.now() + timedelta(milliseconds=300))
    world.board.version += 1
    page.follow()
    assert list(json.loads(heard.sent[-1])) == ["meta"]
    assert len(heard.sent[-1]) < 150


def test_a_sign_of_life_renders_no_row_anew(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    page, _ = world.page()
    world.move()
    page.follow()
    view, polls = page.view, world.board.polls(world.clock.now())

    def refused(*_: object) -> Any:
        raise AssertionError("rendered again")

    monkeypatch.setattr(board_view, "_row", refused)
    world.board.version += 1
    page.follow()
    assert page.view is view
    assert world.board.polls(world.clock.now()) is polls


def test_a_page_hears_nothing_before_its_script_has_spoken() -> None:
    doc, events = Document(), list[tuple[str, Mapping[str, Any]]]()
    bridge, heard = Bridge(doc, lambda kind, event: events.append((kind, event))), Heard(doc)
    bridge.painted({"rows": "<b>1</b>"})
    assert bridge.send({"rows": "<b>2</b>"}) == 0
    heard.say("hello")
    assert bridge.send({"rows": "<b>2</b>"}) == 1
    assert heard.texts == {"rows": "<b>2</b>"}
    assert [kind for kind, _ in events] == ["hello"]


def test_a_page_that_lost_the_thread_gets_everything_whole() -> None:
    doc = Document()
    bridge, heard = Bridge(doc, lambda _kind, _event: None), Heard(doc)
    bridge.painted({"rows": "<b>1</b>", "head": "a"})
    heard.say(AGAIN)
    assert json.loads(heard.sent[-1]) == {"rows": "<b>1</b>", "head": "a"}
