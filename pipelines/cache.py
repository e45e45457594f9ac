"""A small cache of JSON values: in this process, or shared through Redis. It may forget anything at any time.

Redis is never needed: absent, dead, hung, full or emptied it costs a call at most :data:`LIMIT_S`, and after a failure
it is left alone for :data:`LEFT_ALONE_S`, during which every call answers at once as if nothing were kept. Values are
JSON, never pickles, and whoever reads one checks it: what lies in Redis may have been written by anybody.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
import warnings
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import structlog
from cashews import Cache as CashewsCache
from cashews.exceptions import CacheBackendInteractionError
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

log = structlog.get_logger(__name__)

LIMIT_S = 0.5
"""What one call to Redis may cost."""

LEFT_ALONE_S = 10.0
"""How long Redis is not asked after a failure."""

MAX_ENTRIES = 1000
MAX_BYTES = 8_000_000
"""A larger value is not kept: a poll's rows are some hundred kB."""


@dataclass(frozen=True, slots=True)
class CacheHealth:
    """How the cache is doing. ``errors`` counts calls that Redis failed or refused, ``dropped`` values that were unfit."""

    backend: Literal["memory", "redis"]
    ok: bool
    errors: int = 0
    dropped: int = 0
    line: str = ""


class Cache(Protocol):
    """Keeps JSON objects for a while. No method raises for the cache's own troubles."""

    async def get(self, key: str) -> dict[str, Any] | None:
        """The object under ``key``, or None. It may have been written by anybody: check it."""
        ...

    async def put(self, key: str, value: dict[str, Any], ttl_s: float) -> None:
        """Keep ``value`` for ``ttl_s`` seconds, if possible."""
        ...

    async def drop(self, key: str) -> None:
        """Forget ``key``: its value turned out to be unfit."""
        ...

    async def aclose(self) -> None:
        """Give connections back; the cache can be used again afterwards."""
        ...

    @property
    def health(self) -> CacheHealth:
        """How it is doing."""
        ...


class UnreachableError(Exception):
    """Redis did not answer in time, or not at all, or is being left alone."""


class Fuse:
    """Lets calls to Redis through, each within ``limit_s``; after a failure none for ``left_alone_s`` seconds.

    One for everything that talks to the same Redis. ``monotonic`` gives seconds.
    """

    def __init__(
        self,
        limit_s: float = LIMIT_S,
        left_alone_s: float = LEFT_ALONE_S,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit_s, self._left_alone_s, self._monotonic = limit_s, left_alone_s, monotonic
        self._until = float("-inf")
        self.errors = 0

    @property
    def closed(self) -> bool:
        """Whether Redis is asked at all now."""
        return self._monotonic() >= self._until

    async def run[T](self, call: Callable[[], Awaitable[T]]) -> T:
        """What ``call`` gives. Raises :class:`UnreachableError`."""
        if not self.closed:
            raise UnreachableError
        try:
            async with asyncio.timeout(self._limit_s):
                return await call()
        except (CacheBackendInteractionError, RedisError, OSError, TimeoutError) as error:
            self._note(error)
            raise UnreachableError from None

    def _note(self, error: BaseException) -> None:
        self.errors += 1
        cause = error.__cause__ if isinstance(error, CacheBackendInteractionError) else error
        if isinstance(cause, ResponseError):
            # it answered, with a no (full, read-only): asking again costs nothing
            log.warning("redis refused a command", error=type(cause).__name__)
            return
        self._until = self._monotonic() + self._left_alone_s
        log.warning("redis not reached; left alone", error=type(cause).__name__, seconds=self._left_alone_s)


def redis_options() -> dict[str, Any]:
    """How every client of ours talks to Redis: within half a second, and never the same command twice.

    The library's own defaults wait 59 s on a Redis that hangs, and their retry counted one increment twice.
    """
    return {
        "socket_timeout": LIMIT_S, "socket_connect_timeout": LIMIT_S, "retry": Retry(NoBackoff(), 0),
        "retry_on_timeout": False, "max_connections": 10,
    }  # fmt: skip


def redis_client(url: str) -> Redis:
    """A client under :func:`redis_options`, not connected yet."""
    client: Redis = Redis.from_url(url, **redis_options())
    return client


class MemoryCache:
    """Keeps values in this process; at most ``max_entries``, the oldest go first. ``monotonic`` gives seconds."""

    def __init__(self, max_entries: int = MAX_ENTRIES, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._max, self._monotonic = max_entries, monotonic
        self._values: dict[str, tuple[float, str]] = {}
        self._dropped = 0

    @property
    def health(self) -> CacheHealth:
        """Always well."""
        return CacheHealth("memory", ok=True, dropped=self._dropped, line="Cache: in this process.")

    async def get(self, key: str) -> dict[str, Any] | None:
        """The value under ``key`` while its time lasts."""
        until, text = self._values.get(key, (float("-inf"), ""))
        if self._monotonic() >= until:
            self._values.pop(key, None)
            return None
        found: dict[str, Any] = json.loads(text)
        return found

    async def put(self, key: str, value: dict[str, Any], ttl_s: float) -> None:
        """Keep a copy."""
        text = json.dumps(value)
        self._values.pop(key, None)
        if ttl_s <= 0 or len(text) > MAX_BYTES:
            return
        self._values[key] = (self._monotonic() + ttl_s, text)
        while len(self._values) > self._max:
            del self._values[next(iter(self._values))]

    async def drop(self, key: str) -> None:
        """Forget ``key``."""
        self._dropped += 1
        self._values.pop(key, None)

    async def aclose(self) -> None:
        """Nothing to give back."""


class RedisCache:
    """Keeps values in Redis under ``prefix``, through cashews with JSON. Use within one event loop.

    cashews' own ``suppress`` would hide failures from the fuse, so they are let out of it and end here.
    """

    def __init__(self, url: str, prefix: str, fuse: Fuse | None = None) -> None:
        self._url, self._prefix = url, prefix
        self.fuse = fuse or Fuse()
        self._cashews: CashewsCache | None = None
        self._dropped = 0

    @property
    def health(self) -> CacheHealth:
        """Whether Redis is being asked, and what it failed so far."""
        ok = self.fuse.closed
        line = (
            "Cache: Redis."
            if ok
            else "Cache off: Redis does not answer. Sources are asked directly, within their limits."
        )
        return CacheHealth("redis", ok, self.fuse.errors, self._dropped, line)

    async def get(self, key: str) -> dict[str, Any] | None:
        """The object under ``key``; None when there is none, when it is no object, or when Redis fails."""
        try:
            value = await self.fuse.run(lambda: self._client().get(self._key(key)))
        except UnreachableError:
            return None
        except Exception:  # noqa: BLE001 - a poisoned value may break the decoder in any way it likes
            value = "unreadable"
        if value is None or isinstance(value, dict):
            return value
        await self.drop(key)
        return None

    async def put(self, key: str, value: dict[str, Any], ttl_s: float) -> None:
        """Keep ``value``; skipped and counted where Redis is full or gone."""
        if ttl_s <= 0 or len(json.dumps(value)) > MAX_BYTES:
            return
        await self._quietly(lambda: self._client().set(self._key(key), value, expire=ttl_s))

    async def drop(self, key: str) -> None:
        """Forget ``key``."""
        self._dropped += 1
        log.warning("cached value was unfit; dropped", key=key)
        await self._quietly(lambda: self._client().delete(self._key(key)))

    async def aclose(self) -> None:
        """Close the connections."""
        client, self._cashews = self._cashews, None
        if client is None:
            return
        with warnings.catch_warnings(), contextlib.suppress(CacheBackendInteractionError, RedisError, OSError):
            # cashews closes redis by a name that redis has since renamed
            warnings.simplefilter("ignore", DeprecationWarning)
            async with asyncio.timeout(LIMIT_S):
                await client.close()

    async def _quietly(self, call: Callable[[], Awaitable[object]]) -> None:
        try:
            await self.fuse.run(call)
        except UnreachableError:
            return

    def _key(self, key: str) -> str:
        return f"{self._prefix}:{key}"

    def _client(self) -> CashewsCache:
        if self._cashews is None:
            self._cashews = CashewsCache()
            self._cashews.setup(
                self._url, suppress=False, pickle_type="json", check_repr=False,
                wait_for_connection_timeout=LIMIT_S, **redis_options(),
            )  # fmt: skip
        return self._cashews
