"""The lists people read: alerts with what became of them, decisions of all names, and what was done to one alert."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text

from pipelines.store.decisions import Decisions
from pipelines.store.engine import as_utc

STATES = {
    "sent": "d.state = 'sent'",
    "waiting": "d.state IN ('pending', 'sending')",
    "confirming": "d.state = 'uncertain'",
    "stopped": "d.state = 'dead'",
    "kept": "d.state IS NULL",
    "taken": "s.who IS NOT NULL",
    "open": "s.who IS NULL AND a.state <> 'source_fault'",
    "fault": "a.state = 'source_fault'",
}
"""What ``AlertQuery.state`` may be, and what it means."""

ALERTS = """SELECT a.*, coalesce(e.slug, a.payload->>'slug') AS slug, coalesce(e.name, a.payload->>'name') AS name,
        d.channel, d.state AS delivery, d.attempt, d.attempt_started_at, d.next_at, d.slack_ts, d.sent_at, d.last_error,
        d.looks, d.marked, d.resends, s.who, s.by_name, s.at AS taken_at, s.due, s.note, b.result AS backcheck,
        b.polls AS checked_polls, b.held AS held_polls, b.detail AS backcheck_detail,
        (SELECT count(*) FROM card c WHERE c.alert_id = a.id) AS cards,
        (SELECT count(*) FROM promo p WHERE p.alert_id = a.id) AS promos,
        (SELECT count(*) FILTER (WHERE v.useful) FROM vote v WHERE v.alert_id = a.id) AS useful,
        (SELECT count(*) FILTER (WHERE NOT v.useful) FROM vote v WHERE v.alert_id = a.id) AS not_useful
    FROM alert a
    LEFT JOIN entity e ON e.id = a.entity_id
    LEFT JOIN delivery d ON d.alert_id = a.id
    LEFT JOIN backcheck b ON b.alert_id = a.id
    LEFT JOIN LATERAL (SELECT * FROM assignment n WHERE n.alert_id = a.id AND n.ended_at IS NULL
        ORDER BY n.id DESC LIMIT 1) s ON true"""

DECISIONS = """WITH named AS (
        SELECT d.*, coalesce(e.name, '?') AS name, e.slug,
            row_number() OVER (PARTITION BY d.entity_id ORDER BY d.at)
                - row_number() OVER (PARTITION BY d.entity_id, d.reason ORDER BY d.at) AS run
        FROM decision d LEFT JOIN entity e ON e.id = d.entity_id WHERE d.at > :since AND d.at <= :until)
    SELECT entity_id, name, slug, outcome, reason, max(at) AS at, min(at) AS since, count(*) AS polls,
        (array_agg(sentence ORDER BY at DESC))[1] AS sentence, (array_agg(heat ORDER BY at DESC))[1] AS heat,
        (array_agg(velocity_z ORDER BY at DESC))[1] AS velocity_z,
        (array_agg(spread_count ORDER BY at DESC))[1] AS spread_count
    FROM named WHERE outcome = ANY(:outcomes)
    GROUP BY entity_id, name, slug, outcome, reason, run ORDER BY 6 DESC, name LIMIT :limit"""
"""Polls in a row with the same reason are one row, with the numbers of the newest."""


@dataclass(frozen=True, slots=True)
class AlertQuery:
    """Which alerts: ``state`` a key of :data:`STATES`, ``name`` a part of the name, ``before`` a smaller number."""

    state: str | None = None
    name: str = ""
    since: datetime | None = None
    before: int | None = None
    limit: int = 25


class Lists(Decisions):
    """Alerts and decisions as lists; all of it reads only."""

    def alert_list(self, query: AlertQuery) -> list[dict[str, Any]]:
        """Alerts with delivery, assignment, counts and back-check, newest first."""
        where = [
            "(CAST(:before AS bigint) IS NULL OR a.id < :before)",
            "(CAST(:since AS timestamptz) IS NULL OR a.at > :since)",
            "(:name = '' OR coalesce(e.name, a.payload->>'name') ILIKE :like)",
        ]
        if query.state is not None:
            where.append(STATES[query.state])
        statement = f"{ALERTS} WHERE {' AND '.join(where)} ORDER BY a.id DESC LIMIT :limit"
        values = {"before": query.before, "since": query.since, "name": query.name, "like": f"%{_plain(query.name)}%",
                  "limit": query.limit}  # fmt: skip
        with self._db.reading() as connection:
            return [dict(row) for row in connection.execute(text(statement), values).mappings()]

    def alert_details(self, alert_id: int) -> dict[str, Any] | None:
        """One alert as :meth:`alert_list` shows it; None for an unknown number."""
        with self._db.reading() as connection:
            found = connection.execute(text(f"{ALERTS} WHERE a.id = :id"), {"id": alert_id}).mappings().first()
        return None if found is None else dict(found)

    def alert_log(self, alert_id: int, limit: int = 200) -> list[dict[str, Any]]:
        """What people did to an alert, newest first: at (machine time), actor, action, detail."""
        query = text("""SELECT at, actor, action, detail FROM audit WHERE subject = :subject
            ORDER BY id DESC LIMIT :limit""")
        with self._db.reading() as connection:
            found = connection.execute(query, {"subject": f"alert {alert_id}", "limit": limit}).mappings()
            return [dict(row) for row in found]

    def decision_list(
        self, since: datetime, until: datetime, outcomes: Sequence[str], limit: int = 100
    ) -> list[dict[str, Any]]:
        """What was decided on all names in ``(since, until]``, newest first; polls in a row with one reason are one
        row with ``polls`` and ``since``."""
        values = {"since": as_utc(since), "until": as_utc(until), "outcomes": list(outcomes), "limit": limit}
        with self._db.reading() as connection:
            return [dict(row) for row in connection.execute(text(DECISIONS), values).mappings()]


def _plain(part: str) -> str:
    """``part`` as LIKE takes it literally."""
    return part.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
