"""Keeps every poll: day-partitioned Parquet that a crash at any moment neither loses nor doubles.

Each append writes its own small file (temporary file, fsync, rename, fsync of the directory), so what was
acknowledged is on disk and what was not is absent. :meth:`Recorder.maintain` turns a finished day's parts into one
file and drops days that are past their retention. The format and the reader are in :mod:`pipelines.recording`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
import shutil
import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from time import monotonic, sleep
from typing import IO

import polars as pl

from pipelines.errors import InputError
from pipelines.model import FetchResult, Outcome
from pipelines.recording import (
    CLOCK_BACK,
    POLLS,
    START,
    DamagedFileError,
    Mark,
    RecordingFile,
    encode,
    open_file,
    read_items,
    read_recording,
    tidy,
)
from pipelines.vetting import trust

__all__ = ["Maintained", "Recorder", "Written", "read_recording"]

TEMPORARY = ".tmp-"
_PART = re.compile(r"part-[^/\\\x00]+\.parquet")
WAIT_S = 60.0
"""How long a change that must be made waits for another process that changes the same recording."""


@dataclass(frozen=True, slots=True)
class Written:
    """What one append did: polls and rows now safely on disk, and the first problem in one line, or None."""

    polls: int
    rows: int
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Maintained:
    """What one round of upkeep did: days made into one file, days removed, and the first problem, or None."""

    compacted: tuple[str, ...]
    removed: tuple[str, ...]
    error: str | None = None


class Recorder:
    """Appends polls under ``directory`` (made when first needed) and keeps ``retention_days`` days besides today.

    Any number of processes may append to a directory and read it: every part bears its ``writer``, and of two that tidy at
    once one does. Calls from several threads wait for each other. A recorder's first part carries a mark of its start.
    """

    def __init__(self, directory: Path, retention_days: int) -> None:
        self.directory = directory
        self.retention_days = retention_days
        self.writer = secrets.token_hex(3)
        self._lock = threading.Lock()
        self._last: dict[str, datetime] = {}

    def append(self, results: Sequence[FetchResult]) -> Written:
        """Store the polls among ``results``: the successful ones, with or without rows, and degraded ones that carry
        rows.

        Never raises for the disk's sake: a full disk is ``Written.error``, with everything stored before untouched.
        """
        polls = rows = 0
        problem: str | None = None
        with self._lock:
            for result in results:
                if not is_poll(result):
                    continue
                try:
                    for day, items, marks in _by_day(result):
                        self._write_part(day, result, items, marks)
                        polls += marks.height
                        rows += items.height
                    self._last[result.source] = result.at
                except OSError as error:
                    problem = problem or f"recording of {result.source} not written: {error.strerror or error}"
        return Written(polls, rows, problem)

    def _marks(self, result: FetchResult) -> list[Mark]:
        if not self._last:
            return [Mark(result.at.astimezone(UTC), START, self.writer)]
        before = self._last.get(result.source, result.at)
        return [Mark(result.at.astimezone(UTC), CLOCK_BACK, self.writer)] if result.at < before else []

    def _write_part(self, day: date, result: FetchResult, items: pl.DataFrame, polls: pl.DataFrame) -> None:
        folder = self.directory / day.isoformat()
        stem = f"part-{result.at.astimezone(UTC):%Y%m%dT%H%M%S%f}Z-{result.source}-{self.writer}"
        seq = 0
        while (target := folder / f"{stem}-{seq:03d}.parquet").exists():
            seq += 1
        content = encode(items, polls, marks=self._marks(result))
        for again in (True, False):
            if not folder.is_dir():
                folder.mkdir(parents=True, exist_ok=True)
                _sync_directory(self.directory)
            try:
                write_atomically(target, content)
                trust(target)
                return
            except FileNotFoundError:  # another process tidied the folder away meanwhile
                if not again:
                    raise

    def maintain(self, now: datetime) -> Maintained:
        """Make every day before ``now``'s UTC day into one file and remove the days past their retention.

        Safe to repeat and to be killed at any point. A disk problem is ``Maintained.error``; the parts then stay. Nothing is
        done while another process does it.
        """
        try:
            with self._lock, only_one(self.directory, 0.0):
                return self._maintain(now)
        except (BlockingIOError, FileNotFoundError):
            return Maintained((), ())

    def _maintain(self, now: datetime) -> Maintained:
        today = now.astimezone(UTC).date()
        oldest = today - timedelta(days=self.retention_days)
        compacted: list[str] = []
        removed: list[str] = []
        problem: str | None = None
        for day in _days(self.directory):
            try:
                if day < oldest:
                    _remove_day(self.directory, day)
                    removed.append(day.isoformat())
                elif day < today and compact(self.directory, day):
                    compacted.append(day.isoformat())
            except (OSError, DamagedFileError, InputError) as error:
                problem = problem or f"recording of {day}: {error}"
        return Maintained(tuple(compacted), tuple(removed), problem)

    def forget(self, source: str, ids: Collection[str], days: Iterable[date]) -> int:
        """Take title, link, names and id of these items out of the recordings of ``days``; rows changed.

        The rows stay, so that a replay counts the same polls. Raises ``OSError``, :class:`DamagedFileError`.
        """
        changed = 0
        if not self.directory.is_dir():
            return 0
        with self._lock, only_one(self.directory, WAIT_S):
            for day in days:
                folder = self.directory / day.isoformat()
                files = [self.directory / f"{day.isoformat()}.parquet", *sorted(folder.glob("part-*.parquet"))]
                changed += sum(_forget_in(path, day, source, ids) for path in files if path.is_file())
        return changed


def _forget_in(path: Path, day: date, source: str, ids: Collection[str]) -> int:
    found, items = open_file(path, day), read_items(path)
    theirs = (pl.col("source") == source) & pl.col("item_id").is_in(list(ids))
    count = items.filter(theirs).height
    if count:
        blank: dict[str, object] = {"title": "", "feed": "", "url": None, "names": []}
        # an id each, or a poll's forgotten items would be taken for one that was written twice
        ids_now = pl.Series("item_id", [f"gone-{secrets.token_hex(8)}" for _ in range(items.height)], dtype=pl.String)
        values = [pl.when(theirs).then(ids_now).otherwise(pl.col("item_id")).alias("item_id")]
        values += [
            pl.when(theirs).then(pl.lit(value, dtype=items.schema[name])).otherwise(pl.col(name)).alias(name)
            for name, value in blank.items() if name in items.columns
        ]  # fmt: skip
        write_atomically(path, encode(items.with_columns(values), found.polls, found.parts, found.marks))
    return count


def is_poll(result: FetchResult) -> bool:
    """Whether a recording keeps this result: a failed or skipped fetch looked at nothing, so it is no poll, and what a
    cache held is in it already."""
    if result.outcome is Outcome.CACHE_HIT:
        return False
    return result.outcome.successful or (result.outcome is Outcome.DEGRADED and not result.items.is_empty())


def _by_day(result: FetchResult) -> Iterator[tuple[date, pl.DataFrame, pl.DataFrame]]:
    """``result`` cut at UTC midnights: (day, items, polls). A frame without rows is one poll at ``result.at``."""
    at = result.at.astimezone(UTC)
    times = sorted(set(result.items["poll_at"].to_list())) or [at]
    for day in sorted({time.date() for time in times}):
        marks = [
            (time, result.source, result.outcome.value, result.covered_from if time == times[-1] else None)
            for time in times
            if time.date() == day
        ]
        items = result.items.filter(pl.col("poll_at").dt.date() == day)
        yield day, items, pl.DataFrame(marks, schema=POLLS, orient="row")


def compact(directory: Path, day: date) -> bool:
    """Take the readable parts of ``day`` into ``YYYY-MM-DD.parquet``; whether there was anything to do.

    The day file lists the parts it holds, so a crash before their removal leaves them ignored, and the next call
    removes them.
    Unreadable parts stay where they are. Raises ``OSError`` or :class:`DamagedFileError` (an unreadable day file is
    not replaced).
    """
    target, folder = directory / f"{day.isoformat()}.parquet", directory / day.isoformat()
    sweep(directory)
    if not folder.is_dir():
        return False
    sweep(folder)
    base = open_file(target, day) if target.is_file() else None
    taken = base.parts if base else frozenset[str]()
    fresh = [part for part in sorted(folder.glob("part-*.parquet")) if part.name not in taken]
    read = dict(_readable(fresh, day))
    if read:
        bases = [(base, read_items(target))] if base else []
        pairs = [*bases, *read.values()]
        polls = pl.concat([found.polls for found, _ in pairs]).unique(["poll_at", "source"], keep="last")
        taken |= set(read)
        marks = [mark for found, _ in pairs for mark in found.marks]
        rows = tidy(items for _, items in pairs)
        write_atomically(target, encode(rows, polls.sort("poll_at", "source"), taken, marks))
        trust(target)
    for name in filter(_PART.fullmatch, taken):  # a footer is outside text
        (folder / name).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        folder.rmdir()
    return bool(read)


def _readable(parts: Sequence[Path], day: date) -> Iterator[tuple[str, tuple[RecordingFile, pl.DataFrame]]]:
    for part in parts:
        with contextlib.suppress(DamagedFileError, InputError):
            yield part.name, (open_file(part, day), read_items(part))


def write_atomically(target: Path, content: bytes) -> None:
    """Put ``content`` at ``target``, durably and whole or not at all. Raises ``OSError``; no temporary file stays
    then."""
    with replacing(target) as file:
        file.write(content)


@contextlib.contextmanager
def replacing(target: Path) -> Iterator[IO[bytes]]:
    """A temporary file beside ``target``, which it replaces durably when the block ends well, and is gone otherwise."""
    temporary = target.with_name(f"{TEMPORARY}{secrets.token_hex(4)}-{target.name}")
    try:
        with temporary.open("w+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # who sweeps leaves alone what somebody still holds
            yield file
            file.flush()
            os.fsync(file.fileno())
            temporary.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    _sync_directory(target.parent)


def sweep(folder: Path) -> None:
    """Remove the temporary files of writers that died. Raises ``OSError``."""
    for left in folder.glob(f"{TEMPORARY}*"):
        with contextlib.suppress(FileNotFoundError, BlockingIOError), left.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            left.unlink()


@contextlib.contextmanager
def only_one(directory: Path, wait_s: float) -> Iterator[None]:
    """Hold what only one process at a time may do to a recording; ends with the process.

    Raises ``FileNotFoundError`` where there is no directory, ``BlockingIOError`` where another still holds it after
    ``wait_s`` seconds.
    """
    descriptor = os.open(directory, os.O_RDONLY)
    deadline = monotonic() + wait_s
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if monotonic() >= deadline:
                    raise
            sleep(0.05)
        yield
    finally:
        os.close(descriptor)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _days(directory: Path) -> list[date]:
    if not directory.is_dir():
        return []
    days = set()
    for entry in directory.iterdir():
        with contextlib.suppress(ValueError):
            days.add(date.fromisoformat(entry.name.removesuffix(".parquet")))
    return sorted(days)


def _remove_day(directory: Path, day: date) -> None:
    (directory / f"{day.isoformat()}.parquet").unlink(missing_ok=True)
    folder = directory / day.isoformat()
    if folder.is_dir():
        shutil.rmtree(folder)
    _sync_directory(directory)
