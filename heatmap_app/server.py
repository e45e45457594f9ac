"""Pages, API and jobs on one ASGI server and one port: start and stop.

Panel 1.10 serves natively on ASGI; the pages are added to a FastAPI application whose lifespan opens the runtime, starts
the schedule, and stops both on SIGTERM. The socket is bound before anything else starts, so a taken port costs one line.
"""

from __future__ import annotations

import asyncio
import importlib
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version

import structlog
import uvicorn
from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from panel.io.fastapi import add_applications

from heatmap_app import api, api_replay, api_writes, problems
from heatmap_app.auth import routes as sign_in
from heatmap_app.auth.checks import check_auth, notice
from heatmap_app.auth.door import Door
from heatmap_app.auth.gate import Gate
from heatmap_app.auth.place import place_of
from heatmap_app.jobs import Schedule
from heatmap_app.metrics import Metrics
from heatmap_app.pages.dashboard import dashboard_app
from heatmap_app.pages.shell import static_dirs
from heatmap_app.pages.site import Site
from heatmap_app.runtime import Runtime, ticking
from heatmap_app.slack_app import SlackApp
from heatmap_app.slack_app import router as slack_router
from heatmap_app.web.routers import ROUTERS
from pipelines.errors import SettingsError
from pipelines.ingest.warm import warm
from pipelines.settings import Settings

log = structlog.get_logger(__name__)

VERSION = version("et-heatmap")
MESSAGE_JOBS = {"deliver", "edit messages", "promos", "rundown"}
"""What need not wait for its interval when somebody did something."""
HEARTBEAT_S = 10.0
"""How often open pages hear that the server lives, scores or not."""

SESSION_LIFETIME_MS = 30_000
WS_MAX_BYTES = 2**24
LOOPBACK = ("127.0.0.1", "::1", "localhost")


def bind(settings: Settings) -> socket.socket:
    """A listening socket on the configured address. Raises :class:`SettingsError` when it cannot be had, or must not be
    without a sign-in."""
    host, port = settings.host, settings.port
    check_auth(settings)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise SettingsError(
            f"port: {host}:{port} cannot be used ({error.strerror}); stop what uses it or set HEATMAP_PORT to a free one"
        ) from None
    return sock


def address(settings: Settings, port: int) -> str:
    """The address to print and to put into messages."""
    return (
        settings.public_url.rstrip("/")
        or f"http://{'localhost' if settings.host in LOOPBACK else settings.host}:{port}"
    )


def make_app(runtime: Runtime, port: int, schedule: bool = True) -> FastAPI:
    """The ASGI application over an open runtime. Its lifespan starts the jobs and stops them."""
    jobs = Schedule(runtime.jobs() if schedule else [runtime.follow_job()], runtime.may_run)

    def acted() -> None:
        runtime.events.publish("action", {"mode": runtime.mode})
        runtime.board.publish()
        for name in MESSAGE_JOBS & jobs.jobs.keys():
            jobs.jobs[name].wake.set()

    slack = SlackApp(runtime.settings, runtime.store, acted)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        jobs.start()
        if schedule:
            slack.start()
        heartbeat = asyncio.create_task(runtime.board.keep_fresh(HEARTBEAT_S))
        watching = asyncio.create_task(app.state.metrics.lag.watch())
        try:
            yield
        finally:
            heartbeat.cancel()
            watching.cancel()
            runtime.events.close()
            await slack.stop()
            await jobs.stop()
            await runtime.board.hub.close()

    app = FastAPIOffline(
        title="ET Heatmap",
        description="What is about to break in entertainment news, with receipts. Times are RFC 3339 UTC.",
        version=VERSION, lifespan=lifespan, redoc_url=None,
    )  # fmt: skip
    app.state.reader, app.state.events, app.state.jobs = runtime.reader, runtime.events, jobs
    app.state.runtime, app.state.slack_app, app.state.acted = runtime, slack, acted
    app.state.database, app.state.metrics = runtime.database_state, Metrics(runtime, jobs)
    app.state.driven_words = lambda zone: api_replay.words_of(runtime, zone)
    door = Door(runtime.settings, place_of(runtime.settings, port))
    app.state.door, app.state.speed = door, ticking(runtime.world.speed)
    _add_routes(app, door, runtime.settings)
    site = Site(
        runtime.board, runtime.settings, runtime.world.clock, app.state.speed, door.user_of_page, runtime.database_state,
        runtime.pace if runtime.world.ticks is not None else None,
    )  # fmt: skip
    runtime.adopters.append(lambda settings: setattr(site, "settings", settings))
    add_applications(
        {"/": dashboard_app(site)}, app=app, title="ET Heatmap", static_dirs=static_dirs(),
        extra_websocket_origins=door.place.websocket_origins(), unused_session_lifetime_milliseconds=SESSION_LIFETIME_MS,
        include_headers=["host"], # a page carries them in its token: no secrets in there
        include_cookies=["et_zone", "et_theme"],
    )  # fmt: skip
    app.add_middleware(Gate, door=door)
    return app


def _add_routes(app: FastAPI, door: Door, settings: Settings) -> None:
    problems.install(app)
    for router in (api.health, api.router, api_writes.router, sign_in.router(door, settings)):
        app.include_router(router)
    for router in (slack_router, *ROUTERS):
        app.include_router(router, include_in_schema=False)


class Server(uvicorn.Server):
    """uvicorn that says where it is once it answers, and ends what would not end by itself before it waits for it."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None], leaving: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready, self._leaving = ready, leaving

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then tell."""
        await super().startup(sockets)
        if self.started:
            self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the streams of open pages, then stop: the application's own end comes after the wait for them."""
        self._leaving()
        await super().shutdown(sockets)


def _warm_up(settings: Settings) -> None:
    """Whatever would hold the loop up at the first page and the first polls."""
    importlib.import_module("pandas")  # through HoloViews
    if settings.effective_mode == "live":
        warm(settings)


def serve(settings: Settings, open_runtime: Callable[[], Runtime], *, schedule: bool = True) -> None:
    """Bind, open, serve until SIGTERM or Ctrl-C, close. Raises :class:`HeatmapError` before anything is served."""
    sock = bind(settings)
    port: int = sock.getsockname()[1]
    # until uvicorn listens to signals: leave at once, through every "finally"
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    warming = threading.Thread(target=_warm_up, args=(settings,), daemon=True)
    warming.start()  # while the database opens
    try:
        runtime = open_runtime()
    except BaseException:
        sock.close()
        raise
    try:
        for line in (*runtime.notices, notice(settings, place_of(settings, port))):
            if line:
                print(line, file=sys.stderr)  # noqa: T201 - said to the person who starts it
        config = uvicorn.Config(
            make_app(runtime, port, schedule), log_level="warning", access_log=False, ws_max_size=WS_MAX_BYTES,
            timeout_graceful_shutdown=10, lifespan="on", server_header=False,
            proxy_headers=False,  # whose forwarded headers count is the gate's to judge
        )  # fmt: skip

        def ready() -> None:
            mode = "" if runtime.mode == "live" else f" ({runtime.mode.upper()})"
            print(f"ET Heatmap{mode} at {address(settings, port)}", flush=True)  # noqa: T201 - the promised line

        warming.join()
        # uvicorn sends itself the signal again once it has shut down, which must not kill us before the database is closed
        signal.signal(signal.SIGTERM, lambda *_: None)
        asyncio.run(Server(config, ready, runtime.events.close).serve(sockets=[sock]))
    finally:
        runtime.close()
        sock.close()
