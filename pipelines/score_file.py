"""``heatmap score FILE``: a mentions file (PRODUCT 6) in, scores out, nothing else touched."""

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

NEEDED = ("entity", "source", "item_id", "at")
NUMBERS = {"engagement": pl.Float64(), "rank": pl.Int32(), "list_length": pl.Int32(), "sentiment": pl.Float64()}
PLATFORM_KEYS = ("z", "x", "mu", "s", "windows", "baseline_hours", "mentions")
ENTITY_KEYS = (
    "entity", "velocity_z", "spread_count", "spread", "affect", "raw", "heat", "peak_at", "hours_since_peak", "confidence",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class FileScores:
    """``rows`` ordered by HEAT, in the key names of PRODUCT 6; ``rejected`` rows were set aside for ``reasons``."""

    rows: list[dict[str, Any]]
    rejected: int
    reasons: str


def score_file(path: Path, at: datetime, scoring: Scoring) -> FileScores:
    """Score a Parquet or CSV mentions file at ``at`` (UTC). All its sources count as polled throughout.

    Rows without entity, source, item or a readable time are set aside. Raises :class:`InputError` for a file that
    cannot be read or lacks a column.
    """
    raw = _read(path)
    if missing := [name for name in NEEDED if name not in raw.columns]:
        raise InputError(f"{path}: no column {', '.join(missing)}; a mentions file has {', '.join(MENTIONS.names())}")
    typed = raw.select(_entity(raw), _text(raw, "source"), _text(raw, "item_id"), _time(raw),
                       *(_number(raw, name, dtype) for name, dtype in NUMBERS.items()))  # fmt: skip
    whole = typed.drop_nulls(list(NEEDED))
    usable = whole.filter(pl.all_horizontal(pl.col("source", "item_id") != ""))
    rejected = raw.height - usable.height
    reasons = "entity, source, item_id or at is empty or unreadable" if rejected else ""
    return FileScores(as_rows(score(usable, None, scoring, at, history_hours=0)), rejected, reasons)


def as_rows(scored: Scored) -> list[dict[str, Any]]:
    """The scores as JSON-ready rows, ordered by HEAT."""
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
        if path.suffix.lower() in (".csv", ".tsv", ".txt"):
            # every column as text: a number that cannot be read then costs its row, not the file
            return pl.read_csv(path, infer_schema=False, separator="\t" if path.suffix.lower() == ".tsv" else ",")
        return pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as Parquet or CSV ({str(error).splitlines()[0][:120]})") from None


def _entity(raw: pl.DataFrame) -> pl.Expr:
    return pl.col("entity") if raw.schema["entity"].is_integer() else pl.col("entity").cast(pl.String)


def _text(raw: pl.DataFrame, name: str) -> pl.Expr:
    del raw
    return pl.col(name).cast(pl.String)


def _time(raw: pl.DataFrame) -> pl.Expr:
    """``at`` in UTC; a time without a zone is UTC."""
    dtype, column = raw.schema["at"], pl.col("at")
    if isinstance(dtype, pl.Datetime):
        zoned = column if dtype.time_zone else column.dt.replace_time_zone("UTC")
        return zoned.dt.convert_time_zone("UTC").cast(UTC_TIME)
    text = column.cast(pl.String).str.strip_chars()
    has_zone = text.str.contains(r"(?i)(z|[+-]\d\d:?\d\d)$")
    return pl.when(has_zone).then(text).otherwise(text + "Z").str.to_datetime(
        time_unit="us", time_zone="UTC", strict=False
    ).alias("at")  # fmt: skip


def _number(raw: pl.DataFrame, name: str, dtype: pl.DataType) -> pl.Expr:
    if name not in raw.columns:
        return pl.lit(None, dtype=dtype).alias(name)
    number = pl.col(name).cast(pl.Float64, strict=False)
    finite = pl.when(number.is_finite()).then(number)
    return finite.cast(dtype, strict=False).alias(name)
