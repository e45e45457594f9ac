"""Recent texts and names, for meeting a new name in what was said before it."""

from __future__ import annotations

from datetime import datetime

import polars as pl
from sqlalchemy import text

from pipelines.store.base import Part
from pipelines.store.engine import as_utc

TEXTS = pl.Schema({"source": pl.String(), "item_id": pl.String(), "title": pl.String(), "names": pl.List(pl.String())})
"""Items as matching reads them."""

CANDIDATE_NAMES = pl.Schema(
    {"source": pl.String(), "item_id": pl.String(), "canonical": pl.String(), "name": pl.String(), "via": pl.String()}
)
"""One row per item and name no entity owns."""

READ_TEXTS = """SELECT source, item_id, title, names::text AS names FROM item
    WHERE last_observed > $1 AND last_observed <= $2 AND title <> ''"""
READ_CANDIDATES = """SELECT source, item_id, canonical, name, via FROM candidate
    WHERE last_at > $1 AND last_at <= $2 AND via = 'name'"""


class Texts(Part):
    """Reads what was said lately. Spans are open at ``since`` and closed at ``until``."""

    def load_texts(self, since: datetime, until: datetime) -> pl.DataFrame:
        """Items last seen in the span, as :data:`TEXTS`."""
        stored = pl.Schema({**TEXTS, "names": pl.String()})
        frame = self._db.frame(READ_TEXTS, (as_utc(since), as_utc(until)), stored)
        return frame.with_columns(pl.col("names").fill_null("[]").str.json_decode(pl.List(pl.String)))

    def candidate_names(self, since: datetime, until: datetime) -> pl.DataFrame:
        """Structured names nobody owns, last seen in the span, as :data:`CANDIDATE_NAMES`."""
        return self._db.frame(READ_CANDIDATES, (as_utc(since), as_utc(until)), CANDIDATE_NAMES)

    def last_success(self, until: datetime) -> dict[str, datetime]:
        """Each source's latest successful poll not after ``until`` (UTC)."""
        query = text("""SELECT source, max(at) FROM poll
            WHERE at <= :until AND outcome IN ('ok', 'not_modified', 'cache_hit') GROUP BY source""")
        with self._db.reading() as connection:
            rows = connection.execute(query, {"until": as_utc(until)}).all()
        return {row[0]: as_utc(row[1]) for row in rows}
