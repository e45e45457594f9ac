"""Signs of which part of the news an entity belongs to, as rows a person can read (docs/domains.md).

Every ``from_*`` function turns one kind of sign into rows of
:data:`~pipelines.model.EVIDENCE`: points (log-odds) for a domain with a
sentence that says why. Pure: the tables come as an argument.

A count says ``most * points of the domain / (points of all domains + doubt)``: one receipt is a hint, many that agree
approach ``most``, and what speaks for several domains is split between them.
"""

from __future__ import annotations

import json

import polars as pl

from pipelines.model import EVIDENCE, Domain, Kind, conform
from pipelines.normalize.domain_tables import DomainTables
from pipelines.normalize.names import canonical_column

KIND_DOMAINS: dict[Kind, Domain] = {
    Kind.FILM: Domain.ENTERTAINMENT,
    Kind.SHOW: Domain.ENTERTAINMENT,
    Kind.MUSIC: Domain.ENTERTAINMENT,
    Kind.SONG: Domain.ENTERTAINMENT,
    Kind.FRANCHISE: Domain.ENTERTAINMENT,
    Kind.AWARD: Domain.ENTERTAINMENT,
    Kind.TEAM: Domain.SPORT,
    Kind.COMPANY: Domain.BUSINESS,
}
"""Kinds that say a domain by themselves; a person or an event may belong anywhere."""

MAX_TEXT = 1200
"""Characters of an item (title and headlines) that are read for words."""

_SHOWN = 5
_NOTHING = pl.DataFrame(schema=EVIDENCE)


def from_catalogue(entities: pl.DataFrame, tables: DomainTables) -> pl.DataFrame:
    """What the catalogue says of ``entities`` (id, kind, domain, domain_by) and what their kind alone says.

    The catalogue speaks only where ``domain_by`` is "catalogue": a domain told from evidence is not evidence again.
    """
    filed = entities.filter(
        (pl.col("domain_by") == "catalogue") & (pl.col("domain") != Domain.UNCLASSIFIED.value)
    ).select(
        pl.col("id").alias("entity_id"),
        pl.lit("catalogue").alias("kind"),
        "domain",
        pl.lit(tables.rules.catalogue).alias("weight"),
        pl.format("the catalogue files this {} under {}", "kind", "domain").alias("detail"),
    )
    domains = {kind.value: domain.value for kind, domain in KIND_DOMAINS.items()}
    told = pl.col("kind").replace_strict(domains, default=None, return_dtype=pl.String)
    by_kind = entities.with_columns(told.alias("domain")).filter(pl.col("domain").is_not_null())
    kinds = by_kind.select(
        pl.col("id").alias("entity_id"),
        pl.lit("kind").alias("kind"),
        "domain",
        pl.lit(tables.rules.kind).alias("weight"),
        pl.format("it is a {}, which is {}", "kind", "domain").alias("detail"),
    )
    return pl.concat([conform(filed, EVIDENCE), conform(kinds, EVIDENCE)])


def from_feeds(receipts: pl.DataFrame, tables: DomainTables) -> pl.DataFrame:
    """What the feeds of ``receipts`` (entity_id, source, feed) say; feeds the table does not know say nothing."""
    shown = (
        pl.when(pl.col("source") == "reddit")
        .then(pl.format("r/{}", "feed"))
        .otherwise(pl.format("{} {}", "source", "feed"))
    )
    subjects = tables.feeds.filter(pl.col("domain") != Domain.UNCLASSIFIED.value)
    spellings = receipts.filter(pl.col("source") != "trades").select("source", "feed").unique()
    spellings = spellings.with_columns(_feed_key().alias("key"), shown.alias("shown"))
    known = receipts.join(
        spellings.join(subjects, on=["source", "key"], how="inner"), on=["source", "feed"], how="inner"
    )
    if known.is_empty():
        return _NOTHING
    per_feed = known.group_by("entity_id", "domain", "source", "key").agg(pl.len().alias("n"), pl.col("shown").min())
    per_domain = (
        per_feed.sort("n", "shown", descending=[True, False])
        .group_by("entity_id", "domain", maintain_order=True)
        .agg(pl.col("n").sum(), pl.col("shown").head(_SHOWN), pl.len().alias("feeds"))
        .with_columns(pl.col("n").sum().over("entity_id").alias("all"))
    )
    article = pl.when(pl.col("domain").is_in(["entertainment", "other"])).then(pl.lit("an")).otherwise(pl.lit("a"))
    verb = (
        pl.when(pl.col("feeds") == 1)
        .then(pl.format("is {} {} feed", article, "domain"))
        .otherwise(pl.format("are {} feeds", "domain"))
    )
    detail = pl.format(
        "{} {} ({} of {} items in feeds with a subject)", pl.col("shown").list.join(", "), verb, "n", "all"
    )
    weight = tables.rules.feeds * pl.col("n") / (pl.col("all") + tables.rules.feed_doubt)
    return _evidence(per_domain, "feeds", weight, detail)


def from_trades(receipts: pl.DataFrame, tables: DomainTables) -> pl.DataFrame:
    """Trade coverage in ``receipts`` (entity_id, source, feed): entertainment, unless the feed carries general news."""
    general = tables.feeds.filter(pl.col("domain") == Domain.UNCLASSIFIED.value)
    stories = receipts.filter(pl.col("source") == "trades").with_columns(_feed_key().alias("key"))
    stories = stories.join(general, on=["source", "key"], how="anti")
    counted = stories.group_by("entity_id").agg(
        pl.len().alias("n"), pl.col("feed").drop_nulls().unique().sort().head(_SHOWN).alias("shown")
    )
    noun = pl.when(pl.col("n") == 1).then(pl.lit("trade story names it")).otherwise(pl.lit("trade stories name it"))
    detail = pl.format("{} {} ({})", "n", noun, pl.col("shown").list.join(", "))
    weight = tables.rules.trades * pl.col("n") / (pl.col("n") + tables.rules.trade_doubt)
    told = counted.with_columns(pl.lit(Domain.ENTERTAINMENT.value).alias("domain"))
    return _evidence(told, "trades", weight, detail)


def from_categories(categories: pl.DataFrame, tables: DomainTables) -> pl.DataFrame:
    """Google's own category of a query: ``categories`` has entity_id, scheme and category (text)."""
    known = categories.unique(["entity_id", "scheme", "category"]).join(
        tables.categories, on=["scheme", "category"], how="inner"
    )
    per_domain = known.unique(["entity_id", "domain"], keep="first", maintain_order=True)
    detail = pl.format("Google files the query under {} ({} category {})", "domain", "scheme", "category")
    return _evidence(per_domain, "category", pl.lit(tables.rules.category), detail)


def from_words(receipts: pl.DataFrame, tables: DomainTables) -> pl.DataFrame:
    """What the words of ``receipts`` (entity_id, title, perhaps context) say, naming the words that spoke loudest."""
    texts = receipts.select("entity_id", _texts(receipts).alias("text")).filter(pl.col("text") != "")
    distinct = texts.select(pl.col("text").unique())
    found = _spoken(distinct, tables.words)
    spoken = texts.join(found, on="text", how="inner")
    if spoken.is_empty():
        return _NOTHING
    per_term = spoken.group_by("entity_id", "domain", "term").agg(pl.col("points").sum())
    per_domain = (
        per_term.sort("points", "term", descending=[True, False])
        .group_by("entity_id", "domain", maintain_order=True)
        .agg(pl.col("points").sum(), pl.col("term").head(_SHOWN))
        .with_columns(pl.col("points").sum().over("entity_id").alias("all"))
    )
    weight = tables.rules.words * pl.col("points") / (pl.col("all") + tables.rules.word_doubt)
    return _evidence(per_domain, "words", weight, pl.format("words: {}", pl.col("term").list.join(", ")))


def _evidence(frame: pl.DataFrame, kind: str, weight: pl.Expr, detail: pl.Expr) -> pl.DataFrame:
    return conform(
        frame.select("entity_id", pl.lit(kind).alias("kind"), "domain", weight.alias("weight"), detail.alias("detail")),
        EVIDENCE,
    )


def _feed_key() -> pl.Expr:
    return pl.col("feed").str.to_lowercase().str.strip_prefix("r/")


def _texts(receipts: pl.DataFrame) -> pl.Expr:
    """Title and the headlines of the context, as one canonical text with a space at either end."""
    if "context" not in receipts.columns or receipts["context"].null_count() == len(receipts):
        raw = pl.col("title").fill_null("")
    else:
        raw = pl.concat_str(pl.col("title").fill_null(""), _headlines(), separator=" | ")
    text = raw.map_batches(lambda column: canonical_column(column, MAX_TEXT), return_dtype=pl.String)
    return pl.when(text == "").then(pl.lit("")).otherwise(pl.format(" {} ", text))


def _headlines() -> pl.Expr:
    def read(context: str) -> str:
        try:
            return " | ".join(str(part["title"]) for part in json.loads(context))
        except (ValueError, TypeError, KeyError):
            return ""

    return pl.col("context").map_elements(read, return_dtype=pl.String, skip_nulls=True).fill_null("")


def _spoken(texts: pl.DataFrame, words: pl.DataFrame) -> pl.DataFrame:
    """text, term, domain, points: each term once a text."""
    patterns = words["pattern"].unique()
    found = pl.col("text").str.extract_many(patterns.to_list(), overlapping=True).list.unique().alias("pattern")
    return (
        texts.with_columns(found)
        .explode("pattern", empty_as_null=False)
        .drop_nulls("pattern")
        .join(words, on="pattern", how="inner")
        .drop("pattern")
    )
