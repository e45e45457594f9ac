"""Names: adding, discovering, merging, splitting, muting; on the embedded and on a server PostgreSQL."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from sqlalchemy import text

from pipelines.errors import InputError
from pipelines.model import Domain
from pipelines.store import Store
from tests.contract.store_rows import HOUR, T, add, candidates, item, mentions, result, save

WEEK = timedelta(days=7)


def audit(store: Store) -> list[tuple[Any, ...]]:
    with store._db.reading() as connection:
        rows = connection.execute(text("SELECT actor, action, subject, detail FROM audit ORDER BY id"))
        return [tuple(row) for row in rows]


def loaded(store: Store) -> set[tuple[int, str]]:
    return set(store.load_mentions(T - WEEK, T + WEEK).select("entity", "item_id").rows())


def stored_mentions(store: Store) -> int:
    with store._db.reading() as connection:
        return int(connection.execute(text("SELECT count(*) FROM mention")).scalar_one())


def two_names(store: Store) -> tuple[int, int]:
    """a and b name Odalys, b and c name O. Brightwater."""
    one, two = add(store, "Odalys Brightwater", "O. Brightwater")
    rows = [item("a"), item("b"), item("c", published_at=T - HOUR)]
    found = mentions(*(("reddit", key, one, "odalys brightwater") for key in "ab"),
                     *(("reddit", key, two, "o. brightwater") for key in "bc"))  # fmt: skip
    save(store, [result(rows)], found)
    return one, two


def test_entities_come_back_as_they_were_added(store: Store) -> None:
    ids = add(store, "Odalys Brightwater", "泰勒絲", kind="music", needs_second_sign=pl.Series([True, False]))
    assert store.entities().drop("id").rows() == [
        ("odalys-brightwater", "Odalys Brightwater", "music", "entertainment", "catalogue", False),
        ("泰勒絲", "泰勒絲", "music", "entertainment", "catalogue", False),
    ]
    assert store.aliases().rows() == [
        ("odalys brightwater", "Odalys Brightwater", ids[0], True), ("泰勒絲", "泰勒絲", ids[1], False),
    ]  # fmt: skip


def test_adding_the_same_names_again_adds_nothing(store: Store) -> None:
    first = add(store, "Odalys Brightwater", "Saint Ferro", "Odalys Brightwater")
    assert first[0] == first[2]
    assert add(store, "Saint Ferro", "Odalys Brightwater") == [first[1], first[0]]
    assert store.entities().height == 2


def test_a_name_of_another_kind_is_another_entity_with_another_slug(store: Store) -> None:
    (film,) = add(store, "The Lantern Keepers", kind="film")
    (show,) = add(store, "The Lantern Keepers", kind="show")
    assert film != show
    assert store.entities()["slug"].to_list() == ["the-lantern-keepers", "the-lantern-keepers-2"]


def test_entities_without_a_usable_name_are_refused(store: Store) -> None:
    rows = {"name": ["!"], "slug": [""], "kind": ["person"], "domain": ["other"], "origin": ["import"],
            "aliases": [["!"]], "canonicals": [[""]]}  # fmt: skip
    with pytest.raises(InputError, match="row 1"):
        store.add_entities(pl.DataFrame(rows))
    with pytest.raises(InputError, match="'canonicals' is missing"):
        store.add_entities(pl.DataFrame(rows).drop("canonicals"))
    assert store.add_entities(pl.DataFrame()) == []


def test_a_discovered_name_takes_its_candidate_items(store: Store) -> None:
    rows = [item("a", published_at=T - 2 * HOUR), item("b", published_at=T - HOUR), item("c")]
    unowned = candidates(("reddit", "a", "saint ferro"), ("reddit", "b", "saint ferro"), ("reddit", "c", "other one"))
    save(store, [result(rows)], unowned=unowned)
    case = {"z": 2.1, "items": ["a", "b"], "odd": float("nan"), "text": "nul\x00"}
    found = store.discover("saint ferro", name="Saint Ferro", slug="saint-ferro", at=T, provenance=case)
    assert loaded(store) == {(found, "a"), (found, "b")}
    assert store.load_candidates(T - WEEK, T)["canonical"].to_list() == ["other one"]
    with store._db.reading() as connection:
        row = connection.execute(text("SELECT first_seen, origin, provenance FROM entity")).one()
        hours = connection.execute(text("SELECT hour FROM hourly ORDER BY hour")).scalars().all()
    assert tuple(row) == (T - 2 * HOUR, "discovered", {"z": 2.1, "items": ["a", "b"], "odd": None, "text": "nul"})
    assert hours == [T - 2 * HOUR, T - HOUR]
    assert store.discover("saint ferro", name="Saint Ferro", slug="x", at=T, provenance={}) == found
    assert store.entities().height == 1


def test_the_catalogue_takes_over_what_was_discovered(store: Store) -> None:
    found = store.discover("saint ferro", name="Saint Ferro", slug="saint-ferro", at=T, provenance={})
    assert add(store, "Saint Ferro", kind="music") == [found]
    assert store.entities().select("kind", "domain").rows() == [("music", "entertainment")]


def test_a_new_name_adopts_earlier_candidates(store: Store) -> None:
    save(store, [result([item("a"), item("b")])],
         unowned=candidates(("reddit", "a", "saint ferro"), ("reddit", "b", "ferro")))  # fmt: skip
    (entity,) = add(store, "Saint Ferro")
    assert loaded(store) == {(entity, "a")}
    store.add_alias(entity, "ferro", "Ferro", "ana")
    assert loaded(store) == {(entity, "a"), (entity, "b")}
    assert audit(store) == [("ana", "alias", "saint-ferro", {"id": entity, "name": "ferro"})]


def test_merge_and_unmerge_keep_every_mention(store: Store) -> None:
    one, two = two_names(store)
    before = loaded(store)
    store.merge(one, two, "ana")
    assert loaded(store) == {(one, "a"), (one, "b"), (one, "c")}
    assert store.load_mentions(T - WEEK, T).height == 3  # b named both: one mention
    assert stored_mentions(store) == 4
    assert store.entities()["id"].to_list() == [one]
    assert store.find("o.-brightwater") == one
    assert store.merged() == {two: one}
    store.unmerge(two, "ben")
    assert loaded(store) == before
    assert [row[:3] for row in audit(store)] == [
        ("ana", "merge", "odalys-brightwater"), ("ben", "unmerge", "o.-brightwater"),
    ]  # fmt: skip


def test_merges_of_merges_end_at_the_last(store: Store) -> None:
    one, two, three = add(store, "One", "Two", "Three")
    save(store, [result([item("a")])], mentions(("reddit", "a", one)))
    store.merge(two, one, "ana")
    store.merge(three, two, "ana")
    assert loaded(store) == {(three, "a")}
    assert store.family(three) == [three, one, two]
    with pytest.raises(InputError, match="merged into another"):
        store.merge(two, three, "ana")
    with pytest.raises(InputError, match="cannot be merged into itself"):
        store.merge(three, three, "ana")
    store.unmerge(two, "ana")
    assert loaded(store) == {(two, "a")}


def test_splitting_a_merged_name_undoes_the_merge(store: Store) -> None:
    one, two = two_names(store)
    before = loaded(store)
    store.merge(one, two, "ana")
    assert store.split(one, "o. brightwater", "ana") == two
    assert loaded(store) == before


def test_splitting_a_name_takes_the_mentions_it_matched(store: Store) -> None:
    (entity,) = add(store, "Odalys Brightwater")
    store.add_alias(entity, "odalys", "Odalys", "ana")
    found = mentions(("reddit", "a", entity, "odalys"), ("reddit", "b", entity, "odalys brightwater"))
    save(store, [result([item("a", published_at=T - HOUR), item("b")])], found)
    new = store.split(entity, "odalys", "ana")
    assert loaded(store) == {(new, "a"), (entity, "b")}
    assert stored_mentions(store) == 2
    assert dict(store.aliases().select("canonical", "entity_id").rows()) == {
        "odalys": new,
        "odalys brightwater": entity,
    }
    with store._db.reading() as connection:
        hours = connection.execute(text("SELECT entity_id, hour FROM hourly ORDER BY 1")).all()
        seen = connection.execute(text("SELECT first_seen FROM entity WHERE id = :id"), {"id": new}).scalar()
    assert [tuple(row) for row in hours] == [(entity, T), (new, T - HOUR)]
    assert seen == T - HOUR
    assert audit(store)[-1] == (
        "ana", "split", "odalys-brightwater", {"from": entity, "name": "odalys", "new": new},
    )  # fmt: skip


def test_a_split_that_makes_no_sense_changes_nothing(store: Store) -> None:
    (entity,) = add(store, "Odalys Brightwater")
    for name, words in (("odalys brightwater", "its only name"), ("nobody", "does not answer")):
        with pytest.raises(InputError, match=words):
            store.split(entity, name, "ana")
    with pytest.raises(InputError, match="no entity"):
        store.split(999, "x", "ana")
    assert audit(store) == []


def test_muted_names_are_not_scored_and_can_come_back(store: Store) -> None:
    one, two = two_names(store)
    store.mute(one, "ana")
    assert loaded(store) == {(two, "b"), (two, "c")}
    assert store.entities()["muted"].to_list() == [True, False]
    store.mute(one, "ana", muted=False)
    assert len(loaded(store)) == 4
    assert [row[1] for row in audit(store)] == ["mute", "unmute"]


def test_an_editors_domain_stands(store: Store) -> None:
    found = store.discover("saint ferro", name="Saint Ferro", slug="saint-ferro", at=T, provenance={})
    decided = pl.DataFrame({"entity_id": [found], "domain": ["sport"]})
    assert store.save_domains(decided) == 1
    store.set_domain(found, Domain.POLITICS, "ana")
    assert store.save_domains(decided) == 0
    add(store, "Saint Ferro", kind="music")
    assert store.domain_entities().rows() == [(found, "music", "politics", "editor")]
    assert audit(store) == [("ana", "domain", "saint-ferro", {"from": "sport", "to": "politics"})]
    with pytest.raises(InputError, match="domain 'cookery'"):
        store.set_domain(found, "cookery", "ana")


def test_b5_a_domain_somebody_changed_meanwhile_is_not_overwritten(store: Store) -> None:
    found = store.discover("saint ferro", name="Saint Ferro", slug="saint-ferro", at=T, provenance={})
    seen = store.domain_entities()["domain"].item()
    store.set_domain(found, Domain.POLITICS, "ana", seen)
    with pytest.raises(InputError, match="somebody has made it politics meanwhile; choose again to make it sport"):
        store.set_domain(found, Domain.SPORT, "sam", seen)
    store.set_domain(found, Domain.POLITICS, "sam", seen)
    assert store.domain_entities()["domain"].item() == "politics"
    store.set_domain(found, Domain.SPORT, "sam", "politics")
    assert store.domain_entities()["domain"].item() == "sport"


def test_domain_evidence_is_replaced(store: Store) -> None:
    one, two = add(store, "One", "Two")
    rows = {"entity_id": [one, one, two], "kind": ["feeds", "words", "feeds"], "domain": ["sport", "sport", "other"],
            "weight": [1.0, 2.0, 3.0], "detail": ["a", "b", "c"]}  # fmt: skip
    store.save_domain_evidence(pl.DataFrame(rows), T)
    store.save_domain_evidence(pl.DataFrame(rows)[:1], T + HOUR)
    with store._db.reading() as connection:
        kept = connection.execute(text("SELECT entity_id, kind, weight, at FROM domain_evidence ORDER BY 1")).all()
    assert [tuple(row) for row in kept] == [(one, "feeds", 1.0, T + HOUR), (two, "feeds", 3.0, T)]


def test_receipts_for_domains_resolve_merges(store: Store) -> None:
    one, two = two_names(store)
    store.merge(one, two, "ana")
    rows = store.load_receipts(T - WEEK, T)
    assert set(rows["entity_id"]) == {one}
    assert set(rows["item_id"]) == {"a", "b", "c"}


def test_suggestions_leave_out_what_is_merged(store: Store) -> None:
    one, two, three = add(store, "One", "Two", "Three")
    store.merge(one, two, "ana")
    rows = {"a": [one, one], "b": [two, three], "score": [95.0, 91.0], "reason": ["near-duplicate"] * 2}
    assert store.save_suggestions(pl.DataFrame(rows), T) == 1
    store.merge(three, one, "ana")
    with store._db.reading() as connection:
        assert connection.execute(text("SELECT count(*) FROM merge_suggestion")).scalar() == 0
