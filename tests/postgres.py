"""PostgreSQL for tests: one embedded server and one ordinary one per session, a schema of its own per store."""

from __future__ import annotations

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

from pipelines.store import EmbeddedPostgres

SERVER_FOLDERS = "/usr/lib/postgresql/*/bin"
PASSWORD = "test-password"


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
def embedded_server() -> Iterator[str]:
    """The URL of an embedded server with data of its own."""
    with open_folder() as folder, EmbeddedPostgres.start(folder / "var", shared_root=folder / "shared") as server:
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
            f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={folder} -c timezone=Asia/Taipei"
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
