"""Holds what stays open, a websocket or an event stream, to the sign-in it was opened under."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress

from starlette.types import Message, Receive, Send

from heatmap_app.users import User

CHECK_S = 20.0
"""How often an open connection's sign-in is looked at again; signing out ends it at once."""


class Presence:
    """Who is connected now. ``pages`` are the users who hold a Panel session's websocket, by session id.

    Touched on the event loop only; ``pages`` is also read by worker threads.
    """

    def __init__(self) -> None:
        self.pages: dict[str, User] = {}
        self._open: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    @contextmanager
    def held(self, sid: str) -> Iterator[asyncio.Event]:
        """A connection under the sign-in ``sid``; the event is set when that is signed out."""
        ended = asyncio.Event()
        self._open[sid].add(ended)
        try:
            yield ended
        finally:
            self._open[sid].discard(ended)
            if not self._open[sid]:
                del self._open[sid]

    def end(self, sid: str) -> None:
        """Cut what is open under ``sid``."""
        for event in self._open.get(sid, ()):
            event.set()


class Leash:
    """A ``receive`` that says "disconnected" once ``good`` is no longer true or ``ended`` is set."""

    def __init__(
        self,
        receive: Receive,
        send: Send,
        good: Callable[[], Awaitable[bool]],
        ended: asyncio.Event,
        *,
        websocket: bool,
    ) -> None:
        self._receive, self._send, self._good, self._ended, self._websocket = receive, send, good, ended, websocket
        self._next: asyncio.Task[Message] | None = None
        self._cut = False

    async def receive(self) -> Message:
        """The next message, or the end."""
        while not self._cut:
            if self._next is None:
                self._next = asyncio.ensure_future(self._take())
            if not self._next.done():
                await self._wait(self._next)
            if self._next.done():
                done, self._next = self._next, None
                return done.result()
            if self._ended.is_set() or not await self._good():
                await self._end()
        return {"type": "websocket.disconnect", "code": 1008} if self._websocket else {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Pass on, until cut."""
        if not self._cut:
            await self._send(message)

    def close(self) -> None:
        """The connection is over."""
        if self._next is not None:
            self._next.cancel()

    async def _take(self) -> Message:
        return await self._receive()

    async def _wait(self, message: asyncio.Task[Message]) -> None:
        ended = asyncio.ensure_future(self._ended.wait())
        try:
            await asyncio.wait({message, ended}, timeout=CHECK_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ended.cancel()

    async def _end(self) -> None:
        if self._websocket:
            with suppress(Exception):  # gone already
                await self._send({"type": "websocket.close", "code": 1008, "reason": "signed out"})
        self._cut = True
