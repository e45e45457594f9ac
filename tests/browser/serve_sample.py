"""Serves the dashboard over a ``SampleReader`` on the product's own kind of hosting; run with ``python -m``."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI
from panel.io.fastapi import add_applications

from heatmap_app.auth.door import Door
from heatmap_app.auth.gate import Gate
from heatmap_app.auth.place import place_of
from heatmap_app.board import Board
from heatmap_app.pages.dashboard import dashboard_app
from heatmap_app.pages.shell import static_dirs
from heatmap_app.pages.site import Site
from pipelines.clock import ManualClock
from pipelines.settings import load_settings
from tests.browser.sample_reader import SampleReader
from tests.browser.states import PosedReader


class SampleServer:
    """A running server: its ``address``, its reader, and :meth:`advance` to publish the next step."""

    def __init__(
        self, reader: SampleReader, port: int = 0, unused_ms: int = 30_000, prepare: Callable[[FastAPI], None] | None = None
    ) -> None:  # fmt: skip
        self.reader, self.board, self.clock = reader, Board(reader), ManualClock(reader.now)
        settings = load_settings(mode="demo")
        site = Site(self.board, settings, self.clock)
        self.app = FastAPI()
        self.app.get("/healthz")(lambda: {"status": "ok"})
        if prepare is not None:
            prepare(self.app)
        self.panel: Any = add_applications(
            {"/": dashboard_app(site)},
            app=self.app,
            static_dirs=static_dirs(),
            include_cookies=["et_zone", "et_theme"],
            unused_session_lifetime_milliseconds=unused_ms,
            check_unused_sessions_milliseconds=200,
        )
        self.socket = socket.create_server(("127.0.0.1", port))
        port = self.socket.getsockname()[1]
        self.app.add_middleware(Gate, door=Door(settings, place_of(settings, port)))
        self.address = f"http://127.0.0.1:{port}"
        self.loop: asyncio.AbstractEventLoop | None = None
        self.loop_thread = ""
        self._server = uvicorn.Server(
            uvicorn.Config(self.app, log_level="warning", ws_max_size=2**26, timeout_graceful_shutdown=2)
        )

    async def serve(self) -> None:
        """Run until :meth:`stop`."""
        self.loop, self.loop_thread = asyncio.get_running_loop(), threading.current_thread().name
        await self._server.serve(sockets=[self.socket])

    def publish(self) -> None:
        """Tell the open pages, from any thread."""
        self.clock.set(self.reader.now)
        assert self.loop is not None
        self.loop.call_soon_threadsafe(self.board.publish)

    def advance(self) -> None:
        """Move the board a step on and publish it."""
        self.reader.step += 1
        self.publish()

    def drop(self) -> None:
        """Cut every open websocket without a goodbye, as a bad network does; on the server's own loop."""
        for connection in list(self._server.server_state.connections):
            if "websocket" in type(connection).__name__.lower():
                connection.transport.abort()

    def stop(self) -> None:
        """Ask the server to end."""
        self._server.should_exit = True

    def sessions(self) -> list[Any]:
        """The sessions alive now."""
        return [session for context in self.panel.core._applications.values() for session in context.sessions]


@contextmanager
def running(
    reader: SampleReader | None = None, unused_ms: int = 30_000, port: int = 0,
    prepare: Callable[[FastAPI], None] | None = None,
) -> Iterator[SampleServer]:  # fmt: skip
    """A server on a free port in a thread of its own, stopped at the end."""
    server = SampleServer(reader or SampleReader(), port, unused_ms, prepare)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server._server.started and time.monotonic() < deadline:
        time.sleep(0.02)
    try:
        yield server
    finally:
        server.stop()
        thread.join(timeout=10)


def main() -> None:
    """Serve on the given port (5006) and move every three seconds; ``state=NAME`` poses as in ``states.py``."""
    state = next((word.removeprefix("state=") for word in sys.argv[1:] if word.startswith("state=")), "usual")
    port = next((int(word) for word in sys.argv[1:] if word.isdigit()), 5006)
    server = SampleServer(PosedReader(state), port)
    print(server.address, flush=True)  # noqa: T201 -- a development server says where it is

    async def run() -> None:
        async def move() -> None:
            while True:
                await asyncio.sleep(3)
                server.advance()

        mover = asyncio.create_task(move())
        await server.serve()
        mover.cancel()

    asyncio.run(run())


if __name__ == "__main__":
    main()
