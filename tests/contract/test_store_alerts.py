"""Decisions, episodes, alerts and the outbox in the database; on both kinds of PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from sqlalchemy import text

from pipelines.alert import actions
from pipelines.errors import InputError, StoreError
from pipelines.outbox import DECISIONS, EPISODES, SLACK, Claim, Decided, NewAlert, Wait
from pipelines.people import Person
from pipelines.settings_sections import Retention
from pipelines.store import Store
from tests.contract.store_rows import HOUR, T, add, item, mentions, result, save, score_frames

NOW = datetime.now(UTC) + HOUR  # later than whatever these tests store as due
SECOND = timedelta(seconds=1)
RETENTION = Retention(
    mentions_days=90, hourly_days=730, scores_days=60, audit_days=30, alerts_days=1825, recordings_days=90
)


def new_alert(entity: int, key: str = "", **values: Any) -> NewAlert:
    usual = {
        "heat": 1.9,
        "velocity_z": 3.7,
        "spread_count": 3,
        "affect": 0.4,
        "confidence": 0.82,
        "why": "why",
        "payload": {},
    }
    return NewAlert(key or f"demo|{entity}|1", entity, **{**usual, **values})


def decided(*alerts: NewAlert, channel: str | None = SLACK, entity: int = 1, **episode: Any) -> Decided:
    row = {"entity": entity, "outcome": "fired", "reason": "fired", "sentence": "Alerted\x00.", "velocity_z": float("nan"),
           "spread_count": 2, "affect": 0.1, "heat": 1.0, "confidence": 0.5, "trades_at": None, "started_at": T}  # fmt: skip
    state = {"entity": entity, "open": True, "started_at": T, "below": 0, "alerted": True, "alerted_at": T,
             "alerted_heat": 1.5, **episode}  # fmt: skip
    return Decided(pl.DataFrame([row], schema=DECISIONS), pl.DataFrame([state], schema=EPISODES), alerts, channel)


def store_alerts(store: Store, count: int) -> None:
    ids = add(store, *(f"Name {n}" for n in range(count)))
    store.save_scores(T, *score_frames(ids), decided=decided(*(new_alert(key) for key in ids)))


def claim(store: Store, now: datetime = NOW, digest_over: int = 5) -> Claim:
    taken = store.outbox_claim(SLACK, now, pause=SECOND, digest_over=digest_over)
    assert isinstance(taken, Claim)
    return taken


def states(store: Store) -> list[str]:
    with store._db.reading() as connection:
        return list(connection.execute(text("SELECT state FROM delivery ORDER BY alert_id")).scalars())


def test_a_decision_is_stored_with_its_score(store: Store) -> None:
    (one,) = add(store, "One")
    store.save_scores(T, *score_frames([one]), decided=decided(new_alert(one), entity=one))
    (row,) = store.decision_rows([one], T - HOUR, T)
    assert (row["sentence"], row["velocity_z"], row["started_at"]) == ("Alerted.", None, T)
    assert store.episodes().to_dicts()[0]["alerted_heat"] == 1.5
    (stored,) = store.alert_rows()
    assert (stored["name"], stored["delivery"], stored["at"]) == ("One", "pending", T)
    assert store.score_rows([one], T - HOUR, T)[0]["velocity_z"] == 3.0


def test_the_same_poll_again_brings_no_second_alert(store: Store) -> None:
    (one,) = add(store, "One")
    for heat in (1.0, 2.0):
        store.save_scores(T, *score_frames([one]), decided=decided(new_alert(one, heat=heat), entity=one))
    assert [row["heat"] for row in store.alert_rows()] == [1.0]
    assert states(store) == ["pending"]


def test_no_score_without_its_alert_and_no_alert_without_its_score(store: Store) -> None:
    (one,) = add(store, "One")
    broken = new_alert(one, heat=None)
    with pytest.raises(StoreError):
        store.save_scores(T, *score_frames([one]), decided=decided(broken))
    assert store.latest() is None
    assert store.episodes().is_empty()


def test_without_a_channel_nothing_is_delivered(store: Store) -> None:
    (one,) = add(store, "One")
    store.save_scores(T, *score_frames([one]), decided=decided(new_alert(one), channel=None))
    assert store.alert_rows()[0]["delivery"] is None
    assert store.outbox_claim(SLACK, NOW, pause=SECOND, digest_over=5) is None


def test_a_merged_name_keeps_the_episode_with_the_last_alert(store: Store) -> None:
    one, two = add(store, "One", "Two")
    both = pl.concat([decided(entity=one, alerted_at=T - HOUR).episodes, decided(entity=two).episodes])
    store.save_scores(T, *score_frames([one, two]), decided=Decided(decided().decisions, both))
    store.merge(one, two, "ana")
    assert store.episodes().select("entity", "alerted_at").rows() == [(one, T)]


def test_what_a_decision_asks(store: Store) -> None:
    one, two = add(store, "One", "Two")
    times = [T - 50 * HOUR, T - 3 * HOUR]
    rows = [item(f"t{n}", "trades", published_at=at) for n, at in enumerate(times)]
    save(store, [result(rows, "trades")], mentions(("trades", "t0", one), ("trades", "t1", two)))
    store.merge(one, two, "ana")
    assert store.trade_items([one], T - 60 * HOUR, T).rows() == [(one, times[0]), (one, times[1])]
    store.save_scores(T, *score_frames([one, two], hours=24))
    assert store.heat_peaks([one], T - 2 * HOUR, T).rows() == [(one, 0.5)]
    assert store.heat_peaks([99], T - 2 * HOUR, T).is_empty()


def test_claims_are_one_message_a_second(store: Store) -> None:
    store_alerts(store, 2)
    first = claim(store)
    waiting = store.outbox_claim(SLACK, NOW + SECOND / 4, pause=SECOND, digest_over=5)
    assert waiting == Wait(0.75)
    second = claim(store, NOW + SECOND)
    assert [len(first.alerts), len(second.alerts)] == [1, 1]
    assert first.alerts[0].id < second.alerts[0].id
    assert (first.key, first.attempt, first.marked) == (first.alerts[0].dedup_key, 1, False)
    assert store.outbox_claim(SLACK, NOW + 5 * SECOND, pause=SECOND, digest_over=5) is None


def test_more_than_five_are_one_message(store: Store) -> None:
    store_alerts(store, 6)
    taken = claim(store)
    assert len(taken.alerts) == 6
    assert taken.key.startswith("digest|")
    assert store.outbox_sent(SLACK, taken.key, taken.started_at, "1.2", NOW) == 6
    assert set(states(store)) == {"sent"}


def test_only_the_try_that_began_it_ends_it(store: Store) -> None:
    store_alerts(store, 1)
    old = claim(store)
    assert store.outbox_again(SLACK, old.key, old.started_at, NOW, "reset before it was sent") == 1
    new = claim(store, NOW + SECOND)
    assert new.attempt == 2
    assert new.key == old.key
    assert store.outbox_sent(SLACK, old.key, old.started_at, "1.2", NOW) == 0
    assert store.outbox_sent(SLACK, new.key, new.started_at, "1.3", NOW) == 1
    assert store.outbox_doubt(SLACK, new.key, new.started_at, "late") == 0


def test_a_try_nobody_marked_becomes_a_doubt_after_a_while(store: Store) -> None:
    store_alerts(store, 1)
    taken = claim(store)
    settle = timedelta(seconds=15)
    assert store.outbox_doubts(SLACK, NOW + settle - SECOND, settle) == []
    (doubt,) = store.outbox_doubts(SLACK, NOW + settle, settle)
    assert (doubt.key, doubt.started_at, doubt.looks) == (taken.key, taken.started_at, 0)
    store.outbox_looked(SLACK, doubt.key, doubt.started_at, NOW + 2 * settle, "not there", absent=True)
    assert store.outbox_doubts(SLACK, NOW + settle + SECOND, settle) == []
    (doubt,) = store.outbox_doubts(SLACK, NOW + 2 * settle, settle)
    assert doubt.looks == 1
    assert store.outbox_again(SLACK, doubt.key, doubt.started_at, NOW, "not there", marked=True) == 1
    assert claim(store, NOW + 60 * SECOND).marked


def test_a_pause_holds_everything_back(store: Store) -> None:
    store_alerts(store, 2)
    taken = claim(store)
    until = NOW + 30 * SECOND
    store.outbox_again(SLACK, taken.key, taken.started_at, until, "429", counted=False)
    assert store.outbox_pause(SLACK, until) == 1
    assert store.outbox_claim(SLACK, until - SECOND, pause=SECOND, digest_over=5) is None
    assert claim(store, until).attempt == 1


def test_dead_ones_stop_and_can_be_sent_again(store: Store) -> None:
    store_alerts(store, 1)
    taken = claim(store)
    number = taken.alerts[0].id
    with pytest.raises(InputError, match="still being delivered"):
        store.resend_alert(number, SLACK, NOW, "ana")
    store.outbox_dead(SLACK, taken.key, taken.started_at, "the channel is archived")
    assert store.outbox_problem(SLACK, NOW - SECOND) == "the channel is archived"
    assert store.outbox_counts(SLACK) == {"dead": 1}
    store.resend_alert(number, SLACK, NOW, "ana")
    again = claim(store, NOW + SECOND)
    assert again.key == f"{taken.key}#1"
    store.outbox_sent(SLACK, again.key, again.started_at, "1.2", NOW)
    assert store.outbox_problem(SLACK, NOW - SECOND) == ""
    with pytest.raises(InputError, match="no alert 99"):
        store.resend_alert(99, SLACK, NOW, "ana")
    row = store.alert_row(number)
    assert row is not None
    assert row["slack_ts"] == "1.2"


def test_retention_takes_decisions_with_scores_and_keeps_alerts_for_years(store: Store) -> None:
    (one,) = add(store, "One")
    ana, now = Person("local", "Ana"), datetime.now(UTC)
    for days in (0, 61, 1826):
        at = T - days * 24 * HOUR
        store.save_scores(
            at, *score_frames([one], at, hours=1), decided=decided(new_alert(one, f"a{days}"), entity=one)
        )
    for row in store.alert_rows():
        actions.vote(store, row["id"], ana, now - 3 * 24 * HOUR, useful=True, once="old")
        actions.assign(store, row["id"], ana, now, who="Sam", once="new")
    gone = store.prune(T, RETENTION)
    assert [gone[table] for table in ("decision", "alert", "delivery", "assignment", "vote")] == [2, 1, 1, 1, 1]
    assert gone["once"] == 3
