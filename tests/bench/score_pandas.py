"""SCORING 1 to 3 in plain pandas, as one would write it well: grouped, pivoted, rolled; no loops over rows.

For the benchmark only. Leaves out what its data has not: coverage gaps, repeated posts, sightings exactly on the hour.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import polars as pl

PLATFORMS = ("reddit", "trends", "tiktok")
UNIT = {"reddit": 3.0, "trends": 4.0, "tiktok": 4.0}
HOUR = pd.Timedelta(hours=1)

Frame = Any
"""A pandas frame, series or index: the stubs cannot follow sums, pivots and masks of them."""


def to_pandas(mentions: pl.DataFrame) -> Frame:
    """``mentions`` as a pandas user would have them: categories, UTC times, NaN for null."""
    frame = pd.DataFrame({name: mentions[name].to_numpy() for name in mentions.columns if name != "at"})
    frame["at"] = pd.to_datetime(mentions["at"].dt.timestamp("us").to_numpy(), unit="us", utc=True)
    return frame.astype({"source": "category", "item_id": "str"})


def score_pandas(mentions: Frame, now: datetime) -> Frame:
    """Velocity, spread, affect, raw, HEAT and peak of every entity at ``now``; robust, stouffer."""
    at = pd.Timestamp(now)
    rows = weighed(mentions[(mentions["at"] <= at) & mentions["source"].isin(PLATFORMS)])
    volumes: Frame = pd.concat([events(rows), levels(rows)])
    last = at.floor("h") if at != at.floor("h") else at - HOUR
    hours = pd.date_range(last - 334 * HOUR, last, freq="h")
    full = scores(volumes, rows, hours, volumes["at"].dt.ceil("h"), rows["at"].dt.ceil("h"))
    ticks = pd.date_range(at - 167 * HOUR, at, freq="h")
    current = scores(volumes, rows, ticks, anchored(volumes["at"], at), anchored(rows["at"], at))
    return with_heat(current, full["raw"], at)


def weighed(rows: Frame) -> Frame:
    """Rows with ``w``; each post once."""
    engagement = rows["engagement"].clip(lower=0)
    by_rank = 1 + (rows["list_length"] - rows["rank"]) / rows["list_length"]
    level = np.log10(10 + engagement.fillna(0)).where(engagement.notna() | rows["rank"].isna(), by_rank)
    is_event = rows["source"] == "reddit"
    rows = rows.assign(w=(1 + np.log10(1 + engagement.fillna(0))).where(is_event, level))
    posts = rows[is_event].drop_duplicates(["source", "item_id", "entity"], keep="last")
    return pd.concat([posts, rows[~is_event]])


def events(rows: Frame) -> Frame:
    """What posts add, and when."""
    return rows.loc[rows["source"] == "reddit", ["entity", "source", "at", "w"]]


def levels(rows: Frame) -> Frame:
    """What each clock hour of a list adds, at its last sighting."""
    seen = rows[rows["source"] != "reddit"]
    grouped = seen.groupby(["entity", "source", seen["at"].dt.floor("h").rename("hour")], observed=True)
    return grouped.agg(at=("at", "max"), w=("w", "max")).reset_index()


def anchored(at: Frame, now: pd.Timestamp) -> Frame:
    """The end of the hour, counted back from ``now``, that each time falls into."""
    return now - (now - at).dt.floor("h")


def wide(values: Frame, keys: list[Frame], hours: pd.DatetimeIndex) -> Frame:
    """Sums by hour (rows) and the other keys (columns)."""
    table = values.groupby(keys, observed=True).sum().unstack(list(range(1, len(keys))), fill_value=0.0)
    return table.reindex(hours, fill_value=0.0)


def scores(
    volumes: Frame, rows: Frame, hours: pd.DatetimeIndex, volume_hour: Frame,
    row_hour: Frame,
) -> dict[str, Frame]:  # fmt: skip
    """Velocity, spread, affect and raw: (hours with a whole week before them, entities)."""
    entities = pd.Index(np.sort(rows["entity"].unique()), name="entity")
    z, seen, present = [], [], []
    for source in PLATFORMS:
        of = volumes["source"] == source
        table = wide(volumes.loc[of, "w"], [volume_hour[of], volumes.loc[of, "entity"]], hours)
        parts = velocity(table.reindex(columns=entities, fill_value=0.0), UNIT[source])
        z.append(parts[0])
        seen.append(parts[1])
        present.append(parts[2])
    platforms: Frame = sum(present)
    fast = (sum(z) / np.sqrt(platforms.clip(lower=1))).clip(-4, 4)
    spread = sum(seen)
    felt = affect(rows, row_hour, hours, entities).loc[fast.index]
    raw = (0.5 * fast + 0.3 * spread / 3 + 0.2 * felt).where(platforms > 0)
    return {"velocity_z": fast, "spread_count": spread, "affect": felt, "raw": raw}


def velocity(table: Frame, unit: float) -> tuple[Frame, Frame, Frame]:
    """Robust z of one platform, and whether it is in the window and in the week."""
    x = table.rolling(12).sum().clip(lower=0)
    baseline = [x.shift(12 * k) for k in range(1, 14)]
    mu = sum(baseline) / 13
    s2 = sum((window - mu) ** 2 for window in baseline) / 12
    whole = mu.notna().all(axis=1)
    x, mu, s2 = x[whole], mu[whole], s2[whole]
    present = (x + 13 * mu) > 0.5
    z = ((x - mu) / np.sqrt(s2 + unit * mu + unit**2)).clip(-4, 4).where(present, 0.0)
    return z, (x > 0.5).astype(int), present.astype(int)


def affect(rows: Frame, row_hour: Frame, hours: pd.DatetimeIndex, entities: Frame) -> Frame:
    """Affect at every hour: a mention comes in with a sighting and goes out with the next or 12 h later."""
    felt = rows.assign(hour=row_hour).drop_duplicates(["source", "item_id", "entity", "hour"], keep="last")
    following = felt.groupby(["source", "item_id", "entity"], observed=True)["hour"].shift(-1)
    ends = following.fillna(felt["hour"] + 12 * HOUR).clip(upper=felt["hour"] + 12 * HOUR)
    felt = felt.assign(end=ends)[felt["sentiment"].notna()]
    mood, w = felt["sentiment"], felt["w"]
    sums = {}
    for name, value in {
        "ws": w * mood, "w": w, "n": mood * 0 + 1, "p": (mood >= 0.2) * 1.0, "q": (mood <= -0.2) * 1.0,
    }.items():  # fmt: skip
        steps = wide(value, [felt["hour"], felt["entity"]], hours) - wide(value, [felt["end"], felt["entity"]], hours)
        sums[name] = steps.cumsum().reindex(columns=entities, fill_value=0.0)
    n = sums["n"].round()
    m = (sums["ws"] / sums["w"]).where(n > 0, 0.0)
    split = 2 * np.minimum(sums["p"].round(), sums["q"].round()) / n.clip(lower=1)
    return (m.abs() + (0.25 * split).where(n > 10, 0.0)).clip(upper=1.0)


def with_heat(current: dict[str, Frame], past: Frame, now: pd.Timestamp) -> Frame:
    """One row an entity with its peak, the latest hour at the maximum."""
    table = pd.DataFrame({name: values.iloc[-1] for name, values in current.items()}).dropna(subset="raw")
    past = past.loc[now - timedelta(hours=168) + pd.Timedelta(1, "us") :, table.index]
    top = np.maximum(past.max(), table["raw"])
    latest = (past >= top - 1e-9).iloc[::-1].idxmax()
    table["peak_at"] = latest.where(table["raw"] < top - 1e-9, now)
    since: Frame = now - table["peak_at"]
    return table.assign(heat=table["raw"] * np.exp(-since / HOUR / 24)).reset_index()
