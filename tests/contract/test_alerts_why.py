"""``heatmap alerts``: why a name did or did not alert, in sentences with their numbers; list, show, resend."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from heatmap_app.cli import app
from pipelines import read
from pipelines.errors import InputError
from pipelines.outbox import DECISIONS, EPISODES, Decided
from pipelines.settings import load_settings
from pipelines.store import Store
from tests.contract.store_rows import HOUR, T, add, score_frames
from tests.contract.test_store_alerts import new_alert

SETTINGS = load_settings()
MINUTE = timedelta(minutes=1)


def held(store: Store, entity: int, minute: int, reason: str, sentence: str, *alerts: float) -> None:
    row = {"entity": entity, "outcome": "held_back", "reason": reason, "sentence": sentence, "velocity_z": 3.0}
    frame = pl.DataFrame([{name: row.get(name) for name in DECISIONS}], schema=DECISIONS)
    payload = {
        "name": "One",
        "hook": "One has climbed.",
        "receipts": [{"source": "reddit", "title": "A title", "url": None}],
    }
    made = tuple(new_alert(entity, f"key {heat}", heat=heat, payload=payload) for heat in alerts)
    at = T + minute * MINUTE
    store.save_scores(at, *score_frames([entity], at, velocity=[2.4999]),
                      decided=Decided(frame, pl.DataFrame(schema=EPISODES), made, "slack"))  # fmt: skip


def test_the_latest_decision_is_the_answer(embedded_store: Store) -> None:
    (one,) = add(embedded_store, "One")
    held(embedded_store, one, 0, "spread", "Held back at 12:00: seen on 1 platform (needs 2).")
    held(embedded_store, one, 1, "spread", "Held back at 12:01: seen on 1 platform (needs 2).")
    held(embedded_store, one, 2, "trades", "Held back at 12:02: the trades had it 26 h ago.")
    found = read.why(embedded_store, SETTINGS, "one", T + HOUR)
    assert found is not None
    assert found.summary == "Held back at 12:02: the trades had it 26 h ago."
    assert [(row["reason"], row["polls"], row["since"]) for row in found.decisions] == [
        ("trades", 1, T + 2 * MINUTE), ("spread", 2, T),
    ]  # fmt: skip
    view = read.entity_view(embedded_store, SETTINGS, "one", T + HOUR)
    assert view is not None
    assert view.decisions == found.decisions


def test_a_name_that_was_never_close_is_told_by_its_scores(embedded_store: Store) -> None:
    one, two = add(embedded_store, "One", "Two")
    embedded_store.save_scores(T, *score_frames([one], velocity=[2.4999]))
    near = read.why(embedded_store, SETTINGS, "one", T + HOUR)
    silent = read.why(embedded_store, SETTINGS, "two", T + HOUR)
    embedded_store.mute(two, "ana")
    muted = read.why(embedded_store, SETTINGS, "two", T + HOUR)
    assert near is not None
    assert silent is not None
    assert muted is not None
    assert near.summary == (
        "No alert: its highest velocity in the last 24 h was +2.49σ at 12:00 on 2 platforms (needs +2.5σ on 2)."
    )
    assert silent.summary == "No alert: nobody mentioned it enough to score in the last 24 h."
    assert muted.summary == "No alert: muted by the desk; muted names are not scored."
    assert read.why(embedded_store, SETTINGS, "nobody", T) is None


@pytest.fixture
def command(embedded_store: Store, embedded_url: str, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.setenv("HEATMAP_DATABASE_URL", embedded_url)
    monkeypatch.setenv("HEATMAP_MODE", "demo")
    (one,) = add(embedded_store, "One")
    held(
        embedded_store,
        one,
        0,
        "fired",
        "Alerted at 12:00: velocity +3.0σ, seen on 2 platforms; no trade story yet.",
        1.9,
    )
    return CliRunner()


def test_the_commands_answer(command: CliRunner) -> None:
    listed = command.invoke(app, ["alerts", "list"])
    assert listed.exit_code == 0
    assert "One" in listed.stdout
    assert "pending" in listed.stdout
    shown = command.invoke(app, ["alerts", "show", "1"])
    assert "One has climbed.\n  reddit: A title" in shown.stdout
    asked = command.invoke(app, ["alerts", "why", "One"])
    assert asked.stdout.startswith("One: Alerted at 12:00: velocity +3.0σ")
    (found,) = json.loads(command.invoke(app, ["alerts", "why", "one", "--json"]).stdout)["alerts"]
    assert found["heat"] == 1.9
    assert json.loads(command.invoke(app, ["alerts", "list", "--json"]).stdout)[0]["slug"] == "one"


def test_a_fault_is_marked_and_the_mark_taken_back(command: CliRunner, embedded_store: Store) -> None:
    def states() -> tuple[str, str]:
        listed: list[dict[str, Any]] = json.loads(command.invoke(app, ["alerts", "list", "--json"]).stdout)
        actors = {entry["actor"].partition(":")[0] for entry in embedded_store.alert_log(1)}
        return listed[0]["state"], ",".join(actors)

    marked = command.invoke(app, ["alerts", "fault", "1"])
    assert (marked.exit_code, states()) == (0, ("source_fault", "cli"))
    assert "Marked as a source fault by" in marked.output
    assert "It counts as a false alert." in marked.output
    back = command.invoke(app, ["alerts", "fault", "1", "--undo"])
    assert (back.exit_code, states()[0]) == (0, "open")
    assert "Source fault mark taken back by" in back.output


@pytest.mark.parametrize("words", [["show", "77"], ["why", "nobody"], ["resend", "1"], ["fault", "77"]])
def test_what_cannot_be_is_said_in_a_line(command: CliRunner, words: list[str]) -> None:
    failed = command.invoke(app, ["alerts", *words])
    assert failed.exit_code == 1
    assert isinstance(failed.exception, InputError)
