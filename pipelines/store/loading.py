"""Frames for scoring and discovery: mentions, candidates and coverage of a span of time, through ADBC."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from pipelines.model import COVERAGE, MENTIONS, SourceKind
from pipelines.store.base import Part, merged_map
from pipelines.store.engine import as_utc

CANDIDATE_MENTIONS = pl.Schema(
    {
        "canonical": pl.String(),
        "name": pl.String(),
        **{name: dtype for name, dtype in MENTIONS.items() if name != "entity"},
        "via": pl.String(),
    }
)
"""What discovery reads: :data:`MENTIONS` with the name in the entity's place, and where it was found."""

EVENT_MENTIONS = """SELECT m.entity_id AS entity, m.source, m.item_id, m.at, i.engagement, i.rank, i.list_length,
        i.sentiment
    FROM mention m JOIN item i ON i.source = m.source AND i.item_id = m.item_id
    WHERE m.at > $1 AND m.at <= $2"""

LEVEL_MENTIONS = """SELECT m.entity_id AS entity, s.source, s.item_id, s.seen_at AS at, s.engagement, s.rank,
        s.list_length, i.sentiment
    FROM sighting s JOIN mention m ON m.source = s.source AND m.item_id = s.item_id
    JOIN item i ON i.source = s.source AND i.item_id = s.item_id
    WHERE s.seen_at > $1 AND s.seen_at <= $2"""

EVENT_CANDIDATES = """SELECT c.canonical, c.name, c.source, c.item_id, coalesce(i.published_at, i.first_observed) AS at,
        i.engagement, i.rank, i.list_length, i.sentiment, c.via
    FROM candidate c JOIN item i ON i.source = c.source AND i.item_id = c.item_id
    WHERE coalesce(i.published_at, i.first_observed) > $1 AND coalesce(i.published_at, i.first_observed) <= $2
        AND c.last_at > $1"""

LEVEL_CANDIDATES = """SELECT c.canonical, c.name, s.source, s.item_id, s.seen_at AS at, s.engagement, s.rank,
        s.list_length, i.sentiment, c.via
    FROM sighting s JOIN candidate c ON c.source = s.source AND c.item_id = s.item_id
    JOIN item i ON i.source = s.source AND i.item_id = s.item_id
    WHERE s.seen_at > $1 AND s.seen_at <= $2 AND c.last_at > $1"""

SPAN_OF_COVERAGE = "SELECT source, hour FROM coverage WHERE hour > $1::timestamptz - interval '1 hour' AND hour <= $2"
KEY = ["entity", "source", "item_id", "at"]


class Loading(Part):
    """Reads spans of time into frames. Spans are open at ``since`` and closed at ``until``, as windows are."""

    def load_mentions(self, since: datetime, until: datetime) -> pl.DataFrame:
        """:data:`MENTIONS` with ``since < at <= until``: merges resolved, muted entities left out.

        Event sources: one row per mention at its item's time. Level sources: one row per mention and sighting.
        """
        span = (as_utc(since), as_utc(until))
        events = self._of_events(self._db.frame(EVENT_MENTIONS, span, MENTIONS))
        levels = self._db.frame(LEVEL_MENTIONS, span, MENTIONS)
        mentions = pl.concat([events, levels])
        with self._db.reading() as connection:
            merged = merged_map(connection)
            muted = [row[0] for row in connection.exec_driver_sql("SELECT id FROM entity WHERE muted")]
        if merged:
            roots = pl.col("entity").replace(merged)
            moved = pl.col("entity").is_in(list(merged)) | pl.col("entity").is_in(list(set(merged.values())))
            # only families can hold the same item twice
            family = mentions.filter(moved).with_columns(roots).unique(KEY, keep="first", maintain_order=True)
            mentions = pl.concat([mentions.filter(~moved), family])
        return mentions.filter(~pl.col("entity").is_in(muted)) if muted else mentions

    def load_candidates(self, since: datetime, until: datetime) -> pl.DataFrame:
        """:data:`CANDIDATE_MENTIONS` with ``since < at <= until``: names no entity owns, as mentions are."""
        span = (as_utc(since), as_utc(until))
        events = self._of_events(self._db.frame(EVENT_CANDIDATES, span, CANDIDATE_MENTIONS))
        levels = self._db.frame(LEVEL_CANDIDATES, span, CANDIDATE_MENTIONS)
        return pl.concat([events, levels])

    def load_coverage(self, since: datetime, until: datetime) -> pl.DataFrame:
        """:data:`COVERAGE`: the clock hours that touch the span and in which a source was looked at."""
        return self._db.frame(SPAN_OF_COVERAGE, (as_utc(since), as_utc(until)), COVERAGE).sort("source", "hour")

    def _of_events(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The rows of event sources. Told apart here: a join with the kinds misleads the planner into 300,000 look-ups."""
        kinds = self.kinds()
        return frame.filter(pl.col("source").is_in([name for name, kind in kinds.items() if kind == SourceKind.EVENT]))

    def kinds(self) -> dict[str, SourceKind]:
        """Each stored source's kind."""
        with self._db.reading() as connection:
            rows = connection.exec_driver_sql("SELECT source, kind FROM source_kind").all()
        return {source: SourceKind(kind) for source, kind in rows}
