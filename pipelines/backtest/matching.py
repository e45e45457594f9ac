"""Known names during a run: the catalogue's matches, and what changes in them with every name that is discovered."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import polars as pl

from pipelines.backtest.prepared import Prepared
from pipelines.backtest.texts import Looked, as_items
from pipelines.model import ALIASES, PLATFORMS
from pipelines.normalize.candidates import candidates
from pipelines.normalize.crossing import searchable
from pipelines.normalize.match import MAX_TITLE, Matcher, explode_names, hashtags
from pipelines.normalize.names import canonical_expr, possessive_variant
from pipelines.normalize.patterns import Patterns

Named = tuple[str, str, str]
"""canonical, name, via."""


class Matching:
    """Which known names stand in a text, and which names nobody owns, as of the names known now.

    A text is matched again only where a newly learnt name may stand in it: a name that does not stand in a text changes
    nothing in it.
    """

    def __init__(self, prepared: Prepared) -> None:
        self.rows = as_items(prepared.texts, prepared.items)
        self.version: dict[int, int] = defaultdict(int)
        self.owned: dict[int, list[int]] = _grouped(prepared.owned, "entity")
        self.named: dict[int, list[Named]] = defaultdict(list)
        for text, *named in prepared.named.iter_rows():
            self.named[text].append((named[0], named[1], named[2]))
        self.stands: dict[int, list[str]] = _grouped(prepared.stands, "canonical")
        self.joined = set(prepared.stands.filter("joined").select("text", "canonical").iter_rows())
        self.standing: dict[str, list[int]] = defaultdict(list)
        for text, canonical in prepared.stands.select("text", "canonical").iter_rows():
            self.standing[canonical].append(text)
        self.queries = _queries(self.rows)
        self._aliases = met(prepared.aliases, self.rows)
        self.owners: dict[str, int] = dict(prepared.aliases.select("canonical", "entity_id").reverse().iter_rows())
        found = dict(prepared.found.iter_rows())
        self._model = Looked(found) if found else None
        self._matcher: Matcher | None = None

    @property
    def matcher(self) -> Matcher:
        """All names known now."""
        if self._matcher is None:
            self._matcher = Matcher(self._aliases)
        return self._matcher

    def learn(self, names: Sequence[tuple[str, str, int]]) -> pl.DataFrame:
        """From now on these names (canonical, display, entity) are known. The texts they may stand in, as items."""
        new = [(canonical, shown, entity, False) for canonical, shown, entity in names]
        self._aliases = pl.concat([self._aliases, pl.DataFrame(new, schema=ALIASES, orient="row")]).unique(
            ["canonical", "entity_id"], keep="first", maintain_order=True
        )
        self._matcher = None
        for canonical, _shown, entity in names:
            self.owners.setdefault(canonical, entity)
        touched = sorted({text for canonical, shown, _ in names for text in self.texts_with(canonical, shown)})
        rows = self.rows[touched]
        self._again(touched, rows)
        return rows

    def matches_of(self, entities: Iterable[int], rows: pl.DataFrame) -> list[tuple[int, int]]:
        """(text, entity): where these entities' names stand in ``rows``, as if no others were known."""
        mine = self._aliases.filter(pl.col("entity_id").is_in(list(entities)))
        found = Matcher(mine).match(rows).select(pl.col("item_id").cast(pl.Int64), "entity_id")
        return [(text, entity) for text, entity in found.iter_rows()]

    def texts_with(self, canonical: str, shown: str) -> list[int]:
        """The texts a name may stand in, with the form it has without its apostrophe."""
        forms = {canonical, possessive_variant(shown)} - {""}
        unknown = [form for form in forms if form not in self.standing]
        if unknown:
            said = self.rows.select(canonical_expr("title"))["title"]
            found = Patterns(pl.Series("form", unknown, dtype=pl.String)).everywhere(said)
            for form in unknown:
                self.standing[form] = found.filter(pl.col("form") == form)["row"].to_list()
        return sorted({text for form in forms for text in self.standing[form]})

    def _again(self, touched: Sequence[int], rows: pl.DataFrame) -> None:
        """Match these texts against all names."""
        if not touched:
            return
        for text in touched:
            self.version[text] += 1
            self.owned[text], self.named[text] = [], []
        matches = self.matcher.match(rows).select(pl.col("item_id").cast(pl.Int64), "entity_id")
        for text, entity in matches.iter_rows():
            self.owned[text].append(entity)
        ours = rows.filter(pl.col("source").is_in(PLATFORMS))
        found = candidates(ours, self.matcher, self._model)
        for item_id, canonical, name, via in found.select("item_id", "canonical", "name", "via").iter_rows():
            self.named[int(item_id)].append((canonical, name, via))


def _queries(rows: pl.DataFrame) -> dict[int, str]:
    """The texts that are one structured name and nothing else, with that name, where it is long enough to be met."""
    numbered = rows.with_row_index("item")
    names = explode_names(numbered).group_by("item").agg(pl.col("name").unique())
    titles = numbered.filter(~pl.col("title").str.contains("[#＃]")).select("item", canonical_expr("title", MAX_TITLE))
    both = titles.join(names, on="item", how="inner").rename({"title": "canonical"})
    same = both.filter((pl.col("name").list.len() == 1) & (pl.col("name").list.first() == pl.col("canonical")))
    return dict(same.filter(searchable()).select("item", "canonical").iter_rows())


def met(aliases: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """The aliases of entities of which some name may stand somewhere in ``rows``: the others match nothing and stand in
    nobody's way."""
    forms = Matcher(aliases).forms
    numbered = rows.with_row_index("item")
    said = pl.concat([
        rows.select(canonical_expr("title", MAX_TITLE).alias("said")),
        *(names.select(pl.col("name").alias("said")) for names in (explode_names(numbered), hashtags(numbered))),
    ]).unique()  # fmt: skip
    inside = Patterns(forms).everywhere(said["said"])["form"].unique()
    tight = said["said"].str.replace_all(" ", "", literal=True)
    whole = forms.filter(forms.str.replace_all(" ", "", literal=True).is_in(tight.implode()))
    standing = pl.concat([inside, whole]).unique()
    variants = pl.Series([possessive_variant(shown) for shown in aliases["display"]], dtype=pl.String)
    here = aliases["canonical"].is_in(standing.implode()) | variants.is_in(standing.implode())
    return aliases.filter(pl.col("entity_id").is_in(aliases.filter(here)["entity_id"].implode()))


def _grouped[T](frame: pl.DataFrame, column: str) -> dict[int, list[T]]:
    grouped: dict[int, list[T]] = defaultdict(list)
    for text, value in frame.select("text", column).iter_rows():
        grouped[text].append(value)
    return grouped
