"""What people do with an alert, as values: who, what it came to, and where an alert stands.

The alert stage checks and words it, the store keeps it, Slack and the pages show it. Times are UTC, the machine's: what
people do happens in the real world in a demo too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

CardState = Literal["kept", "pending", "sent", "dead"]
"""``kept``: there is no rundown address. ``pending``: to be posted. ``dead``: the address refused it."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who did something. ``id`` names the way in too: ``slack:U123``, ``local``."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Done:
    """What an action came to, in a sentence. ``repeated``: it had happened before, and nothing changed this time.
    ``undo``: the function of ``pipelines.alert.actions`` that takes it back, where one does."""

    line: str
    repeated: bool = False
    undo: str | None = None


@dataclass(frozen=True, slots=True)
class Effect:
    """What the store did: the facts of it (as JSON), and whether it had been done before under the same key."""

    facts: Mapping[str, Any]
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class CardForm:
    """A rundown card as a person fills it in. ``receipts``: links or lines, in order."""

    slug: str
    segment: str
    length_s: int
    hook: str
    receipts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Assignment:
    """Who has the alert."""

    at: datetime
    by: Person
    who: str
    who_id: str = ""
    due: datetime | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """A stored rundown card. ``attempt`` posts were tried, the next is due at ``next_at`` while it is pending; ``line``
    says where it stands."""

    id: int
    alert_id: int
    at: datetime
    by: Person
    form: CardForm
    state: CardState
    attempt: int
    next_at: datetime
    sent_at: datetime | None = None
    last_error: str = ""
    line: str = ""


@dataclass(frozen=True, slots=True)
class Promo:
    """A chosen tease line. ``state`` is a :class:`pipelines.outbox.DeliveryState`."""

    id: int
    alert_id: int
    at: datetime
    by: Person
    text: str
    state: str
    sent_at: datetime | None = None
    last_error: str = ""


@dataclass(frozen=True, slots=True)
class Votes:
    """How many people call an alert useful. ``by``: each voter's id and vote, for pages that show one's own."""

    useful: int = 0
    not_useful: int = 0
    by: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Activity:
    """Where an alert stands: what its message and the pages show. ``state`` is open or source_fault; ``version`` goes
    up by one with every action. Oldest card and promo first."""

    assigned: Assignment | None = None
    cards: tuple[Card, ...] = ()
    promos: tuple[Promo, ...] = ()
    votes: Votes = Votes()
    state: str = "open"
    version: int = 0
