"""The only HTTP client of ours: one GET under a total deadline, a byte cap, and redirects that are looked at first.

TLS verification is always on. Messages name host and path, never a query string.
"""

from __future__ import annotations

import asyncio
import functools
import http.cookiejar
import importlib
import logging
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import httpx

from pipelines.clock import Clock, SystemClock
from pipelines.errors import PermanentError, RateLimitedError, ShapeChangedError, TransientError
from pipelines.ingest.guard import (
    BodyBrokenError,
    BodyTooLargeError,
    Inflater,
    answered,
    looks_like,
    place,
)
from pipelines.ingest.http_guard import peer_trace
from pipelines.ingest.redirects import check_redirect, check_scheme, origin, redirect_target
from pipelines.outgoing import AddressRefusedError
from pipelines.retry_after import retry_after_seconds

USER_AGENT = "et-heatmap/0.1 (newsroom trend monitor)"
MAX_REDIRECTS = 5
PRIVATE_HEADERS = ("authorization", "cookie", "proxy-authorization")

# at INFO both print whole addresses with their query strings
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)


@functools.cache
def _tls() -> ssl.SSLContext:
    """Full verification; one context for all clients, since reading the authorities takes 0.1 s."""
    return httpx.create_ssl_context()


def prepare() -> None:
    """What the first request needs: imports, and the certificate authorities. Blocking, once."""
    for name in (
        "httpcore",
        "anyio.streams.tls",
        "anyio._backends._asyncio",
    ):  # else at the first connection, on the loop
        importlib.import_module(name)
    _tls()


@dataclass(frozen=True, slots=True)
class Reply:
    """A complete answer. ``url`` is where it came from after redirects; ``requests`` counts the hops.

    With ``not_modified`` the body is empty and what the caller had is still right.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str
    not_modified: bool
    ms: int
    requests: int = 1


class Http:
    """Fetches documents. Use inside one event loop; close it with :meth:`aclose` or ``async with``."""

    def __init__(self, clock: Clock | None = None, user_agent: str = USER_AGENT) -> None:
        self._clock = clock or SystemClock()
        self._user_agent = user_agent
        self._client: httpx.AsyncClient | None = None
        self._making = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections; the object can be used again afterwards."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def get(
        self,
        source: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        etag: str | None = None,
        last_modified: str | None = None,
        max_bytes: int,
        deadline_s: float,
        accept: tuple[str, ...] = ("xml",),
    ) -> Reply:
        """Fetch ``url`` for ``source`` (a name for messages).

        ``etag`` and ``last_modified`` make the request conditional. ``max_bytes`` caps the decoded body, ``deadline_s``
        the whole fetch with redirects. ``accept`` lists what the body may look like (``xml``, ``json``, ``html``;
        empty: anything).

        Raises :class:`RateLimitedError`, :class:`TransientError`, :class:`PermanentError`, :class:`ShapeChangedError`.
        """
        wanted = dict(headers or {})
        if etag:
            wanted["If-None-Match"] = etag
        if last_modified:
            wanted["If-Modified-Since"] = last_modified
        started = time.monotonic()
        try:
            async with asyncio.timeout(deadline_s):
                reply = await self._follow(source, url, wanted, max_bytes, started)
        except TimeoutError:
            raise TransientError(source, f"{place(url)} gave no complete answer within {deadline_s:g} s") from None
        except httpx.HTTPError as error:
            raise TransientError(source, f"{_asked(error, url)}: {_plain(error)}") from None
        except AddressRefusedError as error:
            raise PermanentError(source, f"{place(url)}: {error}") from None
        except (httpx.InvalidURL, UnicodeError):
            raise PermanentError(source, f"{place(url)} is not an address that can be fetched") from None
        if accept and not reply.not_modified:
            with answered(reply.status, reply.headers, len(reply.body)):
                _check_looks(source, reply, accept)
        return reply

    async def _follow(self, source: str, url: str, headers: dict[str, str], max_bytes: int, started: float) -> Reply:
        check_scheme(source, url)
        start, private = url, True  # the first address is the operator's own
        for hop in range(1, MAX_REDIRECTS + 2):
            response = await self._send(source, url, headers, private)
            try:
                target = redirect_target(source, url, response.status_code, response.headers.get("location", ""))
                if target is None:
                    return await self._finish(source, url, response, headers, max_bytes, started, hop)
            finally:
                await response.aclose()
            private = await check_redirect(source, start, url, target)
            if origin(target) != origin(url):
                headers = {k: v for k, v in headers.items() if k.lower() not in PRIVATE_HEADERS}
            url = target
        raise PermanentError(source, f"{place(start)} redirects in circles (more than {MAX_REDIRECTS} times)")

    async def _send(self, source: str, url: str, headers: Mapping[str, str], private: bool) -> httpx.Response:
        client = await self._connected()
        trace = peer_trace(httpx.URL(url).host, private=private)
        request = client.build_request("GET", url, headers=dict(headers), extensions={"trace": trace})
        try:
            return await client.send(request, stream=True)
        except httpx.InvalidURL:  # the library reads Location even when it is not to follow it
            raise PermanentError(source, f"unsafe redirect refused: {place(url)} points to no address") from None

    async def _connected(self) -> httpx.AsyncClient:
        async with self._making:
            if self._client is None:  # imports and certificates would hold up the event loop
                self._client = await asyncio.to_thread(self._new_client)
            return self._client

    def _new_client(self) -> httpx.AsyncClient:
        prepare()
        # a jar that accepts nothing: sources share this client and must not share cookies
        jar = http.cookiejar.CookieJar(policy=http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
        return httpx.AsyncClient(
            headers={"User-Agent": self._user_agent, "Accept-Encoding": "gzip"},
            timeout=httpx.Timeout(30.0, connect=10.0),
            follow_redirects=False,
            verify=_tls(),
            cookies=jar,
        )

    async def _finish(
        self,
        source: str,
        url: str,
        response: httpx.Response,
        headers: Mapping[str, str],
        max_bytes: int,
        started: float,
        hops: int,
    ) -> Reply:
        conditional = "If-None-Match" in headers or "If-Modified-Since" in headers
        unchanged = response.status_code == 304 and conditional
        with answered(response.status_code, response.headers):
            if not unchanged:
                _check_status(source, url, response, self._clock)
            body = b"" if unchanged else await _read(source, url, response, max_bytes)
        ms = round((time.monotonic() - started) * 1000)
        return Reply(response.status_code, response.headers, body, url, unchanged, ms, hops)


async def _read(source: str, url: str, response: httpx.Response, max_bytes: int) -> bytes:
    status = response.status_code
    try:
        inflater = Inflater(response.headers.get("content-encoding", ""), max_bytes)
        async for chunk in response.aiter_raw():
            inflater.feed(chunk)
        return inflater.finish()
    except BodyTooLargeError:
        message = f"{place(url)} sent more than {max_bytes:,} bytes; refused"
        raise ShapeChangedError(source, message, status=status) from None
    except BodyBrokenError as error:
        raise TransientError(source, f"{place(url)} sent a damaged body: {error}", status=status) from None


def _check_status(source: str, url: str, response: httpx.Response, clock: Clock) -> None:
    status, wait = response.status_code, response.headers.get("retry-after")
    if status == 429 or (status == 503 and wait):
        seconds = retry_after_seconds(wait, clock.now())
        raise RateLimitedError(
            source, f"{place(url)} asks to wait {seconds:.0f} s", retry_after_s=seconds, status=status
        )
    if status >= 500 or status in (304, 408, 425):
        raise TransientError(source, f"{place(url)} answered {status}", status=status)
    if not 200 <= status < 300:
        blocked = " (blocked by the site's bot protection)" if "cf-mitigated" in response.headers else ""
        raise PermanentError(source, f"{place(url)} answered {status}{blocked}", status=status)


def _check_looks(source: str, reply: Reply, accept: tuple[str, ...]) -> None:
    looks = looks_like(reply.body)
    if looks in accept or looks == "text":  # text may be junk before the first tag: the parser judges
        return
    if looks == "empty":
        raise TransientError(source, f"{place(reply.url)} sent an empty reply", status=reply.status)
    raise ShapeChangedError(
        source,
        f"unexpected page: {place(reply.url)} sent {looks.upper()} where {' or '.join(accept).upper()} was expected",
        sample=reply.body[:2000].decode("utf-8", "replace"),
        status=reply.status,
    )


def _asked(error: httpx.HTTPError, url: str) -> str:
    try:
        return place(str(error.request.url))  # after a redirect this is not where we started
    except RuntimeError:
        return place(url)


def _plain(error: httpx.HTTPError) -> str:
    """Why a request failed, in words; never the library's text, which may carry the address."""
    causes = list(_causes(error))
    if any(isinstance(cause, ssl.SSLError) for cause in causes):
        reason = next((getattr(c, "verify_message", "") for c in causes if getattr(c, "verify_message", "")), "")
        return f"TLS certificate problem{': ' + reason if reason else ''}"
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return "the host name cannot be resolved"
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return "cannot connect"
    if isinstance(error, httpx.TimeoutException):
        return "no answer in time"
    return "the connection broke before the answer was complete"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
