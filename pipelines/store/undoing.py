"""Putting a change of names back, inside the caller's transaction. Each one checks first that the change still stands.

A merge, an unmerge, a mute and a watch are put back exactly: they are pointers and flags. So is an added name, down to the
candidates it took, and a removed one with its mentions. A split is put back with every mention where it was; what stays of
it is said at :func:`_unsplit`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from pipelines.errors import InputError, NotFoundError
from pipelines.people import Person
from pipelines.store.base import clean_line, family_of, lock_names, write_audit
from pipelines.store.catalogue import give_name
from pipelines.store.hourly import rebuild_hours
from pipelines.store.name_changes import Facts, aliases_of, drop_aliases, get_entity, put_watch, take_mentions

CHANGE = "SELECT * FROM name_change WHERE id = :id FOR UPDATE"
SAVED_MENTIONS = """INSERT INTO mention (source, item_id, entity_id, matched, via, first_observed, at)
    SELECT c.source, c.item_id, c.entity_id, c.canonical, c.via, c.last_at, c.at FROM change_item c
    JOIN item i ON i.source = c.source AND i.item_id = c.item_id
    WHERE c.change_id = :change AND c.kind = 'mention' ON CONFLICT DO NOTHING"""
HOME = """UPDATE mention m SET entity_id = c.entity_id FROM change_item c
    WHERE c.change_id = :change AND c.kind = 'mention' AND m.source = c.source AND m.item_id = c.item_id
        AND m.entity_id = :new AND NOT EXISTS (SELECT FROM mention o
            WHERE o.source = m.source AND o.item_id = m.item_id AND o.entity_id = c.entity_id)"""
REST = """UPDATE mention m SET entity_id = :id WHERE m.entity_id = :new AND NOT EXISTS (SELECT FROM mention o
    WHERE o.source = m.source AND o.item_id = m.item_id AND o.entity_id = :id)"""
SAVED_CANDIDATES = """INSERT INTO candidate (source, item_id, canonical, name, via, at, last_at)
    SELECT c.source, c.item_id, c.canonical, c.name, c.via, c.at, greatest(c.last_at, i.last_observed)
    FROM change_item c JOIN item i ON i.source = c.source AND i.item_id = c.item_id
    WHERE c.change_id = :change AND c.kind = 'candidate' ON CONFLICT DO NOTHING"""
NEWER = """SELECT EXISTS (SELECT FROM name_change WHERE entity_id = :id AND id > :change AND action = ANY(:actions)
    AND undone_at IS NULL)"""
USED = """SELECT EXISTS (SELECT FROM score WHERE entity_id = :id) OR EXISTS (SELECT FROM score_hour WHERE entity_id = :id)
    OR EXISTS (SELECT FROM alert WHERE entity_id = :id) OR EXISTS (SELECT FROM decision WHERE entity_id = :id)
    OR EXISTS (SELECT FROM entity WHERE merged_into = :id) OR EXISTS (SELECT FROM watch WHERE entity_id = :id)"""


def undo(connection: Connection, number: int, by: Person, now: datetime) -> Facts:
    """Put the change of that number back. Facts: change, action, entity, name and other in words.

    Raises :class:`NotFoundError` for an unknown number, :class:`InputError` where it was undone before or something that
    came after stands in its way.
    """
    lock_names(connection, alone=True)
    row = connection.execute(text(CHANGE), {"id": number}).mappings().first()
    if row is None:
        raise NotFoundError(f"There is no change {number}")
    before = dict(row["before"])
    facts = {"change": number, "action": row["action"], "entity": row["entity_id"], "name": before.get("name", ""),
             "other_name": before.get("other_name", "")}  # fmt: skip
    if row["undone_at"] is not None:
        return {**facts, "same": True}
    entity = get_entity(connection, row["entity_id"], merged=True)
    UNDO[row["action"]](connection, dict(row), before)
    connection.execute(
        text("UPDATE name_change SET undone_at = :at, undone_by = :by WHERE id = :id"),
        {"at": now, "by": clean_line(by.name, 100), "id": number},
    )
    connection.execute(text("DELETE FROM change_item WHERE change_id = :id"), {"id": number})
    write_audit(connection, by.id, "undo", entity["slug"], {"change": number, "action": row["action"]})
    return facts


def _unmerged(connection: Connection, row: Facts, before: Facts) -> None:
    """A merge: the pointer, and the suggestion it settled."""
    gone = get_entity(connection, int(before["other"]), merged=True)
    _check(gone["merged_into"] == row["entity_id"], f"{gone['slug']} does not stand under that name any more")
    _point(connection, gone["id"], None)
    for pair in before["suggestions"]:
        connection.execute(
            text("""INSERT INTO merge_suggestion (a, b, score, reason, at) VALUES (:a, :b, :score, :reason, :at)
                ON CONFLICT DO NOTHING"""), {**pair, "at": datetime.fromisoformat(pair["at"])}
        )  # fmt: skip


def _merged_again(connection: Connection, row: Facts, before: Facts) -> None:
    """An unmerge, and a split that was one, or several."""
    first = {str(before.get("new") or row["entity_id"]): before["merged_into"]}
    for entity_id, parent in reversed((before.get("apart") or first).items()):
        _under(connection, int(entity_id), int(parent))


def _under(connection: Connection, entity_id: int, parent: int) -> None:
    alone = get_entity(connection, entity_id, merged=True)
    _check(alone["merged_into"] is None, f"{alone['slug']} stands under another name now")
    kept = connection.scalar(text("SELECT EXISTS (SELECT FROM entity WHERE id = :id)"), {"id": parent})
    _check(bool(kept), "the name it stood under is gone")
    _check(alone["id"] not in _above(connection, parent), f"{alone['slug']} has taken that name in meanwhile")
    _point(connection, alone["id"], parent)


def _unsplit(connection: Connection, row: Facts, before: Facts) -> None:
    """A split that made a new entity: names and mentions go home.

    Mentions that came after the split follow the name, as they would have without it. An entity nobody scored is removed;
    one that was scored, alerted or watched stays as a part of the old one, so that its alerts and links go on working.
    """
    if "merged_into" in before:
        _merged_again(connection, row, before)
        return
    home, new, canonical = int(row["entity_id"]), int(before["new"]), str(before["canonical"])
    made = get_entity(connection, new, merged=True)
    _check(made["merged_into"] is None, f"{made['slug']} stands under another name now")
    names = {alias["canonical"] for alias in aliases_of(connection, family_of(connection, new))}
    _check(names == {canonical}, f"{made['slug']} has other names by now; merge it instead")
    drop_aliases(connection, [new], canonical)
    _give_back(connection, before["aliases"])
    values = {"change": row["id"], "new": new, "id": home}
    for statement in (HOME, REST, "DELETE FROM mention WHERE entity_id = :new"):
        connection.execute(text(statement), values)
    if connection.scalar(text(USED), {"id": new}):
        _point(connection, new, home)
    else:
        for statement in ("DELETE FROM domain_evidence WHERE entity_id = :new", "DELETE FROM hourly WHERE entity_id = :new",
                          "DELETE FROM merge_suggestion WHERE a = :new OR b = :new",
                          "DELETE FROM episode WHERE entity_id = :new", "DELETE FROM entity WHERE id = :new"):  # fmt: skip
            connection.execute(text(statement), values)
    rebuild_hours(connection, sorted({home, new, *(alias["entity_id"] for alias in before["aliases"])}))


def _unname(connection: Connection, row: Facts, before: Facts) -> None:
    """An added name: its mentions go, and what was a candidate is one again. What it matched since then is a candidate
    only if it was one before: texts are not read again."""
    entity_id, canonical = int(row["entity_id"]), str(before["canonical"])
    known = {alias["canonical"] for alias in aliases_of(connection, [entity_id])}
    _check(canonical in known, "the name is gone already")
    _check(len(known) > 1, "it is the only name by now")
    drop_aliases(connection, [entity_id], canonical)
    values = {"id": entity_id, "canonical": canonical, "change": row["id"], "seen": before["first_seen"]}
    take_mentions(connection, [entity_id], canonical)
    connection.execute(text(SAVED_CANDIDATES), values)
    connection.execute(
        text("""UPDATE entity SET first_seen = coalesce(CAST(:seen AS timestamptz),
            (SELECT min(at) FROM mention WHERE entity_id = :id)) WHERE id = :id"""), values
    )  # fmt: skip
    rebuild_hours(connection, [entity_id])


def _name_again(connection: Connection, row: Facts, before: Facts) -> None:
    """A removed name, with its mentions; items that carried it meanwhile are taken up as well."""
    canonical = str(before["canonical"])
    ids = sorted({int(alias["entity_id"]) for alias in before["aliases"]})
    _give_back(connection, before["aliases"])
    connection.execute(text(SAVED_MENTIONS), {"change": row["id"]})
    for alias in before["aliases"]:
        give_name(connection, int(alias["entity_id"]), canonical, str(alias["display"]), str(alias["origin"]),
                  needs_second_sign=bool(alias["needs_second_sign"]))  # fmt: skip
    rebuild_hours(connection, ids)


def _mute_as_before(connection: Connection, row: Facts, before: Facts) -> None:
    muted = connection.scalar(text("SELECT muted FROM entity WHERE id = :id"), {"id": row["entity_id"]})
    _check(muted == (row["action"] == "mute"), "it was muted again" if muted else "it is not muted any more")
    _newest(connection, row, ["mute", "unmute"])
    values = {"id": row["entity_id"], "muted": before["muted"]}
    connection.execute(text("UPDATE entity SET muted = :muted WHERE id = :id"), values)


def _watch_as_before(connection: Connection, row: Facts, before: Facts) -> None:
    """Only what the change itself wrote or took: what was merged in since keeps its own."""
    _newest(connection, row, ["watch", "unwatch"])
    ids = set(connection.execute(text("SELECT entity_id FROM watch")).scalars())
    if row["action"] == "unwatch":
        _check(ids.isdisjoint(family_of(connection, int(row["entity_id"]))), "it is on the watchlist again")
    else:
        _check(row["entity_id"] in ids, "it is not on the watchlist any more")
        connection.execute(text("DELETE FROM watch WHERE entity_id = :id"), {"id": row["entity_id"]})
    for old in before["rows"]:
        by = Person(old["by_id"], old["by_name"])
        put_watch(connection, int(old["entity_id"]), datetime.fromisoformat(old["at"]), by)


UNDO: Mapping[str, Callable[[Connection, Facts, Facts], None]] = {
    "merge": _unmerged, "unmerge": _merged_again, "split": _unsplit, "alias": _unname, "unalias": _name_again,
    "mute": _mute_as_before, "unmute": _mute_as_before, "watch": _watch_as_before, "unwatch": _watch_as_before,
}  # fmt: skip


def _give_back(connection: Connection, aliases: list[Mapping[str, Any]]) -> None:
    for alias in aliases:
        connection.execute(
            text("""INSERT INTO alias (canonical, entity_id, display, needs_second_sign, origin)
                VALUES (:canonical, :entity_id, :display, :needs_second_sign, :origin) ON CONFLICT DO NOTHING"""), alias
        )  # fmt: skip


def _above(connection: Connection, entity_id: int) -> set[int]:
    """The entity and everything it stands under."""
    found: set[int] = set()
    at: int | None = entity_id
    while at is not None and at not in found:
        found.add(at)
        at = connection.scalar(text("SELECT merged_into FROM entity WHERE id = :id"), {"id": at})
    return found


def _point(connection: Connection, entity_id: int, parent: int | None) -> None:
    connection.execute(
        text("UPDATE entity SET merged_into = :parent WHERE id = :id"), {"id": entity_id, "parent": parent}
    )


def _newest(connection: Connection, row: Facts, actions: list[str]) -> None:
    values = {"id": row["entity_id"], "change": row["id"], "actions": actions}
    _check(not connection.scalar(text(NEWER), values), "a later change of the same kind stands")


def _check(holds: bool, otherwise: str) -> None:
    if not holds:
        raise InputError(f"This cannot be undone any more: {otherwise}")
