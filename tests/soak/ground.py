"""What surrounds the poller: the stand-ins and what they served, PostgreSQL and Redis behind lines that can be disturbed."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import psycopg2
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipelines.model import SOURCES
from tests.fault_proxy import FaultProxy, fault_proxy
from tests.postgres import Server, need_server, open_folder, restartable_server
from tests.redis_server import RedisServer, need_redis, redis_server
from tests.soak.world import FEEDS, World
from tests.upstreams import apify, reddit, slack, trades, trends
from tests.upstreams.server import Upstream

STEP_S = 600


@dataclass
class Witness:
    """Looks at every whole answer a stand-in gives and notes which items it carried. ``now`` is the round's time."""

    now: datetime
    served: dict[tuple[str, datetime], set[str]] = field(default_factory=lambda: defaultdict(set))
    last: dict[str, set[str]] = field(default_factory=dict)

    def around(self, source: str, app: ASGIApp) -> ASGIApp:
        """``app``, watched."""

        async def watched(scope: Scope, receive: Receive, send: Send) -> None:
            status, body = [0], bytearray()

            async def note(message: Message) -> None:
                if message["type"] == "http.response.start":
                    status[0] = message["status"]
                body.extend(message.get("body", b""))
                await send(message)
                if message["type"] == "http.response.body" and not message.get("more_body"):
                    self._note(source, status[0], bytes(body))

            await app(scope, receive, note)

        return watched

    def _note(self, source: str, status: int, body: bytes) -> None:
        key = (source, self.now)
        if status == 304 and source == "trends":
            self.served[key] |= self.last.get(source, set())  # the list still stands
        elif status == 200 and (found := ids_in(source, body)):
            self.last[source] = found
            self.served[key] |= found


def ids_in(source: str, body: bytes) -> set[str]:
    """The items that an answer carries, by the ids the product gives them."""
    if source == "trends":
        return {found.decode() for found in re.findall(rb"<item><title>(.*?)</title>", body)}
    if source == "trades":
        return {found.decode() for found in re.findall(rb"<guid[^>]*>(.*?)</guid>", body)}
    told = json.loads(body)
    if source == "reddit":
        return {child["data"]["name"] for child in told["data"]["children"]} if "data" in told else set()
    return {f"hashtag:{row['name']}" for row in told} if isinstance(told, list) else set()


@dataclass
class Ground:
    """Everything that stands. ``show`` sets the stand-ins to a virtual moment."""

    world: World
    witness: Witness
    upstreams: dict[str, Upstream]
    apify: apify.FakeApify
    trends: trends.FakeTrends
    slack: slack.Slack
    slack_server: Upstream
    postgres: Server
    postgres_line: FaultProxy
    redis: RedisServer | None
    redis_line: FaultProxy | None
    folder: Path
    struck: list[float] = field(default_factory=list)
    """When (monotonic) Slack's planned answers were given, since the last fault was planned."""

    def show(self, now: datetime) -> None:
        """The world at ``now``; what was asked before is forgotten."""
        self.witness.now = now
        self.trends.trends, self.apify.rows = self.world.trends(now), self.world.tags(now)
        self.apify.runs = dict(list(self.apify.runs.items())[-3:])
        self.apify.datasets = dict(list(self.apify.datasets.items())[-3:])
        for upstream in (*self.upstreams.values(), self.slack_server):
            upstream.log.clear()

    def environment(self) -> dict[str, str]:
        """Settings for the poller (``HEATMAP_`` left off): the stand-ins' addresses, deadlines of seconds, our own
        limits wide open because hours pass in seconds."""
        url = self.upstreams
        settings = {
            "DATABASE_URL": self.postgres.url.replace(f":{self.postgres.port}/", f":{self.postgres_line.port}/"),
            "REDIS_URL": f"redis://127.0.0.1:{self.redis_line.port}/0" if self.redis_line else "",
            "REDDIT__URL": url["reddit"].url, "REDDIT__CLIENT_ID": reddit.CLIENT_ID,
            "REDDIT__CLIENT_SECRET": reddit.CLIENT_SECRET, "REDDIT__FEEDS": json.dumps(FEEDS),
            "TRENDS__URL": url["trends"].url, "TIKTOK__URL": url["tiktok"].url, "TIKTOK__TOKEN": apify.TOKEN,
            "TIKTOK__DAILY_CHARGE_USD": "1000", "TRADES__FEEDS": json.dumps([url["trades"].url + "/feed/"]),
            "SLACK__URL": f"{self.slack_server.url}/api/", "SLACK__BOT_TOKEN": slack.TOKEN,
            "SLACK__CHANNEL": slack.CHANNEL, "MODE": "live",
        }  # fmt: skip
        for name in SOURCES:
            settings |= {f"{name.upper()}__{key}": value for key, value in {
                "POLL_SECONDS": "3600" if name == "tiktok" else str(STEP_S), "TIMEOUT_SECONDS": "4",
                "DEADLINE_SECONDS": "25", "REQUESTS_PER_MINUTE": "6000",
            }.items()}  # fmt: skip
        return settings

    def cut_sessions(self) -> int:
        """End every session the poller has, from the server's side; how many there were."""
        with owner(self.postgres) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = %s",
                           ("et-heatmap",))  # fmt: skip
            row = cursor.fetchone()
            return int(row[0]) if row else 0


@contextmanager
def owner(server: Server) -> Iterator[psycopg2.extensions.connection]:
    """A connection of the server's owner, straight to the server."""
    from tests.postgres import PASSWORD

    connection = psycopg2.connect(
        host="127.0.0.1", port=server.port, user="owner", password=PASSWORD, dbname="heatmap", application_name="soak"
    )
    connection.autocommit = True
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def ground(world: World) -> Iterator[Ground]:
    """All of it, running; gone at the end."""
    fake, list_, channel, witness = apify.FakeApify(), trends.FakeTrends([]), slack.Slack(), Witness(world.start)
    apps: dict[str, ASGIApp] = {
        "reddit": reddit.reddit_app(reddit.World(lambda feed, _now: world.posts(feed, witness.now))),
        "trends": list_.app, "tiktok": fake.app,
        "trades": trades.trades_app(trades.Paper(lambda: world.articles(witness.now))),
    }  # fmt: skip
    with ExitStack() as stack:
        enter = stack.enter_context
        made = {name: enter(Upstream(witness.around(name, app))) for name, app in apps.items()}
        postgres = enter(restartable_server(need_server()))
        redis = enter(redis_server(need_redis()))
        yield Ground(
            world, witness, made, fake, list_, channel, enter(Upstream(channel.app)), postgres,
            enter(fault_proxy(postgres.port)), redis, enter(fault_proxy(redis.port)), enter(open_folder()),
        )  # fmt: skip
