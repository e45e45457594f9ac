"""Whether a session of ours is a session of the server: behind a pooler in transaction mode it is not.

There, session locks and settings go to whichever connection was free: two processes would both hold the one lock that
makes a scheduler the only one. The server's own number of a session tells.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2

from pipelines.errors import StoreError
from pipelines.store.trouble import plain_errors
from pipelines.store.watch import Watch, WatchedConnection

DIRECT = (
    "database: this address is a pooler (pgbouncer) that gives every transaction another session; "
    "it needs the database's own, direct address (or a pooler in session mode)"
)
WAIT = "3s"


def check_direct(dsn: str, schema: str, watch: Watch) -> None:
    """Raise :class:`StoreError` where ``dsn`` leads to a pooler that does not keep sessions or loses our settings.

    One connection and one question where there is no pooler.
    """
    with plain_errors(), _opened(dsn, watch) as one:
        number, path = _ask(one, "SELECT pg_backend_pid(), current_setting('search_path')")
        if path != schema:
            raise StoreError(DIRECT)
        if number == one.info.backend_pid:
            return
        # somebody stands between; in session mode both of ours keep theirs
        with _opened(dsn, watch) as other:
            try:
                _ask(other, f"SET statement_timeout = '{WAIT}'; SELECT pg_backend_pid()", keep=True)
                (again,) = _ask(one, "SELECT pg_backend_pid()")
            except psycopg2.OperationalError:
                raise StoreError(DIRECT) from None
            if again != number:
                raise StoreError(DIRECT)


@contextmanager
def _opened(dsn: str, watch: Watch) -> Iterator[Any]:
    connection: Any = psycopg2.connect(dsn, connection_factory=WatchedConnection)
    connection.watch = watch
    try:
        yield connection
    finally:
        connection.close()


def _ask(connection: Any, query: str, *, keep: bool = False) -> tuple[Any, ...]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        row: tuple[Any, ...] = cursor.fetchone()
    if not keep:
        connection.rollback()
    return row
