"""Mentions as scoring counts them: weighed, unique, and each with the time from which a newer row replaces it.

How SCORING 1 is read here:

- Rows after T, of ``trades`` or any other source than the three platforms, or without entity, item or time: not there.
- ``event`` source: (source, item, entity) is unique and a repeated row updates it: the last row in file order wins.
  Seen from an earlier hour, it is the last row among those not later than that hour.
- ``level`` source: every sighting counts for the volume; for sentiment the latest sighting stands for the mention.
- Engagement that is null, NaN or infinite is not given: 0 for an event, the rank (where there is one) for a level.
- A rank without ``list_length`` is held against the largest rank its source showed at that instant; a list is never
  shorter than the rank. Sentiment outside [-1, 1] is clipped, NaN is null.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipelines.model import PLATFORMS, SourceKind
from pipelines.score_model import Scoring

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Codes = NDArray[np.int32]
Keys = NDArray[np.uint64]

HOUR = 3_600_000_000
"""Microseconds."""

FOREVER = np.iinfo(np.int64).max
"""``until`` of a row that nothing replaces up to T."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PAIR_STEP = np.uint64(0x9E3779B97F4A7C15)


def micros(instant: datetime) -> int:
    """``instant`` as microseconds since 1970, exactly."""
    return (instant - _EPOCH) // timedelta(microseconds=1)


def instant(us: int) -> datetime:
    """The other way round."""
    return _EPOCH + timedelta(microseconds=us)


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows in time order; all arrays have one length. ``at`` and ``until`` are microseconds since 1970."""

    entity: Codes
    source: Codes
    at: Ints
    until: Ints
    weight: Floats
    sentiment: Floats

    def __len__(self) -> int:
        return len(self.at)

    def between(self, after: int, upto: int) -> Rows:
        """The rows with ``after < at <= upto``, as views."""
        lo, hi = np.searchsorted(self.at, [after, upto], side="right")
        return self.take(slice(int(lo), int(hi)))

    def take(self, which: slice | NDArray[np.bool_] | Ints) -> Rows:
        """The rows ``which`` selects; it must keep their order."""
        return Rows(
            self.entity[which], self.source[which], self.at[which],
            self.until[which], self.weight[which], self.sentiment[which],
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mentions:
    """The rows that count at T, by kind of source; entity code ``i`` is ``entities[i]``."""

    entities: pl.Series
    events: Rows
    levels: Rows


def prepare(mentions: pl.DataFrame, scoring: Scoring, now: datetime) -> Mentions:
    """Weigh ``mentions`` (the columns of MENTIONS, ``entity`` of any type), make them unique and put them in order."""
    frame = _weighed(mentions, scoring)
    usable = (
        pl.col("source").is_not_null()
        & (pl.col("at") <= micros(now))
        & pl.col("entity").is_not_null()
        & pl.col("item").is_not_null()
    ).fill_null(value=False)
    if not frame.select(usable.all()).item():
        frame = frame.filter(usable)
    codes, entities = _codes(frame["entity"])
    frame = frame.with_columns(pl.Series("entity", codes))
    order: Ints | None = None
    if not frame["at"].is_sorted():
        order = _stable_order((frame["at"] - frame["at"].min()).cast(pl.UInt64).to_numpy())
        frame = frame[order]
    frame = frame.with_columns(row=pl.Series(order) if order is not None else pl.int_range(pl.len()))
    is_event = pl.col("source").is_in([i for i, name in enumerate(PLATFORMS) if _is_event(scoring, name)])
    return Mentions(entities, _chained(frame.filter(is_event), updates=True), _chained(frame.filter(~is_event)))


def _is_event(scoring: Scoring, source: str) -> bool:
    return scoring.kinds[source] == SourceKind.EVENT


def _weighed(mentions: pl.DataFrame, scoring: Scoring) -> pl.DataFrame:
    source = pl.col("source").cast(pl.String)
    code = pl.coalesce([pl.when(source == name).then(i) for i, name in enumerate(PLATFORMS)])
    return mentions.lazy().select(
        pl.col("entity"),
        code.cast(pl.Int32).alias("source"),
        pl.when(pl.col("item_id").is_not_null()).then(pl.col("item_id").hash()).alias("item"),
        pl.col("at").dt.timestamp("us").alias("at"),
        _weight(mentions, scoring).alias("weight"),
        _number("sentiment").clip(-1.0, 1.0).fill_null(math.nan).alias("sentiment"),
    ).collect()  # fmt: skip


def _number(column: str) -> pl.Expr:
    value = pl.col(column).cast(pl.Float64)
    return pl.when(value.is_finite()).then(value)


def _weight(mentions: pl.DataFrame, scoring: Scoring) -> pl.Expr:
    """``w`` of SCORING 1; both logarithms written as ``1 + log10(1 + e/scale)``."""
    is_event = pl.col("source").cast(pl.String).is_in([name for name in PLATFORMS if _is_event(scoring, name)])
    engagement = _number("engagement").clip(lower_bound=0.0)
    scaled = pl.when(is_event).then(engagement).otherwise(engagement / 10.0)
    by_engagement = 1.0 + scaled.fill_null(0.0).log1p() / math.log(10.0)
    if not mentions.select((_number("engagement").is_null() & pl.col("rank").is_not_null()).any()).item():
        return by_engagement
    rank = pl.when(_number("rank") >= 0).then(_number("rank"))
    given = pl.when(_number("list_length") > 0).then(_number("list_length"))
    length = pl.max_horizontal(given.fill_null(rank.max().over("source", "at")), rank)
    by_rank = 1.0 + pl.when(length > 0).then((length - rank) / length).otherwise(0.0)
    ranked = ~is_event & engagement.is_null() & rank.is_not_null()
    return pl.when(ranked).then(by_rank).otherwise(by_engagement)


def _codes(values: pl.Series) -> tuple[Codes, pl.Series]:
    """A dense code for each value, and the distinct values in the order of their codes."""
    if values.dtype.is_integer() and len(values):
        lowest, highest = int(values.min()), int(values.max())  # type: ignore[arg-type]  # not null: filtered above
        if highest - lowest < max(1_000_000, 4 * len(values)):
            offsets = values.to_numpy() - lowest
            present = np.zeros(highest - lowest + 1, dtype=np.bool_)
            present[offsets] = True
            lookup = np.cumsum(present, dtype=np.int32) - np.int32(1)
            distinct = pl.Series("entity", np.flatnonzero(present) + lowest).cast(values.dtype)
            return lookup[offsets], distinct
    keys = values.to_frame("entity")
    coded = keys.unique(maintain_order=True).with_row_index("code")
    codes = keys.join(coded, on="entity", how="left", maintain_order="left")["code"].cast(pl.Int32).to_numpy()
    return codes, coded["entity"]


def _chained(frame: pl.DataFrame, *, updates: bool = False) -> Rows:
    """Rows with ``until``: when the next row of the same mention takes its place.

    With ``updates``, a row that comes later in the file and is not later in time takes the place from the start.
    """
    entity, source, at = frame["entity"].to_numpy(), frame["source"].to_numpy(), frame["at"].to_numpy()
    rows = Rows(
        entity, source, at, np.full(len(at), FOREVER), frame["weight"].to_numpy(), frame["sentiment"].to_numpy()
    )
    pair = entity.astype(np.uint64) * np.uint64(len(PLATFORMS)) + source.astype(np.uint64)
    keys = frame["item"].to_numpy() + pair * _PAIR_STEP
    if not _has_repeats(keys):
        return rows
    order = _stable_order(keys)
    if updates:
        order = order[_is_newest_so_far(keys[order], frame["row"].to_numpy()[order])]
    same = keys[order[1:]] == keys[order[:-1]]
    rows.until[order[:-1][same]] = at[order[1:][same]]
    alive = np.zeros(len(at), dtype=np.bool_)
    alive[order] = True
    alive &= rows.until > rows.at if updates else True
    return rows if alive.all() else rows.take(alive)


def _has_repeats(keys: Keys) -> bool:
    ordered = np.sort(keys)
    return bool((ordered[1:] == ordered[:-1]).any())


def _is_newest_so_far(keys: Keys, file_row: Ints) -> NDArray[np.bool_]:
    """Which rows, grouped by key and in time order, come later in the file than all before them in their group."""
    group = np.cumsum(np.concatenate([[False], keys[1:] != keys[:-1]]))
    place = group * (int(file_row.max()) + 1) + file_row
    newest = np.maximum.accumulate(place)
    return np.concatenate([[True], place[1:] > newest[:-1]])


def _stable_order(values: Keys) -> Ints:
    """Indices that bring equal values together, keeping their order; ascending where the values fit.

    Sorting value and index packed in one integer is several times faster than sorting indices. Where a value does
    not fit its leading bits are used, and if those are not enough to tell the values apart, the slow way is taken.
    """
    count = len(values)
    bits = max(count - 1, 1).bit_length()
    width = int(values.max()).bit_length() if count else 0
    surplus = max(width + bits - 64, 0)
    packed = (values >> np.uint64(surplus)) << np.uint64(bits) | np.arange(count, dtype=np.uint64)
    packed.sort()
    order = (packed & np.uint64((1 << bits) - 1)).astype(np.int64)
    if surplus:
        lead, full = packed >> np.uint64(bits), values[order]
        if ((lead[1:] == lead[:-1]) & (full[1:] != full[:-1])).any():
            return np.argsort(values, kind="stable")
    return order
