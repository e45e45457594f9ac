"""One poll of 2,000 items to stored scores, and the memory of a running server after 50 polls.

``python -m tests.bench.poll`` prints both; the stored history is a simulated week, so that scoring has a full baseline.
"""

from __future__ import annotations

import os
import platform
import statistics
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import psutil

from heatmap_app.upkeep import seed_catalogue
from pipelines.affect import make_sentiment
from pipelines.model import ITEMS, FetchResult, Outcome, conform
from pipelines.refresh import Refresh
from pipelines.settings import CONFIG_DIR, load_settings
from pipelines.simulate import simulate
from pipelines.store import EmbeddedPostgres, Store
from tests.postgres import open_folder
from tests.processes import serving

SIZE, ROUNDS, POLLS, SEED = 2_000, 5, 50, 7
START = datetime(2026, 11, 1, tzinfo=UTC)
PLATFORMS = {"reddit": 120.0, "trends": 600.0, "tiktok": 3600.0}


def batch(items: pl.DataFrame, at: datetime, number: int) -> list[FetchResult]:
    """A poll at ``at`` of :data:`SIZE` items nobody has seen, with titles of the simulated week."""
    picked = items.filter(pl.col("source") == "reddit").unique("item_id", maintain_order=True)
    repeated = pl.concat([picked] * (SIZE // picked.height + 1)).head(SIZE).with_row_index("n")
    frame = repeated.with_columns(
        poll_at=pl.lit(at), item_id=pl.format("bench_{}_{}", pl.lit(number), "n"),
        published_at=pl.lit(at) - pl.duration(seconds=pl.col("n")),
    ).select(items.columns)  # fmt: skip
    return [FetchResult("reddit", at, Outcome.OK, conform(frame, ITEMS), covered_from=at - timedelta(hours=1))]


def one_poll(var: Path) -> list[float]:
    """Seconds from fetched items to stored scores, for each of :data:`ROUNDS` polls over a week of history."""
    settings = load_settings(mode="demo", var_dir=var)
    with EmbeddedPostgres.start(var) as server:
        store = Store.open(server.url, "demo")
        store.upgrade()
        seed_catalogue(store, CONFIG_DIR / "demo_catalogue.csv", "demo")
        seed_catalogue(store, CONFIG_DIR / "catalogue.csv", "catalogue")
        refresh = Refresh(store, settings, make_sentiment(settings.affect), PLATFORMS)
        week = simulate(SEED, START)
        now = START + timedelta(days=7)
        for (source,), rows in week.group_by("source"):
            refresh.ingest([FetchResult(str(source), now, Outcome.OK, rows)])
        refresh.score(now)
        seconds = []
        for number in range(ROUNDS):
            now += timedelta(minutes=5)
            results = batch(week, now, number)
            began = time.perf_counter()
            refresh.ingest(results)
            refresh.score(now)
            seconds.append(time.perf_counter() - began)
        store.close()
    return seconds


def server_memory(var: Path) -> tuple[int, float]:
    """(scoring polls seen, MB resident) of a demo server after :data:`POLLS` scoring polls."""
    with serving(var=var, settings={"MODE": "demo", "REPLAY__DEMO_SPEED": "600"}) as server:
        server.wait_for_board()
        seen: set[str] = set()
        deadline = time.monotonic() + 180
        while len(seen) < POLLS and time.monotonic() < deadline:
            seen.add(server.get("/api/v1/heat").json["as_of"])
            if len(seen) % 10 == 1:
                server.get("/")
            time.sleep(0.2)
        return len(seen), psutil.Process(server.process.pid).memory_info().rss / 1e6


def main() -> None:
    """Print the table."""
    memory = psutil.virtual_memory().total / 2**30
    print(f"{os.cpu_count()} cores, {memory:.0f} GiB, Python {platform.python_version()}, Polars {pl.__version__}")
    with open_folder() as var:
        seconds = one_poll(var)
    print(f"one poll of {SIZE:,} new items, fetched to stored scores: median {statistics.median(seconds):.2f} s "
          f"(of {ROUNDS}; slowest {max(seconds):.2f} s)")  # fmt: skip
    with open_folder() as var:
        polls, resident = server_memory(var)
    print(f"server after {polls} scoring polls and page loads: {resident:.0f} MB resident")
    if polls < POLLS:
        sys.exit(f"only {polls} polls in time")


if __name__ == "__main__":
    main()
