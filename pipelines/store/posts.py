"""What follows from people's actions: cards to post, tease lines to post, messages to bring up to date.

``now`` is the machine's time throughout.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, text

from pipelines.outbox import Edit
from pipelines.people import Card
from pipelines.store.base import Part, clean_line
from pipelines.store.deliveries import alert_of
from pipelines.store.people import card_of
from pipelines.store.promos import PromoBox

NEVER = 2**31 - 1
"""``delivery.shown`` of a message that somebody deleted: no version is higher, so it is never edited again."""
CLAIM = """UPDATE card c SET attempt = attempt + 1, next_at = :until
    WHERE id = (SELECT id FROM card WHERE state = 'pending' AND next_at <= :now ORDER BY id LIMIT 1
        FOR UPDATE SKIP LOCKED)
    RETURNING c.*"""
STALE = """SELECT d.slack_ts FROM delivery d JOIN alert a ON a.id = d.alert_id
    WHERE d.channel = :channel AND d.state = 'sent' AND d.slack_ts IS NOT NULL AND a.version > d.shown
    ORDER BY a.id DESC LIMIT 1"""
MESSAGE = """SELECT a.*, d.message_key, d.marked FROM delivery d JOIN alert a ON a.id = d.alert_id
    WHERE d.channel = :channel AND d.slack_ts = :ts AND d.state = 'sent' ORDER BY a.id"""


class Posts(Part):
    """The queues behind people's actions."""

    @property
    def promo_box(self) -> PromoBox:
        """The outbox of tease lines."""
        return PromoBox(self._db)

    def card_claim(self, now: datetime, lease: timedelta) -> Card | None:
        """Take the next card to post. One that is not marked within ``lease`` (its process died) comes again."""
        with self._db.writing() as connection:
            row = connection.execute(text(CLAIM), {"now": now, "until": now + lease}).mappings().first()
        return None if row is None else card_of(dict(row))

    def card_sent(self, card: int, now: datetime) -> None:
        """The rundown has it."""
        self._card(card, "state = 'sent', sent_at = :now, last_error = ''", {"now": now})

    def card_again(self, card: int, at: datetime, why: str, *, counted: bool = True) -> None:
        """Post it again at ``at``."""
        change = "next_at = :at, last_error = :why, attempt = attempt - :back"
        self._card(card, change, {"at": at, "why": clean_line(why), "back": 0 if counted else 1})

    def card_dead(self, card: int, why: str) -> None:
        """The rundown will not take it; it is kept."""
        self._card(card, "state = 'dead', last_error = :why", {"why": clean_line(why)})

    def cards_kept(self) -> int:
        """There is no rundown address: what waits for one is kept; how many."""
        query = text("UPDATE card SET state = 'kept' WHERE state = 'pending' RETURNING alert_id")
        with self._db.writing() as connection:
            alerts = list(connection.execute(query).scalars())
            _touched(connection, alerts)
        return len(alerts)

    def card_counts(self) -> dict[str, int]:
        """How many cards are in each state."""
        with self._db.reading() as connection:
            return {
                state: int(n) for state, n in connection.execute(text("SELECT state, count(*) FROM card GROUP BY 1"))
            }

    @contextmanager
    def editing_messages(self) -> Iterator[bool]:
        """Whether this process may edit messages now. One at a time, or an older state could land on a newer one."""
        with self._db.writing() as connection:
            query = text("SELECT pg_try_advisory_xact_lock(hashtext(:key))")
            yield bool(connection.scalar(query, {"key": f"edits {self.schema}"}))

    def edit_due(self, channel: str) -> Edit | None:
        """A message that shows less than people did; the newest alert's first."""
        with self._db.reading() as connection:
            ts = connection.scalar(text(STALE), {"channel": channel})
            if ts is None:
                return None
            rows = connection.execute(text(MESSAGE), {"channel": channel, "ts": ts}).mappings().all()
        if not rows:
            return None
        versions = {row["id"]: row["version"] for row in rows}
        alerts = tuple(alert_of(dict(row)) for row in rows)
        return Edit(ts, rows[0]["message_key"] or "", alerts, versions, any(row["marked"] for row in rows))

    def edit_done(self, channel: str, edit: Edit) -> None:
        """The message shows those versions."""
        self._shown(channel, edit.ts, edit.versions)

    def edit_never(self, channel: str, edit: Edit) -> None:
        """Somebody deleted the message: it is not edited any more."""
        self._shown(channel, edit.ts, dict.fromkeys(edit.versions, NEVER))

    def _shown(self, channel: str, ts: str, versions: Mapping[int, int]) -> None:
        query = text(
            "UPDATE delivery SET shown = :shown WHERE channel = :channel AND slack_ts = :ts AND alert_id = :alert"
        )
        rows = [{"channel": channel, "ts": ts, "alert": key, "shown": value} for key, value in versions.items()]
        with self._db.writing() as connection:
            connection.execute(query, rows)

    def _card(self, card: int, change: str, values: Mapping[str, Any]) -> None:
        """``change`` is our own SQL."""
        query = text(f"UPDATE card SET {change} WHERE id = :id AND state = 'pending' RETURNING alert_id")  # noqa: S608  # our own
        with self._db.writing() as connection:
            _touched(connection, list(connection.execute(query, {**values, "id": card}).scalars()))


def _touched(connection: Connection, alerts: list[int]) -> None:
    """What people see of these alerts changed."""
    if alerts:
        connection.execute(text("UPDATE alert SET version = version + 1 WHERE id = ANY(:ids)"), {"ids": alerts})
