"""Scores per poll with their parts, and the hourly scores the map is drawn from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl
from sqlalchemy import Connection, text

from pipelines.model import UTC_TIME
from pipelines.outbox import Decided
from pipelines.store.base import Part
from pipelines.store.bulk import clean, json_dump, stage, upsert
from pipelines.store.decisions import write_decided
from pipelines.store.engine import as_utc

KEEP_RANKS = 100
"""Older polls keep this many names, and every name that moved (:data:`KEEP_VELOCITY`) or passed."""
KEEP_VELOCITY = 1.0
KEEP_WHOLE = 3
"""The newest polls keep every name: whoever reads a board compares it with the poll before, at any depth."""
HOURLY_RANKS = 500
"""Hourly scores are kept for entities that rank this high in the poll that brings them."""


@dataclass(frozen=True, slots=True)
class ScoreMeta:
    """How a scoring poll was made. ``counted``: a platform delivered since the poll before (SCORING 5)."""

    method: str = "robust"
    combine: str = "stouffer"
    healthy: tuple[str, ...] = ()
    enabled: tuple[str, ...] = ()
    counted: bool = True
    ms: int = 0


@dataclass(frozen=True, slots=True)
class ScorePoll:
    """One stored scoring poll."""

    id: int
    at: datetime
    stored_at: datetime
    meta: ScoreMeta


SCORE_COLUMNS = """entity_id bigint, rank int, velocity_z float8, spread_count smallint, affect float8, raw float8,
    heat float8, peak_at timestamptz, hours_since_peak float8, confidence float8, passes boolean, persistence boolean,
    eligible boolean, parts jsonb, platforms jsonb"""
HOUR_COLUMNS = """entity_id bigint, hour timestamptz, heat float8, raw float8, velocity_z float8,
    spread_count smallint, affect float8"""
READ_POLLS = "SELECT id, at, stored_at, method, combine, healthy, enabled, counted, ms FROM score_poll"
THIN = """DELETE FROM score WHERE poll_id IN (
        SELECT id FROM score_poll WHERE at <= :at ORDER BY at DESC LIMIT 3 OFFSET :whole)
    AND rank > :ranks AND coalesce(velocity_z, 0) < :velocity AND NOT passes"""
THINNED = """SELECT EXISTS (SELECT FROM score_poll WHERE at > :at ORDER BY at LIMIT 1 OFFSET :newer)
    AND EXISTS (SELECT FROM score WHERE poll_id = :poll AND rank >= :ranks)"""


class Scores(Part):
    """Writes scoring polls, and answers what later polls ask of earlier ones."""

    def save_scores(
        self,
        at: datetime,
        entities: pl.DataFrame,
        platforms: pl.DataFrame,
        history: pl.DataFrame,
        meta: ScoreMeta = ScoreMeta(),
        decided: Decided | None = None,
    ) -> int:
        """Store one scoring poll, all or nothing; its id. A poll stored again at the same instant replaces the first.

        Frames as ``pipelines.score`` makes them. ``entities`` may carry ``passes``, ``persistence`` and ``eligible``
        (booleans, default false); its order is the rank. ``decided`` is stored with them: no score without its decision,
        no alert without its score.
        """
        rows = _score_rows(entities, platforms)
        hours = _hour_rows(history, rows)
        with self._db.writing() as connection:
            poll_id = _save_poll(connection, as_utc(at), meta)
            stage(connection, "stage_score", SCORE_COLUMNS, rows)
            connection.execute(
                text("INSERT INTO score SELECT CAST(:poll AS bigint), s.* FROM stage_score s "
                     "WHERE EXISTS (SELECT FROM entity e WHERE e.id = s.entity_id)"), {"poll": poll_id}
            )  # fmt: skip
            stage(connection, "stage_hour", HOUR_COLUMNS, hours)
            update = ["heat", "raw", "velocity_z", "spread_count", "affect"]
            connection.execute(text(upsert("score_hour", ["entity_id", "hour"], "SELECT * FROM stage_hour", update)))
            connection.execute(
                text(THIN), {"at": at, "whole": KEEP_WHOLE, "ranks": KEEP_RANKS, "velocity": KEEP_VELOCITY}
            )
            if decided is not None:
                write_decided(connection, poll_id, at, decided)
        return poll_id

    def last_polls(self, n: int = 1) -> list[ScorePoll]:
        """The latest ``n`` scoring polls, newest first."""
        with self._db.reading() as connection:
            rows = connection.execute(text(f"{READ_POLLS} ORDER BY at DESC LIMIT :n"), {"n": n}).all()
        return [_poll(tuple(row)) for row in rows]

    def latest(self, at: datetime | None = None) -> ScorePoll | None:
        """The latest scoring poll, or the latest not after ``at``."""
        where = "" if at is None else "WHERE at <= :at"
        with self._db.reading() as connection:
            query = text(f"{READ_POLLS} {where} ORDER BY at DESC LIMIT 1")
            row = connection.execute(query, {} if at is None else {"at": as_utc(at)}).first()
        return None if row is None else _poll(tuple(row))

    def thinned(self, poll: ScorePoll) -> bool:
        """Whether a poll may have lost names since it was stored: older ones keep their first ranks and what moved."""
        values = {"at": poll.at, "poll": poll.id, "newer": KEEP_WHOLE - 1, "ranks": KEEP_RANKS}
        with self._db.reading() as connection:
            return bool(connection.execute(text(THINNED), values).scalar_one())

    def poll_times(self, since: datetime, until: datetime) -> list[datetime]:
        """When scoring polls were made in ``since <= at <= until``, oldest first."""
        query = text("SELECT at FROM score_poll WHERE at >= :since AND at <= :until ORDER BY at")
        with self._db.reading() as connection:
            return list(connection.execute(query, {"since": as_utc(since), "until": as_utc(until)}).scalars())

    def passes_before(self, at: datetime, polls: int = 1) -> frozenset[int]:
        """The entities that passed the gates in each of the last ``polls`` counted polls before ``at``.

        Empty where there are fewer such polls.
        """
        if polls < 1:
            return frozenset()
        query = text("""WITH before AS (
                SELECT id FROM score_poll WHERE at < :at AND counted ORDER BY at DESC LIMIT :n)
            SELECT entity_id FROM score WHERE poll_id IN (SELECT id FROM before) AND passes
            GROUP BY entity_id HAVING count(*) = :n""")
        with self._db.reading() as connection:
            rows = connection.execute(query, {"at": as_utc(at), "n": polls}).scalars().all()
        return frozenset(rows)

    def sources_delivered(self, since: datetime, until: datetime) -> frozenset[str]:
        """The sources with a successful poll in ``(since, until]``."""
        query = text("""SELECT DISTINCT source FROM poll WHERE at > :since AND at <= :until
            AND outcome IN ('ok', 'not_modified', 'cache_hit')""")
        with self._db.reading() as connection:
            rows = connection.execute(query, {"since": as_utc(since), "until": as_utc(until)}).scalars().all()
        return frozenset(rows)


def _save_poll(connection: Connection, at: datetime, meta: ScoreMeta) -> int:
    connection.execute(
        text("DELETE FROM score WHERE poll_id IN (SELECT id FROM score_poll WHERE at = :at)"), {"at": at}
    )
    poll_id: int = connection.execute(
        text("""INSERT INTO score_poll (at, stored_at, counted, method, combine, healthy, enabled, ms)
            VALUES (:at, :stored, :counted, :method, :combine, CAST(:healthy AS jsonb), CAST(:enabled AS jsonb), :ms)
            ON CONFLICT (at) DO UPDATE SET stored_at = excluded.stored_at, counted = excluded.counted,
                method = excluded.method, combine = excluded.combine, healthy = excluded.healthy,
                enabled = excluded.enabled, ms = excluded.ms RETURNING id"""),
        {
            "at": at, "stored": datetime.now(UTC), "counted": meta.counted, "method": meta.method,
            "combine": meta.combine, "healthy": json_dump(list(meta.healthy)),
            "enabled": json_dump(list(meta.enabled)), "ms": meta.ms,
        },
    ).scalar_one()  # fmt: skip
    return poll_id


def _poll(row: tuple[Any, ...]) -> ScorePoll:
    number, at, stored, method, combine, healthy, enabled, counted, ms = row
    return ScorePoll(number, at, stored, ScoreMeta(method, combine, tuple(healthy), tuple(enabled), counted, ms))


def _score_rows(entities: pl.DataFrame, platforms: pl.DataFrame) -> pl.DataFrame:
    """The score table's rows, in its column order, ranked as they come."""
    flags = [
        (pl.col(name).fill_null(value=False) if name in entities.columns else pl.lit(value=False)).alias(name)
        for name in ("passes", "persistence", "eligible")
    ]
    told = ("spread", "n", "affect_parts", "confidence_parts", "calibrated")
    parts = pl.struct(name for name in told if name in entities.columns).struct.json_encode().alias("parts")
    ranked = clean(entities).with_columns(pl.int_range(1, pl.len() + 1, dtype=pl.Int32).alias("rank"), parts, *flags)
    return (
        ranked.join(_platform_json(platforms), on="entity", how="left")
        .select(
            pl.col("entity").cast(pl.Int64).alias("entity_id"), "rank", "velocity_z",
            pl.col("spread_count").fill_null(0).cast(pl.Int16), "affect", "raw", "heat",
            pl.col("peak_at").cast(UTC_TIME), "hours_since_peak", "confidence", "passes", "persistence", "eligible",
            "parts", pl.col("platforms").fill_null("{}"),
        )
        .unique("entity_id", keep="first", maintain_order=True)
    )  # fmt: skip


def _platform_json(platforms: pl.DataFrame) -> pl.DataFrame:
    """One JSON object per entity, keyed by source."""
    values = [name for name in platforms.columns if name not in {"entity", "source"}]
    encoded = clean(platforms).select(
        "entity",
        pl.format(
            "{}:{}",
            pl.struct(pl.col("source")).struct.json_encode().str.extract(r'^\{"source":(.*)\}$', 1),
            pl.struct(values).struct.json_encode(),
        ).alias("pair"),
    )
    return encoded.group_by("entity").agg(
        pl.concat_str(pl.lit("{"), pl.col("pair").str.join(","), pl.lit("}")).first().alias("platforms")
    )


def _hour_rows(history: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    board = rows.filter((pl.col("rank") <= HOURLY_RANKS) | pl.col("passes")).select("entity_id")
    return (
        clean(history)
        .with_columns(pl.col("entity").cast(pl.Int64).alias("entity_id"), pl.col("hour").cast(UTC_TIME))
        .join(board, on="entity_id", how="semi")
        .select("entity_id", "hour", "heat", "raw", "velocity_z", pl.col("spread_count").cast(pl.Int16), "affect")
        .unique(["entity_id", "hour"], keep="last", maintain_order=True)
    )
