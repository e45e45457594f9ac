"""Forgetting what its author took back: texts, links and ids go, the bare count stays (Reddit's rules: within 48 h)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from sqlalchemy import Connection, text

from pipelines.store.base import Part, lock_names, write_audit
from pipelines.store.engine import as_utc

GONE = "gone:"
"""How the id of a forgotten item begins; what follows is a one-way digest that ties nothing to the post."""

DELETED = "A post deleted by its author"
NEW_ID = f"'{GONE}' || encode(sha256(convert_to(t.source || chr(31) || t.item_id || :salt, 'UTF8')), 'hex')"
ONE = "source = :source AND item_id = ANY(:ids)"
BLANK = """UPDATE item SET feed = '', title = '', url = NULL, names = '[]', context = NULL, sentiment = NULL
    WHERE source = :source AND item_id = ANY(:ids)"""
RECEIPTS = """UPDATE alert a SET version = a.version + 1, payload = jsonb_set(a.payload - 'package', '{receipts}',
        (SELECT coalesce(jsonb_agg(CASE WHEN r->>'source' = :source AND r->>'item_id' = ANY(:ids)
            THEN r || jsonb_build_object('title', CAST(:deleted AS text), 'url', NULL, 'item_id', '', 'feed', '')
            ELSE r END ORDER BY n), '[]') FROM jsonb_array_elements(a.payload->'receipts') WITH ORDINALITY AS x(r, n)))
        || jsonb_build_object('package_note', CAST(:note AS text))
    WHERE jsonb_typeof(a.payload->'receipts') = 'array' AND (EXISTS (SELECT FROM
        jsonb_array_elements(a.payload->'receipts') r WHERE r->>'source' = :source AND r->>'item_id' = ANY(:ids))
        OR EXISTS (SELECT FROM unnest(CAST(:quoted AS text[])) q WHERE strpos(a.payload->>'package', q) > 0))"""
CASES = """UPDATE entity e SET provenance = jsonb_set(e.provenance, '{items}', (SELECT coalesce(jsonb_agg(i), '[]')
        FROM jsonb_array_elements(e.provenance->'items') i
        WHERE NOT (i->>'source' = :source AND i->>'item_id' = ANY(:ids))))
    WHERE jsonb_typeof(e.provenance->'items') = 'array' AND EXISTS (SELECT FROM
        jsonb_array_elements(e.provenance->'items') i WHERE i->>'source' = :source AND i->>'item_id' = ANY(:ids))"""
NOTE = "Texts that quoted a post its author deleted were taken back."


class Compliance(Part):
    """Walks the stored items of a source, and forgets some of them."""

    def count_items(self, source: str) -> int:
        """How many items of ``source`` still carry their text."""
        query = f"SELECT count(*) FROM item WHERE source = :source AND item_id NOT LIKE '{GONE}%'"  # noqa: S608 - our own
        with self._db.reading() as connection:
            return int(connection.scalar(text(query), {"source": source}) or 0)

    def item_ids(self, source: str, after: str, limit: int) -> list[str]:
        """Ids of ``source`` that still carry their text, in their own order, beyond ``after``."""
        query = text(f"""SELECT item_id FROM item WHERE source = :source AND item_id > :after
            AND item_id NOT LIKE '{GONE}%' ORDER BY item_id LIMIT :limit""")  # noqa: S608 - our own
        with self._db.reading() as connection:
            return list(connection.execute(query, {"source": source, "after": after, "limit": limit}).scalars())

    def item_days(self, source: str, ids: Sequence[str]) -> tuple[date, ...]:
        """The UTC days from the first to the last on which any of these items was observed."""
        query = text(f"SELECT min(first_observed), max(last_observed) FROM item WHERE {ONE}")  # noqa: S608 - our own
        with self._db.reading() as connection:
            first, last = connection.execute(query, {"source": source, "ids": list(ids)}).one()
        if first is None:
            return ()
        span = range(as_utc(first).toordinal(), as_utc(last).toordinal() + 1)
        return tuple(date.fromordinal(number) for number in span)

    def forget_items(self, source: str, ids: Sequence[str], actor: str) -> int:
        """Take title, link, id and every quotation of these items away; how many there were. What was counted stays counted.

        Alerts that quoted one lose its text and their package. Leaves an audit row with the number, not the ids.
        """
        with self._db.writing() as connection:
            lock_names(connection, alone=True)
            values = {"source": source, "ids": list(ids), "deleted": DELETED, "note": NOTE}
            query = text(f"SELECT item_id FROM item WHERE {ONE} FOR UPDATE")  # noqa: S608 - our own
            known = list(connection.execute(query, values).scalars())
            if not known:
                return 0
            values["quoted"] = [f"{source}:{item_id}" for item_id in known]
            for statement in (BLANK, RECEIPTS, CASES):
                connection.execute(text(statement), values)
            for table in ("candidate", "change_item"):
                connection.execute(text(f"DELETE FROM {table} WHERE {ONE}"), values)  # noqa: S608 - our own
            _rename(connection, source, known)
            write_audit(connection, actor, "forget", f"{source} items", {"items": len(known)})
        return len(known)


def _rename(connection: Connection, source: str, ids: list[str]) -> None:
    salt = connection.scalar(text("SELECT gen_random_uuid()::text"))
    values = {"source": source, "ids": ids, "salt": salt}
    for table in ("item", "sighting", "mention"):
        connection.execute(text(f"UPDATE {table} t SET item_id = {NEW_ID} WHERE {ONE}"), values)  # noqa: S608 - our own
