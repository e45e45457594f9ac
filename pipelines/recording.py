"""The recording format (PRODUCT 6) and how it is read: one Parquet file, or a directory of days.

A directory, as :mod:`pipelines.record` writes it, holds ``YYYY-MM-DD/part-<poll time>-<source>-<seq>.parquet`` (one
file an append) and ``YYYY-MM-DD.parquet`` (a compacted day). Three entries in a file's Parquet footer say what
rows cannot:

* ``et-heatmap.polls``: JSON list of ``[poll_at, source, outcome, covered_from]`` (times in microseconds since 1970,
  or null): a poll that found nothing has no row, and is still a poll. A file without it (any file of the public
  format) has one poll for each distinct (``poll_at``, ``source``).
* ``et-heatmap.marks``: JSON list of ``[at, kind, writer]``: a recorder's start (so that a restart stays visible), or a poll
  whose time lay before the one ahead of it (its clock was set back).
* ``et-heatmap.parts``: the names of the parts a compacted day has taken in. Such a part, still lying there after a
  crash, is ignored, so that no row is ever read twice.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl

from pipelines.errors import InputError
from pipelines.model import ITEMS, SOURCES, UTC_TIME, Outcome, conform
from pipelines.vetting import fault, one_line

POLLS = pl.Schema(
    {"poll_at": UTC_TIME, "source": pl.String(), "outcome": pl.String(), "covered_from": UTC_TIME}
)  # fmt: skip
"""One row per poll: when, which source, what came of it, and how far back it could list (null: not known)."""

POLLS_KEY = "et-heatmap.polls"
PARTS_KEY = "et-heatmap.parts"
MARKS_KEY = "et-heatmap.marks"
START, CLOCK_BACK = "start", "clock back"
OPTIONAL = frozenset({"context"})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_DAY_FILE = re.compile(r"(\d{4}-\d{2}-\d{2})\.parquet")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
# a panic is an exception of its own, outside PolarsError; vetting met it first, unless the file changed since
_READ_ERRORS = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError, TypeError, OverflowError)


class DamagedFileError(Exception):
    """A Parquet file that cannot be read; ``str()`` says why in one line."""


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """What a recorder noted: at ``at`` (UTC) ``writer`` began (:data:`START`) or met a clock set back (:data:`CLOCK_BACK`)."""

    at: datetime
    kind: str
    writer: str


@dataclass(frozen=True, slots=True)
class RecordingFile:
    """One readable Parquet file: its polls (:data:`POLLS`), the parts it took in, its day if its name gives one, marks."""

    path: Path
    day: date | None
    polls: pl.DataFrame
    parts: frozenset[str]
    marks: tuple[Mark, ...] = ()


def encode(items: pl.DataFrame, polls: pl.DataFrame, parts: Iterable[str] = (), marks: Iterable[Mark] = ()) -> bytes:
    """A Parquet file of ``items`` (:data:`ITEMS`) with ``polls`` (:data:`POLLS`), part names and marks in its footer."""
    buffer = io.BytesIO()
    conform(items, ITEMS).write_parquet(buffer, metadata=footer(polls, parts, marks))
    return buffer.getvalue()


def footer(polls: pl.DataFrame, parts: Iterable[str] = (), marks: Iterable[Mark] = ()) -> dict[str, str]:
    """The footer's entries."""
    rows = [[_micros(at), source, outcome, _micros(covered)] for at, source, outcome, covered in polls.iter_rows()]
    noted = [[_micros(mark.at), mark.kind, mark.writer] for mark in sorted(set(marks))]
    return {POLLS_KEY: json.dumps(rows, separators=(",", ":")), PARTS_KEY: json.dumps(sorted(parts)),
            MARKS_KEY: json.dumps(noted)}  # fmt: skip


def _micros(instant: datetime | None) -> int | None:
    return None if instant is None else (instant - _EPOCH) // _MICROSECOND


def read_items(path: Path, after: datetime | None = None, until: datetime | None = None) -> pl.DataFrame:
    """The rows of one file with ``after < poll_at <= until``, as :data:`ITEMS`, each item once a poll.

    Raises :class:`DamagedFileError`, or ``FileNotFoundError`` where it has been compacted away meanwhile.
    """
    _check_sound(path)
    try:
        frame = pl.scan_parquet(path)
        present = set(frame.collect_schema().names())
        rows = frame.select(
            pl.col(name).cast(dtype) if name in present else pl.lit(None, dtype=dtype).alias(name)
            for name, dtype in ITEMS.items()
        )
        if after is not None:
            rows = rows.filter(pl.col("poll_at") > after)
        if until is not None:
            rows = rows.filter(pl.col("poll_at") <= until)
        return rows.collect()
    except FileNotFoundError:
        raise
    except _READ_ERRORS as error:
        raise DamagedFileError(one_line(error)) from error


def open_file(path: Path, day: date | None = None) -> RecordingFile:
    """Check one file's columns and read its polls.

    Raises :class:`InputError` where columns are missing or of a wrong type, :class:`DamagedFileError` where it is no
    Parquet.
    """
    _check_sound(path)
    try:
        schema = pl.read_parquet_schema(path)
        metadata = pl.read_parquet_metadata(path)
        parts = frozenset(str(name) for name in json.loads(metadata.get(PARTS_KEY, "[]")))
        marks = tuple(_mark(row) for row in json.loads(metadata.get(MARKS_KEY, "[]")))
        recorded = metadata.get(POLLS_KEY)
        polls = None if recorded is None else _polls_from_footer(recorded)
    except FileNotFoundError:
        raise
    except _READ_ERRORS as error:
        raise DamagedFileError(one_line(error)) from error
    check_columns(path, schema)
    return RecordingFile(path, day, _polls_from_rows(path) if polls is None else polls, parts, marks)


def _mark(row: list[object]) -> Mark:
    at, kind, writer = row
    if not isinstance(at, int):
        raise ValueError(f"a mark at {at!r}")
    return Mark(_EPOCH + at * _MICROSECOND, str(kind), str(writer))


def _check_sound(path: Path) -> None:
    try:
        problem = fault(path)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise DamagedFileError(one_line(error)) from error
    if problem:
        raise DamagedFileError(problem)


def check_columns(path: Path, schema: Mapping[str, pl.DataType]) -> None:
    """Raise :class:`InputError` naming every column of the format that is missing or cannot be read as its type."""
    problems = [f"column {name} is missing" for name in ITEMS if name not in schema and name not in OPTIONAL]
    problems += [
        f"column {name} is {schema[name]}, wanted {wanted}"
        for name, wanted in ITEMS.items()
        if name in schema and not _fits(schema[name], wanted)
    ]
    if problems:
        raise InputError(f"{path}: not a recording: {'; '.join(problems)}")


def _fits(got: pl.DataType, wanted: pl.DataType) -> bool:
    if got == wanted or got == pl.Null():
        return True
    if isinstance(wanted, pl.Datetime):
        return isinstance(got, pl.Datetime) and got.time_zone == "UTC"
    if wanted.is_numeric():
        return got.is_numeric()
    if isinstance(wanted, pl.List):
        return isinstance(got, pl.List) and got.inner in (pl.String(), pl.Null())
    return isinstance(got, pl.Categorical | pl.Enum)


def _polls_from_footer(text: str) -> pl.DataFrame:
    rows = json.loads(text)
    frame = pl.DataFrame(
        rows, schema=[(name, pl.Int64 if POLLS[name] == UTC_TIME else pl.String) for name in POLLS], orient="row"
    )
    for name, known in (("source", set(SOURCES)), ("outcome", {outcome.value for outcome in Outcome})):
        strange = sorted(str(value) for value in set(frame[name]) - known)
        if strange or frame["poll_at"].has_nulls():
            raise ValueError(f"its footer has polls with {name} {', '.join(strange)[:100] or 'at no time'}")
    return frame.cast({name: dtype for name, dtype in POLLS.items() if dtype == UTC_TIME})


def _polls_from_rows(path: Path) -> pl.DataFrame:
    try:
        rows = pl.scan_parquet(path).select(
            pl.col("poll_at").cast(UTC_TIME), pl.col("source").cast(pl.String), "item_id"
        )
        empty = rows.select(pl.all().is_null().any()).collect().row(0, named=True)
        polls = rows.select("poll_at", "source").unique().collect()
    except _READ_ERRORS as error:
        raise DamagedFileError(one_line(error)) from error
    holes = [name for name, found in empty.items() if found]
    if holes:
        raise InputError(f"{path}: not a recording: empty values in {', '.join(holes)}")
    strangers = sorted(set(polls["source"].unique()) - set(SOURCES))
    if strangers:
        raise InputError(f"{path}: unknown source {', '.join(strangers)}; a recording knows {', '.join(SOURCES)}")
    return conform(polls.with_columns(outcome=pl.lit(Outcome.OK.value)), POLLS).sort("poll_at", "source")


class Archive:
    """A recording opened for reading: ``polls`` (:data:`POLLS`, sorted, one row a poll) and its rows on demand.

    ``skipped`` says, one line a file, which files could not be read and why; it grows when a damaged body is met later.
    Raises :class:`InputError` where there is no recording at ``path``.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._skipped: dict[str, str] = {}
        self._files: list[RecordingFile] = []
        self._open()

    def _open(self) -> None:
        if self.path.is_dir():
            self._files = _retry_while_moving(self._list_directory)
            if not self._files and not self._skipped:
                raise InputError(f"{self.path}: no recording in this directory")
        elif self.path.is_file():
            try:
                self._files = [open_file(self.path)]
            except DamagedFileError as error:
                raise InputError(f"{self.path}: cannot be read as Parquet: {error}{_elsewhere(self.path)}") from None
        else:
            raise InputError(f"{self.path}: no such file or directory")
        frames = [found.polls for found in self._files] or [pl.DataFrame(schema=POLLS)]
        polls = pl.concat(frames).unique(["poll_at", "source"], keep="last", maintain_order=True)
        self.polls = polls.sort("poll_at", "source")
        self.marks = tuple(sorted({mark for found in self._files for mark in found.marks}))

    @property
    def files(self) -> tuple[RecordingFile, ...]:
        """The files that could be read."""
        return tuple(self._files)

    @property
    def skipped(self) -> tuple[str, ...]:
        """Files set aside, one line each."""
        return tuple(f"{name}: {why}" for name, why in self._skipped.items())

    def _list_directory(self) -> list[RecordingFile]:
        days: dict[date, RecordingFile] = {}
        for path in sorted(self.path.glob("*.parquet")):
            match = _DAY_FILE.fullmatch(path.name)
            found = self._try_open(path, date.fromisoformat(match[1])) if match else None
            if found is not None and found.day is not None:
                days[found.day] = found
        files = list(days.values())
        for folder in sorted(entry for entry in self.path.iterdir() if entry.is_dir() and _DAY.fullmatch(entry.name)):
            day = date.fromisoformat(folder.name)
            taken = days[day].parts if day in days else frozenset()
            parts = (
                self._try_open(part, day) for part in sorted(folder.glob("part-*.parquet")) if part.name not in taken
            )
            files += [part for part in parts if part is not None]
        return files

    def _try_open(self, path: Path, day: date) -> RecordingFile | None:
        try:
            return open_file(path, day)
        except (DamagedFileError, InputError) as error:
            self._skipped[str(path.relative_to(self.path))] = str(error)
            return None

    def read(self, after: datetime | None = None, until: datetime | None = None) -> pl.DataFrame:
        """The rows with ``after < poll_at <= until`` as :data:`ITEMS`, by poll, each item once a poll."""
        for _ in range(3):
            try:
                return self._read(after, until)
            except FileNotFoundError:
                self._open()  # a day was compacted under our feet: its rows are in another file now
        raise InputError(f"{self.path}: files keep disappearing while they are read")

    def _read(self, after: datetime | None, until: datetime | None) -> pl.DataFrame:
        first = after.astimezone(UTC).date() if after else date.min
        last = until.astimezone(UTC).date() if until else date.max
        frames = []
        for found in self._files:
            if found.day is not None and not first <= found.day <= last:
                continue
            try:
                frames.append(read_items(found.path, after, until))
            except DamagedFileError as error:
                if not self.path.is_dir():
                    raise InputError(f"{self.path}: cannot be read as Parquet: {error}") from None
                self._skipped[str(found.path.relative_to(self.path))] = str(error)
        return tidy(frames)


def parts_of(file: Path) -> Path:
    """The folder in which ``heatmap record`` keeps the polls of ``file``: ``FILE.parquet.parts``, or the ``FILE.parts`` of
    earlier versions where that is there and not another file's."""
    now, before = file.with_name(f"{file.name}.parts"), file.with_suffix(".parts")
    other = file.with_suffix(".parquet")
    theirs = other != file and other.exists()
    return before if before.is_dir() and not now.exists() and not theirs else now


def _elsewhere(path: Path) -> str:
    parts = parts_of(path)
    return f"; its polls are whole in {parts}, use that" if parts.is_dir() else "; use a copy, or record anew"


def _retry_while_moving(listing: Callable[[], list[RecordingFile]]) -> list[RecordingFile]:
    for _ in range(3):
        try:
            return listing()
        except FileNotFoundError:
            continue
    return listing()


def tidy(frames: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Several :data:`ITEMS` frames as one, sorted by poll, an item that was written twice for one poll kept once (the
    last)."""
    rows = pl.concat([pl.DataFrame(schema=ITEMS), *frames])
    rows = rows.unique(["poll_at", "source", "item_id"], keep="last", maintain_order=True)
    return rows.sort("poll_at", "source", maintain_order=True)


def read_recording(path: Path, since: datetime | None = None, until: datetime | None = None) -> pl.DataFrame:
    """The rows of a recording (file or directory) with ``since <= poll_at < until``, as :data:`ITEMS`.

    Damaged files in a directory are left out (see :class:`Archive` for which). Raises :class:`InputError` where there
    is no recording, or a column is missing or of a wrong type.
    """
    return Archive(path).read(since and since - _MICROSECOND, until and until - _MICROSECOND)
