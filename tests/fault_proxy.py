"""A TCP proxy between a client and a real server: counts what passes, and misbehaves on command: late, silent, cutting."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

Fault = Literal["none", "silent", "cut", "cut_answers"]


class FaultProxy:
    """Forwards 127.0.0.1:``port`` to ``target``. Set ``fault`` and ``latency_s`` at any time.

    ``silent``: bytes are taken and nothing ever comes back. ``cut``: every connection is reset at once. ``cut_answers``:
    what is sent arrives, the answer does not: the connection is reset instead. ``up`` and ``down`` are the bytes that
    went on to ``target`` and came back, of all connections so far.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.fault: Fault = "none"
        self.latency_s = 0.0
        self.connections = self.up = self.down = 0
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(5)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(5)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        with contextlib.suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        server = await asyncio.start_server(self._client, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if self.fault == "cut":
            _reset(writer)
            return
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            _reset(writer)
            return
        try:
            await asyncio.gather(
                self._pump(reader, up_writer, answers=False), self._pump(up_reader, writer, answers=True)
            )
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            up_writer.close()
            writer.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool) -> None:
        while data := await reader.read(65_536):
            if self.latency_s:
                await asyncio.sleep(self.latency_s)
            if self.fault == "silent":
                continue
            if self.fault == "cut" or (self.fault == "cut_answers" and answers):
                _reset(writer)
                raise ConnectionResetError
            if answers:
                self.down += len(data)
            else:
                self.up += len(data)
            writer.write(data)
            await writer.drain()
        writer.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@contextmanager
def fault_proxy(target: int) -> Iterator[FaultProxy]:
    """A running proxy in front of ``target``."""
    proxy = FaultProxy(target)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()


def took(started: float) -> float:
    """Seconds since ``started`` (monotonic)."""
    return time.monotonic() - started
