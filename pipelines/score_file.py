"""``heatmap score FILE``: a mentions file (PRODUCT 6) in, scores out, nothing else touched.

A row without entity, source, item or a readable time is set aside and counted. A number that cannot be read is as if
not given. Times without a zone are UTC. A CSV has no types: its entities are text.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from pipelines.errors import InputError
from pipelines.model import MENTIONS, UTC_TIME
from pipelines.score import score
from pipelines.score_model import Scored, Scoring
from pipelines.vetting import fault

NEEDED = ("entity", "source", "item_id", "at")
NUMBERS = ("engagement", "rank", "list_length", "sentiment")
PLATFORM_KEYS = ("z", "x", "mu", "s", "windows", "baseline_hours", "mentions")
ENTITY_KEYS = (
    "entity", "velocity_z", "spread_count", "spread", "affect", "raw", "heat", "peak_at", "hours_since_peak", "confidence",
)  # fmt: skip

_PARQUET = b"PAR1"
_TIME = (
    r"^(?<date>\d{4}-\d{2}-\d{2})"
    r"(?:[Tt ]+(?<time>\d{2}:\d{2})(?<seconds>:\d{2})?(?:[.,](?<fraction>\d{1,9}))?)?"
    r"\s*(?:[Zz]|UTC|(?<sign>[+-])(?<hours>\d{2}):?(?<minutes>\d{2})?)?$"
)


@dataclass(frozen=True, slots=True)
class FileScores:
    """``rows`` ordered by HEAT, in the key names of PRODUCT 6 (``peak_at`` a UTC datetime); ``rejected`` rows were set
    aside for ``reasons``."""

    rows: list[dict[str, Any]]
    rejected: int
    reasons: str


def score_file(path: Path, at: datetime, scoring: Scoring) -> FileScores:
    """Score a Parquet or CSV mentions file at ``at`` (UTC). All its sources count as polled throughout.

    Raises :class:`InputError` for a file that cannot be read or lacks a column.
    """
    mentions, rejected = read_mentions(path)
    reasons = "entity, source, item_id or at is empty or unreadable" if rejected else ""
    return FileScores(as_rows(score(mentions, None, scoring, at, history_hours=0)), rejected, reasons)


def read_mentions(path: Path) -> tuple[pl.DataFrame, int]:
    """The usable rows of a mentions file as MENTIONS (``entity`` integer or text), and how many were set aside.

    Raises :class:`InputError` as :func:`score_file` does. Columns other than entity, source, item and time may lack.
    """
    raw = _read(path)
    if missing := [name for name in NEEDED if name not in raw.columns]:
        raise InputError(f"{path}: no column {', '.join(missing)}; a mentions file has {', '.join(MENTIONS.names())}")
    typed = raw.select(
        _entity(raw),
        _text("source").str.strip_chars(),
        _text("item_id"),
        _time(raw, path),
        *(_number(raw, name) for name in NUMBERS),
    )
    usable = typed.drop_nulls(list(NEEDED))
    return usable, raw.height - usable.height


def as_rows(scored: Scored) -> list[dict[str, Any]]:
    """The scores as rows ordered by HEAT, each with its platforms."""
    platforms: dict[Any, dict[str, Any]] = {}
    for row in scored.platforms.iter_rows(named=True):
        platforms.setdefault(row["entity"], {})[row["source"]] = {key: row[key] for key in PLATFORM_KEYS}
    return [
        {**{key: row[key] for key in ENTITY_KEYS}, "platforms": platforms.get(row["entity"], {})}
        for row in scored.entities.iter_rows(named=True)
    ]


def _read(path: Path) -> pl.DataFrame:
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        with path.open("rb") as file:
            parquet = file.read(len(_PARQUET)) == _PARQUET
        if parquet or path.suffix.lower() == ".parquet":
            if problem := fault(path):
                raise InputError(f"{path}: cannot be read as Parquet: {problem}")
            return pl.read_parquet(path)
        # every column as text: a number that cannot be read then costs its row, not the file
        separator = "\t" if path.suffix.lower() == ".tsv" else ","
        raw = pl.read_csv(
            path, infer_schema=False, separator=separator, encoding="utf8-lossy", truncate_ragged_lines=True
        )
        return raw.rename(str.strip)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise InputError(f"{path}: cannot be read as Parquet or CSV ({str(error).splitlines()[0][:120]})") from None


def _entity(raw: pl.DataFrame) -> pl.Expr:
    return pl.col("entity") if raw.schema["entity"].is_integer() else _text("entity")


def _text(name: str) -> pl.Expr:
    text = pl.col(name).cast(pl.String, strict=False)
    return pl.when(text.str.strip_chars() != "").then(text).alias(name)


def _time(raw: pl.DataFrame, path: Path) -> pl.Expr:
    """``at`` in UTC, whatever zone it is written in."""
    dtype, column = raw.schema["at"], pl.col("at")
    if isinstance(dtype, pl.Datetime):
        zoned = column if dtype.time_zone else column.dt.replace_time_zone("UTC")
        return zoned.dt.convert_time_zone("UTC").cast(UTC_TIME)
    if dtype == pl.Date:
        return column.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    if dtype not in (pl.String, pl.Categorical, pl.Null):
        raise InputError(f"{path}: column at holds {dtype}, not times")
    return _written_time(column.cast(pl.String).str.strip_chars()).alias("at")


def _written_time(text: pl.Expr) -> pl.Expr:
    """ISO 8601 with or without seconds, fraction and zone, each row in its own form; null for anything else."""
    part = text.str.extract_groups(_TIME).struct.field
    clock = part("date") + " " + part("time").fill_null("00:00") + part("seconds").fill_null(":00")
    local = clock.str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="us", strict=False)
    fraction = (part("fraction").fill_null("") + "000000").str.slice(0, 6).cast(pl.Int64)
    minutes = part("hours").cast(pl.Int64).fill_null(0) * 60 + part("minutes").cast(pl.Int64).fill_null(0)
    east = pl.when(part("sign") == "-").then(-minutes).otherwise(minutes)
    return (local + pl.duration(microseconds=fraction) - pl.duration(minutes=east)).dt.replace_time_zone("UTC")


def _number(raw: pl.DataFrame, name: str) -> pl.Expr:
    dtype = MENTIONS[name]
    if name not in raw.columns:
        return pl.lit(None, dtype=dtype).alias(name)
    column = pl.col(name)
    if raw.schema[name] == pl.String:
        column = column.str.strip_chars()
    number = column.cast(pl.Float64, strict=False)
    return pl.when(number.is_finite()).then(number).cast(dtype, strict=False).alias(name)
