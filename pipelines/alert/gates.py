"""Gates and persistence (SCORING 5), pure: this poll's scores and the names that passed before in, three booleans out."""

from __future__ import annotations

from collections.abc import Collection

import polars as pl

from pipelines.settings_sections import Gates


def polls_before(gates: Gates, *, counted: bool) -> int:
    """How many of the latest counted polls before this one a name must have passed for persistence.

    A poll that is not ``counted`` brought no new data and is one poll with the one before it, so it adds nothing itself.
    """
    return gates.consecutive - 1 if counted else gates.consecutive


def gate(entities: pl.DataFrame, passed_before: Collection[int], gates: Gates, *, counted: bool) -> pl.DataFrame:
    """``entities`` (entity, velocity_z, spread_count, ...) with passes, persistence and eligible added.

    ``passed_before``: the entities that passed each of the latest :func:`polls_before` counted polls. The spread gate
    compares the count, never the fraction (SCORING 3).
    """
    passes = (pl.col("velocity_z") >= gates.min_velocity) & (pl.col("spread_count") >= gates.min_spread)
    alone = polls_before(gates, counted=counted) == 0
    before = pl.lit(value=True) if alone else pl.col("entity").is_in(list(passed_before))
    return (
        entities.with_columns(passes.fill_null(value=False).alias("passes"))
        .with_columns((pl.col("passes") & before).alias("persistence"))
        .with_columns(pl.col("persistence").alias("eligible"))
    )


def gate_row(velocity: float, spread: int, gates: Gates, *, before: bool, counted: bool) -> dict[str, bool]:
    """:func:`gate` for one entity; ``before``: whether it is among ``passed_before``."""
    passes = velocity >= gates.min_velocity and spread >= gates.min_spread
    lasts = passes and (before or polls_before(gates, counted=counted) == 0)
    return {"passes": passes, "persistence": lasts, "eligible": lasts}
