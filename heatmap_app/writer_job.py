"""The optional writer's job, off the scoring path: an alert goes out at once with the templates' texts; the writer is
asked once afterwards, and what passes the checks takes their place. What was not used is said with its reason."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from heatmap_app.jobs import Job
from pipelines.alert.package_model import package_from
from pipelines.alert.package_writer import Complete, rewrite
from pipelines.clock import Clock, SystemClock
from pipelines.read.story import Numbers, desk, gather, story_of
from pipelines.store.store import Store

log = structlog.get_logger(__name__)

FRESH = timedelta(hours=24)
"""Older alerts are left as they are: a writer that is switched on later does not go through the archive."""
IDLE_S, BUSY_S = 2.0, 0.1


@dataclass(frozen=True, slots=True)
class Rewriter:
    """Asks ``complete`` about the newest alert it was not asked about. ``clock`` is the world's; alerts up to ``since``
    (a warm-up's) are left alone."""

    store: Store
    complete: Complete
    clock: Clock
    since: datetime | None = None

    def step(self) -> str | None:
        """One alert's package; what came of it in a line, None where none waits. Raises :class:`StoreError` only."""
        now = self.clock.now()
        oldest = max(now - FRESH, self.since) if self.since else now - FRESH
        waiting = self.store.packages_waiting(oldest)
        if not waiting:
            return None
        package, writer = self._rewritten(waiting[0], now)
        used = list(writer["used"])
        self.store.save_rewritten(waiting[0]["id"], package, writer, shown=bool(used))
        return f"alert {waiting[0]['id']}: {', '.join(used) or 'nothing'} used"

    def _rewritten(self, alert: Mapping[str, Any], now: datetime) -> tuple[Mapping[str, Any], dict[str, Any]]:
        """The package as it is to be kept, and what the writer did."""
        stored = alert["payload"]["package"]
        try:
            before = package_from(stored)
            family = self.store.family(alert["entity_id"])
            trades_at = alert["payload"].get("trades_at")
            numbers = Numbers(alert["velocity_z"], alert["spread_count"], alert["confidence"],
                              datetime.fromisoformat(trades_at) if trades_at else None)  # fmt: skip
            story = story_of(alert["payload"], gather(self.store, family, alert["at"]), numbers)
            after = rewrite(before, story, desk(), self.complete)
        except Exception as error:  # one package that cannot be read must not hold up those after it
            log.exception("the writer's version of a package failed", alert=alert["id"])
            note = f"The writer was not used: {type(error).__name__}."
            return {**stored, "notes": [*stored.get("notes", ()), note]}, _done(now, (), (note,))
        texts = after.texts()
        used = tuple(field for field, lines in before.texts().items() if texts[field] != lines)
        return after.to_dict(), _done(now, used, after.notes[len(before.notes) :])


def _done(now: datetime, used: tuple[str, ...], notes: tuple[str, ...]) -> dict[str, Any]:
    return {"at": now.isoformat(), "used": list(used), "notes": list(notes)}


def writer_job(rewriter: Rewriter, timeout_s: float, told: Callable[[], None]) -> Job:
    """The job of a server; ``told`` is called on the event loop when a package changed."""
    waits = {"s": IDLE_S}

    async def work() -> str:
        line = await asyncio.to_thread(rewriter.step)
        waits["s"] = IDLE_S if line is None else BUSY_S
        if line is not None:
            told()
        return line or "nothing to write"

    return Job(
        "writer", work, every=lambda: waits["s"], timeout=timeout_s + 60, first_after=IDLE_S, clock=SystemClock()
    )
