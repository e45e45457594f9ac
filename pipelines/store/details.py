"""What an entity page asks: the entity, its receipts, timeline, co-mentions; and search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text

from pipelines.naming_past import NamesThen
from pipelines.store.base import Part, merged_map
from pipelines.store.compliance import GONE
from pipelines.store.hourly import EVENT_W, EVENTS, LEVEL_W
from pipelines.view import RECEIPT_ORDERS, ReceiptOrder

UNTIL = "CAST(:until AS timestamptz)"
SEEN_AT = f"""CASE WHEN {UNTIL} IS NULL OR i.last_observed <= :until THEN i.last_observed ELSE coalesce(
    (SELECT max(s.seen_at) FROM sighting s WHERE s.source = i.source AND s.item_id = i.item_id AND s.seen_at <= :until),
    i.first_observed) END"""  # noqa: S608  # our own expression
RECEIPT_TIME = f"CASE WHEN k.kind = 'level' THEN {SEEN_AT} ELSE m.at END"
RECEIPTS = f"""SELECT DISTINCT ON (m.source, m.item_id) m.source, m.item_id, m.matched, i.last_observed,
        {RECEIPT_TIME} AS at, coalesce(i.engagement, '-Infinity') AS size
    FROM mention m JOIN item i ON i.source = m.source AND i.item_id = m.item_id
    LEFT JOIN source_kind k ON k.source = i.source
    WHERE m.entity_id = ANY(:ids) AND (CAST(:source AS text) IS NULL OR m.source = :source)
        AND i.item_id NOT LIKE '{GONE}%' AND ({UNTIL} IS NULL OR i.first_observed <= :until)
        AND (CAST(:hour AS timestamptz) IS NULL OR CASE WHEN k.kind = 'level'
            THEN EXISTS (SELECT FROM sighting s WHERE s.source = i.source AND s.item_id = i.item_id
                AND ({UNTIL} IS NULL OR s.seen_at <= :until)
                AND s.seen_at >= :hour AND s.seen_at < CAST(:hour AS timestamptz) + interval '1 hour')
            ELSE m.at >= :hour AND m.at < CAST(:hour AS timestamptz) + interval '1 hour' END)
    ORDER BY m.source, m.item_id, m.entity_id"""  # noqa: S608  # our own expression


def _page(order: ReceiptOrder) -> str:
    """The SQL of one page in that order. Only keys are sorted; what is shown is fetched for the rows of the page."""
    keys = ("size", "at", "source", "item_id") if order == "engagement" else ("at", "source", "item_id")
    last = ", ".join(f":last_{key}" for key in keys)
    beyond, way = (">", "ASC") if order == "oldest" else ("<", "DESC")
    return f"""WITH found AS MATERIALIZED ({RECEIPTS}),
    page AS (SELECT * FROM found
        WHERE CAST(:last_at AS timestamptz) IS NULL OR ({", ".join(keys)}) {beyond} ({last})
        ORDER BY {", ".join(f"{key} {way}" for key in keys)} LIMIT :limit)
    SELECT i.source, i.feed, i.item_id, i.title, i.url, i.published_at, {SEEN_AT} AS observed_at, i.engagement,
        i.sentiment, page.matched, page.at, page.size, (SELECT count(*) FROM found) AS total,
        (SELECT max(last_observed) FROM found) AS newest
    FROM page JOIN item i ON i.source = page.source AND i.item_id = page.item_id
    ORDER BY {", ".join(f"page.{key} {way}" for key in keys)}"""  # noqa: S608  # our own


PAGES: Mapping[ReceiptOrder, str] = {order: _page(order) for order in RECEIPT_ORDERS}
TOGETHER = """SELECT o.entity_id, count(*) AS n FROM mention m
    JOIN item i ON i.source = m.source AND i.item_id = m.item_id AND i.last_observed > :since
    JOIN mention o ON o.source = m.source AND o.item_id = m.item_id AND o.entity_id <> ALL(:ids)
    WHERE m.entity_id = ANY(:ids)
        AND (CAST(:until AS timestamptz) IS NULL OR (m.at <= :until AND i.first_observed <= :until))
    GROUP BY 1 ORDER BY n DESC LIMIT 200"""
SO_FAR = f"""SELECT source, CAST(:hour AS timestamptz) AS hour, sum(volume) AS volume, sum(mentions)::int AS mentions FROM (
        SELECT m.source, sum({EVENT_W}) AS volume, count(*) AS mentions
        FROM mention m JOIN item i ON i.source = m.source AND i.item_id = m.item_id
        WHERE m.entity_id = ANY(:ids) AND m.source IN {EVENTS} AND m.at >= :hour AND m.at <= :until
            AND i.first_observed <= :until GROUP BY 1
        UNION ALL
        SELECT m.source, max({LEVEL_W}), count(DISTINCT (m.entity_id, s.item_id))
        FROM mention m JOIN sighting s ON s.source = m.source AND s.item_id = m.item_id
        WHERE m.entity_id = ANY(:ids) AND s.seen_at >= :hour AND s.seen_at <= :until GROUP BY 1) AS part
    GROUP BY 1"""  # noqa: S608  # our own expressions
SEARCH = """SELECT DISTINCT ON (a.entity_id) a.entity_id, a.canonical = :exact AS same,
        a.canonical LIKE :starts AS starts, length(a.canonical) AS size
    FROM alias a WHERE a.canonical LIKE :inside
    ORDER BY a.entity_id, (a.canonical = :exact) DESC, (a.canonical LIKE :starts) DESC, length(a.canonical)"""
BRIEF_THEN = "SELECT id, slug, name, kind, domain, muted FROM entity WHERE id = ANY(:ids)"
BRIEF = f"{BRIEF_THEN} AND merged_into IS NULL"
MAX_FOUND = 2_000


class Details(Part):
    """Reads about single entities. ``ids`` are a family: an entity and what was merged into it."""

    def entity_row(self, entity_id: int) -> dict[str, Any] | None:
        """An entity's own columns."""
        with self._db.reading() as connection:
            row = connection.execute(text("SELECT * FROM entity WHERE id = :id"), {"id": entity_id}).mappings().first()
        return None if row is None else dict(row)

    def receipt_rows(
        self,
        ids: Sequence[int],
        *,
        source: str | None = None,
        hour: datetime | None = None,
        after: tuple[datetime, str, str, float] | None = None,
        limit: int = 50,
        until: datetime | None = None,
        order: ReceiptOrder = "newest",
    ) -> tuple[list[dict[str, Any]], int]:
        """Items that name the family in ``order``, then by time, source and id, and how many there are in all.

        ``at`` is publication for event sources and the last sighting for level sources; ``size`` the engagement, minus
        infinity where there is none. ``after`` is the (at, source, item_id, size) of the last row already seen. With
        ``until`` only what had been seen by then; engagement is as last seen. Every row carries ``newest``, the latest
        sighting among all: as the next page's ``until`` it holds the order still.
        """
        at, last_source, last_item, size = after or (None, "", "", 0.0)
        values: dict[str, Any] = {"ids": list(ids), "source": source, "hour": hour, "last_at": at, "last_source": last_source,
                                  "last_item_id": last_item, "limit": limit, "until": until}  # fmt: skip
        if order == "engagement":
            values["last_size"] = size
        with self._db.reading() as connection:
            rows = connection.execute(text(PAGES[order]), values).mappings().all()
        return [dict(row) for row in rows], int(rows[0]["total"]) if rows else 0

    def hourly_rows(self, ids: Sequence[int], since: datetime, until: datetime) -> list[dict[str, Any]]:
        """Volume and mentions per source and hour of the family, ``since <= hour <= until``.

        Where two of a family share an hour, volumes of level sources take the larger and those of event sources add.
        """
        statement = text("""SELECT h.source, h.hour, CASE WHEN max(k.kind) = 'level' THEN max(h.volume)
                ELSE sum(h.volume) END AS volume, sum(h.mentions)::int AS mentions
            FROM hourly h LEFT JOIN source_kind k ON k.source = h.source
            WHERE h.entity_id = ANY(:ids) AND h.hour >= :since AND h.hour <= :until GROUP BY 1, 2""")
        with self._db.reading() as connection:
            rows = connection.execute(statement, {"ids": list(ids), "since": since, "until": until}).mappings().all()
        return [dict(row) for row in rows]

    def hour_so_far(self, ids: Sequence[int], hour: datetime, until: datetime) -> list[dict[str, Any]]:
        """Rows as of :meth:`hourly_rows` for the one hour that was running at ``until``, from what had been seen by then.

        Nothing where its items are no longer kept. Engagement of event sources is as last seen.
        """
        with self._db.reading() as connection:
            rows = connection.execute(text(SO_FAR), {"ids": list(ids), "hour": hour, "until": until}).mappings().all()
        return [dict(row) for row in rows]

    def together(
        self, ids: Sequence[int], since: datetime, limit: int = 10, until: datetime | None = None,
        then: NamesThen | None = None,
    ) -> list[tuple[int, int]]:  # fmt: skip
        """Live entities (``then``: as they stood) named in the same items since then (items seen by ``until``), with the
        number of items, most first."""
        with self._db.reading() as connection:
            merged = merged_map(connection) if then is None else then.roots
            rows = connection.execute(text(TOGETHER), {"ids": list(ids), "since": since, "until": until}).all()
            counts: dict[int, int] = {}
            for entity_id, n in rows:
                root = merged.get(entity_id, entity_id)
                counts[root] = counts.get(root, 0) + n
        live = {key for key, row in self.briefs(list(counts), then).items() if not row["muted"]}
        ranked = sorted(((n, root) for root, n in counts.items() if root in live), key=lambda pair: (-pair[0], pair[1]))
        return [(root, n) for n, root in ranked[:limit]]

    def briefs(self, ids: Sequence[int], then: NamesThen | None = None) -> dict[int, dict[str, Any]]:
        """id, slug, name, kind, domain and muted of live entities; ``then``: of those that stood for themselves."""
        with self._db.reading() as connection:
            statement = text(BRIEF if then is None else BRIEF_THEN)
            rows = [dict(row) for row in connection.execute(statement, {"ids": list(ids)}).mappings()]
        if then is not None:
            rows = [then.told(row) for row in rows if then.root(row["id"]) == row["id"]]
        return {row["id"]: row for row in rows}

    def evidence_rows(self, ids: Sequence[int]) -> list[dict[str, Any]]:
        """What speaks for which domain, heaviest first."""
        statement = text("""SELECT kind, domain, weight, detail, at FROM domain_evidence WHERE entity_id = ANY(:ids)
            ORDER BY weight DESC, kind, domain""")
        with self._db.reading() as connection:
            return [dict(row) for row in connection.execute(statement, {"ids": list(ids)}).mappings()]

    def suggestion_rows(self, ids: Sequence[int]) -> list[tuple[int, float, str]]:
        """Entities that may be the same as this family: id, likeness (0 to 100), reason."""
        statement = text("""SELECT CASE WHEN a = ANY(:ids) THEN b ELSE a END AS other, score, reason
            FROM merge_suggestion WHERE (a = ANY(:ids)) <> (b = ANY(:ids)) ORDER BY score DESC""")
        with self._db.reading() as connection:
            merged = merged_map(connection)
            rows = connection.execute(statement, {"ids": list(ids)}).all()
        return [(merged.get(other, other), score, reason) for other, score, reason in rows]

    def search_names(self, canonical: str, limit: int = 20) -> list[int]:
        """Live entities with a name that contains ``canonical``: the same name first, then those that start with it."""
        escaped = canonical.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")
        values = {"exact": canonical, "starts": f"{escaped}%", "inside": f"%{escaped}%"}
        with self._db.reading() as connection:
            merged = merged_map(connection)
            statement = text(f"SELECT * FROM ({SEARCH}) AS hit ORDER BY same DESC, starts DESC, size LIMIT :most")  # noqa: S608  # our own
            rows = connection.execute(statement, {**values, "most": MAX_FOUND}).all()
        return list(dict.fromkeys(merged.get(row.entity_id, row.entity_id) for row in rows))[:limit]

    def watched_hours(self, sources: Sequence[str], until: datetime, hours: int = 168) -> int:
        """In how many of the last ``hours`` clock hours at least one of ``sources`` was looked at."""
        statement = text("""SELECT count(DISTINCT hour) FROM coverage
            WHERE source = ANY(:sources) AND hour > :since AND hour <= :until""")
        values = {"sources": list(sources), "since": until - timedelta(hours=hours), "until": until}
        with self._db.reading() as connection:
            return int(connection.execute(statement, values).scalar_one())
