"""What packages and research packs are made from, and the packages themselves: evidence as of an instant, and the
writer's version of an alert's package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import text

from pipelines.store.base import Part, clean_line
from pipelines.store.bulk import json_dump

ORDERS = {"size": "engagement DESC NULLS LAST, at DESC, item_id DESC", "time": "at DESC, item_id DESC"}
EVIDENCE = """SELECT DISTINCT ON (i.source, i.item_id) i.source, i.feed, i.item_id, i.title, i.url, i.published_at,
        LEAST(i.last_observed, :until) AS observed_at, i.engagement, i.sentiment, m.matched,
        CASE WHEN k.kind = 'level' THEN LEAST(i.last_observed, :until) ELSE m.at END AS at
    FROM mention m JOIN item i ON i.source = m.source AND i.item_id = m.item_id
    LEFT JOIN source_kind k ON k.source = i.source
    WHERE m.entity_id = ANY(:ids) AND i.first_observed <= :until AND CASE WHEN k.kind = 'level'
        THEN i.last_observed > CAST(:since AS timestamptz)
        ELSE m.at <= :until
            AND m.at > CASE WHEN m.source = 'trades' THEN CAST(:trades AS timestamptz) ELSE :since END END
    ORDER BY i.source, i.item_id, m.entity_id"""
WAITING = """SELECT a.*, e.slug FROM alert a LEFT JOIN entity e ON e.id = a.entity_id
    WHERE a.at > :since AND jsonb_typeof(a.payload->'package') = 'object' AND NOT a.payload ? 'writer'
    ORDER BY a.id DESC LIMIT :limit"""
WRITE = """UPDATE alert SET payload = payload || CAST(:change AS jsonb), version = version + :shown
    WHERE id = :id AND NOT payload ? 'writer'"""


class Packages(Part):
    """Evidence about a family (an entity and what was merged into it) as it stood at an instant, and packages."""

    def evidence(
        self, ids: Sequence[int], *, since: datetime, trades_since: datetime, until: datetime, most: int,
        newest: bool = False,
    ) -> tuple[list[dict[str, Any]], dict[str, int]]:  # fmt: skip
        """Items that name the family in ``(since, until]`` (trade items from ``trades_since``) that were known at
        ``until``: at most ``most`` of each source, the largest or the newest first, and how many each source has in all.

        ``at`` is publication for event sources and the last sighting for level sources; engagement is as last seen.
        """
        order = ORDERS["time" if newest else "size"]
        query = text(f"""SELECT * FROM (
                SELECT found.*, row_number() OVER (PARTITION BY source ORDER BY {order}) AS place,
                    count(*) OVER (PARTITION BY source) AS total
                FROM ({EVIDENCE}) AS found) AS ranked
            WHERE place <= :most ORDER BY source, place""")  # noqa: S608  # our own
        values = {"ids": list(ids), "since": since, "trades": trades_since, "until": until, "most": most}
        with self._db.reading() as connection:
            rows = [dict(row) for row in connection.execute(query, values).mappings()]
        return rows, {row["source"]: int(row["total"]) for row in rows}

    def packages_waiting(self, since: datetime, limit: int = 1) -> list[dict[str, Any]]:
        """Alerts after ``since`` whose package no writer was asked about yet, the newest first."""
        with self._db.reading() as connection:
            rows = connection.execute(text(WAITING), {"since": since, "limit": limit}).mappings()
            return [dict(row) for row in rows]

    def save_rewritten(
        self, alert_id: int, package: Mapping[str, Any], writer: Mapping[str, Any], *, shown: bool
    ) -> bool:  # fmt: skip
        """Keep what a writer made of an alert's package, once; ``shown``: there is something new to show, so what
        shows the alert is to be refreshed. ``writer`` says what it did. False where another was faster."""
        change = {"package": dict(package), "writer": {key: _line(value) for key, value in writer.items()}}
        values = {"id": alert_id, "change": json_dump(change), "shown": int(shown)}
        with self._db.writing() as connection:
            return connection.execute(text(WRITE), values).rowcount == 1


def _line(value: object) -> object:
    return clean_line(value) if isinstance(value, str) else value
