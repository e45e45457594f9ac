"""Driven worlds (demo, replay) in a process: opened once, stepped through by whoever leads, taken over where they stand."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from heatmap_app.worlds import DriverClock, Tape, World, demo_world, driver
from pipelines.clock import SystemClock
from pipelines.drive import Driver
from pipelines.errors import InputError
from pipelines.ingest.state import SourceState
from pipelines.refresh import Refresh, ScoreReport
from pipelines.replay_control import (
    Control,
    State,
    arrived,
    begin,
    due,
    ended,
    jump,
    pause,
    play,
    set_speed,
    step,
    took,
)
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
    """The one job of a driven world: step to where its clock should be, tell after each step; and its controls.

    ``term`` counts the times this process came to lead; with a new one the world goes on where the last leader left it.
    ``anew`` empties the store for a jump back (blocking); ``changed`` is called when the controls changed. Everything but
    the steps themselves happens on the event loop.
    """

    def __init__(
        self, world: World, settings: Settings, refresh: Refresh, told: Callable[[ScoreReport], None],
        upkeep: Callable[[], Awaitable[str]], term: Callable[[], int], anew: Callable[[], None] = lambda: None,
        changed: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        self._settings, self._refresh, self._told, self._upkeep, self._term = settings, refresh, told, upkeep, term
        self._anew, self._changed = anew, changed
        self._taken = term()
        self._clock = world.clock
        self._jump: tuple[datetime, bool] | None = None
        self.control = Control(world.clock.now(), world.speed)
        self._take(world)
        if isinstance(self._clock, DriverClock):
            self._clock.run(self.control.pace)

    def _take(self, world: World) -> None:
        assert world.start is not None  # noqa: S101 - a driven world has one
        self._world, self._driver = world, driver(self._refresh, world)
        entered = begin(world.begun or world.start, world.start, self.control.speed)
        self.control = replace(entered, playing=self.control.playing)

    def _set(self, control: Control) -> None:
        told = (control.state, control.speed, control.goal) != (
            self.control.state,
            self.control.speed,
            self.control.goal,
        )
        self.control = control
        if isinstance(self._clock, DriverClock):
            self._clock.run(control.pace)
        if told:
            self._changed()

    _world: World
    _driver: Driver

    @property
    def tape(self) -> Tape | None:
        """What may be jumped in; None in the demo."""
        return self._world.tape

    def play(self) -> None:
        """See :func:`pipelines.replay_control.play`; this and the next raise :class:`InputError`."""
        self._set(play(self.control, time.monotonic()))

    def pause(self) -> None:
        """Stop after the step under way."""
        self._set(pause(self.control))

    def step(self) -> None:
        """One poll on."""
        self._of(self.tape)
        self._set(step(self.control))

    def set_speed(self, speed: float) -> None:
        """Virtual seconds a real second."""
        self._set(set_speed(self.control, speed, time.monotonic()))

    def jump(self, to: datetime) -> None:
        """Earlier: the store is emptied and all up to ``to`` read in again; later: what lies between is read in."""
        tape = self._of(self.tape)
        # a jump back that has not begun yet has not put the store back either
        control, anew = jump(self.control, to, tape.first, tape.last)
        self._jump = (to, anew or (self._jump is not None and self._jump[1]))
        self._set(control)

    def _of(self, tape: Tape | None) -> Tape:
        if tape is None:
            raise InputError("The demo can be paused and change its speed, no more; a recording can be stepped through")
        return tape

    async def run(self) -> str:
        """Take the steps that are due; the state in one line."""
        self._take_over()
        for _ in range(STEPS_A_RUN):
            if self._jump is not None:
                await self._enter(*self._jump)
            if not await self._move():
                break
        return f"{self.control.state} at {self.control.at:%Y-%m-%d %H:%M}"

    async def _move(self) -> bool:
        """One step, or the arrival at the end of a reading in; whether there may be more."""
        upcoming, control = self._driver.upcoming, self.control
        if control.goal is not None and (upcoming is None or upcoming > control.goal):
            self._set(arrived(control, time.monotonic()))
            self._at(self.control.at)
            await self._upkeep()  # the first board shows domains too
            return True
        target = due(control, time.monotonic())
        if upcoming is None and control.state is not State.ENDED:
            self._set(ended(control))
        if target is None or not await self._driver.step_until(target, 1):
            return False
        if self._jump is not None:
            return True  # asked for while the step was taken: its place counts no more
        self._set(took(self.control, self._driver.at))
        self._at(self._driver.at)
        if self._driver.report is not None:
            self._told(self._driver.report)
        return True

    def _at(self, instant: datetime) -> None:
        if isinstance(self._clock, DriverClock):
            self._clock.set(instant)

    async def _enter(self, to: datetime, anew: bool) -> None:
        tape = self._of(self.tape)
        begun = tape.first if anew else self._driver.at
        if anew:
            await asyncio.to_thread(self._anew)
        if self._jump != (to, anew):
            return  # somebody jumped again meanwhile
        self._jump = None
        sources = tape.sources() if anew else self._world.sources
        # what has been taken is not taken again
        ticks = (instant for instant in tape.ticks(begun, to) if anew or instant > begun)
        self._world = replace(self._world, sources=sources, ticks=ticks, start=begun)
        self._driver = driver(self._refresh, self._world)
        self._refresh.desk = replace(self._refresh.desk, since=to)
        self._at(begun)
        self._set(replace(self.control, at=begun, begun=begun))

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
