"""How far a recording can be trusted: what was watched and what was not, restarts, duplicates, damage, odd clocks.

Pure but for reading the files. An hour of a source is watched where it holds at least one poll; all sources are held
against the same hours, from the recording's first poll to its last, so that a source that fell silent shows.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path

import polars as pl

from pipelines.errors import InputError
from pipelines.model import SOURCES
from pipelines.record import TEMPORARY
from pipelines.recording import CLOCK_BACK, START, Archive, Mark

HOUR = timedelta(hours=1)
AHEAD = timedelta(minutes=10)
"""An item published later than this after the poll that showed it, or a poll later than this after now, is from the future."""
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Gap:
    """Hours without a poll: from the last poll before to the first one after (UTC)."""

    since: datetime
    until: datetime

    @property
    def hours(self) -> float:
        """Its length."""
        return (self.until - self.since) / HOUR


@dataclass(frozen=True, slots=True)
class SourceCheck:
    """One source: ``polls_by_hour`` from hour start (UTC) to polls, without the hours that have none."""

    source: str
    first: datetime
    last: datetime
    hours_watched: int
    hours_of: int
    longest_gap: Gap | None
    gaps: tuple[Gap, ...]
    polls: int
    empty_polls: int
    items: int
    future_items: int
    clock_back: int
    polls_by_hour: dict[datetime, int]


@dataclass(frozen=True, slots=True)
class Checked:
    """A recording's state. ``duplicates``: rows that stood there twice; ``damaged``: files that cannot be read, and why;
    ``left_over``: unfinished writes, whose polls are not in the recording."""

    path: Path
    start: datetime | None
    end: datetime | None
    sources: tuple[SourceCheck, ...]
    restarts: tuple[Mark, ...]
    writers: int
    duplicates: int
    duplicate_polls: int
    future_polls: int
    damaged: tuple[str, ...]
    left_over: tuple[str, ...]

    @property
    def suspicious(self) -> tuple[str, ...]:
        """What a person should look at, one line each."""
        found = [
            f"{one.source}: the clock was set back {one.clock_back} times" for one in self.sources if one.clock_back
        ]
        found += [
            f"{one.source}: {one.future_items} items published after they were seen"
            for one in self.sources if one.future_items
        ]  # fmt: skip
        return tuple(found + ([f"{self.future_polls} polls lie in the future"] if self.future_polls else []))


def check_recording(path: Path, now: datetime, told: Callable[[float], None] = lambda _: None) -> Checked:
    """Read ``path`` to its last row; ``told`` hears the share done. Raises :class:`InputError` where it is no recording."""
    archive, stored = _counted(path)
    items, future, rows = _items(archive, told)
    back = _clock_back(archive)
    starts = [mark for mark in archive.marks if mark.kind == START]
    polls = archive.polls
    start, end = (polls["poll_at"][0], polls["poll_at"][-1]) if polls.height else (None, None)
    return Checked(
        path, start, end,
        tuple(
            _source(name, polls, items.get(name, {}), future.get(name, 0), back.get(name, 0))
            for name in SOURCES if name in set(polls["source"])
        ),
        tuple(starts), len({mark.writer for mark in starts}), stored - rows,
        sum(found.polls.height for found in archive.files) - polls.height,
        polls.filter(pl.col("poll_at") > now + AHEAD).height, archive.skipped, _left_over(path),
    )  # fmt: skip


def _items(
    archive: Archive, told: Callable[[float], None]
) -> tuple[dict[str, dict[datetime, int]], dict[str, int], int]:
    """Items of each poll by source, items from the future by source, and all rows; read a day at a time."""
    counts: dict[str, dict[datetime, int]] = {}
    future: dict[str, int] = {}
    rows = 0
    days: list[date] = archive.polls["poll_at"].dt.date().unique().sort().to_list()
    for number, day in enumerate(days):
        first = datetime.combine(day, time.min, UTC) - _MICROSECOND
        frame = archive.read(first, first + timedelta(days=1))
        rows += frame.height
        early = (pl.col("published_at") > pl.col("poll_at") + AHEAD).sum().alias("early")
        for source, at, count, ahead in frame.group_by("source", "poll_at").agg(pl.len(), early).iter_rows():
            counts.setdefault(source, {})[at] = count
            future[source] = future.get(source, 0) + ahead
        told((number + 1) / len(days))
    return counts, future, rows


def _counted(path: Path) -> tuple[Archive, int]:
    """The recording and its stored rows; listed anew where a day is compacted meanwhile."""
    for _ in range(3):
        archive = Archive(path)
        try:
            return archive, _stored(archive)
        except FileNotFoundError:
            continue
    raise InputError(f"{path}: files keep disappearing while they are read")


def _stored(archive: Archive) -> int:
    return sum(pl.scan_parquet(found.path).select(pl.len()).collect().item() for found in archive.files)


def _clock_back(archive: Archive) -> dict[str, int]:
    """Times a source's clock went back: as the recorder noted, and by the order of the rows in a file of the public format."""
    counts: dict[str, int] = {}
    for mark in archive.marks:
        if mark.kind == CLOCK_BACK:
            source = _source_at(archive.polls, mark.at)
            counts[source] = counts.get(source, 0) + 1
    if not archive.path.is_file() or archive.marks:
        return counts
    back = (pl.col("poll_at").diff() < timedelta(0)).sum().over("source").alias("back")
    frame = pl.scan_parquet(archive.path).select(pl.col("source").cast(pl.String), "poll_at").with_columns(back)
    for source, number in frame.select("source", "back").unique().collect().iter_rows():
        counts[source] = counts.get(source, 0) + number
    return counts


def _source_at(polls: pl.DataFrame, at: datetime) -> str:
    found = polls.filter(pl.col("poll_at") == at)["source"]
    return str(found[0]) if found.len() else "unknown"


def _source(name: str, polls: pl.DataFrame, items: dict[datetime, int], future: int, back: int) -> SourceCheck:
    times: list[datetime] = polls.filter(pl.col("source") == name)["poll_at"].to_list()
    start, end = hour_of(polls["poll_at"][0]), hour_of(polls["poll_at"][-1])
    by_hour: dict[datetime, int] = {}
    for at in times:
        by_hour[hour_of(at)] = by_hour.get(hour_of(at), 0) + 1
    gaps = gaps_of([polls["poll_at"][0], *times, polls["poll_at"][-1]])
    return SourceCheck(
        name, times[0], times[-1], len(by_hour), round((end - start) / HOUR) + 1,
        max(gaps, key=lambda gap: gap.hours, default=None), gaps, len(times), sum(1 for at in times if not items.get(at)),
        sum(items.values()), future, back, by_hour,
    )  # fmt: skip


def gaps_of(times: list[datetime]) -> tuple[Gap, ...]:
    """The stretches between sorted ``times`` that hold at least one whole clock hour without a poll, in order."""
    return tuple(
        Gap(before, after) for before, after in pairwise(times)
        if hour_of(after) - hour_of(before) > HOUR
    )  # fmt: skip


def hour_of(at: datetime) -> datetime:
    """The start of the clock hour of ``at``, UTC."""
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _left_over(path: Path) -> tuple[str, ...]:
    if not path.is_dir():
        return ()
    found = sorted(left for left in path.rglob(f"{TEMPORARY}*") if left.is_file())
    sizes = []
    for left in found:
        with contextlib.suppress(FileNotFoundError):  # it was finished meanwhile
            sizes.append((left, left.stat().st_size))
    return tuple(
        f"{left.relative_to(path)}: an unfinished write of {size} bytes; its poll is not recorded"
        for left, size in sizes
    )
