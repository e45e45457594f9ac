"""Viewers without a browser, in a process of their own: each speaks its product's protocol over real sockets.

``python -m tests.bench.peers.viewers KIND ADDRESS COUNT [RECORDED]``; prints ``open`` when all are, then ``seen SECONDS``
(since 1970) whenever a new board has arrived at one of them, and ``lost SECONDS`` when a connection broke: that viewer
comes back, as a page does. The desk's are :class:`tests.bench.desk_client.DeskClient`, the
wall's hear the stream and ask for the state as its script does; Dash's and Streamlit's repeat what a real page was recorded
to send (:func:`recorded`), each in its own rhythm.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Page, WebSocket
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from tests.bench.desk_client import HEADERS, DeskClient

OPENING = 4
"""So many open at a time."""
BIG = 2000
"""A Streamlit message of more bytes carries the figure."""
PATIENCE = 60
"""Seconds a viewer waits for an answer."""
BROKEN = (httpx.TransportError, WebSocketException, OSError)
"""What a lost connection raises; a timeout is an ``OSError``."""


class NotMeasuredError(RuntimeError):
    """A server or a viewer did not do what is to be measured."""


class Opening:
    """Lets :data:`OPENING` viewers open at a time and counts those that have."""

    def __init__(self) -> None:
        self.count = 0
        self._gate = asyncio.Semaphore(OPENING)

    async def __aenter__(self) -> None:
        await self._gate.acquire()

    async def __aexit__(self, failed: object, *_: object) -> None:
        self._gate.release()
        self.count += failed is None


def say(what: str) -> None:
    """``seen``: a new board is here; ``lost``: a connection broke."""
    print(f"{what} {time.time():.6f}", flush=True)


async def desk(address: str, _recorded: Mapping[str, Any], opened: Opening) -> None:
    """A page of the desk."""
    async with opened:
        client = await DeskClient.open(address)
    async for update in client.updates():
        if "rows" in update:
            say("seen")


async def wall(address: str, _recorded: Mapping[str, Any], opened: Opening) -> None:
    """A wall: the stream, and after each of its hints the state."""
    waits, idle = httpx.Timeout(PATIENCE, read=None), httpx.Limits(keepalive_expiry=4)  # the server's is 5 s
    async with httpx.AsyncClient(headers=HEADERS, timeout=waits, limits=idle, base_url=address) as http:
        async with opened:
            await http.get("/wall")
            tag = (await http.get("/wall/state")).headers.get("etag", "")
        async with http.stream("GET", "/api/v1/stream") as stream:
            async for line in stream.aiter_lines():
                if not line.startswith("data"):
                    continue
                await asyncio.sleep(0.02 + 0.18 * random.random())
                answer = await http.get("/wall/state", headers={"If-None-Match": tag})
                if answer.status_code == 200:
                    tag = answer.headers.get("etag", "")
                    say("seen")


async def dash(address: str, recorded: Mapping[str, Any], opened: Opening) -> None:
    """A page of Dash: its interval's question, with the step it has."""
    asked = json.loads(recorded["body"])
    async with httpx.AsyncClient(headers=recorded["headers"], timeout=PATIENCE, base_url=address) as http:
        async with opened:
            for path in ("/", "/_dash-layout", "/_dash-dependencies"):
                await http.get(path)
        await asyncio.sleep(random.random() * recorded["interval"])
        while True:
            began = time.monotonic()
            asked["inputs"][0]["value"] += 1
            answer = await http.post(recorded["path"], content=json.dumps(asked, separators=(",", ":")))
            if answer.status_code == 200:
                response = answer.json()["response"]
                if "step" in response:  # else nothing is new
                    asked["state"][0]["value"] = response["step"]["data"]
                    say("seen")
            await asyncio.sleep(max(0.0, recorded["interval"] - (time.monotonic() - began)))


async def streamlit(address: str, recorded: Mapping[str, Any], opened: Opening) -> None:
    """A page of Streamlit: one run of the script, then the fragment again and again."""
    first, again = bytes.fromhex(recorded["first"]), bytes.fromhex(recorded["again"])
    place = address.replace("http", "ws", 1) + "/_stcore/stream"
    async with opened:
        socket = await connect(
            place, subprotocols=["streamlit"], max_size=2**26, ping_interval=None, open_timeout=PATIENCE,  # type: ignore[list-item]  # a plain string
        )  # fmt: skip
        await socket.send(first)
        await asyncio.sleep(0.5)

    async def ask() -> None:
        await asyncio.sleep(random.random() * recorded["interval"])
        while True:
            await socket.send(again)
            await asyncio.sleep(recorded["interval"])

    asking = asyncio.create_task(ask())
    last = b""
    try:
        async for message in socket:
            figure = message if isinstance(message, bytes) and len(message) > BIG else last
            if figure != last:
                last = figure
                say("seen")
    finally:
        asking.cancel()


KINDS = {"desk": desk, "wall": wall, "dash": dash, "streamlit": streamlit}


class Recorder:
    """What a real page of a peer sends, to be repeated. Attach it before the page is opened."""

    def __init__(self, page: Page, kind: str, interval_ms: int) -> None:
        self._page, self._kind, self._interval = page, kind, interval_ms / 1000
        self._frames: list[bytes] = []
        self._asked: dict[str, Any] = {}
        if kind == "streamlit":
            page.on("websocket", self._joined)
        if kind == "dash":
            page.on("request", self._requested)

    def _joined(self, socket: WebSocket) -> None:
        socket.on("framesent", lambda frame: self._frames.append(frame if isinstance(frame, bytes) else frame.encode()))

    def _requested(self, request: Any) -> None:
        if "/_dash-update-component" in request.url and '"tick.n_intervals"' in (request.post_data or ""):
            path = "/" + request.url.split("/", 3)[3]
            kept = {name: value for name, value in request.headers.items() if name not in ("host", "content-length")}
            self._asked = {"path": path, "body": request.post_data, "headers": kept}

    def told(self) -> dict[str, Any]:
        """Waits until the page has sent what is needed. Raises :class:`NotMeasuredError` when it does not in time."""
        end = time.monotonic() + 30
        while time.monotonic() < end:
            if self._kind not in ("dash", "streamlit"):
                return {}
            if self._kind == "dash" and self._asked:
                return {**self._asked, "interval": self._interval}
            if len(self._frames) > 1:
                return {"first": self._frames[0].hex(), "again": self._frames[-1].hex(), "interval": self._interval}
            self._page.wait_for_timeout(200)
        raise NotMeasuredError(f"{self._kind}: the page has not asked again")


async def staying(kind: str, address: str, recorded: Mapping[str, Any], opening: Opening) -> None:
    """A viewer that comes back a second after it is lost, for ever."""
    while True:
        with suppress(*BROKEN):
            await KINDS[kind](address, recorded, opening)
        say("lost")
        await asyncio.sleep(1)
        opening = Opening()  # it has been counted


async def _all(kind: str, address: str, count: int, recorded: Mapping[str, Any]) -> None:
    opening = Opening()
    tasks = [asyncio.create_task(staying(kind, address, recorded, opening)) for _ in range(count)]
    while opening.count < count:
        done, _ = await asyncio.wait(tasks, timeout=0.1)
        for task in done:
            task.result()
    print("open", flush=True)
    await asyncio.gather(*tasks)


def main(argv: Sequence[str] | None = None) -> None:
    """Watch until the process is ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("address")
    parser.add_argument("count", type=int)
    parser.add_argument("recorded", type=Path, nargs="?")
    options = parser.parse_args(argv)
    recorded = json.loads(options.recorded.read_text(encoding="utf-8")) if options.recorded else {}
    asyncio.run(_all(options.kind, options.address, options.count, recorded))


if __name__ == "__main__":
    main()
