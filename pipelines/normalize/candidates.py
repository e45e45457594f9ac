"""Names that no entity owns yet: what discovery looks at (SCORING 4).

:func:`candidates` takes them from where they stand: structured names, quoted titles, capitalised runs, and a model's
findings where one is given. :func:`find_candidates_in` then looks for known candidates in other items' texts, so that a
trending query that stands in a forum title has been seen on two platforms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import polars as pl

from pipelines.normalize.crossing import in_prose, joined, met_whole, regrouped, searchable
from pipelines.normalize.match import MAX_TITLE, Matcher, explode_names, hashtags
from pipelines.normalize.names import canonical_column, canonical_expr, display
from pipelines.normalize.patterns import Patterns
from pipelines.normalize.stopnames import stop_words
from pipelines.normalize.titles import quoted, runs

CANDIDATES = pl.Schema(
    {"source": pl.String(), "item_id": pl.String(), "canonical": pl.String(), "name": pl.String(), "via": pl.String()}
)
"""One row per item and name: ``name`` is for showing; ``via`` is how it was found: "name" (structured), "quoted",
"run", "ner", or "title" (a candidate from elsewhere, found in this item)."""

Ner = Callable[[list[str]], Iterable[Iterable[str]]]
"""A model that finds names: takes titles, gives for each the names in it."""

_MAX_WORDS = 6
_MAX_LENGTH = 60
_TEXT = {"source": pl.String(), "item_id": pl.String(), "name": pl.String(), "via": pl.String()}


def candidates(items: pl.DataFrame, matcher: Matcher | None = None, ner: Ner | None = None) -> pl.DataFrame:
    """Names in ``items`` (columns ``source, item_id, title, names``) that no entity of ``matcher`` owns, as
    :data:`CANDIDATES`, unique on (source, item_id, canonical).

    A structured name or a run that has a known name inside it ("taylor swift tickets") belongs to that entity and is
    left out; a quoted title is not, as it names a work of its own.
    """
    rows = _rows(items)
    found = pl.concat([_structured(rows), _in_titles(rows), *([_by_model(rows, ner)] if ner else [])])
    found = found.with_columns(canonical_column(found["name"]).alias("canonical"))
    found = _usable(found).unique(["source", "item_id", "canonical"], keep="first", maintain_order=True)
    return _unowned(found, matcher).select(list(CANDIDATES))


def find_candidates_in(items: pl.DataFrame, known: pl.DataFrame, matcher: Matcher | None = None) -> pl.DataFrame:
    """Rows for items of ``items`` in which a candidate of ``known`` (:data:`CANDIDATES`) stands, as :data:`CANDIDATES`.

    In scripts without spaces from two characters on anywhere, else from four letters on at word boundaries; the
    longest name wins, names of ``matcher``'s entities included; but a name that was only read out of a headline hides no
    structured one, which comes first (SCORING 4). Structured names are compared whole, with and without
    spaces: a hashtag written in one word meets the same name in words, in ``known`` or in a title, and its own rows in
    ``known`` are given again under the name in words. Rows already in ``known`` are not repeated.
    """
    rows = _rows(items)
    forms = known.filter(searchable()).sort("canonical", "name").unique("canonical", keep="first", maintain_order=True)
    owned = matcher.forms if matcher else pl.Series("form", dtype=pl.String)
    structured = known.filter(pl.col("via") == "name")["canonical"].unique().implode()
    wanted = forms.filter(~pl.col("canonical").is_in(owned.implode())).select(
        "canonical", "name", first=pl.col("canonical").is_in(structured)
    )
    if wanted.is_empty() or rows.is_empty():
        return pl.DataFrame(schema=CANDIDATES)
    texts = rows.select("item", canonical_expr("title", MAX_TITLE).alias("text"))
    hits = _longest(wanted["canonical"], owned, texts)
    first = wanted.filter("first")["canonical"]
    if 0 < len(first) < wanted.height:
        hits = pl.concat([hits, _longest(first, owned, texts)]).unique(maintain_order=True)
    wanted = wanted.drop("first")
    in_titles = in_prose(hits.join(wanted, on="canonical", how="semi"), rows).with_columns(via=pl.lit("title"))
    whole = met_whole(pl.concat([explode_names(rows), hashtags(rows)]), wanted).with_columns(via=pl.lit("name"))
    found = pl.concat([whole, in_titles]).join(wanted, on="canonical", how="inner", maintain_order="left")
    in_words, own = joined(texts, wanted, known)
    placed = [_placed(part, rows).select(list(CANDIDATES)) for part in (found, in_words)]
    every = pl.concat([*placed, own.select(list(CANDIDATES)), regrouped(known, wanted).select(list(CANDIDATES))])
    fresh = every.unique(["source", "item_id", "canonical"], keep="first", maintain_order=True)
    return fresh.join(known, on=["source", "item_id", "canonical"], how="anti", maintain_order="left")


def _longest(names: pl.Series, owned: pl.Series, texts: pl.DataFrame) -> pl.DataFrame:
    """item, canonical: where ``names`` and the known ones stand in ``texts``, the longest winning."""
    found = Patterns(pl.concat([names, owned])).find(texts["text"])
    return found.rename({"row": "item", "form": "canonical"})


def _rows(items: pl.DataFrame) -> pl.DataFrame:
    needed = items.select("source", "item_id", pl.col("title").fill_null(""), "names")
    return needed.unique(["source", "item_id", "title", "names"], maintain_order=True).with_row_index("item")


def _placed(found: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    return found.join(rows.select("item", "source", "item_id"), on="item", how="inner", maintain_order="left")


def _structured(rows: pl.DataFrame) -> pl.DataFrame:
    named = _placed(explode_names(rows), rows)
    shown = pl.Series("name", [display(name) for name in named["shown"]], dtype=pl.String)
    return named.select("source", "item_id").with_columns(shown, via=pl.lit("name"))


def _in_titles(rows: pl.DataFrame) -> pl.DataFrame:
    """Quoted titles and runs of titles in free text; a title that only repeats a structured name is passed over."""
    edges = stop_words()["edges"]
    free = rows.filter((pl.col("names").list.len().fill_null(0) == 0) & (pl.col("title") != ""))
    found: list[tuple[str, str, str, str]] = []
    for source, item_id, title in free.select("source", "item_id", "title").iter_rows():
        found.extend((source, item_id, display(name), "quoted") for name in quoted(title))
        found.extend((source, item_id, display(name), "run") for name in runs(title, edges))
    return _frame(found)


def _by_model(rows: pl.DataFrame, ner: Ner) -> pl.DataFrame:
    free = rows.filter((pl.col("names").list.len().fill_null(0) == 0) & (pl.col("title") != ""))
    titles = free["title"].to_list()
    places = zip(free["source"], free["item_id"], ner(titles) if titles else [], strict=True)
    return _frame([(source, item_id, display(name), "ner") for source, item_id, names in places for name in names])


def _frame(found: list[tuple[str, str, str, str]]) -> pl.DataFrame:
    return pl.DataFrame(found, schema=["source", "item_id", "name", "via"], orient="row", schema_overrides=_TEXT)


def _usable(found: pl.DataFrame) -> pl.DataFrame:
    """Without stop names, bare numbers, single letters, and whole sentences."""
    name = pl.col("canonical")
    stops = pl.lit(pl.Series(sorted(stop_words()["names"]))).implode()
    return found.filter(
        (name.str.count_matches(r"\pL") >= 2)
        & (name.str.len_chars() <= _MAX_LENGTH)
        & (name.str.count_matches(" ", literal=True) < _MAX_WORDS)
        & ~name.is_in(stops)
    )


def _unowned(found: pl.DataFrame, matcher: Matcher | None) -> pl.DataFrame:
    if matcher is None or found.is_empty():
        return found
    names = found.select("canonical", pl.col("name")).unique("canonical", maintain_order=True)
    as_items = names.select(
        pl.lit("").alias("source"), pl.col("canonical").alias("item_id"), pl.col("name").alias("title"),
        pl.concat_list("canonical").alias("names"),
    )  # fmt: skip
    holding = matcher.match(as_items)["item_id"].unique()
    inside = pl.col("canonical").is_in(holding.implode()) & (pl.col("via") != "quoted")
    return found.filter(~inside & ~matcher.owns(found["canonical"]))
