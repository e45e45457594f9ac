"""Posts stored rundown cards. A card is kept whatever the address does; one that may have arrived is posted again under
the same key, and the address tells by that key that it has it already.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import structlog

from pipelines.alert.words import hhmm
from pipelines.clock import Clock
from pipelines.errors import PermanentError, RateLimitedError, SourceError
from pipelines.people import Card

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=30)
"""Longer than a post can take: then the card is up for another try, whatever became of the first."""
LEAST, MOST = timedelta(seconds=5), timedelta(minutes=10)
SILENT = "the rundown address has not answered since"


class Cards(Protocol):
    """What :class:`Poster` needs of the store; see ``pipelines.store.posts``."""

    @property
    def schema(self) -> str:
        """live, demo or replay."""
        ...

    def card_claim(self, now: datetime, lease: timedelta) -> Card | None:
        """The next card."""
        ...

    def card_sent(self, card: int, now: datetime) -> None:
        """It is there."""
        ...

    def card_again(self, card: int, at: datetime, why: str, *, counted: bool = True) -> None:
        """Again later."""
        ...

    def card_dead(self, card: int, why: str) -> None:
        """Never."""
        ...

    def cards_kept(self) -> int:
        """There is no address."""
        ...

    def alert_row(self, alert_id: int) -> dict[str, Any] | None:
        """The alert of a card."""
        ...


Post = Callable[[str, Mapping[str, Any]], None]
"""Posts a body under a key; raises :class:`SourceError`."""


@dataclass
class Poster:
    """Posts one card a :meth:`step`; ``post`` None: there is no address. Blocking; several processes may do so."""

    store: Cards
    post: Post | None
    clock: Clock
    public_url: str = ""
    tell: Callable[[str], None] = lambda line: log.info("rundown", line=line)

    def step(self) -> bool:
        """Whether there was a card to post. Raises :class:`StoreError`."""
        if self.post is None:
            self.store.cards_kept()
            return False
        card = self.store.card_claim(self.clock.now(), LEASE)
        if card is None:
            return False
        self._send(card, self.post)
        return True

    def _send(self, card: Card, post: Post) -> None:
        key = card_key(self.store.schema, card)
        try:
            post(key, card_body(key, card, self.store.alert_row(card.alert_id), self.public_url))
        except RateLimitedError as limit:
            until = self.clock.now() + timedelta(seconds=limit.retry_after_s)
            why = f"the rundown address asked to wait until {hhmm(until)} UTC"
            self.store.card_again(card.id, until, why, counted=False)
        except PermanentError as problem:
            self.store.card_dead(card.id, problem.message)
            self.tell(problem.message)
        except SourceError as problem:
            now = self.clock.now()
            why = card.last_error if card.last_error.startswith(SILENT) else f"{SILENT} {hhmm(now)} UTC"
            self.store.card_again(card.id, now + backoff(card.attempt), why)
            self.tell(problem.message)
        else:
            self.store.card_sent(card.id, self.clock.now())


def backoff(attempt: int) -> timedelta:
    """How long after the failed try number ``attempt`` (from 1) the next one is."""
    return min(MOST, LEAST * (1 << min(max(attempt - 1, 0), 10)))


def card_key(schema: str, card: Card) -> str:
    """The same for every post of a card, and never another card's: a demo that starts afresh counts from 1 again."""
    return f"card-{schema}-{card.id}-{card.at.astimezone(UTC):%Y%m%dT%H%M%S%f}"


def card_body(key: str, card: Card, alert: Mapping[str, Any] | None, public_url: str) -> dict[str, Any]:
    """The card as the rundown address gets it. Times are RFC 3339, UTC."""
    form, payload = card.form, dict((alert or {}).get("payload") or {})
    base = public_url.rstrip("/")
    about = {
        "id": card.alert_id, "name": payload.get("name"), "slug": payload.get("slug"),
        "at": alert["at"].astimezone(UTC).isoformat() if alert else None, "why": alert["why"] if alert else None,
        "url": f"{base}/alerts/{card.alert_id}" if base else None,
    }  # fmt: skip
    return {
        "id": key, "mode": key.split("-")[1], "created_at": card.at.astimezone(UTC).isoformat(),
        "created_by": card.by.name, "slug": form.slug, "segment": form.segment, "length_s": form.length_s,
        "hook": form.hook, "receipts": list(form.receipts), "alert": about,
    }  # fmt: skip
