"""The wall over a ``SampleReader``, without Panel: a server that starts at once, stops, and comes back on its port."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import uvicorn
from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from playwright.sync_api import Error, Page

from heatmap_app import api, problems
from heatmap_app.auth import routes as sign_in
from heatmap_app.auth.door import Door
from heatmap_app.auth.gate import Gate
from heatmap_app.auth.place import place_of
from heatmap_app.board import Board
from heatmap_app.database_state import DatabaseState
from heatmap_app.events import Events
from heatmap_app.pages.shell import STATIC_DIR
from heatmap_app.web import wall
from heatmap_app.web.wall_feed import WallFeed
from heatmap_app.web.wall_values import Alerted, Told
from pipelines.clock import ManualClock
from pipelines.settings import Settings, load_settings
from pipelines.view import HeatView
from tests.browser.sample_reader import SampleReader


class WallServer:
    """A running wall. ``told`` is what stands beside the board, ``gone`` makes the state answer as a broken server."""

    def __init__(self, reader: SampleReader, settings: Settings, port: int = 0, speed: float = 1.0) -> None:
        self.reader, self.told, self.gone, self.reads = reader, Told(), 0, 0
        self.database: DatabaseState | None = None
        self.speed = speed
        self.clock, self.board = ManualClock(reader.now), Board(reader)
        self.app = FastAPI()
        problems.install(self.app)
        self.app.get("/healthz")(lambda: {"status": "ok"})
        self.app.middleware("http")(self._maybe)
        self.app.state.reader, self.app.state.events = reader, Events()
        self.app.state.wall = WallFeed(
            self.board, self.clock, settings, reader.mode, self._told, lambda: self.speed, lambda: self.database
        )
        self.app.include_router(api.router)
        self.app.include_router(wall.router)
        self.app.mount("/assets", StaticFiles(directory=STATIC_DIR))
        self.socket = socket.create_server(("127.0.0.1", port))
        self.port: int = self.socket.getsockname()[1]
        door = Door(settings, place_of(settings, self.port))
        self.app.include_router(sign_in.router(door, settings))
        self.app.add_middleware(Gate, door=door)
        self.address = f"http://127.0.0.1:{self.port}"
        self.loop: asyncio.AbstractEventLoop | None = None
        self._server = uvicorn.Server(
            uvicorn.Config(self.app, log_level="warning", timeout_graceful_shutdown=1, access_log=False)
        )

    def _told(self, _view: HeatView, _now: datetime) -> Told:
        self.reads += 1
        return self.told

    async def _maybe(self, request: Any, following: Callable[[Any], Any]) -> Any:
        if self.gone and request.url.path.startswith("/wall"):
            return problems.problem(self.gone, "This is a test.")
        return await following(request)

    def publish(self, kind: str = "heat") -> None:
        """The board has changed: open walls hear of it. From any thread."""
        assert self.loop is not None
        self.loop.call_soon_threadsafe(self._publish, kind)

    def _publish(self, kind: str) -> None:
        self.board.publish()
        self.app.state.events.publish(kind, {"mode": self.reader.mode})

    def advance(self) -> None:
        """A new score."""
        self.reader.step += 1
        self.clock.set(self.reader.now)
        self.publish()

    def alert(self, number: int, name: str, age: timedelta = timedelta(0)) -> None:
        """An alert about the entity of that number in the sample."""
        one = Alerted(number, number, self.clock.now() - age, name, 3.7, ("reddit", "trends", "tiktok"))
        self.told = Told((one, *self.told.alerts), self.told.reasons)
        self.publish("alert")

    def stop(self) -> None:
        self.app.state.events.close()
        self._server.should_exit = True


@contextmanager
def wall_server(
    reader: SampleReader | None = None, *, port: int = 0, speed: float = 1.0, settings: Settings | None = None
) -> Iterator[WallServer]:  # fmt: skip
    """A server on a free port in a thread of its own, stopped at the end."""
    made = WallServer(reader or SampleReader(), settings or load_settings(mode="demo"), port, speed)

    async def run() -> None:
        made.loop = asyncio.get_running_loop()
        await made._server.serve(sockets=[made.socket])

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not made._server.started and time.monotonic() < deadline:
        time.sleep(0.01)
    try:
        yield made
    finally:
        assert made.loop is not None
        made.loop.call_soon_threadsafe(made.stop)
        thread.join(timeout=30)
        made.socket.close()


def names(page: Page) -> list[str]:
    """The names on the wall, top to bottom."""
    found: list[str] = page.evaluate("[...document.querySelectorAll('.row .name')].map((node) => node.textContent)")
    return found


def becomes(page: Page, expression: str, seconds: float = 15) -> None:
    """Wait until ``expression`` holds. Asked from outside: the page's policy lets nobody compile a text in it."""
    deadline = time.monotonic() + seconds

    def holds() -> bool:
        try:
            return bool(page.evaluate(expression))
        except Error:  # the page is being loaded anew
            return False

    while not holds():
        assert time.monotonic() < deadline, f"it did not come true: {expression}"
        time.sleep(0.03)


def mood(page: Page) -> str:
    found: str = page.evaluate("document.documentElement.dataset.mood")
    return found
