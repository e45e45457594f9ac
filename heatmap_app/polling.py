"""When a live process asks its sources: one job each, on an interval that stretches, and what the schedule page shows."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from datetime import datetime

from heatmap_app.jobs import Job
from heatmap_app.worlds import World
from pipelines.ingest import guard_state
from pipelines.ingest.guard_state import PREFIX, GuardState
from pipelines.ingest.pace import Turns
from pipelines.ingest.run import poll
from pipelines.ingest.source import Source
from pipelines.model import FetchResult, Outcome
from pipelines.read.schedule import Planned, schedule_rows
from pipelines.refresh import Refresh
from pipelines.store.store import Store
from pipelines.view import ScheduleRow

FIRST_AFTER_S = 0.5
GAP_S = 0.3
"""Between the starts of two polls that are due at once."""


def next_wait(poll_seconds: float, result: FetchResult) -> float:
    """Seconds until a source without a guard is asked again: its interval, longer where the upstream wants to be left
    alone, shorter where a run that was started is still going."""
    if result.retry_after_s is None:
        return poll_seconds
    return result.retry_after_s if result.outcome is Outcome.DEGRADED else max(poll_seconds, result.retry_after_s)


def poll_jobs(world: World, refresh: Refresh, publish: Callable[[], None]) -> list[Job]:
    """One job a configured source of a live world."""
    turns = Turns(GAP_S)
    sources = [source for source in world.sources.values() if not source.missing()]
    return [_poll_job(source, world, refresh, publish, turns) for source in sources]


def _poll_job(source: Source, world: World, refresh: Refresh, publish: Callable[[], None], turns: Turns) -> Job:
    waits = {"s": float(source.poll_seconds), "first": 1.0}

    async def work() -> str:
        if waits.pop("first", None) is not None and (early := await _still_to_wait(world, source.name)) > 0:
            waits["s"] = early
            return f"goes on in {early:.0f} s, as planned before the restart"
        await asyncio.sleep(turns.wait_s(time.monotonic(), random.random()))
        now = world.clock.now()
        (result,) = await poll({source.name: source}, now, guard=world.guard)
        waits["s"] = next_wait(source.poll_seconds, result)
        if world.guard is not None:
            waits["s"] = await world.guard.wait_s(source.name, now)
        await asyncio.to_thread(refresh.ingest, [result])
        publish()
        return result.detail

    return Job(f"poll {source.name}", work, every=lambda: waits["s"], timeout=600.0, first_after=FIRST_AFTER_S)


async def _still_to_wait(world: World, name: str) -> float:
    """Seconds that are left of the wait planned before a restart; 0 where there was none."""
    return 0.0 if world.guard is None else await world.guard.wait_s(name, world.clock.now(), first=True)


def known_states(store: Store, names: tuple[str, ...]) -> Mapping[str, GuardState]:
    """What the guard left in the store about each of ``names``."""
    return {name: guard_state.from_json(store.source_state.get(PREFIX + name)) for name in names}


def schedule(world: World, store: Store, now: datetime) -> tuple[ScheduleRow, ...]:
    """When each source is asked next, and why then. Reads the store: call from a worker thread."""
    planned = {name: Planned(source.poll_seconds, source.missing()) for name, source in world.sources.items()}
    if world.ticks is not None:
        return schedule_rows(planned, {}, now, driven=True)
    return schedule_rows(planned, known_states(store, tuple(planned)), now)
