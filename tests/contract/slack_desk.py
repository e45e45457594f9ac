"""A product that Slack talks to, in this process: the real route, Bolt and store, over HTTP on both sides."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import uvicorn
from fastapi import FastAPI
from sqlalchemy import text

from heatmap_app import problems
from heatmap_app.slack_app import SlackApp, router
from pipelines.alert.deliver import Deliverer, Pace
from pipelines.alert.slack import build_sender
from pipelines.clock import SystemClock
from pipelines.outbox import SLACK, Decided
from pipelines.settings import Settings, load_settings
from pipelines.store import Store
from tests.contract.store_rows import T, score_frames
from tests.contract.test_store_alerts import decided, new_alert
from tests.upstreams import slack as standin
from tests.upstreams.server import Upstream
from tests.upstreams.slack_person import Person

HTTP = {"signing_secret": standin.SECRET}
SOCKET = {"app_token": standin.APP_TOKEN}
PUBLIC = "https://heat.example"
TEASES = ["A walk-off on set, next.", "Why did the star leave? Tonight.", "One scene, one exit, many posts."]
PACKAGE = {
    "hook": "Posts about a walk-off have climbed since 11:20.", "teases": TEASES, "push": "Walk-off on set",
    "unconfirmed": True, "social": "What happened on set?", "lower_third": ["Odalys Brightwater", "Left the set"],
    "asset_cues": ["Clip of the set"], "booking_brief": {"angles": ["The walk-off"], "related": ["Kit Marlow"], "hook": "x"},
}  # fmt: skip
RECEIPTS = [
    {"source": source, "title": f"Title on {source}", "url": f"https://{source}.example/1", "at": T.isoformat()}
    for source in ("reddit", "trends", "tiktok")
]
PAYLOAD = {
    "name": "Odalys Brightwater", "slug": "odalys-brightwater", "mode": "live", "receipts": RECEIPTS, "package": PACKAGE,
}  # fmt: skip


@dataclass
class SlackDesk:
    """The store, the stand-in, the served app and a person at it. ``wakes`` counts what :class:`SlackApp` announced."""

    store: Store
    slack: standin.Slack
    upstream: Upstream
    settings: Settings
    app: SlackApp
    url: str
    wakes: list[float] = field(default_factory=list)

    @property
    def ana(self) -> Person:
        return self.person()

    def person(self, **who: str) -> Person:
        target = f"{self.url}/slack/events" if self.settings.slack.signing_secret.get_secret_value() else ""
        return Person(self.slack, self.upstream.url, target, **who)

    def alert(self, **payload: Any) -> dict[str, Any]:
        """One alert, delivered; its message."""
        made = new_alert(1, "live|spike|1", payload={**PAYLOAD, **payload})
        base = decided()
        self.store.save_scores(T, *score_frames([1]), decided=Decided(base.decisions, base.episodes, (made,), SLACK))
        sender = build_sender(self.settings.slack)
        assert sender is not None
        pace = Pace(pause=timedelta(0))
        Deliverer(self.store, sender, _Later(), PUBLIC, pace, buttons=True, tell=lambda line: None).step()
        return self.slack.messages[-1]

    def opened(self, message: dict[str, Any], action: str, person: Person | None = None) -> dict[str, Any]:
        """Press a button that opens a form; the form."""
        before = len(self.slack.views)
        assert (person or self.ana).press(message, action).status == 200
        self.until(lambda: len(self.slack.views) > before)
        return self.slack.views[-1]

    def told(self, count: int = 1) -> list[str]:
        """What people were told, once there are ``count`` lines of it."""
        self.until(lambda: len(self.slack.told()) >= count)
        return self.slack.told()

    def rows(self, query: str) -> list[Any]:
        with self.store._db.reading() as connection:
            return [tuple(row) for row in connection.execute(text(query))]

    def count(self, table: str) -> int:
        return int(self.rows(f"SELECT count(*) FROM {table}")[0][0])  # noqa: S608 - a table's name in a test

    def refusals(self) -> list[str]:
        return [
            detail["reason"] for (detail,) in self.rows("SELECT detail FROM audit WHERE action = 'refused' ORDER BY id")
        ]

    def until(self, done: Any, timeout: float = 10) -> None:
        deadline = time.monotonic() + timeout
        while not done():
            if time.monotonic() > deadline:
                raise AssertionError(f"nothing came; told: {self.slack.told()}, views: {len(self.slack.views)}")
            time.sleep(0.01)

    def quiet(self, seconds: float = 0.3) -> None:
        """Give what must not happen the time to happen."""
        time.sleep(seconds)


class _Later(SystemClock):
    """A few seconds on, so that what was stored as due now is due."""

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=5)


@contextmanager
def slack_desk(store: Store, **slack: str) -> Iterator[SlackDesk]:
    """A desk whose Slack settings are complete but for what ``slack`` changes."""
    fake = standin.Slack()
    with Upstream(fake.app) as upstream:
        wanted = {"bot_token": standin.TOKEN, "channel": standin.CHANNEL, "url": f"{upstream.url}/api/", **slack}
        settings = load_settings(slack=wanted, public_url=PUBLIC)
        wakes: list[float] = []
        app = SlackApp(settings, store, lambda: wakes.append(time.monotonic()))
        with served(app) as url:
            yield SlackDesk(store, fake, upstream, settings, app, url, wakes)


@contextmanager
def served(slack: SlackApp) -> Iterator[str]:
    """The Slack route and socket on a server of their own."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        slack.start()
        yield
        await slack.stop()

    app = FastAPI(lifespan=lifespan)
    app.state.slack_app = slack
    problems.install(app)
    app.include_router(router)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, access_log=False, ws="none", lifespan="on"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 10
    while not server.started:
        if time.monotonic() > deadline or not thread.is_alive():
            raise AssertionError("the server did not start")
        time.sleep(0.005)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(15)
