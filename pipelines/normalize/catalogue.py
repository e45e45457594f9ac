"""Reads and writes catalogues of names as CSV: our own form, and what Wikidata's query service exports.

Own form: ``name,kind,domain,aliases,needs_second_sign`` with aliases separated by ``|`` (``config/catalogue.csv``).
Wikidata's: ``item,itemLabel,itemAltLabel,kindLabel`` and the like, told apart by the header; several rows of one item
become one entity. A row that cannot be used is set aside and named by its line; a file that cannot be used at all is an
:class:`InputError`.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import batched
from pathlib import Path

import polars as pl

from pipelines.errors import InputError
from pipelines.model import Domain, Kind
from pipelines.normalize.csvfile import FORMULA, Progress, Row, guarded, open_csv
from pipelines.normalize.names import MAX_SLUG, canonical_column, clean
from pipelines.normalize.wikidata import Layout, kind_of, layout_of, q_id, split_aliases

COLUMNS = ("name", "kind", "domain", "aliases", "needs_second_sign")
"""The header of our own form. ``name`` and ``kind`` must be there; the rest may be left out."""

CATALOGUE = pl.Schema(
    {
        "name": pl.String(),
        "kind": pl.String(),
        "domain": pl.String(),
        "aliases": pl.List(pl.String()),
        "needs_second_sign": pl.Boolean(),
        "wikidata": pl.String(),
    }
)
"""One row per entity: ``aliases`` without the name itself; ``wikidata`` is the Q-id, null in our own form."""

MAX_ALIASES = 50
"""Aliases kept of one entity."""

_PROBLEMS_KEPT = 100
_ROWS_A_CHUNK = 50_000
_RAW = pl.Schema(
    {
        "key": pl.String(),
        "name": pl.String(),
        "aliases": pl.String(),
        "needs_second_sign": pl.Boolean(),
        "wikidata": pl.String(),
        "line": pl.UInt32(),
        "kinds": pl.String(),
        "domain": pl.String(),
    }
)
"""Rows as read; ``aliases`` and ``kinds`` are joined by newlines, as lists of Python objects are slow to hand over."""

_Raw = tuple[str, str, str, bool, str | None, int, str, str | None]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What a file held. ``problems`` are lines for a person ("line 7: ..."), at most 100; ``rejected`` counts them all.

    ``unnamed`` counts Wikidata rows whose label is only a Q-id; ``rows`` counts data rows.
    """

    entities: pl.DataFrame
    problems: tuple[str, ...]
    rejected: int
    unnamed: int
    rows: int


@dataclass
class _Aside:
    """Rows set aside."""

    problems: list[str] = field(default_factory=list)
    rejected: int = 0
    unnamed: int = 0
    rows: int = 0

    def reject(self, line: int, why: str) -> None:
        """Count a row and keep its line for a person."""
        self.rejected += 1
        if len(self.problems) < _PROBLEMS_KEPT:
            self.problems.append(f"line {line}: {why}")


def read_catalogue(path: Path, progress: Progress | None = None) -> Catalogue:
    """Read a catalogue of either form; ``entities`` follows :data:`CATALOGUE`, in the order of the file.

    ``progress`` is told bytes read and bytes in all. Raises :class:`InputError` where the file is missing, not UTF-8,
    not comma-separated, without a header we know, or longer than a million rows.
    """
    aside = _Aside()
    with open_csv(path, progress) as (header, rows):
        layout = layout_of(header)
        if layout is None:
            _check_header(path, header)
        shaped = _of_width(rows, len(header), aside)
        named = _wikidata_rows(shaped, layout, aside) if layout else _own_rows(shaped, header, aside)
        frames = [_chunk(part) for part in batched(named, _ROWS_A_CHUNK)]
    raw = pl.concat([pl.DataFrame(schema=_RAW), *frames]).with_columns(pl.col("aliases", "kinds").str.split("\n"))
    entities = _grouped(raw) if layout else _as_they_are(raw)
    entities = _nameable(entities, aside).select(list(CATALOGUE))
    return Catalogue(entities, tuple(aside.problems), aside.rejected, aside.unnamed, aside.rows)


def _chunk(rows: Sequence[_Raw]) -> pl.DataFrame:
    """Rows as a frame, column by column, which is faster than row by row."""
    columns = zip(_RAW.items(), zip(*rows, strict=True), strict=True)
    return pl.DataFrame([pl.Series(name, values, dtype=dtype) for (name, dtype), values in columns])


def _check_header(path: Path, header: list[str]) -> None:
    if missing := [name for name in ("name", "kind") if name not in header]:
        raise InputError(
            f"{path.name}: line 1: no column {missing[0]!r}; the first line must be {','.join(COLUMNS)} "
            "or the header of a Wikidata export (item,itemLabel,...)"
        )
    if extra := [name for name in header if name not in COLUMNS]:
        raise InputError(f"{path.name}: line 1: unknown column {extra[0][:40]!r}; known are {', '.join(COLUMNS)}")


def _of_width(rows: Iterator[Row], width: int, aside: _Aside) -> Iterator[tuple[int, list[str]]]:
    for line, fields in rows:
        aside.rows += 1
        if fields is None:
            aside.reject(line, "quotation marks do not match")
        elif len(fields) != width:
            aside.reject(line, f"has {len(fields)} columns, the header has {width}")
        else:
            yield line, fields


def _own_rows(rows: Iterator[tuple[int, list[str]]], header: list[str], aside: _Aside) -> Iterator[_Raw]:
    for line, fields in rows:
        row = dict(zip(header, fields, strict=True))
        name = clean(_unguarded(row["name"]))
        kind, domain = row["kind"].strip().lower(), row.get("domain", "").strip().lower() or Domain.UNCLASSIFIED.value
        sign = row.get("needs_second_sign", "").strip().lower()
        if not name:
            aside.reject(line, "no name")
        elif kind not in set(Kind):
            aside.reject(line, f"kind {kind[:40]!r} is none of {', '.join(Kind)}")
        elif domain not in set(Domain):
            aside.reject(line, f"domain {domain[:40]!r} is none of {', '.join(Domain)}")
        elif sign not in ("", "yes", "no"):
            aside.reject(line, f"needs_second_sign is {sign[:40]!r}; it must be yes or empty")
        else:
            aliases = "\n".join(clean(part) for part in _unguarded(row.get("aliases", "")).split("|"))
            yield "", name, aliases, sign == "yes", None, line, kind, domain


def _wikidata_rows(rows: Iterator[tuple[int, list[str]]], layout: Layout, aside: _Aside) -> Iterator[_Raw]:
    for line, fields in rows:
        label = clean(fields[layout.label])
        item = q_id(fields[layout.item]) if layout.item is not None else None
        if layout.item is not None and item is None:
            aside.reject(line, f"{fields[layout.item][:60]!r} is no Wikidata item")
        elif not label:
            aside.reject(line, "no name")
        elif q_id(label):
            aside.unnamed += 1
        else:
            aliases = "\n".join(clean(name) for i in layout.aliases for name in split_aliases(fields[i]))
            yield item or label, label, aliases, False, item, line, "\n".join(fields[i] for i in layout.kinds), None


def _as_they_are(raw: pl.DataFrame) -> pl.DataFrame:
    return _tidy(raw).with_columns(pl.col("kinds").list.first().alias("kind"))


def _grouped(raw: pl.DataFrame) -> pl.DataFrame:
    """Wikidata rows by item: the first label, all other labels and aliases, kind and domain from all class labels."""
    rows = raw.with_columns(pl.concat_list("name", "aliases").alias("aliases"))
    grouped = rows.group_by("key", maintain_order=True).agg(
        *(pl.col(name).first() for name in ("name", "needs_second_sign", "wikidata", "line")),
        *(pl.col(name).list.explode(empty_as_null=True).drop_nulls() for name in ("aliases", "kinds")),
    )
    words = grouped.select(pl.col("kinds").list.unique(maintain_order=True).list.join("\n"))["kinds"]
    told = {text: kind_of(text.split("\n")) for text in words.unique()}
    return _tidy(grouped).with_columns(
        pl.Series("kind", [told[text][0].value for text in words], dtype=pl.String),
        pl.Series("domain", [told[text][1].value for text in words], dtype=pl.String),
    )


def _tidy(rows: pl.DataFrame) -> pl.DataFrame:
    """Aliases without empty ones, repeats and the name itself, at most :data:`MAX_ALIASES`, in order."""
    numbered = rows.with_row_index("row")
    long = numbered.select("row", "name", "aliases").explode("aliases", empty_as_null=True).drop_nulls("aliases")
    kept = long.filter((pl.col("aliases") != "") & (pl.col("aliases") != pl.col("name"))).unique(
        ["row", "aliases"], maintain_order=True
    )
    lists = kept.group_by("row").agg(pl.col("aliases").head(MAX_ALIASES))
    joined = numbered.drop("aliases").join(lists, on="row", how="left", maintain_order="left")
    return joined.drop("row").with_columns(pl.col("aliases").fill_null(pl.lit([], dtype=pl.List(pl.String))))


def _nameable(entities: pl.DataFrame, aside: _Aside) -> pl.DataFrame:
    """Entities whose name has a letter or a digit left in canonical form; the others are set aside."""
    usable = canonical_column(entities["name"]) != ""
    for line, name in entities.filter(~usable).select("line", "name").iter_rows():
        aside.reject(line, f"no letter or digit in the name {name[:40]!r}")
    return entities.filter(usable)


def for_store(entities: pl.DataFrame, origin: str) -> pl.DataFrame:
    """:data:`CATALOGUE` rows as the store takes new entities: with ``slug``, ``origin`` and ``provenance`` (JSON), and
    ``aliases`` (the name first) beside their ``canonicals``; aliases that come to the same are given once."""
    named = entities.with_row_index("row")
    long = named.select("row", pl.concat_list("name", "aliases").alias("aliases")).explode(
        "aliases", empty_as_null=True
    )
    long = long.with_columns(canonical_column(long["aliases"]).alias("canonicals")).filter(pl.col("canonicals") != "")
    once = long.unique(["row", "canonicals"], keep="first", maintain_order=True)
    lists = once.group_by("row", maintain_order=True).agg("aliases", "canonicals")
    slug = pl.col("canonicals").list.first().str.slice(0, MAX_SLUG).str.strip_chars(" ").str.replace_all(" ", "-")
    source = pl.concat_str(pl.lit('{"wikidata": "'), "wikidata", pl.lit('"}')).fill_null("{}")
    whole = named.drop("aliases").join(lists, on="row", how="inner", maintain_order="left").drop("row")
    return whole.with_columns(slug.alias("slug"), pl.lit(origin).alias("origin"), source.alias("provenance"))


def write_catalogue(entities: pl.DataFrame, path: Path) -> int:
    """Write ``entities`` (name, kind, domain, aliases, needs_second_sign) in our own form; the number of rows.

    The file appears whole or not at all. A value a spreadsheet would run as a formula gets a leading ``'``, which
    :func:`read_catalogue` takes off again. Raises :class:`InputError` where the file cannot be written.
    """
    partial = path.with_name(path.name + ".part")
    try:
        with partial.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            writer.writerows(_written(entities.select(COLUMNS).iter_rows()))
        partial.replace(path)
    except OSError as error:
        raise InputError(f"{path.name}: cannot be written: {error.strerror or error}") from None
    return entities.height


def _written(rows: Iterable[tuple[str, str, str, list[str] | None, bool | None]]) -> Iterator[tuple[str, ...]]:
    for name, kind, domain, aliases, sign in rows:
        joined = "|".join(alias.replace("|", " ") for alias in aliases or [])
        # Python 3.12 quotes no carriage return, and a reader would begin a line there, with whatever follows
        yield guarded(name).replace("\r", " "), kind, domain, guarded(joined).replace("\r", " "), "yes" if sign else ""


def _unguarded(value: str) -> str:
    return value[1:] if value[:1] == "'" and value[1:].startswith(FORMULA) else value
