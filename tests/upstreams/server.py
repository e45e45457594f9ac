"""Shared scaffolding of the stand-ins: a small server in a thread, a log of what it was asked, and planned faults.

A stand-in is a Starlette app. ``Upstream(app)`` runs it and adds two things to every one: ``log``, each request as it
came, and ``plan(match, *answers)``, which puts answers before the app: the next requests whose path contains ``match``
get them in order. An answer is any ASGI app, so a Starlette ``Response`` is one, and so are the faults below.
"""

from __future__ import annotations

import asyncio
import gzip
import socket
import struct
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl

import uvicorn
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

HTML = "<!DOCTYPE html><html><head><title>Before you continue</title></head><body>Are you a robot?</body></html>"
Answer = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(frozen=True)
class Seen:
    """One request as the server saw it."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    at: float = field(default_factory=time.monotonic)


@dataclass
class _Plan:
    match: str
    answers: list[Answer]
    repeat: bool


class _Protocol(H11Protocol):
    """Hands the connection to the app, so that a fault can cut it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn declares it
        super().connection_made(transport)
        inner = self.app

        async def app(scope: Any, receive: Any, send: Any) -> None:
            scope["transport"] = transport
            await inner(scope, receive, send)

        self.app = app


class Upstream:
    """A stand-in running on 127.0.0.1; a context manager. ``url`` has no trailing slash."""

    def __init__(self, app: ASGIApp, port: int = 0) -> None:
        self.app = app
        self.log: list[Seen] = []
        self._plans: list[_Plan] = []
        self._port = port
        self.url = ""

    def plan(self, match: str, *answers: Answer, repeat: bool = False) -> None:
        """Answer the next requests whose path contains ``match`` with ``answers`` (``repeat``: the last for good)."""
        self._plans.append(_Plan(match, list(answers), repeat))

    def requests(self, match: str = "") -> list[Seen]:
        """What was asked so far, of paths that contain ``match``."""
        return [seen for seen in self.log if match in seen.path]

    def reset(self) -> None:
        """Forget log and plans."""
        self.log.clear()
        self._plans.clear()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Log, then a planned answer or the app's own; a websocket goes straight to the app."""
        if scope["type"] == "websocket":
            await self.app(scope, receive, send)
            return
        body = await _body(receive)
        headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}
        query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        self.log.append(Seen(scope["method"], scope["path"], query, headers, body))
        answer = self._next_answer(scope["path"]) or self.app
        await answer(scope, _replay(body, receive), send)

    def _next_answer(self, path: str) -> Answer | None:
        for plan in self._plans:
            if plan.match in path and plan.answers:
                return plan.answers[0] if plan.repeat and len(plan.answers) == 1 else plan.answers.pop(0)
        return None

    def start(self) -> Self:
        """Bind, serve in a thread, return when ready."""
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", self._port))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(
            self, http=_Protocol, ws="websockets-sansio", loop="asyncio", lifespan="off", log_config=None, access_log=False,
            timeout_graceful_shutdown=1, server_header=False,
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True)
        self._thread.start()
        deadline = time.monotonic() + 10
        while not self._server.started:
            if time.monotonic() > deadline or not self._thread.is_alive():
                raise RuntimeError("the stand-in did not start")
            time.sleep(0.005)
        return self

    def stop(self) -> None:
        """Stop serving; open answers are cut."""
        self._server.should_exit = True
        self._server.force_exit = True
        self._thread.join(10)
        self._socket.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


@contextmanager
def serving(app: ASGIApp) -> Iterator[Upstream]:
    """``app`` as a running :class:`Upstream`."""
    with Upstream(app) as upstream:
        yield upstream


async def _body(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


def _replay(body: bytes, receive: Receive) -> Receive:
    sent = False

    async def again() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


# ---- faults, each an answer ----


def html(status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """A consent or "blocked" page."""
    return Response(HTML, status, dict(headers or {}), "text/html; charset=utf-8")


def too_many(retry_after: str | None = None, status: int = 429) -> Answer:
    """429 with the given ``Retry-After`` text, or without one."""
    return Response("Too Many Requests", status, {"retry-after": retry_after} if retry_after is not None else {})


def raw(body: bytes, content_type: str = "application/json", status: int = 200, **headers: str) -> Answer:
    """Exactly these bytes; in ``headers`` an underscore stands for a hyphen."""
    names = {"content-type": content_type} | {k.replace("_", "-"): v for k, v in headers.items()}
    return Response(body, status, names)


def truncated(body: bytes, content_type: str = "application/json", missing: int = 1000) -> Answer:
    """``body`` under a Content-Length that promises ``missing`` bytes more, then a closed connection."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        length = str(len(body) + missing).encode()
        headers = [(b"content-type", content_type.encode()), (b"content-length", length)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": True})
        await asyncio.sleep(0.05)
        scope["transport"].close()

    return answer


def reset() -> Answer:
    """The connection is reset (RST) before any answer."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        transport = scope["transport"]
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()

    return answer


def drip(
    content_type: str = "application/json", every_s: float = 0.1, byte: bytes = b" ", seconds: float = 30
) -> Answer:
    """One byte every ``every_s`` seconds, for ``seconds``."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", content_type.encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for _ in range(round(seconds / every_s)):
            if scope["transport"].is_closing():
                return
            await send({"type": "http.response.body", "body": byte, "more_body": True})
            await asyncio.sleep(every_s)
        await send({"type": "http.response.body", "body": b""})

    return answer


def drip_headers(every_s: float = 0.1, seconds: float = 30) -> Answer:
    """Response headers that arrive a byte at a time and never end."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        transport = scope["transport"]
        transport.write(b"HTTP/1.1 200 OK\r\nx-slow: ")
        for _ in range(round(seconds / every_s)):
            if transport.is_closing():
                return
            transport.write(b"a")
            await asyncio.sleep(every_s)
        transport.close()

    return answer


def silence(seconds: float = 30) -> Answer:
    """Nothing at all."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        for _ in range(round(seconds / 0.05)):
            if scope["transport"].is_closing():
                return
            await asyncio.sleep(0.05)
        scope["transport"].close()

    return answer


def huge(megabytes: int = 50, content_type: str = "application/json", prefix: bytes = b'{"kind": "') -> Answer:
    """``megabytes`` of body, streamed, without a Content-Length."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", content_type.encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": prefix, "more_body": True})
        block = b"x" * 1_000_000
        for _ in range(megabytes):
            if scope["transport"].is_closing():
                return
            await send({"type": "http.response.body", "body": block, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    return answer


def gzip_bomb(megabytes: int = 100, content_type: str = "application/json") -> Answer:
    """A small gzip body that inflates to ``megabytes``."""
    return raw(gzip.compress(b" " * (megabytes * 1_000_000)), content_type, content_encoding="gzip")
