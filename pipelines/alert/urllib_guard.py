"""Slack's library speaks through urllib, which follows redirects, asks anybody, and waits for a dripping answer without
end: here it does none of it."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
import urllib.request
from functools import partial
from typing import Any

from pipelines.outgoing import refuse_socket

DEADLINE_S = 20.0
"""For an answer, headers and body together; urllib's own timeout begins anew with every byte."""
MAX_BYTES = 10_000_000


class _Answer(http.client.HTTPResponse):
    """An answer that must be there in time; late or too large it ends as an error, never as a shorter answer."""

    def __init__(self, sock: socket.socket, *args: Any, deadline_s: float, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self._late = False
        self._timer = threading.Timer(deadline_s, self._cut, [sock])
        self._timer.daemon = True
        self._timer.start()

    def begin(self) -> None:
        try:
            super().begin()
        finally:
            self._check()

    def read(self, amt: int | None = None) -> bytes:
        try:
            body = super().read(MAX_BYTES + 1 if amt is None else amt)
        finally:
            self._check()
        if amt is None and len(body) > MAX_BYTES:
            raise http.client.HTTPException(f"more than {MAX_BYTES:,} bytes; refused")
        return body

    def close(self) -> None:
        self._timer.cancel()
        super().close()

    def _cut(self, sock: socket.socket) -> None:
        self._late = True
        with contextlib.suppress(OSError):  # already closed
            socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def _check(self) -> None:
        if self._late:
            raise TimeoutError("no complete answer in time")


class _HTTPConnection(http.client.HTTPConnection):
    def connect(self) -> None:
        super().connect()
        refuse_socket(self.sock)


class _HTTPSConnection(http.client.HTTPSConnection):
    def connect(self) -> None:
        super().connect()
        refuse_socket(self.sock)


class _HTTPHandler(urllib.request.HTTPHandler):
    deadline_s = DEADLINE_S

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(partial(_connection, _HTTPConnection, self.deadline_s), req)


class _HTTPSHandler(urllib.request.HTTPSHandler):
    deadline_s = DEADLINE_S

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(partial(_connection, _HTTPSConnection, self.deadline_s), req)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Nothing of ours moves: a redirect is an answer like any other."""
        return


def _connection[C: http.client.HTTPConnection](kind: type[C], deadline_s: float, *args: Any, **kwargs: Any) -> C:
    made = kind(*args, **kwargs)
    made.response_class = partial(_Answer, deadline_s=deadline_s)  # type: ignore[assignment]  # called like the class
    return made


def guard_urllib(deadline_s: float = DEADLINE_S) -> None:
    """From now on this process's ``urlopen`` follows no redirect, never asks a link-local or metadata address, and gives
    an answer ``deadline_s`` seconds in all."""
    plain, secure = _HTTPHandler(), _HTTPSHandler()
    plain.deadline_s = secure.deadline_s = deadline_s
    urllib.request.install_opener(urllib.request.build_opener(plain, secure, _NoRedirect))
