"""Keeps what a backtest gave, so that pages and people can look at earlier runs: a folder a run, JSON and Parquet.

``result.json`` holds what ``backtest --json`` prints and, beside it, what that has no room for; ``alerts.parquet``,
``decisions.parquet``, ``episodes.parquet``, ``misses.parquet`` and ``near_misses.parquet`` are frames.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from pipelines.backtest.model import BacktestAlert, BacktestResult
from pipelines.errors import InputError
from pipelines.model import UTC_TIME

FOLDER = "backtests"
RESULT = "result.json"
ALERTS = pl.Schema(
    {
        "at": UTC_TIME, "entity": pl.String(), "slug": pl.String(), "domain": pl.String(), "velocity_z": pl.Float64(),
        "spread_count": pl.Int16(), "affect": pl.Float64(), "heat": pl.Float64(), "confidence": pl.Float64(),
        "started_at": UTC_TIME, "sentence": pl.String(), "first_trade_at": UTC_TIME, "lead_hours": pl.Float64(),
        "google_start_at": UTC_TIME, "google_lead_hours": pl.Float64(), "backcheck": pl.String(),
        "duplicate": pl.Boolean(), "platforms": pl.String(), "receipts": pl.String(),
    }
)  # fmt: skip
"""One row per alert; ``platforms`` and ``receipts`` are JSON."""


@dataclass(frozen=True, slots=True)
class Run:
    """One kept run: where it lies, when it was made, by which command, and its JSON."""

    folder: Path
    ran_at: datetime
    command: str
    result: Mapping[str, Any]


def keep(result: BacktestResult, root: Path, *, ran_at: datetime, command: str) -> Path:
    """Write the run to a folder of its own under ``root`` (made where it is missing); the folder, there whole or not at
    all. Raises :class:`InputError` where it cannot be written."""
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(result.recording).stem)[:60] or "recording"
    name = f"{ran_at.astimezone(UTC):%Y%m%dT%H%M%S%f}Z-{stem}"
    folder, partial = root / name, root / f".{name}.part"
    try:
        partial.mkdir(parents=True)
        _write(result, partial, ran_at, command)
        partial.rename(folder)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise InputError(f"{root}: the run cannot be kept here: {error.strerror or error}") from None
    return folder


def runs(root: Path) -> list[Run]:
    """The kept runs, newest first; a folder that cannot be read is left out."""
    found = []
    for path in sorted(root.glob(f"*/{RESULT}"), reverse=True):
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            found.append(Run(path.parent, datetime.fromisoformat(told["ran_at"]), told["command"], told))
        except (OSError, ValueError, KeyError):
            continue
    return found


def _write(result: BacktestResult, folder: Path, ran_at: datetime, command: str) -> None:
    told = json.dumps(record(result, ran_at, command), ensure_ascii=False, indent=1, default=str)
    (folder / RESULT).write_text(told, encoding="utf-8")
    alerts_frame(result).write_parquet(folder / "alerts.parquet")
    for name in ("decisions", "episodes", "misses", "near_misses"):
        getattr(result, name).write_parquet(folder / f"{name}.parquet")


def alerts_frame(result: BacktestResult) -> pl.DataFrame:
    """:data:`ALERTS`, as they came."""
    return pl.DataFrame([_row(alert) for alert in result.alerts], schema=ALERTS)


def record(result: BacktestResult, ran_at: datetime, command: str) -> dict[str, Any]:
    """What ``result.json`` holds: PRODUCT 6's form and more."""
    return {
        **result.as_json(), "ran_at": ran_at.astimezone(UTC).isoformat(), "command": command,
        "days": result.days, "domain": result.domain, "overrides": dict(result.overrides),
        "discovered": result.discovered, "notes": list(result.notes), "google_lead": asdict(result.google_lead),
        "lead_detail": asdict(result.lead), "false_detail": asdict(result.false_rate),
        "episodes": result.episodes.height, "misses": result.misses.to_dicts(),
        "near_misses": result.near_misses.height,
    }  # fmt: skip


def _row(alert: BacktestAlert) -> dict[str, Any]:
    row = {name: getattr(alert, name) for name in ALERTS if name not in {"platforms", "receipts"}}
    dumped = {name: json.dumps(getattr(alert, name), ensure_ascii=False) for name in ("platforms", "receipts")}
    return {**row, **dumped}
