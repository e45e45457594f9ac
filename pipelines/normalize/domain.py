"""Which part of the news an entity belongs to: all evidence gathered, its points added up (docs/domains.md).

Nothing here reads a file or a clock, and a domain never changes a score (SCORING 4): it filters boards and alerts.
"""

from __future__ import annotations

import polars as pl

from pipelines.model import RECEIPTS, Domain, conform
from pipelines.normalize.domain_evidence import (
    from_catalogue,
    from_categories,
    from_feeds,
    from_trades,
    from_words,
)
from pipelines.normalize.domain_tables import DomainTables, load_domain_tables

__all__ = [
    "DECISIONS",
    "DomainTables",
    "classify",
    "from_catalogue",
    "from_categories",
    "from_feeds",
    "from_trades",
    "from_words",
    "gather",
    "load_domain_tables",
    "recent",
]

DECISIONS = pl.Schema(
    {
        "entity_id": pl.Int64(),
        "domain": pl.String(),
        "domain_by": pl.String(),
        "confidence": pl.Float64(),
        "why": pl.String(),
    }
)
"""One row an entity: ``domain_by`` is editor or evidence; confidence in [0, 1], 0 where unclassified."""


def gather(
    entities: pl.DataFrame, receipts: pl.DataFrame, tables: DomainTables, categories: pl.DataFrame | None = None
) -> pl.DataFrame:
    """All evidence on ``entities`` as EVIDENCE: the five ``from_*`` below, one after the other.

    ``entities``: id, kind, domain, domain_by. ``receipts``: RECEIPTS, capped here to the newest of each entity.
    ``categories``: entity_id, scheme ("explore" or "trending"), category.
    """
    newest = recent(receipts, tables.rules.receipts)
    parts = [from_catalogue(entities, tables), from_feeds(newest, tables), from_trades(newest, tables)]
    parts.append(from_words(newest, tables))
    if categories is not None:
        parts.append(from_categories(categories, tables))
    return pl.concat(parts)


def recent(receipts: pl.DataFrame, cap: int) -> pl.DataFrame:
    """The ``cap`` newest receipts of each entity as RECEIPTS, each item once."""
    return (
        conform(receipts, RECEIPTS)
        .sort("at", descending=True, nulls_last=True, maintain_order=True)
        .unique(["entity_id", "source", "item_id"], keep="first", maintain_order=True)
        .group_by("entity_id", maintain_order=True)
        .head(cap)
        .select(RECEIPTS.names())
    )


def classify(evidence: pl.DataFrame, tables: DomainTables, editor: pl.DataFrame | None = None) -> pl.DataFrame:
    """Add the points up: DECISIONS for every entity in ``evidence`` (EVIDENCE) or ``editor`` (entity_id, domain).

    The domain with the most points wins if it has ``least`` of them and leads by ``margin``; otherwise the entity is
    unclassified, as is one that appears in neither frame. What an editor set always stands.
    """
    totals = (
        evidence.filter(pl.col("domain") != Domain.UNCLASSIFIED.value)
        .sort("weight", descending=True)
        .group_by("entity_id", "domain", maintain_order=True)
        .agg(pl.col("weight").sum().alias("points"), pl.col("detail").str.join("; ").alias("details"))
        .sort("points", "domain", descending=[True, False])
    )
    told = totals.group_by("entity_id", maintain_order=True).agg(
        pl.col("domain").first().alias("first"),
        pl.col("points").first(),
        pl.col("points").get(1, null_on_oob=True).fill_null(0.0).alias("second"),
        pl.col("details").first(),
        pl.format("{} {}", "domain", pl.col("points").round(1)).str.join(", ").alias("tally"),
        (pl.col("points").exp() / (pl.col("points").exp().sum() + 1.0)).first().alias("share"),
    )
    rules = tables.rules
    sure = (pl.col("points") >= rules.least) & (pl.col("points") - pl.col("second") >= rules.margin)
    decided = conform(
        told.select(
            "entity_id",
            pl.when(sure).then("first").otherwise(pl.lit(Domain.UNCLASSIFIED.value)).alias("domain"),
            pl.lit("evidence").alias("domain_by"),
            pl.when(sure).then("share").otherwise(0.0).alias("confidence"),
            pl.when(sure)
            .then(pl.format("{}: {}", "tally", "details"))
            .otherwise(pl.format("not clear enough ({}): {}", "tally", "details"))
            .alias("why"),
        ),
        DECISIONS,
    )
    return decided if editor is None else _with_editor(decided, editor)


def _with_editor(decided: pl.DataFrame, editor: pl.DataFrame) -> pl.DataFrame:
    """``decided`` with the editor's word in place of ours."""
    clicks = editor.select(
        "entity_id",
        "domain",
        pl.lit("editor").alias("domain_by"),
        pl.lit(1.0).alias("confidence"),
        pl.lit("set by an editor").alias("why"),
    )
    clicks = conform(clicks, DECISIONS).unique("entity_id", keep="last", maintain_order=True)
    return pl.concat([decided.join(clicks, on="entity_id", how="anti"), clicks])
