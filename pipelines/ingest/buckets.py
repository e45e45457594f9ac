"""Our own limit on requests: one token bucket an upstream, in this process and, where there is Redis, for all of them.

Both must grant. So when Redis is emptied or away, this process still keeps to the limit by itself; and a grant whose
answer was lost has been counted there, which errs on the safe side. The bucket in here runs on the monotonic clock; the
shared one on wall time, the only one processes have in common.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from inspect import isawaitable
from typing import Any

from pyrate_limiter import Rate, RateItem
from pyrate_limiter.abstracts.algorithm import TokenBucket
from pyrate_limiter.buckets.redis_state import RedisStateStore
from pyrate_limiter.buckets.state_bucket import StateBucket
from redis.asyncio import Redis

from pipelines.cache import Fuse, UnreachableError, redis_client
from pipelines.clock import Clock, SystemClock

MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class Grant:
    """Whether the requests may be made; if not, ``wait_s`` seconds until they could. ``left`` is what remains."""

    ok: bool
    wait_s: float = 0.0
    left: int = 0


class _Bucket:
    """One upstream's bucket: in this process, and its share in Redis."""

    def __init__(self, per_minute: int, redis: Redis | None, key: str) -> None:
        self.per_minute = per_minute
        self.rates = [Rate(per_minute, MINUTE_MS)]
        self.policy = TokenBucket()
        self.local = StateBucket(self.rates, self.policy)
        self.shared = StateBucket(self.rates, self.policy, RedisStateStore(redis, key)) if redis is not None else None

    def left(self, now_ms: int) -> int:
        """Whole tokens in this process's bucket."""
        state = self.local.store.read(self.policy, self.rates)
        assert isinstance(state, tuple)  # noqa: S101 - only a shared store answers later
        return max(self.per_minute - self.policy.consumed(self.rates, state, now_ms), 0)


class Buckets:
    """All buckets of a process. ``limits``: requests a minute per name; a name without one is not limited.

    ``clock`` gives the wall time shared buckets agree on, ``monotonic`` seconds. ``redis_url`` empty: in this process.
    """

    def __init__(
        self,
        limits: dict[str, int],
        *,
        clock: Clock | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        redis_url: str = "",
        prefix: str = "et-heatmap",
        fuse: Fuse | None = None,
    ) -> None:
        self._clock, self._monotonic = clock or SystemClock(), monotonic
        self._fuse = fuse or Fuse()
        self._redis = redis_client(redis_url) if redis_url else None
        self._buckets = {name: _Bucket(limit, self._redis, f"{prefix}:bucket:{name}") for name, limit in limits.items()}

    async def take(self, name: str, requests: int = 1) -> Grant:
        """Take tokens for ``requests`` at once, or none of them. Never waits longer than the fuse allows."""
        bucket = self._buckets.get(name)
        if bucket is None:
            return Grant(ok=True)
        weight = min(max(requests, 1), bucket.per_minute)
        item = RateItem(name, self._now(), weight)
        if not bucket.local.put(item):
            return Grant(ok=False, wait_s=_seconds(bucket.local.waiting(item)), left=self.left(name))
        wait_ms = await self._shared_wait(bucket, name, weight)
        return Grant(ok=wait_ms == 0, wait_s=_seconds(wait_ms) if wait_ms else 0.0, left=self.left(name))

    async def charge(self, name: str, requests: int) -> None:
        """Take tokens for requests that were made beyond those asked for, as many as there are."""
        for _ in range(max(requests, 0)):
            if not (await self.take(name)).ok:
                return

    def left(self, name: str) -> int:
        """Requests that could be made at once now, as far as this process knows."""
        bucket = self._buckets.get(name)
        return 0 if bucket is None else bucket.left(self._now())

    async def aclose(self) -> None:
        """Close the connections to Redis."""
        if self._redis is not None:
            await self._redis.aclose()

    async def _shared_wait(self, bucket: _Bucket, name: str, weight: int) -> int:
        """Milliseconds the shared bucket asks to wait; 0 when it grants, or cannot be reached: our own has granted."""
        if bucket.shared is None:
            return 0
        shared, item = bucket.shared, RateItem(name, round(self._clock.now().timestamp() * 1000), weight)
        try:
            if await self._fuse.run(lambda: _answer(shared.put(item))):
                return 0
            wait = int(await self._fuse.run(lambda: _answer(shared.waiting(item))))
            if wait <= MINUTE_MS:
                return max(wait, 1)
            # a full bucket refills in a minute: the clock was set back since it was written
            await self._fuse.run(lambda: _answer(shared.flush()))
        except UnreachableError:
            pass
        return 0

    def _now(self) -> int:
        return round(self._monotonic() * 1000)


async def _answer(value: Any) -> Any:
    """``value``, or what it gives when awaited: the library answers either way."""
    return await value if isawaitable(value) else value


def _seconds(milliseconds: Any) -> float:
    return max(int(milliseconds), 1) / 1000
