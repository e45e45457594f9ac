"""The watch over calls to the database: none waits longer than about 5 s for a server that has fallen silent.

A driver's call blocks until the kernel gives the connection up, and through a proxy or a frozen server it never does. A
thread looks at the calls that are under way. Where one is older than :data:`PATIENCE`, it asks the server on a connection of
its own: a server that answers may take its time over a query (its own time limits end that); one that does not is silent,
and the waiting connections are shut, which ends their calls with an error. While it is silent new calls fail at once.
"""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import psycopg2
import structlog
from psycopg2.extensions import POLL_OK, POLL_READ

from pipelines.store.trouble import SILENT

log = structlog.get_logger(__name__)

PATIENCE = 2.5
PROBE_SECONDS = 2.0
LOOK_SECONDS = 0.25
"""Together below the 5 s after which a call must have ended."""

LOST = """SELECT pid FROM pg_stat_activity WHERE pid = ANY(%s) AND state LIKE 'idle%%'
    AND clock_timestamp() - state_change > interval '2 seconds'"""
"""Sessions that have answered and wait for us, while we wait for them: the reply was lost on its way."""


def probe(dsn: str, pids: Sequence[int], seconds: float = PROBE_SECONDS) -> set[int]:
    """Ask the server for a sign of life; those of ``pids`` whose reply was lost.

    Raises ``TimeoutError`` after ``seconds``, and ``psycopg2.Error`` where the server cannot be reached or refuses.
    """
    deadline = time.monotonic() + seconds
    connection = psycopg2.connect(dsn, async_=1)
    try:
        _wait(connection, deadline)
        with connection.cursor() as cursor:
            cursor.execute(LOST, (list(pids),))
            _wait(connection, deadline)
            return {row[0] for row in cursor.fetchall()}
    finally:
        connection.close()


def _wait(connection: Any, deadline: float) -> None:
    while (state := connection.poll()) != POLL_OK:
        waiting = select.poll()
        waiting.register(connection.fileno(), select.POLLIN if state == POLL_READ else select.POLLOUT)
        if not waiting.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise TimeoutError


class _Call:
    __slots__ = ("cut", "end", "pid", "started")

    def __init__(self, end: Callable[[], None], pid: int) -> None:
        self.started, self.end, self.pid, self.cut = time.monotonic(), end, pid, False


class Watch:
    """Watches over the calls of one server. Thread-safe; :meth:`close` ends its thread."""

    def __init__(self, dsn: str, ask: Callable[[str, Sequence[int]], set[int]] = probe) -> None:
        self._dsn, self._ask = dsn, ask
        self._lock = threading.Lock()
        self._calls: set[_Call] = set()
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()
        self._asked = 0.0
        self.silent = False

    @contextmanager
    def calling(self, end: Callable[[], None], pid: int = 0) -> Iterator[None]:
        """Watch over the block; ``end`` makes it return, from another thread. ``pid`` is the server's session.

        Raises ``psycopg2.OperationalError`` at once while the server is silent, and where the block was ended.
        """
        if self.silent:
            raise psycopg2.OperationalError(SILENT)
        call = _Call(end, pid)
        with self._lock:
            self._calls.add(call)
            if self._thread is None:
                self._closing.clear()
                self._thread = threading.Thread(target=self._run, name="database watch", daemon=True)
                self._thread.start()
        try:
            yield
        except Exception:
            if call.cut:
                raise psycopg2.OperationalError(SILENT) from None
            raise
        finally:
            with self._lock:
                self._calls.discard(call)
        if call.cut:
            raise psycopg2.OperationalError(SILENT)

    def close(self) -> None:
        """End the thread; the next call starts another."""
        with self._lock:
            thread, self._thread = self._thread, None
        self._closing.set()
        if thread is not None and thread is not threading.current_thread():
            thread.join(PROBE_SECONDS + 1)
        self.silent = False

    def _run(self) -> None:
        while not self._closing.wait(LOOK_SECONDS):
            try:
                self._look()
            except Exception:  # the watch must outlive whatever it sees
                log.exception("database watch")

    def _look(self) -> None:
        now = time.monotonic()
        old = [call for call in tuple(self._calls) if now - call.started > PATIENCE]
        if (not old and not self.silent) or now - self._asked < 1.0:
            return
        try:
            lost = self._ask(self._dsn, [call.pid for call in old])
        except TimeoutError:
            self._asked = time.monotonic()
            self._fell_silent()
            return
        except psycopg2.Error as error:
            self._asked = time.monotonic()
            if "FATAL" not in str(error):  # a refusal in the server's own words is an answer
                self._fell_silent()
                return
            lost = set()
        self._asked = time.monotonic()
        if self.silent:
            log.info("database answers again")
        self.silent = False
        self._end([call for call in old if call.pid in lost])

    def _fell_silent(self) -> None:
        if not self.silent:
            log.warning("database does not answer")
        self.silent = True
        edge = time.monotonic() - PATIENCE
        self._end([call for call in tuple(self._calls) if call.started < edge])

    def _end(self, calls: Sequence[_Call]) -> None:
        for call in calls:
            with self._lock:
                if call in self._calls and not call.cut:
                    call.cut = True
                    call.end()


class WatchedCursor(psycopg2.extensions.cursor):
    """A cursor whose calls are watched over."""

    def execute(self, query: Any, vars: Any = None) -> None:  # noqa: A002  # the driver's own name
        """As the driver's."""
        with _watching(self.connection):
            super().execute(query, vars)

    def executemany(self, query: Any, vars_list: Any) -> None:
        """As the driver's."""
        with _watching(self.connection):
            super().executemany(query, vars_list)

    def copy_expert(self, sql: Any, file: Any, size: int = 8192) -> None:
        """As the driver's."""
        with _watching(self.connection):
            super().copy_expert(sql, file, size)


class WatchedConnection(psycopg2.extensions.connection):
    """A connection whose calls are watched over, once ``watch`` is set."""

    watch: Watch | None = None

    def cursor(self, *args: Any, **kwargs: Any) -> Any:
        """As the driver's."""
        kwargs.setdefault("cursor_factory", WatchedCursor)
        return super().cursor(*args, **kwargs)

    def commit(self) -> None:
        """As the driver's."""
        with _watching(self):
            super().commit()

    def rollback(self) -> None:
        """As the driver's."""
        with _watching(self):
            super().rollback()


@contextmanager
def _watching(connection: Any) -> Iterator[None]:
    watch: Watch | None = getattr(connection, "watch", None)
    if watch is None or connection.closed:
        yield
        return
    # a copy of the descriptor: the driver may close its own, and the number could come to mean another connection
    own = os.dup(connection.fileno())
    try:
        with watch.calling(lambda: _shut(own), connection.info.backend_pid):
            yield
    finally:
        os.close(own)


def _shut(descriptor: int) -> None:
    with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as line:
        line.shutdown(socket.SHUT_RDWR)
