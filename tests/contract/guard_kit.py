"""What tests of the guard share: a guard whose time and chance are in the test's hands, and a scripted source."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import polars as pl

from pipelines.cache import Cache, MemoryCache
from pipelines.errors import SourceError
from pipelines.ingest.buckets import Buckets
from pipelines.ingest.fetching import Guard, Policy
from pipelines.ingest.source import Source
from pipelines.ingest.state import MemoryState, SourceState
from pipelines.model import ITEMS, FetchResult, Outcome

NOW = datetime(2026, 11, 22, 14, 0, tzinfo=UTC)


def items(now: datetime, count: int = 3, source: str = "trends") -> pl.DataFrame:
    rows = [
        {"poll_at": now, "source": source, "feed": "US", "item_id": f"item {n}", "title": f"Title {n}",
         "url": f"https://example.com/{n}", "published_at": now, "engagement": 100.0, "rank": n + 1,
         "names": [f"Name {n}"], "context": None}
        for n in range(count)
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=ITEMS)


def good(now: datetime, source: str = "trends") -> FetchResult:
    return FetchResult(source, now, Outcome.OK, items(now, source=source), detail="3 trends", requests=1)


Act = SourceError | Callable[[datetime], Awaitable[FetchResult]] | None


@dataclass
class Scripted:
    """A source that does what it is told, one act a call; then it is well. None is a good answer."""

    acts: Iterable[Act] = ()
    name: str = "trends"
    poll_seconds: int = 600
    calls: list[datetime] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._acts = iter(self.acts)

    def missing(self) -> tuple[str, ...]:
        return ()

    async def fetch(self, now: datetime) -> FetchResult:
        self.calls.append(now)
        act = next(self._acts, None)
        if isinstance(act, SourceError):
            raise act
        return good(now, self.name) if act is None else await act(now)


@dataclass
class Rig:
    """A guard around one upstream, its clock moved by the test. ``poll`` calls at the present moment."""

    policy: Policy = field(default_factory=lambda: Policy(600.0))
    state: SourceState = field(default_factory=MemoryState)
    cache: Cache | None = None
    per_minute: int = 1000
    now: datetime = NOW
    seconds: float = 1000.0
    name: str = "trends"

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """The process starts anew: only what is in ``state`` (and a shared cache) is still known."""
        cache = self.cache or MemoryCache(monotonic=lambda: self.seconds)
        buckets = Buckets({self.name: self.per_minute}, monotonic=lambda: self.seconds)
        self.guard = Guard(
            {self.name: self.policy}, self.state, cache, buckets, jitter=lambda: 0.0, monotonic=lambda: self.seconds
        )

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.seconds += seconds

    async def poll(self, source: Source, *, force: bool = False) -> FetchResult:
        return await self.guard.call(source, self.now, force=force)

    async def wait_s(self) -> float:
        return await self.guard.wait_s(self.name, self.now)

    async def until_next(self) -> float:
        """Let the planned wait pass; how long it was."""
        wait = await self.wait_s()
        self.pass_time(wait)
        return wait
