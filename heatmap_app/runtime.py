"""The composition root: settings in, one object per process out. Everything else is handed what it needs from here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import structlog

from heatmap_app.board import Board
from heatmap_app.database_state import DatabaseState, state_of
from heatmap_app.delivery import deliver_job, make_deliverer
from heatmap_app.driving import Drive, open_demo
from heatmap_app.events import Events
from heatmap_app.explore import Explore
from heatmap_app.follow import Follow
from heatmap_app.follow_ups import follow_up_jobs
from heatmap_app.gates_file import GatesFile
from heatmap_app.jobs import Job
from heatmap_app.kpi_job import kpi_job
from heatmap_app.polling import poll_jobs, schedule
from heatmap_app.reader import StoreReader
from heatmap_app.remembered import Remembered
from heatmap_app.sweep import EVERY_S, Sweep
from heatmap_app.upkeep import Upkeep, seed_catalogue
from heatmap_app.worlds import DriverClock, World, live_world, replay_world
from heatmap_app.writer_http import build_writer
from heatmap_app.writer_job import Rewriter, writer_job
from pipelines.affect import make_names, make_sentiment
from pipelines.alert.deliver import Deliverer
from pipelines.cache import CacheHealth
from pipelines.clock import SystemClock
from pipelines.errors import InputError, StoreError
from pipelines.ingest.reddit import RedditSource
from pipelines.outbox import SLACK
from pipelines.record import Recorder
from pipelines.refresh import Refresh, ScoreReport
from pipelines.refresh_alerts import Desk
from pipelines.settings import CONFIG_DIR, Settings
from pipelines.store.embedded import EmbeddedPostgres
from pipelines.store.facts import skew_words
from pipelines.store.lease import Lease, Role
from pipelines.store.store import Store
from pipelines.view import ScheduleRow

log = structlog.get_logger(__name__)

RECORDINGS = "recordings"
FASTEST_TICK = 600.0
"""Virtual seconds a real second up to which ages on the page tick at the world's own speed."""
WATCHING = "This process shows pages and does not schedule; it takes over when no other process does."


@dataclass(frozen=True, slots=True)
class ReplayPlan:
    """What ``heatmap replay`` was asked for. Times are UTC."""

    path: Path
    speed: float
    since: datetime | None = None
    until: datetime | None = None


@dataclass
class Runtime:
    """One process: store, sources, flow, board. :meth:`close` gives everything back.

    ``lease``: the right to schedule, asked for in the background; without one this process never schedules by itself.
    """

    settings: Settings
    mode: str
    store: Store
    world: World
    refresh: Refresh
    reader: StoreReader
    upkeep: Upkeep
    database: EmbeddedPostgres | None = None
    explore: Explore | None = None
    deliverer: Deliverer | None = None
    events: Events = field(default_factory=Events)
    notices: tuple[str, ...] = ()
    warmed_up: bool = True
    lease: Lease | None = None
    drive: Drive | None = None
    adopters: list[Callable[[Settings], None]] = field(default_factory=list)
    """Who else shows gates and is told of new ones."""
    _terms: int = 0
    _gates_file: GatesFile = field(default_factory=GatesFile)

    def __post_init__(self) -> None:
        """The board reads through the reader."""
        self.board = Board(self.reader)
        clock = self.world.clock
        moved = clock.set if isinstance(clock, DriverClock) else lambda _at: None
        self.follow = Follow(self.refresh, self.board, self.events, lambda: self.role, moved, self.reread)

    def attach(self, lease: Lease | None) -> None:
        """Follow ``lease``."""
        self.lease = lease
        if lease is not None:
            lease.changed = self._role_changed

    def close(self) -> None:
        """Give the lease back, close the connections, and the embedded server where nobody else uses it."""
        if self.lease is not None:
            self.lease.close()
        self.reader.store.close()
        self.store.close()
        if self.database is not None:
            self.database.stop()

    @property
    def role(self) -> Role:
        """Whether this process schedules (leader), watches (follower), or does not know (adrift)."""
        return self.lease.role if self.lease is not None else Role.FOLLOWER

    def may_run(self, job: Job) -> bool:
        """Whether ``job`` may start now in this process."""
        role = self.role
        return role is Role.LEADER or job.everywhere or (role is Role.ADRIFT and job.adrift)

    def _role_changed(self, role: Role) -> None:
        if role is Role.LEADER:
            self._terms += 1
            self.refresh.forget_names()

    def database_state(self) -> DatabaseState:
        """How the database is doing, without asking it."""
        return state_of(self.store, self.refresh, self.role, self.follow.skew_s)

    def follow_job(self) -> Job:
        """What every process does, leader or not."""
        return self.follow.job()

    def jobs(self) -> list[Job]:
        """The table of jobs for this world."""
        upkeep = [
            self.follow_job(),
            Job("upkeep", self._upkeep, every=lambda: 600.0, first_after=20.0, clock=SystemClock()),
            kpi_job(self),
            *follow_up_jobs(self.settings, self.store),
        ]
        if self.deliverer is not None:
            upkeep.append(deliver_job(self.deliverer, self.store))
        if (writer := build_writer(self.settings)) is not None:
            rewriter = Rewriter(self.store, writer, self.world.clock, self.world.start)
            upkeep.append(writer_job(rewriter, self.settings.writer.timeout_seconds, self.board.publish))
        if self.world.ticks is not None:
            self.drive = Drive(
                self.world, self.settings, self.refresh, self.told, self._upkeep, lambda: self._terms, self._anew,
                self._driven,
            )  # fmt: skip
            return [Job(self.mode, self.drive.run, every=lambda: 0.2, timeout=3600.0), *upkeep]
        polls = poll_jobs(self.world, self.refresh, self.board.publish)
        for job in polls:
            job.adrift = True  # what they bring waits in memory
        if self.explore is not None:
            polls.append(self._explore_job(self.explore))
        polls += self._sweep_jobs()
        score_seconds = float(self.settings.poll.score_seconds)
        return [
            *polls,
            Job("score", self._score, every=lambda: score_seconds, first_after=min(15.0, score_seconds)),
            *upkeep,
        ]

    def _explore_job(self, explore: Explore) -> Job:
        seconds = float(self.settings.trends.explore_poll_seconds)
        # each of up to 5 requests waits a few seconds; a round is given as long as it may be slow
        return Job(
            "explore", lambda: explore.run(self.world.clock.now()), lambda: seconds, timeout=900.0, first_after=60.0
        )

    def _sweep_jobs(self) -> list[Job]:
        """Deleted posts are looked for wherever posts are read."""
        reddit = self.world.sources.get("reddit")
        if not isinstance(reddit, RedditSource) or reddit.missing():
            return []
        sweep = Sweep(self.store, reddit, self.refresh.recorder, self.world.guard)
        return [Job("sweep", lambda: sweep.run(self.world.clock.now()), lambda: EVERY_S, first_after=120.0)]

    def schedule(self) -> tuple[ScheduleRow, ...]:
        """When each source is asked next and why then. Reads the store: call from a worker thread."""
        return schedule(self.world, self.store, self.world.clock.now())

    def cache_health(self) -> CacheHealth | None:
        """How the cache before the upstreams is doing; None where none is asked (demo, replay)."""
        return self.world.guard.cache.health if self.world.guard is not None else None

    async def release(self, source: str) -> bool:
        """A person ends a source's quarantine, pause or open breaker; whether there was one."""
        return self.world.guard is not None and await self.world.guard.release(source)

    async def _score(self) -> str:
        report = await asyncio.to_thread(self.refresh.score, self.world.clock.now())
        self.told(report)
        return f"{report.scored} names in {report.ms} ms"

    def told(self, report: ScoreReport) -> None:
        """A scoring poll was stored: open pages and streams follow. On the event loop only."""
        self.board.publish()
        told = {"as_of": report.at.isoformat(), "mode": self.mode}
        self.events.publish("heat", told)
        for alert in report.alerts:
            named = {key: alert.payload[key] for key in ("name", "slug")}
            self.events.publish("alert", {**told, **named, "why": alert.why})

    def adopt(self, settings: Settings) -> None:
        """Score with ``settings`` from the next scoring poll on, and show their gates from the next publication of the board.
        What they change beside gates and episodes needs a start."""
        self.settings = settings
        self.refresh.adopt(settings)
        self.reader.settings = settings
        for adopt in self.adopters:
            adopt(settings)

    def reread(self) -> bool:
        """Adopt the gates that another process wrote since the last look; whether there were any. Blocking."""
        wanted = self._gates_file.over(self.settings)
        if wanted == self.settings:
            return False
        self.adopt(wanted)
        return True

    def pace(self) -> float:
        """At how many virtual seconds a real second ages on the pages tick now; 0 while a driven world stands still."""
        leads = self.drive is not None and self.role is Role.LEADER
        return ticking(self.drive.control.pace if leads and self.drive is not None else self.world.speed)

    def _anew(self) -> None:
        """Empty a replay's store for a jump back. Blocking."""
        self.store.reset()
        catalogue(self.store, self.mode)
        self.reader.names_changed()

    def _driven(self) -> None:
        """The controls of a driven world changed. On the event loop only."""
        self.board.publish()
        self.events.publish("replay", {"mode": self.mode})

    async def _upkeep(self) -> str:
        line = await asyncio.to_thread(self.upkeep.run, self.world.clock.now())
        self.board.publish()
        return line


def ticking(speed: float) -> float:
    """The speed of ages on a page: beyond :data:`FASTEST_TICK` the machine sets the pace, and the asked one would be wrong."""
    return speed if speed <= FASTEST_TICK else 1.0


def open_database(settings: Settings, schema: str) -> tuple[Store, EmbeddedPostgres | None]:
    """The store on the configured database, or on the embedded one, at the current schema. Raises :class:`StoreError`."""
    url = settings.database_url.get_secret_value()
    database = None if url else EmbeddedPostgres.start(settings.var_path)
    try:
        store = Store.open(url or (database.url if database else ""), schema)
        store.upgrade()
    except StoreError:
        if database is not None:
            database.stop()
        raise
    return store, database


def open_runtime(settings: Settings, replay: ReplayPlan | None = None, *, lead: bool = True) -> Runtime:
    """Everything a process needs, ready to start; with ``lead`` it asks for the right to schedule. Raises
    :class:`HeatmapError`; then nothing is left running."""
    mode = "replay" if replay else settings.effective_mode
    if mode == "replay" and replay is None:
        raise InputError("mode: replay needs a recording; use `heatmap replay FILE`")
    store, database = open_database(settings, mode)
    lease = store.lease() if lead else None
    try:
        leads = lease is not None and lease.attempt() is Role.LEADER
        if lease is not None:
            lease.start()
        runtime = _compose(settings, mode, store, database, replay, leads=leads)
        runtime.attach(lease)
        return runtime
    except BaseException:
        if lease is not None:
            lease.close()
        store.close()
        if database is not None:
            database.stop()
        raise


def _compose(
    settings: Settings, mode: str, store: Store, database: EmbeddedPostgres | None, replay: ReplayPlan | None,
    *, leads: bool,
) -> Runtime:  # fmt: skip
    state = Remembered(store.source_state)
    world = _world(settings, mode, store, replay, state, leads=leads)
    catalogue(store, mode)
    recorder = Recorder(settings.var_path / RECORDINGS, settings.retention.recordings_days) if mode == "live" else None
    deliverer = make_deliverer(settings, store)
    refresh = Refresh(
        store, settings, make_sentiment(settings.affect), world.platforms(), recorder, make_names(settings.affect),
        Desk(SLACK if deliverer else None, world.start),
    )  # fmt: skip
    reader = StoreReader(store.beside(), settings, world.clock, mode, world.intervals(), refresh.forget_names)
    opted_in = mode == "live" and settings.trends.explore
    explore = Explore(store, reader, settings, state, world.guard) if opted_in else None
    upkeep = Upkeep(store, settings, recorder, explore.categories if explore else lambda: None)
    said = (database.notice if database is not None else "", skew_words(store.clock_skew()), "" if leads else WATCHING)
    notices = tuple(line for line in said if line)
    return Runtime(settings, mode, store, world, refresh, reader, upkeep, database, explore, deliverer, notices=notices)


def catalogue(store: Store, mode: str) -> None:
    """The names the product ships with, in the store. Raises :class:`HeatmapError`."""
    name = "demo_catalogue" if mode == "demo" else "catalogue"
    seed_catalogue(store, CONFIG_DIR / f"{name}.csv", "demo" if mode == "demo" else "catalogue")


def _world(
    settings: Settings, mode: str, store: Store, replay: ReplayPlan | None, state: Remembered, *, leads: bool
) -> World:
    if replay is not None:
        if not leads:
            raise InputError("another process is replaying in this database; stop it first")
        store.reset()
        return replay_world(settings, replay.path, replay.speed, replay.since, replay.until)
    if mode == "demo":
        return open_demo(settings, store, leads=leads)
    return live_world(settings, state)
