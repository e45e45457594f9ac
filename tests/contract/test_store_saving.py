"""What a save keeps, on the embedded and on a server PostgreSQL: the same."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from sqlalchemy import text

from pipelines.errors import StoreError
from pipelines.model import FetchResult, Outcome
from pipelines.store import Store
from tests.contract.store_rows import HOUR, T, add, candidates, item, mentions, result, save, sentiments

WEEK = timedelta(days=7)
HOSTILE = [
    'plain "quotes" and, commas', "tab\there", "line\nbreak\r\n", "\\N", "\\.", "", "泰勒絲 演唱會",
    "\U0001f3ac\U0001f469\u200d\U0001f680", "NULL", "'; DROP TABLE item; --", "<script>alert(1)</script>",
    "$1 :name %s %(x)s", "\u202ertl", "\u0301" * 300, "\\", '"', "a\\.b\n\\.\n",
]  # fmt: skip


def table(store: Store, name: str, columns: str = "*", order: str = "1, 2, 3") -> list[tuple[Any, ...]]:
    with store._db.reading() as connection:
        rows = connection.execute(text(f"SELECT {columns} FROM {name} ORDER BY {order}"))  # noqa: S608  # our own names
        return [tuple(row) for row in rows]


def everything(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    names = ("item", "sighting", "mention", "candidate", "poll", "hourly")
    return {name: table(store, name) for name in names} | {"coverage": table(store, "coverage", order="1, 2")}


def one_of_each(store: Store) -> tuple[list[FetchResult], dict[str, pl.DataFrame]]:
    (entity,) = add(store, "Odalys Brightwater")
    rows = [item(f"t3_{n}", published_at=T - n * HOUR, engagement=10.0 * n) for n in range(3)]
    lists = [item(f"q{n}", "trends", rank=n, names=["Odalys"], context='[{"title":"a"}]') for n in (1, 2)]
    found = mentions(("reddit", "t3_0", entity), ("reddit", "t3_1", entity), ("trends", "q1", entity))
    return [result(rows), result(lists, "trends")], {
        "found": found,
        "unowned": candidates(("reddit", "t3_2", "saint ferro")),
        "moods": sentiments(("reddit", "t3_0", 0.5)),
    }


def test_replaying_a_batch_changes_nothing(store: Store) -> None:
    results, extra = one_of_each(store)
    assert save(store, results, **extra) == {"reddit": 3, "trends": 2}
    before = everything(store)
    assert save(store, results, **extra) == {"reddit": 0, "trends": 0}
    assert everything(store) == before
    assert {name: len(rows) for name, rows in before.items()} == {
        "item": 5, "sighting": 2, "mention": 3, "candidate": 1, "poll": 2, "hourly": 3, "coverage": 2,
    }  # fmt: skip


def test_a_bulk_save_tells_the_planner_how_much_there_is(embedded_store: Store) -> None:
    with embedded_store._db.writing() as connection:
        connection.execute(text("ANALYZE item, mention"))  # what the planner knows: nothing is there
    (one,) = add(embedded_store, "Odalys Brightwater")
    rows = [item(f"t3_{n}", published_at=T - n * timedelta(seconds=30), engagement=1.0) for n in range(6_000)]
    save(embedded_store, [result(rows)], mentions(*(("reddit", f"t3_{n}", one) for n in range(6_000))))
    ours = "pg_class WHERE relnamespace = current_schema()::regnamespace"
    known = table(embedded_store, ours, "reltuples::int, relname", "2")
    assert {name: count for count, name in known if name in ("item", "mention") and count > 0} == {
        "item": 6_000, "mention": 6_000,
    }  # fmt: skip


def test_a_duplicate_inside_one_batch_is_one_row(store: Store) -> None:
    rows = [item("a", engagement=1.0), item("a", engagement=2.0), item("a", engagement=3.0)]
    assert save(store, [result(rows), result(rows)]) == {"reddit": 1}
    assert table(store, "item", "item_id, engagement", "1") == [("a", 3.0)]


def test_an_item_seen_again_is_updated_but_keeps_its_time(store: Store) -> None:
    (entity,) = add(store, "Odalys Brightwater")
    first = T - 3 * HOUR
    save(store, [result([item("a", published_at=first, engagement=1.0)])], mentions(("reddit", "a", entity)))
    later = T + HOUR
    again = item("a", at=later, published_at=T, engagement=50.0, title="edited")
    save(store, [result([again], at=later)], mentions(("reddit", "a", entity)))
    columns = "title, engagement, published_at, first_observed, last_observed"
    assert table(store, "item", columns) == [("edited", 50.0, first, T, later)]
    assert store.load_mentions(T - WEEK, later).select("at", "engagement").rows() == [(first, 50.0)]


def test_an_older_sighting_that_arrives_late_does_not_undo_a_newer_one(store: Store) -> None:
    save(store, [result([item("a", at=T, engagement=9.0)])])
    save(store, [result([item("a", at=T - HOUR, engagement=1.0)], at=T - HOUR)])
    assert table(store, "item", "engagement, first_observed, last_observed") == [(9.0, T - HOUR, T)]


def test_a_missing_time_is_the_first_observation(store: Store) -> None:
    (entity,) = add(store, "Odalys Brightwater")
    save(store, [result([item("a", published_at=None)])], mentions(("reddit", "a", entity)))
    save(store, [result([item("a", at=T + HOUR)], at=T + HOUR)], mentions(("reddit", "a", entity)))
    assert store.load_mentions(T - WEEK, T + WEEK)["at"].to_list() == [T]


def test_level_items_have_a_mention_for_each_sighting(store: Store) -> None:
    (entity,) = add(store, "Odalys Brightwater")
    for n in range(3):
        at = T + n * HOUR
        rows = [item("q", "trends", at, engagement=100.0 * n), item("other", "trends", at, rank=4)]
        save(store, [result(rows, "trends", at)], mentions(("trends", "q", entity)))
    loaded = store.load_mentions(T - WEEK, T + 2 * HOUR).sort("at")
    assert loaded["at"].to_list() == [T, T + HOUR, T + 2 * HOUR]
    assert loaded["engagement"].to_list() == [0.0, 100.0, 200.0]
    assert store.load_mentions(T, T + HOUR)["at"].to_list() == [T + HOUR]  # open at the start, closed at the end


def test_a_rank_travels_with_the_length_of_its_list(store: Store) -> None:
    (entity,) = add(store, "Odalys Brightwater")
    rows = [item(f"h{n}", "tiktok", rank=n, feed="hashtags") for n in range(1, 8)]
    rows += [item("song", "tiktok", rank=1, feed="songs")]
    save(store, [result(rows, "tiktok")], mentions(("tiktok", "h3", entity), ("tiktok", "song", entity)))
    loaded = store.load_mentions(T - WEEK, T).sort("item_id")
    assert loaded.select("item_id", "rank", "list_length").rows() == [("h3", 3, 7), ("song", 1, 1)]


def test_a_batch_of_many_polls_is_many_polls(store: Store) -> None:
    (entity,) = add(store, "Odalys Brightwater")
    times = [T + n * timedelta(minutes=30) for n in (0, 1, 2, 8)]
    rows = [item("q", "trends", at, rank=1) for at in times] + [item("r", "trends", times[1], rank=2)]
    save(store, [result(rows, "trends", times[-1], requests=4)], mentions(("trends", "q", entity)))
    polls = table(store, "poll", "at, items, new_items, requests", "at")
    assert polls == [(times[0], 1, 1, 0), (times[1], 2, 1, 0), (times[2], 1, 0, 0), (times[3], 1, 0, 4)]
    assert store.load_mentions(T - WEEK, T + WEEK).height == 4
    assert store.load_coverage(T - HOUR, T + WEEK)["hour"].to_list() == [T, T + HOUR, T + 4 * HOUR]


@pytest.mark.parametrize(
    ("outcome", "hours"), [(Outcome.OK, 1), (Outcome.NOT_MODIFIED, 1), (Outcome.CACHE_HIT, 0), (Outcome.FAILED, 0),
                           (Outcome.THROTTLED, 0), (Outcome.EMPTY, 0), (Outcome.SKIPPED, 0)]
)  # fmt: skip
def test_only_successful_polls_cover_their_hour(store: Store, outcome: Outcome, hours: int) -> None:
    save(store, [result([], outcome=outcome, detail="what happened", retry_after_s=60.0)])
    assert store.load_coverage(T - WEEK, T + WEEK).height == hours
    assert table(store, "poll", "outcome, detail, retry_after_s") == [(outcome.value, "what happened", 60.0)]


def test_an_event_source_covers_back_to_its_oldest_item(store: Store) -> None:
    back = T - timedelta(hours=5, minutes=20)
    save(store, [result([item("a")], covered_from=back), result([item("q", "trends")], "trends", covered_from=back)])
    coverage = store.load_coverage(T - WEEK, T)
    assert coverage.filter(pl.col("source") == "reddit")["hour"].to_list() == [T - n * HOUR for n in range(6, -1, -1)]
    assert coverage.filter(pl.col("source") == "trends")["hour"].to_list() == [T]


def test_hostile_text_comes_back_as_it_was(store: Store) -> None:
    rows = [item(f"t{n}", title=title, feed=title, names=[title]) for n, title in enumerate(HOSTILE)]
    save(store, [result(rows)])
    stored = table(store, "item", "item_id, title, feed, names", "length(item_id), item_id")
    assert stored == [(f"t{n}", title, title, [title] if title else []) for n, title in enumerate(HOSTILE)]


def test_rows_that_cannot_be_stored_are_set_aside_and_counted(store: Store) -> None:
    rows = [
        item("good", title="nul\x00 inside", engagement=float("nan"), context='[{"title":"a\\u0000b"}]'),
        item("also", engagement=float("inf"), context="not json", published_at=T.replace(year=9999)),
        item(""), item("x" * 5000), item("\x00"),
    ]  # fmt: skip
    save(store, [result(rows, rejected=2)])
    columns = "item_id, title, engagement, context, published_at"
    assert table(store, "item", columns, "1") == [
        ("also", "title also", None, None, None),
        ("good", "nul inside", None, [{"title": "ab"}], None),
    ]
    assert table(store, "poll", "items, rejected", "1") == [(2, 5)]


def test_mentions_of_unknown_entities_and_items_do_not_spoil_the_batch(store: Store) -> None:
    (entity,) = add(store, "Odalys Brightwater")
    found = mentions(("reddit", "a", entity), ("reddit", "a", 999_999), ("reddit", "nowhere", entity))
    save(store, [result([item("a")])], found)
    assert store.load_mentions(T - WEEK, T)["entity"].to_list() == [entity]


def test_candidates_load_like_mentions(store: Store) -> None:
    for n in range(2):
        at = T + n * HOUR
        rows = [result([item("q", "trends", at, engagement=5.0)], "trends", at), result([item("a", at=at)], at=at)]
        save(store, rows, unowned=candidates(("trends", "q", "saint ferro"), ("reddit", "a", "saint ferro")))
    loaded = store.load_candidates(T - WEEK, T + WEEK).sort("source", "at")
    assert loaded.select("canonical", "name", "source", "at").rows() == [
        ("saint ferro", "Saint Ferro", "reddit", T),
        ("saint ferro", "Saint Ferro", "trends", T),
        ("saint ferro", "Saint Ferro", "trends", T + HOUR),
    ]


def test_hourly_volume_is_that_of_the_definition(store: Store) -> None:
    (entity,) = add(store, "Odalys Brightwater")
    posts = [item("a", published_at=T, engagement=99.0), item("b", published_at=T, engagement=None)]
    lists = [item("q", "trends", engagement=990.0), item("h", "tiktok", rank=1), item("i", "tiktok", rank=2)]
    found = mentions(*((source, key, entity) for source, key in
                       [("reddit", "a"), ("reddit", "b"), ("trends", "q"), ("tiktok", "i")]))  # fmt: skip
    results = [result(posts), result(lists[:1], "trends"), result(lists[1:], "tiktok")]
    save(store, results, found)
    hourly = table(store, "hourly", "source, hour, volume, mentions", "1")
    assert [(source, hour, n) for source, hour, _, n in hourly] == [
        ("reddit", T, 2),
        ("tiktok", T, 1),
        ("trends", T, 1),
    ]
    assert [volume for _, _, volume, _ in hourly] == pytest.approx([4.0, 1.0, 3.0])


def test_a_naive_time_is_refused(store: Store) -> None:
    with pytest.raises(StoreError, match="without a zone"):
        store.load_mentions(T.replace(tzinfo=None), T)


def test_a_failed_save_leaves_nothing(store: Store) -> None:
    """The last statement of a save fails; what came before must not stay."""
    with store._db.writing() as connection:
        connection.execute(text("ALTER TABLE coverage ADD CONSTRAINT no CHECK (source <> 'reddit')"))
    try:
        with pytest.raises(StoreError, match="violates check constraint"):
            save(store, [result([item("a")])], unowned=candidates(("reddit", "a", "x")))
        assert not any(everything(store).values())
    finally:
        with store._db.writing() as connection:
            connection.execute(text("ALTER TABLE coverage DROP CONSTRAINT no"))


def test_a_cache_hit_is_a_fetch_but_nobody_looked(store: Store) -> None:
    read = T + timedelta(minutes=59)
    later = read + timedelta(minutes=2)
    save(store, [result([item("q1", "trends", at=read, rank=1)], "trends", read)])
    before = {name: table(store, name) for name in ("item", "sighting")} | {"c": table(store, "coverage", order="1, 2")}
    save(store, [result([item("q1", "trends", at=read, rank=1)], "trends", later, outcome=Outcome.CACHE_HIT)])
    after = {name: table(store, name) for name in ("item", "sighting")} | {"c": table(store, "coverage", order="1, 2")}
    assert after == before
    assert [row[0] for row in table(store, "poll", "outcome", "at")] == ["ok", "cache_hit"]
    (trends,) = store.last_fetches(later).values()
    assert (trends["outcome"], trends["success_at"]) == ("cache_hit", read)
