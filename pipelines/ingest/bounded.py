"""A ``requests`` session that cannot be held up or flooded, for client libraries that insist on ``requests``.

Timeouts of ``requests`` are per read: a server that sends a byte now and then is waited for without end. Here every
request has one deadline for headers and body together and a cap on decoded bytes; redirects are never followed.
"""

from __future__ import annotations

import contextlib
import io
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from pipelines.ingest.guard import BodyBrokenError, BodyTooLargeError, Inflater
from pipelines.outgoing import refuse_socket

CHUNK = 65_536
CONNECT_S = 10.0
RATE_HEADERS = ("x-ratelimit-remaining", "x-ratelimit-used", "x-ratelimit-reset")


class DeadlineError(requests.exceptions.RequestException):
    """The whole answer did not arrive in time. Not one of the errors PRAW tries again."""


class RefusedBodyError(requests.exceptions.RequestException):
    """The body was larger than the cap, or cannot be decoded. Not one of the errors PRAW tries again."""


@dataclass(frozen=True, slots=True)
class Last:
    """What is remembered of the last answer, for when the library's own error loses it."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes


class _Deadline:
    """One request's deadline; shuts its connection down when the time comes, wherever the reader then stands."""

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds
        self._timers: list[threading.Timer] = []
        self._cut = False

    @property
    def passed(self) -> bool:
        """Whether the time is up."""
        return self._cut or time.monotonic() >= self._at

    def arm(self, sock: socket.socket) -> None:
        """Watch over ``sock``."""
        timer = threading.Timer(max(self._at - time.monotonic(), 0), self._shut, [sock])
        timer.daemon = True
        self._timers.append(timer)
        timer.start()

    def disarm(self) -> None:
        """The request is over."""
        for timer in self._timers:
            timer.cancel()

    def _shut(self, sock: socket.socket) -> None:
        self._cut = True
        # plain shutdown of the TCP connection, also under TLS: the reading thread sees the end at once
        with contextlib.suppress(OSError):  # already closed
            socket.socket.shutdown(sock, socket.SHUT_RDWR)


class _Current(threading.local):
    """The deadline of the request this thread is making."""

    deadline: _Deadline | None = None


_current = _Current()


class _Watched:
    """Connections that read their answer under the current deadline, headers included."""

    sock: Any
    proxy: Any

    def connect(self) -> None:
        """As in ``http.client``, with a look at who was reached before anything is sent; a proxy decides by itself."""
        super().connect()  # type: ignore[misc]  # a mixin: the connection class beside it has it
        if not self.proxy:
            refuse_socket(self.sock)

    def getresponse(self) -> Any:
        """As in ``http.client``."""
        if _current.deadline is not None:
            _current.deadline.arm(self.sock)
        return super().getresponse()  # type: ignore[misc]  # a mixin: the connection class beside it has it


class _WatchedHTTP(_Watched, HTTPConnection):
    pass


class _WatchedHTTPS(_Watched, HTTPSConnection):
    pass


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _WatchedHTTP


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _WatchedHTTPS


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}
        return manager


class BoundedSession(requests.Session):
    """A session whose every request ends within ``deadline_s`` seconds and holds at most ``max_bytes`` decoded bytes.

    ``last`` is the last answer; ``count`` and ``bytes_read`` add up since :meth:`restart`. Use from one thread.
    """

    def __init__(self, deadline_s: float, max_bytes: int) -> None:
        super().__init__()
        self._deadline_s, self._max_bytes = deadline_s, max_bytes
        # a handful of requests a poll, minutes apart: no connection is worth keeping open in between
        self.headers.update({"Connection": "close", "Accept-Encoding": "gzip"})
        self.mount("http://", _Adapter())
        self.mount("https://", _Adapter())
        self.restart()
        self._blocked_until = 0.0

    def restart(self) -> None:
        """Start counting anew."""
        self.last: Last | None = None
        self.count = 0
        self.bytes_read = 0

    @property
    def wait_s(self) -> float:
        """Seconds until the upstream's own rate window opens again; 0 while it is open."""
        return max(self._blocked_until - time.monotonic(), 0.0)

    def request(self, method: Any, url: Any, *args: Any, **kwargs: Any) -> requests.Response:
        """As in ``requests``, read to the end. Raises :class:`DeadlineError`, :class:`RefusedBodyError` besides."""
        kwargs |= {"stream": True, "allow_redirects": False, "timeout": (CONNECT_S, self._deadline_s)}
        self.count += 1
        self.last = None
        deadline = _current.deadline = _Deadline(self._deadline_s)
        try:
            response = super().request(method, url, *args, **kwargs)
            with response:
                body = self._read(response, deadline)
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
            if deadline.passed:
                raise DeadlineError("no complete answer in time") from None
            if isinstance(error, urllib3.exceptions.HTTPError):
                raise requests.exceptions.ChunkedEncodingError("the answer broke off") from None
            raise
        finally:
            _current.deadline = None
            deadline.disarm()
        response.raw = io.BytesIO(body)
        self.bytes_read += len(body)
        self._note(response, body)
        return response

    def _read(self, response: requests.Response, deadline: _Deadline) -> bytes:
        try:
            inflater = Inflater(response.headers.get("content-encoding", ""), self._max_bytes)
            while not deadline.passed and (chunk := response.raw.read1(CHUNK, decode_content=False)):
                inflater.feed(chunk)
            if deadline.passed:  # headers or body cut at the deadline look like a short, complete answer
                raise DeadlineError("no complete answer in time")
            return inflater.finish()
        except BodyTooLargeError:
            raise RefusedBodyError(f"more than {self._max_bytes:,} bytes; refused") from None
        except BodyBrokenError as error:
            raise RefusedBodyError(f"damaged body: {error}") from None

    def _note(self, response: requests.Response, body: bytes) -> None:
        rates = _whole_rates(response.headers)
        if rates and rates["x-ratelimit-remaining"] < 1:
            self._blocked_until = time.monotonic() + rates["x-ratelimit-reset"]
        for name in RATE_HEADERS:
            response.headers.pop(name, None)
        response.headers.update({name: str(value) for name, value in rates.items()})
        self.last = Last(str(response.url), response.status_code, CaseInsensitiveDict(response.headers), body)


def _whole_rates(headers: Mapping[str, str]) -> dict[str, int]:
    """The three rate headers as whole numbers, or nothing when one is missing or unreadable.

    PRAW raises ``ValueError`` out of a good answer over "300.0" in one of them.
    """
    try:
        return {name: max(int(float(headers[name])), 0) for name in RATE_HEADERS}
    except (KeyError, ValueError, OverflowError):
        return {}
