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
    frame = _usable(_weighed(mentions, scoring), micros(now))
    codes, entities = _codes(frame["entity"])
    frame = frame.with_columns(pl.Series("entity", codes))
    if frame["at"].is_sorted():
        frame = frame.with_columns(row=pl.int_range(pl.len()))
    else:
        order = _stable_order((frame["at"] - frame["at"].min()).cast(pl.UInt64).to_numpy())
        frame = frame[order].with_columns(row=pl.Series(order))

    def rows(source: int) -> Rows:
        return _chained(frame.filter(pl.col("source") == source), scoring.kinds[PLATFORMS[source]])

    with ThreadPoolExecutor(len(PLATFORMS)) as pool:
        return Mentions(entities, tuple(pool.map(rows, range(len(PLATFORMS)))))


def _usable(frame: pl.DataFrame, now: int) -> pl.DataFrame:
    needed = ("source", "at", "entity", "item")
    latest = frame["at"].max()
    if not any(frame[name].null_count() for name in needed) and (latest is None or latest <= now):  # type: ignore[operator]  # an integer column
        return frame
    return frame.filter(pl.col("at") <= now, *(pl.col(name).is_not_null() for name in needed))


def _weighed(mentions: pl.DataFrame, scoring: Scoring) -> pl.DataFrame:
    frame = (
        mentions.lazy()
        .with_columns(code=_source_code())
        .select(
            pl.col("entity"),
            pl.col("code").alias("source"),
            pl.when(pl.col("item_id").is_not_null()).then(pl.col("item_id").hash()).alias("item"),
            pl.col("at").dt.timestamp("us").alias("at"),
            _weight(scoring).alias("weight"),
            _sentiment().alias("sentiment"),
        )
        .collect()
    )
    return _with_ranks(frame, mentions, scoring)


def _sentiment() -> pl.Expr:
    value = pl.col("sentiment").cast(pl.Float64)
    return pl.when(value.abs() < math.inf).then(value.clip(-1.0, 1.0)).otherwise(math.nan)


def _source_code() -> pl.Expr:
    """The platform's place in PLATFORMS; null for every other source."""
    name = pl.col("source").cast(pl.String)
    code = pl.lit(None, pl.UInt8)
    for i, platform in enumerate(PLATFORMS):
        code = pl.when(name == platform).then(pl.lit(i, pl.UInt8)).otherwise(code)
    return code


def _weight(scoring: Scoring) -> pl.Expr:
    """``w`` by engagement, both formulas written as ``1 + log10(1 + e/scale)``; not finite where it is not given."""
    scale = pl.lit(0.1)
    for i, name in enumerate(PLATFORMS):
        if scoring.kinds[name] == SourceKind.EVENT:
            scale = pl.when(pl.col("code") == i).then(1.0).otherwise(scale)
    engagement = pl.col("engagement").cast(pl.Float64).clip(lower_bound=0.0)
    return 1.0 + (1.0 + engagement * scale).log() * (1.0 / math.log(10.0))


def _with_ranks(frame: pl.DataFrame, mentions: pl.DataFrame, scoring: Scoring) -> pl.DataFrame:
    """``frame`` with the weights that engagement did not give: by rank in a level source, else 1."""
    given = frame["weight"].is_finite().fill_null(value=False)
    if given.all():
        return frame
    levels = [name for name in PLATFORMS if scoring.kinds[name] == SourceKind.LEVEL]
    missing = mentions.select("source", "at", "rank", "list_length").filter(~given)
    ranked = missing["source"].cast(pl.String).is_in(levels) & missing["rank"].is_not_null()
    by_rank = _weight_of_rank(missing, mentions)
    weight = frame["weight"].fill_null(1.0).to_numpy().copy()
    weight[~given.to_numpy()] = np.where(ranked.to_numpy(), by_rank.to_numpy(), 1.0)
    return frame.with_columns(weight=pl.Series(weight))


def _weight_of_rank(missing: pl.DataFrame, mentions: pl.DataFrame) -> pl.Series:
    """``1 + (length - rank) / length`` for each row of ``missing``; 1 where that cannot be told."""
    number = pl.col("rank").cast(pl.Float64)
    rank = pl.when(number.is_between(0, math.inf, closed="left")).then(number)
    given = pl.when(pl.col("list_length") > 0).then(pl.col("list_length").cast(pl.Float64))
    rows = missing.select("source", "at", rank=rank, length=given)
    if rows["length"].null_count():
        longest = mentions.select("source", "at", longest=rank).drop_nulls()
        longest = longest.group_by("source", "at").agg(pl.col("longest").max())
        rows = rows.join(longest, on=["source", "at"], how="left", maintain_order="left")
        rows = rows.with_columns(pl.col("length").fill_null(pl.col("longest")))
    length = pl.max_horizontal("length", "rank")
    weight = pl.when(length > 0).then(1.0 + (length - pl.col("rank")) / length)
    return rows.select(weight.fill_null(1.0).alias("weight"))["weight"]


def _codes(values: pl.Series) -> tuple[Ints, pl.Series]:
    """A dense code for each value, and the distinct values in the order of their codes."""
    if values.dtype.is_integer() and len(values):
        lowest, highest = int(values.min()), int(values.max())  # type: ignore[arg-type]  # not null: filtered above
        if highest - lowest < max(1_000_000, 4 * len(values)):
            offsets = values.to_numpy() - lowest
            present = np.zeros(highest - lowest + 1, dtype=np.bool_)
            present[offsets] = True
            lookup = np.cumsum(present, dtype=np.int64) - 1
            distinct = pl.Series("entity", np.flatnonzero(present) + lowest).cast(values.dtype)
            return lookup[offsets], distinct
    keys = values.to_frame("entity")
    coded = keys.unique(maintain_order=True).with_row_index("code")
    codes = keys.join(coded, on="entity", how="left", maintain_order="left")["code"].cast(pl.Int64).to_numpy()
    return codes, coded["entity"]


def _chained(frame: pl.DataFrame, kind: SourceKind) -> Rows:
    """One platform's rows with ``until``: when the next row of the same mention takes its place.

    In an event source, a row that comes later in the file and is not later in time takes the place from the start.
    """
    entity, at = frame["entity"].to_numpy(), frame["at"].to_numpy()
    until = np.full(len(at), FOREVER)
    rows = Rows(kind, entity, at, until, frame["weight"].to_numpy(), frame["sentiment"].to_numpy())
    keys = frame["item"].to_numpy() + entity.astype(np.uint64) * _ENTITY_STEP
    if kind == SourceKind.EVENT and not _has_repeats(keys):
        return rows
    order = _stable_order(keys)
    if kind == SourceKind.EVENT:
        order = order[_is_newest_so_far(keys[order], frame["row"].to_numpy()[order])]
    ordered = keys[order]
    same = ordered[1:] == ordered[:-1]
    until[order[:-1][same]] = at[order[1:][same]]
    if kind == SourceKind.LEVEL:
        return rows
    alive = np.zeros(len(at), dtype=np.bool_)
    alive[order] = True
    return rows.take(alive & (until > at))


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
