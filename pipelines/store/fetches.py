"""The fetch audit as health and audit pages ask for it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import text

from pipelines.store.base import Part
from pipelines.store.engine import as_utc

SUCCESS = "outcome IN ('ok', 'not_modified', 'cache_hit')"
ANSWERED = "outcome IN ('ok', 'not_modified')"
"""The upstream itself was asked: what an age on a page counts from."""
UP_TO_NOW = "s.source = k.source AND s.at <= :now"
LATEST = "ORDER BY s.at DESC LIMIT 1"
LAST_FETCHES = f"""SELECT k.source, p.at, p.outcome, p.items, p.detail, p.retry_after_s, p.feeds, p.http_status,
        ok.at AS success_at, filled.items AS success_items, bad.at AS bad_since,
        (SELECT count(*) FROM poll e WHERE e.source = k.source AND e.at <= :now
            AND e.at > coalesce(other.at, '-infinity')) AS empties
    FROM source_kind k
    JOIN LATERAL (SELECT * FROM poll s WHERE {UP_TO_NOW} {LATEST}) p ON true
    LEFT JOIN LATERAL (SELECT s.at FROM poll s WHERE {UP_TO_NOW} AND s.{ANSWERED} {LATEST}) ok ON true
    LEFT JOIN LATERAL (SELECT s.items FROM poll s WHERE {UP_TO_NOW} AND s.items > 0 {LATEST}) filled ON true
    LEFT JOIN LATERAL (SELECT s.at FROM poll s WHERE {UP_TO_NOW} AND s.outcome <> 'empty' {LATEST}) other ON true
    LEFT JOIN LATERAL (SELECT s.at FROM poll s WHERE {UP_TO_NOW} AND s.at > coalesce(ok.at, '-infinity')
        AND s.outcome <> 'cache_hit' ORDER BY s.at LIMIT 1) bad ON true"""  # noqa: S608  # our own expressions
"""Each part is a short walk along the index on source and time, however many polls there are."""
STATS = f"""SELECT source, count(*) AS asked, count(*) FILTER (WHERE {SUCCESS}) AS delivered,
        avg(items) FILTER (WHERE outcome = 'ok') AS items_per_poll,
        percentile_cont(0.95) WITHIN GROUP (ORDER BY ms) FILTER (WHERE outcome NOT IN ('breaker_open', 'cache_hit')) AS p95_ms
    FROM poll WHERE at > :since AND at <= :now
        AND outcome NOT IN ('not_configured', 'skipped', 'paused', 'bucket_empty') GROUP BY source"""  # noqa: S608  # our own
AUDIT = """SELECT id, source, at, outcome, items, new_items, rejected, requests, http_status, bytes, ms, detail,
        covered_from, retry_after_s, feeds, kind, request_id
    FROM poll WHERE (CAST(:source AS text) IS NULL OR source = :source)
        AND (CAST(:outcome AS text) IS NULL OR outcome = :outcome)
        AND (CAST(:at AS timestamptz) IS NULL OR (at, id) < (:at, :id))
    ORDER BY at DESC, id DESC LIMIT :limit"""


class Fetches(Part):
    """Reads what became of the polls."""

    def last_fetches(self, now: datetime) -> dict[str, dict[str, Any]]:
        """Each source's latest poll up to ``now`` with its last success, empties in a row, and since when it fails."""
        with self._db.reading() as connection:
            rows = connection.execute(text(LAST_FETCHES), {"now": as_utc(now)}).mappings().all()
        return {row["source"]: dict(row) for row in rows}

    def fetch_stats(self, since: datetime, now: datetime) -> dict[str, dict[str, Any]]:
        """What each source's polls in ``(since, now]`` add up to: asked, delivered, items_per_poll, p95_ms."""
        with self._db.reading() as connection:
            rows = connection.execute(text(STATS), {"since": as_utc(since), "now": as_utc(now)}).mappings().all()
        return {row["source"]: dict(row) for row in rows}

    def last_attempts(self, now: datetime) -> dict[str, datetime]:
        """When each source was last asked, up to ``now``."""
        statement = text("SELECT source, max(at) FROM poll WHERE at <= :now GROUP BY source")
        with self._db.reading() as connection:
            return {row[0]: row[1] for row in connection.execute(statement, {"now": as_utc(now)})}

    def fetch_rows(
        self, source: str | None, outcome: str | None, after: tuple[datetime, int] | None, limit: int
    ) -> list[dict[str, Any]]:
        """Polls, newest first; ``after`` is the (at, id) of the last one already seen."""
        at, number = after or (None, 0)
        values = {"source": source, "outcome": outcome, "at": at, "id": number, "limit": limit}
        with self._db.reading() as connection:
            return [dict(row) for row in connection.execute(text(AUDIT), values).mappings()]
