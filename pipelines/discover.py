"""Discovery (SCORING 4), pure: names nobody owns in, those that earned an entity out, with the case for each.

A name becomes an entity when, inside 12 h, it was seen on enough platforms and its velocity is high enough. Its velocity
is that of an entity's, from the same windows and coverage.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

from pipelines.model import PLATFORMS, UTC_TIME
from pipelines.score import velocities
from pipelines.score_model import Scoring

PROVENANCE_ITEMS = 10
"""Items of the window kept as the case for a new name, of each platform, the earliest first."""

DISCOVERED = pl.Schema(
    {
        "canonical": pl.String(),
        "name": pl.String(),
        "velocity_z": pl.Float64(),
        "spread_count": pl.Int8(),
        "first_seen": UTC_TIME,
        "provenance": pl.Object(),
    }
)
"""One row a new entity, fastest first. ``first_seen`` is the time of its first item; ``provenance`` a JSON-ready dict:
poll, velocity_z, platforms {source: {z, x, mu, s, windows}}, items [{source, item_id, at}]."""

VIA = ("name", "quoted", "ner", "run", "title")
"""How names are found, the surest first: which spelling of a name is shown, among those with a capital if there is one."""


def discover(mentions: pl.DataFrame, coverage: pl.DataFrame | None, scoring: Scoring, now: datetime) -> pl.DataFrame:
    """The names in ``mentions`` that become entities at ``now`` (UTC), as :data:`DISCOVERED`.

    ``mentions``: the columns of MENTIONS with ``canonical`` and ``name`` in the entity's place, and ``via``. Where two
    names were seen in the very same items of the window, only the longer one is taken.
    """
    seen = mentions.filter(pl.col("source").is_in(PLATFORMS) & (pl.col("at") <= now))
    since = now - timedelta(hours=scoring.window_hours)
    window = seen.filter(pl.col("at") > since)
    spread = window.group_by("canonical").agg(pl.col("source").n_unique().alias("platforms"))
    wide = spread.filter(pl.col("platforms") >= scoring.discovery_platforms).select("canonical")
    possible = seen.join(wide, on="canonical", how="semi").rename({"canonical": "entity"})
    scored = velocities(possible, coverage, scoring, now)
    earned = scored.entities.filter(
        (pl.col("velocity_z") >= scoring.discovery_velocity) & (pl.col("spread_count") >= scoring.discovery_platforms)
    ).select(pl.col("entity").alias("canonical"), "velocity_z", "spread_count")
    kept = _longest(earned, window)
    rows = [
        {**row, **_case(row, seen.filter(pl.col("canonical") == row["canonical"]), scored.platforms, since, now)}
        for row in kept.sort(["velocity_z", "canonical"], descending=[True, False]).iter_rows(named=True)
    ]
    return pl.DataFrame(rows, schema=DISCOVERED) if rows else pl.DataFrame(schema=DISCOVERED)


def _longest(earned: pl.DataFrame, window: pl.DataFrame) -> pl.DataFrame:
    """Without names whose items of the window are also those of a longer one that contains it."""
    items = (
        window.join(earned, on="canonical", how="semi")
        .group_by("canonical")
        .agg(pl.concat_str("source", "item_id", separator="\x1f").unique().sort().alias("items"))
    )
    rows = sorted(items.iter_rows(), key=lambda row: -len(row[0]))
    dropped = {
        short
        for place, (short, mine) in enumerate(rows)
        if any(short in longer and set(mine) <= set(theirs) for longer, theirs in rows[:place])
    }
    return earned.filter(~pl.col("canonical").is_in(list(dropped)))


def _case(
    row: dict[str, object], seen: pl.DataFrame, platforms: pl.DataFrame, since: datetime, now: datetime
) -> dict[str, object]:
    parts = platforms.filter(pl.col("entity") == row["canonical"]).select("source", "z", "x", "mu", "s", "windows")
    first = seen.sort("at").unique(["source", "item_id"], keep="first", maintain_order=True)
    recent = (
        seen.filter(pl.col("at") > since).sort("at").unique(["source", "item_id"], keep="last", maintain_order=True)
    )
    case = recent.filter(pl.int_range(pl.len()).over("source") < PROVENANCE_ITEMS)
    best = seen.with_columns(pl.col("via").replace_strict(list(VIA), range(len(VIA)), default=len(VIA)).alias("place"))
    provenance = {
        "poll": now.isoformat(),
        "velocity_z": row["velocity_z"],
        "platforms": {part.pop("source"): part for part in parts.to_dicts()},
        "items": [
            {"source": source, "item_id": item_id, "at": at.isoformat()}
            for source, item_id, at in case.select("source", "item_id", "at").iter_rows()
        ],
    }
    # searches are typed without capitals; a headline's spelling is the one to put on air
    small = (pl.col("name") == pl.col("name").str.to_lowercase()).alias("small")
    name = best.with_columns(small).sort("small", "place", "at", maintain_order=True)["name"][0]
    return {"name": name, "first_seen": first["at"][0], "provenance": provenance}
