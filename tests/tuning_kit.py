"""A look back that is there already: what ``/tuning`` shows of it, without the minutes it takes to compute."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import polars as pl

from heatmap_app.runtime import Runtime
from heatmap_app.web.tuning import FOLDER, Choice, Waiting, source_of
from pipelines.backtest.keeping import ALERTS
from pipelines.tune_desk import Job, run_folder

CHOICE = {"min_velocity": 3.0, "min_spread": 3}
ADDRESS = "/tuning?min_velocity=3&min_spread=3"
"""The page that compares the gates in use with :data:`CHOICE`."""


def looked_back(runtime: Runtime) -> None:
    """Keep the results of the gates in use and of :data:`CHOICE`: the store's own alerts, as if they had been found by a
    backtest; of the choice the first is missing, one is new and one comes 12 minutes earlier."""
    source = source_of(runtime)
    assert not isinstance(source, Waiting), source
    present = runtime.settings
    job = Job(present.var_path / FOLDER / runtime.mode, source, (present, Choice.model_validate(CHOICE).over(present)))
    rows = [_row(row) for row in runtime.store.alert_rows()]
    new = {**rows[0], "at": rows[0]["at"] - timedelta(days=2), "lead_hours": -3.5, "backcheck": "failed"}
    moved = {**rows[-1], "at": rows[-1]["at"] - timedelta(minutes=12)}
    for settings, alerts in zip(job.settings, (rows, [new, *rows[1:-1], moved]), strict=True):
        folder = run_folder(job, settings)
        folder.mkdir(parents=True)
        pl.DataFrame(alerts, schema=ALERTS).write_parquet(folder / "alerts.parquet")
        told = {
            "from": source.first.isoformat(), "to": source.end.isoformat(), "alerts": len(alerts), "alerts_per_day": 1.4,
            "false": {"hits": 1, "n": 6, "value": 1 / 6, "low": 0.03, "high": 0.56},
            "lead": {"n": 5, "median": 2.4, "share_2h": 0.6}, "misses": 3,
        }  # fmt: skip
        (folder / "told.json").write_text(json.dumps(told), encoding="utf-8")


def _row(alert: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: alert.get(name) for name in ALERTS}
    return {
        **kept, "entity": alert["name"], "slug": alert["slug"], "lead_hours": 2.4, "backcheck": "held", "duplicate": False,
        "platforms": "{}", "receipts": "[]",
    }  # fmt: skip
