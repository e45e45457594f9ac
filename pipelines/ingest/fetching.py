"""The one way to an upstream. Every call goes, in this order, through

    cache -> token bucket -> breaker -> total deadline -> call -> retry

and ends in exactly one :class:`FetchResult`, whatever happens. What is learnt (breaker, pace, quarantine, next run) is
kept in the sources' state and so survives a restart; the store being away costs the memory, not the call.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import stamina
import structlog

from pipelines.cache import Cache
from pipelines.errors import FieldsMissingError, PausedError, SourceError, StoreError, TransientError
from pipelines.ingest import breaker, guard_state, pace
from pipelines.ingest.breaker import Ask, Failed, Go, Rules, Succeeded, Throttled, Wait
from pipelines.ingest.buckets import Buckets
from pipelines.ingest.cached import pack, unpack
from pipelines.ingest.failures import abandoned, failure, not_configured, throttled, told, unexpected
from pipelines.ingest.guard_state import PREFIX, SAMPLE_PREFIX, GuardState
from pipelines.ingest.source import Source
from pipelines.ingest.state import SourceState
from pipelines.model import FetchResult, Outcome

log = structlog.get_logger(__name__)

LEASE_MARGIN_S = 30.0
LONGEST_PAUSE = timedelta(hours=6)
"""After so long a spent limit is looked at again, should somebody have raised it."""
FIRST_RETRY_S, LONGEST_RETRY_S = 0.5, 8.0


@dataclass(frozen=True, slots=True)
class Policy:
    """How one upstream is treated. Seconds; ``requests`` is what one poll usually takes from the bucket."""

    poll_seconds: float
    deadline_s: float = 120.0
    attempts: int = 1
    cache_seconds: float = 0.0
    requests: int = 1
    failures: int = 3
    breaker_seconds: float = 60.0

    @property
    def rules(self) -> Rules:
        """Of the breaker: it never waits longer than the poll interval, so that a source is back within one."""
        cap = max(self.poll_seconds, self.breaker_seconds)
        return Rules(self.failures, self.breaker_seconds, cap, self.deadline_s + LEASE_MARGIN_S)


@dataclass
class _Seat:
    """One source's lock and what is known of it."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    state: GuardState = field(default_factory=GuardState)


class Guard:
    """Stands around all upstreams of a process. Use inside one event loop.

    ``policies`` by source name. ``jitter`` gives 0..1; ``monotonic`` seconds.
    """

    def __init__(
        self,
        policies: Mapping[str, Policy],
        state: SourceState,
        cache: Cache,
        buckets: Buckets,
        *,
        jitter: Callable[[], float] = random.random,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.policies, self.cache, self.buckets = dict(policies), cache, buckets
        self._state, self._jitter, self._monotonic = state, jitter, monotonic
        self._seats: dict[str, _Seat] = {}

    async def call(
        self,
        source: Source,
        now: datetime,
        *,
        force: bool = False,
        fetch: Callable[[datetime], Awaitable[FetchResult]] | None = None,
    ) -> FetchResult:
        """Ask ``source`` at ``now`` (UTC) by its own ``fetch`` or by the one given.

        ``force``: a person asks, so an open breaker or a pause lets one call through; a refusal's time never does.
        A second call for the same source waits for the first, and then finds its answer in the cache.
        """
        missing = source.missing()
        if missing:
            return not_configured(source.name, now, missing)
        started = self._monotonic()
        seat = self._seats.setdefault(source.name, _Seat())
        async with seat.lock:
            seat.state = await self._load(source.name, seat.state)
            call = _Call(self, source.name, self._policy(source), now, fetch or source.fetch, started, force=force)
            result = await call.run(seat.state)
            seat.state = call.state
            await self._save(source.name, seat.state)
        return replace(result, ms=round((self._monotonic() - started) * 1000))

    async def wait_s(self, name: str, now: datetime, *, first: bool = False) -> float:
        """Seconds until ``name`` is to be asked again; with ``first`` (the process starts) 0 where nothing is known."""
        seat = self._seats.setdefault(name, _Seat())
        if first:
            seat.state = await self._load(name, seat.state)
        policy = self.policies[name]
        following = seat.state.next_at
        if following is None:
            return 0.0 if first else policy.poll_seconds
        # a plan made under a longer interval setting does not outlive it
        longest = pace.interval_s(seat.state.pace, policy.poll_seconds)
        known = seat.state.breaker
        if known.is_open or (known.floor is not None and now < known.floor):
            longest = max(longest, policy.rules.floor_s)
        if seat.state.paused_until is not None:
            longest = max(longest, LONGEST_PAUSE.total_seconds())
        longest = pace.spread_s(longest, 1.0)
        return min(max((following - now).total_seconds(), 0.0), longest)

    async def release(self, name: str) -> bool:
        """A person lets a quarantined source go, and closes its breaker; whether there was anything to let go."""
        seat = self._seats.setdefault(name, _Seat())
        async with seat.lock:
            before = await self._load(name, seat.state)
            seat.state = replace(before, quarantined_since=None, quarantine="", breaker=breaker.Breaker(
                generation=before.breaker.generation + 1, floor=before.breaker.floor, seen=before.breaker.seen
            ), paused_until=None, reason="")  # fmt: skip
            await self._save(name, seat.state)
            return before.quarantined_since is not None or before.breaker.is_open or before.paused_until is not None

    async def permit(self, name: str, now: datetime, requests: int = 1) -> bool:
        """Whether a request besides the polls may be made now: not while ``name`` is left alone, and within the limit."""
        seat = self._seats.setdefault(name, _Seat())
        known = (await self._load(name, seat.state)).breaker
        if known.is_open or (known.floor is not None and now < known.floor):
            return False
        return (await self.buckets.take(name, requests)).ok

    async def refused(self, name: str, now: datetime, wait_s: float) -> None:
        """A request besides the polls was refused: nothing is asked for ``wait_s`` seconds, polls included."""
        seat = self._seats.setdefault(name, _Seat())
        async with seat.lock:
            before = await self._load(name, seat.state)
            known, _ = breaker.step(before.breaker, Throttled(-1, wait_s), now, self.policies[name].rules)
            seat.state = replace(before, breaker=known)
            await self._save(name, seat.state)

    async def keep_sample(self, name: str, now: datetime, error: FieldsMissingError) -> None:
        """Put an excerpt of the rows that were not believed aside, for a person."""
        sample = {"at": now.isoformat(), "reason": error.message, "sample": error.sample}
        await self._put(SAMPLE_PREFIX + name, sample)

    def jitter(self) -> float:
        """The next random number, 0..1."""
        return self._jitter()

    def after(self, now: datetime, started: float) -> datetime:
        """The moment it is now, for a call that began at ``now``."""
        return now + timedelta(seconds=self._monotonic() - started)

    async def aclose(self) -> None:
        """Close the connections of cache and buckets."""
        await self.cache.aclose()
        await self.buckets.aclose()

    def _policy(self, source: Source) -> Policy:
        return self.policies.get(source.name) or Policy(float(source.poll_seconds))

    async def _load(self, name: str, known: GuardState) -> GuardState:
        try:
            kept = await asyncio.to_thread(self._state.get, PREFIX + name)
        except StoreError:
            return known
        return guard_state.from_json(kept) if kept else known

    async def _save(self, name: str, state: GuardState) -> None:
        await self._put(PREFIX + name, guard_state.to_json(state))

    async def _put(self, key: str, value: dict[str, Any]) -> None:
        try:
            await asyncio.to_thread(self._state.put, key, value)
        except StoreError:
            log.warning("state of a source not saved", key=key)


@dataclass
class _Call:
    """One guarded call, from the cache to the verdict. ``state`` is the state after it."""

    guard: Guard
    name: str
    policy: Policy
    now: datetime
    fetch: Callable[[datetime], Awaitable[FetchResult]]
    started: float
    force: bool
    state: GuardState = field(default_factory=GuardState)
    tries: int = 0

    async def run(self, state: GuardState) -> FetchResult:
        """cache -> token bucket -> breaker -> the call itself."""
        self.state = state
        if (hit := await self._cached()) is not None:
            self._plan(pace.interval_s(state.pace, self.policy.poll_seconds))
            return hit
        grant = await self.guard.buckets.take(self.name, self.policy.requests)
        if not grant.ok:
            self._plan(max(grant.wait_s, 1.0))
            detail = f"our own limit of requests is reached; next try in {grant.wait_s:.0f} s"
            return FetchResult(self.name, self.now, Outcome.BUCKET_EMPTY, detail=detail)
        if state.paused_until is not None and self.now < state.paused_until and not self.force:
            self._plan((state.paused_until - self.now).total_seconds())
            return FetchResult(self.name, self.now, Outcome.PAUSED, detail=state.reason, kind="paused")
        answer = self._step(Ask(probe=self.force), self.now)
        if isinstance(answer, Go):
            return await self._ask(answer)
        assert isinstance(answer, Wait)  # noqa: S101 - what Ask is answered with
        return self._left_alone(answer)

    async def _cached(self) -> FetchResult | None:
        if self.policy.cache_seconds <= 0:
            return None
        value = await self.guard.cache.get(self.name)
        if value is None:
            return None
        hit = unpack(value, self.name, self.now, self.policy.cache_seconds)
        if hit is None:
            await self.guard.cache.drop(self.name)
        return hit

    def _left_alone(self, wait: Wait) -> FetchResult:
        seconds = max((wait.until - self.now).total_seconds(), 0.0)
        self._plan(seconds)
        if wait.why == "throttled":
            return throttled(FetchResult(self.name, self.now, Outcome.THROTTLED, kind="rate_limited"), seconds)
        failures = self.state.breaker.failures
        detail = f"left alone after {failures} failures in a row; one probe at {wait.until:%H:%M:%S} UTC"
        if wait.why == "probing":
            detail = "a probe is on its way; nothing else is asked meanwhile"
        return FetchResult(self.name, self.now, Outcome.BREAKER_OPEN, detail=detail)

    async def _ask(self, go: Go) -> FetchResult:
        """total deadline -> call -> retry; whatever comes of it becomes the result and goes into the breaker."""
        error: BaseException | None = None
        try:
            async with asyncio.timeout(self.policy.deadline_s) as limit:
                result = await self._tries(1 if go.probe else self.policy.attempts)
        except TimeoutError as raised:
            error = raised
            expired = limit.expired()
            result = abandoned(self.name, self.now, self.policy.deadline_s) if expired else self._unexpected(raised)
        except SourceError as raised:
            error = raised
            result = await self._failed(raised)
        except Exception as raised:  # noqa: BLE001 # whatever an adapter lets through must not take the others along
            error = raised
            result = self._unexpected(raised)
        if error is not None:
            result = replace(result, requests=max(result.requests, self.tries))
        await self._learn(go, result)
        return result

    async def _tries(self, attempts: int) -> FetchResult:
        waits = stamina.retry_context(
            on=TransientError, attempts=attempts, timeout=self.policy.deadline_s, wait_initial=FIRST_RETRY_S,
            wait_max=LONGEST_RETRY_S, wait_jitter=FIRST_RETRY_S,
        )  # fmt: skip
        async for attempt in waits:
            with attempt:
                self.tries += 1
                if self.tries > 1:
                    await self.guard.buckets.charge(self.name, 1)
                return await self.fetch(self.now)
        raise AssertionError("unreachable")  # the last attempt raises what it raised

    def _unexpected(self, error: BaseException) -> FetchResult:
        return unexpected(self.name, self.now, error)

    async def _failed(self, error: SourceError) -> FetchResult:
        result = failure(self.name, self.now, error)
        if isinstance(error, FieldsMissingError):
            await self.guard.keep_sample(self.name, self.now, error)
            detail = f"{error.message}; quarantined: nothing of it is stored until a poll is clean"
            result = replace(result, outcome=Outcome.QUARANTINED, detail=detail)
        elif isinstance(error, PausedError):
            longest = self.now + LONGEST_PAUSE
            until = min(error.until or longest, longest)
            self.state = replace(self.state, paused_until=until, reason=error.message)
        return told(result)

    async def _learn(self, go: Go, result: FetchResult) -> None:
        """Put what came of the call into breaker, pace, quarantine and plan; keep a good answer in the cache."""
        done = self.guard.after(self.now, self.started)
        if result.outcome is Outcome.FAILED:
            self._step(Failed(go.generation, self.guard.jitter()), done)
        elif result.outcome is not Outcome.THROTTLED:
            self._step(Succeeded(go.generation), done)
        refused = result.retry_after_s is not None and result.outcome is not Outcome.DEGRADED
        if refused and result.retry_after_s is not None:
            self._step(Throttled(go.generation, result.retry_after_s), done)
        rate = pace.refused(self.state.pace) if refused else self.state.pace
        if result.outcome.successful and not refused:
            rate = pace.answered(rate)
        self.state = replace(self.state, at=self.now, pace=rate, quota_left=self._quota(result))
        self._settle(result)
        await self.guard.buckets.charge(self.name, result.requests - self.policy.requests)
        if result.outcome is Outcome.OK and not refused and self.policy.cache_seconds > 0:
            await self.guard.cache.put(self.name, pack(result), self.policy.cache_seconds)
        self._plan(self._next_s(result, done))

    def _settle(self, result: FetchResult) -> None:
        """Quarantine and pause begin and end with what the call brought."""
        if result.outcome is Outcome.QUARANTINED:
            since = self.state.quarantined_since or self.now
            self.state = replace(self.state, quarantined_since=since, quarantine=result.detail)
        elif result.outcome is Outcome.OK and self.state.quarantined_since is not None:
            log.info("source released from quarantine", source=self.name)
            self.state = replace(self.state, quarantined_since=None, quarantine="")
        if result.outcome is not Outcome.PAUSED and self.state.paused_until is not None:
            self.state = replace(self.state, paused_until=None, reason="")

    def _quota(self, result: FetchResult) -> float | None:
        left = result.quota_left
        return float(self.guard.buckets.left(self.name)) if left is None else left

    def _next_s(self, result: FetchResult, done: datetime) -> float:
        """Seconds from the call's beginning to the next run."""
        seconds = pace.interval_s(self.state.pace, self.policy.poll_seconds)
        if result.outcome is Outcome.DEGRADED and result.retry_after_s is not None:
            seconds = result.retry_after_s  # a run that was started is still going
        known = self.state.breaker
        if result.outcome is Outcome.PAUSED and self.state.paused_until is not None:
            seconds = max(seconds, (self.state.paused_until - self.now).total_seconds())
        if known.open_until is not None:
            seconds = max((known.open_until - self.now).total_seconds(), 1.0)
        if known.floor is not None and known.floor > done:
            seconds = max(seconds, (known.floor - self.now).total_seconds())
        return seconds

    def _plan(self, seconds: float) -> None:
        ahead = timedelta(seconds=pace.spread_s(seconds, self.guard.jitter()))
        self.state = replace(self.state, next_at=self.now + ahead)

    def _step(self, event: breaker.Event, now: datetime) -> Go | Wait | None:
        known, answer = breaker.step(self.state.breaker, event, now, self.policy.rules)
        self.state = replace(self.state, breaker=known)
        return answer
