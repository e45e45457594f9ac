"""Hourly volumes per entity and source (SCORING 1), for timelines. Scoring itself works from the mentions."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, text

EVENT_W = "1 + log(1 + greatest(coalesce(i.engagement, 0), 0))"
LEVEL_W = """CASE WHEN s.engagement IS NULL AND s.rank IS NOT NULL AND s.list_length > 0
    THEN 1 + (s.list_length - s.rank)::float8 / s.list_length
    ELSE log(10 + greatest(coalesce(s.engagement, 0), 0)) END"""
EVENTS = "(SELECT source FROM source_kind WHERE kind = 'event')"

TOUCHED = {
    "touched_event": f"""SELECT DISTINCT m.entity_id, m.source, date_trunc('hour', m.at) AS hour
        FROM ({{keys}}) b JOIN mention m ON m.source = b.source AND m.item_id = b.item_id
        WHERE b.source IN {EVENTS}""",  # noqa: S608  # our own expressions
    "touched_level": """SELECT DISTINCT m.entity_id, m.source, date_trunc('hour', s.seen_at) AS hour
        FROM stage_sighting s JOIN mention m ON m.source = s.source AND m.item_id = s.item_id""",
}
"""The hours that this transaction's staged rows belong to."""

FRESH = {
    # the range lets the index find a few hours, the equality lets a hash join find many
    "touched_event": f"""SELECT t.entity_id, t.source, t.hour, sum({EVENT_W}) AS volume, count(*)::int AS mentions,
            max(m.at) AS last_at
        FROM touched_event t
        JOIN mention m ON m.entity_id = t.entity_id AND m.source = t.source AND date_trunc('hour', m.at) = t.hour
            AND m.at >= t.hour AND m.at < t.hour + interval '1 hour'
        JOIN item i ON i.source = m.source AND i.item_id = m.item_id GROUP BY 1, 2, 3""",  # noqa: S608  # the same
    "touched_level": f"""SELECT t.entity_id, t.source, t.hour, max({LEVEL_W}) AS volume,
            count(DISTINCT s.item_id)::int AS mentions, max(s.seen_at) AS last_at
        FROM (SELECT DISTINCT source, hour FROM touched_level) h
        JOIN sighting s ON s.source = h.source AND s.seen_at >= h.hour AND s.seen_at < h.hour + interval '1 hour'
        JOIN mention m ON m.source = s.source AND m.item_id = s.item_id
        JOIN touched_level t ON t.entity_id = m.entity_id AND t.source = h.source AND t.hour = h.hour
        GROUP BY 1, 2, 3""",  # noqa: S608  # the same
}
PRUNED = "store:pruned"
"""Where pruning notes up to when it has deleted mentions and sightings, as ``before``."""
WHOLE_SINCE = f"""coalesce((SELECT CAST(value->>'before' AS timestamptz) FROM source_state WHERE key = '{PRUNED}'),
    '-infinity')"""  # noqa: S608  # our own name
"""An hour that starts before this has lost mentions, or may have: what is stored of it cannot be made again."""
REBUILT = (
    f"""SELECT m.entity_id, m.source, date_trunc('hour', m.at) AS hour, sum({EVENT_W}) AS volume,
            count(*)::int AS mentions, max(m.at) AS last_at
        FROM mention m JOIN item i ON i.source = m.source AND i.item_id = m.item_id
        WHERE m.entity_id = ANY(:ids) AND m.source IN {EVENTS} AND date_trunc('hour', m.at) >= {WHOLE_SINCE}
        GROUP BY 1, 2, 3""",  # noqa: S608  # the same
    f"""SELECT m.entity_id, m.source, date_trunc('hour', s.seen_at) AS hour, max({LEVEL_W}) AS volume,
            count(DISTINCT s.item_id)::int AS mentions, max(s.seen_at) AS last_at
        FROM mention m JOIN sighting s ON s.source = m.source AND s.item_id = m.item_id
        WHERE m.entity_id = ANY(:ids) AND date_trunc('hour', s.seen_at) >= {WHOLE_SINCE}
        GROUP BY 1, 2, 3""",  # noqa: S608  # the same
)

WRITE = """INSERT INTO hourly (entity_id, source, hour, volume, mentions, last_at) {rows}
    ON CONFLICT (entity_id, source, hour) DO UPDATE SET volume = excluded.volume, mentions = excluded.mentions,
        last_at = excluded.last_at
    WHERE (hourly.volume, hourly.mentions, hourly.last_at) IS DISTINCT FROM
        (excluded.volume, excluded.mentions, excluded.last_at)"""
CLEAR = f"""DELETE FROM hourly WHERE entity_id = ANY(:ids) AND hour >= {WHOLE_SINCE}
    AND hour >= least((SELECT date_trunc('hour', min(at)) FROM mention),
        (SELECT date_trunc('hour', min(seen_at)) FROM sighting))"""  # noqa: S608  # our own

POLL_KEYS = "SELECT source, item_id FROM stage_item UNION SELECT source, item_id FROM stage_mention"


def refresh_touched_hours(connection: Connection) -> None:
    """Recompute the hours that the staged items, sightings and mentions of this transaction belong to."""
    for table, rows in TOUCHED.items():
        connection.execute(text(f"CREATE TEMP TABLE {table} ON COMMIT DROP AS {rows.format(keys=POLL_KEYS)}"))
        if connection.scalar(text(f"SELECT EXISTS (SELECT FROM {table})")):  # noqa: S608  # our own names
            connection.execute(text(f"ANALYZE {table}"))
            connection.execute(text(WRITE.format(rows=FRESH[table])))


def rebuild_hours(connection: Connection, entity_ids: Sequence[int]) -> None:
    """Recompute all hours of these entities (original ids), as far back as all mentions are kept; older ones stay."""
    ids = list(entity_ids)
    connection.execute(text(CLEAR), {"ids": ids})
    for rows in REBUILT:
        connection.execute(text(WRITE.format(rows=rows)), {"ids": ids})
