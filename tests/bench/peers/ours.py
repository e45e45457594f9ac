"""The product's own desk (``/``) and wall (``/wall``) in a process of their own, over a sample board that moves.

``python -m tests.bench.peers.ours --every 5`` publishes on its own; without ``--every`` a line on stdin publishes one
board. Every publication is told on stdout as ``published STEP SECONDS`` (since 1970, this machine's clock).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import threading
import time
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta

from fastapi import FastAPI

from heatmap_app import api
from heatmap_app.events import Events
from heatmap_app.memory import limit_arenas
from heatmap_app.server import HEARTBEAT_S
from heatmap_app.web import wall
from heatmap_app.web.wall_feed import WallFeed
from heatmap_app.web.wall_values import Told
from pipelines.clock import ManualClock
from pipelines.settings import load_settings
from pipelines.view import HeatItem
from tests.browser.sample_reader import HOURS, SampleReader
from tests.browser.serve_sample import SampleServer

KEPT_STEPS = 100
WEEK_OF_STEPS = 7 * 24 * 6
"""A step of the sample is ten minutes."""


class MovingReader(SampleReader):
    """The sample, fit for tens of thousands of steps: it keeps no list of calls, looks for polls in a week only, and has
    made a board by the time it is asked for it, as a store has."""

    def __init__(self) -> None:
        super().__init__()
        self._boards: dict[tuple[int, int], list[HeatItem]] = {}
        self._times = deque[datetime](maxlen=WEEK_OF_STEPS)

    def make(self, steps: int) -> None:
        """Make the boards of so many steps to come."""
        for step in range(self.step, self.step + steps):
            self._scored(step)

    def polls(self, since: datetime, until: datetime) -> Sequence[datetime]:
        """When the board was scored in the span, oldest first."""
        self._called("polls")
        begun = self._times[-1] if self._times else self._scored_at(max(-1, self.step - WEEK_OF_STEPS))
        while (following := begun + timedelta(minutes=10)) <= self._scored_at(self.step):
            self._times.append(following)
            begun = following
        times = list(self._times)
        return times[bisect_left(times, since) : bisect_right(times, until)]

    def _scored(self, step: int, hours: int = HOURS) -> list[HeatItem]:
        if (step, hours) not in self._boards:
            self._boards[step, hours] = super()._scored(step, hours)
            for old in [key for key in self._boards if 0 < key[0] < step - KEPT_STEPS]:
                del self._boards[old]
        return self._boards[step, hours]

    def _called(self, what: str) -> None:
        """Nobody asks afterwards."""


class MovingServer(SampleServer):
    """Desk, wall and the stream that tells the wall, over one board."""

    def __init__(self, port: int = 0) -> None:
        super().__init__(MovingReader(), port, prepare=self._prepare)
        self._feed()

    def _prepare(self, app: FastAPI) -> None:
        app.state.events = Events()
        app.include_router(api.router)
        app.include_router(wall.router)

    def _feed(self) -> None:
        state, settings = self.app.state, load_settings(mode="demo")
        state.reader = self.reader
        state.wall = WallFeed(self.board, self.clock, settings, self.reader.mode, lambda _view, _now: Told())

    def move(self) -> None:
        """A new board, stored and published; on the event loop."""
        self.reader.step += 1
        assert isinstance(self.clock, ManualClock)
        self.clock.set(self.reader.now + timedelta(seconds=1))
        at = time.time()
        self.board.publish()
        self.app.state.events.publish("heat", {"mode": self.reader.mode})
        print(f"published {self.reader.step} {at:.6f}", flush=True)


async def run(server: MovingServer, every: float | None) -> None:
    """Serve until the process is ended; publish each ``every`` seconds, or for each line on stdin."""
    loop = asyncio.get_running_loop()

    def listen() -> None:
        for _line in sys.stdin:
            loop.call_soon_threadsafe(server.move)

    async def move() -> None:
        assert every is not None
        while True:
            await asyncio.sleep(every)
            server.move()

    if every is None:
        threading.Thread(target=listen, daemon=True).start()
        tasks = []
    else:
        tasks = [asyncio.create_task(move()), asyncio.create_task(server.board.keep_fresh(HEARTBEAT_S))]
    print(f"ready {server.address}", flush=True)
    with contextlib.suppress(asyncio.CancelledError):
        await server.serve()
    for task in tasks:
        task.cancel()


def main(argv: Sequence[str] | None = None) -> None:
    """Serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--every", type=float, default=None, help="seconds between two boards")
    options = parser.parse_args(argv)
    limit_arenas()  # as the product does
    server = MovingServer(options.port)
    assert isinstance(server.reader, MovingReader)
    if options.every is not None:
        server.reader.make(KEPT_STEPS)  # no side makes its boards while it is measured
    asyncio.run(run(server, options.every))


if __name__ == "__main__":
    main()
