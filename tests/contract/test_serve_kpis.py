"""A server over a told week: page, API and command show the same KPIs, a vote moves them, and the job keeps them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from heatmap_app.events import Events
from heatmap_app.kpi_job import kpi_job
from heatmap_app.runtime import Runtime
from pipelines.alert.actions import vote
from pipelines.clock import ManualClock
from pipelines.refresh_kpis import refresh_kpis
from pipelines.settings import load_settings
from pipelines.store import Store
from tests.contract.store_rows import HOUR, T, add
from tests.contract.test_kpis import ANA, DAY, RULES, poll, trade, two_hours
from tests.postgres import open_folder
from tests.processes import Running, heatmap, serving

HOSTILE = "<script>alert(1)</script> & Söhne"


def tell_a_week(store: Store, now: datetime) -> None:
    """Seven alerts, one a day: some ahead of the trades, some after them, one without; the last one is open."""
    names = add(store, HOSTILE, *(f"Odalys Brightwater {n}" for n in range(6)))
    for n, name in enumerate(names):
        at = now - (6 - n) * DAY - 3 * HOUR
        two_hours(store, name, [3.0 if n % 3 else 0.2] * 6, at)
        if n % 4 != 3:
            trade(store, name, f"story {n}", at + (n - 1.4) * HOUR, seen=now)
    poll(store, now, names[:2])
    refresh_kpis(store, RULES, now)
    vote(store, 1, ANA, now, useful=True)
    vote(store, 2, ANA, now, useful=False)


@dataclass
class Told:
    server: Running
    store: Store
    settings: dict[str, str]


@pytest.fixture
def told(embedded_url: str, embedded_store: Store) -> Iterator[Told]:
    """A demo server that shows pages only, over a week that ends now."""
    tell_a_week(embedded_store, datetime.now(UTC))
    settings = {"MODE": "demo", "DATABASE_URL": embedded_url}
    with open_folder() as var, serving("serve", "--no-schedule", var=var, settings=settings) as server:
        yield Told(server, embedded_store, settings)


def figures(view: dict[str, Any]) -> dict[str, Any]:
    """The view without what moves with the clock."""
    kept = {key: value for key, value in view.items() if key not in ("as_of", "by_day", "since")}
    return {**kept, "lead": {**kept["lead"], "trades_watched": None}}


@pytest.mark.slow
def test_page_api_and_command_agree_a_vote_moves_them_and_empty_says_so(told: Told) -> None:
    view = told.server.get("/api/v1/kpis?days=7").json
    assert view["alerts"] == 6 or view["alerts"] == 7  # the first lies on the day before where the day is young
    assert view["usefulness"]["words"].startswith("Not enough votes: ")
    with open_folder() as var:
        printed = heatmap("kpis", "--days", "7", "--json", var=var, settings=told.settings)
    assert printed.returncode == 0, printed.stderr
    assert figures(json.loads(printed.stdout)) == figures(view)
    page = told.server.get("/kpis?days=7").text
    assert view["usefulness"]["words"] in page
    assert view["lead"]["words"] in page
    assert "<script>alert" not in page
    rows = [alert["id"] for day in view["by_day"] for alert in day["alerts"]]
    assert sorted(map(int, re.findall(r'href="/alerts/(\d+)"', page)), reverse=True) == rows
    before = view["usefulness"]["n"]
    vote(told.store, 7, ANA, datetime.now(UTC), useful=True)
    moved = told.server.get("/api/v1/kpis?days=7").json["usefulness"]
    assert (moved["n"], moved["useful"]) == (before + 1, view["usefulness"]["useful"] + 1)
    assert moved["words"] in told.server.get("/kpis?days=7").text
    assert told.server.get("/api/v1/kpis?days=0").status == 422
    assert "KpiView" in told.server.get("/openapi.json").text
    told.store.reset()
    page = told.server.get("/kpis").text
    assert "No alert in the last 30 days" in page
    assert "<svg" not in page
    assert told.server.get("/api/v1/kpis").json["lead"]["verdict"] == "none"


async def test_the_job_checks_by_the_worlds_clock_and_tells_the_pages(embedded_store: Store) -> None:
    (name,) = add(embedded_store, "One")
    two_hours(embedded_store, name, [3.0] * 6)
    clock, events = ManualClock(T + HOUR), Events()
    world = SimpleNamespace(clock=clock, ticks=iter(()))
    runtime = SimpleNamespace(
        store=embedded_store, settings=load_settings(mode="demo"), world=world, events=events, mode="demo"
    )
    job = kpi_job(cast("Runtime", runtime))
    heard = events.subscribe()
    await job.run_once()
    assert job.last_detail == "0 alerts checked, 3 daily rows changed"
    clock.set(T + 2 * HOUR + timedelta(seconds=1))
    await job.run_once()
    await job.run_once()
    assert job.last_detail == "0 alerts checked, 0 daily rows changed"
    assert (job.ok, job.last_error, heard.qsize()) == (3, "", 2)
    assert heard.get_nowait()[0] == "kpi"
