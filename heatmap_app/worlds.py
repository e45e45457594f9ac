"""Which sources and which clock a process gets: live upstreams, the demo's invented world, or a recording.

All three end in the same flow; this is the only place that knows the difference.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from pathlib import Path

from pipelines.clock import Clock, SystemClock, VirtualClock
from pipelines.drive import Driver
from pipelines.ingest.fetching import Guard
from pipelines.ingest.guarding import build_guard
from pipelines.ingest.http import Http
from pipelines.ingest.source import Source, build_sources
from pipelines.ingest.state import SourceState
from pipelines.model import PLATFORMS
from pipelines.refresh import Refresh
from pipelines.replay import Recording, replay_sources, ticks
from pipelines.settings import Settings
from pipelines.simulate import DemoWorld, demo_epoch

DEMO_SEED = 20_260_101
DEMO_KEY = "demo:world"
DEMO_KEEPS = timedelta(days=3)
"""A demo whose time has moved further than this from the real one begins anew, so that its dates look current."""

WARM_UP_STEP = timedelta(hours=12)
"""How far apart the scoring polls are while a baseline is read in."""


@dataclass(frozen=True, slots=True)
class World:
    """Sources and clock. ``ticks`` is None when live; else the instants to step through, of which those up to
    ``start`` are read in as fast as the machine can, from ``begun`` on. ``speed`` is virtual seconds a real second;
    ``tape`` is there where one may jump."""

    sources: Mapping[str, Source]
    clock: Clock
    speed: float = 1.0
    ticks: Iterable[datetime] | None = None
    start: datetime | None = None
    http: Http | None = None
    until: datetime | None = None
    guard: Guard | None = None
    begun: datetime | None = None
    tape: Tape | None = None

    async def aclose(self) -> None:
        """Close the connections to the upstreams and to the cache."""
        if self.http is not None:
            await self.http.aclose()
        if self.guard is not None:
            await self.guard.aclose()

    def intervals(self) -> dict[str, float]:
        """Seconds between polls of each configured source."""
        return {name: float(source.poll_seconds) for name, source in self.sources.items() if not source.missing()}

    def platforms(self) -> dict[str, float]:
        """Seconds between polls of each configured platform: what confidence counts as enabled."""
        return {name: seconds for name, seconds in self.intervals().items() if name in PLATFORMS}


class Tape:
    """A recording that may be entered anywhere between ``first`` and ``last`` (UTC)."""

    def __init__(self, settings: Settings, recording: Recording, until: datetime | None = None) -> None:
        self._settings, self._recording = settings, recording
        self.first, self.last = recording.start, min(until, recording.end) if until else recording.end

    def sources(self) -> dict[str, Source]:
        """Every source anew, nothing served yet."""
        names = self._recording.sources
        return dict(
            replay_sources(self._recording, {name: getattr(self._settings, name).poll_seconds for name in names})
        )

    def ticks(self, begun: datetime, to: datetime) -> Iterable[datetime]:
        """From ``begun`` in wide steps to ``to``, which is scored itself, then at the recording's own polls to its end."""
        wide = (instant for instant in every(begun, to, WARM_UP_STEP) if instant < to)
        own = ticks(self._recording, to, self.last, self._settings.poll.score_seconds)
        return chain(wide, [to], (instant for instant in own if instant > to))


class DriverClock:
    """Shows the time of the driver's last step, moving on at ``speed`` in between but never past the next scoring."""

    def __init__(self, start: datetime, speed: float, step: timedelta) -> None:
        self._step = step
        self._speed = speed
        self.set(start)

    def set(self, instant: datetime) -> None:
        """A step was taken at ``instant``."""
        self._at = instant
        self._clock = VirtualClock(instant, self._speed, until=instant + self._step)

    def run(self, speed: float) -> None:
        """From the last step on at ``speed`` virtual seconds a real second; 0 stands still."""
        if speed != self._speed:
            self._speed = speed
            self.set(self._at)

    def now(self) -> datetime:
        """The present virtual instant, UTC."""
        return self._clock.now()


def live_world(settings: Settings, state: SourceState) -> World:
    """The real upstreams on the machine's clock."""
    http = Http(SystemClock())
    guard = build_guard(settings, state, "live")
    return World(build_sources(settings, http, state), SystemClock(), http=http, guard=guard)


def demo_world(settings: Settings, state: SourceState, last: datetime | None, now: datetime) -> World:
    """The invented newsroom, going on at ``last`` (its last scoring poll) where that is near ``now``, else anew."""
    kept = state.get(DEMO_KEY)
    goes_on = bool(kept and last and abs(last - now) <= DEMO_KEEPS)
    epoch = datetime.fromisoformat(kept["epoch"]) if kept and goes_on else demo_epoch(now)
    if not goes_on:
        state.put(DEMO_KEY, {"epoch": epoch.isoformat(), "seed": DEMO_SEED})
    world = DemoWorld(DEMO_SEED, epoch)
    start = last if goes_on and last else demo_start(epoch)
    warm_up = () if goes_on else every(epoch + WARM_UP_STEP, start, WARM_UP_STEP)
    seconds = settings.poll.score_seconds
    speed = settings.replay.demo_speed
    return World(
        world.all_sources(since=last if goes_on else None), DriverClock(start, speed, timedelta(seconds=seconds)), speed,
        chain(warm_up, every(start + timedelta(seconds=seconds), None, timedelta(seconds=seconds))), start,
        begun=start if goes_on else epoch,
    )  # fmt: skip


def demo_start(epoch: datetime) -> datetime:
    """The demo's present when it begins: a full baseline after ``epoch``, with one story under way."""
    return epoch + timedelta(days=7)


def replay_world(settings: Settings, path: Path, speed: float, since: datetime | None, until: datetime | None) -> World:
    """A recording as if live, from ``since`` (earlier polls are read in as baseline) to ``until``."""
    recording = Recording(path)
    tape = Tape(settings, recording, until)
    start = since or tape.first
    step = settings.poll.score_seconds
    shown = tape.ticks(tape.first, start) if since else ticks(recording, start, tape.last, step)
    clock = DriverClock(start, speed, timedelta(seconds=step))
    return World(tape.sources(), clock, speed, shown, start, until=tape.last, begun=tape.first, tape=tape)


def every(start: datetime, end: datetime | None, step: timedelta) -> Iterator[datetime]:
    """Instants ``step`` apart from ``start`` on, up to and including ``end`` (None: for ever)."""
    while end is None or start <= end:
        yield start
        start += step


def driver(refresh: Refresh, world: World) -> Driver:
    """What steps through ``world``; only for a world with ticks."""
    if world.ticks is None or world.start is None:
        raise ValueError("a live world has no driver")
    return Driver(refresh, world.sources, world.ticks, world.start)
