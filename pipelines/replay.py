"""Serves a recording, or the demo, as if it were live: the same sources to ask, answering from what was recorded.

A :class:`ReplaySource` asked at ``now`` hands over every poll since it was last asked, as one
:class:`~pipelines.model.FetchResult` whose rows may carry several ``poll_at``; the first ask brings the whole past,
so that a replay started in the middle has its baseline.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Protocol

import polars as pl

from pipelines.errors import InputError
from pipelines.model import ITEMS, SOURCES, FetchResult, Outcome, SourceKind
from pipelines.recording import POLLS, Archive

MAX_COVERED = timedelta(days=14)
"""How far back an event source's list is believed to reach at most; one very old post must not vouch for months."""

EVENT_SOURCES = frozenset({"reddit", "trades"})
DEFAULT_POLL_SECONDS = 600
DAYS_KEPT = 3
"""Days of rows a recording keeps in memory; a replay walks forward through them."""


class Polls(Protocol):
    """What a replay is served from: polls and their rows, by source and time."""

    def polls(self, source: str, after: datetime | None, until: datetime) -> pl.DataFrame:
        """The polls of ``source`` with ``after < poll_at <= until`` (:data:`~pipelines.recording.POLLS`), in order."""
        ...

    def items(self, source: str, after: datetime | None, until: datetime) -> pl.DataFrame:
        """The rows of those polls (:data:`~pipelines.model.ITEMS`), in order."""
        ...

    def silence(self, source: str, now: datetime) -> tuple[Outcome, str]:
        """What an ask at ``now`` that found no new poll comes to: an outcome that is no successful poll, and why."""
        ...


class Recording:
    """A recording opened once. ``sources`` are those it holds, in the product's order; ``start`` and ``end`` its polls.

    Raises :class:`InputError` where ``path`` is no recording or holds no poll.
    """

    def __init__(self, path: Path) -> None:
        self._archive = Archive(path)
        if self._archive.polls.is_empty():
            raise InputError(f"{path}: the recording holds no poll")
        present = set(self._archive.polls["source"].unique())
        self.sources = tuple(name for name in SOURCES if name in present)
        self._polls = {name: self._archive.polls.filter(pl.col("source") == name) for name in self.sources}
        times = self._archive.polls["poll_at"]
        self.start, self.end = _instant(times[0]), _instant(times[-1])
        self._days: dict[date, pl.DataFrame] = {}
        self._lock = threading.Lock()

    @property
    def skipped(self) -> tuple[str, ...]:
        """Files that could not be read, one line each."""
        return self._archive.skipped

    @property
    def all_polls(self) -> pl.DataFrame:
        """Every poll of every source (:data:`~pipelines.recording.POLLS`), in order."""
        return self._archive.polls

    def polls(self, source: str, after: datetime | None, until: datetime) -> pl.DataFrame:
        """See :class:`Polls`; empty for a source the recording does not hold."""
        return between(self._polls.get(source, pl.DataFrame(schema=POLLS)), after, until)

    def items(self, source: str, after: datetime | None, until: datetime) -> pl.DataFrame:
        """See :class:`Polls`."""
        first = max(after, self.start - timedelta(microseconds=1)) if after else self.start - timedelta(microseconds=1)
        last = min(until, self.end)
        if first.date() < last.date() - timedelta(days=DAYS_KEPT - 1):
            return self._archive.read(first, last).filter(pl.col("source") == source)
        days = (first.date() + timedelta(days=n) for n in range((last.date() - first.date()).days + 1))
        rows = [between(self._day(day).filter(pl.col("source") == source), first, last) for day in days]
        return pl.concat([pl.DataFrame(schema=ITEMS), *rows])

    def _day(self, day: date) -> pl.DataFrame:
        with self._lock:  # sources are asked side by side, from threads
            if day not in self._days:
                midnight = datetime.combine(day, time.min, UTC) - timedelta(microseconds=1)
                self._days[day] = self._archive.read(midnight, midnight + timedelta(days=1))
                while len(self._days) > DAYS_KEPT:
                    del self._days[next(iter(self._days))]
            return self._days[day]

    def silence(self, source: str, now: datetime) -> tuple[Outcome, str]:
        """A gap in the recording is a fetch that did not take place."""
        at_end = now >= self.end
        return Outcome.SKIPPED, "the recording has ended" if at_end else "the recording has no poll here"


def _instant(value: datetime) -> datetime:
    return value.astimezone(UTC)


def between(frame: pl.DataFrame, after: datetime | None, until: datetime) -> pl.DataFrame:
    """The rows of a frame sorted by ``poll_at`` with ``after < poll_at <= until``."""
    times = frame["poll_at"]
    stop = int(times.search_sorted(until, side="right"))
    begin = int(times.search_sorted(after, side="right")) if after else 0
    return frame.slice(begin, max(stop - begin, 0))


class ReplaySource:
    """One source of a recording or of the demo, for the place of a live adapter.

    ``name`` and ``poll_seconds`` as a live source has them. ``since``: polls up to then are left out.
    """

    def __init__(
        self, archive: Polls, name: str, *, poll_seconds: int = DEFAULT_POLL_SECONDS, since: datetime | None = None,
        kind: SourceKind | None = None,
    ) -> None:  # fmt: skip
        self.name = name
        self.poll_seconds = poll_seconds
        self._archive = archive
        self._served = since
        self._is_event = kind is SourceKind.EVENT if kind else name in EVENT_SOURCES

    def missing(self) -> tuple[str, ...]:
        """Nothing has to be set for a recording."""
        return ()

    async def fetch(self, now: datetime) -> FetchResult:
        """Every poll after the last one served and up to ``now``; ``at`` is the latest of them.

        Where there is none: a result without rows whose outcome is no successful poll, so that its hour counts as
        missing.
        """
        return await asyncio.to_thread(self._next, now)

    def _next(self, now: datetime) -> FetchResult:
        polls = self._archive.polls(self.name, self._served, now)
        if polls.is_empty():
            outcome, detail = self._archive.silence(self.name, now)
            return FetchResult(self.name, now, outcome, detail=detail)
        items = self._archive.items(self.name, self._served, now)
        self._served = at = _instant(polls["poll_at"][-1])
        return FetchResult(
            self.name, at, _outcome(polls), items,
            covered_from=covered_from(polls, items) if self._is_event else None,
            detail=f"{polls.height} recorded poll{'s' if polls.height > 1 else ''}", requests=polls.height,
        )  # fmt: skip


def _outcome(polls: pl.DataFrame) -> Outcome:
    outcomes = [Outcome(value) for value in polls["outcome"]]
    return Outcome.OK if any(outcome.successful for outcome in outcomes[:-1]) else outcomes[-1]


def covered_from(polls: pl.DataFrame, items: pl.DataFrame) -> datetime | None:
    """:func:`covered_back` of ``polls`` and their ``items``; what a poll does not say its oldest item does."""
    oldest = items.group_by("poll_at").agg(oldest=pl.col("published_at").min())
    reach = polls.join(oldest, on="poll_at", how="left", maintain_order="left").select(
        "poll_at", reach=pl.coalesce("covered_from", "oldest")
    )
    return covered_back(reach.rows())


def covered_back(reach: Sequence[tuple[datetime, datetime | None]]) -> datetime | None:
    """How far back an event source has been seen without a gap, as of the last of its polls (SCORING 2). ``reach``: of each
    poll, in order, when it was and how far back it reaches (None: not known).

    A poll reaches back 14 days at most. Where that is before the poll ahead of it, nothing was missed in between, and that
    poll's own reach counts on. None where the last poll's reach is not known.
    """
    covered: datetime | None = None
    for poll_at, back in reversed(reach):
        if covered is not None and poll_at < covered:
            break
        if back is not None:
            bounded = min(max(back, poll_at - MAX_COVERED), poll_at)
            covered = bounded if covered is None else min(covered, bounded)
        elif covered is None:
            return None
    return covered


def replay_sources(
    recording: Recording, poll_seconds: Mapping[str, int], since: datetime | None = None
) -> dict[str, ReplaySource]:
    """A source for every source the recording holds; one it does not hold is not there, as if not enabled."""
    return {
        name: ReplaySource(recording, name, poll_seconds=poll_seconds.get(name, DEFAULT_POLL_SECONDS), since=since)
        for name in recording.sources
    }


def ticks(recording: Recording, start: datetime | None, end: datetime | None, score_seconds: int) -> list[datetime]:
    """When to score a recording in ``start <= t <= end`` (default: all of it): at poll times, at most once in each
    ``score_seconds`` of the clock, then at the last poll in it, so that every poll is scored and none twice.
    """
    times = between(recording.all_polls, start and start - timedelta(microseconds=1), end or recording.end)["poll_at"]
    return thin(times.to_list(), score_seconds)


def thin(times: Iterable[datetime], seconds: int) -> list[datetime]:
    """The last of ``times`` in each stretch of ``seconds`` of the clock, in order."""
    last: dict[int, datetime] = {}
    for instant in sorted(times):
        last[int(instant.timestamp() // seconds)] = _instant(instant)
    return list(last.values())
