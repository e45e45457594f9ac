"""Scoring of 5 million mentions: ``python -m tests.bench.score [--rows N] [--entities N] [--repeat N] [--no-pandas]``.

Each way of doing it runs in a process of its own and reads the same Parquet file, so that times and peak memory do not
mix: a bare hourly roll-up in Polars, the product's whole scoring (peaks of 168 hours, with and without the history),
and the same definition in plain pandas (``score_pandas``), whose results must be the same. Processor seconds stand
beside the clock's, because those a busy machine cannot lengthen by waiting.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from polars.testing import assert_frame_equal

from pipelines.model import MENTIONS
from pipelines.score import score
from tests.unit.score_kit import SCORING

NOW = datetime(2026, 5, 20, 12, 17, tzinfo=UTC)
DAYS = 7
COMPARED = ["entity", "velocity_z", "spread_count", "affect", "raw", "heat", "peak_at"]
WAYS = {
    "rollup": "bare hourly roll-up in Polars",
    "score": "whole scoring",
    "history": "whole scoring, 24 h history of the top 200",
    "pandas": "whole scoring in plain pandas",
}


def make_mentions(rows: int, entities: int, seed: int = 7) -> pl.DataFrame:
    """Mentions of ``DAYS`` days in time order: half posts, half sightings of list entries; few entities have most."""
    rng = np.random.default_rng(seed)
    popularity = 1.0 / np.arange(1, entities + 1) ** 0.6
    entity = rng.choice(entities, rows, p=popularity / popularity.sum())
    source = rng.choice(3, rows, p=[0.5, 0.2, 0.3])
    ago = np.sort(rng.integers(1, DAYS * 86_400 * 10**6, rows))[::-1]
    entry = entity * 8 + rng.integers(0, 8, rows)  # an entity is on a list with up to eight entries, again and again
    item = np.where(source == 0, np.arange(rows), entry)
    ranked = (source == 2) & (rng.random(rows) < 0.3)
    text = (source != 1) & (rng.random(rows) < 0.95)
    frame = pl.DataFrame(
        {
            "entity": entity,
            "source": pl.Series(source).replace_strict([0, 1, 2], ["reddit", "trends", "tiktok"]),
            "item_id": pl.Series(item).cast(pl.String),
            "at": pl.Series(int(NOW.timestamp()) * 10**6 - ago).cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
            "engagement": np.where(ranked, np.nan, np.floor(rng.pareto(1.1, rows) * 20)),
            "rank": rng.integers(1, 51, rows),
            "list_length": np.full(rows, 50),
            "sentiment": np.where(text, np.round(rng.uniform(-1, 1, rows), 4), np.nan),
        }
    )
    return frame.with_columns(pl.col("engagement", "sentiment").fill_nan(None)).cast(dict(MENTIONS))  # type: ignore[arg-type]  # a schema is one


def rollup(mentions: pl.DataFrame) -> pl.DataFrame:
    """Volume and mentions of each entity, source and hour: nothing else."""
    hour = pl.col("at").dt.truncate("1h")
    return mentions.group_by("entity", "source", hour).agg(pl.col("engagement").sum(), pl.len())


def in_polars(mentions: pl.DataFrame, history_hours: int) -> pl.DataFrame:
    """The product's scoring."""
    scored = score(mentions, None, SCORING, NOW, history_hours=history_hours, history_top=200)
    return scored.entities.select(COMPARED)


def run(way: str, file: Path, repeat: int) -> dict[str, Any]:
    """Do it ``repeat`` times: best seconds by the clock and of the processor, and the process's peak memory."""
    mentions: Any = pl.read_parquet(file)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if way == "pandas":
        from tests.bench.score_pandas import score_pandas, to_pandas

        mentions = to_pandas(mentions)
        work: Callable[[], Any] = lambda: score_pandas(mentions, NOW)  # noqa: E731 - one of four
    else:
        work = {
            "rollup": lambda: rollup(mentions),
            "score": lambda: in_polars(mentions, 0),
            "history": lambda: in_polars(mentions, 24),
        }[way]
    clock, cpu = [], []
    for _ in range(repeat):
        started, used = time.perf_counter(), time.process_time()
        result = work()
        clock.append(time.perf_counter() - started)
        cpu.append(time.process_time() - used)
    if way in ("score", "pandas"):
        if way == "pandas":
            result["peak_at"] = result["peak_at"].dt.tz_localize(None)
            result = pl.DataFrame({name: result[name].to_numpy() for name in COMPARED})
        result.sort("entity").write_parquet(file.with_name(f"{way}.parquet"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"clock": min(clock), "cpu": min(cpu), "peak_mb": peak / 1024, "frame_mb": before / 1024}


def in_own_process(way: str, file: Path, repeat: int) -> dict[str, Any]:
    """:func:`run` in a fresh interpreter."""
    command = [sys.executable, "-m", "tests.bench.score", "--way", way, "--file", str(file), "--repeat", str(repeat)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return measured


def assert_same_results(folder: Path) -> None:
    """Both ways found the same numbers."""
    ours, theirs = (pl.read_parquet(folder / f"{way}.parquet") for way in ("score", "pandas"))
    theirs = theirs.select(_as(name, dtype) for name, dtype in ours.schema.items())
    assert_frame_equal(ours, theirs, abs_tol=1e-6, rel_tol=1e-6)


def _as(name: str, dtype: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    return column.dt.replace_time_zone("UTC").cast(dtype) if dtype == pl.Datetime else column.cast(dtype)


def main() -> None:
    """Make the data, run every way, print the table."""
    arguments = parse()
    if arguments.way:
        print(json.dumps(run(arguments.way, arguments.file, arguments.repeat)))
        return
    ways = [way for way in WAYS if way != "pandas" or not arguments.no_pandas]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "mentions.parquet"
        make_mentions(arguments.rows, arguments.entities).write_parquet(file)
        measured = {way: in_own_process(way, file, 1 if way == "pandas" else arguments.repeat) for way in ways}
        if "pandas" in measured:
            assert_same_results(Path(folder))
    show(arguments, measured)


def show(arguments: argparse.Namespace, measured: dict[str, dict[str, Any]]) -> None:
    """Print the table."""
    machine = f"{os.cpu_count()} cores, {platform.machine()}, load {os.getloadavg()[0]:.1f}"
    print(f"{machine}; Python {platform.python_version()}, Polars {pl.__version__}")
    print(f"{arguments.rows:,} mentions, {DAYS} days, {arguments.entities:,} entities, at {NOW:%Y-%m-%d %H:%M}\n")
    print(f"{'':45}{'seconds':>10}{'processor s':>13}{'peak MB':>10}")
    for way, of in measured.items():
        print(f"{WAYS[way]:45}{of['clock']:10.2f}{of['cpu']:13.2f}{of['peak_mb']:10.0f}")
    print(
        f"\npeak MB is the whole process; the frame read from Parquet takes {measured['score']['frame_mb']:.0f} of it"
    )
    if "pandas" in measured:
        ratio = measured["pandas"]["clock"] / measured["score"]["clock"]
        spent = measured["pandas"]["cpu"] / measured["score"]["cpu"]
        print(f"same results; pandas takes {ratio:.1f} times as long ({spent:.1f} times the processor)")


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--entities", type=int, default=20_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--no-pandas", action="store_true")
    parser.add_argument("--way", choices=list(WAYS), help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
