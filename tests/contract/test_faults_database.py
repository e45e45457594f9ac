"""Database trouble, one test a row of the fault matrix: nothing lost, nothing doubled, nobody kept waiting."""

from __future__ import annotations

import asyncio
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import text

from heatmap_app.database_state import state_of
from pipelines.backlog import Backlog
from pipelines.errors import StoreError
from pipelines.model import FetchResult
from pipelines.refresh import Refresh
from pipelines.store import EmbeddedPostgres, Store, decisions, engine, hourly, saving, scores
from pipelines.store.lease import Role
from pipelines.store.postgres_bin import server_account
from pipelines.store.trouble import UnavailableError
from pipelines.store.watch import WatchedConnection
from tests.conftest import emptied
from tests.contract.store_rows import HOUR, T, add, item, result, save
from tests.contract.test_refresh_alerts import fetched, flow, week_then_break
from tests.fault_proxy import FaultProxy, fault_proxy
from tests.postgres import open_folder

TABLES = ("item", "mention", "sighting", "poll", "coverage", "candidate", "hourly")


def counts(store: Store) -> dict[str, int]:
    with store._db.reading() as connection:
        return {name: connection.scalar(text(f"SELECT count(*) FROM {name}")) for name in TABLES}  # noqa: S608  # our own names


def expected(store: Store, *rounds: int) -> dict[str, int]:
    """What an undisturbed store holds after these rounds."""
    store.reset()
    add(store, "Odalys Brightwater")
    undisturbed = flow(store)
    for n in rounds:
        undisturbed.ingest(round_of(n))
    found = counts(store)
    store.reset()
    add(store, "Odalys Brightwater")
    return found


def round_of(n: int) -> list[FetchResult]:
    return fetched(T + n * timedelta(minutes=10), 3, f"r{n}-")


@pytest.fixture(scope="module")
def own() -> Iterator[EmbeddedPostgres]:
    """A server that may be restarted."""
    with open_folder() as folder, EmbeddedPostgres.start(folder / "var", shared_root=folder / "shared") as server:
        yield server


@pytest.fixture
def own_store(own: EmbeddedPostgres) -> Iterator[Store]:
    with emptied(own.url, "demo") as store:
        yield store


def restart(server: EmbeddedPostgres) -> None:
    server._pg_ctl(server._programs(), "restart", "-m", "immediate")


@pytest.fixture
def line(server_url: str) -> Iterator[FaultProxy]:
    with fault_proxy(urlsplit(server_url).port or 0) as proxy:
        yield proxy


@pytest.fixture
def behind(line: FaultProxy, server_url: str) -> Iterator[Store]:
    """An empty store behind a line that can be disturbed."""
    place = urlsplit(server_url)
    with emptied(server_url.replace(f":{place.port}", f":{line.port}"), "replay") as store:
        yield store
        line.fault = "none"


def healed(refresh: Refresh, seconds: float = 8.0) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            refresh.flush()
        except UnavailableError:
            assert time.monotonic() < deadline, "the database is back and nothing was stored"
            time.sleep(0.1)
        else:
            return


def test_p1_a_restart_between_two_polls_is_not_noticed(own: EmbeddedPostgres, own_store: Store) -> None:
    whole = expected(own_store, 0, 1)
    refresh = flow(own_store)
    refresh.ingest(round_of(0))
    restart(own)
    assert refresh.ingest(round_of(1))["reddit"] == 3
    assert (counts(own_store), len(refresh.backlog)) == (whole, 0)
    assert own_store.load_coverage(T - HOUR, T + HOUR).height > 0


def test_p2_a_restart_in_the_middle_of_a_save(
    own: EmbeddedPostgres, own_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = expected(own_store, 0)
    refresh, before = flow(own_store), hourly.refresh_touched_hours
    struck: list[int] = []

    def strike(connection: object) -> None:
        if not struck:
            struck.append(1)
            restart(own)
        before(connection)  # type: ignore[arg-type]  # handed through

    monkeypatch.setattr(saving, "refresh_touched_hours", strike)
    refresh.ingest(round_of(0))
    healed(refresh)
    assert struck
    assert counts(own_store) == whole


@pytest.mark.server_pg
@pytest.mark.parametrize("step", ["ingest", "score"])
def test_p3_a_lost_commit_reply_doubles_nothing(
    line: FaultProxy, behind: Store, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    whole = expected(behind, 0)
    refresh, commit, armed = flow(behind), WatchedConnection.commit, [False]

    def losing(self: WatchedConnection) -> None:
        if not armed[0]:
            commit(self)
            return
        armed[0], line.fault = False, "cut_answers"
        try:
            commit(self)
        finally:
            line.fault = "none"

    monkeypatch.setattr(WatchedConnection, "commit", losing)
    if step == "ingest":
        armed[0] = True
        refresh.ingest(round_of(0))
        assert not armed[0]
        assert counts(behind) == whole
        return
    behind.reset()
    week_then_break(behind, refresh, polls=1)
    at = T + timedelta(minutes=5)
    refresh.ingest(fetched(at, 40, "b1-"))
    decide = decisions.write_decided

    def arm(*arguments: Any) -> None:
        decide(*arguments)
        armed[0] = len(struck) == 0
        struck.append(1)

    struck: list[int] = []
    monkeypatch.setattr(scores, "write_decided", arm)
    report = refresh.score(at)
    assert len(struck) == 2, "written, and written again"
    assert behind.latest().at == at  # type: ignore[union-attr]  # there is one
    assert len(behind.alert_rows()) == len(report.alerts) == 1


@pytest.mark.server_pg
def test_p4_polls_wait_in_memory_and_are_stored_in_order(line: FaultProxy, behind: Store) -> None:
    whole = expected(behind, 0, 1, 2)
    refresh = flow(behind)
    refresh.ingest(round_of(0))
    line.fault = "cut"
    for n in (1, 2):
        assert refresh.ingest(round_of(n)) == {"reddit": 0, "trends": 0}
    state = state_of(behind, refresh, Role.LEADER)
    assert (state.ok, state.buffered) == (False, 4)
    headline, words = state.words("14:02")
    assert headline == "Not saving:"
    assert words.startswith("database not answering since 14:02, 4 polls buffered.")
    assert "connection" not in words, "a driver's message is nothing to do, and names the server"
    with pytest.raises(UnavailableError):
        refresh.score(T + HOUR)
    line.fault = "none"
    healed(refresh)
    assert counts(behind) == whole
    assert state_of(behind, refresh, Role.LEADER).ok
    with behind._db.reading() as connection:
        query = "SELECT array_agg(at ORDER BY id) = array_agg(at ORDER BY at) FROM poll WHERE source = 'reddit'"
        assert connection.scalar(text(query)), "in the order they were made"


def test_p4_memory_is_bounded_and_what_is_dropped_is_counted() -> None:
    polls = Backlog(most_polls=5)
    for n in range(8):
        polls.add([result([item("a", at=T + n * HOUR)], at=T + n * HOUR)])
    assert (polls.polls, polls.dropped, polls.first()[0].at) == (5, 3, T + 3 * HOUR)
    size = Backlog(most_bytes=10_000)
    for _ in range(100):
        size.add([result([item(f"x{n}") for n in range(20)])])
    assert size.bytes <= 10_000
    assert size.dropped == 100 - size.polls


@pytest.mark.server_pg
async def test_p5_a_black_hole_is_given_up_within_5_s(line: FaultProxy, behind: Store) -> None:
    refresh = flow(behind)
    refresh.ingest(round_of(0))
    behind.load_coverage(T - HOUR, T)
    line.fault = "silent"
    lags: list[float] = []

    async def beat() -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.02)
            lags.append(time.monotonic() - before - 0.02)

    beating = asyncio.create_task(beat())
    calls = [behind.ping, behind.touch, lambda: behind.load_coverage(T - HOUR, T)]

    def timed(call: object) -> tuple[float, str]:
        started = time.monotonic()
        try:
            call()  # type: ignore[operator]  # one of the three above
        except UnavailableError as error:
            return time.monotonic() - started, str(error)
        return time.monotonic() - started, ""

    ended = await asyncio.gather(*(asyncio.to_thread(timed, call) for call in calls))
    beating.cancel()
    assert all("not answering" in words for _, words in ended), ended
    assert max(seconds for seconds, _ in ended) < 6.5  # 5 s and what a busy machine adds
    assert sorted(lags)[int(len(lags) * 0.99)] < 0.25, "the event loop turns"
    seconds, words = await asyncio.to_thread(timed, behind.ping)
    assert (seconds < 0.5, "no reply" in words) == (True, True), "who comes later hears it at once"
    await asyncio.to_thread(refresh.ingest, round_of(1))
    assert refresh.backlog.polls == 2
    line.fault = "none"
    await asyncio.to_thread(healed, refresh)
    assert counts(behind)["poll"] == 4


@contextmanager
def small_disk(store: Store) -> Iterator[None]:
    """The item table on a file system of 4 MB; where none can be made, a server that says so."""
    with open_folder() as folder:
        place = folder / "small"
        place.mkdir(mode=0o700)
        server_account().give(place)
        options = f"size=4m,mode=700,uid={place.stat().st_uid}"
        mounted = (
            os.geteuid() == 0
            and not subprocess.run(
                ["mount", "-t", "tmpfs", "-o", options, "tmpfs", place],
                capture_output=True,
            ).returncode
        )
        try:
            if mounted:
                with store._db.writer.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                    connection.execute(text(f"CREATE TABLESPACE small LOCATION '{place}'"))
                    connection.execute(text("ALTER TABLE item SET TABLESPACE small"))
            else:
                execute(store, """CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                    RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$""")  # fmt: skip
                execute(store, "CREATE TRIGGER full_disk BEFORE INSERT ON item EXECUTE FUNCTION full_disk()")
            yield
        finally:
            if mounted:
                subprocess.run(["umount", place], capture_output=True)


def execute(store: Store, statement: str) -> None:
    with store._db.writing() as connection:
        connection.execute(text(statement))


def test_p6_a_full_disk_is_said_and_the_polls_wait(own_store: Store) -> None:
    refresh = flow(own_store)
    refresh.ingest(round_of(0))
    noise = os.urandom(6_000).hex()
    with small_disk(own_store):
        big = [item(f"big{n}", title=f"{n} {noise[n:]}{noise[:n]}", at=T + HOUR) for n in range(600)]
        refresh.ingest([result(big, at=T + HOUR)])
        assert refresh.backlog.polls == 1
        state = state_of(own_store, refresh, Role.LEADER)
        assert state.words("14:02")[1].startswith(
            "storage is full since 14:02, 1 poll buffered. To do: free some space"
        )
        own_store.ping()
        execute(own_store, "DROP TRIGGER IF EXISTS full_disk ON item")
        with own_store._db.writer.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("ALTER TABLE item SET TABLESPACE pg_default"))
            connection.execute(text("DROP TABLESPACE IF EXISTS small"))
    refresh.flush()
    assert counts(own_store)["item"] >= 600


def test_p7_a_lock_delays_a_poll_and_loses_nothing(
    store: Store, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert engine.LOCK_TIMEOUT == "5s"
    monkeypatch.setattr(engine, "LOCK_TIMEOUT", "300ms")
    impatient = Store.open(database_url, "replay")
    refresh = flow(impatient)
    refresh.ingest(round_of(0))
    with store._db.writing() as holding:
        holding.execute(text("LOCK TABLE item IN SHARE MODE"))
        refresh.ingest(round_of(1))
        assert refresh.backlog.polls == 2
    assert refresh.flush() == 2
    assert counts(store)["poll"] == 4
    impatient.close()


def test_p8_a_wrong_schema_stops_the_start_and_names_the_step(store: Store) -> None:
    with store._db.reading() as connection:
        head = connection.scalar(text("SELECT version_num FROM alembic_version"))
    try:
        execute(store, "UPDATE alembic_version SET version_num = '9999'")
        with pytest.raises(StoreError, match="at step 9999"):
            store.upgrade()
    finally:
        execute(store, f"UPDATE alembic_version SET version_num = '{head}'")  # noqa: S608  # our own step
    assert store.upgrade() is False


def test_p10_a_poison_row_is_set_aside_and_the_rest_stored(store: Store) -> None:
    add(store, "Odalys Brightwater")
    execute(store, "ALTER TABLE item ADD CONSTRAINT poison CHECK (title <> 'poison')")
    try:
        rows = [item(f"x{n}", title="poison" if n in (17, 60) else f"title {n}\x00") for n in range(100)]
        good = result([item("q", "trends", rank=1)], "trends")
        assert save(store, [result(rows), good]) == {"reddit": 98, "trends": 1}
    finally:
        execute(store, "ALTER TABLE item DROP CONSTRAINT poison")
    with store._db.reading() as connection:
        row = connection.execute(text("SELECT rejected, detail FROM poll WHERE source = 'reddit'")).one()
    assert (row[0], row[1]) == (2, "2 rows set aside: the database would not take them")


def test_p11_fifty_pages_do_not_starve_a_poll(store: Store) -> None:
    pages, refresh = store.beside(), flow(store)
    refresh.ingest(round_of(0))
    stop = threading.Event()
    slow: list[str] = []

    def page() -> None:
        while not stop.is_set():
            try:
                with pages._db.reading() as connection:
                    connection.execute(text("SELECT pg_sleep(0.3)"))
            except UnavailableError as error:
                slow.append(str(error))

    threads = [threading.Thread(target=page) for _ in range(50)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    started = time.monotonic()
    refresh.ingest(round_of(1))
    took = time.monotonic() - started
    stop.set()
    for thread in threads:
        thread.join()
    pages.close()
    assert refresh.backlog.polls == 0
    assert took < 4, "polls have connections of their own"
    assert all("in use" in words for words in slow)


def test_t3_two_clocks_that_differ_are_told(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipelines.store import facts

    assert abs(store.clock_skew()) < 60
    assert facts.skew_words(store.clock_skew()) == ""

    class Late(facts.datetime):  # type: ignore[misc,name-defined]  # a clock 10 minutes slow
        @classmethod
        def now(cls, tz: object = None) -> object:
            return super().now(tz) - timedelta(minutes=10)

    monkeypatch.setattr(facts, "datetime", Late)
    assert store.clock_skew() == pytest.approx(600, abs=60)
    assert "10 min ahead of this machine's" in facts.skew_words(600)
    assert "behind" in facts.skew_words(-600)
