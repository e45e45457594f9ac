"""What goes wrong with a database, in plain words, and of which sort it is.

:class:`UnavailableError`: the same call may work later (no answer, no room, a lock). :class:`RowsRefusedError`: the database
would not take these rows, whenever they come. Everything else is a :class:`StoreError` that a person must look at.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import adbc_driver_postgresql.dbapi as adbc
import psycopg2
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from pipelines.errors import StoreError

PLAIN_WORDS = {
    "53100": "storage is full: free some space, or keep less (heatmap db prune)",
    "53300": "the server has no connection left for us",
    "55P03": "another session held a lock for too long; try again",
    "57014": "a query took too long and was stopped",
    "57P01": "not answering (it is shutting down)",
    "57P02": "not answering (it has crashed and comes back by itself)",
    "57P03": "not answering (it is starting up)",
    "28P01": "user or password refused",
    "28000": "user or password refused",
    "3D000": "the database does not exist",
    "42P01": "a table is missing: run heatmap db upgrade",
    "42501": "the database user may not do this (docs/database.md, roles)",
}
LATER = ("08", "40", "53", "57", "58", "55P03", "25P03")
"""SQLSTATEs, or their first letters, of what may work later: connection, serialization, resources, operator, disk, lock."""
ROWS = ("22", "23", "54")
"""Data that does not fit, constraints, and values beyond the server's limits."""
SILENT = "server closed the connection unexpectedly: no reply for 5 s"
"""What a call that was cut off fails with; SQLAlchemy knows a lost connection by the first words."""


class UnavailableError(StoreError):
    """The database does not answer, or can take nothing now; the same call may work later."""


class RowsRefusedError(StoreError):
    """The database would not take a row; the same rows will be refused again."""


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn errors of SQLAlchemy, psycopg2 and ADBC into :class:`StoreError` with one line and no secret."""
    try:
        yield
    except DBAPIError as error:
        raise _ours(error.orig) from error
    except PoolTimeoutError as error:
        raise UnavailableError("database: all connections are in use; try again") from error
    except SQLAlchemyError as error:
        raise StoreError(f"database: {type(error).__name__}") from error
    except (psycopg2.Error, adbc.Error) as error:
        raise _ours(error) from error


def _ours(error: BaseException | None) -> StoreError:
    code, words = _code(error), explain(error)
    if code.startswith(LATER) or (not code and words.startswith("not answering")) or words == PLAIN_WORDS["53300"]:
        return UnavailableError(f"database: {words}")
    return (RowsRefusedError if code.startswith(ROWS) else StoreError)(f"database: {words}")


def _code(error: BaseException | None) -> str:
    return getattr(error, "pgcode", None) or getattr(error, "sqlstate", None) or ""


def explain(error: BaseException | None) -> str:
    """What ``error`` of a driver says, in one line; what to do where that is known."""
    code = _code(error)
    if code in PLAIN_WORDS:
        return PLAIN_WORDS[code]
    message = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    if "unsupported startup parameter" in message:
        return "this is a pooler (pgbouncer); it needs the database's own, direct address"
    if SILENT in message:
        return "not answering (no reply for 5 s)"
    for known, words in _UNCODED.items():
        if known in message:
            return words
    if not code and any(words in message for words in LOST):
        return "not answering (the connection was lost)"
    operational = isinstance(error, psycopg2.OperationalError | adbc.OperationalError)
    if not code and operational:
        return f"not answering ({message})"
    return message


LOST = ("closed the connection", "connection already closed", "connection not open", "no connection to the server")
_UNCODED = {
    "authentication failed": PLAIN_WORDS["28P01"],
    "the database system is starting up": PLAIN_WORDS["57P03"],
    "the database system is shutting down": PLAIN_WORDS["57P01"],
    "the database system is in recovery mode": PLAIN_WORDS["57P02"],
    "sorry, too many clients": PLAIN_WORDS["53300"],
    "remaining connection slots": PLAIN_WORDS["53300"],
    "timeout expired": "not answering (no reply for 3 s)",
    "Connection refused": "not answering: start it, or check HEATMAP_DATABASE_URL",
    "could not translate host name": "not answering: its host is not known here; check HEATMAP_DATABASE_URL",
    "No such file or directory": "not answering: start it, or check HEATMAP_DATABASE_URL",
}
"""While a connection is being opened the driver gives no code."""
