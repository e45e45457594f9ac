"""What people do with alerts. One transaction an action: the key that makes it happen once, the change, its audit row,
and the alert's next version, which is what a sent message has to show.

``now`` is the machine's time throughout.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from pipelines.errors import InputError, NotFoundError
from pipelines.outbox import DeliveryState
from pipelines.people import Activity, Assignment, Card, CardForm, Effect, Person, Promo, Votes
from pipelines.store.base import Part, clean_line, write_audit
from pipelines.store.bulk import json_dump
from pipelines.store.decisions import send_again

Facts = dict[str, Any]
Change = Callable[[Connection], Facts]
ASSIGNED = "SELECT * FROM assignment WHERE alert_id = :id AND ended_at IS NULL ORDER BY id DESC LIMIT 1"
TAKEN_OVER = "SELECT who FROM assignment WHERE alert_id = :id AND ended_at = :at ORDER BY id DESC LIMIT 1"
NOT_SENT = "This alert was kept and never sent to Slack, so it has no thread to post in. Resend it first"
NO_THREAD = (
    "This alert has no Slack thread to post in: a webhook cannot post there. "
    "Set HEATMAP_SLACK__BOT_TOKEN and HEATMAP_SLACK__CHANNEL"
)


class People(Part):
    """Actions on alerts. Every action raises :class:`NotFoundError` for an unknown alert; ``once`` names the action: a
    second call with it changes nothing and returns the first one's facts."""

    def once(self, key: str, now: datetime) -> bool:
        """Whether ``key`` is new; from now on (for two days) it is not."""
        with self._db.writing() as connection:
            return first_time(connection, key, now)

    def assign_alert(self, alert_id: int, by: Person, now: datetime, to: Assignment, once: str) -> Effect:
        """Give the alert to ``to.who``; the later of two wins. Facts: who, by, at, was, due."""

        def change(connection: Connection) -> Facts:
            before = connection.execute(text(ASSIGNED), {"id": alert_id}).mappings().first()
            _end_assignments(connection, alert_id, now)
            connection.execute(
                text("""INSERT INTO assignment (alert_id, at, by_id, by_name, who, who_id, due, note)
                    VALUES (:id, :now, :by_id, :by_name, :who, :who_id, :due, :note)"""),
                {**_by(alert_id, by, now), "who": clean_line(to.who), "who_id": clean_line(to.who_id), "due": to.due,
                 "note": clean_line(to.note)},
            )  # fmt: skip
            return {
                "who": to.who, "was": before["who"] if before else None, "due": to.due.isoformat() if to.due else None,
                "note": to.note,
            }  # fmt: skip

        return self._act("assign", alert_id, by, now, once, change)

    def unassign_alert(self, alert_id: int, by: Person, now: datetime, once: str) -> Effect:
        """Take the alert from whoever has it: nobody has it then, also after a take-over, so that a second press gives it
        to nobody either. Facts: was, before (whom it was taken over from), by, at."""

        def change(connection: Connection) -> Facts:
            before = connection.execute(text(ASSIGNED), {"id": alert_id}).mappings().first()
            if before is None:
                raise InputError("Nobody has this alert; there is nothing to take back")
            taken_over = connection.scalar(text(TAKEN_OVER), {"id": alert_id, "at": before["at"]})
            _end_assignments(connection, alert_id, now)
            return {"was": before["who"], "before": taken_over}

        return self._act("unassign", alert_id, by, now, once, change)

    def add_card(
        self, alert_id: int, by: Person, now: datetime, card: CardForm, once: str, *, posts: bool
    ) -> Effect:  # fmt: skip
        """Store a rundown card, to be posted where ``posts``. Facts: card (its number), slug, state, by, at."""
        state = "pending" if posts else "kept"

        def change(connection: Connection) -> Facts:
            number = connection.scalar(
                text("""INSERT INTO card (alert_id, at, by_id, by_name, slug, segment, length_s, hook, receipts, state,
                        attempt, next_at, last_error)
                    VALUES (:id, :now, :by_id, :by_name, :slug, :segment, :length_s, :hook,
                        CAST(:receipts AS jsonb), :state, 0, :now, '') RETURNING id"""),
                {**_by(alert_id, by, now), "slug": clean_line(card.slug), "segment": clean_line(card.segment),
                 "length_s": card.length_s, "hook": clean_line(card.hook), "state": state,
                 "receipts": json_dump([clean_line(line, 1_000) for line in card.receipts])},
            )  # fmt: skip
            return {"card": number, "slug": card.slug, "state": state}

        return self._act("card", alert_id, by, now, once, change)

    def add_promo(self, alert_id: int, by: Person, now: datetime, line: str, once: str) -> Effect:
        """Store a tease line to be posted in the thread of the alert's message; :class:`InputError` where there is
        none. Facts: promo (its number), text, by, at."""

        def change(connection: Connection) -> Facts:
            _need_thread(connection, alert_id)
            number = connection.scalar(
                text("""INSERT INTO promo (alert_id, at, by_id, by_name, text, state, attempt, next_at, looks, last_error)
                    VALUES (:id, :now, :by_id, :by_name, :text, 'pending', 0, :now, 0, '') RETURNING id"""),
                {**_by(alert_id, by, now), "text": clean_line(line)},
            )  # fmt: skip
            return {"promo": number, "text": line}

        return self._act("promo", alert_id, by, now, once, change)

    def vote_alert(self, alert_id: int, by: Person, now: datetime, *, useful: bool, once: str) -> Effect:
        """A person's vote; the latest counts, and the same again changes nothing. Facts: useful, changed, by, at."""

        def change(connection: Connection) -> Facts:
            values = {**_by(alert_id, by, now), "useful": useful}
            query = "SELECT useful FROM vote WHERE alert_id = :id AND voter = :by_id"
            before: bool | None = connection.scalar(text(query), values)
            if before is not useful:
                connection.execute(
                    text("""INSERT INTO vote (alert_id, voter, name, useful, at)
                        VALUES (:id, :by_id, :by_name, :useful, :now) ON CONFLICT (alert_id, voter)
                        DO UPDATE SET name = excluded.name, useful = excluded.useful, at = excluded.at"""), values
                )  # fmt: skip
            return {"useful": useful, "changed": before is not None, "same": before is useful}

        return self._act("vote", alert_id, by, now, once, change)

    def mark_alert(self, alert_id: int, by: Person, now: datetime, *, fault: bool, once: str) -> Effect:
        """Mark an alert as a source fault (a false alert in the KPIs), or take that back. Facts: fault, by, at."""
        state = "source_fault" if fault else "open"

        def change(connection: Connection) -> Facts:
            before = connection.scalar(text("SELECT state FROM alert WHERE id = :id"), {"id": alert_id})
            connection.execute(text("UPDATE alert SET state = :state WHERE id = :id"), {"id": alert_id, "state": state})
            return {"fault": fault, "same": before == state}

        return self._act("source-fault", alert_id, by, now, once, change)

    def send_alert_again(self, alert_id: int, by: Person, now: datetime, channel: str, once: str) -> Effect:
        """Put the alert's message into the outbox again; :class:`InputError` while one is on its way. Facts: by, at."""

        def change(connection: Connection) -> Facts:
            send_again(connection, alert_id, channel, now)
            return {"channel": channel}

        return self._act("resend", alert_id, by, now, once, change)

    def alert_activity(self, alert_id: int) -> Activity | None:
        """Where an alert stands; None for an unknown one."""
        return self.alert_activities([alert_id]).get(alert_id)

    def alert_activities(self, ids: Collection[int]) -> dict[int, Activity]:
        """Where each of these alerts stands, by id; unknown ones are left out."""
        values = {"ids": list(ids)}
        with self._db.reading() as connection:
            connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))

            def rows(query: str) -> list[Mapping[str, Any]]:
                return [dict(row) for row in connection.execute(text(query), values).mappings()]

            alerts = rows("SELECT id, state, version FROM alert WHERE id = ANY(:ids)")
            assigned = rows("SELECT * FROM assignment WHERE alert_id = ANY(:ids) AND ended_at IS NULL ORDER BY id")
            cards = rows("SELECT * FROM card WHERE alert_id = ANY(:ids) ORDER BY id")
            promos = rows("SELECT * FROM promo WHERE alert_id = ANY(:ids) ORDER BY id")
            votes = rows("SELECT * FROM vote WHERE alert_id = ANY(:ids)")
        return {
            row["id"]: Activity(
                assigned=next((assignment_of(a) for a in reversed(assigned) if a["alert_id"] == row["id"]), None),
                cards=tuple(card_of(card) for card in cards if card["alert_id"] == row["id"]),
                promos=tuple(promo_of(promo) for promo in promos if promo["alert_id"] == row["id"]),
                votes=_votes([vote for vote in votes if vote["alert_id"] == row["id"]]),
                state=row["state"], version=row["version"],
            ) for row in alerts
        }  # fmt: skip

    def _act(self, action: str, alert_id: int, by: Person, now: datetime, once: str, change: Change) -> Effect:
        key = clean_line(f"{action}:{alert_id}:{by.id}:{once}") if once else ""
        with self._db.writing() as connection:
            if key and not first_time(connection, key, now):
                found = connection.scalar(text("SELECT result FROM once WHERE key = :key"), {"key": key})
                return Effect(dict(found or {}), repeated=True)
            if connection.scalar(text("SELECT id FROM alert WHERE id = :id FOR UPDATE"), {"id": alert_id}) is None:
                raise NotFoundError(f"There is no alert {alert_id}; the list of alerts shows them")
            facts = {**change(connection), "by": by.name, "at": now.isoformat()}
            if key:
                connection.execute(
                    text("UPDATE once SET result = CAST(:result AS jsonb) WHERE key = :key"),
                    {"key": key, "result": json_dump(facts)},
                )  # fmt: skip
            if facts.pop("same", False):
                return Effect(facts, repeated=True)
            connection.execute(text("UPDATE alert SET version = version + 1 WHERE id = :id"), {"id": alert_id})
            write_audit(connection, by.id, action, f"alert {alert_id}", facts)
            return Effect(facts)


def first_time(connection: Connection, key: str, now: datetime) -> bool:
    """Take ``key``; False where it is taken. A transaction that holds it but has not ended is waited for."""
    query = text("INSERT INTO once (key, at) VALUES (:key, :now) ON CONFLICT DO NOTHING RETURNING key")
    return connection.scalar(query, {"key": clean_line(key), "now": now}) is not None


def _end_assignments(connection: Connection, alert_id: int, now: datetime) -> None:
    query = text("UPDATE assignment SET ended_at = :now WHERE alert_id = :id AND ended_at IS NULL")
    connection.execute(query, {"id": alert_id, "now": now})


def _need_thread(connection: Connection, alert_id: int) -> None:
    query = text("SELECT state, slack_ts FROM delivery WHERE alert_id = :id ORDER BY slack_ts NULLS LAST LIMIT 1")
    row = connection.execute(query, {"id": alert_id}).first()
    if row is not None and row.state in {DeliveryState.PENDING, DeliveryState.SENDING, DeliveryState.UNCERTAIN}:
        raise InputError("This alert's message is not in Slack yet; try again when it is")
    if row is None:
        raise InputError(NOT_SENT)
    if row.slack_ts is None:
        raise InputError(NO_THREAD)


def _by(alert_id: int, by: Person, now: datetime) -> dict[str, Any]:
    return {"id": alert_id, "by_id": clean_line(by.id), "by_name": clean_line(by.name, 100), "now": now}


def _votes(rows: list[Mapping[str, Any]]) -> Votes:
    useful = sum(row["useful"] for row in rows)
    return Votes(useful, len(rows) - useful, {row["voter"]: row["useful"] for row in rows})


def assignment_of(row: Mapping[str, Any]) -> Assignment:
    """A row of ``assignment`` as a value."""
    return Assignment(
        row["at"], Person(row["by_id"], row["by_name"]), row["who"], row["who_id"], row["due"], row["note"]
    )


def card_of(row: Mapping[str, Any]) -> Card:
    """A row of ``card`` as a value."""
    form = CardForm(row["slug"], row["segment"], row["length_s"], row["hook"], tuple(row["receipts"]))
    return Card(
        row["id"], row["alert_id"], row["at"], Person(row["by_id"], row["by_name"]), form, row["state"], row["attempt"],
        row["next_at"], row["sent_at"], row["last_error"],
    )  # fmt: skip


def promo_of(row: Mapping[str, Any]) -> Promo:
    """A row of ``promo`` as a value."""
    return Promo(
        row["id"], row["alert_id"], row["at"], Person(row["by_id"], row["by_name"]), row["text"], row["state"],
        row["sent_at"], row["last_error"],
    )  # fmt: skip
