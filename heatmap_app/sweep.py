"""The job that forgets deleted posts: every stored post of Reddit is asked about once a day, half the time Reddit allows."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from pipelines.errors import RateLimitedError
from pipelines.ingest.fetching import Guard
from pipelines.ingest.reddit import RedditSource
from pipelines.ingest.reddit_sweep import PER_REQUEST, gone
from pipelines.record import Recorder
from pipelines.recording import DamagedFileError
from pipelines.store.store import Store

log = structlog.get_logger(__name__)

EVERY_S = 600.0
ROUND = timedelta(hours=24)
MOST_REQUESTS = 60
"""Requests one run makes at most: 8,640 a day, for 864,000 stored posts."""
PLACE = "sweep:reddit"
SOURCE = "reddit"


@dataclass
class Sweep:
    """Walks the stored posts in the order of their ids; the place survives a restart. ``recorder``: whose files too.

    ``guard``: asked for every request, so that polls and sweep together keep to one limit.
    """

    store: Store
    reddit: RedditSource
    recorder: Recorder | None = None
    guard: Guard | None = None

    async def run(self, now: datetime) -> str:
        """One part of the round; what was done, in a line. Raises :class:`SourceError` after keeping its place."""
        total = await asyncio.to_thread(self.store.count_items, SOURCE)
        asked = forgotten = 0
        for _ in range(requests_a_run(total)):
            ids = await asyncio.to_thread(self._next, now)
            if not ids:
                break
            if self.guard is not None and not await self.guard.permit(SOURCE, now):
                break  # left alone, or our limit is reached: the polls come first, the round goes on later
            missing = await self._gone(ids, now)
            forgotten += await asyncio.to_thread(self._forget, missing) if missing else 0
            self._put([name for name in ids if name not in missing], now)
            asked += len(ids)
        return f"{asked} of {total} posts asked about, {forgotten} forgotten"

    async def _gone(self, ids: list[str], now: datetime) -> list[str]:
        try:
            return await gone(self.reddit, ids, now)
        except RateLimitedError as error:
            if self.guard is not None:
                await self.guard.refused(SOURCE, now, error.retry_after_s)
            raise

    def _next(self, now: datetime) -> list[str]:
        place = self.store.source_state.get(PLACE) or {}
        ids = self.store.item_ids(SOURCE, str(place.get("after") or ""), PER_REQUEST)
        if not ids and place.get("after"):
            self.store.source_state.put(PLACE, {"after": "", "round_ended": now.isoformat()})
        return ids

    def _put(self, there: list[str], now: datetime) -> None:
        """The place is the last post that is still there: the id of a forgotten one is not kept here either."""
        place = self.store.source_state.get(PLACE) or {}
        after = there[-1] if there else place.get("after") or ""
        self.store.source_state.put(PLACE, {**place, "after": after, "at": now.isoformat()})

    def _forget(self, ids: list[str]) -> int:
        """The recordings first: a disk that fails is tried again with the same ids."""
        if self.recorder is not None:
            try:
                self.recorder.forget(SOURCE, set(ids), self.store.item_days(SOURCE, ids))
            except DamagedFileError as error:
                log.warning("a damaged recording could not be searched for deleted posts", reason=str(error))
        return self.store.forget_items(SOURCE, ids, "sweep")


def requests_a_run(total: int) -> int:
    """How many requests a run needs so that all ``total`` posts are asked about within :data:`ROUND`."""
    runs = ROUND / timedelta(seconds=EVERY_S)
    return min(MOST_REQUESTS, max(1, math.ceil(math.ceil(total / PER_REQUEST) / runs)))
