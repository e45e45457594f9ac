"""People's actions in the database: each once however often it is sent, each with its sentence and audit row."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from pipelines.alert import actions
from pipelines.alert.actions import CardForm, Done, Person
from pipelines.errors import InputError
from pipelines.outbox import SLACK, Claim
from pipelines.store import Store
from tests.contract.test_store_alerts import store_alerts

NOW = datetime(2026, 11, 22, 14, 2, tzinfo=UTC)
ANA, KIM = Person("slack:U1", "Ana"), Person("slack:U2", "Kim")
HOOK = "Posts about a walk-off have climbed since 11:20."
CARD = CardForm("BRIGHTWATER-WALKOFF", "A block", 45, HOOK, ("https://example.org/1",))
Action = Callable[[Store, int, str], Done]

ACTIONS: dict[str, Action] = {
    "assign": lambda store, alert, once: actions.assign(store, alert, ANA, NOW, who="Sam", once=once),
    "card": lambda store, alert, once: actions.create_card(store, alert, ANA, NOW, CARD, once=once),
    "tease": lambda store, alert, once: actions.choose_tease(
        store, alert, ANA, NOW, text="Next: a walk-off", once=once
    ),
    "vote": lambda store, alert, once: actions.vote(store, alert, ANA, NOW, useful=True, once=once),
    "fault": lambda store, alert, once: actions.mark_source_fault(store, alert, ANA, NOW, fault=True, once=once),
}
ROWS = {"assign": "assignment", "card": "card", "tease": "promo", "vote": "vote"}


def posted(store: Store) -> int:
    """One alert whose message is in Slack."""
    store_alerts(store, 1)
    at = datetime.now(UTC) + timedelta(seconds=5)
    claim = store.outbox_claim(SLACK, at, pause=timedelta(0), digest_over=5)
    assert isinstance(claim, Claim)
    store.outbox_sent(SLACK, claim.key, claim.started_at, "1763.0001", at)
    return claim.alerts[0].id


def rows(store: Store, query: str) -> list[Any]:
    with store._db.reading() as connection:
        return list(connection.execute(text(query)).scalars())


@pytest.mark.parametrize("name", ACTIONS)
def test_twenty_submits_at_once_are_one_effect(store: Store, name: str) -> None:
    alert = posted(store)
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: ACTIONS[name](store, alert, "form-1"), range(20)))
    assert len({one.line for one in done}) == 1
    assert sorted(one.repeated for one in done) == [False, *[True] * 19]
    assert rows(store, "SELECT version FROM alert") == [1]
    assert rows(store, "SELECT count(*) FROM audit WHERE subject LIKE 'alert %'") == [1]
    if name in ROWS:
        assert rows(store, f"SELECT count(*) FROM {ROWS[name]}") == [1]  # noqa: S608 - our own names


@pytest.mark.parametrize("name", ACTIONS)
def test_an_unknown_alert_is_said_and_nothing_is_kept(store: Store, name: str) -> None:
    for _ in range(2):
        with pytest.raises(InputError, match="There is no alert 77"):
            ACTIONS[name](store, 77, "form-1")
    assert rows(store, "SELECT key FROM once") == []


def test_b5_of_two_who_assign_the_later_wins_and_says_from_whom(store: Store) -> None:
    alert = posted(store)
    first = actions.assign(store, alert, KIM, NOW, who="Kim", once="a")
    due = NOW + timedelta(hours=1)
    second = actions.assign(store, alert, ANA, NOW, who="Sam", due=due, note=" call\n the agent ", once="b")
    assert first.line == "Assigned to Kim by Kim, 14:02."
    assert second.line == "Assigned to Sam by Ana, 14:02; was Kim's."
    assert second.undo == "unassign"
    assigned = actions.activity(store, alert).assigned
    assert assigned is not None
    assert (assigned.who, assigned.due, assigned.note, assigned.by) == ("Sam", due, "call the agent", ANA)
    back = actions.unassign(store, alert, KIM, NOW, once="c")
    assert back.line == "Taken back from Sam by Kim, 14:02; nobody has it now; Kim had it before."
    assert actions.activity(store, alert).assigned is None
    with pytest.raises(InputError, match="Nobody has this alert"):
        actions.unassign(store, alert, KIM, NOW, once="d")
    later = NOW + timedelta(minutes=1)
    actions.assign(store, alert, ANA, later, who="Sam", once="e")
    again = actions.unassign(store, alert, ANA, later, once="f")
    assert again.line == "Taken back from Sam by Ana, 14:03; nobody has it now.", "nobody had it before"


def test_the_same_key_of_another_person_is_another_action(store: Store) -> None:
    alert = posted(store)
    actions.vote(store, alert, ANA, NOW, useful=True, once="x")
    assert not actions.vote(store, alert, KIM, NOW, useful=True, once="x").repeated
    assert actions.activity(store, alert).votes.useful == 2


def test_the_latest_vote_of_a_person_counts(store: Store) -> None:
    alert = posted(store)
    assert actions.vote(store, alert, ANA, NOW, useful=True).line == "Voted useful by Ana, 14:02."
    assert actions.vote(store, alert, ANA, NOW, useful=True).repeated
    assert actions.vote(store, alert, ANA, NOW, useful=False).line == "Vote changed to not useful by Ana, 14:02."
    votes = actions.activity(store, alert).votes
    assert (votes.useful, votes.not_useful, votes.by) == (0, 1, {"slack:U1": False})
    assert rows(store, "SELECT version FROM alert") == [2]


def test_a_card_is_stored_first_and_kept_where_there_is_no_rundown(store: Store) -> None:
    alert = posted(store)
    assert actions.create_card(store, alert, ANA, NOW, CARD, once="1").line == (
        "Rundown card BRIGHTWATER-WALKOFF created by Ana, 14:02."
    )
    kept = actions.create_card(store, alert, ANA, NOW, CARD, once="2", rundown=False)
    assert "posted nowhere: set HEATMAP_SLACK__RUNDOWN_URL" in kept.line
    first, second = actions.activity(store, alert).cards
    assert (first.state, second.state, first.form) == ("pending", "kept", CARD)
    assert second.line == "Card BRIGHTWATER-WALKOFF by Ana kept; no rundown address is set."


def test_a_tease_needs_a_thread(store: Store) -> None:
    store_alerts(store, 1)
    (alert,) = rows(store, "SELECT id FROM alert")
    with pytest.raises(InputError, match="not in Slack yet"):
        ACTIONS["tease"](store, alert, "1")
    with store._db.writing() as connection:
        connection.execute(text("UPDATE delivery SET state = 'sent'"))  # a webhook tells no place
    with pytest.raises(InputError, match="HEATMAP_SLACK__BOT_TOKEN"):
        ACTIONS["tease"](store, alert, "1")
    assert rows(store, "SELECT count(*) FROM promo") == [0]


def test_a_source_fault_can_be_taken_back(store: Store) -> None:
    alert = posted(store)
    assert (
        ACTIONS["fault"](store, alert, "1").line
        == "Marked as a source fault by Ana, 14:02. It counts as a false alert."
    )
    assert actions.activity(store, alert).state == "source_fault"
    assert actions.mark_source_fault(store, alert, ANA, NOW, fault=True, once="2").repeated
    actions.mark_source_fault(store, alert, ANA, NOW, fault=False, once="3")
    assert actions.activity(store, alert).state == "open"


def test_a_key_seen_before_is_known_again(store: Store) -> None:
    assert store.once("signature", NOW)
    assert not store.once("signature", NOW)
    assert store.once("another", NOW)
