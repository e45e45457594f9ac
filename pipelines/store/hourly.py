"""Hourly volumes per entity and source (SCORING 1), for timelines. Scoring itself works from the mentions."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, text

EVENT_W = "1 + log(1 + greatest(coalesce(i.engagement, 0), 0))"
LEVEL_W = """CASE WHEN s.engagement IS NULL AND s.rank IS NOT NULL AND s.list_length > 0
    THEN 1 + (s.list_length - s.rank)::float8 / s.list_length
    ELSE log(10 + greatest(coalesce(s.engagement, 0), 0)) END"""

TOUCHED = """CREATE TEMP TABLE touched ON COMMIT DROP AS
    SELECT DISTINCT m.entity_id, m.source, date_trunc('hour', m.at) AS hour
    FROM ({keys}) b JOIN mention m ON m.source = b.source AND m.item_id = b.item_id
    JOIN source_kind k ON k.source = m.source AND k.kind = 'event'
    UNION
    SELECT DISTINCT m.entity_id, m.source, date_trunc('hour', s.seen_at)
    FROM ({keys}) b JOIN mention m ON m.source = b.source AND m.item_id = b.item_id
    JOIN {sightings} s ON s.source = m.source AND s.item_id = m.item_id"""

EVENT_HOURS = f"""SELECT t.entity_id, t.source, t.hour, sum({EVENT_W}) AS volume, count(*)::int AS mentions,
        max(m.at) AS last_at
    FROM touched t
    JOIN mention m ON m.entity_id = t.entity_id AND m.source = t.source
        AND m.at >= t.hour AND m.at < t.hour + interval '1 hour'
    JOIN item i ON i.source = m.source AND i.item_id = m.item_id
    JOIN source_kind k ON k.source = t.source AND k.kind = 'event'
    GROUP BY 1, 2, 3"""  # noqa: S608  # our own expressions

LEVEL_HOURS = f"""SELECT t.entity_id, t.source, t.hour, max({LEVEL_W}) AS volume,
        count(DISTINCT s.item_id)::int AS mentions, max(s.seen_at) AS last_at
    FROM touched t
    JOIN mention m ON m.entity_id = t.entity_id AND m.source = t.source
    JOIN sighting s ON s.source = m.source AND s.item_id = m.item_id
        AND s.seen_at >= t.hour AND s.seen_at < t.hour + interval '1 hour'
    JOIN source_kind k ON k.source = t.source AND k.kind = 'level'
    GROUP BY 1, 2, 3"""  # noqa: S608  # our own expressions

WRITE = """INSERT INTO hourly (entity_id, source, hour, volume, mentions, last_at) {rows}
    ON CONFLICT (entity_id, source, hour) DO UPDATE SET volume = excluded.volume, mentions = excluded.mentions,
        last_at = excluded.last_at
    WHERE (hourly.volume, hourly.mentions, hourly.last_at) IS DISTINCT FROM
        (excluded.volume, excluded.mentions, excluded.last_at)"""

STAGED_KEYS = "SELECT source, item_id FROM stage_item UNION SELECT source, item_id FROM stage_mention"


def refresh_touched_hours(connection: Connection) -> None:
    """Recompute the hours that the staged items and mentions of this transaction belong to."""
    staged = connection.scalar(text("SELECT to_regclass('pg_temp.stage_item') IS NOT NULL"))
    keys = STAGED_KEYS if staged else "SELECT source, item_id FROM stage_mention"
    # new mentions of old items have older sightings; a poll's own items need only the hours of this poll
    connection.execute(text(TOUCHED.format(keys=keys, sightings="stage_sighting" if staged else "sighting")))
    _write(connection)


def rebuild_hours(connection: Connection, entity_ids: Sequence[int]) -> None:
    """Recompute all hours of these entities (original ids), as far back as their mentions are kept."""
    ids = list(entity_ids)
    connection.execute(
        text("DELETE FROM hourly WHERE entity_id = ANY(:ids) "
             "AND hour >= coalesce((SELECT date_trunc('hour', min(at)) FROM mention), '-infinity')"), {"ids": ids}
    )  # fmt: skip
    connection.execute(text("DROP TABLE IF EXISTS touched"))
    keys = "SELECT DISTINCT source, item_id FROM mention WHERE entity_id = ANY(:ids)"
    connection.execute(text(TOUCHED.format(keys=keys, sightings="sighting")), {"ids": ids})
    connection.execute(text("DELETE FROM touched WHERE entity_id <> ALL(:ids)"), {"ids": ids})
    _write(connection)


def _write(connection: Connection) -> None:
    connection.execute(text("ANALYZE touched"))
    for rows in (EVENT_HOURS, LEVEL_HOURS):
        connection.execute(text(WRITE.format(rows=rows)))
