"""What other gates would have given on a desk's own recordings: prepared once a day of data, each choice run once, kept.

:func:`work` is the slow half, for a process of its own; :func:`kept` and :func:`compare` read what it left.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from pipelines.backtest import Prepared, Progress, evaluate, prepare
from pipelines.backtest.keeping import alerts_frame
from pipelines.backtest.prepared import basis_of
from pipelines.backtest.preparing import Polls
from pipelines.errors import InputError
from pipelines.replay import Recording
from pipelines.settings import CONFIG_DIR, Settings
from pipelines.simulate import DemoWorld
from pipelines.tune import bare

DAYS = 30
"""How far back the page looks."""

NEAR = timedelta(hours=1)
"""A vote belongs to the alert of the same name nearest to it in time, up to this far."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where the polls come from: a folder of recordings, or the demo's world (``seed`` and ``epoch``). ``end``: the latest
    poll that is looked at (UTC); ``first``: the earliest there is."""

    first: datetime
    end: datetime
    folder: Path | None = None
    seed: int = 0

    def polls(self) -> Polls:
        """What a backtest reads. Raises :class:`InputError`."""
        return DemoWorld(self.seed, self.first) if self.folder is None else Recording(self.folder)

    @property
    def catalogue(self) -> Path:
        """The known names of that world."""
        return CONFIG_DIR / ("demo_catalogue.csv" if self.folder is None else "catalogue.csv")


@dataclass(frozen=True, slots=True)
class Job:
    """One piece of work: run these ``settings`` over ``source``, and keep what came of it under ``root``."""

    root: Path
    source: Source
    settings: tuple[Settings, ...]


@dataclass(frozen=True, slots=True)
class Kept:
    """One choice's result: ``alerts`` is :data:`pipelines.backtest.keeping.ALERTS`, ``told`` its figures."""

    alerts: pl.DataFrame
    told: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Compared:
    """Alerts of two choices: ``added`` and ``gone`` as rows, ``kept`` as pairs (present, wanted), oldest first."""

    added: tuple[Mapping[str, Any], ...]
    gone: tuple[Mapping[str, Any], ...]
    kept: tuple[tuple[Mapping[str, Any], Mapping[str, Any]], ...]


def needs(settings: Settings) -> timedelta:
    """How much must be recorded before any answer: the window, and the baseline windows below which all is warming up."""
    return timedelta(hours=settings.velocity.window_hours * (1 + settings.velocity.min_windows))


def counted_from(source: Source, settings: Settings) -> datetime:
    """From when on alerts count: :data:`DAYS` before the end, and not while there was no baseline."""
    return max(source.end - timedelta(days=DAYS), source.first + needs(settings))


def prepared_folder(job: Job) -> Path:
    """Where the prepared recording of this day of data lies."""
    return job.root / f"{job.source.end:%Y-%m-%d}-{_basis(job)}"


def _basis(job: Job) -> str:
    return _hash([basis_of(job.settings[0]), str(job.source.folder), job.source.seed])


def run_folder(job: Job, settings: Settings) -> Path:
    """Where the result of ``settings`` lies."""
    return prepared_folder(job) / _run_name(settings)


def _run_name(settings: Settings) -> str:
    return f"run-{_hash(bare(settings).model_dump(mode='json'))}"


def kept(job: Job) -> list[Kept] | None:
    """The results of all the job's settings; None where one is missing."""
    return _kept(prepared_folder(job), job.settings)


def last_kept(job: Job) -> list[Kept] | None:
    """The same of the latest day of data that has them; None where none has."""
    days = sorted(job.root.glob(f"????-??-??-{_basis(job)}"), reverse=True)
    return next((found for day in days if (found := _kept(day, job.settings)) is not None), None)


def _kept(day: Path, choices: Sequence[Settings]) -> list[Kept] | None:
    found = []
    for settings in choices:
        folder = day / _run_name(settings)
        try:
            told = json.loads((folder / "told.json").read_text(encoding="utf-8"))
            found.append(Kept(pl.read_parquet(folder / "alerts.parquet"), told))
        except (OSError, ValueError, pl.exceptions.PolarsError):
            return None
    return found


def work(job: Job, told: Progress) -> None:
    """Prepare what is not prepared and run what was not run. Raises :class:`InputError`."""
    folder = prepared_folder(job)
    folder.mkdir(parents=True, exist_ok=True)
    missing = [settings for settings in job.settings if not (run_folder(job, settings) / "told.json").exists()]
    if not missing:
        return
    prepared = _prepared(job, folder, lambda part, what: told(0.4 * part, what))
    for place, settings in enumerate(missing):
        _run(job, prepared, settings, _within(told, 0.4 + 0.6 * place / len(missing), 0.6 / len(missing)))


def _within(told: Progress, first: float, share: float) -> Progress:
    return lambda part, what: told(first + share * part, what)


def _run(job: Job, prepared: Prepared, settings: Settings, told: Progress) -> None:
    result = evaluate(prepared, settings, progress=told)
    figures = {
        "from": result.start.isoformat(), "to": result.end.isoformat(), "alerts": len(result.alerts),
        "alerts_per_day": result.alerts_per_day, "false": asdict(result.false_rate), "lead": asdict(result.lead),
        "misses": result.misses.height,
    }  # fmt: skip
    target = run_folder(job, settings)
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    partial.mkdir(parents=True)
    alerts_frame(result).write_parquet(partial / "alerts.parquet")
    (partial / "told.json").write_text(json.dumps(figures), encoding="utf-8")
    shutil.rmtree(target, ignore_errors=True)
    partial.rename(target)


def _prepared(job: Job, folder: Path, told: Progress) -> Prepared:
    if (folder / "prepared.json").exists():
        return Prepared.load(folder)
    source = job.source
    start = counted_from(source, job.settings[0])
    if start >= source.end:
        raise InputError("too little is recorded for a baseline")
    prepared = prepare(
        source.polls(), job.settings[0], start=start, end=source.end, catalogue=source.catalogue, progress=told
    )
    prepared.save(folder)
    for old in job.root.iterdir():
        if old != folder and old.is_dir():
            shutil.rmtree(old, ignore_errors=True)
    return prepared


def compare(present: pl.DataFrame, wanted: pl.DataFrame, apart: timedelta) -> Compared:
    """Which alerts of ``wanted`` are the ``present`` ones: of one name and at most ``apart`` from each other, the nearest
    pairs first; each is paired once. Both are :data:`pipelines.backtest.keeping.ALERTS`."""
    left, right = present.to_dicts(), wanted.to_dicts()
    near = sorted(
        (abs(one["at"] - other["at"]), i, j)
        for i, one in enumerate(left) for j, other in enumerate(right)
        if one["slug"] == other["slug"] and abs(one["at"] - other["at"]) <= apart
    )  # fmt: skip
    pairs: dict[int, int] = {}
    taken: set[int] = set()
    for _, i, j in near:
        if i not in pairs and j not in taken:
            pairs[i] = j
            taken.add(j)
    return Compared(
        tuple(row for j, row in enumerate(right) if j not in taken),
        tuple(row for i, row in enumerate(left) if i not in pairs),
        tuple((row, right[pairs[i]]) for i, row in enumerate(left) if i in pairs),
    )


def votes_of(alert: Mapping[str, Any], outcomes: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The real alert behind one of a backtest (rows of the store's ``outcome_rows``): same name, nearest, within
    :data:`NEAR`; None where there was none."""
    near = [row for row in outcomes if row["slug"] == alert["slug"] and abs(row["at"] - alert["at"]) <= NEAR]
    return min(near, key=lambda row: abs(row["at"] - alert["at"]), default=None)


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]
