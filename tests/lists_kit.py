"""The real application over a small store, in a thread: alerts of every state, decisions, fetches, people's actions."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import uvicorn
from sqlalchemy import text

from heatmap_app.runtime import Runtime, open_runtime
from heatmap_app.server import bind, make_app
from heatmap_app.worlds import DEMO_KEY, DEMO_SEED
from pipelines.alert import actions
from pipelines.model import FeedReport, Outcome
from pipelines.outbox import DECISIONS, EPISODES, SLACK, Decided, NewAlert
from pipelines.people import Person
from pipelines.settings import load_settings
from pipelines.simulate import demo_epoch
from pipelines.store import Store
from tests.contract.store_rows import add, item, mentions, result, save, score_frames

HOSTILE = "<img src=x onerror=\"window.PWN=1\"> & =cmd|'/c'!A1"
NAMES = (
    "Odalys Brightwater",
    "The Lantern Keepers",
    HOSTILE,
    "Saint Ferro",
    "Velvet Anchors",
    "Orson Tate",
    "Ivo Marsh",
)
STATES = ("sent", "pending", "uncertain", "dead", None, "sending", "sent")
MINUTE = timedelta(minutes=1)


@dataclass
class Lists:
    """A running application: where it is, and what is in it."""

    address: str
    runtime: Runtime
    ids: list[int]


@contextmanager
def running_lists(url: str, var: Path, *, filled: bool = True) -> Iterator[Lists]:
    """Serve on a free port until the block ends; the schedule does not run."""
    settings = load_settings(var / "no.env", mode="demo", port=0, database_url=url, var_dir=var)
    store = Store.open(url, "demo")
    store.upgrade()
    store.reset()
    ids = fill(store) if filled else []
    store.close()
    sock = bind(settings)
    port = sock.getsockname()[1]
    runtime = open_runtime(settings)
    server = uvicorn.Server(
        uvicorn.Config(make_app(runtime, port, schedule=False), log_level="warning", timeout_graceful_shutdown=2)
    )
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[sock])), daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.02)
    try:
        yield Lists(f"http://127.0.0.1:{port}", runtime, ids)
    finally:
        server.should_exit = True
        thread.join(timeout=15)
        runtime.close()
        sock.close()


def fill(store: Store) -> list[int]:
    """Seven alerts within the last hours, one in each state of delivery; the numbers of the alerts, oldest first."""
    now = datetime.now(UTC).replace(microsecond=0)
    ids = add(store, *NAMES)
    # the demo goes on where its store left it, and empties one it does not know
    store.source_state.put(DEMO_KEY, {"epoch": demo_epoch(now).isoformat(), "seed": DEMO_SEED})
    _fetches(store, now, ids)
    for place, entity in enumerate(ids):
        at = now - timedelta(hours=7 - place)
        store.save_scores(at, *score_frames([entity], at=at), decided=_decided(entity, NAMES[place], at, ids))
    store.save_scores(now, *score_frames(ids, at=now))
    numbers = sorted(row["id"] for row in store.alert_rows())
    _states(store, numbers, now)
    ana = Person("slack:U1", "Ana")
    actions.assign(store, numbers[-1], ana, now, who="Sam", note="call the publicist", once="a")
    actions.vote(store, numbers[-1], ana, now, useful=True, once="b")
    actions.mark_source_fault(store, numbers[0], ana, now, fault=True, once="c")
    return numbers


def _fetches(store: Store, now: datetime, ids: list[int]) -> None:
    before = now - MINUTE
    feeds = (FeedReport("movies", Outcome.OK, 3), FeedReport("gone", Outcome.FAILED, detail="=1+1"))
    for source in ("reddit", "trends", "tiktok"):
        save(store, [result([item(f"{source}1", source, before)], source, before, ms=120, bytes_read=4000, http_status=200,
                            feeds=feeds)], mentions((source, f"{source}1", ids[0])))  # fmt: skip
    story = item("story", "trades", before, published_at=now - timedelta(hours=5))
    save(store, [result([story], "trades", before)], mentions(("trades", "story", ids[0])))
    bad = result([], "reddit", now, outcome=Outcome.FAILED, detail="=HYPERLINK(1) broke", http_status=503)
    save(store, [bad])


def _decided(entity: int, name: str, at: datetime, ids: list[int]) -> Decided:
    rows = [
        _decision(entity, "fired", "Alerted at 10:00: velocity +3.7σ, seen on 3 platforms; no trade story yet.", at)
    ]
    other = ids[(ids.index(entity) + 1) % len(ids)]
    rows.append(_decision(other, "held_back", "Held back at 10:00: seen on 1 platform (needs 2).", at, "spread"))
    receipt = {"source": "reddit", "feed": "movies", "item_id": "r1", "title": f"{name} walks off", "engagement": 9.0,
               "url": "https://example.org/r1", "at": at.isoformat()}  # fmt: skip
    payload = {"name": name, "slug": name.lower().replace(" ", "-"), "kind": "person", "mode": "demo",
               "hook": f"{name} has climbed.",
               "platforms": {"reddit": {"z": 3.7, "x": 24.0, "mu": 6.5, "mentions": 9}}, "receipts": [receipt]}  # fmt: skip
    why = "Velocity +3.7σ | Spread 3/3 | Affect 0.4 | Confidence 0.82"
    alert = NewAlert(f"demo|{entity}|{at.isoformat()}", entity, 1.97, 3.7, 3, 0.4, 0.82, why, payload)
    return Decided(pl.DataFrame(rows, schema=DECISIONS), pl.DataFrame(schema=EPISODES), (alert,), SLACK)


def _decision(entity: int, outcome: str, sentence: str, at: datetime, reason: str = "") -> dict[str, Any]:
    return {"entity": entity, "outcome": outcome, "reason": reason or outcome, "sentence": sentence, "velocity_z": 3.7,
            "spread_count": 2, "affect": 0.4, "heat": 1.9, "confidence": 0.8, "trades_at": None, "started_at": at}  # fmt: skip


def _states(store: Store, numbers: list[int], now: datetime) -> None:
    for number, state in zip(numbers, STATES, strict=True):
        change = (
            "DELETE FROM delivery WHERE alert_id = :id"
            if state is None
            else """UPDATE delivery SET state = :state,
            next_at = :later, sent_at = :now, last_error = CASE WHEN :state = 'dead' THEN 'the channel is archived' ELSE '' END,
            attempt_started_at = :now, attempt = 1 WHERE alert_id = :id"""
        )
        values = {"id": number, "now": now, "later": now + timedelta(hours=1)} | ({"state": state} if state else {})
        with store._db.writing() as connection:
            connection.execute(text(change), {key: values[key] for key in values if f":{key}" in change})
