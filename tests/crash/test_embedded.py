"""The embedded server: started, shared, found again after a kill, never stopped under a user; and a killed save."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
from sqlalchemy import text

from pipelines.errors import StoreError
from pipelines.store import EmbeddedPostgres, Store, embedded
from pipelines.store.postgres_bin import Account
from tests.contract.store_rows import T, add, item, result, save
from tests.postgres import open_folder

ROOT = Path(__file__).resolve().parent.parent.parent
HOLD = """
import sys, time
from pathlib import Path
from pipelines.store import EmbeddedPostgres
server = EmbeddedPostgres.start(Path(sys.argv[1]))
print(server.url, flush=True)
sys.stdin.readline()
server.stop()
"""
COPY = """
import sys
from pipelines.store import Store
from pipelines.store import saving
from tests.contract.store_rows import item, result, save
store = Store.open(sys.argv[1], "demo")
def stop_here(*args):
    print("in the middle", flush=True)
    sys.stdin.readline()
saving.refresh_touched_hours = stop_here
save(store, [result([item(f"x{n}") for n in range(60_000)])])
"""


@pytest.fixture
def var() -> Iterator[Path]:
    with open_folder() as folder:
        yield folder / "var"


def answers(url: str) -> bool:
    try:
        psycopg2.connect(url, connect_timeout=2).close()
    except psycopg2.OperationalError:
        return False
    return True


def start(code: str, argument: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, argument], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def end(process: subprocess.Popen[str], *, kill: bool = False) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    if kill:
        process.send_signal(signal.SIGKILL)
    else:
        process.stdin.write("\n")
    process.stdin.close() if not kill else None
    process.wait(timeout=60)
    process.stdout.close()
    if kill:
        process.stdin.close()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_stop_and_start_keep_the_data(var: Path) -> None:
    with EmbeddedPostgres.start(var) as server:
        assert server.notice == ""
        store = Store.open(server.url, "demo")
        with store._db.reading() as connection:
            assert connection.scalar(text("SHOW fsync")) == "on"
        store.upgrade()
        add(store, "Odalys Brightwater")
        store.close()
    assert not answers(server.url)
    with EmbeddedPostgres.start(var) as server:
        store = Store.open(server.url, "demo")
        assert store.entities()["name"].to_list() == ["Odalys Brightwater"]
        store.close()


def test_only_this_user_can_reach_it(var: Path) -> None:
    with EmbeddedPostgres.start(var) as server:
        sockets = var / "postgres" / "run"
        assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
        connection = psycopg2.connect(server.url)
        with connection.cursor() as cursor:
            cursor.execute("SHOW listen_addresses")
            assert cursor.fetchone() == ("",)
        connection.close()


def test_the_last_user_out_stops_it(var: Path) -> None:
    other = start(HOLD, str(var))
    url = line(other)
    mine = EmbeddedPostgres.start(var)
    again = EmbeddedPostgres.start(var)
    assert mine.url == again.url == url
    mine.stop()
    mine.stop()
    assert answers(url)
    end(other)
    assert answers(url)  # one user in this process is left
    again.stop()
    assert not answers(url)


def test_after_a_kill_the_next_start_finds_it_and_can_stop_it(var: Path) -> None:
    other = start(HOLD, str(var))
    url = line(other)
    end(other, kill=True)
    assert answers(url)
    server = EmbeddedPostgres.start(var)
    assert server.url == url
    server.stop()
    assert not answers(url)


def test_a_server_that_was_killed_is_started_again(var: Path) -> None:
    server = EmbeddedPostgres.start(var)
    postmaster = int((var / "postgres" / "data" / "postmaster.pid").read_text().split()[0])
    os.kill(postmaster, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while answers(server.url) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    again = EmbeddedPostgres.start(var)
    assert answers(again.url)
    again.stop()
    server.stop()
    assert not answers(server.url)


def test_a_long_path_gets_short_sockets(var: Path) -> None:
    deep = var / ("d" * 60) / ("e" * 60)
    with EmbeddedPostgres.start(deep) as server:
        assert answers(server.url)
        assert str(deep) not in server.url
        sockets = Path(server.url.partition("host=")[2].partition("&")[0])
        assert sockets.is_dir()
    assert not sockets.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as somebody else")
def test_a_private_folder_is_left_private() -> None:
    with open_folder() as folder:
        private = folder / "private"
        private.mkdir(mode=0o700)
        with EmbeddedPostgres.start(private / "checkout" / "var", shared_root=folder / "shared") as server:
            assert answers(server.url)
            assert "is private" in server.notice
            assert str(folder / "shared") in server.notice
        assert stat.S_IMODE(private.stat().st_mode) == 0o700
        assert not (private / "checkout" / "var" / "postgres").exists()


def test_without_any_postgresql_one_line_says_so(var: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "installations", lambda account, shelf: iter(()))
    with pytest.raises(StoreError, match=r"no PostgreSQL found.*HEATMAP_DATABASE_URL"):
        EmbeddedPostgres.start(var)
    assert not (var / "postgres" / "data").exists()


def test_data_of_another_version_are_refused(var: Path) -> None:
    EmbeddedPostgres.start(var).stop()
    (var / "postgres" / "data" / "PG_VERSION").write_text("9\n")
    with pytest.raises(StoreError, match="made by PostgreSQL 9, which is not installed"):
        EmbeddedPostgres.start(var)


def test_a_server_that_does_not_start_says_why(var: Path) -> None:
    EmbeddedPostgres.start(var).stop()
    with (var / "postgres" / "data" / "postgresql.conf").open("a") as file:
        file.write("shared_buffers = much\n")
    with pytest.raises(StoreError, match=r"configuration file .* contains errors; see .*server.log"):
        EmbeddedPostgres.start(var)


def test_a_command_that_fails_says_its_last_line() -> None:
    with pytest.raises(StoreError, match="sh failed: what went wrong"):
        Account(None, None).run(["/bin/sh", "-c", "echo first; echo what went wrong >&2; exit 3"], cwd=Path("/"))


def test_a_writer_killed_in_the_middle_leaves_nothing(embedded_store: Store, embedded_url: str) -> None:
    """P2: no half batch, and the same save can simply be made again."""
    writer = start(COPY, embedded_url)
    assert line(writer) == "in the middle"
    end(writer, kill=True)
    with embedded_store._db.reading() as connection:
        assert connection.execute(text("SELECT count(*) FROM item")).scalar() == 0
    assert save(embedded_store, [result([item(f"x{n}") for n in range(10)], at=T)]) == {"reddit": 10}
