"""Saving what the sources handed over: one transaction, COPY into stage tables, upserts from there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl
import structlog
from sqlalchemy import Connection, text

from pipelines.model import FetchResult, SourceKind
from pipelines.store.base import Part, lock_names
from pipelines.store.bulk import stage, upsert
from pipelines.store.hourly import rebuild_hours, refresh_touched_hours
from pipelines.store.quarantine import of_items, of_kept, set_aside
from pipelines.store.results import Batch, make_batch
from pipelines.store.trouble import RowsRefusedError

log = structlog.get_logger(__name__)

ANALYZE_BULK = 5_000
"""Rows from which a save counts as bulk history; a poll brings at most about 4,000. Saved into tables the planner thinks
empty, 10,000 rows took more than a minute."""

STAGE_ITEM = """source text, item_id text, feed text, title text, url text, published_at timestamptz,
    first_observed timestamptz, last_observed timestamptz, engagement float8, rank int, list_length int,
    sentiment float8, context jsonb, names jsonb"""

NEW_ITEMS = """CREATE TEMP TABLE stage_new ON COMMIT DROP AS
    SELECT s.source, s.first_observed AS at, count(*) AS n FROM stage_item s
    WHERE NOT EXISTS (SELECT FROM item i WHERE i.source = s.source AND i.item_id = s.item_id) GROUP BY 1, 2"""

SAVE_ITEMS = """INSERT INTO item SELECT * FROM stage_item
    ON CONFLICT (source, item_id) DO UPDATE SET
        feed = excluded.feed, title = excluded.title, url = coalesce(excluded.url, item.url),
        first_observed = least(item.first_observed, excluded.first_observed),
        last_observed = greatest(item.last_observed, excluded.last_observed),
        engagement = excluded.engagement, rank = excluded.rank, list_length = excluded.list_length,
        sentiment = coalesce(excluded.sentiment, item.sentiment),
        context = coalesce(excluded.context, item.context), names = excluded.names
    WHERE excluded.last_observed >= item.last_observed AND
        (item.feed, item.title, item.url, item.last_observed, item.engagement, item.rank, item.list_length,
         item.sentiment, item.context, item.names, item.first_observed) IS DISTINCT FROM
        (excluded.feed, excluded.title, coalesce(excluded.url, item.url), excluded.last_observed, excluded.engagement,
         excluded.rank, excluded.list_length, coalesce(excluded.sentiment, item.sentiment),
         coalesce(excluded.context, item.context), excluded.names,
         least(item.first_observed, excluded.first_observed))"""
"""``published_at`` is left as it was first stored: an item's time never changes. An older sighting that arrives late
(a recording read in) changes nothing but what follows in :data:`SAVE_EARLIER`."""

SAVE_EARLIER = """UPDATE item i SET first_observed = s.first_observed FROM stage_item s
    WHERE i.source = s.source AND i.item_id = s.item_id AND s.first_observed < i.first_observed"""

SAVE_MENTIONS = """INSERT INTO mention (source, item_id, entity_id, matched, via, first_observed, at)
    SELECT i.source, i.item_id, s.entity_id, s.matched, s.via, i.first_observed,
        coalesce(i.published_at, i.first_observed)
    FROM stage_mention s JOIN item i ON i.source = s.source AND i.item_id = s.item_id
    JOIN entity e ON e.id = s.entity_id
    ON CONFLICT DO NOTHING"""

SAVE_CANDIDATES = """INSERT INTO candidate (source, item_id, canonical, name, via, at, last_at)
    SELECT i.source, i.item_id, s.canonical, s.name, s.via, i.first_observed, i.last_observed
    FROM stage_candidate s JOIN item i ON i.source = s.source AND i.item_id = s.item_id
    ON CONFLICT (source, item_id, canonical) DO UPDATE SET last_at = excluded.last_at
    WHERE candidate.last_at < excluded.last_at"""

SAVE_FIRST_SEEN = """UPDATE entity e SET first_seen = f.at FROM
    (SELECT m.entity_id, min(m.at) AS at FROM stage_mention s
     JOIN mention m ON m.source = s.source AND m.item_id = s.item_id AND m.entity_id = s.entity_id GROUP BY 1) f
    WHERE e.id = f.entity_id AND (e.first_seen IS NULL OR e.first_seen > f.at)"""

SAVE_POLLS = """INSERT INTO poll (source, at, outcome, items, new_items, rejected, requests, http_status, bytes, ms,
        detail, covered_from, retry_after_s, feeds, kind, request_id)
    SELECT p.source, p.at, p.outcome, p.items, coalesce(n.n, 0), p.rejected, p.requests, p.http_status, p.bytes, p.ms,
        p.detail, p.covered_from, p.retry_after_s, p.feeds, p.kind, p.request_id
    FROM stage_poll p LEFT JOIN stage_new n ON n.source = p.source AND n.at = p.at
    ORDER BY p.at ON CONFLICT (source, at) DO NOTHING"""


class Saving(Part):
    """Writes polls and everything they brought."""

    def save_results(
        self,
        results: Sequence[FetchResult],
        kinds: Mapping[str, SourceKind],
        sentiments: pl.DataFrame,
        mentions: pl.DataFrame,
        candidates: pl.DataFrame,
    ) -> dict[str, int]:
        """Store fetch results, all or nothing; the number of new items per source.

        ``kinds`` says of every source whether it is an event or a level source. ``sentiments``: source, item_id,
        sentiment. ``mentions``: source, item_id, entity_id, matched, via. ``candidates``: source, item_id, canonical,
        name, via. A result's frame may span many ``poll_at``; each is a poll. Storing the same batch again changes
        nothing, so a save whose outcome is unknown may simply be repeated. Rows that cannot be stored (no id, an id
        too long, refused by the database) are set aside and counted in the poll's ``rejected``. Raises
        :class:`StoreError`.
        """

        named: Sequence[pl.DataFrame] = (sentiments, mentions, candidates)

        def refused(result: FetchResult) -> bool:
            try:
                self._save([result], kinds, [of_items(frame, result) for frame in named], keep=False)
            except RowsRefusedError:
                return True
            return False

        try:
            return self._save(results, kinds, named)
        except RowsRefusedError:
            kept = set_aside(results, refused)
            if kept is None:
                raise
        for before, after in zip(results, kept, strict=True):
            if after is not before:
                log.warning("rows set aside", source=after.source, rows=before.items.height - after.items.height)
                named = tuple(of_kept(frame, before, after) for frame in named)
        return self._save(kept, kinds, named)

    def _save(
        self,
        results: Sequence[FetchResult],
        kinds: Mapping[str, SourceKind],
        named: Sequence[pl.DataFrame],
        *,
        keep: bool = True,
    ) -> dict[str, int]:
        sentiments, mentions, candidates = named
        batch = make_batch(results, kinds, sentiments, mentions, candidates)
        with self._db.writing() as connection:
            saved = _write(connection, batch, {result.source for result in results})
            if not keep:
                connection.rollback()
            return saved

    def save_matches(self, mentions: pl.DataFrame) -> int:
        """Store mentions of items that are already here (a name learnt later); how many were new."""
        empty = pl.DataFrame(schema={"source": pl.String(), "item_id": pl.String(), "sentiment": pl.Float64()})
        none = pl.DataFrame(schema=dict.fromkeys(("source", "item_id", "canonical", "name", "via"), pl.String()))
        batch = make_batch([], {}, empty, mentions, none)
        with self._db.writing() as connection:
            lock_names(connection, alone=False)
            columns = "source text, item_id text, entity_id bigint, matched text, via text"
            stage(connection, "stage_mention", columns, batch.mentions)
            new = connection.execute(text(SAVE_MENTIONS)).rowcount
            connection.execute(text(SAVE_FIRST_SEEN))
            rebuild_hours(connection, batch.mentions["entity_id"].unique().to_list())
        return new


def _write(connection: Connection, batch: Batch, sources: set[str]) -> dict[str, int]:
    lock_names(connection, alone=False)
    stage(connection, "stage_item", STAGE_ITEM, batch.items)
    connection.execute(text(NEW_ITEMS))
    _save_kinds(connection, batch.kinds)
    connection.execute(text(SAVE_ITEMS))
    connection.execute(text(SAVE_EARLIER))
    _save_sightings(connection, batch.sightings)
    columns = "source text, item_id text, entity_id bigint, matched text, via text"
    stage(connection, "stage_mention", columns, batch.mentions)
    connection.execute(text(SAVE_MENTIONS))
    connection.execute(text(SAVE_FIRST_SEEN))
    columns = "source text, item_id text, canonical text, name text, via text"
    stage(connection, "stage_candidate", columns, batch.candidates)
    connection.execute(text(SAVE_CANDIDATES))
    if batch.items.height + batch.sightings.height > ANALYZE_BULK:
        # the tables have just grown beyond what the planner knows of them
        connection.execute(text("ANALYZE item, sighting, mention, candidate"))
        # an autovacuum beside us sees none of these rows and may say so: no plan that is good for a few rows only
        connection.execute(text("SET LOCAL enable_nestloop = off"))
    refresh_touched_hours(connection)
    _save_polls(connection, batch)
    rows = connection.execute(text("SELECT source, sum(n)::bigint FROM stage_new GROUP BY 1"))
    counted: dict[str, int] = {row[0]: row[1] for row in rows}
    return {source: counted.get(source, 0) for source in sorted(sources)}


def _save_kinds(connection: Connection, kinds: pl.DataFrame) -> None:
    stage(connection, "stage_kind", "source text, kind text", kinds)
    connection.execute(text(upsert("source_kind", ["source"], "SELECT * FROM stage_kind ORDER BY source", ["kind"])))


def _save_sightings(connection: Connection, sightings: pl.DataFrame) -> None:
    columns = "source text, item_id text, seen_at timestamptz, engagement float8, rank int, list_length int"
    stage(connection, "stage_sighting", columns, sightings)
    update = ["engagement", "rank", "list_length"]
    keys = ["source", "item_id", "seen_at"]
    connection.execute(text(upsert("sighting", keys, "SELECT * FROM stage_sighting", update)))


def _save_polls(connection: Connection, batch: Batch) -> None:
    columns = """source text, at timestamptz, outcome text, items int, rejected int, requests int, http_status int,
        bytes bigint, ms int, detail text, covered_from timestamptz, retry_after_s float8, feeds jsonb, kind text,
        request_id text"""
    stage(connection, "stage_poll", columns, batch.polls.unique(["source", "at"], keep="last").sort("source", "at"))
    connection.execute(text(SAVE_POLLS))
    stage(connection, "stage_coverage", "source text, hour timestamptz", batch.coverage)
    connection.execute(text(upsert("coverage", ["source", "hour"], "SELECT * FROM stage_coverage", [])))
