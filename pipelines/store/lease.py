"""One scheduler among several processes: a session lock of PostgreSQL, held on a connection of its own.

The server gives the lock up with the session, so a killed process frees it at once, and a frozen or cut-off one after
:data:`IDLE_LIMIT` without a sign of life. A lease that cannot be confirmed does not count, however the lock stands.
"""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Callable
from enum import StrEnum
from typing import Any

import psycopg2
import structlog

from pipelines.store.engine import Database
from pipelines.store.watch import Watch, WatchedConnection

log = structlog.get_logger(__name__)

BEAT_SECONDS = 1.0
CONFIRMED_SECONDS = 4.0
"""Seconds a confirmation counts; less than :data:`IDLE_LIMIT`, after which the server gives the lock to another."""
IDLE_LIMIT = "5s"
TAKE = "SELECT pg_try_advisory_lock(hashtext('heatmap schedule'), hashtext(%s))"
SESSION = """SELECT set_config('idle_session_timeout', %s, false)"""
KEEPALIVE = "-c tcp_keepalives_idle=2 -c tcp_keepalives_interval=1 -c tcp_keepalives_count=3"


class Role(StrEnum):
    """LEADER schedules. FOLLOWER shows what the leader stores. ADRIFT was the leader when the database went away: it goes
    on polling into memory until the database says who leads."""

    LEADER = "leader"
    FOLLOWER = "follower"
    ADRIFT = "adrift"


class Lease:
    """The right to schedule for one schema. ``changed`` hears of every new :class:`Role`, on the lease's own thread.

    :meth:`attempt` tries once; :meth:`start` keeps trying, and confirming, in the background; :meth:`close` gives it back.
    """

    def __init__(self, database: Database, changed: Callable[[Role], None] = lambda _role: None) -> None:
        self.changed = changed
        self._schema = database.schema
        options = f"{KEEPALIVE} -c search_path={database.schema}"
        self._dsn = database.conninfo(options=options, connect_timeout=2, application_name="et-heatmap-lease")
        self._watch = Watch(database.conninfo(connect_timeout=2))
        self._connection: Any = None
        self._lock = threading.Lock()
        self._confirmed = float("-inf")
        self._role = Role.FOLLOWER
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def role(self) -> Role:
        """What this process is now. A leader whose lease is not confirmed any more (a frozen process) is a follower."""
        if self._role is Role.LEADER and time.monotonic() - self._confirmed > CONFIRMED_SECONDS:
            return Role.FOLLOWER
        return self._role

    def attempt(self) -> Role:
        """Confirm the lease, or try to take it, once; the role after it."""
        with self._lock:
            began = time.monotonic()
            try:
                held: bool | None = self._ask()
            except psycopg2.Error:
                self._drop()
                held = self._retake()
            if held:
                self._confirmed = began
            self._become({True: Role.LEADER, False: Role.FOLLOWER, None: self._without()}[held])
            return self._role

    def start(self) -> None:
        """Keep at it in a thread."""
        self._closing.clear()
        self._thread = threading.Thread(target=self._run, name="lease", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Give the lease back; safe to call twice."""
        self._closing.set()
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join(10)
        with self._lock:
            self._drop()
            self._role = Role.FOLLOWER
        self._watch.close()

    def _run(self) -> None:
        while not self._closing.is_set():
            self._pause()
            if not self._closing.is_set():
                self.attempt()

    def _pause(self) -> None:
        """One beat; less where the server ends the session, which shows at once."""
        connection = self._connection
        if self._role is not Role.LEADER or connection is None or connection.closed:
            self._closing.wait(BEAT_SECONDS)
            return
        waiting = select.poll()
        waiting.register(connection.fileno(), select.POLLIN)
        waiting.poll(BEAT_SECONDS * 1000)

    def _ask(self) -> bool:
        """Whether the lock is ours; on a session that holds it already this only confirms it."""
        if self._connection is None:
            self._connection = self._open()
        with self._connection.cursor() as cursor:
            if self._role is Role.LEADER:
                cursor.execute("SELECT true")
            else:
                cursor.execute(TAKE, (self._schema,))
            return bool(cursor.fetchone()[0])

    def _retake(self) -> bool | None:
        """The session is gone: whether the lock could be had again at once; None where the database does not answer."""
        self._role = self._without()
        try:
            return self._ask()
        except psycopg2.Error:
            self._drop()
            return None

    def _without(self) -> Role:
        """What we are while the database does not say."""
        return Role.FOLLOWER if self._role is Role.FOLLOWER else Role.ADRIFT

    def _open(self) -> Any:
        connection: Any = psycopg2.connect(self._dsn, connection_factory=WatchedConnection)
        connection.watch = self._watch
        connection.autocommit = True
        if connection.server_version >= 140_000:
            with connection.cursor() as cursor:
                cursor.execute(SESSION, (IDLE_LIMIT,))
        return connection

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _become(self, role: Role) -> None:
        before, self._role = self._told, role
        if before is not role:
            self._told = role
            log.info("schedule", role=str(role))
            self.changed(role)

    _told: Role = Role.FOLLOWER
