"""G4 and P9: one scheduler among several processes, and an address that cannot promise that is refused."""

from __future__ import annotations

import os
import pwd
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
import pytest
from sqlalchemy import text

from pipelines.errors import StoreError
from pipelines.store import Store
from pipelines.store.lease import Lease, Role
from tests.fault_proxy import fault_proxy
from tests.postgres import open_folder, var_folder
from tests.processes import Running, serving

TAKEOVER_S = 5.0


def until(true: Callable[[], object], seconds: float = 8.0) -> float:
    """Seconds until it was true."""
    started = time.monotonic()
    while not true():
        assert time.monotonic() - started < seconds, "it never came true"
        time.sleep(0.02)
    return time.monotonic() - started


@contextmanager
def leasing(store: Store, *, start: bool = True) -> Iterator[Lease]:
    lease = store.lease()
    lease.attempt()
    if start:
        lease.start()
    try:
        yield lease
    finally:
        lease.close()


def insist(lease: Lease) -> None:
    for _ in range(300):
        lease.attempt()
        time.sleep(0.01)


def end_session_of(store: Store) -> None:
    """The server ends the leader's session, as a restart or an operator would."""
    with store._db.reading() as connection:
        connection.execute(text("""SELECT pg_terminate_backend(l.pid) FROM pg_locks l
            WHERE l.locktype = 'advisory' AND l.granted AND l.pid <> pg_backend_pid()"""))  # fmt: skip


def test_g4_only_one_leads_and_another_takes_over(store: Store) -> None:
    with leasing(store) as second_to_be:
        assert second_to_be.role is Role.LEADER
        with leasing(store) as other:
            assert other.role is Role.FOLLOWER
            second_to_be.close()
            assert until(lambda: other.role is Role.LEADER) < TAKEOVER_S


def test_g4_a_leader_that_loses_its_session_stops_at_once(store: Store) -> None:
    with leasing(store) as first, leasing(store) as rival:
        # the rival stands in for a process that is quicker: it asks all the time
        asking = threading.Thread(target=lambda: insist(rival))
        asking.start()
        end_session_of(store)
        until(lambda: first.role is not Role.LEADER or rival.role is Role.FOLLOWER, 2.0)
        asking.join()
        assert until(lambda: {first.role, rival.role} == {Role.LEADER, Role.FOLLOWER}) < TAKEOVER_S


def test_g4_one_lease_a_schema(store: Store, database_url: str) -> None:
    other = Store.open(database_url, "other")
    with leasing(store) as here, leasing(other) as there:
        assert here.role is there.role is Role.LEADER
    other.close()


@pytest.mark.server_pg
def test_g4_a_leader_that_is_cut_off_is_adrift_and_comes_back(server_url: str) -> None:
    place = urlsplit(server_url)
    with fault_proxy(place.port or 0) as line:
        far = Store.open(server_url.replace(f":{place.port}", f":{line.port}"), "replay")
        near = Store.open(server_url, "replay")
        with leasing(far) as cut_off, leasing(near) as other:
            line.fault = "silent"
            assert until(lambda: cut_off.role is not Role.LEADER) < TAKEOVER_S, "it cannot confirm that it leads"
            assert until(lambda: other.role is Role.LEADER, 15) < 10, "the server gives up the silent session"
            until(lambda: cut_off.role is Role.ADRIFT, 10)
            line.fault = "none"
            until(lambda: cut_off.role is Role.FOLLOWER, 10)
        far.close()
        near.close()


LIVE = {
    "MODE": "live", "TRADES__FEEDS": "[]", "TRENDS__URL": "http://127.0.0.1:9/", "TRENDS__POLL_SECONDS": "10",
    "POLL__SCORE_SECONDS": "10",
}  # fmt: skip


def polls(server: Running) -> set[str]:
    return {row["at"] for row in server.get("/api/v1/audit?source=trends").json["items"]}


@pytest.mark.slow
def test_g4_two_servers_one_leader_and_takeover_after_a_kill() -> None:
    with var_folder() as var, serving(var=var, settings=LIVE) as first, serving(var=var, settings=LIVE) as second:
        assert any("does not schedule" in line for line in second.log)
        assert not any("does not schedule" in line for line in first.log)
        until(lambda: polls(first), 30)
        before = polls(second)
        assert before, "the follower sees what the leader stores"
        os.kill(first.process.pid, signal.SIGKILL)
        killed = datetime.now().astimezone()
        until(lambda: any("role=leader" in line for line in second.log), 20)
        taken = next(line for line in second.log if "role=leader" in line).partition("timestamp=")[2].split()[0]
        assert (datetime.fromisoformat(taken) - killed).total_seconds() < TAKEOVER_S
        scored = second.get("/api/v1/heat").json["as_of"]
        until(lambda: second.get("/api/v1/heat").json["as_of"] != scored, 60)
        assert second.get("/readyz").status == 200


@contextmanager
def pgbouncer(url: str, mode: str) -> Iterator[str]:
    """The address of a pooler in front of ``url``."""
    place = urlsplit(url)
    with open_folder() as folder, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        config = folder / "pgbouncer.ini"
        (folder / "users").write_text(f'"{place.username}" "{place.password}"\n')
        config.write_text(
            f"[databases]\n* = host=127.0.0.1 port={place.port}\n[pgbouncer]\nlisten_addr=127.0.0.1\nlisten_port={port}\n"
            f"unix_socket_dir=\nauth_type=plain\nauth_file={folder}/users\npool_mode={mode}\n"
            "ignore_startup_parameters=extra_float_digits\n"
        )
        account = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
        for path in (folder, config, folder / "users"):
            os.chown(path, *((account.pw_uid, account.pw_gid) if account else (-1, -1)))
        program = next(path for path in (Path("/usr/sbin/pgbouncer"), Path("/usr/bin/pgbouncer")) if path.exists())
        process = subprocess.Popen(
            [program, config], user=account.pw_uid if account else None, stderr=subprocess.DEVNULL, cwd=folder
        )
        try:
            until(lambda: answers(port))
            yield url.replace(f":{place.port}", f":{port}")
        finally:
            process.terminate()
            process.wait(10)


def answers(port: int) -> bool:
    with socket.socket() as line:
        return line.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.server_pg
@pytest.mark.pgbouncer
def test_p9_a_pooler_is_refused_with_what_to_do(server_url: str) -> None:
    with pgbouncer(server_url, "transaction") as url:
        pooled = Store.open(url, "replay")
        with pytest.raises(StoreError, match=r"pooler \(pgbouncer\).*direct address"):
            pooled.upgrade()
        pooled.close()


@pytest.mark.server_pg
@pytest.mark.pgbouncer
@pytest.mark.parametrize(("mode", "fits"), [("transaction", False), ("session", True)])
def test_p9_sessions_that_do_not_last_are_noticed(server_url: str, mode: str, fits: bool) -> None:
    """Behind a pooler that lets our settings through, which newer ones do."""
    from pipelines.store import pooler

    with pgbouncer(server_url, mode) as url:
        place = urlsplit(url)
        dsn = f"host=127.0.0.1 port={place.port} user=heatmap password={place.password} dbname=heatmap"
        owner = psycopg2.connect(server_url)
        owner.autocommit = True
        with owner.cursor() as cursor:
            cursor.execute("ALTER ROLE heatmap SET search_path = replay")
        try:
            store = Store.open(server_url, "replay")
            watch = store._db.watch
            if fits:
                pooler.check_direct(dsn, "replay", watch)
            else:
                with pytest.raises(StoreError, match="gives every transaction another session"):
                    pooler.check_direct(dsn, "replay", watch)
            store.close()
        finally:
            with owner.cursor() as cursor:
                cursor.execute("ALTER ROLE heatmap RESET search_path")
            owner.close()
