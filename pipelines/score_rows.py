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
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipelines.model import PLATFORMS, SourceKind
from pipelines.score_model import Scoring

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Keys = NDArray[np.uint64]

HOUR = 3_600_000_000
"""Microseconds."""

FOREVER = np.iinfo(np.int64).max
"""``until`` of a row that nothing replaces up to T."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ENTITY_STEP = np.uint64(0x9E3779B97F4A7C15)


def micros(instant: datetime) -> int:
    """``instant`` as microseconds since 1970, exactly."""
    return (instant - _EPOCH) // timedelta(microseconds=1)


def instant(us: int) -> datetime:
    """The other way round."""
    return _EPOCH + timedelta(microseconds=us)


@dataclass(frozen=True, slots=True)
class Rows:
    """One platform's rows in time order; all arrays have one length. ``entity`` is a code, ``at`` and ``until`` are
    microseconds since 1970, ``sentiment`` is NaN where there is no text."""

    kind: SourceKind
    entity: Ints
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

    def take(self, which: slice | NDArray[np.bool_]) -> Rows:
        """The rows ``which`` selects, in the same order."""
        rows = which if isinstance(which, slice) else np.flatnonzero(which)  # several times faster than a mask
        return Rows(
            self.kind, self.entity[rows], self.at[rows],
            self.until[rows], self.weight[rows], self.sentiment[rows],
        )  # fmt: skip

    def lasting(self) -> Rows:
        """The rows that nothing replaces up to T."""
        lasts = self.until == FOREVER
        return self if lasts.all() else self.take(lasts)


@dataclass(frozen=True, slots=True)
class Mentions:
    """The rows that count at T, one :class:`Rows` a platform; entity code ``i`` is ``entities[i]``."""

    entities: pl.Series
    platforms: tuple[Rows, ...]


def prepare(mentions: pl.DataFrame, scoring: Scoring, now: datetime) -> Mentions:
    """Weigh ``mentions`` (the columns of MENTIONS, ``entity`` of any type), make them unique and put them in order."""
    at = micros(now)
    parts = pl.collect_all([_of_platform(mentions, name, at) for name in PLATFORMS])
    codes, entities = _codes([part["entity"] for part in parts])
    current = at - scoring.window_hours * HOUR

    def rows(i: int) -> Rows:
        return _rows(parts[i], codes[i], scoring.kinds[PLATFORMS[i]], current)

    with ThreadPoolExecutor(len(PLATFORMS)) as pool:
        return Mentions(entities, tuple(pool.map(rows, range(len(PLATFORMS)))))


def _of_platform(mentions: pl.DataFrame, name: str, now: int) -> pl.LazyFrame:
    at = pl.col("at").dt.timestamp("us")
    known = pl.all_horizontal(pl.col("entity", "item_id").is_not_null())
    numbers = pl.col("engagement", "rank", "list_length", "sentiment").cast(pl.Float64)
    usable = mentions.lazy().filter((pl.col("source").cast(pl.String) == name) & (at <= now) & known)
    return usable.select("entity", pl.col("item_id").hash().alias("item"), at.alias("at"), numbers)


def _codes(parts: list[pl.Series]) -> tuple[list[Ints], pl.Series]:
    """A dense code for each value of each part, and the distinct values in the order of their codes."""
    dtype, count = parts[0].dtype, sum(map(len, parts))
    if dtype.is_integer() and count:
        ends = [int(cast("int", end)) for part in parts if len(part) for end in (part.min(), part.max())]
        lowest, span = min(ends), max(ends) - min(ends) + 1
        if span <= max(1_000_000, 4 * count):
            offsets = [part.to_numpy() - lowest for part in parts]
            present = np.zeros(span, dtype=np.bool_)
            for offset in offsets:
                present[offset] = True
            lookup = np.cumsum(present) - 1
            distinct = pl.Series("entity", np.flatnonzero(present) + lowest).cast(dtype)
            return [lookup[offset] for offset in offsets], distinct
    coded = pl.concat(parts).to_frame("entity").unique(maintain_order=True).with_row_index("code")
    coded = coded.with_columns(pl.col("code").cast(pl.Int64))
    found = [part.to_frame("entity").join(coded, on="entity", how="left", maintain_order="left") for part in parts]
    return [part["code"].to_numpy() for part in found], coded["entity"]


def _rows(frame: pl.DataFrame, entity: Ints, kind: SourceKind, current: int) -> Rows:
    """One platform's rows in time order, weighed and chained; the current window begins at ``current``."""
    file_row: Ints | None = None
    if not frame["at"].is_sorted():
        file_row = _stable_order((frame["at"] - frame["at"].min()).cast(pl.UInt64).to_numpy())
        frame, entity = frame[file_row], entity[file_row]
    at = frame["at"].to_numpy()
    until = np.full(len(at), FOREVER)
    rows = Rows(kind, entity, at, until, weights(frame, kind), _sentiments(frame["sentiment"]))
    keys = frame["item"].to_numpy() + entity.astype(np.uint64) * _ENTITY_STEP
    if kind == SourceKind.EVENT:
        return _updated(rows, keys, file_row)
    # what replaces a sighting matters to its sentiment and, in the current window, to the count of mentions
    first = int(np.searchsorted(at, current, side="right")) if np.isnan(rows.sentiment).all() else 0
    _chain(until[first:], at[first:], keys[first:], _stable_order(keys[first:]))
    return rows


def weights(frame: pl.DataFrame, kind: SourceKind) -> Floats:
    """``w`` of SCORING 1, both formulas written as ``1 + log10(1 + e/scale)``."""
    engagement = frame["engagement"].to_numpy()
    weight: Floats = np.maximum(engagement, 0.0)
    weight *= 1.0 if kind == SourceKind.EVENT else 0.1
    weight += 1.0
    np.log10(weight, out=weight)
    weight += 1.0
    given = np.isfinite(engagement)
    if not given.all():
        weight[~given] = 1.0 if kind == SourceKind.EVENT else _weights_of_ranks(frame, ~given)
    return weight


def _weights_of_ranks(frame: pl.DataFrame, which: NDArray[np.bool_]) -> Floats:
    """``1 + (length - rank) / length`` for the rows ``which``; 1 where that cannot be told."""
    rank = pl.when(pl.col("rank").is_between(0, math.inf, closed="left")).then(pl.col("rank"))
    given = pl.when(pl.col("list_length") > 0).then(pl.col("list_length"))
    rows = frame.filter(pl.Series(which)).select("at", rank=rank, length=given)
    if rows["length"].null_count():
        longest = frame.select("at", longest=rank).drop_nulls().group_by("at").agg(pl.col("longest").max())
        rows = rows.join(longest, on="at", how="left", maintain_order="left")
        rows = rows.with_columns(pl.col("length").fill_null(pl.col("longest")))
    length = pl.max_horizontal("length", "rank")
    weight = pl.when(pl.col("rank").is_not_null() & (length > 0)).then(1.0 + (length - pl.col("rank")) / length)
    return rows.select(weight.fill_null(1.0).alias("weight"))["weight"].to_numpy()


def _sentiments(values: pl.Series) -> Floats:
    sentiment = values.to_numpy()
    beyond = np.abs(sentiment) > 1.0
    if beyond.any():
        sentiment = np.where(np.isinf(sentiment), math.nan, np.clip(sentiment, -1.0, 1.0))
    return sentiment


def _updated(rows: Rows, keys: Keys, file_row: Ints | None) -> Rows:
    """Each item of an event source by its newest row. One that comes later in the file and is not later in time takes
    the place of an earlier one from the start."""
    if not _has_repeats(keys):
        return rows
    file_row = np.arange(len(rows)) if file_row is None else file_row
    order = _stable_order(keys)
    order = order[_is_newest_so_far(keys[order], file_row[order])]
    _chain(rows.until, rows.at, keys, order)
    alive = np.zeros(len(rows), dtype=np.bool_)
    alive[order] = True
    return rows.take(alive & (rows.until > rows.at))


def _chain(until: Ints, at: Ints, keys: Keys, order: Ints) -> None:
    """Set ``until`` of each row to the time of the next one with its key, going through the rows in ``order``."""
    ordered = keys[order]
    followed = np.flatnonzero(ordered[1:] == ordered[:-1])
    until[order[followed]] = at[order[followed + 1]]


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
