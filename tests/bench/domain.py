"""How well domains are told: hand-labelled items of the recordings, classified and counted.

``python -m tests.bench.domain --data FOLDER`` where FOLDER holds the recordings' Parquet files. The labels beside this
file name items by a hash only. Half "tune" was looked at while the tables were written, half "report" was not.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import polars as pl

from pipelines.model import Domain
from pipelines.normalize.domain import classify, from_catalogue, from_feeds, from_words, recent
from pipelines.normalize.domain_tables import DomainTables, load_domain_tables
from pipelines.normalize.names import canonical_expr
from pipelines.settings import CONFIG_DIR

LABELS = Path(__file__).with_name("domain_labels.csv")
CLASSES = [domain.value for domain in Domain]
MAX_RECEIPTS = 60


def item_hash(source: str, item_id: str) -> str:
    """What stands for an item in the label file."""
    return hashlib.sha256(f"{source}\n{item_id}".encode()).hexdigest()[:16]


def half(item: str) -> str:
    """Which half of the labels an item belongs to."""
    return "tune" if int(item[-1], 16) % 2 == 0 else "report"


def labelled(data: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Labels (entity_id, recording, item, label, half, source, feed, title) and receipts of each labelled item."""
    labels = pl.read_csv(LABELS)
    cases: list[pl.DataFrame] = []
    receipts: list[pl.DataFrame] = []
    for (recording,), wanted in labels.group_by("recording", maintain_order=True):
        items = _items(data / f"{recording}.parquet")
        known = wanted.join(items, on="item_sha256", how="inner")
        if len(known) != len(wanted):
            raise SystemExit(f"{recording}: {len(wanted) - len(known)} labelled items are not in the recording")
        known = known.with_columns((pl.int_range(pl.len()) + sum(map(len, cases))).alias("entity_id"))
        cases.append(known)
        receipts += [_receipts_of(case, items) for case in known.iter_rows(named=True)]
    every = pl.concat(cases).with_columns(
        pl.col("item_sha256").map_elements(half, return_dtype=pl.String).alias("half")
    )
    return every, pl.concat(receipts)


def _items(path: Path) -> pl.DataFrame:
    columns = ["source", "feed", "item_id", "title", "poll_at"]
    rows = pl.read_parquet(path, columns=columns).sort("poll_at", maintain_order=True)
    items = rows.group_by("source", "item_id", maintain_order=True).agg(pl.col("feed", "title", "poll_at").last())
    key = pl.struct("source", "item_id").map_elements(
        lambda item: item_hash(item["source"], item["item_id"]), return_dtype=pl.String
    )
    return items.with_columns(key.alias("item_sha256"), pl.col("title").str.to_lowercase().alias("low"))


def _receipts_of(case: dict[str, object], items: pl.DataFrame) -> pl.DataFrame:
    """A post is its own receipt; a query also has the posts and stories whose titles hold it."""
    name = str(case["low"])
    found = items.filter(pl.col("item_sha256") == case["item_sha256"])
    if case["source"] == "trends" and len(name) >= (4 if name.isascii() else 2):
        held = items.filter((pl.col("source") != "trends") & pl.col("low").str.contains(name, literal=True))
        found = pl.concat([found, held])
    shown = found.select("source", "feed", "item_id", "title", pl.col("poll_at").alias("at"))
    return shown.select(pl.lit(case["entity_id"], dtype=pl.Int64).alias("entity_id"), pl.all()).head(MAX_RECEIPTS)


def owned(cases: pl.DataFrame) -> pl.DataFrame:
    """The labelled queries that are a name of the shipped catalogue, as entities (id, kind, domain, domain_by)."""
    rows = pl.read_csv(CONFIG_DIR / "catalogue.csv").filter(pl.col("needs_second_sign").is_null())
    names = rows.with_columns(pl.concat_str("name", pl.col("aliases").fill_null(""), separator="|").str.split("|"))
    names = names.explode("name", empty_as_null=False).with_columns(canonical_expr("name").alias("key"))
    queries = cases.filter(pl.col("source") == "trends").with_columns(canonical_expr("title").alias("key"))
    found = queries.join(names.unique("key"), on="key", how="inner")
    return found.select(pl.col("entity_id").alias("id"), "kind", "domain", pl.lit("catalogue").alias("domain_by"))


def told(cases: pl.DataFrame, receipts: pl.DataFrame, tables: DomainTables, signs: str) -> pl.DataFrame:
    """``cases`` with the columns ``told`` and ``why``, from the evidence named in ``signs``."""
    newest = recent(receipts, tables.rules.receipts)
    parts = [from_words(newest, tables)]
    if "feeds" in signs:
        parts.append(from_feeds(newest, tables))
    if "catalogue" in signs:
        parts.append(from_catalogue(owned(cases), tables))
    decisions = classify(pl.concat(parts), tables).select("entity_id", pl.col("domain").alias("told"), "why")
    joined = cases.join(decisions, on="entity_id", how="left")
    return joined.with_columns(pl.col("told").fill_null(Domain.UNCLASSIFIED.value))


def report(results: pl.DataFrame, title: str) -> None:
    """Print the confusion table (rows: hand label, columns: told) with precision and recall."""
    print(f"\n{title} ({len(results)} items)\n")
    short = {name: name[:6] for name in CLASSES}
    print(f"{'labelled':14}" + "".join(f"{short[name]:>8}" for name in CLASSES) + "     recall  precision")
    for label in CLASSES:
        row = results.filter(pl.col("label") == label)
        counts = [len(row.filter(pl.col("told") == name)) for name in CLASSES]
        right = counts[CLASSES.index(label)]
        claimed = len(results.filter(pl.col("told") == label))
        cells = "".join(f"{n:8}" for n in counts)
        print(f"{label:14}{cells}   {_share(right, len(row))}    {_share(right, claimed)}")
    shown = pl.col("told").is_in(["entertainment", "unclassified"])
    wanted = results.filter(pl.col("label") == "entertainment")
    noise = results.filter(~pl.col("label").is_in(["entertainment", "unclassified"]))
    print(f"\non the default board: {_share(len(wanted.filter(shown)), len(wanted))} of entertainment, ", end="")
    print(f"{_share(len(noise.filter(shown)), len(noise))} of the other four; ", end="")
    wrong = results.filter((pl.col("told") != "unclassified") & (pl.col("told") != pl.col("label")))
    print(f"decided wrongly: {_share(len(wrong), len(results))}")


def _share(part: int, whole: int) -> str:
    return f"{part / whole:6.0%}" if whole else "     -"


def main() -> None:
    """Read the recordings, classify, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with the recordings' .parquet files")
    parser.add_argument("--half", choices=["tune", "report", "both"], default="both")
    parser.add_argument("--misses", action="store_true", help="also print what was told wrongly, and why")
    args = parser.parse_args()
    cases, receipts = labelled(args.data)
    tables = load_domain_tables(CONFIG_DIR)
    parts = ("tune", "report") if args.half == "both" else (args.half,)
    for part in parts:
        chosen = cases.filter(pl.col("half") == part)
        for signs in ("feeds and words", "words only", "catalogue, feeds and words"):
            results = told(chosen, receipts, tables, signs)
            report(results, f"half '{part}', {signs}")
            if signs == "feeds and words":
                _report_parts(results, receipts)
            if args.misses:
                _print_misses(results)


def _report_parts(results: pl.DataFrame, receipts: pl.DataFrame) -> None:
    """The same table for each recording, and for queries that some post or story names as well."""
    for recording in sorted(set(results["recording"])):
        report(results.filter(pl.col("recording") == recording), f"  of these, {recording}")
    named = receipts.filter(pl.col("source") != "trends")["entity_id"].unique()
    queries = results.filter((pl.col("source") == "trends") & pl.col("entity_id").is_in(named.implode()))
    report(queries, "  of these, queries that posts or stories name too")


def _print_misses(results: pl.DataFrame) -> None:
    wrong = results.filter(pl.col("told") != pl.col("label"))
    for row in wrong.select("label", "told", "feed", "title", "why").iter_rows():
        print(*row, sep=" | ")


if __name__ == "__main__":
    main()
