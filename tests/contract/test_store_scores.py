"""Scores round trip, persistence, thinning, retention and adapters' memory; on both kinds of PostgreSQL."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from sqlalchemy import text

from pipelines.errors import StoreError
from pipelines.ingest.state import SourceState
from pipelines.model import Outcome
from pipelines.settings_sections import Retention
from pipelines.store import ScoreMeta, Store
from pipelines.store.scores import KEEP_RANKS, KEEP_WHOLE
from tests.contract.store_rows import HOUR, T, add, candidates, item, mentions, result, save, score_frames

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
RETENTION = Retention(
    mentions_days=90, hourly_days=730, scores_days=60, audit_days=30, alerts_days=1825, recordings_days=90
)


def rows(store: Store, statement: str) -> list[tuple[Any, ...]]:
    with store._db.reading() as connection:
        return [tuple(row) for row in connection.execute(text(statement))]


def test_a_scoring_poll_comes_back(store: Store) -> None:
    ids = add(store, "One", "Two")
    meta = ScoreMeta("robust", "max", ("reddit",), ("reddit", "trends"), counted=False, ms=7)
    poll_id = store.save_scores(T, *score_frames(ids), meta)
    (poll,) = store.last_polls(5)
    assert (poll.id, poll.at, poll.meta) == (poll_id, T, meta)
    stored = rows(
        store, "SELECT entity_id, rank, velocity_z, heat, peak_at, passes, parts->'n' FROM score ORDER BY rank"
    )
    assert stored == [(ids[0], 1, 3.0, 1.5, T, False, 9), (ids[1], 2, 2.9, 1.45, T, False, 9)]
    assert len(store.score_hours(ids, T - DAY, T)) == 48


def test_a_poll_stored_twice_is_one(store: Store) -> None:
    ids = add(store, "One", "Two")
    first = store.save_scores(T, *score_frames(ids))
    assert store.save_scores(T, *score_frames(ids[:1])) == first
    assert rows(store, "SELECT poll_id, entity_id FROM score") == [(first, ids[0])]


def test_odd_numbers_are_stored_as_nothing(store: Store) -> None:
    ids = add(store, "One")
    entities, platforms, history = score_frames(ids, velocity=[float("nan")])
    platforms = platforms.with_columns(mu=pl.lit(float("inf")), source=pl.lit('re"dd\\it'))
    store.save_scores(T, entities, platforms.unique("entity"), history)
    ((velocity, stored),) = rows(store, "SELECT velocity_z, platforms FROM score")
    assert velocity is None
    assert stored['re"dd\\it']["mu"] is None


def test_scores_of_unknown_entities_do_not_spoil_the_poll(store: Store) -> None:
    ids = add(store, "One")
    store.save_scores(T, *score_frames([*ids, 999]))
    assert rows(store, "SELECT entity_id FROM score") == [(ids[0],)]


def test_an_empty_poll_is_a_poll(store: Store) -> None:
    entities, platforms, history = score_frames(add(store, "One"))
    store.save_scores(T, entities.clear(), platforms.clear(), history.clear())
    assert store.latest() is not None
    assert store.latest(T - MINUTE) is None


def test_persistence_looks_at_counted_polls_only(store: Store) -> None:
    one, two = add(store, "One", "Two")
    for n, (passing, counted) in enumerate([((True, True), True), ((False, True), True), ((True, False), False)]):
        frames = score_frames([one, two], T + n * MINUTE, passes=pl.Series(passing))
        store.save_scores(T + n * MINUTE, *frames, ScoreMeta(counted=counted))
    assert store.passes_before(T + MINUTE) == {one, two}
    assert store.passes_before(T + 5 * MINUTE) == {two}
    assert store.passes_before(T + 5 * MINUTE, 2) == {two}
    assert store.passes_before(T + 5 * MINUTE, 3) == frozenset()
    assert store.passes_before(T) == frozenset()


def test_older_polls_keep_the_top_and_what_moved(store: Store) -> None:
    names = [f"Name {n}" for n in range(KEEP_RANKS + 20)]
    ids = add(store, *names)
    quiet = [0.1] * (KEEP_RANKS + 18) + [1.2, 0.2]
    passes = pl.Series([False] * (KEEP_RANKS + 19) + [True])
    for n in range(KEEP_WHOLE + 1):
        store.save_scores(T + n * MINUTE, *score_frames(ids, T + n * MINUTE, velocity=quiet, hours=1, passes=passes))
    counts = rows(store, "SELECT count(*) FROM score GROUP BY poll_id ORDER BY poll_id")
    whole = (KEEP_RANKS + 20,)
    assert counts == [(KEEP_RANKS + 2,)] + [whole] * KEEP_WHOLE, "a board is compared with the whole poll before"


def test_sources_delivered(store: Store) -> None:
    save(store, [result([item("a")])])
    save(store, [result([], "trends", T + HOUR, outcome=Outcome.CACHE_HIT)])
    save(store, [result([], "tiktok", T + HOUR, outcome=Outcome.FAILED)])
    assert store.sources_delivered(T - HOUR, T + HOUR) == {"reddit", "trends"}
    assert store.sources_delivered(T, T + HOUR) == {"trends"}
    assert store.last_attempts(T + HOUR) == {"reddit": T, "trends": T + HOUR, "tiktok": T + HOUR}
    assert store.last_success(T + HOUR) == {"reddit": T, "trends": T + HOUR}


def test_prune_keeps_what_it_should(store: Store) -> None:
    ids = add(store, "One")
    for days in (0, 9, 40, 100, 800):
        at = T - days * DAY
        lists = [result([item("q", "trends", at), item(f"q{days}", "trends", at)], "trends", at)]
        save(store, lists, mentions(("trends", "q", ids[0]), ("trends", f"q{days}", ids[0])),
             candidates(("trends", "q", "still seen"), ("trends", f"q{days}", f"name {days}")))  # fmt: skip
        store.save_scores(at, *score_frames(ids, at, hours=1))
    store.mute(ids[0], "ana")
    gone = store.prune(T, RETENTION)
    assert {table: count for table, count in gone.items() if count} == {
        "sighting": 4, "mention": 2, "candidate": 4, "item": 2, "hourly": 1, "score_hour": 1, "coverage": 1, "score": 2,
        "score_poll": 2, "poll": 3,
    }  # fmt: skip
    assert rows(store, "SELECT item_id FROM item ORDER BY 1") == [("q",), ("q0",), ("q40",), ("q9",)]
    assert rows(store, "SELECT canonical FROM candidate ORDER BY 1") == [("name 0",), ("still seen",)]
    assert rows(store, "SELECT count(*) FROM audit") == [(1,)]
    assert not any(store.prune(T, RETENTION).values())


def test_the_last_poll_of_a_source_is_kept(store: Store) -> None:
    save(store, [result([], at=T - 100 * DAY, outcome=Outcome.FAILED)])
    assert store.prune(T, RETENTION)["poll"] == 0


def test_adapters_remember(store: Store) -> None:
    state: SourceState = store.source_state
    assert state.get("trades:x") is None
    state.put("trades:x", {"etag": 'W/"1\x00"', "n": 1})
    state.put("trades:x", {"etag": 'W/"2"', "list": [1, None]})
    assert state.get("trades:x") == {"etag": 'W/"2"', "list": [1, None]}


def test_reset_empties_but_never_the_live_schema(store: Store, database_url: str) -> None:
    add(store, "One")
    store.reset()
    assert store.entities().is_empty()
    live = Store.open(database_url, "live")
    try:
        live.upgrade()
        add(live, "One")
        with pytest.raises(StoreError, match="never emptied"):
            live.reset()
        assert store.entities().is_empty()  # schemas do not mix
    finally:
        with live._db.writing() as connection:
            connection.execute(text("DROP SCHEMA live CASCADE"))
        live.close()
