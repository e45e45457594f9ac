"""What follows from people's actions: teases in threads, cards at the rundown, messages that show the present state.

Real clients against the stand-ins; the clock is ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from heatmap_app.rundown_http import HttpRundown
from pipelines.alert import actions
from pipelines.alert.actions import CardForm, Person
from pipelines.alert.deliver import Deliverer, Pace
from pipelines.alert.edit import Editor
from pipelines.alert.promo import make_promo
from pipelines.alert.rundown import Poster
from pipelines.alert.slack import BotSender, build_bot
from pipelines.clock import ManualClock
from pipelines.errors import InputError
from pipelines.outbox import SLACK, Decided
from pipelines.settings import load_settings
from pipelines.store import Store
from tests.contract.store_rows import T, score_frames
from tests.contract.test_store_alerts import decided, new_alert
from tests.upstreams import rundown as rundowns
from tests.upstreams import slack as standin
from tests.upstreams.server import Upstream, raw, reset, serving, silence, too_many

ANA = Person("slack:U0ANA", "Ana")
CARD = CardForm("NAME-1", "A block", 45, "Posts have climbed since 11:20.", ("https://example.org/1",))
NASTY = "<!channel> *x* <https://evil|bank> \U0001f525"


@dataclass
class Desk:
    """A store with sent alerts, a channel, a rundown, and the jobs that follow people's actions."""

    store: Store
    slack: standin.Slack
    upstream: Upstream
    clock: ManualClock
    rundown: rundowns.Rundown
    told: list[str] = field(default_factory=list)

    def alerts(self, count: int = 1) -> list[int]:
        """Alerts that are in the channel."""
        made = [new_alert(n, f"demo|spike|{n}", payload={"name": f"Name {n}", "slug": f"name-{n}", "mode": "live"})
                for n in range(1, count + 1)]  # fmt: skip
        usual = decided()
        self.store.save_scores(
            T, *score_frames([1]), decided=Decided(usual.decisions, usual.episodes, tuple(made), SLACK)
        )
        sender = Deliverer(self.store, self.bot(), self.clock, pace=Pace(), tell=self.told.append)
        for _ in range(2 * count):
            sender.step()
            self.clock.advance(timedelta(seconds=1))
        return sorted(row["id"] for row in self.store.alert_rows())

    def bot(self) -> BotSender:
        slack = {"bot_token": standin.TOKEN, "channel": standin.CHANNEL, "url": f"{self.upstream.url}/api/"}
        made = build_bot(load_settings(slack=slack).slack)
        assert made is not None
        return made

    def run_promos(self, seconds: int) -> None:
        working = Deliverer(self.store.promo_box, self.bot(), self.clock, make=make_promo, tell=self.told.append)
        for _ in range(seconds):
            working.step()
            self.clock.advance(timedelta(seconds=1))

    def editor(self) -> Editor:
        return Editor(self.store, self.bot(), self.clock, "https://heat.example", buttons=True, tell=self.told.append)

    def edit(self, seconds: int = 5, editor: Editor | None = None) -> None:
        working = editor or self.editor()
        for _ in range(seconds):
            working.step()
            self.clock.advance(timedelta(seconds=1))

    def poster(self, url: str, **values: Any) -> Poster:
        return Poster(self.store, HttpRundown(url, **values), self.clock, "https://heat.example", self.told.append)

    def assign(self, alert: int, once: str = "1") -> None:
        actions.assign(self.store, alert, ANA, self.clock.now(), who="Sam", once=once)

    def tease(self, alert: int, line: str = "Next: a walk-off on set", once: str = "1") -> None:
        actions.choose_tease(self.store, alert, ANA, self.clock.now(), text=line, once=once)

    def card(self, alert: int, once: str = "1") -> None:
        actions.create_card(self.store, alert, ANA, self.clock.now(), CARD, once=once)

    def shown(self, place: int = 0) -> str:
        return str(self.slack.messages[place]["blocks"])

    def scalars(self, query: str) -> list[Any]:
        with self.store._db.reading() as connection:
            return list(connection.execute(text(query)).scalars())


@pytest.fixture
def desk(embedded_store: Store) -> Iterator[Desk]:
    slack, rundown = standin.Slack(), rundowns.Rundown()
    app = slack.app
    app.router.routes.extend(rundown.app.routes)
    with serving(app) as upstream:
        clock = ManualClock(datetime.now(UTC) + timedelta(seconds=5))
        yield Desk(embedded_store, slack, upstream, clock, rundown)


# ---- teases ----


def test_a_tease_stands_in_the_thread_once_and_harmless(desk: Desk) -> None:
    (alert,) = desk.alerts()
    desk.tease(alert, NASTY)
    desk.run_promos(5)
    (reply,) = desk.slack.replies
    assert reply["thread_ts"] == desk.slack.messages[0]["ts"]
    assert standin.pings(reply) == []
    assert reply["blocks"][1]["text"] == {"type": "plain_text", "text": NASTY, "emoji": False}
    (promo,) = actions.activity(desk.store, alert).promos
    assert (promo.state, promo.sent_at is not None) == ("sent", True)


@pytest.mark.parametrize("fault", ["500", "reset"])
def test_a_tease_that_may_have_arrived_is_looked_for_in_its_thread(desk: Desk, fault: str) -> None:
    (alert,) = desk.alerts()
    desk.tease(alert)
    desk.upstream.plan("chat.postMessage", desk.slack.accept_then(fault))
    desk.run_promos(5)
    assert desk.scalars("SELECT state FROM promo") == ["uncertain"]
    with pytest.raises(InputError, match="a tease is on its way"):
        actions.resend(desk.store, alert, ANA, desk.clock.now(), once="r")
    desk.run_promos(60)
    assert len(desk.slack.replies) == 1
    assert desk.scalars("SELECT state FROM promo") == ["sent"]


@pytest.mark.parametrize("fault", [reset(), too_many("7")])
def test_a_tease_that_never_arrived_is_posted_again(desk: Desk, fault: Any) -> None:
    (alert,) = desk.alerts()
    desk.tease(alert)
    desk.upstream.plan("chat.postMessage", fault)
    desk.run_promos(80)
    assert len(desk.slack.replies) == 1


def test_a_tease_under_a_deleted_message_says_so(desk: Desk) -> None:
    (alert,) = desk.alerts()
    desk.tease(alert)
    desk.slack.messages.clear()
    desk.run_promos(3)
    (promo,) = actions.activity(desk.store, alert).promos
    assert (promo.state, "deleted" in promo.last_error) == ("dead", True)


# ---- cards ----


def test_a_card_arrives_with_its_key_and_alert(desk: Desk) -> None:
    (alert,) = desk.alerts()
    desk.card(alert)
    poster = desk.poster(desk.upstream.url + rundowns.PATH)
    assert poster.step()
    assert not poster.step()
    ((key, body),) = desk.rundown.cards.items()
    assert key.startswith("card-demo-")
    assert (body["slug"], body["length_s"], body["created_by"], body["mode"]) == ("NAME-1", 45, "Ana", "demo")
    assert body["alert"]["url"] == f"https://heat.example/alerts/{alert}"
    (card,) = actions.activity(desk.store, alert).cards
    assert card.line.startswith("Card NAME-1 by Ana is in the rundown since ")


@pytest.mark.parametrize("fault", [raw(b"", status=500), reset(), silence(2), raw(b"x" * 200_000)])
def test_a_rundown_that_is_down_keeps_the_card_and_says_since_when(desk: Desk, fault: Any) -> None:
    (alert,) = desk.alerts()
    desk.card(alert)
    desk.upstream.plan("/rundown", fault, fault)
    poster = desk.poster(desk.upstream.url + rundowns.PATH, deadline_s=0.5)
    began = desk.clock.now()
    assert poster.step()
    (card,) = actions.activity(desk.store, alert).cards
    since, then = f"{began:%H:%M} UTC", f"{began + timedelta(seconds=5):%H:%M} UTC"
    assert card.line == f"Card NAME-1 kept; the rundown address has not answered since {since}; next try {then}."
    assert not poster.step()
    desk.clock.advance(timedelta(seconds=6))
    assert poster.step()
    assert f"since {since}" in actions.activity(desk.store, alert).cards[0].line
    desk.clock.advance(timedelta(minutes=10))
    assert poster.step()
    assert actions.activity(desk.store, alert).cards[0].state == "sent"
    assert len(desk.rundown.cards) == 1


def test_a_rundown_that_asks_to_wait_is_left_alone_as_long(desk: Desk) -> None:
    (alert,) = desk.alerts()
    desk.card(alert)
    desk.upstream.plan("/rundown", too_many("30"))
    poster = desk.poster(desk.upstream.url + rundowns.PATH)
    poster.step()
    desk.clock.advance(timedelta(seconds=29))
    assert not poster.step()
    desk.clock.advance(timedelta(seconds=2))
    assert poster.step()
    assert desk.scalars("SELECT attempt FROM card") == [1]


@pytest.mark.parametrize(
    ("url", "plan", "says"),
    [
        ("", raw(b"", status=403), "answered HTTP 403"),
        ("", raw(b"", status=302, location="http://127.0.0.1:1/"), "set HEATMAP_SLACK__RUNDOWN_URL to where it leads"),
        ("not a url", None, "is not a web address"),
    ],
)
def test_a_rundown_that_refuses_ends_it_with_the_reason(desk: Desk, url: str, plan: Any, says: str) -> None:
    (alert,) = desk.alerts()
    desk.card(alert)
    if plan is not None:
        desk.upstream.plan("/rundown", plan)
    desk.poster(url or f"{desk.upstream.url}{rundowns.PATH}?token=secret").step()
    (card,) = actions.activity(desk.store, alert).cards
    assert card.state == "dead"
    assert says in card.line
    assert "secret" not in card.line


def test_without_an_address_cards_are_kept(desk: Desk) -> None:
    (alert,) = desk.alerts()
    desk.card(alert)
    assert not Poster(desk.store, None, desk.clock).step()
    assert actions.activity(desk.store, alert).cards[0].state == "kept"


def test_a_card_whose_process_died_is_posted_again_under_its_key(desk: Desk) -> None:
    (alert,) = desk.alerts()
    desk.card(alert)
    poster = desk.poster(desk.upstream.url + rundowns.PATH)
    assert desk.store.card_claim(desk.clock.now(), timedelta(seconds=30)) is not None  # and then the process ended
    assert not poster.step()
    desk.clock.advance(timedelta(seconds=31))
    assert poster.step()
    assert len(desk.rundown.cards) == 1


# ---- messages ----


def test_the_message_follows_what_people_do(desk: Desk) -> None:
    (alert,) = desk.alerts()
    editor = desk.editor()
    desk.edit(3, editor)
    assert not desk.upstream.requests("chat.update")
    desk.assign(alert)
    desk.edit(3, editor)
    assert "Assigned to Sam by Ana" in desk.shown()
    actions.vote(desk.store, alert, ANA, desk.clock.now(), useful=True)
    actions.unassign(desk.store, alert, ANA, desk.clock.now(), once="2")
    desk.edit(5, editor)
    assert "Assigned" not in desk.shown()
    assert "1 useful" in desk.shown()
    assert len(desk.upstream.requests("chat.update")) == 2


def test_a_digest_shows_each_alert_s_state(desk: Desk) -> None:
    ids = desk.alerts(6)
    assert len(desk.slack.messages) == 1
    desk.assign(ids[3])
    desk.edit()
    assert desk.shown().count("Assigned to Sam by Ana") == 1
    assert desk.scalars("SELECT shown FROM delivery ORDER BY alert_id") == [0, 0, 0, 1, 0, 0]


def test_a_deleted_message_is_left_alone_until_it_is_sent_again(desk: Desk) -> None:
    (alert,) = desk.alerts()
    desk.slack.messages.clear()
    desk.assign(alert)
    desk.edit()
    desk.assign(alert, "2")
    desk.edit()
    assert len(desk.upstream.requests("chat.update")) == 1
    actions.resend(desk.store, alert, ANA, desk.clock.now(), once="r")
    sender = Deliverer(desk.store, desk.bot(), desk.clock, tell=desk.told.append)
    sender.step()
    desk.edit()
    assert "Assigned to Sam" in desk.shown()


def test_an_edit_that_is_not_taken_is_made_later(desk: Desk) -> None:
    (alert,) = desk.alerts()
    desk.upstream.plan("chat.update", too_many("20"), raw(b"", status=500), reset())
    desk.assign(alert)
    editor = desk.editor()
    desk.edit(19, editor)
    assert len(desk.upstream.requests("chat.update")) == 1
    desk.edit(40, editor)
    assert "Assigned to Sam" in desk.shown()


def test_an_archived_channel_is_not_hammered(desk: Desk) -> None:
    (alert,) = desk.alerts()
    desk.slack.archived = True
    desk.assign(alert)
    editor = desk.editor()
    desk.edit(120, editor)
    assert len(desk.upstream.requests("chat.update")) <= 6
    assert "archived" in desk.told[-1]
    desk.slack.archived = False
    desk.edit(300, editor)
    assert "Assigned to Sam" in desk.shown()
