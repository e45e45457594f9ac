"""A recording's texts against the catalogue and against each other, in bulk, by the functions the live product uses."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import count

import polars as pl

from pipelines.affect import Names
from pipelines.backtest.prepared import ALONE, FOUND, NAMED, OWNED, STANDS
from pipelines.model import PLATFORMS
from pipelines.normalize.candidates import CANDIDATES, candidates, find_candidates_in
from pipelines.normalize.crossing import searchable
from pipelines.normalize.match import MAX_TITLE, Matcher, explode_names, hashtags
from pipelines.normalize.names import canonical_expr
from pipelines.normalize.patterns import Patterns

JOINED_WORDS = (2, 3, 4)
PARTS = 16
"""Searches that :meth:`Texts.alone` makes at most; the names left over are looked for when they come up."""
MIN_JOINED = 7
"""As in ``normalize.crossing``: a name in one word of at least so many letters may stand in a text in so many words."""


def as_items(texts: pl.DataFrame, items: pl.DataFrame) -> pl.DataFrame:
    """Texts as matching reads items: source, item_id (the text's number), title, names."""
    sources = items.select("source").with_row_index("item").cast({"item": pl.Int32})
    numbered = texts.with_row_index("item_id").cast({"item_id": pl.String})
    return numbered.join(sources, on="item", how="left", maintain_order="left").select(
        "source", "item_id", "title", "names"
    )


class Looked:
    """What a names model found, looked up by title."""

    def __init__(self, found: Mapping[str, Sequence[str]]) -> None:
        self._found = found

    def __call__(self, titles: list[str]) -> list[list[str]]:
        """For each title the names in it."""
        return [list(self._found.get(title, ())) for title in titles]


class Texts:
    """``frame`` (:data:`~pipelines.backtest.prepared.TEXTS_SEEN`) of ``items``, to be matched against ``aliases``."""

    def __init__(
        self, frame: pl.DataFrame, items: pl.DataFrame, aliases: pl.DataFrame, model: Names | None = None
    ) -> None:
        self.frame = frame
        self._rows = as_items(frame, items)
        self._on_platforms = self._rows.filter(pl.col("source").is_in(PLATFORMS))
        self._matcher = Matcher(aliases)
        free = self._on_platforms.filter((pl.col("names").list.len() == 0) & (pl.col("title") != ""))
        titles = free["title"].unique(maintain_order=True).to_list()
        self._found = dict(zip(titles, model(titles), strict=True)) if model and titles else {}
        self._named: pl.DataFrame | None = None

    def found(self) -> pl.DataFrame:
        """:data:`FOUND`."""
        return pl.DataFrame({"title": list(self._found), "names": list(self._found.values())}, schema=FOUND)

    def owned(self) -> pl.DataFrame:
        """:data:`OWNED`."""
        return _numbered(self._matcher.match(self._rows).rename({"entity_id": "entity"}), OWNED)

    def named(self) -> pl.DataFrame:
        """:data:`NAMED`."""
        if self._named is None:
            model = Looked(self._found) if self._found else None
            self._named = _numbered(candidates(self._on_platforms, self._matcher, model), NAMED)
        return self._named

    def stands(self) -> pl.DataFrame:
        """:data:`STANDS`: more pairs than matching will confirm, never fewer."""
        wanted = self.named().select("canonical").unique(maintain_order=True)
        rows = self._rows.with_row_index("text").cast({"text": pl.Int32})
        titles = rows.select("text", canonical_expr("title", MAX_TITLE).alias("said"))
        joined = _joined(titles, wanted)
        wanted = pl.concat([wanted, joined.select(pl.col("words").alias("canonical"))]).unique(maintain_order=True)
        numbered = rows.rename({"text": "item"})
        names = pl.concat([explode_names(numbered), hashtags(numbered)]).select(
            pl.col("item").alias("text"), pl.col("name").alias("said")
        )
        forms = wanted.filter(searchable() | pl.col("canonical").str.contains(r"^[\pL\pN]$"))
        said = pl.concat([titles, names.cast({"text": pl.Int32})])
        inside = (
            Patterns(forms["canonical"]).everywhere(said["said"])
            .join(said.with_row_index("row"), on="row", how="inner")
            .select("text", pl.col("form").alias("canonical"))
        )  # fmt: skip
        whole = _tight(names.rename({"said": "key"}), "key").join(_tight(wanted, "canonical"), on="tight", how="inner")
        both = pl.concat([
            joined.select("text", "canonical", joined=pl.lit(value=True)),
            inside.with_columns(joined=pl.lit(value=False)),
            whole.select("text", "canonical", joined=pl.lit(value=False)).cast({"text": pl.Int32}),
        ])  # fmt: skip
        return both.unique(["text", "canonical"], keep="first").sort("text", "canonical").select(list(STANDS))

    def alone(self, stands: pl.DataFrame) -> pl.DataFrame:
        """:data:`ALONE` for the pairs of ``stands``: names that stand in one text together are looked for one by one."""
        shown: dict[str, str] = {}
        for canonical, name in self.named().select("canonical", "name").iter_rows():
            shown[canonical] = min(name, shown.get(canonical, name))
        pairs = stands.filter(~pl.col("joined") & pl.col("canonical").is_in(list(shown)))
        parts = [self._alone(part, shown) for part in _apart(pairs)]
        return pl.concat([pl.DataFrame(schema=ALONE), *parts])

    def _alone(self, pairs: pl.DataFrame, shown: Mapping[str, str]) -> pl.DataFrame:
        names = pairs["canonical"].unique(maintain_order=True).to_list()
        known = pl.DataFrame(
            [("", "", name, shown[name], "name") for name in names], schema=CANDIDATES, orient="row"
        )  # fmt: skip
        found = find_candidates_in(self._rows[pairs["text"].to_list()], known, self._matcher)
        met = _numbered(found, NAMED).select("text", "canonical", "via")
        told = pairs.with_columns(pl.col("canonical").replace_strict(shown, return_dtype=pl.String).alias("name"))
        return told.join(met, on=["text", "canonical"], how="left").select(list(ALONE))


def _apart(pairs: pl.DataFrame) -> list[pl.DataFrame]:
    """``pairs`` (text, canonical) in parts in which no two names stand in one text; at most :data:`PARTS` of them."""
    names_of: dict[int, list[str]] = defaultdict(list)
    for text, canonical in pairs.select("text", "canonical").iter_rows():
        names_of[text].append(canonical)
    beside: dict[str, set[str]] = defaultdict(set)
    for names in names_of.values():
        for name in names:
            beside[name].update(names)
    part: dict[str, int] = {}
    for name in sorted(beside, key=lambda one: (-len(beside[one]), one)):
        taken = {part[other] for other in beside[name] if other in part}
        part[name] = next(number for number in count() if number not in taken)
    numbered = pairs.with_columns(pl.col("canonical").replace_strict(part, return_dtype=pl.Int64).alias("part"))
    return [
        numbered.filter(pl.col("part") == number) for number in range(min(PARTS, max(part.values(), default=-1) + 1))
    ]


def _numbered(found: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    return found.with_columns(pl.col("item_id").cast(pl.Int32).alias("text")).select(list(schema))


def _tight(frame: pl.DataFrame, column: str) -> pl.DataFrame:
    return frame.with_columns(pl.col(column).str.replace_all(" ", "", literal=True).alias("tight"))


def _joined(titles: pl.DataFrame, wanted: pl.DataFrame) -> pl.DataFrame:
    """Names in one word that stand in a title in several: text, canonical (the one word), words."""
    one_word = wanted.filter(
        ~pl.col("canonical").str.contains(" ", literal=True) & (pl.col("canonical").str.len_chars() >= MIN_JOINED)
    )
    spaced = titles.filter(pl.col("said").str.contains(" ", literal=True))
    words = spaced.select("text", pl.col("said").str.split(" ").alias("word")).explode("word", empty_as_null=True)
    parts = []
    for size in JOINED_WORDS:
        following = [pl.col("word").shift(-i).over("text") for i in range(size)]
        grams = words.select("text", pl.concat_str(following, separator=" ").alias("words")).drop_nulls()
        tight = _tight(grams, "words").join(one_word, left_on="tight", right_on="canonical", how="inner")
        parts.append(tight.select("text", pl.col("tight").alias("canonical"), "words"))
    return pl.concat(parts).unique(maintain_order=True)
