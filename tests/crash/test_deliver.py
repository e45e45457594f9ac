"""S5: the delivering process is killed at random points; every alert is in the channel, none of them twice.

``KILLS`` sets how often (40; 300 with CI=true). One process stands ready with everything imported and forks the
workers, so that a life costs a few milliseconds.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipelines.outbox import SLACK, Decided
from pipelines.store import Store
from tests.contract.store_rows import T, score_frames
from tests.contract.test_store_alerts import decided, new_alert
from tests.upstreams import slack as standin
from tests.upstreams.server import serving

ROOT = Path(__file__).resolve().parent.parent.parent
KILLS = int(os.environ.get("KILLS", "300" if os.environ.get("CI", "").lower() in {"1", "true"} else "40"))
ALERTS_A_LIFE = 2

BREEDER = """
import os, sys, time
from datetime import timedelta
from pipelines.alert.deliver import Deliverer, Pace
from pipelines.alert.slack import build_sender
from pipelines.clock import SystemClock
from pipelines.settings import load_settings
from pipelines.store import Store

url, slack_url, token, channel = sys.argv[1:5]
sender = build_sender(load_settings(slack={"bot_token": token, "channel": channel, "url": slack_url}).slack)
pace = Pace(settle=timedelta(seconds=0.5), relook=timedelta(seconds=0.1), pause=timedelta(0), digest_over=10**6)

def work():
    store = Store.open(url, "demo")
    deliverer = Deliverer(store, sender, SystemClock(), pace=pace)
    while True:
        if deliverer.step() is None:
            time.sleep(0.005)

print("ready", flush=True)
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(3)
    print(child, flush=True)
    print(os.waitpid(child, 0)[1], flush=True)
"""


class Slow:
    """Up to 20 ms before Slack takes a message, and up to 20 ms before it says so."""

    def __init__(self, app: ASGIApp, chance: random.Random) -> None:
        self._app, self._chance = app, chance

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(self._chance.uniform(0, 0.02))
        await self._app(scope, receive, self._late(send))

    def _late(self, send: Send) -> Send:
        async def later(message: Message) -> None:
            await asyncio.sleep(self._chance.uniform(0, 0.01))
            await send(message)

        return later


@contextmanager
def breeder(url: str, slack_url: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-W", "ignore", "-c", BREEDER, url, slack_url, standin.TOKEN, standin.CHANNEL]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
        process.stdin.close()


def live(process: subprocess.Popen[str], seconds: float) -> None:
    """One worker's life and death."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    child = int(process.stdout.readline())
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    assert int(process.stdout.readline()) == signal.SIGKILL, "the worker died of nothing else"


@pytest.mark.slow
def test_s5_kills_lose_no_alert_and_double_none(embedded_store: Store, embedded_url: str) -> None:
    chance = random.Random(20260302)
    keys = [f"demo|spike|{n}" for n in range(KILLS * ALERTS_A_LIFE)]
    made = tuple(new_alert(n, key, payload={"name": f"Name {n}", "mode": "demo"}) for n, key in enumerate(keys))
    usual = decided()
    embedded_store.save_scores(T, *score_frames([1]), decided=Decided(usual.decisions, usual.episodes, made, SLACK))
    slack = standin.Slack()
    doubts = 0
    with serving(Slow(slack.app, chance)) as upstream, breeder(embedded_url, f"{upstream.url}/api/") as process:
        for _ in range(KILLS):
            live(process, chance.uniform(0.02, 0.2))
            doubts += int(embedded_store.outbox_counts(SLACK).get("sending", 0) > 0)
        for _ in range(30):
            if embedded_store.outbox_counts(SLACK) == {"sent": len(keys)}:
                break
            live(process, 2.0)
    counts = Counter(slack.keys())
    assert embedded_store.outbox_counts(SLACK) == {"sent": len(keys)}
    assert [key for key in keys if counts[key] == 0] == [], "lost"
    assert [key for key in keys if counts[key] > 1] == [], "twice"
    assert doubts > KILLS // 10, "the kills came in the middle of deliveries"
