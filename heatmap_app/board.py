"""The shared board: the latest view per filter, computed once, and the hub that tells every open page about a new one.

``publish`` is called on the event loop after each change of the store. Pages read through :meth:`Board.view` on worker
threads; equal filters share one read of the store per version.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Protocol

import structlog

from heatmap_app.pages.reader import Filters, Reader
from pipelines.view import HeatView

log = structlog.get_logger(__name__)

KEPT_FILTERS = 64
"""How many filter combinations keep their view between two publications."""

KEPT_PAST = 6
"""How many of them may look back: pages step through the past poll by poll, and a week of 200 rows takes megabytes."""

POLLS_SPAN = timedelta(days=7)

YIELD_SECONDS = 0.002
"""The pause between two sessions in a fan-out, so that the loop also serves everything else."""


class SessionDocument(Protocol):
    """The two things the hub needs of a Bokeh document."""

    def add_next_tick_callback(self, callback: Callable[[], Any]) -> Any:
        """Run ``callback`` soon, holding the document's lock."""
        ...

    def on_session_destroyed(self, *callbacks: Callable[[Any], None]) -> None:
        """Run ``callbacks`` when the session ends."""
        ...


class _Subscriber:
    """One open page. ``waiting`` is set from scheduling until its callback runs."""

    __slots__ = ("callback", "since", "waiting")

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback, self.waiting, self.since = callback, False, 0.0

    def run(self) -> None:
        self.waiting = False
        self.callback()


class Hub:
    """Tells each subscribed session that something changed; a callback reads the newest state itself.

    At most one call per session is outstanding: a client that does not read holds its document's lock, further
    publications skip it (counted in ``skipped``) and cost no memory, and it sees the newest state when it reads again.
    """

    def __init__(self, pause: float = YIELD_SECONDS) -> None:
        self.skipped = 0
        self._pause = pause
        self._subscribers: dict[SessionDocument, _Subscriber] = {}
        self._task: asyncio.Task[None] | None = None
        self._again = False

    def __len__(self) -> int:
        return len(self._subscribers)

    def subscribe(self, doc: SessionDocument, callback: Callable[[], None]) -> None:
        """Call ``callback`` under ``doc``'s lock after each publication, until the session is destroyed."""
        self._subscribers[doc] = _Subscriber(callback)
        doc.on_session_destroyed(lambda _context: self.unsubscribe(doc))

    def unsubscribe(self, doc: SessionDocument) -> None:
        """Forget ``doc``; harmless when it is not subscribed."""
        self._subscribers.pop(doc, None)

    def publish(self) -> None:
        """Tell every session. Must run on the event loop; calls during a fan-out become one more fan-out."""
        if self._task is not None and not self._task.done():
            self._again = True
            return
        self._task = asyncio.get_running_loop().create_task(self._fan_out())

    async def close(self) -> None:
        """Stop telling anyone; waits for a running fan-out to end."""
        self._subscribers.clear()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    async def _fan_out(self) -> None:
        while True:
            self._again = False
            for doc, subscriber in list(self._subscribers.items()):
                if doc in self._subscribers:
                    self._tell(doc, subscriber)
                await asyncio.sleep(self._pause)
            if not self._again:
                return

    def _tell(self, doc: SessionDocument, subscriber: _Subscriber) -> None:
        if subscriber.waiting:
            self.skipped += 1
            return
        subscriber.waiting, subscriber.since = True, time.monotonic()
        try:
            doc.add_next_tick_callback(subscriber.run)
        except Exception:  # a dying session must not keep the others from hearing
            log.warning("page unsubscribed: its session no longer takes callbacks", exc_info=True)
            self.unsubscribe(doc)


class Board:
    """The newest :class:`HeatView` for each filter in use, and the hub. Thread-safe except :meth:`publish`."""

    def __init__(self, reader: Reader, hub: Hub | None = None) -> None:
        self.reader = reader
        self.hub = hub or Hub()
        self.version = 0
        self._views: OrderedDict[Filters, tuple[int, HeatView]] = OrderedDict()
        self._locks: dict[Filters, threading.Lock] = {}
        self._guard = threading.Lock()
        self._polls: tuple[int, Sequence[datetime]] | None = None
        self._polls_lock = threading.Lock()

    def publish(self, view: HeatView | None = None) -> None:
        """A new state is stored: open pages follow. ``view``, when at hand, is the one for the default filters.

        Must run on the event loop (from a thread: ``loop.call_soon_threadsafe(board.publish)``).
        """
        with self._guard:
            self.version += 1
            if view is not None:
                self._keep(Filters(), self.version, view)
        self.hub.publish()

    def view(self, filters: Filters) -> HeatView:
        """The board for ``filters`` at the current version; reads the store at most once per version and filter. A board
        that has not changed since is the same object as before.

        Raises whatever the reader raises.
        """
        with self._guard:
            lock = self._locks.setdefault(filters, threading.Lock())
        with lock:
            version = self.version
            kept = self._views.get(filters)
            if kept is not None and kept[0] == version:
                return kept[1]
            try:
                view = self.reader.heat(filters)
            except BaseException:
                with self._guard:
                    if filters not in self._views:
                        self._locks.pop(filters, None)
                raise
            if kept is not None and kept[1] == view:
                view = kept[1]  # a sign of life: what was made of this very board still holds
            with self._guard:
                self._keep(filters, version, view)
            return view

    def polls(self, now: datetime) -> Sequence[datetime]:
        """When the board was scored in the 7 days up to ``now``, oldest first; read at most once per version."""
        with self._polls_lock:
            version = self.version
            if self._polls is None or self._polls[0] != version:
                polls = tuple(self.reader.polls(now - POLLS_SPAN, now))
                self._polls = (version, self._polls[1] if self._polls and self._polls[1] == polls else polls)
            return self._polls[1]

    def latest(self, filters: Filters) -> HeatView | None:
        """The last view read for ``filters``, however old: what a page shows while the store does not answer."""
        kept = self._views.get(filters)
        return kept[1] if kept else None

    def nearest(self, filters: Filters) -> HeatView | None:
        """The last view read for ``filters``, or as many rows of a longer one that is the same otherwise. Never names
        that ``filters`` would not show."""
        with self._guard:
            for other, (_, view) in sorted(self._views.items(), key=lambda kept: kept[0] != filters):
                if replace(other, limit=filters.limit) == filters and other.limit >= filters.limit:
                    return view if other == filters else replace(view, items=view.items[: filters.limit])
        return None

    def newest(self) -> HeatView | None:
        """The last live view read for any filters: what a page that is opened while the store does not answer begins
        with."""
        with self._guard:
            return next((view for filters, (_, view) in reversed(self._views.items()) if filters.at is None), None)

    async def keep_fresh(self, seconds: float) -> None:
        """Publish every ``seconds`` for ever: pages learn of staleness, and hear a heartbeat, between two polls."""
        while True:
            await asyncio.sleep(seconds)
            self.publish()

    def _keep(self, filters: Filters, version: int, view: HeatView) -> None:
        self._views[filters] = (version, view)
        self._views.move_to_end(filters)
        past = [filters for filters in self._views if filters.at is not None]
        live = [filters for filters in self._views if filters.at is None]
        for gone in [*past[:-KEPT_PAST], *live[: -(KEPT_FILTERS - KEPT_PAST)]]:
            del self._views[gone]
            self._locks.pop(gone, None)
