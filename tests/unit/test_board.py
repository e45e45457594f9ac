"""The hub tells everyone once, skips who does not listen, and forgets who left; the board reads once per filter."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from heatmap_app.board import KEPT_PAST, Board, Hub
from heatmap_app.pages.reader import Filters
from pipelines.errors import StoreError
from pipelines.people import Activity
from pipelines.view import EntityRef, EntityView, HeatView, NameLine, ReceiptOrder, ReceiptPage


class Session:
    """A document as the hub sees it; ``reads`` decides whether scheduled calls run."""

    def __init__(self, reads: bool = True) -> None:
        self.reads, self.broken = reads, False
        self.waiting: list[Callable[[], Any]] = []
        self.leave: list[Callable[[Any], None]] = []

    def add_next_tick_callback(self, callback: Callable[[], Any]) -> None:
        if self.broken:
            raise RuntimeError("session destroyed")
        self.waiting.append(callback)
        if self.reads:
            self.run()

    def on_session_destroyed(self, *callbacks: Callable[[Any], None]) -> None:
        self.leave += callbacks

    def run(self) -> None:
        waiting, self.waiting = self.waiting, []
        for callback in waiting:
            callback()


class Reader:
    """Counts what it is asked."""

    def __init__(self) -> None:
        self.asked: list[Filters] = []
        self.gate = threading.Event()
        self.gate.set()

    def heat(self, filters: Filters) -> HeatView:
        self.asked.append(filters)
        self.gate.wait(5)
        return HeatView(as_of=None, mode="demo", stale=False, items=(), hidden=len(self.asked))

    def polls(self, since: datetime, until: datetime) -> Sequence[datetime]:
        return ()

    def entity(self, slug: str, at: datetime | None = None) -> EntityView | None:
        return None

    def receipts(
        self,
        slug: str,
        source: str | None,
        hour: datetime | None,
        limit: int,
        cursor: str | None,
        at: datetime | None = None,
        order: ReceiptOrder = "newest",
    ) -> ReceiptPage:
        return ReceiptPage(())

    def lines(self, slugs: Sequence[str], hours: int, at: datetime | None = None) -> Sequence[NameLine]:
        return ()

    def search(self, text: str, limit: int) -> Sequence[EntityRef]:
        return ()

    def activity(self, alert_id: int) -> Activity | None:
        return None

    def set_domain(self, entity_id: int, domain: str, actor: str, was: str | None = None) -> None:
        raise NotImplementedError


class Away(Reader):
    """A store that does not answer."""

    def heat(self, filters: Filters) -> HeatView:
        raise StoreError("away")


async def told(hub: Hub) -> None:
    hub.publish()
    assert hub._task is not None
    await hub._task


async def test_every_session_hears_of_a_publication() -> None:
    hub, heard = Hub(pause=0), []
    for name in "abc":
        hub.subscribe(Session(), lambda name=name: heard.append(name))  # type: ignore[misc]  # a default binds the name
    await told(hub)
    assert heard == ["a", "b", "c"]


async def test_a_session_that_ends_is_forgotten_and_freed() -> None:
    hub, session = Hub(pause=0), Session()
    hub.subscribe(session, lambda: None)
    session.leave[0](None)
    assert len(hub) == 0
    ghost = weakref.ref(session)
    del session
    gc.collect()
    assert ghost() is None


async def test_a_client_that_does_not_read_costs_one_call_and_catches_up() -> None:
    hub, heard = Hub(pause=0), []
    slow = Session(reads=False)
    hub.subscribe(slow, lambda: heard.append("slow"))
    for _ in range(50):
        await told(hub)
    assert len(slow.waiting) == 1
    assert hub.skipped == 49
    slow.run()
    assert heard == ["slow"]
    await told(hub)
    assert len(slow.waiting) == 1


async def test_publications_during_a_fan_out_become_one_more() -> None:
    hub, heard = Hub(pause=0), []

    def hear() -> None:
        heard.append("x")
        if len(heard) == 1:
            hub.publish()
            hub.publish()

    hub.subscribe(Session(), hear)
    await told(hub)
    assert len(heard) == 2


async def test_a_broken_session_does_not_silence_the_others() -> None:
    hub, heard = Hub(pause=0), []
    broken = Session()
    broken.broken = True
    hub.subscribe(broken, lambda: None)
    hub.subscribe(Session(), lambda: heard.append("well"))
    await told(hub)
    assert heard == ["well"]
    assert len(hub) == 1


async def test_the_fan_out_lets_others_run_between_sessions() -> None:
    hub, order = Hub(pause=0), []
    for _ in range(3):
        hub.subscribe(Session(), lambda: order.append("page"))
    hub.publish()

    async def other() -> None:
        while len(order) < 6:
            order.append("other")
            await asyncio.sleep(0)

    await other()
    assert order.count("page") == 3
    assert "other" in order[1:5]


def test_publishing_off_the_loop_is_refused() -> None:
    with pytest.raises(RuntimeError):
        Hub().publish()


async def test_equal_filters_share_one_read_per_version() -> None:
    reader = Reader()
    board = Board(reader)
    first = board.view(Filters())
    assert board.view(Filters()) is first
    assert board.view(Filters(min_spread=2)) is not first
    assert len(reader.asked) == 2
    board.publish()
    assert board.view(Filters()) is not first
    assert board.latest(Filters()) is board.view(Filters())


async def test_sessions_asking_at_once_wait_for_one_read() -> None:
    reader = Reader()
    reader.gate.clear()
    board = Board(reader)
    asking = [asyncio.create_task(asyncio.to_thread(board.view, Filters())) for _ in range(6)]
    await asyncio.sleep(0.05)
    reader.gate.set()
    views = await asyncio.gather(*asking)
    assert len(reader.asked) == 1
    assert all(view is views[0] for view in views)


async def test_a_view_handed_over_saves_the_read() -> None:
    reader = Reader()
    board = Board(reader)
    fresh = HeatView(as_of=None, mode="demo", stale=True, items=())
    board.publish(fresh)
    assert board.view(Filters()) is fresh
    assert reader.asked == []


async def test_filters_nobody_uses_are_let_go() -> None:
    board = Board(Reader())
    for place in range(200):
        board.view(replace(Filters(), domains=(str(place),)))
    assert len(board._views) <= 64
    assert len(board._locks) <= 65
    assert board.latest(Filters(domains=("0",))) is None


async def test_the_past_takes_little_room_and_never_that_of_the_present() -> None:
    board, begin = Board(Reader()), datetime(2026, 11, 20, tzinfo=UTC)
    live = board.view(Filters())
    for hour in range(100):
        board.view(Filters(at=begin + timedelta(hours=hour)))
    assert len(board._views) == len(board._locks) == 1 + KEPT_PAST
    assert board.view(Filters()) is live


async def test_filters_that_cannot_be_read_leave_nothing() -> None:
    board = Board(Away())
    for place in range(20):
        with pytest.raises(StoreError):
            board.view(Filters(domains=(str(place),)))
    assert board._locks == {}


async def test_pages_hear_a_heartbeat() -> None:
    board, heard = Board(Reader()), asyncio.Event()
    board.hub.subscribe(Session(), heard.set)
    beating = asyncio.create_task(board.keep_fresh(0.01))
    await asyncio.wait_for(heard.wait(), 5)
    beating.cancel()
