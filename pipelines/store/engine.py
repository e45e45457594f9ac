"""Connections: two SQLAlchemy pools (writing, reading), frames through ADBC, and errors in plain words.

Every connection has the schema as its search path, UTC as its zone, and time limits on the server's side and ours.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import adbc_driver_postgresql.dbapi as adbc
import polars as pl
import psycopg2
from psycopg2.extensions import make_dsn
from sqlalchemy import Connection, Engine, create_engine, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from pipelines.errors import StoreError
from pipelines.model import UTC_TIME

CONNECTION: dict[str, Any] = {
    "connect_timeout": 3,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "application_name": "et-heatmap",
}
"""A server that cannot be reached is given up after 3 s, one that falls silent after about 11 s."""
LOCK_TIMEOUT = "5s"
IDLE_TIMEOUT = "60s"
WRITE_TIMEOUT = "300s"
READ_TIMEOUT = "15s"
LOAD_TIMEOUT = "60s"
SCHEMA_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}")

PLAIN_WORDS = {
    "53100": "storage is full: free some space, or keep less (heatmap db prune)",
    "53300": "the server has no connection left for us",
    "55P03": "another session held a lock for too long; try again",
    "57014": "a query took too long and was stopped",
    "28P01": "user or password refused",
    "28000": "user or password refused",
    "3D000": "the database does not exist",
    "42P01": "a table is missing: run heatmap db upgrade",
    "42501": "the database user may not do this",
}


class Database:
    """One schema of one PostgreSQL database. Raises :class:`StoreError` for everything that goes wrong there."""

    def __init__(self, url: str, schema: str) -> None:
        if not SCHEMA_NAME.fullmatch(schema):
            raise StoreError(f"schema {schema!r}: use lower-case letters, digits and _")
        self.schema = schema
        self._url = _postgres_url(url)
        self._opening = threading.Lock()
        self._first_loader: Any = None
        self.writer = self._engine(WRITE_TIMEOUT, pool_size=5)
        self.reader = self._engine(READ_TIMEOUT, pool_size=10, read_only=True)

    def _options(self, statement_timeout: str, *, read_only: bool = False, bulk: bool = True) -> str:
        settings = {
            "search_path": self.schema,
            "timezone": "UTC",
            "jit": "off",
            "work_mem": "64MB" if bulk else "16MB",
            "statement_timeout": statement_timeout,
            "lock_timeout": LOCK_TIMEOUT,
            "idle_in_transaction_session_timeout": IDLE_TIMEOUT,
            "default_transaction_read_only": "on" if read_only else "off",
        }
        return " ".join(f"-c {key}={value}" for key, value in settings.items())

    def _engine(self, statement_timeout: str, *, pool_size: int, read_only: bool = False) -> Engine:
        return create_engine(
            self._url.set(drivername="postgresql+psycopg2"),
            pool_pre_ping=True,
            pool_size=pool_size,
            max_overflow=5,
            pool_timeout=5,
            hide_parameters=True,
            connect_args={
                **CONNECTION,
                "options": self._options(statement_timeout, read_only=read_only, bulk=not read_only),
            },
        )

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction: committed when the block ends, rolled back when it raises."""
        with plain_errors(), self.writer.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A read-only transaction."""
        with plain_errors(), self.reader.begin() as connection:
            yield connection

    def frame(self, query: str, parameters: Sequence[Any], schema: pl.Schema) -> pl.DataFrame:
        """The rows of ``query`` (with ``$1`` .. for ``parameters``) as a frame of ``schema``, times in UTC."""
        with (
            plain_errors(),
            self._loader() as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(query, tuple(parameters) or None)
            frame = pl.DataFrame(cursor.fetch_arrow())
        return _typed(frame, schema)

    def _loader(self) -> Any:
        """A fresh ADBC connection. What the driver learns of the server's types on its first one (a tenth of a second)
        is kept and shared by the rest."""
        with self._opening:
            if self._first_loader is None:
                self._first_loader = adbc.connect(self._conninfo(), autocommit=True)
            return self._first_loader.adbc_clone()

    def _conninfo(self) -> str:
        """libpq's own words for where the database is; it reads URLs a little differently from SQLAlchemy."""
        _, where = self.reader.dialect.create_connect_args(self._url.set(drivername="postgresql+psycopg2"))
        options = self._options(LOAD_TIMEOUT, read_only=True)
        return make_dsn(**where, **CONNECTION, options=options)

    def close(self) -> None:
        """Close every connection."""
        with self._opening:
            loader, self._first_loader = self._first_loader, None
        if loader is not None:
            loader.close()
        self.writer.dispose()
        self.reader.dispose()


def _postgres_url(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise StoreError("database URL: not a URL; use postgresql://user:password@host:5432/name") from None
    if parsed.drivername.split("+")[0] not in {"postgresql", "postgres"}:
        raise StoreError(f"database URL: {parsed.drivername} is not supported; use postgresql://...")
    return parsed


def _typed(frame: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    columns = []
    for name, dtype in schema.items():
        column = pl.col(name)
        stored = frame.schema[name]
        if dtype == UTC_TIME and isinstance(stored, pl.Datetime):
            zoned = column if stored.time_zone else column.dt.replace_time_zone("UTC")
            column = zoned.dt.convert_time_zone("UTC")
        columns.append(column.cast(dtype))
    return frame.select(columns)


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn errors of SQLAlchemy, psycopg2 and ADBC into :class:`StoreError` with one line and no secret."""
    try:
        yield
    except DBAPIError as error:
        raise StoreError(f"database: {_explain(error.orig)}") from error
    except PoolTimeoutError as error:
        raise StoreError("database: all connections are in use; try again") from error
    except SQLAlchemyError as error:
        raise StoreError(f"database: {type(error).__name__}") from error
    except (psycopg2.Error, adbc.Error) as error:
        raise StoreError(f"database: {_explain(error)}") from error


def _explain(error: BaseException | None) -> str:
    code = getattr(error, "pgcode", None) or getattr(error, "sqlstate", None) or ""
    if code in PLAIN_WORDS:
        return PLAIN_WORDS[code]
    message = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    if "unsupported startup parameter" in message:
        return "this is a pooler (pgbouncer); set the database's own, direct address"
    if isinstance(error, psycopg2.OperationalError) and not code:
        return f"not answering: {message}"
    return message


def as_utc(moment: datetime) -> datetime:
    """``moment``, which must be timezone-aware: a naive time here is a programming error."""
    if moment.tzinfo is None:
        raise StoreError(f"time without a zone: {moment.isoformat()}")
    return moment
