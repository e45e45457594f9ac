"""Delivers the outbox: claim, send, mark, one message a second. Nothing is lost and, with a bot token, nothing doubled.

A try that ended without an answer is not repeated before the channel's history was asked whether it arrived, and asked
again (:data:`LOOKS`), since a history may lag. A webhook cannot be asked: there the message goes out again and says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from pipelines.alert.message import Message, make_message
from pipelines.clock import Clock
from pipelines.outbox import SLACK, Claim, Doubt, Wait

log = structlog.get_logger(__name__)

LOOKS = 2
"""So many looks at the history must miss a message before it counts as never sent."""


class RateLimited(Exception):  # noqa: N818 - an outcome, not a fault
    """The channel asks to wait ``seconds``; the message was not taken."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"Slack asked to wait {seconds:.0f} s")
        self.seconds = seconds


class NotSent(Exception):  # noqa: N818 - an outcome, not a fault
    """The message surely did not reach the channel; another try is safe."""


class Uncertain(Exception):  # noqa: N818 - an outcome, not a fault
    """The message may or may not have reached the channel."""


class Refused(Exception):  # noqa: N818 - an outcome, not a fault
    """The channel will not take it until a person changes something; the text says what."""


class Gone(Refused):
    """The message that was to be changed or replied to is not there any more: somebody deleted it."""


class Sender(Protocol):
    """One way into a channel."""

    can_look: bool
    """Whether the channel's history can be asked."""

    def post(self, message: Message) -> str | None:
        """Post; the message's place, where the channel tells. Raises one of the outcomes above."""
        ...

    def find(self, key: str, since: datetime, thread: str = "") -> str | None:
        """The place of the message of that key, posted after ``since``; None where the history does not show it.
        ``thread``: the message under which it was posted, if it was a reply.

        Raises :class:`RateLimited`, :class:`NotSent` (no answer, ask later) or :class:`Refused` (may not ask).
        """
        ...


class Outbox(Protocol):
    """What :class:`Deliverer` needs of the store; see ``pipelines.store.deliveries``."""

    def outbox_claim(self, channel: str, now: datetime, *, pause: timedelta, digest_over: int) -> Claim | Wait | None:
        """Take the next message's alerts."""
        ...

    def outbox_sent(self, channel: str, key: str, started: datetime, ts: str | None, now: datetime) -> int:
        """It arrived."""
        ...

    def outbox_again(
        self, channel: str, key: str, started: datetime, at: datetime, why: str, *, counted: bool = True,
        marked: bool = False,
    ) -> int:  # fmt: skip
        """It is to be sent at ``at``."""
        ...

    def outbox_doubt(self, channel: str, key: str, started: datetime, why: str) -> int:
        """Nobody knows."""
        ...

    def outbox_dead(self, channel: str, key: str, started: datetime, why: str) -> int:
        """It will never be taken as things are."""
        ...

    def outbox_looked(
        self, channel: str, key: str, started: datetime, at: datetime, why: str, *, absent: bool
    ) -> int:  # fmt: skip
        """The history was asked."""
        ...

    def outbox_pause(self, channel: str, until: datetime) -> int:
        """Nothing more before ``until``."""
        ...

    def outbox_doubts(self, channel: str, now: datetime, settle: timedelta) -> list[Doubt]:
        """What to ask about."""
        ...


@dataclass(frozen=True, slots=True)
class Pace:
    """``settle``: how old a try must be before the history is asked: longer than any request can take. ``relook``: time
    between two looks. ``pause``: between two messages. ``skew``: how far our clock and Slack's may be apart."""

    settle: timedelta = timedelta(seconds=15)
    relook: timedelta = timedelta(seconds=30)
    pause: timedelta = timedelta(seconds=1)
    skew: timedelta = timedelta(seconds=60)
    digest_over: int = 5
    retry_most: timedelta = timedelta(minutes=5)


@dataclass
class Deliverer:
    """Works an outbox off, one message a :meth:`step`. Blocking; several processes may do so at once. ``buttons``:
    whether a press in the message would reach this product; ``make``: what makes a message, if not of an alert."""

    outbox: Outbox
    sender: Sender
    clock: Clock
    public_url: str = ""
    pace: Pace = Pace()
    buttons: bool = False
    make: Callable[[Claim], Message] | None = None
    channel: str = SLACK
    tell: Callable[[str], None] = lambda line: log.info("slack", line=line)

    def step(self) -> float | None:
        """Ask about what is in doubt, then send the next message. Seconds until the next step has something to do, None
        where nothing is due. Raises :class:`StoreError`."""
        for doubt in self.outbox.outbox_doubts(self.channel, self.clock.now(), self.pace.settle):
            self._resolve(doubt)
        claim = self.outbox.outbox_claim(
            self.channel, self.clock.now(), pause=self.pace.pause, digest_over=self.pace.digest_over
        )
        if isinstance(claim, Wait):
            return claim.seconds
        if claim is None:
            return None
        self._send(claim)
        return self.pace.pause.total_seconds()

    def _message(self, claim: Claim) -> Message:
        return self.make(claim) if self.make else make_message(claim, self.public_url, buttons=self.buttons)

    def _send(self, claim: Claim) -> None:
        this = (self.channel, claim.key, claim.started_at)
        try:
            ts = self.sender.post(self._message(claim))
        except RateLimited as limit:
            until = self.clock.now() + timedelta(seconds=limit.seconds)
            self.outbox.outbox_again(*this, until, f"queued until {until:%H:%M:%S} UTC: {limit}", counted=False)
            self.outbox.outbox_pause(self.channel, until)
            self.tell(str(limit))
        except NotSent as problem:
            until = self.clock.now() + min(self.pace.retry_most, timedelta(seconds=2.0 ** min(claim.attempt, 10)))
            self.outbox.outbox_again(*this, until, f"not sent yet: {problem}")
            self.tell(f"not sent: {problem}")
        except Uncertain as problem:
            self.outbox.outbox_doubt(*this, f"confirming whether it arrived: {problem}")
            self.tell(f"confirming: {problem}")
        except Refused as problem:
            self.outbox.outbox_dead(*this, f"delivery stopped: {problem}")
            self.tell(f"delivery stopped: {problem}")
        else:
            self.outbox.outbox_sent(*this, ts, self.clock.now())

    def _resolve(self, doubt: Doubt) -> None:
        this = (self.channel, doubt.key, doubt.started_at)
        now = self.clock.now()
        if not self.sender.can_look:
            self.outbox.outbox_again(
                *this, now, "sent again: a webhook cannot be asked whether it arrived", marked=True
            )
            return
        later = now + self.pace.relook
        try:
            ts = self.sender.find(doubt.key, doubt.started_at - self.pace.skew, doubt.thread)
        except RateLimited as limit:
            later = now + timedelta(seconds=limit.seconds)
            self.outbox.outbox_looked(*this, later, f"confirming whether it arrived: {limit}", absent=False)
        except (NotSent, Refused) as problem:
            self.outbox.outbox_looked(*this, later, f"confirming whether it arrived: {problem}", absent=False)
        else:
            if ts is not None:
                self.outbox.outbox_sent(*this, ts, now)
            elif doubt.looks + 1 < LOOKS:
                self.outbox.outbox_looked(*this, later, "confirming: not in the channel so far", absent=True)
            else:
                self.outbox.outbox_again(*this, now, "it had not arrived; sent again")
