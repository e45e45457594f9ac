"""The process that posts teases and cards is killed at random points: none lost, no tease twice, no card under two keys.

``KILLS`` as in ``tests/crash/test_deliver.py``, a tenth of it here.
"""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime

import pytest

from pipelines.alert import actions
from pipelines.alert.actions import CardForm, Person
from pipelines.outbox import SLACK, Decided
from pipelines.store import Store
from tests.contract.store_rows import T, score_frames
from tests.contract.test_store_alerts import decided, new_alert
from tests.crash.breeding import breeder, live
from tests.crash.test_deliver import KILLS, Slow
from tests.upstreams import rundown as rundowns
from tests.upstreams import slack as standin
from tests.upstreams.server import serving

DEATHS = max(4, KILLS // 10)
PER_LIFE = 2
ANA = Person("local", "Ana")
KNOWN = (standin.TOKEN, standin.CHANNEL)

BREEDER = """
import sys, time
from datetime import timedelta
import pipelines.alert.rundown as rundown
from heatmap_app.rundown_http import HttpRundown
from pipelines.alert.deliver import Deliverer, Pace
from pipelines.alert.promo import make_promo
from pipelines.alert.slack import build_bot
from pipelines.clock import SystemClock
from pipelines.settings import load_settings
from pipelines.store import Store
from tests.crash.breeding import breed

url, slack_url, rundown_url, token, channel = sys.argv[1:6]
bot = build_bot(load_settings(slack={"bot_token": token, "channel": channel, "url": slack_url}).slack)
pace = Pace(settle=timedelta(seconds=0.5), relook=timedelta(seconds=0.1), pause=timedelta(0))
rundown.LEASE = timedelta(seconds=0.5)

def work():
    store = Store.open(url, "demo")
    promos = Deliverer(store.promo_box, bot, SystemClock(), pace=pace, make=make_promo)
    cards = rundown.Poster(store, HttpRundown(rundown_url), SystemClock())
    while True:
        idle = promos.step() is None
        if not cards.step() and idle:
            time.sleep(0.005)

breed(work)
"""


def alert_in_the_channel(store: Store, slack: standin.Slack) -> int:
    """One alert whose message the stand-in holds."""
    usual = decided()
    made = (new_alert(1, "demo|spike|1", payload={"name": "Name 1", "mode": "demo"}),)
    store.save_scores(T, *score_frames([1]), decided=Decided(usual.decisions, usual.episodes, made, SLACK))
    message = slack.accept({"text": "alert", "metadata": {}})
    with store._db.writing() as connection:
        connection.exec_driver_sql("UPDATE delivery SET state = 'sent', slack_ts = %s", (message["ts"],))
    return int(store.alert_rows()[0]["id"])


@pytest.mark.slow
def test_kills_lose_no_tease_and_no_card_and_double_none(embedded_store: Store, embedded_url: str) -> None:
    chance = random.Random(20261122)
    slack, rundown = standin.Slack(), rundowns.Rundown()
    alert, count, now = alert_in_the_channel(embedded_store, slack), DEATHS * PER_LIFE, datetime.now(UTC)
    for n in range(count):
        actions.choose_tease(embedded_store, alert, ANA, now, text=f"Tease {n}", once=str(n))
        card = CardForm(f"CARD-{n}", "A block", 45, "Hook.")
        actions.create_card(embedded_store, alert, ANA, now, card, once=str(n))
    app = slack.app
    app.router.routes.extend(rundown.app.routes)
    done = {"sent": count}
    with (
        serving(Slow(app, chance)) as upstream,
        breeder(BREEDER, embedded_url, f"{upstream.url}/api/", upstream.url + rundowns.PATH, *KNOWN) as process,
    ):
        for _ in range(DEATHS):
            live(process, chance.uniform(0.05, 0.3))
        for _ in range(30):
            if embedded_store.promo_box.counts() == done == embedded_store.card_counts():
                break
            live(process, 2.0)
    said = Counter(str(reply["blocks"][1]["text"]["text"]) for reply in slack.replies)
    assert said == {f"Tease {n}": 1 for n in range(count)}
    assert Counter(card["slug"] for card in rundown.cards.values()) == {f"CARD-{n}": 1 for n in range(count)}
    assert embedded_store.promo_box.counts() == done == embedded_store.card_counts()
