"""What people do with an alert: Slack, the pages and the API all come through here.

Checks what a person typed, has the store do it once, and says in a sentence what it came to. Every function blocks and
raises :class:`InputError` (a sentence that names the field) and :class:`StoreError`. ``now`` is the machine's time.
``once`` names the click or the form: a second call with it changes nothing and returns the first one's result.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from pipelines.alert.actions_check import check_card, check_due, check_once, check_tease, line_of
from pipelines.alert.actions_words import (
    assigned_line,
    card_made_line,
    fault_line,
    promo_line,
    resent_line,
    state_of_card,
    unassigned_line,
    voted_line,
)
from pipelines.errors import NotFoundError
from pipelines.outbox import SLACK
from pipelines.people import Activity, Assignment, Card, CardForm, Done, Effect, Person, Promo, Votes

__all__ = [
    "Activity", "Assignment", "Card", "CardForm", "Done", "Person", "Promo", "Votes", "activity", "assign", "choose_tease",
    "create_card", "mark_source_fault", "resend", "unassign", "vote",
]  # fmt: skip

MAX_WHO, MAX_NOTE = 100, 500


class Actions(Protocol):
    """What the functions here need of the store; see ``pipelines.store.people``."""

    def assign_alert(self, alert_id: int, by: Person, now: datetime, to: Assignment, once: str) -> Effect:
        """Give it to somebody."""
        ...

    def unassign_alert(self, alert_id: int, by: Person, now: datetime, once: str) -> Effect:
        """Take it back."""
        ...

    def add_card(self, alert_id: int, by: Person, now: datetime, card: CardForm, once: str, *, posts: bool) -> Effect:
        """Keep a card."""
        ...

    def add_promo(self, alert_id: int, by: Person, now: datetime, line: str, once: str) -> Effect:
        """Keep a line to be posted."""
        ...

    def vote_alert(self, alert_id: int, by: Person, now: datetime, *, useful: bool, once: str) -> Effect:
        """Keep a vote."""
        ...

    def mark_alert(self, alert_id: int, by: Person, now: datetime, *, fault: bool, once: str) -> Effect:
        """Mark it."""
        ...

    def send_alert_again(self, alert_id: int, by: Person, now: datetime, channel: str, once: str) -> Effect:
        """Send its message again."""
        ...

    def alert_activity(self, alert_id: int) -> Activity | None:
        """Where it stands."""
        ...


def assign(
    store: Actions, alert_id: int, by: Person, now: datetime, *, who: str, who_id: str = "", due: datetime | None = None,
    note: str = "", once: str,
) -> Done:  # fmt: skip
    """Give the alert to ``who``. Of two at once the later wins, and its line says whose it was."""
    to = Assignment(
        now, by, line_of("who", who, MAX_WHO), line_of("who", who_id, MAX_WHO, needed=False), check_due(due, now),
        line_of("note", note, MAX_NOTE, needed=False),
    )  # fmt: skip
    effect = store.assign_alert(alert_id, by, now, to, check_once(once))
    return Done(assigned_line(effect.facts), effect.repeated, undo="unassign")


def unassign(store: Actions, alert_id: int, by: Person, now: datetime, *, once: str) -> Done:
    """Take the alert from whoever has it."""
    effect = store.unassign_alert(alert_id, by, now, check_once(once))
    return Done(unassigned_line(effect.facts), effect.repeated)


def create_card(
    store: Actions, alert_id: int, by: Person, now: datetime, card: CardForm, *, once: str, rundown: bool = True
) -> Done:
    """Store a rundown card; the rundown job posts it. ``rundown``: whether an address for it is set."""
    effect = store.add_card(alert_id, by, now, check_card(card), check_once(once), posts=rundown)
    return Done(card_made_line(effect.facts), effect.repeated)


def choose_tease(store: Actions, alert_id: int, by: Person, now: datetime, *, text: str, once: str) -> Done:
    """Choose a tease line; the promo job posts it in the thread of the alert's message."""
    effect = store.add_promo(alert_id, by, now, check_tease(text), check_once(once))
    return Done(promo_line(effect.facts), effect.repeated)


def vote(store: Actions, alert_id: int, by: Person, now: datetime, *, useful: bool, once: str = "") -> Done:
    """Vote; a person's latest vote counts, and the same again changes nothing."""
    effect = store.vote_alert(alert_id, by, now, useful=useful, once=check_once(once) if once else "")
    return Done(voted_line(effect.facts), effect.repeated)


def mark_source_fault(store: Actions, alert_id: int, by: Person, now: datetime, *, fault: bool, once: str) -> Done:
    """Mark the alert as made by a fault of a source, so that it counts as a false alert; or take that back."""
    effect = store.mark_alert(alert_id, by, now, fault=fault, once=check_once(once))
    return Done(fault_line(effect.facts), effect.repeated, undo="mark_source_fault")


def resend(store: Actions, alert_id: int, by: Person, now: datetime, *, once: str, channel: str = SLACK) -> Done:
    """Send the alert's message once more; refused while one is on its way."""
    effect = store.send_alert_again(alert_id, by, now, channel, check_once(once))
    return Done(resent_line(effect.facts), effect.repeated)


def activity(store: Actions, alert_id: int) -> Activity:
    """Where the alert stands; each card's ``line`` says it in words."""
    found = store.alert_activity(alert_id)
    if found is None:
        raise NotFoundError(f"There is no alert {alert_id}; the list of alerts shows them")
    return state_of_card(found)
