"""A poll's answer as JSON, and back again with every field checked: what lies in a cache may have been tampered with."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import polars as pl
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from pipelines.model import ITEMS, FeedReport, FetchResult, Outcome, conform

VERSION = 1
MOST_ROWS = 10_000
Text = Annotated[str, Field(max_length=20_000)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, hide_input_in_errors=True)


class _Row(_Strict):
    feed: Text | None
    item_id: Annotated[str, Field(min_length=1, max_length=2000)]
    title: Text | None
    url: Annotated[str, Field(max_length=4000, pattern=r"^https?://")] | None
    published_at: int | None
    engagement: float | None
    rank: Annotated[int, Field(ge=0, le=1_000_000)] | None
    names: list[Text] | None
    context: Text | None


class _Feed(_Strict):
    feed: Text
    outcome: str
    items: int
    detail: Text


class _Poll(_Strict):
    version: int
    source: str
    at: Annotated[AwareDatetime, Field(strict=False)]
    covered_from: Annotated[AwareDatetime | None, Field(strict=False)]
    detail: Text
    rejected: int
    feeds: list[_Feed]
    rows: Annotated[list[_Row], Field(max_length=MOST_ROWS)]


def pack(result: FetchResult) -> dict[str, Any]:
    """``result`` as plain JSON."""
    rows = result.items.select(pl.exclude("poll_at", "source")).with_columns(pl.col("published_at").dt.epoch("us"))
    feeds = [
        {"feed": feed.feed, "outcome": feed.outcome.value, "items": feed.items, "detail": feed.detail}
        for feed in result.feeds
    ]
    return {
        "version": VERSION, "source": result.source, "at": result.at.isoformat(),
        "covered_from": result.covered_from.isoformat() if result.covered_from else None, "detail": result.detail,
        "rejected": result.rejected, "feeds": feeds, "rows": rows.to_dicts(),
    }  # fmt: skip


def unpack(value: Mapping[str, Any], source: str, now: datetime, ttl_s: float) -> FetchResult | None:
    """The answer in ``value``, for a poll at ``now``; None where it is anything but a young answer of ``source``.

    Its rows keep the time at which they were read: nobody looked since.
    """
    try:
        kept = _Poll.model_validate(value)
        feeds = tuple(FeedReport(feed.feed, Outcome(feed.outcome), feed.items, feed.detail) for feed in kept.feeds)
        read_at = kept.at.astimezone(UTC)
        items = _frame(kept.rows, source, read_at)
        age = now - read_at
    except (ValidationError, ValueError, OverflowError, RecursionError, pl.exceptions.PolarsError):
        return None
    if (kept.version, kept.source) != (VERSION, source) or not timedelta(0) <= age <= timedelta(seconds=ttl_s):
        return None
    covered = kept.covered_from.astimezone(UTC) if kept.covered_from else None
    return FetchResult(
        source, now, Outcome.CACHE_HIT, items, covered, detail=f"{kept.detail}, read {age.total_seconds():.0f} s ago",
        feeds=feeds,
    )  # fmt: skip


def _frame(rows: list[_Row], source: str, read_at: datetime) -> pl.DataFrame:
    schema = {name: pl.Int64() if name == "published_at" else dtype for name, dtype in ITEMS.items()}
    frame = pl.DataFrame([row.model_dump() for row in rows], schema=schema)
    stamped = frame.with_columns(
        pl.lit(read_at, dtype=ITEMS["poll_at"]).alias("poll_at"),
        pl.lit(source).alias("source"),
        pl.from_epoch("published_at", "us").dt.replace_time_zone("UTC"),
    )
    return conform(stamped, ITEMS)
