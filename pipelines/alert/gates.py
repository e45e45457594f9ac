"""Gates and persistence (SCORING 5), pure: this poll's scores and the polls before it in, three booleans a name out."""

from __future__ import annotations

import polars as pl

from pipelines.settings import Gates

PASSES = pl.Schema({"at": pl.Datetime("us", "UTC"), "entity": pl.Int64(), "passes": pl.Boolean()})
"""One row per entity and counted poll, as :func:`gate` wants the polls before this one."""


def gate(entities: pl.DataFrame, before: pl.DataFrame, gates: Gates, *, counted: bool) -> pl.DataFrame:
    """``entities`` (entity, velocity_z, spread_count, ...) with passes, persistence and eligible added.

    ``before`` follows :data:`PASSES` and holds the latest counted polls before this one. A poll that is not ``counted``
    brought no new data: it is one poll with the one before it, so persistence then rests on the polls before alone. The
    spread gate compares the count, never the fraction (SCORING 3).
    """
    passes = (pl.col("velocity_z") >= gates.min_velocity) & (pl.col("spread_count") >= gates.min_spread)
    wanted = gates.consecutive - 1 if counted else gates.consecutive
    earlier = _passed_all(before, wanted)
    return (
        entities.with_columns(passes.fill_null(value=False).alias("passes"))
        .join(earlier, on="entity", how="left")
        .with_columns((pl.col("passes") & (pl.col("earlier").fill_null(value=wanted == 0))).alias("persistence"))
        .with_columns(pl.col("persistence").alias("eligible"))
        .drop("earlier")
    )


def _passed_all(before: pl.DataFrame, wanted: int) -> pl.DataFrame:
    """Entities that passed on each of the ``wanted`` latest counted polls."""
    latest = before.select(pl.col("at").unique().sort(descending=True).head(wanted))
    enough = latest.height == wanted
    return (
        before.join(latest, on="at", how="semi")
        .group_by("entity")
        .agg((pl.col("passes").sum() >= wanted).alias("earlier") & pl.lit(enough))
        .select("entity", pl.col("earlier"))
    )
