"""Names as a person changes them on the page: each change once, with its number to undo it by; and the watchlist."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from pipelines.naming import NameChange
from pipelines.naming_past import NamesThen
from pipelines.people import Effect, Person
from pipelines.store import undoing
from pipelines.store.base import Part, clean_line, merged_map
from pipelines.store.bulk import json_dump
from pipelines.store.compliance import GONE
from pipelines.store.name_changes import make
from pipelines.store.people import first_time
from pipelines.view import NameRow, PastChange

NAMES = """SELECT a.canonical, a.display, a.needs_second_sign, a.entity_id, e.name,
        (SELECT count(*) FROM mention m WHERE m.entity_id = a.entity_id AND m.matched = a.canonical
            AND (CAST(:until AS timestamptz) IS NULL OR m.first_observed <= :until)) AS receipts
    FROM alias a JOIN entity e ON e.id = a.entity_id WHERE a.entity_id = ANY(:ids)
    ORDER BY a.entity_id <> :live, receipts DESC, a.display LIMIT :limit"""
COUNT = f"""SELECT count(DISTINCT (source, item_id)) FROM mention
    WHERE entity_id = ANY(:ids) AND item_id NOT LIKE '{GONE}%'
        AND (CAST(:canonical AS text) IS NULL OR matched = :canonical)"""  # noqa: S608 - our own
OWNERS = """SELECT DISTINCT coalesce(parent.name, e.name) FROM alias a JOIN entity e ON e.id = a.entity_id
    LEFT JOIN entity parent ON parent.id = e.merged_into WHERE a.canonical = :name ORDER BY 1 LIMIT 10"""
PAST = """SELECT id, at, action, entity_id, by_name, before->>'name' AS name, before->>'other_name' AS other, undone_at,
        undone_by
    FROM name_change WHERE entity_id = ANY(:ids) ORDER BY id DESC LIMIT :limit"""


class Names(Part):
    """Changes of names and what there is to say about them. ``ids`` are a family: an entity and what stands under it."""

    def change_name(self, wanted: NameChange, by: Person, now: datetime, once: str = "") -> Effect:
        """Do what ``wanted`` says, once for each key ``once`` of this person. Facts: change (the number to undo it by),
        and what the change made. Raises :class:`InputError` where it makes no sense."""
        return self._once(f"{wanted.action}:{wanted.entity}", by, now, once, lambda c: make(c, wanted, by))

    def undo_change(self, number: int, by: Person, now: datetime, once: str = "") -> Effect:
        """Put a change back as it was. Facts: change, action, entity. Raises :class:`NotFoundError`, and
        :class:`InputError` where what came after stands in its way."""
        return self._once(f"undo:{number}", by, now, once, lambda c: undoing.undo(c, number, by, now))

    def name_rows(
        self, ids: Sequence[int], limit: int = 500, *, then: NamesThen | None = None, until: datetime | None = None
    ) -> list[NameRow]:  # fmt: skip
        """The names of a family, its own first, then by receipts; ``then`` those it had, with the receipts ``until``."""
        values = {"ids": list(ids), "live": ids[0], "limit": limit, "until": until}
        with self._db.reading() as connection:
            rows = connection.execute(text(NAMES), values).all()
        named = [
            (row.entity_id, NameRow(row.canonical, row.display, int(row.receipts), row.needs_second_sign,
                                    "" if row.entity_id == ids[0] else row.name)) for row in rows
        ]  # fmt: skip
        return [row for _, row in named] if then is None else then.names(named, ids)

    def receipt_count(self, ids: Sequence[int], canonical: str | None = None) -> int:
        """How many receipts a family has, or has by one of its names."""
        with self._db.reading() as connection:
            return int(connection.scalar(text(COUNT), {"ids": list(ids), "canonical": canonical}) or 0)

    def name_outlook(self, canonical: str) -> tuple[int, list[str]]:
        """How many items wait for somebody to answer to that name, and the names of those who do."""
        with self._db.reading() as connection:
            waiting = connection.scalar(
                text("SELECT count(*) FROM candidate WHERE canonical = :name"), {"name": canonical}
            )
            owners = connection.execute(text(OWNERS), {"name": canonical}).scalars().all()
        return int(waiting or 0), list(owners)

    def past_changes(self, ids: Sequence[int], limit: int = 8) -> list[PastChange]:
        """What was changed about the names of a family, newest first."""
        with self._db.reading() as connection:
            rows = connection.execute(text(PAST), {"ids": list(ids), "limit": limit}).all()
        return [
            PastChange(row.id, row.at, row.action, row.entity_id, row.by_name, row.name or "", row.other or "",
                       row.undone_at, row.undone_by) for row in rows
        ]  # fmt: skip

    def watched(self) -> frozenset[int]:
        """The live entities on the desk's watchlist; a merged one stands for what it was merged into."""
        with self._db.reading() as connection:
            ids = list(connection.execute(text("SELECT entity_id FROM watch")).scalars())
            roots = merged_map(connection) if ids else {}
        return frozenset(roots.get(key, key) for key in ids)

    def _once(self, what: str, by: Person, now: datetime, once: str, change: Any) -> Effect:
        key = clean_line(f"name:{what}:{by.id}:{once}") if once else ""
        with self._db.writing() as connection:
            if key and not first_time(connection, key, now):
                found = connection.scalar(text("SELECT result FROM once WHERE key = :key"), {"key": key})
                return Effect(dict(found or {}), repeated=True)
            facts: dict[str, Any] = change(connection)
            _keep(connection, key, facts)
        same = facts.pop("same", False)
        return Effect(facts, repeated=same)


def _keep(connection: Connection, key: str, facts: dict[str, Any]) -> None:
    if key:
        values = {"key": key, "result": json_dump(facts)}
        connection.execute(text("UPDATE once SET result = CAST(:result AS jsonb) WHERE key = :key"), values)
