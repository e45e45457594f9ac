"""Rows in bulk: frames cleaned of what PostgreSQL cannot keep, copied into a temporary table, upserted from there.

``quote_style="non_numeric"`` is the one CSV style that survives a text of ``\\.`` and keeps null apart from empty
text; the number of rows that arrived is checked against the number sent.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping, Sequence

import polars as pl
from sqlalchemy import Connection, text

from pipelines.errors import StoreError

CHUNK_ROWS = 50_000
ANALYZE_ROWS = 1_000
KEY_BYTES = 600
"""The longest text that may be part of a key: an index entry must stay below 2,704 bytes."""
TIME_FORMAT = "%Y-%m-%dT%H:%M:%S%.6f%:z"


def clean(frame: pl.DataFrame) -> pl.DataFrame:
    """``frame`` without NUL characters in its text and without NaN or infinity in its numbers (null instead)."""
    columns = []
    for name, dtype in frame.schema.items():
        column = pl.col(name)
        if dtype == pl.String():
            columns.append(column.str.replace_all("\x00", "", literal=True))
        elif dtype.is_float():
            columns.append(pl.when(column.is_finite()).then(column).alias(name))
    return frame.with_columns(columns)


def usable_key(*names: str) -> pl.Expr:
    """Whether these text columns can be part of a key: there, not empty, not too long."""
    return pl.all_horizontal(
        (pl.col(name).str.len_bytes().is_between(1, KEY_BYTES)).fill_null(value=False) for name in names
    )


def json_text(value: str | None) -> str | None:
    """``value`` as JSON that a ``jsonb`` column takes; None where it is not JSON at all."""
    if value is None:
        return None
    try:
        return json_dump(json.loads(value))
    except (ValueError, RecursionError):
        return None


def json_dump(value: object) -> str:
    """``value`` as JSON that ``jsonb`` takes: without NUL characters, lone surrogates, NaN and infinity."""
    dumped = json.dumps(_storable(value), ensure_ascii=False, separators=(",", ":"), default=str)
    return dumped.encode("utf-8", "replace").decode("utf-8")


def _storable(value: object) -> object:
    if isinstance(value, str):
        return value.replace("\x00", "")
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {_storable(str(key)): _storable(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(part) for part in value]
    return value


def stage(connection: Connection, name: str, columns: str, frame: pl.DataFrame) -> int:
    """Copy ``frame`` into a new temporary table ``name`` with ``columns`` (SQL), gone at commit; the number of rows.

    Names and columns come from our own code only. The order of the frame's columns must be that of ``columns``.
    """
    connection.execute(text(f"CREATE TEMP TABLE {name} ({columns}) ON COMMIT DROP"))
    if frame.is_empty():
        return 0
    cursor = connection.connection.cursor()
    try:
        for part in frame.iter_slices(CHUNK_ROWS):
            buffer = io.BytesIO()
            part.write_csv(buffer, include_header=False, quote_style="non_numeric", datetime_format=TIME_FORMAT)
            buffer.seek(0)
            cursor.copy_expert(f"COPY {name} FROM STDIN (FORMAT csv)", buffer)
            if cursor.rowcount != part.height:
                raise StoreError(f"copy: sent {part.height} rows to {name}, {cursor.rowcount} arrived")
    finally:
        cursor.close()
    if frame.height > ANALYZE_ROWS:
        connection.execute(text(f"ANALYZE {name}"))
    return frame.height


def upsert(table: str, keys: Sequence[str], source: str, update: Sequence[str]) -> str:
    """SQL that writes the rows of ``source`` (a SELECT with named columns) into ``table``.

    Rows whose ``update`` columns are already equal are not touched; with no ``update`` columns, nor are any others.
    The caller makes sure that ``source`` has each key once.
    """
    columns = [*keys, *update]
    listed = ", ".join(columns)
    head = f"INSERT INTO {table} ({listed}) SELECT {listed} FROM ({source}) AS fresh ON CONFLICT ({', '.join(keys)}) "  # noqa: S608  # our own names
    if not update:
        return head + "DO NOTHING"
    assigned = ", ".join(f"{name} = excluded.{name}" for name in update)
    old = ", ".join(f"{table}.{name}" for name in update)
    new = ", ".join(f"excluded.{name}" for name in update)
    return head + f"DO UPDATE SET {assigned} WHERE ({old}) IS DISTINCT FROM ({new})"
