"""What every process looks at: the pages hear of trouble, of each poll that waits, of its end, and of clocks apart."""

from __future__ import annotations

from datetime import timedelta

import pytest

from heatmap_app.database_state import state_of
from heatmap_app.events import Events
from heatmap_app.follow import Follow
from heatmap_app.pages.health_strip import banner
from heatmap_app.pages.words import Times
from heatmap_app.web.strip import clock_light
from pipelines.refresh import Refresh
from pipelines.store import Store, facts
from pipelines.store.lease import Role
from pipelines.view import HeatView
from tests.contract.store_rows import T
from tests.contract.test_faults_database import behind, healed, line, round_of  # noqa: F401 - fixtures
from tests.contract.test_refresh_alerts import flow
from tests.fault_proxy import FaultProxy


class Pages:
    """Open pages that count how often they are told to draw anew."""

    def __init__(self) -> None:
        self.told = 0

    def publish(self) -> None:
        self.told += 1


def following(refresh: Refresh, pages: Pages) -> Follow:
    return Follow(refresh, pages, Events(), lambda: Role.LEADER, lambda _at: None)  # type: ignore[arg-type]  # one method


@pytest.mark.server_pg
async def test_the_banner_counts_each_poll_that_waits(line: FaultProxy, behind: Store) -> None:  # noqa: F811 - fixtures
    refresh, pages = flow(behind), Pages()
    follow = following(refresh, pages)
    await follow.run()
    assert pages.told == 0
    line.fault = "cut"
    refresh.ingest(round_of(0))
    seen = []
    for new in (False, False, True):
        if new:
            refresh.ingest(round_of(1))
        await follow.run()
        seen.append((pages.told, state_of(behind, refresh, Role.LEADER).buffered))
    assert seen == [(1, 2), (1, 2), (2, 4)], "at each change, and only then"
    line.fault = "none"
    healed(refresh)
    await follow.run()
    assert (pages.told, refresh.backlog.polls) == (3, 0)


async def test_t3_clocks_that_drift_apart_are_told_while_running(
    embedded_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    refresh, pages = flow(embedded_store), Pages()
    follow = following(refresh, pages)
    await follow.run()
    assert abs(follow.skew_s) < 60
    assert clock_light(follow.skew_s) == []

    class Late(facts.datetime):  # type: ignore[misc,name-defined]  # this machine's clock, 10 minutes slow
        @classmethod
        def now(cls, tz: object = None) -> object:
            return super().now(tz) - timedelta(minutes=10)

    monkeypatch.setattr(facts, "datetime", Late)
    await follow.run()
    await follow.run()
    assert follow.skew_s == pytest.approx(600, abs=60)
    assert pages.told == 1, "once, not at every look"
    (light,) = clock_light(follow.skew_s)
    assert (light.name, light.words, light.state) == ("Clocks", "10 min apart", "delayed")
    state = state_of(embedded_store, refresh, Role.LEADER, follow.skew_s)
    assert state.ok, "nothing is lost by it"
    shown = str(banner(HeatView(None, "live", False, ()), None, Times(), T, state))
    assert "10 min ahead of this machine" in shown
