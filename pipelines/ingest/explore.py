"""Google Trends, Explore: hourly interest over seven days in the entities already tracked. Opt-in, slow, cached.

It is no platform: nothing here counts towards velocity or spread. Its interest curves are history for an entity, and
the share of interest that lies within Google's Arts & Entertainment category is evidence for its domain.

Every keyword's reply is kept in ``state`` under ``explore:cache`` and asked for again after ``explore_poll_seconds`` at
the earliest; the category once a day. After a 429 nothing is asked for half an hour (``explore:breaker``).
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import batched
from typing import Any

import polars as pl

from pipelines.errors import RateLimitedError, SourceError
from pipelines.ingest.clean import clean_text
from pipelines.ingest.explore_client import (
    ARTS_AND_ENTERTAINMENT,
    BREAK_SECONDS,
    KEYWORDS,
    SOURCE,
    ExploreClient,
    Point,
)
from pipelines.ingest.http import USER_AGENT
from pipelines.ingest.state import SourceState
from pipelines.model import UTC_TIME, FetchResult, Outcome
from pipelines.settings_sections import Trends

INTEREST = pl.Schema(
    {
        "keyword": pl.String(),
        "at": UTC_TIME,
        "value": pl.Float64(),
        "is_partial": pl.Boolean(),
        "asked_at": UTC_TIME,
        "category_share": pl.Float64(),
    }
)
"""One row per keyword and hour (``at`` is its start). ``value`` is 0-100 *relative to the request*: it compares hours
of one keyword, never two keywords. ``asked_at`` is when. ``category_share``, the same on all rows of a keyword, is the
share of its hours with interest that have interest within Arts & Entertainment too; null when not known."""

GAP_SECONDS, JITTER_SECONDS = 2.0, 1.0
CATEGORY_EVERY = timedelta(hours=24)
MAX_KEYWORD = 100
_CACHE, _BREAKER = "explore:cache", "explore:breaker"


@dataclass(frozen=True, slots=True)
class ExploreResult:
    """What Explore knows at ``at``: fresh and cached curves together, in the form of :data:`INTEREST`.

    ``asked`` are the keywords requested this time; ``error`` is what stopped the round early, if anything did.
    """

    at: datetime
    interest: pl.DataFrame
    asked: tuple[str, ...] = ()
    requests: int = 0
    bytes_read: int = 0
    error: SourceError | None = None

    def evidence(self) -> list[tuple[str, float, str]]:
        """``(keyword, weight 0..1, sentence)`` for each keyword whose interest lies within Arts & Entertainment."""
        known = self.interest.drop_nulls("category_share").filter(pl.col("category_share") > 0)
        by_keyword = known.group_by("keyword", maintain_order=True).agg(
            pl.col("category_share").first(), rising().alias("rising")
        )
        return [
            (
                keyword,
                share,
                f"Explore: {'rises' if up else 'searched'} in Entertainment category ({share:.0%} of hours)",
            )
            for keyword, share, up in by_keyword.iter_rows()
        ]


def rising() -> pl.Expr:
    """Whether the last day's mean interest is above that of the days before (rows of one keyword, by time)."""
    return pl.col("value").tail(24).mean() > pl.col("value").head(pl.len() - pl.len().clip(0, 24)).mean().fill_null(0)


@dataclass(slots=True)
class _Round:
    """What one sitting has done so far; filled from the worker thread."""

    asked: list[str] = field(default_factory=list)
    error: SourceError | None = None


class ExploreSource:
    """Asks Explore for ``tracked()`` names through pytrends, in a thread of its own.

    ``sleep`` (seconds) and ``jitter`` (0..1) pace the requests: 2 s and up to 1 s more before each.
    """

    name = SOURCE

    def __init__(
        self,
        settings: Trends,
        state: SourceState,
        tracked: Callable[[], Sequence[str]],
        *,
        sleep: Callable[[float], object] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._settings, self._state, self._tracked = settings, state, tracked
        self._sleep, self._jitter = sleep, jitter
        self._lock = threading.Lock()

    @property
    def poll_seconds(self) -> int:
        """Seconds between rounds."""
        return self._settings.explore_poll_seconds

    def missing(self) -> tuple[str, ...]:
        """The switch that opts in, while it is off."""
        return () if self._settings.explore else ("HEATMAP_TRENDS__EXPLORE",)

    async def fetch(self, now: datetime) -> FetchResult:
        """A round as a source's poll: no items, what happened in ``detail``. Raises what stopped the round."""
        result = await self.fetch_interest(now)
        if result.error:
            raise result.error
        keywords = result.interest["keyword"].n_unique()
        outcome = Outcome.OK if result.asked else Outcome.CACHE_HIT
        return FetchResult(
            source=self.name,
            at=now,
            outcome=outcome if keywords else Outcome.EMPTY,
            detail=f"interest in {keywords} names, {len(result.asked)} asked for now",
            requests=result.requests,
            bytes_read=result.bytes_read,
        )

    async def fetch_interest(self, now: datetime) -> ExploreResult:
        """Ask for what is due and give all that is known of the tracked names, also after an error.

        Never raises a :class:`~pipelines.errors.SourceError`: it is in the result. Not opted in: nothing is asked.
        """
        stop = threading.Event()
        try:
            return await asyncio.to_thread(self._round, now, stop)
        except asyncio.CancelledError:
            stop.set()
            raise

    def _round(self, now: datetime, stop: threading.Event) -> ExploreResult:
        with self._lock:
            names = _keywords(self._tracked(), self._settings.explore_max_entities)
            cache = {k: v for k, v in (self._state.get(_CACHE) or {}).items() if _age(v, "at", now) < timedelta(days=7)}
            client = ExploreClient(
                self._settings.url, self._settings.geo, self._settings.timeout_seconds, USER_AGENT, self._gap
            )
            done = _Round()
            try:
                if self._settings.explore:
                    self._check_breaker(now)
                    self._ask_what_is_due(client, names, cache, now, stop, done)
            except SourceError as error:
                done.error = error
                if isinstance(error, RateLimitedError) and client.requests:
                    until = now + timedelta(seconds=BREAK_SECONDS)
                    self._state.put(_BREAKER, {"until": until.isoformat()})
        return ExploreResult(
            now, _frame(names, cache), tuple(done.asked), client.requests, client.bytes_read, done.error
        )

    def _ask_what_is_due(
        self,
        client: ExploreClient,
        names: list[str],
        cache: dict[str, Any],
        now: datetime,
        stop: threading.Event,
        done: _Round,
    ) -> None:
        every = timedelta(seconds=self._settings.explore_poll_seconds)
        due = [name for name in names if _age(cache.get(name), "at", now) >= every]
        for batch in batched(due, KEYWORDS):
            if stop.is_set():
                return
            keywords = list(batch)
            points = client.interest(keywords)
            for name in keywords:
                cache[name] = (cache.get(name) or {}) | {"at": now.isoformat(), "points": _packed(points, name)}
            done.asked += keywords
            # kept after every request, so that a refusal later on costs nothing already paid for
            self._state.put(_CACHE, cache)
            if any(_age(cache[name], "category_at", now) >= CATEGORY_EVERY for name in keywords):
                self._ask_category(client, keywords, points, cache, now)

    def _ask_category(
        self, client: ExploreClient, keywords: list[str], points: list[Point], cache: dict[str, Any], now: datetime
    ) -> None:
        within = client.interest(keywords, ARTS_AND_ENTERTAINMENT)
        for name in keywords:
            hours = {point.at for point in points if point.keyword == name and point.value > 0}
            inside = {point.at for point in within if point.keyword == name and point.value > 0}
            share = len(hours & inside) / len(hours) if hours else None
            cache[name] |= {"category_at": now.isoformat(), "category_share": share}
        self._state.put(_CACHE, cache)

    def _check_breaker(self, now: datetime) -> None:
        until = _time((self._state.get(_BREAKER) or {}).get("until"))
        if until and now < until:
            raise RateLimitedError(
                self.name,
                f"left alone until {until:%H:%M} UTC after a refusal",
                retry_after_s=min(max((until - now).total_seconds(), 1.0), 3600.0),
            )

    def _gap(self) -> None:
        self._sleep(GAP_SECONDS + JITTER_SECONDS * self._jitter())


def _keywords(names: Iterable[str], limit: int) -> list[str]:
    """At most ``limit`` names, each once whatever its case, short enough to be searched for."""
    found: dict[str, str] = {}
    for name in names:
        text = clean_text(name, MAX_KEYWORD)
        if text:
            found.setdefault(text.casefold(), text)
    return list(found.values())[:limit]


def _packed(points: list[Point], name: str) -> list[list[float]]:
    return [[point.at.timestamp(), point.value, float(point.is_partial)] for point in points if point.keyword == name]


def _frame(names: list[str], cache: dict[str, Any]) -> pl.DataFrame:
    rows = [
        (name, datetime.fromtimestamp(at, UTC), value, bool(partial), _time(entry["at"]), entry.get("category_share"))
        for name in names
        if (entry := cache.get(name))
        for at, value, partial in entry["points"]
    ]
    return pl.DataFrame(rows, schema=INTEREST, orient="row").sort("keyword", "at", maintain_order=True)


def _time(text: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text))
    except ValueError:
        return None


def _age(entry: dict[str, Any] | None, key: str, now: datetime) -> timedelta:
    at = _time((entry or {}).get(key))
    return now - at if at else timedelta.max
