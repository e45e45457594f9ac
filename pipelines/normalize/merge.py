"""Suggests pairs of entities that may be one: near-duplicate names, and names that look alike in other letters.

Suggestions are for a person to decide; nothing here merges. Comparing all pairs of 20,000 names would take minutes, so
only names that share a block (the start of the name, its words in order of the alphabet, its last word) are compared.
"""

from __future__ import annotations

import re

import numpy as np
import polars as pl
from rapidfuzz import fuzz, process

from pipelines.model import SUGGESTIONS
from pipelines.normalize.lookalike import skeleton

NEAR = "near-duplicate"
LOOKS_ALIKE = "looks alike (different letters)"

_MAX_BLOCK = 150
_MIN_LENGTH = 5
_NUMBERED = re.compile(r"\d+|\b[ivx]+\b")


def suggest(aliases: pl.DataFrame, threshold: float = 90.0) -> pl.DataFrame:
    """Pairs of entities whose names nearly agree, as :data:`SUGGESTIONS`.

    ``aliases`` has ``canonical`` and ``entity_id``. Two names are near when their letters or their words in any order
    agree to ``threshold`` percent and all numbers in them are equal ("Part Two" and "Part 3" never are); shorter ones
    than five characters only when they are equal without spaces.
    """
    names = aliases.select("canonical", "entity_id").filter(pl.col("canonical") != "").unique()
    parts = [_alike(names), _near(names, threshold)]
    pairs = pl.concat(parts).filter(pl.col("a") != pl.col("b"))
    return (
        pairs.sort("score", "a", "b", "a_name", "b_name", descending=[True, False, False, False, False])
        .unique(["a", "b"], keep="first", maintain_order=True)
        .select(list(SUGGESTIONS))
    )


def _alike(names: pl.DataFrame) -> pl.DataFrame:
    """Pairs whose skeletons are equal though their canonical names are not."""
    shapes = names.with_columns(pl.Series("shape", [skeleton(name) for name in names["canonical"]], dtype=pl.String))
    odd = shapes.filter(pl.col("shape") != pl.col("canonical"))
    met = odd.join(shapes, on="shape", suffix="_b").filter(pl.col("canonical") != pl.col("canonical_b"))
    return _ordered(met.with_columns(score=pl.lit(100.0), reason=pl.lit(LOOKS_ALIKE)))


def _near(names: pl.DataFrame, threshold: float) -> pl.DataFrame:
    keyed = names.with_columns(
        pl.col("canonical").str.replace_all(" ", "", literal=True).alias("tight"),
        pl.col("canonical").str.split(" ").list.sort().list.join(" ").alias("sorted"),
        pl.Series("numbers", [" ".join(sorted(_NUMBERED.findall(n))) for n in names["canonical"]], dtype=pl.String),
    )
    pairs = _blocked_pairs(keyed)
    left, right = pairs["tight"].to_list(), pairs["tight_b"].to_list()
    letters = process.cpdist(left, right, scorer=fuzz.ratio, workers=-1)
    words = process.cpdist(pairs["sorted"].to_list(), pairs["sorted_b"].to_list(), scorer=fuzz.ratio, workers=-1)
    scored = pairs.with_columns(
        pl.Series("score", np.maximum(letters, words).astype(np.float64), dtype=pl.Float64), reason=pl.lit(NEAR)
    )
    short = pl.min_horizontal(pl.col("tight").str.len_chars(), pl.col("tight_b").str.len_chars()) < _MIN_LENGTH
    return _ordered(scored.filter((pl.col("score") >= threshold) & (~short | (pl.col("tight") == pl.col("tight_b")))))


def _blocked_pairs(keyed: pl.DataFrame) -> pl.DataFrame:
    """Pairs of different entities that share a block and all their numbers. A block that is too big says nothing."""
    keys = (
        pl.concat_str(pl.lit("start "), pl.col("tight").str.slice(0, 5)),
        pl.concat_str(pl.lit("end "), pl.col("tight").str.slice(-6)),
        pl.concat_str(pl.lit("words "), pl.col("sorted").str.slice(0, 7)),
        pl.concat_str(pl.lit("last "), pl.col("canonical").str.split(" ").list.last(), pl.col("tight").str.slice(0, 2)),
    )
    blocked = pl.concat([keyed.with_columns(key.alias("block")) for key in keys])
    blocked = blocked.filter((pl.len().over("block") > 1) & (pl.len().over("block") <= _MAX_BLOCK))
    pairs = blocked.join(blocked, on=["block", "numbers"], suffix="_b").filter(
        (pl.col("canonical") < pl.col("canonical_b")) & (pl.col("entity_id") != pl.col("entity_id_b"))
    )
    return pairs.unique(["canonical", "entity_id", "canonical_b", "entity_id_b"], maintain_order=True)


def _ordered(pairs: pl.DataFrame) -> pl.DataFrame:
    """Each pair with the smaller id first."""
    first = pl.col("entity_id") <= pl.col("entity_id_b")
    return pairs.select(
        pl.min_horizontal("entity_id", "entity_id_b").alias("a"),
        pl.max_horizontal("entity_id", "entity_id_b").alias("b"),
        "score",
        "reason",
        pl.when(first).then("canonical").otherwise("canonical_b").alias("a_name"),
        pl.when(first).then("canonical_b").otherwise("canonical").alias("b_name"),
    )
