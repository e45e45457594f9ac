"""What came of the alerts: what the KPIs count, back-checks, and the daily rows that outlive the items behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

import polars as pl
from sqlalchemy import Connection, text

from pipelines.model import UTC_TIME
from pipelines.store.base import Part, merged_map
from pipelines.store.bulk import json_dump
from pipelines.store.engine import as_utc

TOLD = "a.payload->>'warm_up' IS NULL"
"""Alerts of a warm-up were told to nobody; they are no cases."""
OUTCOMES = f"""SELECT a.id AS alert, a.entity_id, a.at, a.state = 'source_fault' AS fault, a.payload->>'slug' AS slug,
        a.payload->>'name' AS name, b.result, coalesce(b.polls, 0) AS polls, coalesce(b.held, 0) AS held,
        (SELECT count(*) FILTER (WHERE v.useful) FROM vote v WHERE v.alert_id = a.id) AS useful,
        (SELECT count(*) FILTER (WHERE NOT v.useful) FROM vote v WHERE v.alert_id = a.id) AS not_useful
    FROM alert a LEFT JOIN backcheck b ON b.alert_id = a.id
    WHERE {TOLD} AND (CAST(:ids AS bigint[]) IS NULL OR a.id = ANY(:ids))
        AND (CAST(:since AS timestamptz) IS NULL OR a.at >= :since) ORDER BY a.at, a.id"""  # noqa: S608  # our own expression
PUBLISHED = """SELECT DISTINCT m.entity_id, i.published_at FROM mention m
    JOIN item i ON i.source = m.source AND i.item_id = m.item_id
    WHERE m.source = 'trades' AND m.entity_id = ANY(:ids) AND i.published_at >= :since AND i.published_at <= :until"""
UNCHECKED = f"""SELECT a.id AS alert, a.entity_id, a.at FROM alert a WHERE {TOLD} AND a.at <= :before
    AND NOT EXISTS (SELECT FROM backcheck b WHERE b.alert_id = a.id) ORDER BY a.at, a.id LIMIT :limit"""  # noqa: S608  # our own expression
HELD = """SELECT s.entity_id, p.at, s.velocity_z, s.spread_count FROM score s JOIN score_poll p ON p.id = s.poll_id
    WHERE p.counted AND p.at > :since AND p.at <= :until AND s.entity_id = ANY(:ids)"""
JUDGED = f"""SELECT a.confidence, a.state = 'source_fault' AS fault, b.result, coalesce(v.useful, 0) AS useful,
        coalesce(v.not_useful, 0) AS not_useful
    FROM alert a LEFT JOIN backcheck b ON b.alert_id = a.id LEFT JOIN (
        SELECT alert_id, count(*) FILTER (WHERE useful) AS useful, count(*) FILTER (WHERE NOT useful) AS not_useful
        FROM vote GROUP BY alert_id) v ON v.alert_id = a.id
    WHERE {TOLD} ORDER BY a.at, a.id"""  # noqa: S608  # our own expression
OUTCOME_COLUMNS = {
    "alert": pl.Int64(), "entity": pl.Int64(), "at": UTC_TIME, "fault": pl.Boolean(), "slug": pl.String(),
    "name": pl.String(), "result": pl.String(), "polls": pl.Int32(), "held": pl.Int32(), "useful": pl.Int32(),
    "not_useful": pl.Int32(),
}  # fmt: skip


class Outcomes(Part):
    """Reads and writes what the KPIs are made of. Frames carry ``entity``, the live one: merges are resolved."""

    def outcome_rows(self, since: datetime | None = None, ids: Sequence[int] | None = None) -> pl.DataFrame:
        """Alerts from ``since`` on, or these: :data:`OUTCOME_COLUMNS`, oldest first.

        ``result`` is null before the back-check. Names are the live entity's, or the message's where that is gone.
        """
        values = {"ids": None if ids is None else list(ids), "since": None if since is None else as_utc(since)}
        with self._db.reading() as connection:
            merged = merged_map(connection)
            rows = [dict(row) for row in connection.execute(text(OUTCOMES), values).mappings()]
            for row in rows:
                row["entity"] = merged.get(row["entity_id"], row["entity_id"])
            _name(connection, rows)
        shown = [{name: row[name] for name in OUTCOME_COLUMNS} for row in rows]
        return pl.DataFrame(shown, schema=OUTCOME_COLUMNS)

    def judged_alerts(self) -> list[dict[str, Any]]:
        """Every alert's confidence, source fault, back-check (None before it) and votes, oldest first."""
        with self._db.reading() as connection:
            return [dict(row) for row in connection.execute(text(JUDGED)).mappings()]

    def trade_publications(self, ids: Sequence[int], since: datetime, until: datetime) -> pl.DataFrame:
        """entity, published_at: trade items about these entities by the publisher's own time, both ends included.

        Items without a time of their own are left out: when we first saw them says nothing.
        """
        span = {"since": as_utc(since), "until": as_utc(until)}
        with self._db.reading() as connection:
            merged, family = _family(connection, ids)
            rows = connection.execute(text(PUBLISHED), {"ids": family, **span}).all()
        found = [(merged.get(entity, entity), at) for entity, at in rows]
        return pl.DataFrame(found, schema={"entity": pl.Int64(), "published_at": UTC_TIME}, orient="row")

    def unchecked_alerts(self, before: datetime, limit: int = 500) -> pl.DataFrame:
        """alert, entity, at: alerts up to ``before`` that have no back-check, oldest first."""
        with self._db.reading() as connection:
            merged = merged_map(connection)
            rows = connection.execute(text(UNCHECKED), {"before": as_utc(before), "limit": limit}).all()
        found = [(alert, merged.get(entity, entity), at) for alert, entity, at in rows]
        return pl.DataFrame(found, schema={"alert": pl.Int64(), "entity": pl.Int64(), "at": UTC_TIME}, orient="row")

    def counted_polls(
        self, ids: Sequence[int], since: datetime, until: datetime
    ) -> tuple[pl.DataFrame, pl.DataFrame]:  # fmt: skip
        """The scoring polls in ``(since, until]`` that brought new data (poll_at), and these entities' scores in them
        (entity, poll_at, velocity_z, spread_count).

        Older polls drop names that were slow and far down; so a name without a row was not moving.
        """
        span = {"since": as_utc(since), "until": as_utc(until)}
        query = "SELECT at FROM score_poll WHERE counted AND at > :since AND at <= :until ORDER BY at"
        with self._db.reading() as connection:
            merged, family = _family(connection, ids)
            polls = connection.execute(text(query), span).all()
            rows = connection.execute(text(HELD), {"ids": family, **span}).all()
        schema = {"entity": pl.Int64(), "poll_at": UTC_TIME, "velocity_z": pl.Float64(), "spread_count": pl.Int16()}
        scores = [(merged.get(row[0], row[0]), *row[1:]) for row in rows]
        return (
            pl.DataFrame([tuple(row) for row in polls], schema={"poll_at": UTC_TIME}, orient="row"),
            pl.DataFrame(scores, schema=schema, orient="row"),
        )

    def save_back_checks(self, checks: pl.DataFrame, now: datetime) -> int:
        """Keep these (alert, result, polls, held); a first answer stands. How many were new."""
        query = text("""INSERT INTO backcheck (alert_id, at, result, polls, held, detail)
            SELECT :alert, :at, :result, :polls, :held, :detail WHERE EXISTS (SELECT FROM alert WHERE id = :alert)
            ON CONFLICT (alert_id) DO NOTHING""")
        with self._db.writing() as connection:
            return sum(
                connection.execute(query, {**row, "at": as_utc(now)}).rowcount for row in checks.iter_rows(named=True)
            )

    def kpi_rows(self, since: date) -> list[dict[str, Any]]:
        """The stored daily rows from ``since`` on: day, kpi, n, value, low, high, detail, computed_at."""
        query = text("SELECT * FROM kpi_day WHERE day >= :since ORDER BY day, kpi")
        with self._db.reading() as connection:
            return [dict(row) for row in connection.execute(query, {"since": since}).mappings()]

    def save_kpi_rows(self, rows: Sequence[Mapping[str, Any]], now: datetime) -> int:
        """Write daily rows (day, kpi, n, value, low, high, detail); those that are as stored are not touched. How many
        changed."""
        query = text("""INSERT INTO kpi_day (day, kpi, n, value, low, high, detail, computed_at)
            VALUES (:day, :kpi, :n, :value, :low, :high, CAST(:detail AS jsonb), :at)
            ON CONFLICT (day, kpi) DO UPDATE SET n = excluded.n, value = excluded.value, low = excluded.low,
                high = excluded.high, detail = excluded.detail, computed_at = excluded.computed_at
            WHERE (kpi_day.n, kpi_day.value, kpi_day.low, kpi_day.high, kpi_day.detail)
                IS DISTINCT FROM (excluded.n, excluded.value, excluded.low, excluded.high, excluded.detail)""")
        with self._db.writing() as connection:
            return sum(
                connection.execute(query, {**row, "detail": json_dump(row["detail"]), "at": as_utc(now)}).rowcount
                for row in rows
            )


def _family(connection: Connection, ids: Sequence[int]) -> tuple[dict[int, int], list[int]]:
    """Which of the merged entities stand under which of ``ids``, and ``ids`` with all of those."""
    wanted = set(ids)
    merged = {child: root for child, root in merged_map(connection).items() if root in wanted}
    return merged, [*wanted, *merged]


def _name(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Give the rows their live entity's present name."""
    query = text("SELECT id, slug, name FROM entity WHERE id = ANY(:ids)")
    names = {row.id: row for row in connection.execute(query, {"ids": list({row["entity"] for row in rows})})}
    for row in rows:
        live = names.get(row["entity"])
        row["slug"] = (live.slug if live else row["slug"]) or ""
        row["name"] = (live.name if live else row["name"]) or "?"
