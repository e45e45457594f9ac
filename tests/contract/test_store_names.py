"""Changes of names and their undo: what was there is there again, to the row; and the watchlist."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from sqlalchemy import text

from pipelines.errors import InputError, NotFoundError
from pipelines.naming import NameChange
from pipelines.people import Person
from pipelines.settings import load_settings
from pipelines.store import Store
from pipelines.store.name_changes import make
from pipelines.view import NameAction
from tests.contract.store_rows import HOUR, T, add, candidates, item, mentions, result, save, score_frames

ANA = Person("u:ana", "Ana")
KEPT = {
    "entity": "id, slug, name, kind, domain, muted, merged_into, first_seen", "alias": "*", "mention": "*",
    "candidate": "*", "watch": "*", "merge_suggestion": "*", "hourly": "entity_id, source, hour, volume, mentions",
}  # fmt: skip


def everything(store: Store) -> dict[str, set[tuple[Any, ...]]]:
    """Every row an undo must bring back."""
    with store._db.reading() as connection:
        return {
            table: {tuple(row) for row in connection.execute(text(f"SELECT {columns} FROM {table}"))}  # noqa: S608 - our own
            for table, columns in KEPT.items()
        }


def change(store: Store, action: NameAction, entity: int, once: str = "", **what: Any) -> int:
    effect = store.change_name(NameChange(action, entity, **what), ANA, T, once)
    assert not effect.repeated
    number: int = effect.facts["change"]
    return number


def split_and_undone(store: Store, entity: int, canonical: str) -> dict[str, set[tuple[Any, ...]]]:
    """Splits a name that came with merges off and takes that back: everything stands as before, which it returns."""
    before = everything(store)
    number = change(store, "split", entity, canonical=canonical)
    assert store.family(entity) == [entity]
    store.undo_change(number, ANA, T)
    assert everything(store) == before
    return before


@pytest.fixture
def store(embedded_store: Store) -> Store:
    """One server is enough: nothing here depends on which."""
    return embedded_store


@pytest.fixture
def ids(store: Store) -> list[int]:
    """Odalys has three names, Brightwater's band another; c names both, d is a candidate for "oda"."""
    ids = add(store, "Odalys Brightwater", "O. Brightwater", "Saint Ferro")
    store.add_alias(ids[0], "odalys", "Odalys", "ana")
    rows = [item(key, published_at=T - n * HOUR, engagement=9.0) for n, key in enumerate("abcdef")]
    found = mentions(
        ("reddit", "a", ids[0], "odalys brightwater"), ("reddit", "b", ids[0], "odalys"), ("reddit", "c", ids[0], "odalys"),
        ("reddit", "c", ids[1], "o. brightwater"), ("trends", "q", ids[0], "odalys"), ("reddit", "e", ids[2], "saint ferro"),
    )  # fmt: skip
    unowned = candidates(("reddit", "d", "oda"), ("reddit", "f", "oda"))
    save(store, [result(rows)], found, unowned)
    save(store, [result([item("q", "trends", rank=3, list_length=20)], "trends")], found)
    return ids


CASES: list[tuple[NameAction, dict[str, Any]]] = [
    ("merge", {"other": 1}), ("split", {"canonical": "odalys"}), ("alias", {"canonical": "oda", "display": "Oda"}),
    ("unalias", {"canonical": "odalys"}), ("mute", {}), ("watch", {}),
    ("alias", {"canonical": "star", "display": "Star", "second_sign": True}),
]  # fmt: skip


@pytest.mark.parametrize(("action", "what"), CASES, ids=[f"{case[0]}-{n}" for n, case in enumerate(CASES)])
def test_an_undo_restores_every_row(store: Store, ids: list[int], action: NameAction, what: dict[str, Any]) -> None:
    before = everything(store)
    if "other" in what:
        what = {"other": ids[what["other"]]}
    number = change(store, action, ids[0], **what)
    assert everything(store) != before
    assert not store.undo_change(number, ANA, T).repeated
    assert everything(store) == before
    assert store.undo_change(number, ANA, T).repeated  # undone once
    assert everything(store) == before
    (latest, *_) = store.past_changes([ids[0]])
    assert (latest.action, latest.by, latest.undone_by) == (action, "Ana", "Ana")


def test_what_takes_back_is_itself_taken_back(store: Store, ids: list[int]) -> None:
    one, two, _ = ids
    change(store, "merge", one, other=two)
    merged = split_and_undone(store, one, "o. brightwater")
    alone = change(store, "unmerge", two)
    store.undo_change(alone, ANA, T)
    assert everything(store) == merged


def test_the_watchlist_is_the_desks_and_follows_merges(store: Store, ids: list[int]) -> None:
    one, two, three = ids
    change(store, "watch", two)
    change(store, "watch", three)
    assert store.watched() == {two, three}
    change(store, "merge", one, other=two)
    assert store.watched() == {one, three}
    listed = everything(store)
    assert store.change_name(NameChange("watch", one), ANA, T).repeated  # watched already, by what it took in
    off = change(store, "unwatch", one)
    assert store.watched() == {three}
    store.undo_change(off, ANA, T)
    assert everything(store) == listed


def test_a_suggestion_settled_by_a_merge_is_open_again(store: Store, ids: list[int]) -> None:
    rows = {"a": [ids[0]], "b": [ids[1]], "score": [91.5], "reason": ["near-duplicate"]}
    store.save_suggestions(pl.DataFrame(rows), T)
    before = everything(store)
    number = change(store, "merge", ids[0], other=ids[1])
    assert everything(store)["merge_suggestion"] == set()
    store.undo_change(number, ANA, T)
    assert everything(store) == before


def test_an_undone_split_keeps_what_came_in_between(store: Store, ids: list[int]) -> None:
    number = change(store, "split", ids[0], canonical="odalys")
    new = store.find("odalys")
    assert new is not None
    save(store, [result([item("late")], at=T + HOUR)], mentions(("reddit", "late", new, "odalys")))
    store.save_scores(T, *score_frames([new]))
    store.undo_change(number, ANA, T)
    assert store.find("odalys") == ids[0]  # it was scored: its links lead to the old name
    assert {row.canonical: row.receipts for row in store.name_rows(store.family(ids[0]))} == {
        "odalys": 4, "odalys brightwater": 1,
    }  # fmt: skip


def test_undo_says_what_stands_in_its_way(store: Store, ids: list[int]) -> None:
    one, two, three = ids
    merged = change(store, "merge", one, other=two)
    store.unmerge(two, "ana")
    with pytest.raises(InputError, match=r"o\.-brightwater does not stand under that name any more"):
        store.undo_change(merged, ANA, T)
    cut = change(store, "split", one, canonical="odalys")
    new = store.find("odalys")
    assert new is not None
    store.add_alias(new, "ody", "Ody", "ana")
    with pytest.raises(InputError, match="has other names by now"):
        store.undo_change(cut, ANA, T)
    with pytest.raises(NotFoundError, match="no change 999"):
        store.undo_change(999, ANA, T)
    with pytest.raises(InputError, match="only name"):
        change(store, "unalias", three, canonical="saint ferro")
    assert store.past_changes([three]) == []


def test_a_repeated_click_changes_nothing_and_says_the_same(store: Store, ids: list[int]) -> None:
    first = store.change_name(NameChange("merge", ids[0], ids[1]), ANA, T, "click")
    again = store.change_name(NameChange("merge", ids[0], ids[1]), ANA, T, "click")
    assert (again.repeated, again.facts) == (True, first.facts)


def test_a_forgotten_post_leaves_the_undo_too(store: Store, ids: list[int]) -> None:
    number = change(store, "split", ids[0], canonical="odalys")
    store.forget_items("reddit", ["b"], "sweep")
    with store._db.reading() as connection:
        kept = connection.execute(text("SELECT item_id FROM change_item ORDER BY 1")).scalars().all()
    assert kept == ["c", "q"]
    store.undo_change(number, ANA, T)
    assert store.receipt_count(store.family(ids[0])) == 3  # without the forgotten one, which still counts
    hours = store.hourly_rows(store.family(ids[0]), T - timedelta(days=1), T)
    assert sum(row["mentions"] for row in hours) == 4


def test_receipts_of_a_name_are_counted(store: Store, ids: list[int]) -> None:
    assert store.receipt_count([ids[0]]) == 4
    assert store.receipt_count([ids[0]], "odalys") == 3
    change(store, "merge", ids[0], other=ids[1])
    assert store.receipt_count(store.family(ids[0])) == 4  # c named both
    rows = store.name_rows(store.family(ids[0]))
    assert [(row.display, row.receipts, row.source) for row in rows] == [
        ("Odalys", 3, ""), ("Odalys Brightwater", 1, ""), ("O. Brightwater", 1, "O. Brightwater"),
    ]  # fmt: skip


def test_an_undo_works_as_long_as_the_posts_are_kept(store: Store, ids: list[int]) -> None:
    number = change(store, "unalias", ids[0], canonical="odalys")
    later = T + timedelta(days=100)
    save(store, [result([item("b", at=later, published_at=T - HOUR)], at=later)])
    assert store.prune(later, load_settings().retention)["change_item"] == 2  # c and q are gone, b is still seen
    store.undo_change(number, ANA, later)
    assert store.receipt_count([ids[0]], "odalys") == 1


def test_undoing_a_watch_leaves_what_came_with_a_merge(store: Store, ids: list[int]) -> None:
    one, two, _ = ids
    number = change(store, "watch", one)
    change(store, "watch", two)
    merged = change(store, "merge", one, other=two)
    store.undo_change(number, ANA, T)
    store.undo_change(merged, ANA, T)
    assert store.watched() == {two}


@pytest.mark.parametrize(("on", "off", "gone"), [
    ("mute", "unmute", "it is not muted any more"), ("watch", "unwatch", "it is not on the watchlist any more"),
])  # fmt: skip
def test_a_later_word_stands(store: Store, ids: list[int], on: NameAction, off: NameAction, gone: str) -> None:
    first = change(store, on, ids[0])
    second = change(store, off, ids[0])
    with pytest.raises(InputError, match="later change|" + gone):
        store.undo_change(first, ANA, T)
    third = change(store, on, ids[0])
    before = everything(store)
    for number in (first, second):
        with pytest.raises(InputError, match="cannot be undone any more"):
            store.undo_change(number, ANA, T)
    assert everything(store) == before
    for number in (third, second, first):  # one by one it goes back
        store.undo_change(number, ANA, T)


def test_nothing_goes_back_under_a_name_that_is_gone(store: Store, ids: list[int]) -> None:
    cut = change(store, "split", ids[0], canonical="odalys")
    new = store.find("odalys")
    assert new is not None
    change(store, "merge", new, other=ids[1])
    alone = change(store, "unmerge", ids[1])
    store.undo_change(cut, ANA, T)
    assert store.entity_row(new) is None
    with pytest.raises(InputError, match="the name it stood under is gone"):
        store.undo_change(alone, ANA, T)
    assert store.family(ids[1]) == [ids[1]]


def test_a_change_has_the_table_before_any_row(store: Store, ids: list[int]) -> None:
    held = text("""SELECT count(*) FROM pg_locks WHERE relation = 'entity'::regclass AND pid = pg_backend_pid()
        AND mode = 'ShareRowExclusiveLock'""")
    with store._db.writing() as connection:
        with pytest.raises(InputError, match="no entity"):
            make(connection, NameChange("mute", 999), ANA)  # refused at its first row
        assert connection.scalar(held) == 1


def test_a_name_that_came_with_two_merges_goes_with_both(store: Store, ids: list[int]) -> None:
    one, two, three = ids
    for other in (two, three):
        store.add_alias(other, "both", "Both", "ana")
        change(store, "merge", one, other=other)
    split_and_undone(store, one, "both")


def test_hours_older_than_their_mentions_are_kept(store: Store, ids: list[int]) -> None:
    old, asked = T - timedelta(days=100), load_settings().retention
    rows = [item(key, at=old, published_at=old) for key in ("x", "y")]
    save(store, [result(rows, at=old)], mentions(*(("reddit", key, ids[0], "odalys") for key in ("x", "y"))))
    save(store, [result([item("y", at=T, published_at=old)])])
    assert store.prune(T, asked)["mention"] == 1  # y is still seen, so it still says how old it is

    def hours(of: int) -> list[int]:
        return [row["mentions"] for row in store.hourly_rows([of], old - HOUR, old + HOUR)]

    assert hours(ids[0]) == [2]
    actions: list[NameAction] = ["unalias", "split"]
    for action in actions:
        number = change(store, action, ids[0], canonical="odalys")
        assert hours(ids[0]) == [2]
        store.undo_change(number, ANA, T)
        assert hours(ids[0]) == [2]


def test_names_change_before_anything_was_seen(store: Store) -> None:
    (one,) = add(store, "Odalys Brightwater")
    change(store, "alias", one, canonical="oda", display="Oda")
    number = change(store, "unalias", one, canonical="oda")
    store.undo_change(number, ANA, T)
    assert store.find("odalys-brightwater") == one
    assert {row.canonical for row in store.name_rows([one])} == {"odalys brightwater", "oda"}
