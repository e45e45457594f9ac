"""Alerts, polls, trade items and votes in the database; out come leads, back-checks and daily rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from heatmap_app import cli_kpis
from heatmap_app.cli import app
from pipelines.alert.actions import Person, mark_source_fault, vote
from pipelines.outbox import DECISIONS, EPISODES, Decided, NewAlert
from pipelines.read import kpis as read_kpis
from pipelines.refresh_kpis import KpiReport, refresh_kpis
from pipelines.settings import load_settings
from pipelines.store import ScoreMeta, Store
from pipelines.store.scores import KEEP_RANKS, KEEP_WHOLE
from tests.contract.store_rows import HOUR, T, add, item, mentions, result, save, score_frames

RULES = load_settings(mode="demo").kpis
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
ANA, SAM = Person("slack:U1", "Ana"), Person("slack:U2", "Sam")


def named(entity: int) -> dict[str, object]:
    return {"name": f"N{entity}", "slug": f"n{entity}"}


def decided(*entities: int, at: datetime = T, **payload: object) -> Decided:
    fired = tuple(
        NewAlert(f"demo|{entity}|{at}", entity, 1.9, 3.7, 3, 0.4, 0.8, "why", {**named(entity), **payload})
        for entity in entities
    )
    return Decided(pl.DataFrame(schema=DECISIONS), pl.DataFrame(schema=EPISODES), fired)


def poll(
    store: Store, at: datetime, entities: Sequence[int], speed: float = 3.0, fire: Sequence[int] = (), *, counted: bool = True
) -> None:  # fmt: skip
    """One scoring poll in which these entities have that speed, and some alert."""
    frames = score_frames(entities, at, velocity=[speed] * len(entities), hours=1)
    store.save_scores(at, *frames, ScoreMeta(counted=counted), decided(*fire, at=at))


def two_hours(store: Store, entity: int, speeds: Sequence[float], at: datetime = T) -> None:
    """An alert at ``at`` and one poll every 20 minutes after it."""
    poll(store, at, [entity], fire=[entity])
    for n, speed in enumerate(speeds, start=1):
        poll(store, at + n * 20 * MINUTE, [entity], speed)


def trade(store: Store, entity: int, name: str, at: datetime, seen: datetime | None = None, **values: Any) -> None:
    row = item(name, "trades", seen or at, **{"published_at": at, **values})
    save(store, [result([row], "trades", seen or at)], mentions(("trades", name, entity)))


def one(store: Store, now: datetime, alert: int = 1) -> dict[str, Any]:
    facts = read_kpis.kpi_facts(store, RULES, T - 2 * DAY, now)
    (row,) = facts.filter(pl.col("alert") == alert).to_dicts()
    return row


def rows(store: Store, statement: str) -> list[tuple[Any, ...]]:
    with store._db.reading() as connection:
        return [tuple(row) for row in connection.execute(text(statement))]


def test_an_alert_that_held(store: Store) -> None:
    (name,) = add(store, "One")
    two_hours(store, name, [3.0, 2.0, 1.0, 0.9, 0.9, 0.9])
    assert refresh_kpis(store, RULES, T + 2 * HOUR) == KpiReport(1, 3)
    assert rows(store, "SELECT alert_id, result, polls, held FROM backcheck") == [(1, "held", 6, 3)]
    assert one(store, T + 2 * HOUR)["verdict"] == "held"


def test_a_check_waits_for_the_last_poll_of_its_two_hours(embedded_store: Store) -> None:
    store = embedded_store
    (name,) = add(store, "One")
    two_hours(store, name, [3.0] * 5)
    assert refresh_kpis(store, RULES, T + 2 * HOUR).checked == 0
    assert one(store, T + 2 * HOUR)["verdict"] == "open"
    poll(store, T + 2 * HOUR, [name])
    assert refresh_kpis(store, RULES, T + 2 * HOUR + MINUTE).checked == 1
    assert rows(store, "SELECT polls, held FROM backcheck") == [(6, 6)]


def test_a_check_does_not_wait_for_ever(embedded_store: Store) -> None:
    store = embedded_store
    (name,) = add(store, "One")
    two_hours(store, name, [3.0] * 2)
    assert refresh_kpis(store, RULES, T + 9 * HOUR).checked == 1
    assert rows(store, "SELECT result, polls, held FROM backcheck") == [("held", 2, 2)]


def test_a_server_that_was_off_knows_nothing(embedded_store: Store) -> None:
    store = embedded_store
    (name,) = add(store, "One")
    poll(store, T, [name], fire=[name])
    poll(store, T + 30 * HOUR, [name])
    refresh_kpis(store, RULES, T + 30 * HOUR)
    row = one(store, T + 30 * HOUR)
    assert (row["verdict"], row["polls"]) == ("unknown", 0)
    view = read_kpis.kpis(store, RULES, T + 30 * HOUR)
    assert (view.false_positive_rate.n, view.false_positive_rate.unknown) == (0, 1)
    assert "no scoring poll" in rows(store, "SELECT detail FROM backcheck")[0][0]


def test_polls_without_new_data_are_no_polls(embedded_store: Store) -> None:
    store = embedded_store
    (name,) = add(store, "One")
    two_hours(store, name, [3.0, 0.2, 0.2])
    for n in range(10):
        poll(store, T + 21 * MINUTE + n * MINUTE, [name], counted=False)
    refresh_kpis(store, RULES, T + 3 * HOUR)
    assert rows(store, "SELECT result, polls, held FROM backcheck") == [("failed", 3, 1)]


def test_a_name_that_dropped_out_did_not_hold(embedded_store: Store) -> None:
    """Polls thin out: a name far down and slow loses its row, and must still count as a poll in which it did not hold."""
    store = embedded_store
    ids = add(store, *(f"Name {n}" for n in range(KEEP_RANKS + 5)))
    last = ids[-1]
    poll(store, T, ids, fire=[last])
    for n in range(1, 7):
        speeds = [3.0] * (len(ids) - 1) + [3.0 if n <= 2 else 0.5]
        at = T + n * 20 * MINUTE
        store.save_scores(at, *score_frames(ids, at, velocity=speeds, hours=1))
    for n in range(KEEP_WHOLE):
        poll(store, T + (150 + n) * MINUTE, ids[:3])
    kept = rows(store, f"SELECT count(*) FROM score WHERE entity_id = {last}")  # noqa: S608  # our own number
    assert kept == [(3,)]
    refresh_kpis(store, RULES, T + 3 * HOUR)
    assert rows(store, "SELECT result, polls, held FROM backcheck") == [("failed", 6, 2)]


def test_catching_up_after_downtime_and_twice_is_once(store: Store) -> None:
    names = add(store, "One", "Two", "Three")
    for n, name in enumerate(names):
        two_hours(store, name, [3.0 if n else 0.1] * 6, T + n * DAY)
    assert refresh_kpis(store, RULES, T + 10 * DAY) == KpiReport(3, 9)
    before = rows(store, "SELECT * FROM kpi_day ORDER BY day, kpi")
    assert refresh_kpis(store, RULES, T + 11 * DAY) == KpiReport(0, 0)
    assert rows(store, "SELECT * FROM kpi_day ORDER BY day, kpi") == before
    assert rows(store, "SELECT result FROM backcheck ORDER BY alert_id") == [("failed",), ("held",), ("held",)]


def test_a_lead_is_measured_from_the_publishers_own_time(embedded_store: Store) -> None:
    store = embedded_store
    (name,) = add(store, "One")
    poll(store, T, [name], fire=[name])
    trade(store, name, "late", T + 3 * HOUR, seen=T + 20 * HOUR)
    trade(store, name, "no-time", T + HOUR, published_at=None)
    row = one(store, T + 30 * HOUR)
    assert (row["outcome"], row["lead_hours"]) == ("ahead", 3.0)


def test_a_lead_follows_merges(store: Store) -> None:
    keep, gone = add(store, "One", "Two")
    poll(store, T, [gone], fire=[gone])
    trade(store, keep, "story", T - HOUR)
    assert one(store, T + HOUR)["outcome"] == "open"
    store.merge(keep, gone, "editor")
    row = one(store, T + HOUR)
    assert (row["outcome"], row["lead_hours"], row["name"], row["entity"]) == ("trades_first", -1.0, "One", keep)
    assert read_kpis.alert_leads(store, RULES, [1, 99], T + HOUR)[1].words == "trades first by 1.0 h"
    two_hours(store, keep, [], T + 5 * HOUR)
    assert one(store, T + 6 * HOUR, 2)["verdict"] == "duplicate"


def test_scores_of_a_name_merged_later_count(embedded_store: Store) -> None:
    store = embedded_store
    keep, gone = add(store, "One", "Two")
    two_hours(store, gone, [3.0] * 6)
    store.merge(keep, gone, "editor")
    refresh_kpis(store, RULES, T + 3 * HOUR)
    assert rows(store, "SELECT result, held FROM backcheck") == [("held", 6)]


def test_settled_leads_outlive_their_items_and_alerts(store: Store) -> None:
    (name,) = add(store, "One")
    two_hours(store, name, [3.0] * 6)
    trade(store, name, "story", T + 4 * HOUR)
    refresh_kpis(store, RULES, T + 4 * DAY)
    whole = read_kpis.kpis(store, RULES, T + 40 * DAY, 90)
    with store._db.writing() as connection:
        connection.execute(text("DELETE FROM mention"))
    assert read_kpis.kpis(store, RULES, T + 40 * DAY, 90).by_day == whole.by_day
    vote(store, 1, ANA, T + 40 * DAY, useful=True)
    refresh_kpis(store, RULES, T + 40 * DAY)
    voted = read_kpis.kpis(store, RULES, T + 40 * DAY, 90)
    assert (voted.lead.median, voted.usefulness.n) == (4.0, 1)
    with store._db.writing() as connection:
        connection.execute(text("DELETE FROM alert"))
    refresh_kpis(store, RULES, T + 60 * DAY)
    assert read_kpis.kpis(store, RULES, T + 60 * DAY, 90).by_day == voted.by_day


def test_the_latest_vote_of_each_person_counts_and_moves_its_day(store: Store) -> None:
    (name,) = add(store, "One")
    two_hours(store, name, [3.0] * 6)
    now = T + 20 * DAY
    refresh_kpis(store, RULES, now)
    for person, useful in ((ANA, False), (SAM, True), (ANA, True)):
        vote(store, 1, person, now, useful=useful)
    assert read_kpis.kpis(store, RULES, now).usefulness.model_dump(include={"n", "useful"}) == {"n": 2, "useful": 2}
    assert refresh_kpis(store, RULES, now) == KpiReport(0, 1)
    day = rows(store, "SELECT day, n, value FROM kpi_day WHERE kpi = 'useful'")
    assert day == [(T.date(), 2, 1.0)]


def test_a_source_fault_is_false_at_once(embedded_store: Store) -> None:
    store = embedded_store
    (name,) = add(store, "One")
    poll(store, T, [name], fire=[name])
    mark_source_fault(store, 1, ANA, T + HOUR, fault=True, once="one")
    found = read_kpis.kpis(store, RULES, T + HOUR).false_positive_rate
    assert (found.n, found.false, found.source_faults) == (1, 1, 1)
    mark_source_fault(store, 1, ANA, T + HOUR, fault=False, once="two")
    assert read_kpis.kpis(store, RULES, T + HOUR).false_positive_rate.n == 0


def test_a_duplicate_of_an_alert_before_the_span_is_one(embedded_store: Store) -> None:
    store = embedded_store
    (name,) = add(store, "One")
    two_hours(store, name, [], T - 20 * HOUR)
    two_hours(store, name, [], T)
    view = read_kpis.kpis(store, RULES, T + HOUR, 1)
    assert [(row.id, row.check, row.duplicate_of) for day in view.by_day for row in day.alerts] == [(2, "duplicate", 1)]


def test_alerts_of_a_warm_up_are_no_cases(embedded_store: Store) -> None:
    (name,) = add(embedded_store, "One")
    frames = score_frames([name], T, hours=1)
    embedded_store.save_scores(T, *frames, decided=decided(name, warm_up=True))
    assert refresh_kpis(embedded_store, RULES, T + 5 * HOUR) == KpiReport(0, 0)
    assert read_kpis.kpis(embedded_store, RULES, T + 5 * HOUR).alerts == 0


def test_an_empty_store_has_no_figures(store: Store) -> None:
    assert refresh_kpis(store, RULES, T) == KpiReport(0, 0)
    view = read_kpis.kpis(store, RULES, T)
    assert (view.alerts, view.lead.median, view.by_day, view.false_positive_rate.value) == (0, None, (), None)
    assert view.since == datetime(2025, 7, 3, tzinfo=T.tzinfo)


@pytest.fixture
def told(embedded_store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store with one story of every kind, that the command line opens."""
    one, two = add(embedded_store, "One", "<b>Two</b> & Söhne")
    two_hours(embedded_store, one, [3.0] * 6)
    two_hours(embedded_store, two, [0.1] * 6, T + 10 * MINUTE)
    trade(embedded_store, one, "story", T + 2 * HOUR)
    refresh_kpis(embedded_store, RULES, T + 3 * HOUR)
    vote(embedded_store, 1, ANA, T, useful=True)

    class Opened:
        def __enter__(self) -> Store:
            return embedded_store

        def __exit__(self, *_: object) -> None:
            return None

    monkeypatch.setattr(cli_kpis, "opened_store", lambda _settings: Opened())
    return embedded_store


def test_the_command_prints_what_the_view_says(told: Store) -> None:
    now = told.latest()
    assert now is not None
    printed = CliRunner().invoke(app, ["kpis", "--days", "7", "--json"])
    assert printed.exit_code == 0, printed.output
    view = read_kpis.kpis(told, RULES, now.at, 7)
    assert json.loads(printed.stdout) == json.loads(view.model_dump_json())
    table = CliRunner().invoke(app, ["kpis", "--days", "7"]).stdout
    assert "Not enough votes: 1 of 30" in table
    assert "2.0 h" in table
    assert CliRunner().invoke(app, ["kpis", "--days", "0"]).exit_code == 2
