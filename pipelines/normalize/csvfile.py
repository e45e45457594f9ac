"""Opening a CSV file a person gave: every way it can be unusable is one clear line."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import BinaryIO, Protocol

from pipelines.errors import InputError

MAX_ROWS = 1_000_000
"""Data rows read from one file."""

_TOLD_EVERY = 5_000

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""How a cell begins that a spreadsheet takes for a formula."""


def guarded(value: str) -> str:
    """``value`` so that no spreadsheet takes it for a formula."""
    return f"'{value}" if value.startswith(FORMULA) else value


Row = tuple[int, list[str] | None]
"""Line number of a data row and its fields; ``None`` where the row itself cannot be read (quotes)."""

Progress = Callable[[int, int], None]
"""Told now and then: bytes read so far, bytes in all."""


class _Reader(Protocol):
    """What ``csv.reader`` gives, which has no public type."""

    line_num: int

    def __iter__(self) -> Iterator[list[str]]: ...
    def __next__(self) -> list[str]: ...


@contextmanager
def open_csv(path: Path, progress: Progress | None = None) -> Iterator[tuple[list[str], Iterator[Row]]]:
    """The header of a comma-separated UTF-8 file and its data rows, read as they are asked for.

    Raises :class:`InputError`, also while rows are read: the file is missing, empty, not UTF-8, separated by something
    else, or has more than a million rows.
    """
    try:
        with path.open("rb") as raw:
            _refuse_utf16(path, raw)
            with TextIOWrapper(raw, encoding="utf-8-sig", newline="") as text:
                reader = csv.reader(text, strict=True)
                yield _header(path, reader), _rows(path, reader, raw, progress)
    except UnicodeDecodeError as error:
        raise InputError(f"{path.name}: not UTF-8 ({error.reason}); save it as UTF-8 and try again") from None
    except OSError as error:
        raise InputError(f"{path.name}: cannot be read: {error.strerror or error}") from None


def _refuse_utf16(path: Path, raw: BinaryIO) -> None:
    start = raw.read(4)
    raw.seek(0)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise InputError(f"{path.name}: is UTF-16, not UTF-8; save it as UTF-8 and try again")
    if start.startswith(b"PK\x03\x04"):
        raise InputError(f"{path.name}: is a spreadsheet or zip file, not CSV; export it as CSV (UTF-8)")


def _header(path: Path, reader: _Reader) -> list[str]:
    try:
        header = [field.strip() for field in next(reader, [])]
    except csv.Error as error:
        raise InputError(f"{path.name}: line 1: {error}") from None
    if not any(header):
        raise InputError(f"{path.name}: is empty; the first line must name the columns")
    for mark, word in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        if len(header) == 1 and mark in header[0]:
            raise InputError(f"{path.name}: line 1: columns are separated by {word}; they must be separated by commas")
    if len(set(header)) < len(header):
        twice = next(name for name in header if header.count(name) > 1)
        raise InputError(f"{path.name}: line 1: column {twice!r} stands there twice")
    return header


def _rows(path: Path, reader: _Reader, raw: BinaryIO, progress: Progress | None) -> Iterator[Row]:
    size = path.stat().st_size
    count = 0
    while True:
        line = reader.line_num + 1
        try:
            fields = next(reader, None)
        except csv.Error:
            yield line, None
            continue
        if fields is None:
            break
        if not fields:
            continue
        count += 1
        if count > MAX_ROWS:
            raise InputError(f"{path.name}: more than {MAX_ROWS:,} rows; split it into several files")
        if progress and count % _TOLD_EVERY == 0:
            progress(min(raw.tell(), size), size)
        yield line, fields
    if progress:
        progress(size, size)
