"""Finds every known name in every item, in one pass.

Rules, in the order they apply:

- A structured name (a query, a hashtag) is matched whole, also without its spaces: ``#TaylorSwift`` is "taylor swift".
- Titles are searched for names at word boundaries (scripts without spaces: anywhere, from two characters on); where
  names overlap the longest wins (:mod:`pipelines.normalize.patterns`). A hashtag in a title is matched as a structured
  name is.
- A name that is also a common word (``needs_second_sign``), a name of one character, a bare number, and a name that two
  entities share count in a title only with a second sign: another name of the same entity in the same item, quotation
  marks around the exact display form, or a cue word near it (:mod:`pipelines.normalize.signs`). A structured name is a
  second sign itself, and so is a longer name around the common word ("barbie movie"). A shared name with such a sign
  counts for every owner, except that another name speaks only for its own entity; without one it counts for nobody.
"""

from __future__ import annotations

import polars as pl

from pipelines.model import ALIASES
from pipelines.normalize.names import canonical_column, canonical_expr, possessive_variant
from pipelines.normalize.patterns import Patterns
from pipelines.normalize.signs import QUOTES, Signs, load_signs

MATCHES = pl.Schema(
    {"source": pl.String(), "item_id": pl.String(), "entity_id": pl.Int64(), "matched": pl.String(), "via": pl.String()}
)
"""One row per item and entity: ``matched`` is the alias (canonical), ``via`` is "name" or "title"."""

MAX_TITLE = 2_000
_QUOTE_MARKS = sorted({mark for pair in QUOTES for mark in pair})
_HASHTAG = r"[#＃]([\pL\pN\pM_]+)"
_HITS = {"item": pl.UInt32(), "form": pl.String(), "via": pl.String(), "sure": pl.Boolean()}
_SIGNED = {"item": pl.UInt32(), "form": pl.String(), "signed": pl.Boolean()}


class Matcher:
    """All known names, ready to be matched. Build once per set of aliases and reuse.

    ``aliases`` follows :data:`pipelines.model.ALIASES`.
    """

    def __init__(self, aliases: pl.DataFrame, signs: Signs | None = None) -> None:
        self._signs = signs or load_signs()
        self._owners = _owners(aliases.select(list(ALIASES)))
        self._forms = _forms(self._owners)
        self._tight = _tight(self._owners)
        self._patterns = Patterns(self._owners["form"])
        shown = self._owners.filter(pl.col("weak")).group_by("form").agg(pl.col("display").unique().sort())
        self._shown: dict[str, tuple[str, ...]] = {form: tuple(names) for form, names in shown.iter_rows()}

    @property
    def forms(self) -> pl.Series:
        """Every form of every name (canonical strings, unique)."""
        return self._forms["form"]

    def owns(self, names: pl.Series) -> pl.Series:
        """Which of these canonical ``names`` belong to an entity, with or without their spaces (Boolean)."""
        tight = names.str.replace_all(" ", "", literal=True)
        return names.is_in(self._forms["form"].implode()) | tight.is_in(self._tight["tight"].implode())

    def match(self, items: pl.DataFrame) -> pl.DataFrame:
        """Mentions in ``items`` (columns ``source, item_id, title, names``; rows may repeat), as :data:`MATCHES`.

        Unique on (source, item_id, entity_id). A structured match is kept before one in a title, then the longest name.
        """
        rows = items.select("source", "item_id", pl.col("title").fill_null(""), "names").unique(
            ["source", "item_id", "title", "names"], maintain_order=True
        )
        rows = rows.with_row_index("item")
        texts = rows.select("item", "title", canonical_expr("title", MAX_TITLE).alias("text"))
        named = self._structured(explode_names(rows), "name")
        tagged = self._structured(hashtags(rows), "title")
        titled = self._patterns.find(texts["text"]).select(
            pl.col("row").alias("item"), "form", via=pl.lit("title"), sure=pl.lit(False)
        )
        hits = pl.concat([named, tagged, titled])
        hits = hits.unique(maintain_order=True)
        sure = self._confirmed(hits, texts)
        return self._mentions(sure, rows)

    def _structured(self, names: pl.DataFrame, via: str) -> pl.DataFrame:
        """Names matched whole: first as they are, else without spaces. Columns item, form, via, sure."""
        if names.is_empty():
            return pl.DataFrame(schema=_HITS)
        exact = names.join(self._forms.select("form"), left_on="name", right_on="form", how="semi")
        rest = names.join(exact, on=["item", "name"], how="anti").with_columns(
            pl.col("name").str.replace_all(" ", "", literal=True).alias("tight")
        )
        loose = rest.join(self._tight, on="tight", how="inner")
        both = pl.concat([exact.select("item", pl.col("name").alias("form")), loose.select("item", "form")])
        return both.with_columns(via=pl.lit(via), sure=pl.lit(True)).select("item", "form", "via", "sure")

    def _confirmed(self, hits: pl.DataFrame, texts: pl.DataFrame) -> pl.DataFrame:
        """Hits spread over their entities (item, form, entity_id, matched, via), less those that lack a second sign."""
        spread = hits.join(self._owners, on="form", how="inner", maintain_order="left")
        spread = spread.with_columns(
            (pl.col("matched").n_unique().over("item", "entity_id") > 1).alias("other_name"),
        )
        open_hits = (
            spread.filter(pl.col("weak") & ~pl.col("sure") & ~pl.col("other_name")).select("item", "form").unique()
        )
        signed = self._signed(open_hits, texts)
        strong = ~pl.col("weak") | pl.col("sure") | pl.col("other_name")
        return spread.join(signed, on=["item", "form"], how="left", maintain_order="left").filter(
            strong | pl.col("signed").fill_null(value=False)
        )

    def _signed(self, open_hits: pl.DataFrame, texts: pl.DataFrame) -> pl.DataFrame:
        """Which (item, form) pairs the title itself confirms; texts without any quote or cue are passed over fast."""
        if open_hits.is_empty():
            return pl.DataFrame(schema=_SIGNED)
        cues = pl.lit(pl.Series(sorted(self._signs.cues))).implode()
        marks = pl.lit(pl.Series(_QUOTE_MARKS)).implode()
        hopeful = open_hits.join(texts, on="item", how="inner").filter(
            pl.col("text").str.contains_any(cues) | pl.col("title").str.contains_any(marks)
        )
        signed = [
            (item, form)
            for item, form, title, text in hopeful.select("item", "form", "title", "text").iter_rows()
            if self._signs.confirms(title, text, form, self._shown[form])
        ]
        return pl.DataFrame([(*pair, True) for pair in signed], schema=_SIGNED, orient="row")

    def _mentions(self, sure: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
        best = sure.join(rows.select("item", "source", "item_id"), on="item", how="inner", maintain_order="left").sort(
            "via", pl.col("form").str.len_chars(), "matched", descending=[False, True, False], maintain_order=True
        )
        return (
            best.unique(["source", "item_id", "entity_id"], keep="first", maintain_order=True)
            .sort("source", "item_id", "entity_id").select(list(MATCHES))
        )  # fmt: skip


def explode_names(rows: pl.DataFrame) -> pl.DataFrame:
    """One row per structured name of ``rows`` (item, names): ``item``, ``shown`` (as given), ``name`` (canonical)."""
    names = rows.select("item", pl.col("names").alias("shown")).filter(pl.col("shown").list.len() > 0).explode("shown")
    return _canonical_names(names)


def hashtags(rows: pl.DataFrame) -> pl.DataFrame:
    """One row per hashtag in the titles of ``rows`` (columns item, title): as :func:`explode_names`."""
    tagged = rows.filter(pl.col("title").str.contains("[#＃]")).select(
        "item", pl.col("title").str.extract_all(_HASHTAG).alias("shown")
    )
    return _canonical_names(tagged.filter(pl.col("shown").list.len() > 0).explode("shown"))


def _canonical_names(names: pl.DataFrame) -> pl.DataFrame:
    named = names.drop_nulls("shown").with_columns(canonical_column(names["shown"].drop_nulls()).alias("name"))
    return named.filter(pl.col("name") != "")


def _owners(aliases: pl.DataFrame) -> pl.DataFrame:
    """One row per form and entity: form, entity_id, matched (the alias it stands for), display, weak."""
    base = aliases.filter(pl.col("canonical") != "").with_columns(pl.col("canonical").alias("form"))
    apostrophes = base.filter(pl.col("display").str.contains("['’‘ʼ´`′]"))
    variants = apostrophes.with_columns(
        pl.Series("form", [possessive_variant(shown) for shown in apostrophes["display"]], dtype=pl.String)
    ).filter(pl.col("form") != "")
    both = pl.concat([base, variants]).unique(["form", "entity_id"], keep="first", maintain_order=True)
    shared = pl.col("entity_id").n_unique().over("form") > 1
    slight = (pl.col("form").str.len_chars() < 2) | pl.col("form").str.contains(r"^[\d ]+$")
    return both.select(
        "form",
        "entity_id",
        pl.col("canonical").alias("matched"),
        pl.col("display").fill_null(pl.col("canonical")),
        (pl.col("needs_second_sign").fill_null(value=False) | shared | slight).alias("weak"),
        (shared | slight).alias("always_weak"),
    ).pipe(_without_longer_forms)


def _without_longer_forms(owners: pl.DataFrame) -> pl.DataFrame:
    """Take the need of a second sign from names that hold a one-word name of their entity and more ("barbie movie").

    The mark is kept per entity, and it is the one word that is common.
    """
    spaced = pl.col("form").str.contains(" ", literal=True)
    flagged = owners.filter(pl.col("weak") & ~pl.col("always_weak"))
    words = flagged.filter(spaced).select("form", "entity_id", pl.col("form").str.split(" ").alias("word"))
    single = flagged.filter(~spaced).select("entity_id", pl.col("form").alias("word"))
    longer = (
        words.explode("word").join(single, on=["entity_id", "word"], how="semi").select("form", "entity_id").unique()
    )
    freed = longer.with_columns(freed=pl.lit(True))
    joined = owners.join(freed, on=["form", "entity_id"], how="left", maintain_order="left")
    weak = pl.col("weak") & ~pl.col("freed").fill_null(value=False)
    return joined.with_columns(weak.alias("weak")).drop("always_weak", "freed")


def _forms(owners: pl.DataFrame) -> pl.DataFrame:
    return owners.select("form").unique()


def _tight(owners: pl.DataFrame) -> pl.DataFrame:
    """Forms by what they are without their spaces: tight, form."""
    return owners.select(pl.col("form").str.replace_all(" ", "", literal=True).alias("tight"), "form").unique()
