"""Several recordings as one file of the public format: every poll once, in order, memory bounded by one day.

Polls are one where time and source are equal; of their rows each item is kept once. Marks of starts are kept, so that a
restart stays visible, and an hour that nobody watched stays missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from pipelines.record import replacing, write_atomically
from pipelines.recording import POLLS, Archive, Mark, encode, footer, tidy

_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Merged:
    """What one merge wrote: polls and rows; polls that stood in more than one place; files that could not be read."""

    polls: int
    rows: int
    duplicates: int
    skipped: tuple[str, ...]


def merge_recordings(sources: Sequence[Path], target: Path, told: Callable[[float], None] = lambda _: None) -> Merged:
    """Write all of ``sources`` (files or folders) to ``target``; ``told`` hears the share done, 0..1.

    Raises :class:`InputError` where one of them is no recording and ``OSError`` where ``target`` cannot be written.
    """
    archives = [Archive(source) for source in sources]
    polls = pl.concat([archive.polls for archive in archives])
    merged = polls.unique(["poll_at", "source"], keep="first", maintain_order=True).sort("poll_at", "source")
    marks = {mark for archive in archives for mark in archive.marks}
    days: list[date] = merged["poll_at"].dt.date().unique().sort().to_list()

    def by_day() -> Iterable[pl.DataFrame]:
        for number, day in enumerate(days):
            first = datetime.combine(day, time.min, UTC) - _MICROSECOND
            yield tidy(archive.read(first, first + timedelta(days=1)) for archive in archives)
            told((number + 1) / len(days))

    rows = assemble(by_day(), merged, marks, target)
    skipped = tuple(f"{archive.path}/{line}" for archive in archives for line in archive.skipped)
    return Merged(merged.height, rows, polls.height - merged.height, skipped)


def assemble(days: Iterable[pl.DataFrame], polls: pl.DataFrame, marks: Iterable[Mark], target: Path) -> int:
    """Write frames (:data:`~pipelines.model.ITEMS`, one after the other in time) as one recording; its rows.

    ``target`` is replaced as a whole or stays as it was. Raises ``OSError``.
    """
    rows = 0
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".merging-", dir=target.parent) as folder:
        pieces = []
        for number, frame in enumerate(days):
            piece = Path(folder) / f"{number:06d}.parquet"
            piece.write_bytes(encode(frame, pl.DataFrame(schema=POLLS)))
            pieces.append(piece)
            rows += frame.height
        if not pieces:
            write_atomically(target, encode(tidy([]), polls, marks=marks))
            return 0
        with replacing(target) as file:
            pl.scan_parquet(pieces).sink_parquet(file, metadata=footer(polls, marks=marks), maintain_order=True)
    return rows


def export_recording(source: Path, target: Path) -> Merged:
    """Write one recording (a directory, or a file) as one Parquet file. Raises as :func:`merge_recordings`."""
    return merge_recordings([source], target)


def adopt(file: Path, directory: Path) -> None:
    """Begin the folder of a recorder with what ``file`` holds, as day files; the folder is there whole or not at all.

    Raises :class:`InputError` where ``file`` is no recording, ``OSError``.
    """
    archive = Archive(file)
    directory.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".merging-", dir=directory.parent) as folder:
        whole = Path(folder) / "days"
        whole.mkdir()
        for day in archive.polls["poll_at"].dt.date().unique().sort():
            first = datetime.combine(day, time.min, UTC) - _MICROSECOND
            polls = archive.polls.filter(pl.col("poll_at").dt.date() == day)
            marks = [mark for mark in archive.marks if mark.at.date() == day]
            content = encode(archive.read(first, first + timedelta(days=1)), polls, marks=marks)
            write_atomically(whole / f"{day.isoformat()}.parquet", content)
        whole.rename(directory)
