"""Frames of a save, made ready for copying. Pure: fetch results in, clean frames out, unusable rows counted."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from pipelines.model import ITEMS, UTC_TIME, FetchResult, Outcome, SourceKind, conform
from pipelines.store.bulk import clean, json_dump, json_text, usable_key

MAX_COVERED = timedelta(days=62)
"""How far back one poll may claim to have looked."""
YEAR_SPAN = (1970, 2200)
QUERY = re.compile(r"\?[^\s?=;,]*=[^\s;,)]*")
"""The query string of an address: it may hold a secret, and says nothing to a reader of the audit."""
KEY = ("source", "item_id")


@dataclass(frozen=True, slots=True)
class Batch:
    """What one save writes: ``items`` once per key, ``sightings`` once per key and time, ``polls`` once per poll."""

    items: pl.DataFrame
    sightings: pl.DataFrame
    mentions: pl.DataFrame
    candidates: pl.DataFrame
    polls: pl.DataFrame
    coverage: pl.DataFrame
    kinds: pl.DataFrame


def make_batch(
    results: Sequence[FetchResult],
    kinds: Mapping[str, SourceKind],
    sentiments: pl.DataFrame,
    mentions: pl.DataFrame,
    candidates: pl.DataFrame,
) -> Batch:
    """What ``save_results`` stores, from what it is handed; rows that cannot be stored are left out and counted."""
    level = [source for source, kind in kinds.items() if kind == SourceKind.LEVEL]
    seen = [_usable(result) for result in results]
    rows = pl.concat([pl.DataFrame(schema=_SEEN), *(frame for frame, _ in seen)])
    polls = pl.DataFrame(
        [row for result, (frame, lost) in zip(results, seen, strict=True) for row in _polls(result, frame, lost)],
        schema=_POLLS, orient="row",
    )  # fmt: skip
    return Batch(
        items=_items(rows, sentiments),
        sightings=_sightings(rows.filter(pl.col("source").is_in(level))),
        mentions=_named(mentions, ("matched", "via"), "entity_id"),
        candidates=_named(candidates, ("name", "via"), "canonical"),
        polls=polls,
        coverage=_coverage(results, rows, kinds),
        kinds=pl.DataFrame({"source": list(kinds), "kind": [kind.value for kind in kinds.values()]}, schema=_KINDS),
    )


_SEEN = pl.Schema({**ITEMS, "list_length": pl.Int32()})
_KINDS = pl.Schema({"source": pl.String(), "kind": pl.String()})
_POLLS = pl.Schema(
    {
        "source": pl.String(), "at": UTC_TIME, "outcome": pl.String(), "items": pl.Int64(), "rejected": pl.Int64(),
        "requests": pl.Int64(), "http_status": pl.Int64(), "bytes": pl.Int64(), "ms": pl.Int64(),
        "detail": pl.String(), "covered_from": UTC_TIME, "retry_after_s": pl.Float64(), "feeds": pl.String(),
        "kind": pl.String(), "request_id": pl.String(),
    }
)  # fmt: skip


def _usable(result: FetchResult) -> tuple[pl.DataFrame, int]:
    """The rows of a result that can be stored, with each list's length; and how many cannot."""
    frame = clean(conform(result.items, ITEMS))
    published = pl.col("published_at")
    kept = frame.filter(usable_key("source", "item_id"), pl.col("poll_at").is_not_null()).with_columns(
        pl.when(published.dt.year().is_between(*YEAR_SPAN)).then(published).alias("published_at"),
        pl.col("feed").fill_null(""),
        pl.col("title").fill_null(""),
        pl.when(pl.col("rank").is_not_null())
        .then(pl.max_horizontal(pl.len(), pl.col("rank").max()).over("poll_at", "source", "feed"))
        .cast(pl.Int32)
        .alias("list_length"),
    )
    return kept.select(_SEEN.names()), frame.height - kept.height


def _items(rows: pl.DataFrame, sentiments: pl.DataFrame) -> pl.DataFrame:
    """One row per item as it was last seen in this batch, in the column order of the stage table."""
    ordered = rows.sort("poll_at", maintain_order=True)
    latest = ordered.group_by(KEY).agg(
        pl.col("feed", "title").last(),
        pl.col("url", "context").drop_nulls().last(),
        pl.col("published_at").drop_nulls().first(),
        pl.col("poll_at").min().alias("first_observed"),
        pl.col("poll_at").max().alias("last_observed"),
        pl.col("engagement", "rank", "list_length").last(),
        pl.col("names").last(),
    )
    moods = clean(sentiments.select("source", "item_id", pl.col("sentiment").cast(pl.Float64)))
    moods = moods.unique(KEY, keep="last")
    return (
        latest.join(moods, on=KEY, how="left")
        .with_columns(
            pl.col("context").map_elements(json_text, return_dtype=pl.String),
            _names_json(),
        )
        .select(
            *KEY, "feed", "title", "url", "published_at", "first_observed", "last_observed", "engagement", "rank",
            "list_length", "sentiment", "context", "names",
        )
        .sort(KEY)
    )  # fmt: skip


def _names_json() -> pl.Expr:
    """``names`` as a JSON list without empty names; a missing list is an empty one."""
    cleaned = pl.element().str.replace_all("\x00", "", literal=True)
    names = pl.col("names").fill_null([]).list.eval(cleaned.filter(cleaned != ""))
    wrapped = pl.struct(names.alias("names")).struct.json_encode()
    return wrapped.str.strip_prefix('{"names":').str.strip_suffix("}").alias("names")


def _sightings(rows: pl.DataFrame) -> pl.DataFrame:
    """One row per item and poll; where a poll lists an item twice, the larger."""
    return (
        rows.select(*KEY, pl.col("poll_at").alias("seen_at"), "engagement", "rank", "list_length")
        .sort("engagement", "rank", descending=[False, True], nulls_last=False, maintain_order=True)
        .unique([*KEY, "seen_at"], keep="last")
        .sort(*KEY, "seen_at")
    )


def _named(frame: pl.DataFrame, texts: tuple[str, str], last: str) -> pl.DataFrame:
    """Mentions or candidates: keyed by item and ``last``, once each, without rows that cannot be a key."""
    keys = [*KEY, last] if last == "canonical" else [*KEY]
    return (
        clean(frame.select(*KEY, last, *texts))
        .filter(usable_key(*keys), pl.col(last).is_not_null())
        .with_columns(pl.col(texts).fill_null(""))
        .unique([*KEY, last], keep="first", maintain_order=True)
        .sort(*KEY, last)
    )


def _polls(result: FetchResult, rows: pl.DataFrame, lost: int) -> Iterator[dict[str, Any]]:
    """A result's poll rows: one for each time in its frame (bulk history has many), else one at its own time.

    What was counted for the whole fetch stands on the last of them.
    """
    counts = rows.group_by("poll_at").len().sort("poll_at").rows()
    if result.outcome is Outcome.CACHE_HIT:  # a fetch of its own in the audit, with rows read earlier
        counts = [(result.at, rows.height)]
    for place, (at, items) in enumerate(counts or [(result.at, 0)], start=1):
        last = place >= len(counts)
        yield {
            "source": result.source, "at": at, "outcome": result.outcome.value, "items": items,
            "rejected": result.rejected + lost if last else 0, "requests": result.requests if last else 0,
            "http_status": result.http_status, "bytes": result.bytes_read if last else 0,
            "ms": result.ms if last else 0, "detail": _plain(result.detail)[:1000],
            "covered_from": result.covered_from if last else None, "retry_after_s": result.retry_after_s,
            "feeds": _feeds_json(result) if last else "[]", "kind": _plain(result.kind)[:40],
            "request_id": _plain(result.request_id)[:100],
        }  # fmt: skip


def _plain(line: str) -> str:
    """``line`` without NUL and without the query string of any address in it."""
    return QUERY.sub("", line.replace("\x00", ""))


def _feeds_json(result: FetchResult) -> str:
    return json_dump(
        [
            {"feed": feed.feed, "outcome": feed.outcome.value, "items": feed.items, "detail": _plain(feed.detail)}
            for feed in result.feeds
        ]
    )


def _coverage(results: Sequence[FetchResult], rows: pl.DataFrame, kinds: Mapping[str, SourceKind]) -> pl.DataFrame:
    """The hours in which these polls looked at their sources."""
    good = {result.source for result in results if result.outcome.successful}  # rows of a cache carry their own time
    hours = {(source, _hour(at)) for source, at in rows.select("source", "poll_at").unique().rows() if source in good}
    for result in results:
        if not result.outcome.successful or result.outcome is Outcome.CACHE_HIT:
            continue  # what a cache holds was covered when it was read
        back = result.covered_from if kinds.get(result.source) == SourceKind.EVENT else None
        hour = _hour(max(back, result.at - MAX_COVERED) if back else result.at)
        if result.items.is_empty() or back:
            hours.update((result.source, hour + timedelta(hours=n)) for n in range(_hours_between(hour, result.at) + 1))
    return pl.DataFrame(sorted(hours), schema={"source": pl.String(), "hour": UTC_TIME}, orient="row")


def _hour(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _hours_between(hour: datetime, later: datetime) -> int:
    return max(0, int((later - hour).total_seconds() // 3600))
