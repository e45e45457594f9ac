"""Connections: two SQLAlchemy pools (writing, reading), frames through ADBC, all of them watched over.

Every connection has the schema as its search path, UTC as its zone, and time limits on the server's side and ours.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import adbc_driver_postgresql.dbapi as adbc
import polars as pl
import psycopg2
from psycopg2.extensions import make_dsn
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError

from pipelines.errors import StoreError
from pipelines.model import UTC_TIME
from pipelines.store.trouble import UnavailableError, plain_errors
from pipelines.store.watch import Watch, WatchedConnection

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


@dataclass(frozen=True, slots=True)
class Pools:
    """How many connections one :class:`Database` may open, and the seconds a caller waits for one that is free."""

    writers: int = 3
    readers: int = 3
    extra: int = 2
    loaders: int = 4
    wait: float = 5.0


JOBS = Pools()
"""What polls and scoring have for themselves, so that no number of open pages can starve them."""
PAGES = Pools(writers=2, readers=6, wait=10.0)


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why the database could not be used the last time, and since when (UTC)."""

    reason: str
    since: datetime


class Database:
    """One schema of one PostgreSQL database. Raises :class:`StoreError` for everything that goes wrong there."""

    def __init__(self, url: str, schema: str, pools: Pools = JOBS, watch: Watch | None = None) -> None:
        if not SCHEMA_NAME.fullmatch(schema):
            raise StoreError(f"schema {schema!r}: use lower-case letters, digits and _")
        self.schema, self.pools = schema, pools
        self._url = _postgres_url(url)
        self._opening = threading.Lock()
        self._first_loader: Any = None
        self._loaders = threading.BoundedSemaphore(pools.loaders)
        self._troubles: dict[str, Trouble] = {}
        self._owns_watch = watch is None
        self.writer = self._engine(WRITE_TIMEOUT, pool_size=pools.writers)
        self.reader = self._engine(READ_TIMEOUT, pool_size=pools.readers, read_only=True)
        self.watch = watch or Watch(self.conninfo(connect_timeout=3))

    def beside(self, pools: Pools) -> Database:
        """The same schema through connections of their own, under the same watch."""
        return Database(self._url.render_as_string(hide_password=False), self.schema, pools, self.watch)

    @property
    def trouble(self) -> Trouble | None:
        """What keeps the database from being used; None while it works. Writing that fails counts before reading."""
        return self._troubles.get("write") or self._troubles.get("read")

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
        engine = create_engine(
            self._url.set(drivername="postgresql+psycopg2"),
            pool_pre_ping=True,
            pool_size=pool_size,
            max_overflow=self.pools.extra,
            pool_timeout=self.pools.wait,
            hide_parameters=True,
            connect_args={
                **CONNECTION,
                "connection_factory": WatchedConnection,
                "options": self._options(statement_timeout, read_only=read_only, bulk=not read_only),
            },
        )
        event.listen(engine, "do_connect", self._connect)
        return engine

    def _connect(self, _dialect: Any, _record: Any, arguments: Sequence[Any], named: dict[str, Any]) -> Any:
        with self.watch.calling(lambda: None):  # libpq's own limit ends it
            made = psycopg2.connect(*arguments, **named)
        made.watch = self.watch
        return made

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction: committed when the block ends, rolled back when it raises."""
        with self._noting("write"), plain_errors(), self.writer.begin() as connection:
            yield connection
        self._troubles.pop("read", None)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A read-only transaction."""
        with self._noting("read"), plain_errors(), self.reader.begin() as connection:
            yield connection

    @contextmanager
    def _noting(self, side: str) -> Iterator[None]:
        try:
            yield
        except UnavailableError as error:
            earlier = self._troubles.get(side)
            reason = str(error).removeprefix("database: ")
            self._troubles[side] = Trouble(reason, earlier.since if earlier else datetime.now(UTC))
            raise
        self._troubles.pop(side, None)

    def frame(self, query: str, parameters: Sequence[Any], schema: pl.Schema) -> pl.DataFrame:
        """The rows of ``query`` (with ``$1`` .. for ``parameters``) as a frame of ``schema``, times in UTC."""
        with self._noting("read"), plain_errors():
            if not self._loaders.acquire(timeout=self.pools.wait):
                raise UnavailableError("database: all connections are in use; try again")
            try:
                frame = _Load(self, query, parameters).result()
            finally:
                self._loaders.release()
        return _typed(frame, schema)

    def loader(self) -> Any:
        """A fresh ADBC connection. What the driver learns of the server's types on its first one (a tenth of a second)
        is kept and shared by the rest."""
        with self._opening:
            if self._first_loader is None:
                self._first_loader = adbc.connect(self.conninfo(), autocommit=True)
            return self._first_loader.adbc_clone()

    def conninfo(self, **more: Any) -> str:
        """libpq's own words for where the database is, for a reading connection; it reads URLs a little differently
        from SQLAlchemy. ``more``: other connection settings."""
        _, where = self.reader.dialect.create_connect_args(self._url.set(drivername="postgresql+psycopg2"))
        options = self._options(LOAD_TIMEOUT, read_only=True)
        words: str = make_dsn(**{**where, **CONNECTION, "options": options, **more})
        return words

    def close(self) -> None:
        """Close every connection."""
        with self._opening:
            loader, self._first_loader = self._first_loader, None
        if loader is not None:
            loader.close()
        self.writer.dispose()
        self.reader.dispose()
        if self._owns_watch:
            self.watch.close()


class _Load:
    """One query through ADBC, in a thread of its own: its connection cannot be shut from outside, so a call that the
    watch ends is left behind, and its thread ends when the kernel gives the connection up."""

    def __init__(self, database: Database, query: str, parameters: Sequence[Any]) -> None:
        self._database, self._query, self._parameters = database, query, parameters
        self._done = threading.Event()
        self._frame: pl.DataFrame | None = None
        self._error: Exception | None = None

    def result(self) -> pl.DataFrame:
        """The frame. Raises the driver's error, or ``psycopg2.OperationalError`` where the watch ended it."""
        with self._database.watch.calling(self._done.set):
            threading.Thread(target=self._run, name="database load", daemon=True).start()
            self._done.wait()
        if self._error is not None:
            raise self._error
        assert self._frame is not None  # noqa: S101 - done, and no error
        return self._frame

    def _run(self) -> None:
        try:
            with self._database.loader() as connection, connection.cursor() as cursor:
                cursor.execute(self._query, tuple(self._parameters) or None)
                self._frame = pl.DataFrame(cursor.fetch_arrow())
        except Exception as error:  # noqa: BLE001 - handed to the caller's thread
            self._error = error
        finally:
            self._done.set()


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


def as_utc(moment: datetime) -> datetime:
    """``moment``, which must be timezone-aware: a naive time here is a programming error."""
    if moment.tzinfo is None:
        raise StoreError(f"time without a zone: {moment.isoformat()}")
    return moment
