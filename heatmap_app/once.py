"""One round without a server: ``heatmap poll`` and ``heatmap record``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from heatmap_app.cli_common import rfc3339
from heatmap_app.delivery import deliver_now
from heatmap_app.runtime import Runtime, open_runtime
from heatmap_app.worlds import live_world
from pipelines.drive import Step, due, step
from pipelines.errors import InputError
from pipelines.ingest.run import poll
from pipelines.ingest.state import MemoryState
from pipelines.outbox import NewAlert
from pipelines.record import Recorder
from pipelines.record_merge import adopt, export_recording
from pipelines.recording import POLLS, Archive, parts_of
from pipelines.refresh_kpis import refresh_kpis
from pipelines.settings import Settings

EXPORT_S = 600.0
KEPT_DAYS = 36_500
"""A recording that somebody asked for by name is kept whole: no day of it is too old."""


async def poll_once(settings: Settings, only: str | None, *, force: bool) -> dict[str, Any]:
    """Fetch what is due, ingest, score, decide and deliver once; the report of PRODUCT 6. Raises :class:`HeatmapError`."""
    runtime = open_runtime(settings)
    try:
        did = await _round(runtime, only, force=force)
        if runtime.deliverer is not None:
            await deliver_now(runtime.deliverer)
        await asyncio.to_thread(refresh_kpis, runtime.store, settings.kpis, did.at)
        return _report(did)
    finally:
        await runtime.world.aclose()
        runtime.close()


async def _round(runtime: Runtime, only: str | None, *, force: bool) -> Step:
    sources = dict(runtime.world.sources)
    if only is not None:
        if only not in sources:
            raise InputError(f"--source: there is no source {only!r}; one of {', '.join(sources)}")
        sources = {only: sources[only]}
    now = runtime.world.clock.now()
    last = await asyncio.to_thread(runtime.store.last_attempts, now)
    asked = due(sources, last, now, force=force or runtime.world.ticks is not None)
    return await step(runtime.refresh, asked, now, guard=runtime.world.guard, force=force)


def _report(did: Step) -> dict[str, Any]:
    sources = {
        result.source: {
            "outcome": str(result.outcome), "items": result.items.height,
            "new_items": did.new_items.get(result.source, 0), "ms": result.ms, "detail": result.detail,
        }
        for result in did.results
    }  # fmt: skip
    return {"at": rfc3339(did.at), "sources": sources, "scored": did.report.scored,
            "alerts": [_alert(alert, did) for alert in did.report.alerts]}  # fmt: skip


def _alert(alert: NewAlert, did: Step) -> dict[str, Any]:
    return {
        "at": rfc3339(did.at), "entity": alert.payload["name"], "slug": alert.payload["slug"], "velocity_z": alert.velocity_z,
        "spread_count": alert.spread_count, "heat": alert.heat, "confidence": alert.confidence, "why": alert.why,
    }  # fmt: skip


async def record_to(settings: Settings, file: Path, rounds: int | None, say: Callable[[str], None]) -> None:
    """Poll live sources on their intervals and append to ``file`` after every round. Raises :class:`InputError`.

    Polls are kept crash-safe in a folder beside ``file``, which is written out anew every :data:`EXPORT_S` seconds and at
    the end. A ``file`` whose folder is gone is taken into a new one first; one that holds polls its folder lacks is refused.
    """
    recorder = Recorder(parts_of(file), KEPT_DAYS)
    await asyncio.to_thread(_begin, file, recorder.directory)
    world = live_world(settings, MemoryState())
    configured = {name: source for name, source in world.sources.items() if not source.missing()}
    last: dict[str, Any] = {}
    done, exported = 0, world.clock.now()
    try:
        while rounds is None or done < rounds:
            now = world.clock.now()
            asked = due(configured, last, now)
            if asked:
                results = await poll(asked, now, guard=world.guard)
                last.update(dict.fromkeys(asked, now))
                written = await asyncio.to_thread(recorder.append, results)
                if written.error:
                    raise InputError(f"{file}: {written.error}")
                if now - exported >= timedelta(seconds=EXPORT_S):
                    await asyncio.to_thread(_export, recorder, file, now)
                    exported = now
                say(f"{rfc3339(now)}  {written.polls} polls, {written.rows} items  -> {file}")
                done += 1
            await asyncio.sleep(0 if rounds is not None and done >= rounds else 1)
    finally:
        if done:
            _export(recorder, file, world.clock.now())
        await world.aclose()


def _begin(file: Path, directory: Path) -> None:
    if file.is_file() and not directory.is_dir():
        adopt(file, directory)
    elif file.is_file() and directory.is_dir():
        more = Archive(file).polls.join(_polls_in(directory), on=["poll_at", "source"], how="anti").height
        if more:
            raise InputError(
                f"{file}: holds {more} polls that {directory} lacks and would be overwritten; record to another file, "
                f"and join them with heatmap record --merge"
            )


def _polls_in(directory: Path) -> pl.DataFrame:
    if not any(directory.iterdir()):
        return pl.DataFrame(schema=POLLS)
    return Archive(directory).polls


def _export(recorder: Recorder, file: Path, now: datetime) -> None:
    recorder.maintain(now)  # a problem with a day leaves its parts, which are read as they are
    export_recording(recorder.directory, file)
