"""Changes of names, each one inside the caller's transaction: made, noted for an undo, and audited.

Every function returns the facts of what it did, with ``change``: the number to undo it by. ``{"same": True}`` means that
it was so already. A change that makes no sense raises :class:`InputError` and leaves nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, text

from pipelines.errors import InputError
from pipelines.naming import NameChange
from pipelines.people import Person
from pipelines.store.base import clean_line, family_of, lock_names, write_audit
from pipelines.store.bulk import KEY_BYTES, json_dump
from pipelines.store.catalogue import free_slug, give_name, make_entity
from pipelines.store.hourly import WHOLE_SINCE, rebuild_hours

Facts = dict[str, Any]
EDITOR = "editor"
ENTITY = "SELECT id, slug, name, kind, domain, origin, muted, merged_into FROM entity WHERE id = :id"
ALIASES = """SELECT entity_id, canonical, display, needs_second_sign, origin FROM alias WHERE entity_id = ANY(:ids)
    ORDER BY entity_id, canonical"""
MOVED = """m.entity_id = ANY(:family) AND m.matched = :canonical
    AND NOT EXISTS (SELECT FROM mention o
        WHERE o.source = m.source AND o.item_id = m.item_id AND o.entity_id = :new)
    AND NOT EXISTS (SELECT FROM mention o WHERE o.source = m.source AND o.item_id = m.item_id
        AND o.entity_id = ANY(:family) AND o.matched = m.matched AND o.entity_id < m.entity_id)"""
MOVE = f"UPDATE mention m SET entity_id = :new WHERE {MOVED}"  # noqa: S608 - our own condition
KEEP_MENTIONS = """INSERT INTO change_item
    SELECT :change, 'mention', m.source, m.item_id, m.entity_id, m.matched, '', m.via, m.at, m.first_observed
    FROM mention m WHERE """
KEEP_CANDIDATES = """INSERT INTO change_item
    SELECT :change, 'candidate', c.source, c.item_id, :id, c.canonical, c.name, c.via, c.at, c.last_at
    FROM candidate c WHERE c.canonical = :canonical"""
BY_NAME = "m.entity_id = ANY(:family) AND m.matched = :canonical"
CLEAR_HOURS = f"""DELETE FROM hourly WHERE entity_id = ANY(:family) AND hour >= {WHOLE_SINCE}
    AND hour >= (SELECT date_trunc('hour', min(m.at))
        FROM mention m WHERE m.entity_id = ANY(:family) AND m.matched = :canonical)"""  # noqa: S608 - our own
FIRST_SEEN = """UPDATE entity SET first_seen = (SELECT min(at) FROM mention WHERE entity_id = :id)
    WHERE id = :id AND first_seen IS NULL"""


def make(connection: Connection, wanted: NameChange, by: Person) -> Facts:
    """Do what ``wanted`` says."""
    lock_names(connection, alone=True)
    return CHANGES[wanted.action](connection, wanted, by)


def merge(connection: Connection, wanted: NameChange, by: Person) -> Facts:
    """``other`` stands under ``entity`` from now on; its names and mentions stay its own. Facts: other, its name."""
    keep, gone = wanted.entity, wanted.other
    kept, lost = get_entity(connection, keep), get_entity(connection, gone)
    if keep == gone or keep in family_of(connection, gone):
        raise InputError(f"{lost['slug']}: cannot be merged into itself or into a name that stands under it")
    pairs = {"a": keep, "b": gone}
    forgotten = connection.execute(
        text("""DELETE FROM merge_suggestion WHERE (a, b) IN ((:a, :b), (:b, :a))
            RETURNING a, b, score, reason, at"""), pairs
    ).mappings().all()  # fmt: skip
    connection.execute(text("UPDATE entity SET merged_into = :a WHERE id = :b"), pairs)
    before = {"other": gone, "other_name": lost["name"],
              "suggestions": [{**row, "at": row["at"].isoformat()} for row in forgotten]}  # fmt: skip
    change = note(connection, wanted, by, before)
    write_audit(connection, by.id, "merge", kept["slug"], {"keep": keep, "gone": gone, "name": lost["name"]})
    return {"change": change, "other": gone, "other_name": lost["name"]}


def unmerge(connection: Connection, wanted: NameChange, by: Person) -> Facts:
    """Take ``entity`` out of the one it was merged into, with all its names and mentions."""
    entity = get_entity(connection, wanted.entity, merged=True)
    if entity["merged_into"] is None:
        raise InputError(f"{entity['slug']}: is not merged into another name")
    _apart(connection, wanted.entity)
    change = note(connection, wanted, by, {"merged_into": entity["merged_into"], "name": entity["name"]})
    write_audit(
        connection, by.id, "unmerge", entity["slug"], {"id": wanted.entity, "from": entity["merged_into"]}
    )  # fmt: skip
    return {"change": change}


def split(connection: Connection, wanted: NameChange, by: Person) -> Facts:
    """Take a name away from ``entity``. Facts: new, the entity that has it now.

    A name that came with a merge takes its whole entity with it (the merge is undone); where several came with it, all
    of them, and ``new`` is the first. Any other name becomes a new entity with the mentions that matched it.
    """
    entity = get_entity(connection, wanted.entity)
    family = family_of(connection, wanted.entity)
    names = aliases_of(connection, family)
    holders = [row for row in names if row["canonical"] == wanted.canonical]
    if not holders:
        raise InputError(f"{entity['slug']}: does not answer to {wanted.canonical!r}")
    merged = [row["entity_id"] for row in holders if row["entity_id"] != wanted.entity]
    shown = str(holders[0]["display"])
    if merged and len(merged) == len(holders):
        new = int(merged[0])
        apart = _all_apart(connection, wanted.entity, merged)
        change = note(connection, wanted, by, {"new": new, "name": shown, "merged_into": apart[new], "apart": apart})
    elif len({row["canonical"] for row in names if row["entity_id"] == wanted.entity}) < 2:
        raise InputError(
            f"{entity['slug']}: {wanted.canonical!r} is its only name: add another one first, or mute the entity"
        )
    else:
        change, new = _split_off(connection, wanted, by, entity, family, holders)
    detail = {"from": wanted.entity, "name": wanted.canonical, "new": new}
    write_audit(connection, by.id, "split", entity["slug"], detail)
    return {"change": change, "new": new}


def add_alias(connection: Connection, wanted: NameChange, by: Person) -> Facts:
    """Let ``entity`` answer to one more name; candidate items that carry it become its mentions."""
    if not 1 <= len(wanted.canonical.encode("utf-8", "replace")) <= KEY_BYTES:
        raise InputError("alias: empty or too long")
    entity, canonical = get_entity(connection, wanted.entity), clean_line(wanted.canonical)
    known = {row["canonical"] for row in aliases_of(connection, [wanted.entity])}
    if canonical in known:
        return {"same": True}
    seen = connection.scalar(text("SELECT first_seen FROM entity WHERE id = :id"), {"id": wanted.entity})
    change = note(connection, wanted, by, {"name": clean_line(wanted.display), "canonical": canonical,
                                           "first_seen": seen.isoformat() if seen else None})  # fmt: skip
    if not wanted.second_sign:
        values = {"change": change, "id": wanted.entity, "canonical": canonical}
        connection.execute(text(KEEP_CANDIDATES), values)
    give_name(
        connection, wanted.entity, canonical, wanted.display, EDITOR, needs_second_sign=wanted.second_sign
    )  # fmt: skip
    write_audit(connection, by.id, "alias", entity["slug"], {"id": wanted.entity, "name": canonical})
    return {"change": change}


def remove_alias(connection: Connection, wanted: NameChange, by: Person) -> Facts:
    """Take a name from ``entity``, with the mentions that only it matched; nobody has them then. Facts: mentions."""
    entity, canonical = get_entity(connection, wanted.entity), wanted.canonical
    family = family_of(connection, wanted.entity)
    names = aliases_of(connection, family)
    holders = [row for row in names if row["canonical"] == canonical]
    if not holders:
        raise InputError(f"{entity['slug']}: does not answer to {canonical!r}")
    for holder in holders:
        if len([row for row in names if row["entity_id"] == holder["entity_id"]]) < 2:
            raise InputError(
                f"{entity['slug']}: {holder['display']!r} is the only name of its entity; split it off or mute it"
            )
    shown = str(holders[0]["display"])
    change = note(connection, wanted, by, {"name": shown, "canonical": canonical, "aliases": holders})
    values = {"change": change, "family": family, "canonical": canonical}
    taken = connection.execute(text(KEEP_MENTIONS + BY_NAME), values).rowcount
    take_mentions(connection, family, canonical)
    drop_aliases(connection, family, canonical)
    rebuild_hours(connection, family)
    write_audit(connection, by.id, "unalias", entity["slug"], {"id": wanted.entity, "name": canonical})
    return {"change": change, "mentions": taken}


def mute(connection: Connection, wanted: NameChange, by: Person) -> Facts:
    """Leave ``entity`` out of boards, scores and alerts, or take it back in."""
    entity, muted = get_entity(connection, wanted.entity), wanted.action == "mute"
    if entity["muted"] == muted:
        return {"same": True}
    connection.execute(text("UPDATE entity SET muted = :muted WHERE id = :id"), {"muted": muted, "id": wanted.entity})
    change = note(connection, wanted, by, {"muted": entity["muted"]})
    write_audit(connection, by.id, wanted.action, entity["slug"], {"id": wanted.entity})
    return {"change": change}


def watch(connection: Connection, wanted: NameChange, by: Person) -> Facts:
    """Put ``entity`` on the desk's watchlist, or take it and what was merged into it off."""
    entity, family = get_entity(connection, wanted.entity), family_of(connection, wanted.entity)
    rows = connection.execute(
        text("SELECT entity_id, at, by_id, by_name FROM watch WHERE entity_id = ANY(:ids)"), {"ids": family}
    ).mappings().all()  # fmt: skip
    if bool(rows) == (wanted.action == "watch"):
        return {"same": True}
    if wanted.action == "watch":
        put_watch(connection, wanted.entity, datetime.now(UTC), by)
    else:
        connection.execute(text("DELETE FROM watch WHERE entity_id = ANY(:ids)"), {"ids": family})
    change = note(connection, wanted, by, {"rows": [{**row, "at": row["at"].isoformat()} for row in rows]})
    write_audit(connection, by.id, wanted.action, entity["slug"], {"id": wanted.entity})
    return {"change": change}


CHANGES: Mapping[str, Callable[[Connection, NameChange, Person], Facts]] = {
    "merge": merge, "unmerge": unmerge, "split": split, "alias": add_alias, "unalias": remove_alias, "mute": mute,
    "unmute": mute, "watch": watch, "unwatch": watch,
}  # fmt: skip


def note(connection: Connection, wanted: NameChange, by: Person, before: Mapping[str, Any]) -> int:
    """Keep what an undo needs; its number."""
    number: int = connection.execute(
        text("""INSERT INTO name_change (at, action, entity_id, by_id, by_name, before)
            VALUES (:at, :action, :id, :by_id, :by_name, CAST(:before AS jsonb)) RETURNING id"""),
        {"at": datetime.now(UTC), "action": wanted.action, "id": wanted.entity, "by_id": clean_line(by.id),
         "by_name": clean_line(by.name, 100), "before": json_dump(dict(before))},
    ).scalar_one()  # fmt: skip
    return number


def put_watch(connection: Connection, entity_id: int, at: datetime, by: Person) -> None:
    """One row of the watchlist."""
    connection.execute(
        text("""INSERT INTO watch (entity_id, at, by_id, by_name) VALUES (:id, :at, :by_id, :by_name)
            ON CONFLICT DO NOTHING"""),
        {"id": entity_id, "at": at, "by_id": clean_line(by.id), "by_name": clean_line(by.name, 100)},
    )  # fmt: skip


def get_entity(connection: Connection, entity_id: int, *, merged: bool = False) -> Facts:
    """An entity's row, locked; :class:`InputError` where there is none, or (without ``merged``) it was merged away."""
    row = connection.execute(text(f"{ENTITY} FOR UPDATE"), {"id": entity_id}).mappings().first()
    if row is None:
        raise InputError(f"no entity has the id {entity_id}")
    if row["merged_into"] is not None and not merged:
        raise InputError(f"{row['slug']}: is merged into another name; change that one")
    return {str(key): value for key, value in row.items()}


def aliases_of(connection: Connection, ids: Sequence[int]) -> list[Facts]:
    """The names of these entities: entity_id, canonical, display, needs_second_sign, origin."""
    return [dict(row) for row in connection.execute(text(ALIASES), {"ids": list(ids)}).mappings()]


def drop_aliases(connection: Connection, ids: Sequence[int], canonical: str) -> None:
    """None of these entities answers to the name any more."""
    connection.execute(
        text("DELETE FROM alias WHERE canonical = :canonical AND entity_id = ANY(:ids)"),
        {"canonical": canonical, "ids": list(ids)},
    )


def take_mentions(connection: Connection, family: Sequence[int], canonical: str) -> None:
    """Delete the mentions a name matched, and the hours from the first of them on, to be made again by the caller: after
    the mentions are gone nothing says how far back they reached."""
    values = {"family": list(family), "canonical": canonical}
    connection.execute(text(CLEAR_HOURS), values)
    connection.execute(text(f"DELETE FROM mention m WHERE {BY_NAME}"), values)  # noqa: S608 - our own condition


def _apart(connection: Connection, entity_id: int) -> None:
    connection.execute(text("UPDATE entity SET merged_into = NULL WHERE id = :id"), {"id": entity_id})


def _all_apart(connection: Connection, entity_id: int, merged: Sequence[int]) -> dict[int, int]:
    """Take those out of the family that still are in it; what each stood under."""
    parents: dict[int, int] = {}
    for other in merged:
        if other in family_of(connection, entity_id):
            parents[other] = int(get_entity(connection, other, merged=True)["merged_into"])
            _apart(connection, other)
    return parents


def _split_off(
    connection: Connection, wanted: NameChange, by: Person, entity: Facts, family: list[int], holders: list[Facts]
) -> tuple[int, int]:
    """The number of the change, and the new entity."""
    canonical, display = wanted.canonical, str(holders[0]["display"])
    values = {
        "slug": free_slug(connection, wanted.slug or canonical.replace(" ", "-")), "name": display,
        "kind": entity["kind"], "domain": entity["domain"], "origin": EDITOR, "first_seen": None,
        "at": datetime.now(UTC), "provenance": f'{{"split_from": {entity["id"]}}}',
    }  # fmt: skip
    new = make_entity(connection, values)
    change = note(connection, wanted, by, {"new": new, "name": display, "canonical": canonical, "aliases": holders})
    drop_aliases(connection, family, canonical)
    give_name(
        connection, new, canonical, display, EDITOR, needs_second_sign=bool(holders[0]["needs_second_sign"])
    )  # fmt: skip
    moving = {"change": change, "new": new, "family": family, "canonical": canonical}
    connection.execute(text(KEEP_MENTIONS + MOVED), moving)
    connection.execute(text(MOVE), moving)
    connection.execute(text(FIRST_SEEN), {"id": new})
    rebuild_hours(connection, [*family, new])
    return change, new
