"""Delivery to Slack under its faults: 429, failures after acceptance, dead channels, lagging history, long texts.

Test names carry the fault's number; the client is the real slack_sdk, the channel a stand-in with Slack's own checks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from pipelines.alert.deliver import Deliverer, Pace, RateLimited, Sender
from pipelines.alert.message import RESENT, Message, make_message
from pipelines.alert.slack import BotSender, build_sender
from pipelines.clock import ManualClock
from pipelines.outbox import SLACK, Alert, Claim, Decided
from pipelines.settings import load_settings
from pipelines.store import Store
from tests.contract.store_rows import HOUR, T, score_frames
from tests.contract.test_store_alerts import decided, new_alert
from tests.upstreams import slack as standin
from tests.upstreams.server import Upstream, reset, serving, silence, too_many

PACE = Pace(settle=timedelta(seconds=15), relook=timedelta(seconds=30))
NASTY = "<!channel> *x* <https://evil|bank> <@U1> :fire: `a` &amp; \u202egnp \x00"


@dataclass
class Desk:
    """A store with alerts in its outbox, a channel, and a process that delivers."""

    store: Store
    slack: standin.Slack
    upstream: Upstream
    clock: ManualClock

    def alerts(self, count: int = 1, **payload: Any) -> None:
        made = [new_alert(n, f"live|spike|{n}", payload={"name": f"Name {n}", "slug": f"name-{n}", "mode": "live", **payload})
                for n in range(1, count + 1)]  # fmt: skip
        self.store.save_scores(
            T, *score_frames([1]), decided=Decided(decided().decisions, decided().episodes, tuple(made), SLACK)
        )
        # a row is due by the real time it was made at, which on a busy machine is later than the clock's head start
        self.clock.advance(max(timedelta(0), datetime.now(UTC) - self.clock.now()))

    def deliverer(self, **slack: str) -> Deliverer:
        return Deliverer(
            self.store, self.sender(**slack), self.clock, "https://heat.example", PACE, tell=lambda line: None
        )

    def sender(self, **slack: str) -> Sender:
        bot = {"bot_token": standin.TOKEN, "channel": standin.CHANNEL, "url": f"{self.upstream.url}/api/"}
        sender = build_sender(load_settings(slack=slack or bot).slack)
        assert sender is not None
        return sender

    def run(self, seconds: int, deliverer: Deliverer | None = None) -> None:
        working = deliverer or self.deliverer()
        for _ in range(seconds):
            working.step()
            self.clock.advance(timedelta(seconds=1))

    @property
    def states(self) -> list[tuple[str, str]]:
        with self.store._db.reading() as connection:
            rows = connection.execute(text("SELECT state, last_error FROM delivery ORDER BY alert_id"))
            return [(state, error) for state, error in rows]


@pytest.fixture
def desk(embedded_store: Store) -> Iterator[Desk]:
    slack = standin.Slack()
    with serving(slack.app) as upstream:
        yield Desk(embedded_store, slack, upstream, ManualClock(datetime.now(UTC) + timedelta(seconds=5)))


def test_an_alert_arrives_once_with_its_metadata(desk: Desk) -> None:
    desk.alerts(3)
    desk.run(10)
    assert desk.slack.keys() == ["live|spike|1", "live|spike|2", "live|spike|3"]
    assert {state for state, _ in desk.states} == {"sent"}
    message = desk.slack.messages[0]
    assert message["blocks"][0]["text"]["text"] == "[ALERT] Name 1 spiking now"
    page, pack, act = standin.links(message)
    assert (page, pack) == ("https://heat.example/?entity=name-1", "https://heat.example/research/name-1")
    assert act.startswith("https://heat.example/alerts/")


def test_s1_a_429_waits_as_long_as_it_was_told(desk: Desk) -> None:
    desk.alerts(2)
    desk.upstream.plan("chat.postMessage", too_many("30"))
    desk.run(29)
    assert len(desk.upstream.requests("chat.postMessage")) == 1
    assert all(state == "pending" for state, _ in desk.states)
    assert "queued until" in desk.states[0][1]
    desk.run(5)
    assert desk.slack.keys() == ["live|spike|1", "live|spike|2"]


@pytest.mark.parametrize(("asked", "seconds"), [("Fri, 01 Jan 2100 00:00:00 GMT", 3600), ("nan", 60), (None, 60)])
def test_s1_a_wait_that_is_no_number_is_read_as_elsewhere(desk: Desk, asked: str | None, seconds: float) -> None:
    desk.upstream.plan("conversations.history", too_many(asked))
    sender = desk.sender()
    assert isinstance(sender, BotSender)
    with pytest.raises(RateLimited) as caught:
        sender.find("live|spike|1", T)
    assert caught.value.seconds == seconds


@pytest.mark.parametrize("fault", ["500", "reset"])
def test_s2_s3_taken_and_then_failed_is_not_posted_twice(desk: Desk, fault: str) -> None:
    desk.alerts(1)
    desk.upstream.plan("chat.postMessage", desk.slack.accept_then(fault))
    desk.run(10)
    assert desk.states[0][0] == "uncertain"
    assert desk.states[0][1].startswith("confirming")
    desk.run(60)
    assert desk.slack.keys() == ["live|spike|1"]
    assert desk.states == [("sent", "")]


@pytest.mark.parametrize("fault", ["reset", "refused"])
def test_s3_what_never_arrived_is_sent_again(desk: Desk, fault: str) -> None:
    desk.alerts(1)
    if fault == "reset":
        desk.upstream.plan("chat.postMessage", reset())
    else:
        gone = {"bot_token": standin.TOKEN, "channel": standin.CHANNEL, "url": "http://127.0.0.1:1/api/"}
        desk.run(1, desk.deliverer(**gone))
        assert desk.states[0][0] == "pending"
    desk.run(80)
    assert desk.slack.keys() == ["live|spike|1"]


def test_s4_an_archived_channel_stops_delivery_in_words(desk: Desk) -> None:
    desk.alerts(1)
    desk.slack.archived = True
    desk.run(30)
    assert desk.states[0][0] == "dead"
    assert desk.states[0][1].startswith("delivery stopped: the channel is archived")
    assert len(desk.upstream.requests()) == 1
    assert "archived" in desk.store.outbox_problem(SLACK, desk.clock.now() - HOUR)


def test_s4_a_missing_scope_is_named(desk: Desk) -> None:
    desk.alerts(1)
    desk.slack.scopes = set()
    desk.run(2)
    assert "chat:write" in desk.states[0][1]


def test_s6_a_try_cut_short_keeps_its_time_and_is_asked_about(desk: Desk) -> None:
    desk.alerts(1)
    claim = desk.store.outbox_claim(SLACK, desk.clock.now(), pause=timedelta(0), digest_over=5)
    assert isinstance(claim, Claim)
    desk.sender().post(make_message(claim))  # and then the process ended
    desk.run(40)
    assert desk.slack.keys() == ["live|spike|1"]
    assert desk.states == [("sent", "")]


def test_s10_five_hundred_at_once_are_one_digest(desk: Desk) -> None:
    desk.alerts(500)
    desk.run(5)
    (message,) = desk.slack.messages
    assert message["blocks"][0]["text"]["text"] == "[ALERT] 500 names spiking now"
    assert "480 more" in message["blocks"][-2]["elements"][0]["text"]
    assert {state for state, _ in desk.states} == {"sent"}


@pytest.mark.parametrize("count", [1, 8])
def test_s11_long_and_hostile_texts_arrive_pinging_nobody(desk: Desk, count: int) -> None:
    row = {
        "source": NASTY,
        "title": NASTY * 900,
        "url": "https://example.org/>|<!here>" + "é" * 90,
        "at": T.isoformat(),
    }
    desk.alerts(count, name=NASTY * 300, slug=NASTY, hook="\U0001f525" * 5000, receipts=[row] * 9)
    desk.run(3)
    (message,) = desk.slack.messages
    assert standin.pings(message) == []
    assert all(link.startswith(("https://heat.example/", "https://example.org/")) for link in standin.links(message))
    assert {state for state, _ in desk.states} == {"sent"}


@pytest.mark.parametrize("trouble", ["lag", "failing", "scope"])
def test_s12_a_history_that_lags_or_fails_is_never_taken_for_absence(desk: Desk, trouble: str) -> None:
    desk.alerts(1)
    desk.upstream.plan("chat.postMessage", desk.slack.accept_then("500"))
    if trouble == "failing":
        desk.upstream.plan("conversations.history", reset(), silence(0.1), too_many("5"), too_many())
    if trouble == "scope":
        desk.slack.scopes.discard("channels:history")
    desk.slack.lag_s = 3600 if trouble == "lag" else 0
    desk.run(30)
    assert desk.states[0][0] == "uncertain"
    desk.slack.lag_s = 0
    if trouble == "scope":
        desk.run(200)
        assert desk.states[0][0] == "uncertain"
        assert "channels:history" in desk.states[0][1]
        desk.slack.scopes.add("channels:history")
    desk.run(240)
    assert desk.slack.keys() == ["live|spike|1"]
    assert desk.states == [("sent", "")]


def test_a_webhook_says_when_it_repeats(desk: Desk) -> None:
    desk.alerts(1)
    desk.upstream.plan("/services/", desk.slack.accept_then("reset"))
    hook = desk.deliverer(webhook_url=f"{desk.upstream.url}{standin.WEBHOOK}")
    desk.run(40, hook)
    first, second = desk.slack.messages
    assert first["blocks"] == second["blocks"][:-1]
    assert second["blocks"][-1]["elements"][0]["text"] == RESENT
    assert desk.states == [("sent", "")]


def test_a_webhook_that_was_removed_stops_delivery(desk: Desk) -> None:
    desk.alerts(1)
    desk.slack.archived = True
    desk.run(5, desk.deliverer(webhook_url=f"{desk.upstream.url}{standin.WEBHOOK}"))
    assert desk.states[0][0] == "dead"
    assert "archived" in desk.states[0][1]


@pytest.mark.parametrize(("mode", "word"), [("demo", "DEMO"), ("replay", "REPLAY"), ("live", "")])
def test_demo_and_replay_say_so(mode: str, word: str) -> None:
    message = message_of({"mode": mode, "name": "Odalys Brightwater"})
    title = message.blocks[0]["text"]["text"]
    assert title == f"{word} [ALERT] Odalys Brightwater spiking now".strip()
    assert message.text.startswith(f"{word} [ALERT]".strip())


def message_of(payload: dict[str, Any], count: int = 1, public_url: str = "https://heat.example") -> Message:
    alerts = tuple(Alert(n, f"k{n}", n, T, 1.9, 3.7, 3, 0.4, 0.82, "Velocity +3.7σ", payload) for n in range(count))
    return make_message(Claim("k", T, 1, alerts, marked=True), public_url)


@settings(max_examples=150, deadline=None)
@given(
    st.text(max_size=4000),
    st.text(max_size=4000),
    st.one_of(st.none(), st.text(max_size=2000)),
    st.sampled_from([1, 60]),
)
def test_no_text_can_make_a_message_invalid(name: str, title: str, url: str | None, count: int) -> None:
    receipt = {"source": "reddit", "title": title, "url": url and f"https://{url}", "at": T.isoformat()}
    message = message_of({"name": name, "slug": name, "hook": title, "receipts": [receipt] * 4}, count)
    posted = {"text": message.text, "blocks": list(message.blocks)}
    assert standin.check(posted) == ""
    assert standin.pings(posted) == []
