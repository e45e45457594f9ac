"""A foreign archive (CSV) as a recording, by a column map (``config/import_template.toml`` explains each entry).

Read in stretches, sorted into days on disk, written out day by day: memory is bounded by the largest day. A value that cannot
be read is named with its line and column.
"""

from __future__ import annotations

import csv
import io
import math
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from pipelines.errors import InputError
from pipelines.model import ITEMS, SOURCES, Outcome, conform
from pipelines.record_merge import assemble
from pipelines.recording import POLLS, encode, read_items, tidy
from pipelines.vetting import trust

CHUNK = 50_000
MAX_RANK = 1_000_000
FIELD_BYTES = 1_000_000
SHOWN = 5
"""How many faults one error names."""
Field_ = Literal[
    "poll_at", "source", "feed", "item_id", "title", "url", "published_at", "engagement", "rank", "names"
]  # fmt: skip
NEEDED = ("poll_at", "source", "item_id", "title")
Rows = list[tuple[int, list[str]]]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FileMap(_Part):
    """How the text is written."""

    delimiter: str = Field(default=",", min_length=1, max_length=1)
    encoding: str = "utf-8-sig"
    missing: tuple[str, ...] = ("",)
    bad_rows: int = Field(default=0, ge=0)


class TimeMap(_Part):
    """How times are written: ``rfc3339``, ``unix``, ``unix_ms`` or a strptime pattern; ``zone`` where they name none."""

    format: str = "rfc3339"
    zone: str = "UTC"

    @field_validator("zone")
    @classmethod
    def _known(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"{zone!r} is no time zone; write it like Europe/Berlin") from None
        return zone


class ImportMap(_Part):
    """``columns``: field of the recording to column of the CSV; ``constants``: field to one value for all rows;
    ``sources``: a value of the source column to a source of the product."""

    file: FileMap = FileMap()
    time: TimeMap = TimeMap()
    columns: dict[Field_, str]
    constants: dict[Literal["source", "feed", "names"], str] = {}
    sources: dict[str, str] = {}
    names_separator: str = Field(default="|", min_length=1)


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import wrote; ``faults`` are the rows set aside, each with line and column."""

    polls: int
    rows: int
    faults: tuple[str, ...]


def read_map(path: Path) -> ImportMap:
    """The column map in a TOML file. Raises :class:`InputError` naming the entry that is wrong."""
    try:
        found = ImportMap.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    except ValueError as error:  # no TOML, or no UTF-8
        raise InputError(f"{path}: {error}") from None
    given = {*found.columns, *found.constants}
    if lacking := [name for name in NEEDED if name not in given]:
        raise InputError(f"{path}: nothing says what {', '.join(lacking)} is; see config/import_template.toml")
    return found


def import_csv(
    path: Path, mapping: ImportMap, target: Path, told: Callable[[float], None] = lambda _: None
) -> Imported:
    """Write the CSV at ``path`` as a recording to ``target``; ``told`` hears the share of its bytes read.

    Raises :class:`InputError` for a file that cannot be read, a column that is not there, or more faulty rows than
    ``bad_rows``; nothing is written then.
    """
    faults: list[str] = []
    total = 0
    with TemporaryDirectory(prefix="et-import-") as scratch:
        folder = Path(scratch)
        for number, rows in enumerate(_chunks(path, mapping, told)):
            frame = _typed(path, mapping, rows, faults)
            if len(faults) > mapping.file.bad_rows:
                more = f"; and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
                raise InputError(
                    f"{path} {'; '.join(faults[:SHOWN])}{more}. Nothing was written; see bad_rows in the map"
                )
            total += frame.height
            for day, part in _by_day(frame):
                (folder / day).mkdir(exist_ok=True)
                piece = folder / day / f"{number:06d}.parquet"
                piece.write_bytes(encode(part, pl.DataFrame(schema=POLLS)))
                trust(piece)
        if not total:
            raise InputError(f"{path}: has no row that can be used")
        return _written(folder, target, tuple(faults))


def _by_day(frame: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    days = frame["poll_at"].dt.date()
    for day in days.unique().sort():
        yield day.isoformat(), frame.filter(days == day)


def _written(folder: Path, target: Path, faults: tuple[str, ...]) -> Imported:
    days = sorted(folder.iterdir())
    polls: list[pl.DataFrame] = []

    def by_day() -> Iterator[pl.DataFrame]:
        for day in days:
            frame = tidy(read_items(part) for part in sorted(day.iterdir()))
            yield frame

    for day in days:
        seen = pl.scan_parquet(sorted(day.iterdir())).select("poll_at", "source").unique().collect()
        polls.append(conform(seen.with_columns(outcome=pl.lit(Outcome.OK.value)), POLLS))
    found = pl.concat(polls).sort("poll_at", "source")
    return Imported(found.height, assemble(by_day(), found, (), target), faults)


def _chunks(path: Path, mapping: ImportMap, told: Callable[[float], None]) -> Iterator[Rows]:
    """Rows with their line numbers, :data:`CHUNK` at a time; only the columns the map names, in its order."""
    csv.field_size_limit(FIELD_BYTES)
    line = 0
    try:
        size = max(1, path.stat().st_size)
        with path.open("rb") as raw, io.TextIOWrapper(raw, encoding=mapping.file.encoding, newline="") as file:
            reader = csv.reader(file, delimiter=mapping.file.delimiter, strict=True)
            header = next(reader, [])
            places = _places(path, mapping, header)
            rows: Rows = []
            for values in reader:
                line = reader.line_num
                if values:
                    rows.append((line, [values[at] if at < len(values) else "" for at in places]))
                if len(rows) >= CHUNK:
                    yield rows
                    rows = []
                    told(min(1.0, raw.tell() / size))
            yield rows
            told(1.0)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except LookupError:
        raise InputError(f"{path}: the map names an unknown encoding {mapping.file.encoding!r}") from None
    except UnicodeError as error:
        raise InputError(f"{path} line {line + 1}: not {mapping.file.encoding} text ({error})") from None
    except csv.Error as error:
        raise InputError(f"{path} line {line + 1}: {error}") from None


def _places(path: Path, mapping: ImportMap, header: list[str]) -> list[int]:
    names = [name.strip() for name in header]
    if lacking := sorted({column for column in mapping.columns.values() if column not in names}):
        raise InputError(f"{path}: no column {', '.join(lacking)}; its columns are {', '.join(names) or 'none'}")
    return [names.index(column) for column in mapping.columns.values()]


def _typed(path: Path, mapping: ImportMap, rows: Rows, faults: list[str]) -> pl.DataFrame:
    """The good rows of one stretch as :data:`~pipelines.model.ITEMS`; what is wrong with the others goes to ``faults``."""
    missing = frozenset(mapping.file.missing)
    fields = list(mapping.columns)
    columns: dict[str, list[Any]] = {
        field: [None if values[at].strip() in missing else values[at].strip() for _, values in rows]
        for at, field in enumerate(fields)
    }
    for constant, value in mapping.constants.items():
        columns.setdefault(constant, [value] * len(rows))
    wrong: dict[int, str] = {}
    for field, values in columns.items():
        _column(mapping, field, values, wrong)
    faults.extend(f"line {rows[at][0]}, {wrong[at]}" for at in sorted(wrong))
    good = [at for at in range(len(rows)) if at not in wrong]
    typed = {field: [values[at] for at in good] for field, values in columns.items()}
    typed.setdefault("feed", ["import"] * len(good))
    typed["feed"] = [value or "import" for value in typed["feed"]]
    typed["names"] = [value or [] for value in typed.get("names", [None] * len(good))]
    return conform(pl.DataFrame(typed, schema={name: ITEMS[name] for name in ITEMS if name in typed}), ITEMS)


def _column(mapping: ImportMap, field: Any, values: list[Any], wrong: dict[int, str]) -> None:
    """Make the texts of one column what the recording holds, in place; the first fault of a row is kept in ``wrong``."""
    shown = f"column {mapping.columns[field]}" if field in mapping.columns else f"constant {field}"
    for at, text in enumerate(values):
        if text is None:
            if field in NEEDED:
                wrong.setdefault(at, f"{shown}: empty, and {field} is needed")
            continue
        try:
            values[at] = _value(mapping, field, text)
        except (ValueError, OverflowError, OSError):
            wrong.setdefault(at, f"{shown}: {text[:60]!r} {_wanted(mapping, field)}")
            values[at] = None


def _value(mapping: ImportMap, field: str, text: str) -> Any:
    match field:
        case "poll_at" | "published_at":
            return _time(text, mapping.time)
        case "engagement":
            number = float(text)
            if not math.isfinite(number):
                raise ValueError(text)
            return number
        case "rank":
            place = int(text)
            if not 1 <= place <= MAX_RANK:
                raise ValueError(text)
            return place
        case "names":
            return [name.strip() for name in text.split(mapping.names_separator) if name.strip()]
        case "source":
            found = mapping.sources.get(text, text)
            if found not in SOURCES:
                raise ValueError(found)
            return found
    return text


def _time(text: str, how: TimeMap) -> datetime:
    if how.format in ("unix", "unix_ms"):
        return datetime.fromtimestamp(float(text) / (1000 if how.format == "unix_ms" else 1), UTC)
    found = datetime.fromisoformat(text) if how.format == "rfc3339" else datetime.strptime(text, how.format)  # noqa: DTZ007 - the zone comes next
    return (found.replace(tzinfo=ZoneInfo(how.zone)) if found.tzinfo is None else found).astimezone(UTC)


def _wanted(mapping: ImportMap, field: str) -> str:
    match field:
        case "poll_at" | "published_at":
            return f"is not a time like {mapping.time.format}"
        case "source":
            return f"is no source ({', '.join(SOURCES)}); name it under [sources] in the map"
    return "is not a number"
