"""Turns what there is to see in the demo into what each source shows at each poll.

Four kinds of thing exist: posts, trending episodes, TikTok entries, and trade items. Each function takes a frame of
them and the poll times, and gives rows of :data:`~pipelines.model.ITEMS` as a live adapter would: Reddit a hot
listing whose engagement grows, Trends the running episodes with traffic floors, TikTok two ranked lists, the trades
their latest headlines.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import polars as pl

from pipelines.model import ITEMS, UTC_TIME, conform

POSTS = pl.Schema(
    {
        "item_id": pl.String(), "feed": pl.String(), "title": pl.String(), "url": pl.String(), "published_at": UTC_TIME,
        "peak": pl.Float64(), "rise_h": pl.Float64(),
    }
)  # fmt: skip
"""Posts: ``peak`` is where score + comments end, ``rise_h`` the hours in which two thirds of it come."""

EPISODES = pl.Schema(
    {
        "query": pl.String(), "begin": UTC_TIME, "end": UTC_TIME, "peak": pl.Float64(), "rise_h": pl.Float64(),
        "context": pl.String(),
    }
)  # fmt: skip
"""Trending episodes: a query on the list from ``begin`` to ``end`` whose traffic reaches ``peak`` after ``rise_h``
hours."""

ENTRIES = pl.Schema(
    {
        "item_id": pl.String(), "feed": pl.String(), "title": pl.String(), "url": pl.String(), "begin": UTC_TIME,
        "end": UTC_TIME, "peak": pl.Float64(), "rise_h": pl.Float64(), "weight": pl.Float64(), "names":
        pl.List(pl.String()), }
)  # fmt: skip
"""TikTok entries: a hashtag or sound on its list from ``begin`` to ``end``; lists are ranked by ``weight``."""

TRADES = pl.Schema(
    {"item_id": pl.String(), "feed": pl.String(), "title": pl.String(), "url": pl.String(), "published_at": UTC_TIME}
)
"""Trade items."""

LISTING = 36
REACH = timedelta(hours=30)
FEED_LENGTH = 5
TREND_LENGTH = 20
TRAFFIC_FLOORS = (200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000)


def poll_frame(times: Sequence[datetime]) -> pl.DataFrame:
    """Poll times as a frame with one column, ``poll_at``, sorted."""
    return pl.DataFrame({"poll_at": list(times)}, schema={"poll_at": UTC_TIME}).sort("poll_at")


def _age_h(since: str) -> pl.Expr:
    return (pl.col("poll_at") - pl.col(since)).dt.total_seconds() / 3600.0


def _during(things: pl.DataFrame, polls: pl.DataFrame) -> pl.DataFrame:
    """Each thing at each poll with ``begin <= poll_at < end``."""
    return things.join_where(polls, pl.col("begin") <= pl.col("poll_at"), pl.col("end") > pl.col("poll_at"))


def reddit_rows(posts: pl.DataFrame, polls: pl.DataFrame) -> pl.DataFrame:
    """The hot listing at each poll: the posts of the last 30 h that are large for their age, larger at every poll."""
    seen = _during(posts.with_columns(begin="published_at", end=pl.col("published_at") + REACH), polls)
    grown = seen.with_columns(
        engagement=(pl.col("peak") * (1.0 - (-_age_h("published_at") / pl.col("rise_h")).exp())).floor(),
    )
    hot = grown.with_columns(hot=(1.0 + pl.col("engagement")).log10() - _age_h("published_at") / 6.0)
    listed = hot.with_columns(rank=pl.col("hot").rank("ordinal", descending=True).over("poll_at").cast(pl.Int32))
    return _rows(listed.filter(pl.col("rank") <= LISTING), "reddit")


def trends_rows(episodes: pl.DataFrame, polls: pl.DataFrame) -> pl.DataFrame:
    """The trending list at each poll: the largest running episodes, traffic as the floor Google shows."""
    seen = _during(episodes, polls)
    part = ((_age_h("begin") + 0.4) / pl.col("rise_h")).clip(0.02, 1.0)
    floors = pl.DataFrame({"engagement": [float(floor) for floor in TRAFFIC_FLOORS]})
    shown = (
        seen.with_columns(traffic=(pl.col("peak") * part).clip(lower_bound=float(TRAFFIC_FLOORS[0])))
        .sort("traffic")
        .join_asof(floors, left_on="traffic", right_on="engagement", coalesce=False)
        .unique(["poll_at", "query"], keep="last", maintain_order=True)
        .with_columns(rank=pl.col("traffic").rank("ordinal", descending=True).over("poll_at").cast(pl.Int32))
        .filter(pl.col("rank") <= TREND_LENGTH)
    )
    named = shown.with_columns(
        item_id="query",
        title="query",
        feed=pl.lit("US"),
        names=pl.concat_list("query"),
        published_at="begin",
        url=pl.lit("https://demo.invalid/trends/") + pl.col("query").str.replace_all(" ", "-"),
    )
    return _rows(named, "trends")


def tiktok_rows(entries: pl.DataFrame, polls: pl.DataFrame) -> pl.DataFrame:
    """The hashtag and sound lists at each poll, ranked, with growing counts."""
    seen = _during(entries, polls)
    part = (_age_h("begin") + 0.5) / pl.col("rise_h")
    shown = seen.with_columns(
        engagement=(pl.col("peak") * part.clip(0.05, 1.0)).floor(),
        rank=pl.col("weight").rank("ordinal", descending=True).over("poll_at", "feed").cast(pl.Int32),
    )
    return _rows(shown, "tiktok")


def trades_rows(items: pl.DataFrame, polls: pl.DataFrame) -> pl.DataFrame:
    """Each trade feed's latest headlines at each poll."""
    week = timedelta(days=7)
    seen = _during(items.with_columns(begin="published_at", end=pl.col("published_at") + week), polls)
    newest = pl.col("published_at").rank("ordinal", descending=True).over("poll_at", "feed")
    return _rows(seen.filter(newest <= FEED_LENGTH), "trades")


def _rows(frame: pl.DataFrame, source: str) -> pl.DataFrame:
    rows = frame.with_columns(source=pl.lit(source))
    if "names" not in rows.columns:
        rows = rows.with_columns(names=pl.lit([], dtype=pl.List(pl.String)))
    return conform(rows, ITEMS).sort("poll_at", "rank", "published_at", "item_id", nulls_last=True)
