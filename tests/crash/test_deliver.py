"""S5: the delivering process is killed, half of the times at any moment, half while Slack holds its message; every alert is
in the channel, none of them twice.

``KILLS`` sets how often (40; 300 with CI=true).
"""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipelines.outbox import SLACK, Decided
from tests.conftest import emptied
from tests.contract.store_rows import T, score_frames
from tests.contract.test_store_alerts import decided, new_alert
from tests.crash.breeding import breeder, live, living
from tests.upstreams import slack as standin
from tests.upstreams.server import serving

KILLS = int(os.environ.get("KILLS", "300" if os.environ.get("CI", "").lower() in {"1", "true"} else "40"))
ALERTS_A_LIFE = 3
"""More than a life sends: one is left for whoever is to be killed in the middle."""
FATES = ("lost", "late", "unsaid")
"""Of a message whose sender dies: it never arrives, arrives after the death, or had arrived but was not answered."""
PATIENCE_S = 60.0

BREEDER = """
import sys, time
from datetime import timedelta
from pipelines.alert.deliver import Deliverer, Pace
from pipelines.alert.slack import build_sender
from pipelines.clock import SystemClock
from pipelines.settings import load_settings
from pipelines.store import Store
from tests.crash.breeding import breed

url, schema, slack_url, token, channel = sys.argv[1:6]
sender = build_sender(load_settings(slack={"bot_token": token, "channel": channel, "url": slack_url}).slack)
pace = Pace(settle=timedelta(seconds=0.5), relook=timedelta(seconds=0.1), pause=timedelta(0), digest_over=10**6)

def work():
    store = Store.open(url, schema)
    deliverer = Deliverer(store, sender, SystemClock(), pace=pace)
    while True:
        if deliverer.step() is None:
            time.sleep(0.005)

breed(work)
"""


class Slow:
    """Up to 20 ms before Slack takes a message, and up to 20 ms before it says so. The next one after :meth:`hold` is held
    until :meth:`let_go`; ``holding`` is set meanwhile."""

    def __init__(self, app: ASGIApp, chance: random.Random) -> None:
        self._app, self._chance, self._fate = app, chance, ""
        self.holding, self._free = threading.Event(), threading.Event()

    def hold(self, fate: str) -> None:
        """The next message is to end as one of :data:`FATES`."""
        self.holding.clear()
        self._free.clear()
        self._fate = fate

    def let_go(self) -> None:
        """Its sender is dead."""
        self._free.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(self._chance.uniform(0, 0.02))
        fate = ""
        if scope["path"].endswith("/chat.postMessage"):
            fate, self._fate = self._fate, ""
        if fate == "lost":
            await self._held()
            await PlainTextResponse("", 503)(scope, receive, send)
            return
        if fate == "late":
            await self._held()
        await self._app(scope, receive, self._unsaid(send) if fate == "unsaid" else self._late(send))

    async def _held(self) -> None:
        self.holding.set()
        await asyncio.to_thread(self._free.wait, PATIENCE_S)

    def _unsaid(self, send: Send) -> Send:
        async def held(message: Message) -> None:
            await self._held()
            await send(message)

        return held

    def _late(self, send: Send) -> Send:
        async def later(message: Message) -> None:
            await asyncio.sleep(self._chance.uniform(0, 0.01))
            await send(message)

        return later


def workers(url: str, schema: str, slack_url: str) -> AbstractContextManager[subprocess.Popen[str]]:
    return breeder(BREEDER, url, schema, f"{slack_url}/api/", standin.TOKEN, standin.CHANNEL)


@pytest.mark.slow
def test_s5_kills_lose_no_alert_and_double_none(embedded_url: str) -> None:
    with ThreadPoolExecutor() as threads:
        halves = [threads.submit(_killed, embedded_url, schema, KILLS // 2) for schema in ("demo", "replay")]
    for half in halves:
        half.result()


def _killed(url: str, schema: str, kills: int) -> None:
    """``kills`` lives and what they left."""
    chance = random.Random(f"20260302 {schema}")
    keys = [f"{schema}|spike|{n}" for n in range(kills * ALERTS_A_LIFE)]
    made = tuple(new_alert(n, key, payload={"name": f"Name {n}", "mode": schema}) for n, key in enumerate(keys))
    usual, slack = decided(), standin.Slack()
    slow = Slow(slack.app, chance)
    with emptied(url, schema) as store:
        store.save_scores(T, *score_frames([1]), decided=Decided(usual.decisions, usual.episodes, made, SLACK))
        with serving(slow) as upstream, workers(url, schema, upstream.url) as process:
            for number in range(kills):
                if number % 2:
                    live(process, chance.uniform(0.02, 0.2))
                    continue
                slow.hold(FATES[number // 2 % len(FATES)])
                with living(process):
                    assert slow.holding.wait(PATIENCE_S), store.outbox_counts(SLACK)
                assert store.outbox_counts(SLACK)["sending"] > 0, "killed in the middle of a delivery"
                slow.let_go()
            with living(process):
                deadline = time.monotonic() + PATIENCE_S
                while store.outbox_counts(SLACK) != {"sent": len(keys)} and time.monotonic() < deadline:
                    time.sleep(0.05)
        counts = Counter(slack.keys())
        assert store.outbox_counts(SLACK) == {"sent": len(keys)}
        assert [key for key in keys if counts[key] == 0] == [], "lost"
        assert [key for key in keys if counts[key] > 1] == [], "twice"
