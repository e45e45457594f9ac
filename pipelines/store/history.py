"""What was changed about names since an instant, to read a past board with the names it had."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, text

from pipelines.naming_past import DomainChange, MadeChange, NamesThen, names_then
from pipelines.store.base import Part

CHANGED = """SELECT id, at, action, entity_id, before, undone_at FROM name_change
    WHERE at > :since OR undone_at > :since"""
CORRECTED = """SELECT a.id, e.id AS entity, a.detail ->> 'from' AS was FROM audit a JOIN entity e ON e.slug = a.subject
    WHERE a.at > :since AND a.action = 'domain' AND a.detail ->> 'from' IS NOT NULL"""
SPOKEN_OF = """SELECT DISTINCT a.entity_id, a.canonical FROM name_change c
    JOIN alias a ON a.canonical = c.before ->> 'canonical' WHERE c.at > :since OR c.undone_at > :since"""


class History(Part):
    """How names stood in the past."""

    def names_then(self, since: datetime) -> NamesThen:
        """Names as they stood at ``since``, by the machine's clock (a scoring poll's ``stored_at``)."""
        with self._db.reading() as connection:
            parents = connection.execute(text("SELECT id, merged_into FROM entity WHERE merged_into IS NOT NULL")).all()
            watched = connection.execute(text("SELECT entity_id FROM watch")).scalars().all()
            changes = connection.execute(text(CHANGED), {"since": since}).all()
            corrected = connection.execute(text(CORRECTED), {"since": since}).all()
            names = _pairs(connection, since) if changes else []
        return names_then(
            {row[0]: row[1] for row in parents}, watched, names, [MadeChange(*row) for row in changes],
            [DomainChange(*row) for row in corrected], since,
        )  # fmt: skip

    def entity_of(self, slug: str) -> int | None:
        """The entity of that slug itself, wherever it stands today."""
        with self._db.reading() as connection:
            found: int | None = connection.scalar(text("SELECT id FROM entity WHERE slug = :slug"), {"slug": slug})
        return found


def _pairs(connection: Connection, since: datetime) -> list[tuple[int, str]]:
    """The names of today that the changes since may have touched, with their entities."""
    return [(row[0], row[1]) for row in connection.execute(text(SPOKEN_OF), {"since": since})]
