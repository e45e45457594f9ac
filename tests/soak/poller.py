"""The process under test: guard, sources, flow, store and Slack as a live server composes them, told the time by its
parent. One JSON line in, one out; the log goes to standard error.

``{"do": "past", "days": 15, "every": 600}`` reads a baseline in; ``{"do": "round", "at": "..."}`` polls what is due then,
stores it and scores. The outbox is worked off all the time. Ends with its input.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import structlog

from heatmap_app.memory import limit_arenas
from heatmap_app.remembered import Remembered
from pipelines.affect import make_names, make_sentiment
from pipelines.alert.deliver import Deliverer, Pace
from pipelines.alert.slack import build_sender
from pipelines.clock import ManualClock, SystemClock
from pipelines.errors import StoreError
from pipelines.ingest.guarding import build_guard
from pipelines.ingest.http import Http
from pipelines.ingest.run import poll
from pipelines.ingest.source import build_sources
from pipelines.ingest.warm import warm
from pipelines.model import PLATFORMS, FetchResult
from pipelines.outbox import SLACK, NewAlert
from pipelines.record import Recorder
from pipelines.refresh import Refresh
from pipelines.refresh_alerts import Desk
from pipelines.settings import Settings, load_settings
from pipelines.store.store import Store
from tests.soak.world import World

BEAT_S = 0.01
GRID = timedelta(seconds=5)
"""Real seconds pass during a round and are added to waits; a round is on time for what is due this much later."""
PACE = Pace(settle=timedelta(seconds=3), relook=timedelta(seconds=1), pause=timedelta(seconds=0.05))
"""Confirming takes seconds here and a minute in the product; nothing else about delivery differs."""


@dataclass
class Poller:
    """One life of the polling process."""

    settings: Settings
    store: Store
    clock: ManualClock
    world: World
    due: dict[str, datetime] = field(default_factory=dict)
    lags: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        state = Remembered(self.store.source_state)
        self.http = Http(self.clock)
        self.guard = build_guard(self.settings, state, self.store.schema)
        self.guard._jitter = lambda: 0.0  # rounds lie on a grid: a wait must not reach beyond it
        self.sources = build_sources(self.settings, self.http, state)
        self.refresh = Refresh(
            self.store, self.settings, make_sentiment(self.settings.affect),
            {name: float(self.sources[name].poll_seconds) for name in PLATFORMS},
            Recorder(self.settings.var_path / "recordings", 90), make_names(self.settings.affect),
            Desk(SLACK, self.world.start),
        )  # fmt: skip
        sender = build_sender(self.settings.slack)
        assert sender is not None
        self.deliverer = Deliverer(self.store, sender, SystemClock(), pace=PACE)

    async def round(self, at: datetime) -> dict[str, Any]:
        """Poll what is due at ``at``, store it, score."""
        began = time.monotonic()
        self.clock.set(at)
        for name in self.sources:
            if name not in self.due:
                self.due[name] = at + timedelta(seconds=await self.guard.wait_s(name, at, first=True))
        asked = {name: source for name, source in self.sources.items() if self.due[name] <= at + GRID}
        results = await poll(asked, at, guard=self.guard)
        polled = time.monotonic() - began
        waits = {name: await self.guard.wait_s(name, at) for name in asked}
        self.due |= {name: at + timedelta(seconds=wait) for name, wait in waits.items()}
        error, stored = "", 0.0
        alerts: tuple[NewAlert, ...] = ()
        try:
            await asyncio.to_thread(self.refresh.ingest, results)
            stored = time.monotonic() - began
            alerts = (await asyncio.to_thread(self.refresh.score, at)).alerts
        except StoreError as problem:
            error = str(problem)
        lags, self.lags = self.lags, []
        return {
            "at": at.isoformat(), "results": [told(result) for result in results], "waits": waits, "error": error,
            "buffered": self.refresh.backlog.polls, "dropped": self.refresh.backlog.dropped,
            "alerts": [alert.dedup_key for alert in alerts], "rss_mb": rss_mb(), "polled_s": polled,
            "stored_s": stored, "lags_ms": [round(lag * 1000, 1) for lag in lags],
            "ms": round((time.monotonic() - began) * 1000),
        }  # fmt: skip

    def past(self, days: float, every: float) -> dict[str, Any]:
        """Names and a baseline."""
        names = self.world.names
        rows = {
            "name": names, "slug": [name.lower().replace(" ", "-") for name in names], "kind": ["person"] * len(names),
            "domain": ["entertainment"] * len(names), "origin": ["catalogue"] * len(names),
            "aliases": [[name] for name in names], "canonicals": [[name.lower()] for name in names],
        }  # fmt: skip
        self.store.add_entities(pl.DataFrame(rows))
        self.refresh.forget_names()
        results = self.world.past(days, self.world.start, timedelta(seconds=every))
        for part in parts(results, 2000):
            self.refresh.ingest(part)
        return {"polls": len(results), "items": sum(result.items.height for result in results)}

    async def deliver(self) -> None:
        """Work the outbox off, for ever."""
        while True:
            try:
                wait = await asyncio.to_thread(self.deliverer.step)
            except StoreError:
                wait = 0.5
            await asyncio.sleep(0.1 if wait is None else max(wait, 0.02))

    async def beat(self) -> None:
        """Measure how late the loop is."""
        while True:
            before = time.monotonic()
            await asyncio.sleep(BEAT_S)
            self.lags.append(time.monotonic() - before - BEAT_S)


def told(result: FetchResult) -> dict[str, Any]:
    """What the parent hears of one poll."""
    return {
        "source": result.source, "at": result.at.isoformat(), "outcome": result.outcome.value, "kind": result.kind,
        "items": result.items.height, "requests": result.requests, "detail": result.detail[:200],
    }  # fmt: skip


def parts(results: Sequence[FetchResult], size: int) -> list[Sequence[FetchResult]]:
    """``results`` in batches."""
    return [results[n : n + size] for n in range(0, len(results), size)]


def rss_mb() -> float:
    """Resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


async def main() -> None:
    """Answer until the input ends. Arguments: schema, seed, first moment of the stories, "stories" or "quiet"."""
    limit_arenas()
    schema, seed, start, kind = sys.argv[1:5]
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever else prints
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    settings = load_settings(Path("no.env"))
    store = Store.open(settings.database_url.get_secret_value(), schema)
    await asyncio.to_thread(store.upgrade)
    warm(settings)
    begun = datetime.fromisoformat(start)
    poller = Poller(settings, store, ManualClock(begun), World(int(seed), begun, stories=kind == "stories"))
    tasks = [asyncio.create_task(poller.deliver()), asyncio.create_task(poller.beat())]

    def say(what: dict[str, Any]) -> None:
        replies.write(json.dumps(what) + "\n")
        replies.flush()

    say({"ready": True})
    while line := await asyncio.to_thread(sys.stdin.readline):
        told = json.loads(line)
        if told["do"] == "past":
            say(await asyncio.to_thread(poller.past, told["days"], told["every"]))
        else:
            poller.lags.clear()
            say(await poller.round(datetime.fromisoformat(told["at"])))
    for task in tasks:
        task.cancel()
    await poller.guard.aclose()
    await poller.http.aclose()
    store.close()


if __name__ == "__main__":
    asyncio.run(main())
