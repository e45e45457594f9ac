"""PostgreSQL for tests: one embedded server and one ordinary one per session, a schema of its own per store.

Data folders are copies of one that is made once a run. They do not wait for the disk: killed processes lose nothing by that,
only a machine that crashes would.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg2
import pytest
from sqlalchemy import text

from pipelines.store import EmbeddedPostgres, Store
from pipelines.store.tables import metadata
from tests.leftovers import ended_with_us

SERVER_FOLDERS = "/usr/lib/postgresql/*/bin"
PASSWORD = "test-password"
PREPARED = "ET_TEST_PREPARED"
"""Where the folder of this run lies in which the data folder to copy is made; set by ``conftest``."""
UNSYNCED = "fsync = off\nfull_page_writes = off\n"
HELD = " UNION ALL ".join(
    f"SELECT '{name}' WHERE EXISTS (SELECT FROM {name})"  # noqa: S608 - the product's own names
    for name in metadata.tables
)
COUNTED = """
WITH counter AS MATERIALIZED (
    SELECT oid FROM pg_class WHERE relkind = 'S' AND relnamespace = current_schema()::regnamespace)
SELECT owner.relname FROM counter JOIN pg_depend ON objid = counter.oid AND deptype IN ('a', 'i')
JOIN pg_class owner ON owner.oid = refobjid WHERE pg_sequence_last_value(counter.oid) IS NOT NULL
"""


@contextmanager
def open_folder() -> Iterator[Path]:
    """A short, empty folder that other users may pass through (pytest's own are private), gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="et-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def var_folder() -> Iterator[Path]:
    """A folder for ``var`` in which the embedded server's data lie already: every schema upgraded, nothing in them."""
    with open_folder() as folder:
        prepared = _prepared()
        if prepared is not None:
            subprocess.run(["cp", "-a", prepared, folder / "postgres"], check=True)
        yield folder


def _prepared() -> Path | None:
    """The folder to copy, made by whichever worker needs it first; None outside of a test run."""
    if PREPARED not in os.environ:
        return None
    folder = Path(os.environ[PREPARED])
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "made").exists():
            _prepare(folder / "var")
            (folder / "made").touch()
    return folder / "var" / "postgres"


def _prepare(var: Path) -> None:
    with EmbeddedPostgres.start(var, shared_root=var.parent / "shared") as server:
        for schema in ("live", "demo", "replay"):
            store = Store.open(server.url, schema)
            store.upgrade()
            store.close()
    with (server.data / "postgresql.conf").open("a") as settings:
        settings.write(UNSYNCED)
    for left in ("server.log", "start.lock", "users.lock"):
        (server.home / left).unlink(missing_ok=True)


def empty(store: Store) -> None:
    """What :meth:`Store.reset` does, to those tables alone that hold or have counted something: a test fills few of them,
    and to truncate the others is most of the work."""
    with store._db.writing() as connection:
        used = sorted({row[0] for query in (HELD, COUNTED) for row in connection.execute(text(query))})
        if used:
            connection.execute(text(f"TRUNCATE {', '.join(used)} RESTART IDENTITY CASCADE"))


@contextmanager
def embedded_server() -> Iterator[str]:
    """The URL of an embedded server with data of its own."""
    with (
        var_folder() as var,
        EmbeddedPostgres.start(var, shared_root=var / "shared") as server,
        ended_with_us(server.data / "postmaster.pid", var),
    ):
        yield server.url


def server_programs() -> Path | None:
    """The newest PostgreSQL installation of the system."""
    root, _, rest = SERVER_FOLDERS.partition("*")
    found = [path for path in Path(root).glob("*" + rest) if (path / "pg_ctl").exists()]
    return max(found, key=lambda path: float(path.parent.name), default=None)


@dataclass(frozen=True)
class Server:
    """A running ordinary server. ``port`` stays the same over a :meth:`restart`, which is as sudden as a crash."""

    port: int
    url: str
    restart: Callable[[], None]


@contextmanager
def ordinary_server(programs: Path) -> Iterator[str]:
    """The URL of an ordinary server on a loopback port, where a role without special rights signs in by password."""
    with restartable_server(programs) as server:
        yield server.url


@contextmanager
def restartable_server(programs: Path) -> Iterator[Server]:
    """As :func:`ordinary_server`, with a handle on the server."""
    with open_folder() as folder:
        account = _server_user()
        if account is not None:
            os.chown(folder, account.pw_uid, account.pw_gid)
        port, secret = _free_port(), folder / "secret"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        run = _runner(account, folder)
        run([programs / "initdb", "-D", folder / "data", "-U", "owner", "-A", "scram-sha-256", "--pwfile", secret,
             "-E", "UTF8", "--locale=C", "--no-sync"])  # fmt: skip
        options = (
            f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={folder} -c timezone=Asia/Taipei "
            "-c fsync=off -c full_page_writes=off"
        )
        run([programs / "pg_ctl", "-D", folder / "data", "-w", "-l", folder / "log", "-o", options, "start"])
        try:
            _make_role(port)
            restart = [
                programs / "pg_ctl",
                "-D",
                folder / "data",
                "-w",
                "-l",
                folder / "log",
                "-m",
                "immediate",
                "restart",
            ]
            with ended_with_us(folder / "data" / "postmaster.pid", folder):
                yield Server(port, f"postgresql://heatmap:{PASSWORD}@127.0.0.1:{port}/heatmap", lambda: run(restart))
        finally:
            run([programs / "pg_ctl", "-D", folder / "data", "-w", "-m", "immediate", "stop"])


def _server_user() -> pwd.struct_passwd | None:
    """Whom to run the server as: PostgreSQL refuses root."""
    return pwd.getpwnam("postgres") if os.geteuid() == 0 else None


def _runner(account: pwd.struct_passwd | None, folder: Path):  # type: ignore[no-untyped-def]  # a local function
    def run(command: list[object]) -> None:
        subprocess.run(
            [str(part) for part in command], check=True, cwd=folder, stdout=subprocess.DEVNULL,
            user=None if account is None else account.pw_uid, group=None if account is None else account.pw_gid,
            extra_groups=None if account is None else [],
        )  # fmt: skip

    return run


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _make_role(port: int) -> None:
    connection = psycopg2.connect(host="127.0.0.1", port=port, user="owner", password=PASSWORD, dbname="postgres")
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("CREATE ROLE heatmap LOGIN PASSWORD %s", (PASSWORD,))
            cursor.execute("CREATE DATABASE heatmap OWNER heatmap")
    finally:
        connection.close()


def need_server() -> Path:
    """The system's PostgreSQL; without one the test is left out, or fails where everything must run (CI)."""
    programs = server_programs()
    if programs is None:
        message = "no PostgreSQL server under /usr/lib/postgresql: apt-get install postgresql"
        if os.environ.get("CI", "").lower() in {"1", "true"}:
            pytest.fail(message)
        pytest.skip(message)
    return programs
