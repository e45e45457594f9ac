"""Driven worlds (demo, replay) in a process: opened once, stepped through by whoever leads, taken over where they stand."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from heatmap_app.worlds import DriverClock, World, demo_world, driver, pace
from pipelines.clock import SystemClock
from pipelines.drive import Driver
from pipelines.ingest.state import SourceState
from pipelines.refresh import Refresh, ScoreReport
from pipelines.settings import Settings
from pipelines.store.store import Store

STEPS_A_RUN = 50
"""Driven steps between two looks at whether to stop."""


class ReadOnlyState:
    """A state that is read and not written: the leader's world must not be touched by a process that only watches."""

    def __init__(self, kept: SourceState) -> None:
        self._kept = kept

    def get(self, key: str) -> dict[str, Any] | None:
        """The value kept under ``key``, or None."""
        return self._kept.get(key)

    def put(self, key: str, value: dict[str, Any]) -> None:
        """Nothing."""


def open_demo(settings: Settings, store: Store, *, leads: bool) -> World:
    """The demo's world where the store left it; whoever leads begins a stale one anew. Raises :class:`StoreError`."""
    last = store.latest()
    now = SystemClock().now()
    if not leads:
        at = last.at if last else None
        return demo_world(settings, ReadOnlyState(store.source_state), at, at or now)
    world = demo_world(settings, store.source_state, last.at if last else None, now)
    if last is not None and world.start != last.at:
        store.reset()
        world = demo_world(settings, store.source_state, None, now)
    return world


class Drive:
    """The one job of a driven world: step to where its clock should be, tell after each step.

    ``term`` counts the times this process came to lead; with a new one the world goes on where the last leader left it.
    """

    def __init__(
        self, world: World, settings: Settings, refresh: Refresh, told: Callable[[ScoreReport], None],
        upkeep: Callable[[], Awaitable[str]], term: Callable[[], int],
    ) -> None:  # fmt: skip
        self._settings, self._refresh, self._told, self._upkeep, self._term = settings, refresh, told, upkeep, term
        self._taken = term()
        self._clock = world.clock
        self._take(world)

    def _take(self, world: World) -> None:
        self._world, self._driver, self._began = world, driver(self._refresh, world), None

    _world: World
    _driver: Driver
    _began: float | None

    async def run(self) -> str:
        """Take the steps that are due; the state in one line."""
        self._take_over()
        for _ in range(STEPS_A_RUN):
            world = self._world
            assert world.start is not None  # noqa: S101 - a driven world has one
            if self._driver.at >= world.start and self._began is None:
                self._began = time.monotonic()
                await self._upkeep()  # the first board shows domains too
            target = pace(world, self._began) if self._began is not None else world.start
            if not await self._driver.step_until(target, 1):
                break
            if isinstance(self._clock, DriverClock):
                self._clock.set(self._driver.at)
            if self._driver.report is not None:
                self._told(self._driver.report)
        return "at its end" if self._driver.finished else f"at {self._driver.at:%Y-%m-%d %H:%M}"

    def _take_over(self) -> None:
        """After a change of leader: go on where the store stands, not where this process once began."""
        term = self._term()
        if term == self._taken:
            return
        last = self._refresh.store.latest()
        if self._refresh.store.schema == "demo" and (last is None or last.at > self._driver.at):
            state = self._refresh.store.source_state
            if last is None:
                world = open_demo(self._settings, self._refresh.store, leads=True)
            else:
                world = demo_world(self._settings, state, last.at, last.at)
            self._take(replace(world, clock=self._clock))
        self._taken = term
