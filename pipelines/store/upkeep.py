"""What keeps the store small, and what adapters remember."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import text

from pipelines.settings_sections import Retention
from pipelines.store.base import Part, clean_line
from pipelines.store.bulk import json_dump
from pipelines.store.engine import Database, as_utc
from pipelines.store.hourly import PRUNED

CANDIDATE_DAYS = 8
"""Discovery looks back 7 days."""
ONCE_DAYS = 2
"""Longer than any client repeats a request."""

NOTE_PRUNED = """INSERT INTO source_state (key, value, updated_at) VALUES (:key, CAST(:value AS jsonb), now())
    ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at
    WHERE CAST(source_state.value->>'before' AS timestamptz) < CAST(excluded.value->>'before' AS timestamptz)"""
PRUNE = (
    ("sighting", "DELETE FROM sighting WHERE seen_at < :mentions"),
    ("mention", """DELETE FROM mention m USING item i WHERE i.source = m.source AND i.item_id = m.item_id
        AND i.last_observed < :mentions"""),
    ("candidate", """DELETE FROM candidate WHERE last_at < :candidates"""),
    ("item", "DELETE FROM item WHERE last_observed < :mentions"),
    ("change_item", """DELETE FROM change_item c WHERE NOT EXISTS (SELECT FROM item i
        WHERE i.source = c.source AND i.item_id = c.item_id)"""),
    ("hourly", "DELETE FROM hourly WHERE hour < :hourly"),
    ("score_hour", "DELETE FROM score_hour WHERE hour < :hourly"),
    ("coverage", "DELETE FROM coverage WHERE hour < :hourly"),
    ("score", "DELETE FROM score WHERE poll_id IN (SELECT id FROM score_poll WHERE at < :scores)"),
    ("score_poll", "DELETE FROM score_poll WHERE at < :scores"),
    ("decision", "DELETE FROM decision WHERE at < :scores"),
    *((table, f"DELETE FROM {table} t USING alert a WHERE a.id = t.alert_id AND a.at < :alerts")  # noqa: S608  # our own
      for table in ("delivery", "assignment", "card", "promo", "vote", "backcheck")),
    ("alert", "DELETE FROM alert WHERE at < :alerts"),
    ("kpi_day", "DELETE FROM kpi_day WHERE day < CAST(:alerts AS date)"),
    ("once", "DELETE FROM once WHERE at < :once"),
    ("poll", """DELETE FROM poll p WHERE at < :audit
        AND EXISTS (SELECT FROM poll later WHERE later.source = p.source AND later.at > p.at)"""),
)  # fmt: skip
"""What goes, in the order of who needs whom. A source's last poll stays: it says when the source was last heard of."""


class Upkeep(Part):
    """Retention, and the adapters' memory."""

    def prune(self, now: datetime, retention: Retention) -> dict[str, int]:
        """Delete what is older than it is kept (``heatmap db prune``); the rows gone per table.

        Tables that this database user may only add to are left alone: see :meth:`append_only`.
        """
        edges = {
            "mentions": retention.mentions_days, "hourly": retention.hourly_days, "scores": retention.scores_days,
            "audit": retention.audit_days, "alerts": retention.alerts_days, "candidates": CANDIDATE_DAYS,
        }  # fmt: skip
        times = {name: as_utc(now) - timedelta(days=days) for name, days in edges.items()}
        # a click is a matter of the machine's time, whatever a demo's clock says
        times["once"] = datetime.now(UTC) - timedelta(days=ONCE_DAYS)
        gone = {}
        only_added_to = self.append_only()
        for table, statement in PRUNE:
            if table in only_added_to:
                continue
            used = {name: at for name, at in times.items() if f":{name}" in statement}
            # one transaction each: a long prune holds no lock for long, and stopping it half-way loses nothing
            with self._db.writing() as connection:
                gone[table] = connection.execute(text(statement), used).rowcount
                if table in {"sighting", "mention"} and gone[table]:
                    told = {"key": PRUNED, "value": json_dump({"before": times["mentions"].isoformat()})}
                    connection.execute(text(NOTE_PRUNED), told)
        return gone

    def append_only(self) -> frozenset[str]:
        """The tables of :data:`PRUNE` from which this database user may not delete (docs/database.md, roles)."""
        query = text("SELECT t FROM unnest(CAST(:tables AS text[])) t WHERE NOT has_table_privilege(t, 'DELETE')")
        with self._db.reading() as connection:
            return frozenset(connection.execute(query, {"tables": [table for table, _ in PRUNE]}).scalars())

    @property
    def source_state(self) -> StoredState:
        """What adapters remember between polls, kept here; fits ``pipelines.ingest.state.SourceState``."""
        return StoredState(self._db)


class StoredState:
    """A small key-value memory on the ``source_state`` table; values are plain JSON."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def get(self, key: str) -> dict[str, Any] | None:
        """The value last put under ``key``, or None."""
        with self._db.reading() as connection:
            row = connection.execute(text("SELECT value FROM source_state WHERE key = :key"), {"key": key}).first()
        return None if row is None else dict(row[0])

    def put(self, key: str, value: dict[str, Any]) -> None:
        """Keep ``value`` under ``key``, replacing what was there."""
        query = text("""INSERT INTO source_state (key, value, updated_at) VALUES (:key, CAST(:value AS jsonb), :at)
            ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at""")
        with self._db.writing() as connection:
            values = {"key": clean_line(key, 600), "value": json_dump(value), "at": datetime.now(UTC)}
            connection.execute(query, values)
