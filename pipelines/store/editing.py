"""What people change: merges, splits, names, muting. Every change leaves an audit row."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, text

from pipelines.errors import InputError
from pipelines.store.base import Part, clean_line, family_of, write_audit
from pipelines.store.bulk import KEY_BYTES
from pipelines.store.catalogue import free_slug, give_name, make_entity
from pipelines.store.hourly import rebuild_hours

EDITOR = "editor"
ENTITY = "SELECT id, slug, name, kind, domain, origin, muted, merged_into FROM entity WHERE id = :id"
MOVE = """UPDATE mention m SET entity_id = :new WHERE m.entity_id = ANY(:family) AND m.matched = :canonical
    AND NOT EXISTS (SELECT FROM mention o
        WHERE o.source = m.source AND o.item_id = m.item_id AND o.entity_id = :new)
    AND NOT EXISTS (SELECT FROM mention o WHERE o.source = m.source AND o.item_id = m.item_id
        AND o.entity_id = ANY(:family) AND o.matched = m.matched AND o.entity_id < m.entity_id)"""
FIRST_SEEN = """UPDATE entity SET first_seen = (SELECT min(at) FROM mention WHERE entity_id = :id)
    WHERE id = :id AND first_seen IS NULL"""


class Editing(Part):
    """Changes to entities. An unknown id or a change that makes no sense raises :class:`InputError`."""

    def merge(self, keep: int, gone: int, actor: str) -> None:
        """Let ``gone`` stand under ``keep`` from now on. Its names and mentions stay its own, so it can be undone."""
        with self._db.writing() as connection:
            kept, lost = get_entity(connection, keep), get_entity(connection, gone)
            if keep == gone or keep in family_of(connection, gone):
                raise InputError(f"{lost['slug']}: cannot be merged into itself or into a name that stands under it")
            connection.execute(
                text("UPDATE entity SET merged_into = :keep WHERE id = :gone"), {"keep": keep, "gone": gone}
            )
            connection.execute(text("DELETE FROM merge_suggestion WHERE (a, b) IN ((:a, :b), (:b, :a))"),
                               {"a": keep, "b": gone})  # fmt: skip
            write_audit(connection, actor, "merge", kept["slug"], {"keep": keep, "gone": gone, "name": lost["name"]})

    def unmerge(self, gone: int, actor: str) -> None:
        """Take ``gone`` out of the entity it was merged into, with all its names and mentions."""
        with self._db.writing() as connection:
            entity = get_entity(connection, gone, merged=True)
            if entity["merged_into"] is None:
                raise InputError(f"{entity['slug']}: is not merged into another name")
            connection.execute(text("UPDATE entity SET merged_into = NULL WHERE id = :id"), {"id": gone})
            write_audit(connection, actor, "unmerge", entity["slug"], {"id": gone, "from": entity["merged_into"]})

    def split(self, entity_id: int, canonical: str, actor: str, *, slug: str | None = None) -> int:
        """Take the name ``canonical`` away from an entity; the id of the entity that has it now.

        A name that came with a merge takes its whole entity with it (the merge is undone). Any other name becomes a
        new entity with the mentions that matched it. ``slug`` is for the new one, by default the name with hyphens.
        """
        with self._db.writing() as connection:
            entity = get_entity(connection, entity_id)
            family = family_of(connection, entity_id)
            names = connection.execute(
                text("SELECT entity_id, canonical, display, needs_second_sign FROM alias WHERE entity_id = ANY(:ids)"),
                {"ids": family},
            ).all()
            holders = [row for row in names if row.canonical == canonical]
            if not holders:
                raise InputError(f"{entity['slug']}: does not answer to {canonical!r}")
            merged = [row.entity_id for row in holders if row.entity_id != entity_id]
            if merged and len(merged) == len(holders):
                new: int = merged[0]
                connection.execute(text("UPDATE entity SET merged_into = NULL WHERE id = :id"), {"id": new})
            elif len({row.canonical for row in names if row.entity_id == entity_id}) < 2:
                raise InputError(f"{entity['slug']}: {canonical!r} is its only name; rename or mute it instead")
            else:
                new = _split_off(connection, entity, family, holders[0], slug)
            write_audit(connection, actor, "split", entity["slug"], {"from": entity_id, "name": canonical, "new": new})
            return new

    def mute(self, entity_id: int, actor: str, *, muted: bool = True) -> None:
        """Leave an entity out of boards, scores and alerts, or (``muted=False``) take it back in."""
        with self._db.writing() as connection:
            entity = get_entity(connection, entity_id)
            connection.execute(
                text("UPDATE entity SET muted = :muted WHERE id = :id"), {"muted": muted, "id": entity_id}
            )
            write_audit(connection, actor, "mute" if muted else "unmute", entity["slug"], {"id": entity_id})

    def add_alias(
        self, entity_id: int, canonical: str, display: str, actor: str, *, needs_second_sign: bool = False
    ) -> None:
        """Let an entity answer to one more name; candidate items that carry it become its mentions."""
        if not 1 <= len(canonical.encode("utf-8", "replace")) <= KEY_BYTES:
            raise InputError("alias: empty or too long")
        with self._db.writing() as connection:
            entity = get_entity(connection, entity_id)
            give_name(
                connection, entity_id, clean_line(canonical), display, EDITOR, needs_second_sign=needs_second_sign
            )
            write_audit(connection, actor, "alias", entity["slug"], {"id": entity_id, "name": canonical})


def get_entity(connection: Connection, entity_id: int, *, merged: bool = False) -> dict[str, Any]:
    """An entity's row; :class:`InputError` where there is none, or (without ``merged``) where it was merged away."""
    row = connection.execute(text(ENTITY), {"id": entity_id}).mappings().first()
    if row is None:
        raise InputError(f"no entity has the id {entity_id}")
    if row["merged_into"] is not None and not merged:
        raise InputError(f"{row['slug']}: is merged into another name; change that one")
    return {str(key): value for key, value in row.items()}


def _split_off(
    connection: Connection, entity: dict[str, Any], family: list[int], name: object, slug: str | None
) -> int:
    canonical, display = str(getattr(name, "canonical", "")), str(getattr(name, "display", ""))
    connection.execute(text("LOCK TABLE entity IN SHARE ROW EXCLUSIVE MODE"))
    values = {
        "slug": free_slug(connection, slug or canonical.replace(" ", "-")), "name": display, "kind": entity["kind"],
        "domain": entity["domain"], "origin": EDITOR, "first_seen": None, "at": datetime.now(UTC),
        "provenance": f'{{"split_from": {entity["id"]}}}',
    }  # fmt: skip
    new: int = make_entity(connection, values)
    connection.execute(
        text("DELETE FROM alias WHERE canonical = :canonical AND entity_id = ANY(:ids)"),
        {"canonical": canonical, "ids": family},
    )
    second = bool(getattr(name, "needs_second_sign", False))
    give_name(connection, new, canonical, display, EDITOR, needs_second_sign=second)
    connection.execute(text(MOVE), {"new": new, "family": family, "canonical": canonical})
    connection.execute(text(FIRST_SEEN), {"id": new})
    rebuild_hours(connection, [*family, new])
    return new
