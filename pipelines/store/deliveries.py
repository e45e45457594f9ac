"""The outbox: claim, send, mark. A delivery is never taken twice, and a try that ended unseen is never forgotten.

``now`` is the machine's time throughout: a delivery is a matter of the real world in a demo too.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, text

from pipelines.outbox import Alert, Claim, Doubt, Wait
from pipelines.store.base import Part, clean_line

MOST_AT_ONCE = 1_000
COUNT_DUE = """SELECT count(*) FROM delivery
    WHERE channel = :channel AND state = 'pending' AND next_at <= :now"""
DUE = """SELECT alert_id FROM delivery WHERE channel = :channel AND state = 'pending' AND next_at <= :now
    ORDER BY alert_id LIMIT :most FOR UPDATE SKIP LOCKED"""
TAKE = """UPDATE delivery d SET state = 'sending', attempt = d.attempt + 1, attempt_started_at = :now, looks = 0,
        message_key = coalesce(:key, a.dedup_key || CASE WHEN d.resends > 0 THEN '#' || d.resends ELSE '' END)
    FROM alert a WHERE a.id = d.alert_id AND d.channel = :channel AND d.alert_id = ANY(:ids)
    RETURNING a.*, d.message_key, d.attempt, d.marked"""
THIS_TRY = """WHERE channel = :channel AND message_key = :key AND attempt_started_at = :started
    AND state IN ('sending', 'uncertain')"""


class Deliveries(Part):
    """One channel's outbox. Methods that mark a try do nothing where another try has begun since; they return the
    number of deliveries they changed."""

    def outbox_claim(self, channel: str, now: datetime, *, pause: timedelta, digest_over: int) -> Claim | Wait | None:
        """Take the next message's alerts: the oldest due one, or all of them where more than ``digest_over`` are due.

        None: nothing is due. :class:`Wait`: the channel had a try less than ``pause`` ago.
        """
        values = {"channel": channel, "now": now}
        with self._db.writing() as connection:
            lock = {"key": f"outbox {self.schema} {channel}"}
            connection.execute(text("SELECT pg_advisory_xact_lock(hashtext(:key))"), lock)
            many = int(connection.scalar(text(COUNT_DUE), values) or 0) > digest_over
            # only what is taken is locked: a lock is a write
            due = list(connection.execute(text(DUE), {**values, "most": MOST_AT_ONCE if many else 1}).scalars())
            if not due:
                return None
            last = connection.scalar(
                text("SELECT max(attempt_started_at) FROM delivery WHERE channel = :channel"), values
            )
            if last is not None and timedelta(0) <= now - last < pause:
                return Wait((pause - (now - last)).total_seconds())
            return _take(connection, due, values)

    def outbox_sent(self, channel: str, key: str, started: datetime, ts: str | None, now: datetime) -> int:
        """The message is in the channel; ``ts`` is its place there, where known."""
        change = "state = 'sent', slack_ts = :ts, sent_at = :now, last_error = ''"
        return self._mark(channel, key, started, change, {"ts": ts, "now": now})

    def outbox_again(
        self, channel: str, key: str, started: datetime, at: datetime, why: str, *, counted: bool = True,
        marked: bool = False,
    ) -> int:  # fmt: skip
        """The message is surely not in the channel, or nobody can tell and it is to be sent again ``marked`` as such:
        due at ``at``. A try the channel refused for its pace is not ``counted``."""
        change = """state = 'pending', next_at = :at, last_error = :why, message_key = NULL, looks = 0,
            attempt = attempt - :back, marked = marked OR :marked"""
        values = {"at": at, "why": clean_line(why), "back": 0 if counted else 1, "marked": marked}
        return self._mark(channel, key, started, change, values)

    def outbox_doubt(self, channel: str, key: str, started: datetime, why: str) -> int:
        """Nobody knows whether the message arrived."""
        change = "state = 'uncertain', next_at = :started, last_error = :why"
        return self._mark(channel, key, started, change, {"why": clean_line(why)})

    def outbox_dead(self, channel: str, key: str, started: datetime, why: str) -> int:
        """The channel will never take it until a person changes something."""
        return self._mark(channel, key, started, "state = 'dead', last_error = :why", {"why": clean_line(why)})

    def outbox_looked(
        self, channel: str, key: str, started: datetime, at: datetime, why: str, *, absent: bool
    ) -> int:  # fmt: skip
        """The channel's history was asked: the message was ``absent``, or there was no answer. Look again at ``at``."""
        change = "looks = looks + :looks, next_at = :at, last_error = :why"
        return self._mark(channel, key, started, change, {"looks": int(absent), "at": at, "why": clean_line(why)})

    def outbox_pause(self, channel: str, until: datetime) -> int:
        """Nothing more to this channel before ``until``."""
        query = text("""UPDATE delivery SET next_at = :until
            WHERE channel = :channel AND state = 'pending' AND next_at < :until""")
        with self._db.writing() as connection:
            return connection.execute(query, {"channel": channel, "until": until}).rowcount

    def outbox_doubts(self, channel: str, now: datetime, settle: timedelta) -> list[Doubt]:
        """Messages to ask about: tries older than ``settle`` that nobody marked, and those in doubt; oldest first."""
        values = {"channel": channel, "edge": now - settle, "now": now}
        with self._db.writing() as connection:
            connection.execute(
                text("""UPDATE delivery SET state = 'uncertain', next_at = attempt_started_at,
                        last_error = 'sent, but never confirmed: the process ended'
                    WHERE channel = :channel AND state = 'sending' AND attempt_started_at <= :edge"""), values
            )  # fmt: skip
            rows = connection.execute(
                text("""SELECT message_key, attempt_started_at, max(looks) FROM delivery
                    WHERE channel = :channel AND state = 'uncertain' AND attempt_started_at <= :edge
                        AND next_at <= :now GROUP BY 1, 2 ORDER BY 2"""), values
            ).all()  # fmt: skip
        return [Doubt(key, started, looks) for key, started, looks in rows]

    def outbox_counts(self, channel: str) -> dict[str, int]:
        """How many deliveries are in each state."""
        query = text("SELECT state, count(*) FROM delivery WHERE channel = :channel GROUP BY 1")
        with self._db.reading() as connection:
            return {state: int(n) for state, n in connection.execute(query, {"channel": channel})}

    def outbox_problem(self, channel: str, since: datetime) -> str:
        """Why deliveries stopped, where the latest try since then ended dead; else empty."""
        query = text("""SELECT state, last_error FROM delivery WHERE channel = :channel
            AND attempt_started_at > :since AND state IN ('sent', 'dead') ORDER BY attempt_started_at DESC LIMIT 1""")
        with self._db.reading() as connection:
            row = connection.execute(query, {"channel": channel, "since": since}).first()
        return str(row[1]) if row is not None and row[0] == "dead" else ""

    def _mark(self, channel: str, key: str, started: datetime, change: str, values: Mapping[str, Any]) -> int:
        """``change`` is our own SQL."""
        query = text(f"UPDATE delivery SET {change} {THIS_TRY}")  # noqa: S608  # our own
        with self._db.writing() as connection:
            bound = {**values, "channel": channel, "key": key, "started": started}
            return connection.execute(query, bound).rowcount


def _take(connection: Connection, due: list[int], values: Mapping[str, Any]) -> Claim:
    taken = {**values, "ids": due, "key": f"digest|{uuid4()}" if len(due) > 1 else None}
    rows = connection.execute(text(TAKE), taken).mappings().all()
    alerts = tuple(sorted((alert_of(dict(row)) for row in rows), key=lambda alert: alert.id))
    return Claim(
        rows[0]["message_key"], values["now"], max(row["attempt"] for row in rows), alerts,
        any(row["marked"] for row in rows),
    )  # fmt: skip


def alert_of(row: Mapping[str, Any]) -> Alert:
    """A row of ``alert`` as a value."""
    return Alert(
        id=row["id"], dedup_key=row["dedup_key"], entity_id=row["entity_id"], at=row["at"], heat=row["heat"],
        velocity_z=row["velocity_z"], spread_count=row["spread_count"], affect=row["affect"],
        confidence=row["confidence"], why=row["why"], payload=dict(row["payload"]),
    )  # fmt: skip
