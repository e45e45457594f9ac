"""Decisions, episodes and alerts: written with the score, read by the next decision and by whoever asks why."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import polars as pl
from sqlalchemy import Connection, text

from pipelines.errors import InputError, NotFoundError
from pipelines.model import UTC_TIME
from pipelines.outbox import DECISIONS, EPISODES, Decided, DeliveryState, NewAlert
from pipelines.store.base import clean_line, merged_map, write_audit
from pipelines.store.boards import TRADE_TIMES, Boards
from pipelines.store.bulk import clean, json_dump, stage

DECISION_COLUMNS = """entity_id bigint, outcome text, reason text, sentence text, velocity_z float8,
    spread_count smallint, affect float8, heat float8, confidence float8, trades_at timestamptz,
    started_at timestamptz"""
EPISODE_COLUMNS = """entity_id bigint, open boolean, started_at timestamptz, below int, alerted boolean,
    alerted_at timestamptz, alerted_heat float8"""
PEAKS = """SELECT entity_id, max(heat) FROM score_hour
    WHERE entity_id = ANY(:ids) AND hour >= :since AND hour < :until AND heat IS NOT NULL GROUP BY 1"""
ALERTS = """SELECT a.*, e.slug, e.name, d.channel, d.state AS delivery, d.attempt, d.attempt_started_at, d.next_at,
        d.slack_ts, d.sent_at, d.last_error
    FROM alert a LEFT JOIN entity e ON e.id = a.entity_id LEFT JOIN delivery d ON d.alert_id = a.id"""
BUSY = "SELECT count(*) FROM promo WHERE alert_id = :id AND state IN ('sending', 'uncertain')"


class Decisions(Boards):
    """What a decision needs to know, what was decided, and the alerts that came of it."""

    def episodes(self) -> pl.DataFrame:
        """:data:`EPISODES`; a merged entity's episode stands under the one it was merged into, the last alert wins."""
        with self._db.reading() as connection:
            merged = merged_map(connection)
            rows = connection.execute(text("SELECT * FROM episode ORDER BY entity_id")).mappings().all()
        found = [{**row, "entity": merged.get(row["entity_id"], row["entity_id"])} for row in rows]
        frame = pl.DataFrame([{name: row[name] for name in EPISODES} for row in found], schema=EPISODES)
        return frame.sort("alerted_at", nulls_last=False).unique("entity", keep="last").sort("entity")

    def trade_items(self, ids: Sequence[int], since: datetime, until: datetime) -> pl.DataFrame:
        """entity, at: the trade items about these entities in ``(since, until]``."""
        rows = self._of_families(ids, TRADE_TIMES, {"since": since, "until": until})
        return pl.DataFrame([row[:2] for row in rows], schema={"entity": pl.Int64(), "at": UTC_TIME}, orient="row")

    def heat_peaks(self, ids: Sequence[int], since: datetime, until: datetime) -> pl.DataFrame:
        """entity, heat: the highest hourly HEAT of these entities, ``since <= hour < until``."""
        rows = self._of_families(ids, PEAKS, {"since": since, "until": until})
        frame = pl.DataFrame(rows, schema={"entity": pl.Int64(), "heat": pl.Float64()}, orient="row")
        return frame.group_by("entity").agg(pl.col("heat").max())

    def alert_names(self, ids: Sequence[int]) -> list[dict[str, Any]]:
        """entity, name, slug, kind, domain and muted of these entities."""
        query = text(
            "SELECT id AS entity, name, slug, kind, domain, muted FROM entity WHERE id = ANY(:ids) ORDER BY id"
        )
        with self._db.reading() as connection:
            return [dict(row) for row in connection.execute(query, {"ids": list(ids)}).mappings()]

    def decision_rows(self, ids: Sequence[int], since: datetime, until: datetime) -> list[dict[str, Any]]:
        """What was decided on a family in ``(since, until]``, newest first; ``calibrated`` is kept with the score (None
        where nothing was calibrated, or the score is not kept any more)."""
        query = text("""SELECT d.*, s.parts->'calibrated' AS calibrated
            FROM decision d LEFT JOIN score s ON s.poll_id = d.poll_id AND s.entity_id = d.entity_id
            WHERE d.entity_id = ANY(:ids) AND d.at > :since AND d.at <= :until ORDER BY d.at DESC, d.entity_id""")
        with self._db.reading() as connection:
            found = connection.execute(query, {"ids": list(ids), "since": since, "until": until}).mappings()
            return [dict(row) for row in found]

    def score_rows(self, ids: Sequence[int], since: datetime, until: datetime) -> list[dict[str, Any]]:
        """A family's scores in ``(since, until]``, newest first: at, velocity_z, spread_count, heat, passes, eligible."""
        query = text("""SELECT p.at, s.velocity_z, s.spread_count, s.heat, s.passes, s.eligible
            FROM score s JOIN score_poll p ON p.id = s.poll_id
            WHERE s.entity_id = ANY(:ids) AND p.at > :since AND p.at <= :until ORDER BY p.at DESC""")
        with self._db.reading() as connection:
            found = connection.execute(query, {"ids": list(ids), "since": since, "until": until}).mappings()
            return [dict(row) for row in found]

    def alert_rows(
        self, *, ids: Sequence[int] | None = None, before: int | None = None, limit: int = 50,
        until: datetime | None = None,
    ) -> list[dict[str, Any]]:  # fmt: skip
        """Alerts with their delivery, newest first; ``ids``: of this family only; ``before``: alerts older than that;
        ``until``: alerts made up to then."""
        where = """ WHERE (CAST(:ids AS bigint[]) IS NULL OR a.entity_id = ANY(:ids))
            AND (CAST(:before AS bigint) IS NULL OR a.id < :before)
            AND (CAST(:until AS timestamptz) IS NULL OR a.at <= :until) ORDER BY a.id DESC LIMIT :limit"""
        values = {"ids": None if ids is None else list(ids), "before": before, "limit": limit, "until": until}
        with self._db.reading() as connection:
            return [dict(row) for row in connection.execute(text(ALERTS + where), values).mappings()]

    def alert_row(self, alert_id: int) -> dict[str, Any] | None:
        """One alert with its delivery."""
        with self._db.reading() as connection:
            row = connection.execute(text(f"{ALERTS} WHERE a.id = :id"), {"id": alert_id}).mappings().first()
        return None if row is None else dict(row)

    def resend_alert(self, alert_id: int, channel: str, now: datetime, actor: str) -> None:
        """Put an alert into the outbox again, with an audit row.

        Raises :class:`NotFoundError` for an unknown alert and :class:`InputError` for one whose delivery is still going on.
        """
        with self._db.writing() as connection:
            if connection.scalar(text("SELECT id FROM alert WHERE id = :id FOR UPDATE"), {"id": alert_id}) is None:
                raise NotFoundError(f"there is no alert {alert_id}; `heatmap alerts list` shows them")
            send_again(connection, alert_id, channel, now)
            write_audit(connection, actor, "resend", f"alert {alert_id}", {"channel": channel})


def send_again(connection: Connection, alert_id: int, channel: str, now: datetime) -> None:
    """Put the alert, which the caller has locked, into the outbox again; :class:`InputError` while it is on its way."""
    values = {"id": alert_id, "channel": channel, "now": now}
    query = "SELECT state FROM delivery WHERE alert_id = :id AND channel = :channel FOR UPDATE"
    state = connection.scalar(text(query), values)
    if state in (DeliveryState.PENDING, DeliveryState.SENDING, DeliveryState.UNCERTAIN):
        raise InputError(f"alert {alert_id} is still being delivered ({state}); it needs no second message")
    if connection.scalar(text(BUSY), values):
        # its thread is where a reply in doubt is looked for
        raise InputError(f"alert {alert_id}: a tease is on its way into its thread; try again in a minute")
    _add_delivery(connection, alert_id, channel, now)
    connection.execute(
        text("""UPDATE delivery SET state = 'pending', attempt = 0, next_at = :now, message_key = NULL,
            looks = 0, marked = false, last_error = '', slack_ts = NULL, sent_at = NULL, shown = 0,
            resends = resends + CASE WHEN state = 'pending' THEN 0 ELSE 1 END
            WHERE alert_id = :id AND channel = :channel"""), values
    )  # fmt: skip


def write_decided(connection: Connection, poll_id: int, at: datetime, decided: Decided) -> None:
    """Store what a poll decided, as part of the score's transaction. What was decided at that instant before stays."""
    decisions = clean(decided.decisions.select(*DECISIONS).rename({"entity": "entity_id"}))
    stage(connection, "stage_decision", DECISION_COLUMNS, decisions)
    names = ", ".join(decisions.columns)
    connection.execute(
        text(f"""INSERT INTO decision (poll_id, at, {names}) SELECT CAST(:poll AS bigint), :at, {names}
            FROM stage_decision ON CONFLICT DO NOTHING"""),  # noqa: S608  # our own names
        {"poll": poll_id, "at": at},
    )  # fmt: skip
    stage(connection, "stage_episode", EPISODE_COLUMNS, clean(decided.episodes.select(*EPISODES)))
    connection.execute(text("DELETE FROM episode"))
    connection.execute(text("INSERT INTO episode SELECT * FROM stage_episode"))
    for alert in decided.alerts:
        _write_alert(connection, at, alert, decided.channel)


def _write_alert(connection: Connection, at: datetime, alert: NewAlert, channel: str | None) -> None:
    alert_id = connection.scalar(
        text("""INSERT INTO alert (dedup_key, entity_id, at, heat, velocity_z, spread_count, affect, confidence, why,
                payload, state)
            VALUES (:key, :entity, :at, :heat, :velocity, :spread, :affect, :confidence, :why,
                CAST(:payload AS jsonb), 'open') ON CONFLICT (dedup_key) DO NOTHING RETURNING id"""),
        {
            "key": clean_line(alert.dedup_key), "entity": alert.entity_id, "at": at, "heat": alert.heat,
            "velocity": alert.velocity_z, "spread": alert.spread_count, "affect": alert.affect,
            "confidence": alert.confidence, "why": clean_line(alert.why), "payload": json_dump(dict(alert.payload)),
        },
    )  # fmt: skip
    if alert_id is not None and channel is not None:
        _add_delivery(connection, alert_id, channel, datetime.now(UTC))  # due now, whatever the demo's clock says


def _add_delivery(connection: Connection, alert_id: int, channel: str, at: datetime) -> None:
    connection.execute(
        text("""INSERT INTO delivery (alert_id, channel, state, attempt, next_at, looks, marked, resends, last_error)
            VALUES (:id, :channel, 'pending', 0, :at, 0, false, 0, '') ON CONFLICT DO NOTHING"""),
        {"id": alert_id, "channel": channel, "at": at},
    )
