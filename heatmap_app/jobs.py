"""The schedule: a table of jobs, each single-flight and off the event loop, its errors kept and shown.

``pn.state.schedule_task`` is not used: it overlaps runs, fires missed ticks in a burst and runs sync work on the loop.
A job here skips a tick while its last run is still going, never catches up, and sleeps on the monotonic clock, so a
clock change or a suspended machine costs at most one interval.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog

from pipelines.clock import Clock, SystemClock
from pipelines.errors import HeatmapError

log = structlog.get_logger(__name__)

STANDBY_S = 0.5


@dataclass
class Job:
    """One thing done again and again.

    ``every`` gives the seconds until the next run and is asked after each run, so an interval can stretch. ``timeout``
    (seconds) is how long a run is waited for; work in threads must bring its own shorter limits. ``everywhere``: runs in
    every process, not only in the one that leads; ``adrift``: also while nobody can say who leads. While ``allowed`` says
    no, the job stands by.
    """

    name: str
    work: Callable[[], Coroutine[Any, Any, str | None]]
    every: Callable[[], float]
    timeout: float = 600.0
    first_after: float = 0.0
    clock: Clock = field(default_factory=SystemClock)
    everywhere: bool = False
    adrift: bool = False
    allowed: Callable[[], bool] = lambda: True
    ok: int = 0
    failed: int = 0
    last_start: datetime | None = None
    last_ok: datetime | None = None
    last_detail: str = ""
    last_error: str = ""
    next_run: datetime | None = None
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    idle: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        """Nothing runs yet."""
        self.idle.set()

    @property
    def running(self) -> bool:
        """Whether a run is going on."""
        return not self.idle.is_set()

    async def run_once(self) -> None:
        """Run now, unless a run is going on; errors are kept on the job and logged."""
        if self.running:
            return
        self.idle.clear()
        self.last_start = self.clock.now()
        try:
            async with asyncio.timeout(self.timeout):
                self.last_detail = await self.work() or ""
            self.ok += 1
            self.last_ok, self.last_error = self.clock.now(), ""
        except TimeoutError:
            self._fail(f"no result after {self.timeout:.0f} s")
        except HeatmapError as error:
            self._fail(str(error))  # ours: its words say it all
        except Exception as error:
            self._fail(f"{type(error).__name__}: {error}")
            log.exception("job failed", job=self.name)
        finally:
            self.idle.set()

    def _fail(self, reason: str) -> None:
        self.failed += 1
        self.last_error = reason
        log.warning("job did not finish", job=self.name, reason=reason)

    async def loop(self) -> None:
        """Run for ever, on the interval; setting ``wake`` runs it at once."""
        await self._sleep(self.first_after)
        while True:
            while not self.allowed():
                self.next_run = None
                await asyncio.sleep(STANDBY_S)
            started = time.monotonic()
            await self.run_once()
            await self._sleep(max(0.0, self.every() - (time.monotonic() - started)))

    async def _sleep(self, seconds: float) -> None:
        self.next_run = self.clock.now() + timedelta(seconds=seconds)
        self.wake.clear()
        try:
            await asyncio.wait_for(self.wake.wait(), seconds)
        except TimeoutError:
            return


class Schedule:
    """All jobs of the process; started and stopped with the server. ``may_run`` is asked before each run of a job."""

    def __init__(self, jobs: list[Job], may_run: Callable[[Job], bool] = lambda _job: True) -> None:
        self.jobs = {job.name: job for job in jobs}
        for job in jobs:
            job.allowed = partial(may_run, job)
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start every job's loop on the running event loop."""
        self._tasks = [asyncio.create_task(job.loop(), name=f"job:{name}") for name, job in self.jobs.items()]

    async def stop(self, drain_s: float = 10.0) -> None:
        """Start nothing new, wait up to ``drain_s`` seconds for what is running, then cancel."""
        idle = [task for task, job in zip(self._tasks, self.jobs.values(), strict=True) if not job.running]
        for task in idle:
            task.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(drain_s):
                await asyncio.gather(*(job.idle.wait() for job in self.jobs.values()))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
