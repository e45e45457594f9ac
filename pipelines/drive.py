"""Drives the flow along a clock: poll what is due, ingest, score. Demo, replay and ``heatmap poll`` step through here."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipelines.ingest.fetching import Guard
from pipelines.ingest.run import poll
from pipelines.ingest.source import Source
from pipelines.model import FetchResult, Outcome
from pipelines.refresh import Refresh, ScoreReport


@dataclass(frozen=True, slots=True)
class Step:
    """What one round did: each source's result, new items per source, and the score."""

    at: datetime
    results: tuple[FetchResult, ...]
    new_items: Mapping[str, int]
    report: ScoreReport


def due(
    sources: Mapping[str, Source], last_attempt: Mapping[str, datetime], now: datetime, *, force: bool = False
) -> dict[str, Source]:
    """The sources whose interval has passed since their last attempt; all of them with ``force``."""

    def is_due(name: str, source: Source) -> bool:
        before = last_attempt.get(name)
        return force or before is None or now - before >= timedelta(seconds=source.poll_seconds)

    return {name: source for name, source in sources.items() if is_due(name, source)}


async def step(
    refresh: Refresh,
    sources: Mapping[str, Source],
    now: datetime,
    *,
    deadline_s: float = 120.0,
    guard: Guard | None = None,
    force: bool = False,
) -> Step:
    """One round at ``now``; live sources through ``guard``, ``force`` saying that a person asks. The database work runs on
    a worker thread. Raises :class:`StoreError`."""
    asked = await poll(sources, now, deadline_s=deadline_s, guard=guard, force=force)
    # a recorded source with nothing new was not polled: no row, no health of its own
    results = [result for result in asked if result.outcome is not Outcome.SKIPPED]
    return await asyncio.to_thread(_store_and_score, refresh, results, now)


def _store_and_score(refresh: Refresh, results: Sequence[FetchResult], now: datetime) -> Step:
    new_items = refresh.ingest(results)
    return Step(now, tuple(results), new_items, refresh.score(now))


def grid(after: datetime, seconds: int) -> Iterator[datetime]:
    """Instants ``seconds`` apart on the clock's own grid, the first one later than ``after``; for ever."""
    place = int(after.timestamp() // seconds) + 1
    while True:
        yield datetime.fromtimestamp(place * seconds, tz=after.tzinfo)
        place += 1


class Driver:
    """Steps through virtual time no faster than ``clock`` and no faster than this machine can score.

    ``at`` is the instant of the last step: what the pages call now; ``report`` is what its scoring did.
    It never skips a tick, so the outcome does not depend on the machine's speed.
    """

    def __init__(
        self, refresh: Refresh, sources: Mapping[str, Source], ticks: Iterable[datetime], start: datetime
    ) -> None:
        self._refresh, self._sources, self._ticks = refresh, sources, iter(ticks)
        self._next: datetime | None = next(self._ticks, None)
        self.at = start
        self.report: ScoreReport | None = None
        self.finished = False

    @property
    def upcoming(self) -> datetime | None:
        """The next step's instant; None at the end."""
        return self._next

    async def step_until(self, target: datetime, most: int) -> int:
        """Take the steps up to ``target`` (virtual), at most ``most`` of them; how many were taken."""
        taken = 0
        while taken < most and self._next is not None and self._next <= target:
            self.report = (await step(self._refresh, self._sources, self._next)).report
            self.at, self._next = self._next, next(self._ticks, None)
            taken += 1
        self.finished = self._next is None
        return taken
