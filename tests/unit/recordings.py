"""Small recordings for tests."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import polars as pl

from pipelines.model import ITEMS, FetchResult, Outcome, conform

START = datetime(2026, 3, 2, 22, 0, tzinfo=UTC)


def minutes(number: float) -> datetime:
    """START plus so many minutes."""
    return START + timedelta(minutes=number)


def rows(
    source: str, at: datetime, ids: Sequence[str], published: datetime | None = None, title: str = "a title"
) -> pl.DataFrame:
    """Items of one poll."""
    frame = pl.DataFrame({"item_id": list(ids)}, schema={"item_id": pl.String}).with_columns(
        poll_at=pl.lit(at),
        source=pl.lit(source),
        feed=pl.lit("movies"),
        title=pl.lit(title),
        url=pl.lit("https://demo.invalid/x"),
        published_at=pl.lit(published),
        engagement=pl.lit(3.0),
        names=pl.lit([], dtype=pl.List(pl.String)),
    )
    return conform(frame, ITEMS)


def poll(
    source: str, at: datetime, ids: Sequence[str] = (), outcome: Outcome = Outcome.OK, published: datetime | None = None
) -> FetchResult:
    """One poll as its adapter would give it."""
    return FetchResult(source, at, outcome, rows(source, at, ids, published))
