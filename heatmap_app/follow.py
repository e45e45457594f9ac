"""What every process does, leader or not: store what waited for the database, and show what other processes stored."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any

from heatmap_app.board import Board
from heatmap_app.events import Events
from heatmap_app.jobs import Job
from pipelines.clock import SystemClock
from pipelines.errors import StoreError
from pipelines.refresh import Refresh
from pipelines.store.facts import Pulse, skew_words
from pipelines.store.lease import Role

EVERY_S = 2.0
MOST_ALERTS = 20


class Follow:
    """``role`` says what this process is; ``moved`` hears the newest scoring poll's time when another process made it.
    ``reread`` takes over what another process changed in the settings and says whether it did; ``skew_s``
    is how far ahead (seconds) the database's clock was at the last look."""

    def __init__(
        self, refresh: Refresh, board: Board, events: Events, role: Callable[[], Role], moved: Callable[[datetime], None],
        reread: Callable[[], bool] = lambda: False,
    ) -> None:  # fmt: skip
        self._refresh, self._board, self._events, self._role, self._moved = refresh, board, events, role, moved
        self._reread = reread
        self._seen: Pulse | None = None
        self._well, self._waiting, self.skew_s = True, 0, 0.0

    def job(self) -> Job:
        """The job of a server; it runs whatever the role."""
        return Job("follow", self.run, every=lambda: EVERY_S, timeout=60.0, clock=SystemClock(), everywhere=True)

    async def run(self) -> str:
        """Look once; what was found in a few words."""
        if await asyncio.to_thread(self._reread):
            self._board.publish()  # labels and gates on open pages
        try:
            before, now, alerts = await asyncio.to_thread(self._look)
        except StoreError as error:
            waiting = self._refresh.backlog.polls
            if self._well or waiting != self._waiting:
                self._board.publish()  # the banner appears and counts now, not with the next heartbeat
            self._well, self._waiting = False, waiting
            return str(error)
        told, self.skew_s = skew_words(self.skew_s), now.skew
        if not self._well or (before is not None and before.audit != now.audit) or skew_words(now.skew) != told:
            self._board.publish()
        self._well, self._waiting = True, 0
        if before is not None and self._role() is not Role.LEADER:
            self._tell(before, now, alerts)
        return str(self._role())

    def _look(self) -> tuple[Pulse | None, Pulse, list[dict[str, Any]]]:
        store = self._refresh.store
        if len(self._refresh.backlog):
            self._refresh.flush()
        elif store.trouble is not None:
            store.touch()
        before, now = self._seen, store.pulse()
        if before is not None and before.audit != now.audit:
            self._refresh.forget_names()
        alerts = []
        if before is not None and now.alert > before.alert and self._role() is not Role.LEADER:
            alerts = [row for row in store.alert_rows(limit=MOST_ALERTS) if row["id"] > before.alert]
        self._seen = now
        return before, now, alerts

    def _tell(self, before: Pulse, now: Pulse, alerts: list[dict[str, Any]]) -> None:
        if now.at is not None and now.score != before.score:
            self._moved(now.at)
            self._events.publish("heat", self._told(now))
        if (now.score, now.poll) != (before.score, before.poll):
            self._board.publish()
        for row in reversed(alerts):
            named = {key: row["payload"][key] for key in ("name", "slug")}
            self._events.publish("alert", {**self._told(now), **named, "why": row["why"]})

    def _told(self, now: Pulse) -> dict[str, Any]:
        return {"as_of": now.at.isoformat() if now.at else "", "mode": self._refresh.store.schema}
