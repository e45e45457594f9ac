"""Matching 100,000 titles against 50,000 names: ``python -m tests.bench.match [--titles N] [--names N]``.

Prints the time of Polars' bare multi-pattern search over the same prepared texts beside that of the whole matcher
(canonical form, word boundaries, longest name, second signs, structured names) and the machine it ran on.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import time
from collections.abc import Callable

import polars as pl

from pipelines.normalize.match import Matcher
from pipelines.normalize.names import canonical_column
from pipelines.normalize.patterns import padded

_SYLLABLES = [a + b for a in "bdfgklmnprstvz" for b in ("a", "e", "i", "o", "u", "an", "el", "or")]
_HAN = "金王李張陳林周吳趙孫高馬朱胡郭何羅梁宋鄭謝韓唐馮于董蕭程曹袁鄧許傅沈曾彭呂蘇盧蔣蔡"


def _words(rng: random.Random, count: int) -> list[str]:
    words = {"".join(rng.choices(_SYLLABLES, k=rng.randint(2, 4))) for _ in range(count * 2)}
    return sorted(words)[:count]


def make_names(rng: random.Random, words: list[str], count: int) -> pl.DataFrame:
    """``count`` invented names: most of two or three words, a tenth in Chinese; 1% need a second sign."""
    names: set[str] = set()
    while len(names) < count:
        latin = " ".join(rng.choices(words, k=rng.choice((2, 2, 3)))).title()
        names.add(latin if rng.random() < 0.9 else "".join(rng.choices(_HAN, k=3)))
    shown = pl.Series("display", sorted(names))
    return pl.DataFrame({"canonical": canonical_column(shown), "display": shown}).with_columns(
        pl.int_range(pl.len(), dtype=pl.Int64).alias("entity_id"),
        (pl.int_range(pl.len()) % 100 == 0).alias("needs_second_sign"),
    )


def make_titles(rng: random.Random, words: list[str], aliases: pl.DataFrame, count: int) -> pl.DataFrame:
    """``count`` headlines of about 60 characters; half hold a known name, 15% are not ASCII, 2% hold a hashtag."""
    shown = aliases["display"].to_list()
    titles = []
    for i in range(count):
        line = rng.choices(words, k=rng.randint(6, 9))
        if i % 2:
            line.insert(rng.randint(0, len(line)), rng.choice(shown) + rng.choice(("", "'s", "’s", ",", " trailer")))
        if i % 50 == 0:
            line.append("#" + rng.choice(shown).replace(" ", ""))
        titles.append(" ".join(line).capitalize() + ("… é" if i % 7 == 0 else ""))
    return pl.DataFrame({"title": titles}).with_columns(
        pl.lit("reddit").alias("source"),
        pl.int_range(pl.len()).cast(pl.String).alias("item_id"),
        pl.Series("names", [[] for _ in titles], dtype=pl.List(pl.String)),
    )


def _timed(action: Callable[[], object], rounds: int = 3) -> tuple[float, float]:
    """Best of ``rounds`` runs: seconds on the clock, and processor seconds, which a busy machine disturbs less."""
    clock, processor = [], []
    for _ in range(rounds):
        start, used = time.perf_counter(), time.process_time()
        action()
        clock.append(time.perf_counter() - start)
        processor.append(time.process_time() - used)
    return min(clock), min(processor)


def main() -> None:
    """Make the data, time the parts, print the table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--titles", type=int, default=100_000)
    arguments.add_argument("--names", type=int, default=50_000)
    options = arguments.parse_args()
    rng = random.Random(7)
    words = _words(rng, 30_000)
    aliases = make_names(rng, words, options.names)
    items = make_titles(rng, words, aliases, options.titles)
    texts = pl.DataFrame({"text": canonical_column(items["title"])}).select(padded(pl.col("text")).alias("text"))
    bare = pl.lit(aliases["canonical"]).implode()
    matcher = Matcher(aliases)
    small = items.head(2_000)
    found = matcher.match(items)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    print(f"{options.titles:,} titles, {options.names:,} names;")
    print(f"{os.cpu_count()} cores, {memory:.0f} GB, load {os.getloadavg()[0]:.1f},")
    print(f"{platform.machine()}, Python {platform.python_version()}, Polars {pl.__version__}")
    rows = (
        ("Polars' search alone", lambda: texts.select(pl.col("text").str.extract_many(bare))),
        ("canonical form of the titles", lambda: canonical_column(items["title"])),
        ("building the matcher (once)", lambda: Matcher(aliases)),
        (f"matching all ({found.height:,} mentions)", lambda: matcher.match(items)),
        ("matching one poll of 2,000 items", lambda: matcher.match(small)),
    )
    for name, action in rows:
        clock, processor = _timed(action)
        print(f"  {name:<40}{clock:8.3f} s {processor:8.3f} s cpu")


if __name__ == "__main__":
    main()
