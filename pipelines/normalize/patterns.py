"""Many names in many texts in one pass: Polars' Aho-Corasick search made to respect word boundaries.

Texts and names are in canonical form, where words are separated by one space. Here every word gets a space of its own
on both sides, so a name is found only where whole words stand, and two names side by side are both found. The edge of a
name in a script without spaces needs no boundary; nor does the end of a Korean name of three syllables or more, which
carries particles. Where names overlap, the one that starts first wins, then the longest.
"""

from __future__ import annotations

import polars as pl

from pipelines.normalize.characters import HANGUL, SPACELESS

_PRUNE_BELOW = 20_000
_SPACELESS_FIRST = f"^[{SPACELESS}]"
_OPEN_END = f"[{SPACELESS}]$|[{HANGUL}]{{3,}}$"
_KOREAN = f"[{HANGUL}]"


def padded(texts: pl.Expr) -> pl.Expr:
    """Canonical texts with each word between two spaces of its own."""
    return pl.concat_str(pl.lit(" "), texts.str.replace_all(" ", "  ", literal=True), pl.lit(" "))


def searchable(form: pl.Expr) -> pl.Expr:
    """Whether a canonical name can be looked for inside texts: in scripts without spaces from two characters on."""
    return (form.str.len_chars() >= 2) | (form.str.contains(r"^[\pL\pN]$") & ~form.str.contains(_SPACELESS_FIRST))


class Patterns:
    """A set of canonical names, ready to be looked for."""

    def __init__(self, forms: pl.Series) -> None:
        frame = pl.DataFrame({"form": forms.unique()}).filter(searchable(pl.col("form")))
        opens = pl.col("form").str.contains(_SPACELESS_FIRST)
        left = pl.when(opens).then(pl.lit("")).otherwise(pl.lit(" "))
        right = pl.when(pl.col("form").str.contains(_OPEN_END)).then(pl.lit("")).otherwise(pl.lit(" "))
        self._frame = frame.with_columns(
            pl.concat_str(left, pl.col("form").str.replace_all(" ", "  ", literal=True), right).alias("pattern"),
            pl.when(opens | pl.col("form").str.contains(_KOREAN))
            .then(None)
            .otherwise(pl.col("form").str.split(" ").list.first())
            .alias("first"),
        ).sort(pl.col("pattern").str.len_bytes(), "pattern", descending=[True, False])

    def find(self, texts: pl.Series) -> pl.DataFrame:
        """Which names stand in which of the canonical ``texts``: ``row`` (UInt32, index into ``texts``) and ``form``.

        One row per occurrence, in the order of the texts.
        """
        found = pl.DataFrame({"row": pl.Series(dtype=pl.UInt32), "form": pl.Series(dtype=pl.String)})
        wanted = self._wanted(texts)
        if wanted.is_empty() or texts.is_empty():
            return found
        return _named(_hits(texts, wanted, leftmost=True), wanted)

    def everywhere(self, texts: pl.Series) -> pl.DataFrame:
        """As :meth:`find`, but every name that stands in a text, also inside or across another; each pair once."""
        return _named(_hits(texts, self._frame, overlapping=True).unique(maintain_order=True), self._frame)

    def _wanted(self, texts: pl.Series) -> pl.DataFrame:
        """The names that can occur at all: for a small batch, building the search for all of them would cost most."""
        if len(texts) >= _PRUNE_BELOW:
            return self._frame
        words = texts.str.split(" ").explode(empty_as_null=True).unique().drop_nulls()
        return self._frame.filter(pl.col("first").is_null() | pl.col("first").is_in(words.implode()))


def _hits(texts: pl.Series, names: pl.DataFrame, **how: bool) -> pl.DataFrame:
    """Where the patterns of ``names`` stand in ``texts``: row and pattern, one row an occurrence, in order. ``how`` says
    which of those that overlap count, as ``extract_many`` takes it."""
    return (
        texts.alias("text").to_frame()
        .select(padded(pl.col("text")).str.extract_many(pl.lit(names["pattern"]).implode(), **how).alias("pattern"))
        .with_row_index("row")
        .filter(pl.col("pattern").list.len() > 0)
        .explode("pattern")
    )  # fmt: skip


def _named(hits: pl.DataFrame, names: pl.DataFrame) -> pl.DataFrame:
    return hits.join(names, on="pattern", how="inner", maintain_order="left").select("row", "form")
