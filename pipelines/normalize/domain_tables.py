"""The hand-made tables that domains are told from: which feed, Google category and word speaks for which domain.

Read from ``config/feed_domains.csv`` and ``config/domain_words.toml`` once; what uses them (:mod:`.domain`) is pure.
"""

from __future__ import annotations

import csv
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from pipelines.errors import InputError
from pipelines.model import SOURCES, Domain
from pipelines.normalize.names import canonical, has_spaceless_script

FEEDS_FILE = "feed_domains.csv"
WORDS_FILE = "domain_words.toml"
FEEDS_HEADER = ["source", "feed", "domain"]
_HANGUL = re.compile("[\u1100-\u11ff\uac00-\ud7a3]")


@dataclass(frozen=True, slots=True)
class Rules:
    """How many points each kind of sign is worth and when they decide; the comments are in ``domain_words.toml``."""

    catalogue: float
    kind: float
    category: float
    feeds: float
    trades: float
    words: float
    feed_doubt: float
    trade_doubt: float
    word_doubt: float
    least: float
    margin: float
    receipts: int


@dataclass(frozen=True, slots=True)
class DomainTables:
    """Everything :mod:`pipelines.normalize.domain` needs to know.

    ``feeds``: source, key (feed in lower case), domain. ``words``: pattern, term, domain, points; a pattern is the
    term in canonical form, with spaces where a word must begin or end. ``categories``: scheme, category, domain.
    """

    rules: Rules
    feeds: pl.DataFrame
    words: pl.DataFrame
    categories: pl.DataFrame


def load_domain_tables(config_dir: Path) -> DomainTables:
    """The tables under ``config_dir``. Raises :class:`InputError` naming the file and line or key that is wrong."""
    path = config_dir / WORDS_FILE
    try:
        with path.open("rb") as file:
            table = tomllib.load(file)
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path}: {error}") from error
    try:
        rules = Rules(**table["rules"])
        words = word_table(table["words"], table["weights"])
        categories = _category_table(table["categories"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path}: not a domain word table: {error}") from error
    return DomainTables(rules=rules, feeds=load_feeds(config_dir / FEEDS_FILE), words=words, categories=categories)


def load_feeds(path: Path) -> pl.DataFrame:
    """The feed table at ``path`` as source, key, domain; ``unclassified`` marks a feed of general news.

    Raises :class:`InputError` naming the line.
    """
    rows: dict[tuple[str, str], str] = {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.reader(file)
            if next(reader, None) != FEEDS_HEADER:
                raise InputError(f"{path}: line 1: the header must be {','.join(FEEDS_HEADER)}")
            for row in reader:
                _add_feed(rows, row, f"{path}: line {reader.line_num}")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: {error}") from error
    data = [(source, key, domain) for (source, key), domain in rows.items()]
    return pl.DataFrame(data, schema={"source": pl.String, "key": pl.String, "domain": pl.String}, orient="row")


def _add_feed(rows: dict[tuple[str, str], str], row: list[str], where: str) -> None:
    if len(row) != len(FEEDS_HEADER):
        raise InputError(f"{where}: {len(row)} columns, not {len(FEEDS_HEADER)}")
    source, feed, domain = (cell.strip() for cell in row)
    if source not in SOURCES:
        raise InputError(f"{where}: unknown source {source!r}")
    if not feed:
        raise InputError(f"{where}: the feed is empty")
    if (source, feed.lower()) in rows:
        raise InputError(f"{where}: {feed} of {source} stands twice")
    try:
        rows[source, feed.lower()] = Domain(domain).value
    except ValueError:
        raise InputError(f"{where}: unknown domain {domain!r}") from None


def word_table(words: dict[str, dict[str, list[str]]], weights: dict[str, float]) -> pl.DataFrame:
    """``{domain: {strength: [term]}}`` as pattern, term, domain, points; ValueError or KeyError on a bad entry."""
    rows: list[tuple[str, str, str, float]] = []
    for name, strengths in words.items():
        domain = Domain(name).value
        seen: set[str] = set()
        for strength, terms in strengths.items():
            for term in terms:
                pattern = _pattern(term)
                if pattern in seen:
                    raise ValueError(f"{term!r} stands twice under {domain}")
                seen.add(pattern)
                rows.append((pattern, term.rstrip("*"), domain, float(weights[strength])))
    schema = {"pattern": pl.String, "term": pl.String, "domain": pl.String, "points": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _pattern(term: str) -> str:
    """What is looked for in a canonical text with a space at either end."""
    form = canonical(term)
    if not form:
        raise ValueError(f"{term!r} has no letter or digit")
    if has_spaceless_script(form) or _HANGUL.search(form):
        return form
    return f" {form}" if term.endswith("*") else f" {form} "


def _category_table(schemes: dict[str, dict[str, Any]]) -> pl.DataFrame:
    rows = [(name, key, Domain(domain).value) for name, table in schemes.items() for key, domain in table.items()]
    return pl.DataFrame(rows, schema={"scheme": pl.String, "category": pl.String, "domain": pl.String}, orient="row")
