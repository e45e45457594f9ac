"""The outbox of chosen tease lines: each is a reply under its alert's message, by the rules of every delivery.

The methods are those of ``pipelines.store.deliveries``, so one :class:`pipelines.alert.deliver.Deliverer` works both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text

from pipelines.outbox import Claim, Doubt, Wait
from pipelines.store.base import clean_line
from pipelines.store.deliveries import alert_of
from pipelines.store.engine import Database

THREAD = """(SELECT d.slack_ts FROM delivery d WHERE d.alert_id = p.alert_id AND d.channel = :channel
    AND d.state = 'sent' AND d.slack_ts IS NOT NULL)"""
LAST = """SELECT greatest((SELECT max(attempt_started_at) FROM promo),
    (SELECT max(attempt_started_at) FROM delivery WHERE channel = :channel))"""
TAKE = f"""UPDATE promo p SET state = 'sending', attempt = attempt + 1, attempt_started_at = :now, looks = 0
    WHERE p.id = (SELECT p.id FROM promo p WHERE p.state = 'pending' AND p.next_at <= :now AND {THREAD} IS NOT NULL
        ORDER BY p.id LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING p.*, {THREAD} AS thread"""  # noqa: S608  # our own
DOUBTS = f"""SELECT p.*, {THREAD} AS thread FROM promo p
    WHERE state = 'uncertain' AND attempt_started_at <= :edge AND next_at <= :now ORDER BY id"""  # noqa: S608  # our own
UNSEEN = """UPDATE promo SET state = 'uncertain', next_at = attempt_started_at,
    last_error = 'sent, but never confirmed: the process ended' WHERE state = 'sending' AND attempt_started_at <= :edge"""


class PromoBox:
    """The tease lines to post. A claim's one alert carries ``promo`` (text, by, thread) in its payload."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def outbox_claim(self, channel: str, now: datetime, *, pause: timedelta, digest_over: int) -> Claim | Wait | None:
        """Take the oldest due line whose alert has a message in the channel."""
        values = {"channel": channel, "now": now}
        with self._db.writing() as connection:
            # one at a time, in the channel's turn, like a delivery's claim
            lock = {"key": f"outbox {self._db.schema} {channel}"}
            connection.execute(text("SELECT pg_advisory_xact_lock(hashtext(:key))"), lock)
            due = "SELECT EXISTS (SELECT FROM promo WHERE state = 'pending' AND next_at <= :now)"
            if not connection.scalar(text(due), values):
                return None
            last = connection.scalar(text(LAST), values)
            if last is not None and timedelta(0) <= now - last < pause:
                return Wait((pause - (now - last)).total_seconds())
            row = connection.execute(text(TAKE), values).mappings().first()
            if row is None:
                return None
            alert = connection.execute(text("SELECT * FROM alert WHERE id = :id"), {"id": row["alert_id"]}).mappings()
            found = alert_of(dict(alert.one()))
        promo = {"text": row["text"], "by": row["by_name"], "thread": row["thread"]}
        named = replace(found, payload={**found.payload, "promo": promo})
        return Claim(self._key(dict(row)), now, row["attempt"], (named,))

    def outbox_sent(self, channel: str, key: str, started: datetime, ts: str | None, now: datetime) -> int:
        """The line is in the thread."""
        change = "state = 'sent', slack_ts = :ts, sent_at = :now, last_error = ''"
        return self._mark(key, started, change, {"ts": ts, "now": now}, told=True)

    def outbox_again(
        self, channel: str, key: str, started: datetime, at: datetime, why: str, *, counted: bool = True,
        marked: bool = False,
    ) -> int:  # fmt: skip
        """The line is surely not in the thread: due again at ``at``."""
        change = "state = 'pending', next_at = :at, last_error = :why, looks = 0, attempt = attempt - :back"
        return self._mark(key, started, change, {"at": at, "why": clean_line(why), "back": 0 if counted else 1})

    def outbox_doubt(self, channel: str, key: str, started: datetime, why: str) -> int:
        """Nobody knows whether the line arrived."""
        change = "state = 'uncertain', next_at = :started, last_error = :why"
        return self._mark(key, started, change, {"why": clean_line(why)})

    def outbox_dead(self, channel: str, key: str, started: datetime, why: str) -> int:
        """Slack will not take it as things are."""
        return self._mark(key, started, "state = 'dead', last_error = :why", {"why": clean_line(why)}, told=True)

    def outbox_looked(
        self, channel: str, key: str, started: datetime, at: datetime, why: str, *, absent: bool
    ) -> int:  # fmt: skip
        """The thread was read: the line was ``absent``, or there was no answer."""
        change = "looks = looks + :looks, next_at = :at, last_error = :why"
        return self._mark(key, started, change, {"looks": int(absent), "at": at, "why": clean_line(why)})

    def outbox_pause(self, channel: str, until: datetime) -> int:
        """Nothing more before ``until``."""
        query = text("UPDATE promo SET next_at = :until WHERE state = 'pending' AND next_at < :until")
        with self._db.writing() as connection:
            return connection.execute(query, {"until": until}).rowcount

    def outbox_doubts(self, channel: str, now: datetime, settle: timedelta) -> list[Doubt]:
        """Lines to ask about: tries older than ``settle`` that nobody marked, and those in doubt; oldest first."""
        values = {"edge": now - settle, "now": now}
        with self._db.writing() as connection:
            connection.execute(text(UNSEEN), values)
            rows = connection.execute(text(DOUBTS), {**values, "channel": channel}).mappings().all()
        return [
            Doubt(self._key(dict(row)), row["attempt_started_at"], row["looks"], row["thread"] or "") for row in rows
        ]

    def counts(self) -> dict[str, int]:
        """How many lines are in each state."""
        with self._db.reading() as connection:
            return {
                state: int(n) for state, n in connection.execute(text("SELECT state, count(*) FROM promo GROUP BY 1"))
            }

    def _key(self, row: Mapping[str, Any]) -> str:
        """The same for every try of a line, and never another line's: a demo that starts afresh counts from 1 again."""
        return f"promo|{self._db.schema}|{row['id']}|{row['at'].isoformat()}"

    def _mark(
        self, key: str, started: datetime, change: str, values: Mapping[str, Any], *, told: bool = False
    ) -> int:  # fmt: skip
        """``change`` is our own SQL; ``told``: people see it, so the alert's message is due an edit."""
        query = text(f"""UPDATE promo SET {change} WHERE id = :id AND attempt_started_at = :started
            AND state IN ('sending', 'uncertain') RETURNING alert_id""")  # noqa: S608  # our own
        bound = {**values, "id": int(key.split("|")[2]), "started": started}
        with self._db.writing() as connection:
            alerts = list(connection.execute(query, bound).scalars())
            if told and alerts:
                connection.execute(text("UPDATE alert SET version = version + 1 WHERE id = :id"), {"id": alerts[0]})
        return len(alerts)
