"""What follows from people's actions, as jobs: tease lines into threads, cards to the rundown, messages kept current.

Each run is one request at most, so that a stop waits for no more than that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from heatmap_app.jobs import Job
from heatmap_app.rundown_http import build_rundown
from pipelines.alert.deliver import Deliverer
from pipelines.alert.edit import Editor
from pipelines.alert.promo import make_promo
from pipelines.alert.rundown import Poster
from pipelines.alert.slack import build_bot, takes_presses
from pipelines.clock import SystemClock
from pipelines.settings import Settings
from pipelines.store.store import Store

IDLE_S = 2.0
"""How often each queue is looked at while it is empty."""
PACE_S = 0.2


def follow_up_jobs(settings: Settings, store: Store) -> list[Job]:
    """The jobs for what is configured; without a rundown address its job only keeps the cards."""
    poster = Poster(store, build_rundown(settings), SystemClock(), settings.public_url)
    jobs = [_job("rundown", lambda: PACE_S if poster.step() else None, store.card_counts, "cards")]
    bot = build_bot(settings.slack)
    if bot is not None:
        buttons = takes_presses(settings.slack)
        promos = Deliverer(store.promo_box, bot, SystemClock(), make=make_promo)
        editor = Editor(store, bot, SystemClock(), settings.public_url, buttons=buttons)
        jobs += [
            _job("promos", promos.step, store.promo_box.counts, "teases"),
            _job("edit messages", editor.step, dict, "messages"),
        ]
    return jobs


def _job(name: str, step: Callable[[], float | None], counts: Callable[[], dict[str, int]], what: str) -> Job:
    waits = {"s": IDLE_S}

    async def work() -> str:
        seconds = await asyncio.to_thread(step)
        waits["s"] = IDLE_S if seconds is None else max(seconds, 0.05)
        found = await asyncio.to_thread(counts)
        return ", ".join(f"{count} {state}" for state, count in sorted(found.items())) or f"no {what} waiting"

    return Job(name, work, every=lambda: waits["s"], timeout=120.0, first_after=1.5, clock=SystemClock())
