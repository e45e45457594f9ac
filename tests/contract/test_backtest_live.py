"""A backtest and the live flow over the same recording: every score, decision, alert and discovered name is the same."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from heatmap_app.upkeep import seed_catalogue
from pipelines.affect import make_sentiment
from pipelines.backtest import prepare
from pipelines.backtest.running import flow_of
from pipelines.drive import step
from pipelines.model import PLATFORMS
from pipelines.refresh import Refresh
from pipelines.settings import load_settings
from pipelines.simulate import DemoWorld
from pipelines.simulate_names import CATALOGUE_FILE
from pipelines.store import Store
from pipelines.store.boards import BoardQuery
from tests.conftest import emptied

EPOCH = datetime(2026, 3, 2, tzinfo=UTC)
END = EPOCH + timedelta(days=3, hours=6)
SETTINGS = load_settings(poll={"score_seconds": 10800}, gates={"min_velocity": 2.2})
CLOSE = 1e-9
NUMBERS = ("velocity_z", "affect", "heat", "confidence")
FLAGS = ("spread_count", "passes", "persistence", "eligible")


@dataclass
class Told:
    """What a run said: scores and decisions by poll and slug, alerts and discovered slugs."""

    scores: dict[tuple[datetime, str], dict[str, Any]] = field(default_factory=dict)
    decisions: dict[tuple[datetime, str], dict[str, Any]] = field(default_factory=dict)
    alerts: list[tuple[datetime, str]] = field(default_factory=list)
    found: set[str] = field(default_factory=set)


def backtested(demo: DemoWorld) -> tuple[Told, list[datetime]]:
    prepared = prepare(demo, SETTINGS, start=EPOCH, end=END, catalogue=CATALOGUE_FILE)
    flow = flow_of(prepared, SETTINGS, keep_scores=True)
    ticks = prepared.ticks["at"].to_list()
    for tick in range(len(ticks)):
        flow.step(tick)
    cast = flow.discovery.cast
    told = Told()
    for row in flow.kept.scores:
        told.scores[row["at"], cast[row["entity"]].slug] = row
    for row in flow.kept.decisions:
        told.decisions[row["at"], cast[row["entity"]].slug] = row
    told.alerts = [(one.at, one.entity.slug) for one in flow.kept.fired]
    told.found = {entity.slug for entity in cast.values() if entity.since is not None}
    return told, ticks


def lived(store: Store, demo: DemoWorld, ticks: list[datetime]) -> Told:
    seed_catalogue(store, CATALOGUE_FILE, "demo")
    sources = demo.all_sources()
    intervals = {name: float(getattr(SETTINGS, name).poll_seconds) for name in PLATFORMS}
    refresh = Refresh(store, SETTINGS, make_sentiment(SETTINGS.affect), intervals)
    told = Told()
    for at in ticks:
        report = asyncio.run(step(refresh, sources, at)).report
        for row in store.board_rows(report.poll_id, BoardQuery(limit=100_000)):
            told.scores[at, row["slug"]] = row
    entities = store.entities()
    slugs = dict(entities.select("id", "slug").iter_rows())
    for row in store.decision_rows(list(slugs), EPOCH - timedelta(days=1), END):
        told.decisions[row["at"], slugs[row["entity_id"]]] = row
    told.alerts = [(row["at"], row["slug"]) for row in reversed(store.alert_rows(limit=1000))]
    told.found = {row["slug"] for row in entities.iter_rows(named=True) if row["origin"] == "discovered"}
    return told


@pytest.fixture(scope="module")
def both(embedded_url: str) -> Iterator[tuple[Told, Told]]:
    demo = DemoWorld(11, EPOCH)
    ours, ticks = backtested(demo)
    with emptied(embedded_url, "demo") as store:
        yield ours, lived(store, demo, ticks)


def test_the_same_names_are_discovered(both: tuple[Told, Told]) -> None:
    ours, live = both
    assert live.found
    assert ours.found == live.found


def test_every_score_is_the_same(both: tuple[Told, Told]) -> None:
    ours, live = both
    assert len(ours.scores) > 500
    for key, row in ours.scores.items():
        theirs = live.scores[key]
        assert [row[name] for name in NUMBERS] == pytest.approx([theirs[name] for name in NUMBERS], abs=CLOSE), key
        assert [row[name] for name in FLAGS] == [theirs[name] for name in FLAGS], key
    left_out = [row for key, row in live.scores.items() if key not in ours.scores]
    assert all(row["spread_count"] == 0 for row in left_out)  # a backtest looks only at names of the last 12 h


def test_every_decision_is_the_same(both: tuple[Told, Told]) -> None:
    ours, live = both
    assert {row["reason"] for row in live.decisions.values()} >= {"fired", "episode", "persistence"}
    assert set(ours.decisions) == set(live.decisions)
    for key, row in ours.decisions.items():
        theirs = live.decisions[key]
        said = ("outcome", "reason", "sentence", "spread_count", "trades_at", "started_at")
        assert [row[name] for name in said] == [theirs[name] for name in said], key
        assert [row[name] for name in NUMBERS] == pytest.approx([theirs[name] for name in NUMBERS], abs=CLOSE), key


def test_the_same_alerts_fire(both: tuple[Told, Told]) -> None:
    ours, live = both
    assert live.alerts
    assert ours.alerts == live.alerts
