"""What every part of the store stands on: the database, the order of locks, and the audit row every change by a person
leaves.

Locks are taken in one order, so that no two writers wait for each other: the key of ``once``; the names
(:func:`lock_names`); items and what hangs on them; cards and tease lines; alerts; deliveries. Whoever touches one row of a
kind only, or shares nothing with others, may leave out what comes before.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, text

from pipelines.store.bulk import json_dump
from pipelines.store.engine import Database


class Part:
    """One topic of the store; :class:`pipelines.store.store.Store` is all of them over one database."""

    def __init__(self, database: Database) -> None:
        self._db = database

    @property
    def schema(self) -> str:
        """The schema this store reads and writes: live, demo or replay."""
        return self._db.schema

    def merged(self) -> dict[int, int]:
        """For every entity that was merged away, the live entity it now stands under."""
        with self._db.reading() as connection:
            return merged_map(connection)

    def family(self, entity_id: int) -> list[int]:
        """``entity_id`` and the ids of all entities merged into it."""
        with self._db.reading() as connection:
            return family_of(connection, entity_id)


def merged_map(connection: Connection) -> dict[int, int]:
    """For every merged entity, the one at the end of its chain."""
    rows = connection.execute(text("SELECT id, merged_into FROM entity WHERE merged_into IS NOT NULL"))
    parent = {row[0]: row[1] for row in rows}
    return {child: _root(child, parent) for child in parent}


def _root(entity_id: int, parent: Mapping[int, int]) -> int:
    while entity_id in parent:
        entity_id = parent[entity_id]
    return entity_id


def family_of(connection: Connection, entity_id: int) -> list[int]:
    """``entity_id`` first, then the ids of all entities whose merge chain ends there."""
    return [entity_id, *sorted(child for child, root in merged_map(connection).items() if root == entity_id)]


def lock_names(connection: Connection, *, alone: bool) -> None:
    """Before any row is touched: from now to the commit nobody changes names (``alone``: nor stores what carries them).

    Saving a poll writes mentions, hours and an entity's first sight; changing a name moves mentions and hours. A writer
    that came to ``entity`` only after rows of these would wait for a change of names that waits for those rows.
    """
    mode = "SHARE ROW EXCLUSIVE" if alone else "ROW EXCLUSIVE"
    connection.execute(text(f"LOCK TABLE entity IN {mode} MODE"))


def write_audit(connection: Connection, actor: str, action: str, subject: str, detail: Mapping[str, Any]) -> None:
    """Note who changed what; part of the change's own transaction."""
    connection.execute(
        text("INSERT INTO audit (at, actor, action, subject, detail) "
             "VALUES (:at, :actor, :action, :subject, CAST(:detail AS jsonb))"),
        {"at": datetime.now(UTC), "actor": clean_line(actor), "action": action, "subject": clean_line(subject),
         "detail": json_dump(dict(detail))},
    )  # fmt: skip


def clean_line(value: str, limit: int = 500) -> str:
    """``value`` as PostgreSQL can keep it: no NUL, no lone surrogates, at most ``limit`` characters."""
    return value.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")[:limit]
