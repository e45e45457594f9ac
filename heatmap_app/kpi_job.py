"""The KPIs in a running server: what page and API read, and the job that checks alerts and keeps the daily rows."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from heatmap_app.jobs import Job
from pipelines.alert.kpi_view import KpiView
from pipelines.clock import SystemClock
from pipelines.read.kpis import kpis
from pipelines.refresh_kpis import refresh_kpis

if TYPE_CHECKING:
    from heatmap_app.runtime import Runtime

EVERY_S = 60.0
DRIVEN_EVERY_S = 5.0
"""A demo's or a replay's hours are short."""


def present_kpis(runtime: Runtime, days: int) -> KpiView:
    """The KPIs of ``runtime``'s world at its present. Raises :class:`StoreError`."""
    return kpis(runtime.store, runtime.settings.kpis, runtime.world.clock.now(), days, runtime.mode)


def kpi_job(runtime: Runtime) -> Job:
    """Checks what is due by the world's clock; pages that show KPIs hear of a change by the event ``kpi``."""

    async def work() -> str:
        now = runtime.world.clock.now()
        report = await asyncio.to_thread(refresh_kpis, runtime.store, runtime.settings.kpis, now)
        if report.changed:
            runtime.events.publish("kpi", {"as_of": now.isoformat(), "mode": runtime.mode})
        return str(report)

    seconds = EVERY_S if runtime.world.ticks is None else DRIVEN_EVERY_S
    return Job("kpis", work, every=lambda: seconds, timeout=300.0, first_after=5.0, clock=SystemClock())
