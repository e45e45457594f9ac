"""Brings sent messages up to date with what people did since. It looks at the state, not at events: whatever was missed
while nobody looked is caught up with, and a message that is right is left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from pipelines.alert.actions_words import state_of_card
from pipelines.alert.deliver import Gone, NotSent, RateLimited, Refused, Uncertain
from pipelines.alert.message import Message, make_message
from pipelines.clock import Clock
from pipelines.outbox import SLACK, Claim, Edit
from pipelines.people import Activity

log = structlog.get_logger(__name__)

PAUSE = timedelta(seconds=1.2)
"""Slack takes about 50 edits a minute."""
LEAST, MOST = timedelta(seconds=5), timedelta(minutes=5)


class Messages(Protocol):
    """What :class:`Editor` needs of the store; see ``pipelines.store.posts``."""

    def editing_messages(self) -> AbstractContextManager[bool]:
        """Whether it is our turn."""
        ...

    def edit_due(self, channel: str) -> Edit | None:
        """What to edit."""
        ...

    def edit_done(self, channel: str, edit: Edit) -> None:
        """It is edited."""
        ...

    def edit_never(self, channel: str, edit: Edit) -> None:
        """It is gone."""
        ...

    def alert_activities(self, ids: Collection[int]) -> dict[int, Activity]:
        """What to show."""
        ...


class Pen(Protocol):
    """What changes a message."""

    def edit(self, ts: str, message: Message) -> None:
        """Put ``message`` in the place of the one at ``ts``; raises the outcomes of ``deliver``."""
        ...


@dataclass
class Editor:
    """Edits one message a :meth:`step`. Blocking."""

    store: Messages
    pen: Pen
    clock: Clock
    public_url: str = ""
    buttons: bool = False
    channel: str = SLACK
    tell: Callable[[str], None] = lambda line: log.info("slack edit", line=line)
    _not_before: datetime | None = field(default=None)
    _failures: int = 0

    def step(self) -> float | None:
        """Seconds until the next step has something to do, None where every message is right. Raises
        :class:`StoreError`."""
        now = self.clock.now()
        if self._not_before is not None and now < self._not_before:
            return (self._not_before - now).total_seconds()
        with self.store.editing_messages() as ours:
            edit = self.store.edit_due(self.channel) if ours else None
            if edit is None:
                return None
            wait = self._edit(edit)
        self._not_before = now + wait
        return wait.total_seconds()

    def _edit(self, edit: Edit) -> timedelta:
        try:
            self.pen.edit(edit.ts, self._message(edit))
        except Gone:
            self.store.edit_never(self.channel, edit)
            self.tell("a message was deleted; it is not edited any more")
        except RateLimited as limit:
            self.tell(str(limit))
            return timedelta(seconds=limit.seconds)
        except (NotSent, Uncertain, Refused) as problem:
            # an edit may be made twice, so there is nothing to ask about first
            self._failures += 1
            self.tell(f"not edited: {problem}")
            return min(MOST, LEAST * (1 << min(self._failures - 1, 10)))
        else:
            self.store.edit_done(self.channel, edit)
        self._failures = 0
        return PAUSE

    def _message(self, edit: Edit) -> Message:
        # read after the versions: at worst it shows more than it is marked for, and is edited once more
        found = self.store.alert_activities([alert.id for alert in edit.alerts])
        states = {key: state_of_card(activity) for key, activity in found.items()}
        claim = Claim(edit.key, self.clock.now(), 1, edit.alerts, edit.marked)
        one = states.get(edit.alerts[0].id) if len(edit.alerts) == 1 else None
        return make_message(claim, self.public_url, one, buttons=self.buttons, digest=states)
