"""The calibrated confidence: beside the one as defined wherever it is told, from the 201st outcome on, and nowhere before."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

from heatmap_app.pages import formula
from heatmap_app.pages.words import times
from heatmap_app.web.pack_doc import _facts
from pipelines import read
from pipelines.calibrate import NEEDED, calibrate, judged
from pipelines.read import why
from pipelines.refresh import REFIT
from pipelines.store import Store
from pipelines.view import Calibrated, HeatItem
from tests.contract.store_rows import T, add
from tests.contract.test_refresh_alerts import SETTINGS, flow, week_then_break

POLL = timedelta(minutes=5)


def outcomes(store: Store, count: int) -> None:
    """``count`` earlier alerts of another name: those surer than 0.5 held in their back-check."""
    (entity,) = add(store, "Ferro Vance")
    with store._db.writing() as connection:
        connection.execute(
            text("""INSERT INTO alert (dedup_key, entity_id, at, heat, velocity_z, spread_count, affect, confidence, why,
                    payload, state)
                SELECT 'old-' || n, :entity, CAST(:at AS timestamptz) + n * interval '1 hour', 1, 3, 2, 0,
                    (n % 10) / 10.0 + 0.05, '', '{}', 'open' FROM generate_series(1, :count) AS n"""),
            {"entity": entity, "at": T - timedelta(days=60), "count": count},
        )
        connection.execute(
            text("""INSERT INTO backcheck (alert_id, at, result, polls, held, detail)
                SELECT id, at, CASE WHEN confidence > 0.5 THEN 'held' ELSE 'failed' END, 10, 5, '{}'
                FROM alert WHERE dedup_key LIKE 'old-%' ON CONFLICT DO NOTHING""")
        )


def item_of(store: Store) -> HeatItem:
    view = read.heat_view(store, SETTINGS, now=T + POLL, mode="live", poll_seconds={})
    return next(item for item in view.items if item.entity.name == "Odalys Brightwater")


def test_above_200_outcomes_it_is_told_everywhere_and_decides_nothing(embedded_store: Store) -> None:
    outcomes(embedded_store, NEEDED + 1)
    expected = calibrate(judged(embedded_store.judged_alerts()))
    (alert,) = week_then_break(embedded_store, flow(embedded_store), polls=2)[1].alerts
    item = item_of(embedded_store)
    assert item.calibrated == Calibrated(expected(item.confidence), NEEDED + 1, "isotonic")
    assert item.calibrated.confidence != pytest.approx(item.confidence, abs=0.01)
    assert alert.confidence == item.confidence, "as defined, under its name"
    told = f"calibrated on 201 outcomes; as defined {item.confidence:.2f}"
    first = f"{item.calibrated.confidence:.2f}"
    assert alert.why.endswith(f"| Confidence {first} ({told})")
    parts = {"confidence": item.calibrated.confidence, "outcomes": 201, "method": "isotonic"}
    assert alert.payload["calibrated"] == parts
    panel = str(formula.why(item, SETTINGS, times("UTC")))
    assert f"Confidence {first}, {told}." in panel
    assert f"Confidence <b>{first}</b>" in panel
    found = why(embedded_store, SETTINGS, item.entity.slug, T + POLL)
    assert found is not None
    assert found.trust == f"{first}, {told}"
    assert (found.decisions[0]["confidence"], found.decisions[0]["calibrated"]) == (item.confidence, parts)
    assert (first, "confidence") in list(_facts(item))


def test_up_to_200_outcomes_it_is_as_defined(embedded_store: Store) -> None:
    outcomes(embedded_store, NEEDED)
    refresh = flow(embedded_store)
    (alert,) = week_then_break(embedded_store, refresh, polls=2)[1].alerts
    item = item_of(embedded_store)
    assert (item.calibrated, alert.payload["calibrated"]) == (None, None)
    assert alert.why.endswith(f"| Confidence {item.confidence:.2f}")
    found = why(embedded_store, SETTINGS, item.entity.slug, T + POLL)
    assert found is not None
    assert (found.trust, found.decisions[0]["calibrated"]) == (f"{item.confidence:.2f}", None)
    with embedded_store._db.writing() as connection:
        connection.execute(
            text("""INSERT INTO backcheck (alert_id, at, result, polls, held, detail)
                SELECT max(id), now(), 'held', 10, 10, '{}' FROM alert""")
        )
    refresh.score(T + REFIT - POLL / 5)
    assert item_of(embedded_store).calibrated is None, "the fit of the first poll still stands"
    refresh.score(T + REFIT)
    later = item_of(embedded_store)
    assert later.calibrated is not None
    assert later.calibrated.outcomes == NEEDED + 1
