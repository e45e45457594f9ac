"""How a candidate from one platform is recognised on another: the parts of ``candidates.find_candidates_in``."""

from __future__ import annotations

import polars as pl

from pipelines.model import PLATFORMS
from pipelines.normalize.characters import HANGUL, SPACELESS
from pipelines.normalize.signs import is_quoted, stands_out, written_forms
from pipelines.normalize.stopnames import stop_words

MIN_LATIN = 4
"""Letters a candidate in a script with spaces needs to be looked for in other texts."""

_JOINED_WORDS = (2, 3, 4)
_MIN_JOINED = 7
_PROSE_WORDS = 3
_SPACED = pl.col("canonical").str.contains(" ", literal=True)


def searchable() -> pl.Expr:
    """Whether a candidate (``canonical``) is long enough to be looked for elsewhere: two characters of a script without
    spaces or of Korean, :data:`MIN_LATIN` letters of any other."""
    letters = pl.col("canonical").str.replace_all(" ", "", literal=True).str.len_chars()
    return (letters >= MIN_LATIN) | ((letters >= 2) & pl.col("canonical").str.contains(f"[{SPACELESS}{HANGUL}]"))


def tight(column: str) -> pl.Expr:
    """A canonical column without its spaces, as ``tight``."""
    return pl.col(column).str.replace_all(" ", "", literal=True).alias("tight")


def met_whole(names: pl.DataFrame, wanted: pl.DataFrame) -> pl.DataFrame:
    """Structured names (item, name) equal to a candidate, or in one word where it has words: item, canonical."""
    met = names.select("item", "name", tight("name")).join(
        wanted.select("canonical", tight("canonical")), on="tight", how="inner"
    )
    return met.filter(_SPACED | (pl.col("canonical") == pl.col("name"))).select("item", "canonical")


def in_prose(found: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """``found`` (item, canonical) without single Latin words that stand in running text as ordinary words.

    "love" in a sentence is not the hashtag's name: in a title of three Latin words or more the word must be written
    with a capital or in quotes, and a common one with a capital that means something.
    """
    one_word = found.filter(pl.col("canonical").str.contains(r"^[\p{Latin}\d]+$")).join(
        rows.select("item", "title"), on="item", how="inner"
    )
    if one_word.is_empty():
        return found
    wrong = [
        (item, name)
        for item, name, title in one_word.select("item", "canonical", "title").unique().iter_rows()
        if not _named(title, name)
    ]
    schema = {"item": pl.UInt32(), "canonical": pl.String()}
    return found.join(
        pl.DataFrame(wrong, schema=schema, orient="row"), on=["item", "canonical"], how="anti", maintain_order="left"
    )


def _named(title: str, name: str) -> bool:
    written = written_forms(title, name)
    if not written:  # the title has it with accents or marks: an ordinary word would not
        return True
    words = [word for word in title.split() if word.isalpha() and word.isascii()]
    if len(words) < _PROSE_WORDS and name not in stop_words()["common"]:
        return True
    named = [one for one in written if one[0].isupper() or any(c.isdigit() for c in one)]
    if name in stop_words()["common"]:
        return any(is_quoted(title, one) or stands_out(title, one) for one in named)
    return bool(named) or any(is_quoted(title, one) for one in written)


def regrouped(known: pl.DataFrame, wanted: pl.DataFrame) -> pl.DataFrame:
    """Rows of candidates in one word ("taylorswift"), again under the same name in words where that is known."""
    spaced = wanted.filter(_SPACED).select("canonical", "name", tight("canonical"))
    one_word = known.filter(~_SPACED).select("source", "item_id", "via", pl.col("canonical").alias("tight"))
    return one_word.join(spaced, on="tight", how="inner").select(known.columns)


def joined(texts: pl.DataFrame, wanted: pl.DataFrame, known: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Structured candidates in one word that stand in a text as two to four words.

    ``texts``: item, text (canonical). Two frames: what was found (item, canonical, name, via), under the name in words;
    and the rows of ``known`` under the one word, again under the name in words.
    """
    empty = pl.DataFrame(
        schema={"item": pl.UInt32(), "canonical": pl.String(), "name": pl.String(), "via": pl.String()}
    )
    structured = known.filter((pl.col("via") == "name") & pl.col("source").is_in(PLATFORMS))["canonical"]
    tags = wanted.filter(
        ~_SPACED
        & pl.col("canonical").is_in(structured.implode())
        & (pl.col("canonical").str.len_chars() >= _MIN_JOINED)
    ).select(pl.col("canonical").alias("tight"))
    if tags.is_empty():
        return empty, known.clear()
    words = texts.select("item", pl.col("text").str.split(" ").alias("word")).explode("word", empty_as_null=True)
    met = pl.concat([_grams(words, size) for size in _JOINED_WORDS]).join(tags, on="tight", how="semi")
    met = met.unique(maintain_order=True).with_columns(
        pl.col("canonical").str.to_titlecase().alias("name"), via=pl.lit("title")
    )
    spaced = met.select("canonical", "name", "tight").unique("canonical", maintain_order=True)
    own = known.rename({"canonical": "tight", "name": "one_word"}).join(spaced, on="tight", how="inner")
    return met.select(empty.columns), own.select(known.columns)


def _grams(words: pl.DataFrame, size: int) -> pl.DataFrame:
    """Every ``size`` words in a row of each item: item, canonical, tight."""
    following = [pl.col("word").shift(-i).over("item") for i in range(size)]
    grams = words.select("item", pl.concat_str(following, separator=" ").alias("canonical")).drop_nulls("canonical")
    return grams.with_columns(tight("canonical"))
