"""One order of locks: while somebody changes names, whoever else writes waits before it has touched anything.

Two real sessions. The first holds the names, as any change of names does; the second is a writer in a thread. Once it waits,
the server says what it holds: a table it had written to would be one that the first could wait for in turn.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import polars as pl
import pytest
from sqlalchemy import text

from pipelines.naming import NameChange
from pipelines.people import Person
from pipelines.store import Store
from pipelines.store.base import lock_names
from tests.contract.store_rows import T, add, candidates, item, mentions, result, save

ED = Person("U1", "ed")
WAITERS = """SELECT l.pid FROM pg_locks l JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE NOT l.granted AND c.relname = 'entity' AND n.nspname = :schema"""
HELD = """SELECT c.relname, l.mode FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE l.pid = :pid AND l.granted AND n.nspname = :schema AND c.relkind = 'r' AND l.mode <> 'AccessShareLock'"""
DECIDED = pl.DataFrame({"entity_id": [1, 2], "domain": ["sport", "politics"]})
Write = Callable[[Store], object]


def known(store: Store) -> None:
    """Two names, an item about the first, and a change to undo: number 1."""
    assert add(store, "Odalys Brightwater", "Saint Ferro") == [1, 2]
    save(store, [result([item("a")])], mentions(("reddit", "a", 1, "odalys brightwater")))
    store.change_name(NameChange("mute", 2), ED, T)


def a_poll(store: Store) -> object:
    found = mentions(("reddit", "b", 2, "saint ferro"))
    return save(store, [result([item("b")])], found, candidates(("reddit", "b", "new name")))


WRITERS: dict[str, Write] = {
    "a poll": a_poll,
    "mentions": lambda store: store.save_matches(mentions(("reddit", "a", 2, "saint ferro"))),
    "an editor's domain": lambda store: store.set_domain(1, "sport", "ed"),
    "domains from evidence": lambda store: store.save_domains(DECIDED),
    "a deleted post": lambda store: store.forget_items("reddit", ["a"], "sweep"),
    "the catalogue": lambda store: add(store, "Brisa Kallowick"),
    "a discovered name": lambda store: store.discover("new", name="New", slug="new", at=T, provenance={}),
    "a merge": lambda store: store.change_name(NameChange("merge", 1, 2), ED, T),
    "a click": lambda store: store.change_name(NameChange("unmute", 2), ED, T, once="k"),
    "an undo": lambda store: store.undo_change(1, ED, T),
}


def waiting(store: Store, thread: threading.Thread) -> dict[str, str]:
    """What the session that waits for the names holds, by table."""
    deadline = time.monotonic() + 4
    while time.monotonic() < deadline and thread.is_alive():
        with store._db.reading() as connection:
            values = {"schema": store.schema}
            if pids := connection.execute(text(WAITERS), values).scalars().all():
                held = connection.execute(text(HELD), {**values, "pid": pids[0]}).all()
                return {row.relname: row.mode for row in held}
        time.sleep(0.01)
    raise AssertionError("it never waited for the names")


@contextmanager
def meanwhile(work: Callable[[], object]) -> Iterator[threading.Thread]:
    """``work`` in a thread, started; at the end it is through, and nothing went wrong."""
    failed: list[Exception] = []

    def run() -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - shown by the test's own thread
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    yield thread
    thread.join(10)
    assert not thread.is_alive()
    assert failed == []


@pytest.mark.parametrize("what", WRITERS)
def test_a_writer_waits_for_the_names_before_it_holds_anything(embedded_store: Store, what: str) -> None:
    store = embedded_store
    known(store)
    with ExitStack() as stack:
        first = stack.enter_context(store._db.writer.connect())
        lock_names(first, alone=True)
        thread = stack.enter_context(meanwhile(lambda: WRITERS[what](store)))
        held = waiting(store, thread)
        # the key that makes a click happen once is nobody else's
        assert set(held) <= {"once"}, f"{what} came to the names with locks on {held}"
        for statement in (
            "UPDATE entity SET muted = muted",
            "UPDATE mention SET via = via",
            "UPDATE item SET feed = feed",
        ):
            first.execute(text(statement))
        first.commit()


def test_emptying_waits_for_a_poll_that_is_being_saved(embedded_store: Store) -> None:
    store = embedded_store
    known(store)
    with ExitStack() as stack:
        first = stack.enter_context(store._db.writer.connect())
        lock_names(first, alone=False)
        thread = stack.enter_context(meanwhile(store.reset))
        assert set(waiting(store, thread)) <= {"once"}
        for table in ("source_kind", "item", "mention", "hourly", "poll"):
            first.execute(text(f"LOCK TABLE {table} IN ROW EXCLUSIVE MODE"))
        first.commit()
    assert store.entities().is_empty()
