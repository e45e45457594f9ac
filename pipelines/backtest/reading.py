"""Reads rows of a recording into numbers: items, their wordings, and what each tick brought. Takes a stretch of whole ticks
at a time and keeps no text twice, so memory grows with what was said, not with how often it was seen."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from pipelines.affect import Sentiment
from pipelines.backtest.prepared import ITEMS_SEEN, SEEN, STARTS, TEXTS_SEEN, WORDINGS
from pipelines.model import SOURCES, UTC_TIME, SourceKind
from pipelines.score_rows import weights
from pipelines.settings import Settings
from pipelines.store.bulk import clean, usable_key

POLLED = pl.Schema({"source": pl.String(), "poll_at": UTC_TIME, "oldest": UTC_TIME, "usable": pl.Boolean()})
"""One row per poll that had rows: the oldest published time among them, and whether any row could be stored."""

_MOODED = pl.Schema({"tick": pl.Int32(), "item": pl.Int32(), "mood_text": pl.Int32()})
_RAW = pl.Schema(
    {name: dtype for name, dtype in SEEN.items() if name != "mood"} | {"mood_text": pl.Int32()}
)  # fmt: skip


class Reader:
    """Takes the rows of ticks ``times``, oldest first; the frames are ready once all were taken."""

    def __init__(self, settings: Settings, times: Sequence[datetime]) -> None:
        self._times = pl.Series(times, dtype=UTC_TIME)
        self._level = [name for name in SOURCES if getattr(settings, name).kind == SourceKind.LEVEL]
        self._items: dict[tuple[str, str], int] = {}
        self._texts: dict[tuple[int, str, str], int] = {}
        self._frames: dict[str, list[pl.DataFrame]] = {name: [] for name in _PARTS}

    def take(self, rows: pl.DataFrame) -> None:
        """The rows (:data:`~pipelines.model.ITEMS`) of some whole ticks."""
        raw = clean(rows)
        kept = raw.filter(usable_key("source", "item_id"), pl.col("poll_at").is_not_null())
        usable = kept.select("source", "poll_at").unique().with_columns(usable=pl.lit(value=True))
        polled = raw.group_by("source", "poll_at").agg(oldest=pl.col("published_at").min())
        polled = polled.join(usable, on=["source", "poll_at"], how="left")
        self._keep("polled", polled.with_columns(pl.col("usable").fill_null(value=False)).select(list(POLLED)))
        if kept.is_empty():
            return
        numbered = self._with_texts(self._with_items(self._placed(kept)))
        self._keep("seen", pl.concat([self._events(numbered), self._levels(numbered)]).sort("tick", "at"))
        several = numbered.filter(pl.col("text") != pl.col("text").last().over("tick", "item"))
        self._keep("wordings", several.select(list(WORDINGS)).unique(maintain_order=True))
        said = numbered.filter((pl.col("source") == "trends") & pl.col("published_at").is_not_null())
        self._keep("starts", said.select("item", at="published_at").unique(maintain_order=True))

    def _keep(self, name: str, frame: pl.DataFrame) -> None:
        self._frames[name].append(detached(frame))

    def _all(self, name: str) -> pl.DataFrame:
        return pl.concat([pl.DataFrame(schema=_PARTS[name]), *self._frames[name]])

    def _placed(self, rows: pl.DataFrame) -> pl.DataFrame:
        """With tick, list length and in the order in which a poll hands them over."""
        tick = pl.Series("tick", self._times.search_sorted(rows["poll_at"], side="left")).cast(pl.Int32)
        order = pl.col("source").replace_strict(list(SOURCES), range(len(SOURCES)), default=len(SOURCES))
        length = pl.max_horizontal(pl.len(), pl.col("rank").max()).over("poll_at", "source", "feed")
        return (
            rows.with_columns(tick, pl.col("feed").fill_null(""), pl.col("title").fill_null(""))
            .with_columns(
                pl.when(pl.col("rank").is_not_null()).then(length).cast(pl.Int32).alias("list_length"),
                pl.col("names").fill_null([]), order.alias("order"),
            )
            .sort("tick", "order", "poll_at", maintain_order=True)
        )  # fmt: skip

    def _with_items(self, rows: pl.DataFrame) -> pl.DataFrame:
        keys = rows.select("source", "item_id").unique(maintain_order=True)
        known = len(self._items)
        codes = [self._items.setdefault(key, len(self._items)) for key in keys.iter_rows()]
        numbered = rows.join(
            keys.with_columns(pl.Series("item", codes, dtype=pl.Int32)), on=["source", "item_id"], how="left",
            maintain_order="left",
        )  # fmt: skip
        new = numbered.filter(pl.col("item") >= known)
        first = new.filter(pl.col("tick") == pl.col("tick").min().over("item"))
        self._keep(
            "items",
            first.group_by("item").agg(
                pl.col("source", "item_id", "feed").last(), pl.col("url").drop_nulls().last(),
                pl.col("published_at").filter(pl.col("published_at").dt.year().is_between(1970, 2200)).first(),
                observed=pl.col("poll_at").min(),
            ).sort("item").with_columns(at=pl.coalesce("published_at", "observed")).select(list(ITEMS_SEEN)),
        )  # fmt: skip
        return numbered

    def _with_texts(self, rows: pl.DataFrame) -> pl.DataFrame:
        keyed = rows.with_columns(pl.col("names").list.join("\x1f", ignore_nulls=True).alias("key"))
        keys = keyed.unique(["item", "title", "key"], keep="first", maintain_order=True)
        known = len(self._texts)
        codes = [
            self._texts.setdefault(key, len(self._texts)) for key in keys.select("item", "title", "key").iter_rows()
        ]
        coded = keys.with_columns(pl.Series("text", codes, dtype=pl.Int32))
        new = coded.filter(pl.col("text") >= known).sort("text")
        self._keep("texts", new.select("item", "title", "names", "context"))
        return keyed.join(
            coded.select("item", "title", "key", "text"), on=["item", "title", "key"], how="left", maintain_order="left"
        ).drop("key")

    def _moods(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Whose mood an item takes at a tick: that of its last free text."""
        free = rows.filter(pl.col("names").list.len() == 0)
        return free.group_by("tick", "item", maintain_order=True).agg(mood_text=pl.col("text").last()).cast(_MOODED)

    def _events(self, rows: pl.DataFrame) -> pl.DataFrame:
        mine = rows.filter(~pl.col("source").is_in(self._level))
        last = mine.group_by("tick", "item", maintain_order=True).agg(
            pl.col("text").last(), pl.col("poll_at").max().alias("at"),
            pl.col("engagement", "rank", "list_length").last(),
        )  # fmt: skip
        return self._weighed(last, mine, SourceKind.EVENT)

    def _levels(self, rows: pl.DataFrame) -> pl.DataFrame:
        mine = rows.filter(pl.col("source").is_in(self._level)).with_columns(at=pl.col("poll_at"))
        once = mine.sort(
            "engagement", "rank", descending=[False, True], nulls_last=False, maintain_order=True
        ).unique(["item", "at"], keep="last")  # fmt: skip
        return self._weighed(once, mine, SourceKind.LEVEL)

    def _weighed(self, seen: pl.DataFrame, rows: pl.DataFrame, kind: SourceKind) -> pl.DataFrame:
        numbers = seen.with_columns(pl.col("engagement", "rank", "list_length").cast(pl.Float64))
        numbers = numbers.with_columns(pl.col("engagement").alias("shown"))
        weighed = numbers.with_columns(pl.Series("weight", weights(numbers, kind), dtype=pl.Float64))
        return (
            weighed.join(self._moods(rows), on=["tick", "item"], how="left")
            .with_columns(level=pl.lit(kind == SourceKind.LEVEL))
            .select(list(_RAW)).cast(_RAW)
        )  # fmt: skip

    def items(self) -> pl.DataFrame:
        """:data:`ITEMS_SEEN`."""
        return self._all("items")

    def texts(self, sentiment: Sentiment) -> pl.DataFrame:
        """:data:`TEXTS_SEEN`, with the mood of every free text."""
        texts = self._all("texts")
        free = (texts["names"].list.len() == 0).to_list()
        titles = texts["title"].to_list()
        moods = iter(sentiment.scores([title for title, one in zip(titles, free, strict=True) if one]))
        column = pl.Series("mood", [next(moods) if one else None for one in free], dtype=pl.Float64)
        return texts.with_columns(column).select(list(TEXTS_SEEN)).cast(TEXTS_SEEN)

    def seen(self, texts: pl.DataFrame) -> pl.DataFrame:
        """:data:`SEEN`."""
        moods = texts.select("mood").with_row_index("mood_text").cast({"mood_text": pl.Int32})
        joined = self._all("seen").join(moods, on="mood_text", how="left", maintain_order="left")
        return joined.sort("tick", "at", maintain_order=True).select(list(SEEN))

    def wordings(self) -> pl.DataFrame:
        """:data:`WORDINGS`."""
        return self._all("wordings")

    def starts(self) -> pl.DataFrame:
        """:data:`STARTS`."""
        return self._all("starts").unique(maintain_order=True)

    def reach(self) -> pl.DataFrame:
        """:data:`POLLED`."""
        return self._all("polled")


def detached(frame: pl.DataFrame) -> pl.DataFrame:
    """``frame`` with memory of its own. Rows taken from a frame of texts keep all its texts alive: Polars shares them."""
    if not any(dtype in (pl.String, pl.List(pl.String)) for dtype in frame.schema.values()):
        return frame
    return pl.DataFrame(frame.to_dict(as_series=False), schema=frame.schema)


_PARTS = {
    "items": ITEMS_SEEN,
    "texts": pl.Schema({"item": pl.Int32(), "title": pl.String(), "names": pl.List(pl.String()), "context": pl.String()}),
    "seen": _RAW, "wordings": WORDINGS, "starts": STARTS, "polled": POLLED,
}  # fmt: skip
