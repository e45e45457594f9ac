"""The outbox's job: one message, or one question to Slack, a run; so a stop never waits for more than one request."""

from __future__ import annotations

import asyncio

from heatmap_app.jobs import Job
from pipelines.alert.deliver import Deliverer
from pipelines.alert.slack import build_sender, takes_presses
from pipelines.clock import SystemClock
from pipelines.outbox import SLACK
from pipelines.settings import Settings
from pipelines.store.store import Store

IDLE_S = 2.0
"""How often the outbox is looked at while nothing is due."""
MOST_ONCE = 60
"""Messages ``heatmap poll`` sends at most; the next round or a server sends the rest."""


def make_deliverer(settings: Settings, store: Store) -> Deliverer | None:
    """What delivers ``store``'s alerts; None where Slack is not configured. Delivery runs on the machine's clock in a
    demo too."""
    sender = build_sender(settings.slack)
    if sender is None:
        return None
    return Deliverer(store, sender, SystemClock(), settings.public_url, buttons=takes_presses(settings.slack))


def deliver_job(deliverer: Deliverer, store: Store) -> Job:
    """The job of a server."""
    waits = {"s": IDLE_S}

    async def work() -> str:
        seconds = await asyncio.to_thread(deliverer.step)
        waits["s"] = IDLE_S if seconds is None else max(seconds, 0.05)
        counts = await asyncio.to_thread(store.outbox_counts, SLACK)
        return ", ".join(f"{count} {state}" for state, count in sorted(counts.items())) or "nothing to send yet"

    return Job("deliver", work, every=lambda: waits["s"], timeout=120.0, first_after=1.0, clock=SystemClock())


async def deliver_now(deliverer: Deliverer) -> None:
    """Send what is due now, at the channel's pace; for ``heatmap poll``."""
    for _ in range(MOST_ONCE):
        seconds = await asyncio.to_thread(deliverer.step)
        if seconds is None:
            return
        await asyncio.sleep(seconds)
