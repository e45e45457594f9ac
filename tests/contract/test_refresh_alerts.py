"""From stored mentions to a stored alert: the whole flow with a story that breaks, on the embedded server."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import polars as pl

from pipelines.model import FetchResult
from pipelines.outbox import SLACK
from pipelines.refresh import Refresh, ScoreReport
from pipelines.refresh_alerts import Desk
from pipelines.settings import load_settings
from pipelines.store import Store
from tests.contract.store_rows import HOUR, T, add, item, result

SETTINGS = load_settings(reddit={"poll_seconds": 60})


class Flat:
    """No mood at all."""

    name = "flat"

    def scores(self, texts: Sequence[str]) -> list[float | None]:
        return [0.0 for _ in texts]


def flow(store: Store, desk: Desk | None = None) -> Refresh:
    return Refresh(store, SETTINGS, Flat(), {"reddit": 60.0, "trends": 600.0}, desk=desk or Desk(SLACK))


def fetched(at: datetime, posts: int, label: str) -> list[FetchResult]:
    name = "Odalys Brightwater"
    rows = [
        item(f"{label}{n}", at=at, title=f"{name} walks off set", published_at=at, engagement=n) for n in range(posts)
    ]
    trend = [
        item(
            "q",
            "trends",
            at,
            title=name.lower(),
            names=[name],
            rank=1 if posts > 5 else 20,
            engagement=5e5 if posts > 5 else 100.0,
        )
    ]
    return [result(rows, at=at, covered_from=at - HOUR), result(trend, "trends", at)]


def week_then_break(store: Store, refresh: Refresh, polls: int = 3) -> list[ScoreReport]:
    """A quiet week, then a burst seen by ``polls`` scoring polls."""
    add(store, "Odalys Brightwater")
    starts = [T - (7 * 24 - hour) * HOUR for hour in range(7 * 24)]
    refresh.ingest([fetch for hour, at in enumerate(starts) for fetch in fetched(at, 1, f"h{hour}-")])
    reports = []
    for n in range(polls):
        at = T + n * timedelta(minutes=5)
        refresh.ingest(fetched(at, 40, f"b{n}-"))
        reports.append(refresh.score(at))
    return reports


def test_a_story_that_breaks_alerts_once_with_its_receipts(embedded_store: Store) -> None:
    refresh = flow(embedded_store)
    reports = week_then_break(embedded_store, refresh)
    assert [len(report.alerts) for report in reports] == [0, 1, 0]
    (row,) = embedded_store.alert_rows()
    assert (row["name"], row["delivery"], row["at"]) == ("Odalys Brightwater", "pending", T + timedelta(minutes=5))
    receipts = row["payload"]["receipts"]
    assert {receipt["source"] for receipt in receipts[:2]} == {"reddit", "trends"}
    assert all(receipt["url"] for receipt in receipts)
    assert row["payload"]["hook"].endswith("no trade story yet.")
    ids = [row["entity_id"]]
    reasons = [found["reason"] for found in embedded_store.decision_rows(ids, T - HOUR, T + HOUR)]
    assert reasons == ["episode", "fired", "persistence"]
    assert refresh.score(T + timedelta(minutes=11)).alerts == ()


def test_a_warm_up_keeps_its_alerts_to_itself(embedded_store: Store) -> None:
    reports = week_then_break(embedded_store, flow(embedded_store, Desk(SLACK, since=T + HOUR)))
    assert len(reports[1].alerts) == 1
    (row,) = embedded_store.alert_rows()
    assert (row["delivery"], row["payload"]["warm_up"]) == (None, True)


def test_an_empty_store_decides_nothing(embedded_store: Store) -> None:
    assert flow(embedded_store).score(T).alerts == ()
    assert isinstance(embedded_store.episodes(), pl.DataFrame)
