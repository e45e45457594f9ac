"""``/tuning``: what other gates would have given on the last 30 recorded days, and putting them to use.

The look back runs in a process of its own (``heatmap_app.tuning_job``); the page shows how far it is, or its result.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request

from heatmap_app.runtime import RECORDINGS, Runtime
from heatmap_app.tuning_job import TuningJobs
from heatmap_app.web.common import runtime_of, shown, times_of
from heatmap_app.web.tuning_choice import KNOBS, fixed_by_environment, values_of, with_values
from heatmap_app.worlds import DEMO_KEY, DEMO_SEED, demo_start
from pipelines import settings as files
from pipelines.calibrate import NEEDED, calibrate, judged, reliability
from pipelines.errors import InputError
from pipelines.replay import Recording
from pipelines.settings import Settings
from pipelines.settings_local import read_local
from pipelines.store.lease import Role
from pipelines.tune_desk import (
    DAYS,
    Compared,
    Job,
    Kept,
    Source,
    compare,
    counted_from,
    kept,
    last_kept,
    needs,
    votes_of,
)

router = APIRouter()
FOLDER = "tuning"
NEXT_POLL = "They decide from the next scoring poll on; open pages show them now."
ELSEWHERE = "Another process scores; it takes them over within seconds, from the same config folder."
MOST_ROWS = 200


class Choice(BaseModel):
    """The numbers asked for; what is left out is as now."""

    model_config = ConfigDict(extra="forbid")
    min_velocity: float | None = Field(default=None, ge=0, le=4, allow_inf_nan=False)
    min_spread: int | None = Field(default=None, ge=1, le=3)
    consecutive: int | None = Field(default=None, ge=1, le=12)
    end_velocity: float | None = Field(default=None, ge=-4, le=4, allow_inf_nan=False)
    end_polls: int | None = Field(default=None, ge=1, le=24)
    cooldown_hours: float | None = Field(default=None, ge=0, le=72, allow_inf_nan=False)
    boost: float | None = Field(default=None, ge=1, le=5, allow_inf_nan=False)

    def over(self, settings: Settings) -> Settings:
        """``settings`` with the numbers asked for; those the environment sets stay."""
        fixed = fixed_by_environment()
        asked = {knob.key: getattr(self, knob.field) for knob in KNOBS if knob.key not in fixed}
        return with_values(settings, {key: value for key, value in asked.items() if value is not None})


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why there is nothing to look back on yet: what happened, and what to do or how long to wait."""

    title: str
    line: str


@router.get("/tuning", response_class=HTMLResponse)
async def tuning(request: Request, choice: Annotated[Choice, Query()]) -> HTMLResponse:
    """The page; the choice is in the address. It shows what was looked back at and starts nothing: an editor does
    (:func:`begin`)."""
    runtime = runtime_of(request)
    jobs = jobs_of(request)
    return await asyncio.to_thread(shown, request, "tuning.html", lambda: _values(request, runtime, jobs, choice))


def begin(request: Request, choice: Choice, who: str) -> Waiting | bool:
    """Look back at ``choice``, for the person ``who``; False where that was done already. Reads the recording's files."""
    job = _job(runtime_of(request), choice)
    if isinstance(job, Waiting):
        return job
    if kept(job) is not None:
        return False
    jobs_of(request).ask(job, who)
    return True


def jobs_of(request: Request) -> TuningJobs:
    """The process's one place for this work."""
    state = request.app.state
    if not hasattr(state, "tuning_jobs"):
        state.tuning_jobs = TuningJobs()
    jobs: TuningJobs = state.tuning_jobs
    return jobs


def _values(request: Request, runtime: Runtime, jobs: TuningJobs, choice: Choice) -> dict[str, Any]:
    present = runtime.settings
    wanted = choice.over(present)
    values: dict[str, Any] = {
        "knobs": KNOBS, "now": values_of(present), "asked": values_of(wanted), "fixed": fixed_by_environment(),
        "changed": changes(present, wanted), "times": times_of(request), "days": DAYS, "waiting": None, "busy": None,
        "look": None, "fresh": False, "problem": "", "trust": trust(runtime), "counts_from": counts_from(runtime),
        "at_now": runtime.world.clock.now(), "local": _local(),
    }  # fmt: skip
    job = _job(runtime, choice)
    if isinstance(job, Waiting):
        return {**values, "waiting": job}
    results = kept(job)
    if results is not None:
        return {**values, "look": look(runtime, results), "fresh": True}
    standing = jobs.of(job)
    if standing.running or standing.queued:
        return {**values, "busy": standing}
    before = last_kept(job)
    return {**values, "problem": standing.problem, "look": look(runtime, before) if before is not None else None}


def _job(runtime: Runtime, choice: Choice) -> Job | Waiting:
    """The gates in use and, where they differ, those of ``choice``, over what there is to look back on."""
    present, found = runtime.settings, source_of(runtime)
    if isinstance(found, Waiting):
        return found
    wanted = choice.over(present)
    choices = (present, wanted) if changes(present, wanted) else (present,)
    return Job(present.var_path / FOLDER / runtime.mode, found, choices)


def counts_from(runtime: Runtime) -> str:
    """From when on gates that are applied in this process count."""
    return NEXT_POLL if runtime.role is Role.LEADER else ELSEWHERE


def trust(runtime: Runtime) -> dict[str, Any]:
    """Confidence against what came of the alerts: one row a range, with the calibrated share where there is one."""
    outcomes = judged(runtime.store.judged_alerts())
    made = calibrate(outcomes)
    rows = [{"bin": one, "calibrated": made(one.mean) if made.used else None} for one in reliability(outcomes)]
    return {"n": made.n, "needed": NEEDED, "used": made.used, "rows": rows}


def source_of(runtime: Runtime) -> Source | Waiting:
    """What there is to look back on. Reads the recording's files."""
    if runtime.mode == "replay":
        return Waiting(
            "A replay has no days of its own.", "For a recording use the command line: heatmap tune FILE --grid ..."
        )
    if runtime.mode == "demo":
        told = runtime.store.source_state.get(DEMO_KEY)
        if not told:
            return Waiting("The demo has just begun.", "Load the page again in a moment.")
        epoch = datetime.fromisoformat(told["epoch"])
        source = Source(epoch, demo_start(epoch), seed=DEMO_SEED)  # a day of the demo is minutes: its first week stands
    else:
        folder = runtime.settings.var_path / RECORDINGS
        try:
            recording = Recording(folder)
        except InputError:
            return Waiting(
                "Nothing is recorded yet.",
                f"Every successful poll is recorded by the process that polls; the first answer needs "
                f"{_hours(needs(runtime.settings))} of them, a full one {DAYS} days.",
            )
        source = Source(recording.start, recording.end, folder)
    start = counted_from(source, runtime.settings)
    if start >= source.end:
        return Waiting(
            f"{_hours(source.end - source.first)} are recorded so far.",
            f"A baseline needs {_hours(needs(runtime.settings))}: the first answer can be had from {start:%Y-%m-%d %H:%M} UTC "
            f"on, a full one after {DAYS} days.",
        )
    return source


def look(runtime: Runtime, results: Sequence[Kept]) -> dict[str, Any]:
    """The figures of each choice, and the alerts that are added, gone and kept, with the votes they really got."""
    rules = runtime.settings.kpis
    present, wanted = results[0], results[-1]
    compared = compare(present.alerts, wanted.alerts, timedelta(hours=rules.duplicate_hours))
    first = datetime.fromisoformat(present.told["from"])
    outcomes = runtime.store.outcome_rows(first - timedelta(hours=1)).to_dicts()
    return {
        "first": first, "last": datetime.fromisoformat(present.told["to"]), "figures": [one.told for one in results],
        "lists": _lists(compared, outcomes, both=len(results) > 1), "votes": [_tally(one, outcomes) for one in results],
    }  # fmt: skip


def _lists(compared: Compared, outcomes: Sequence[Mapping[str, Any]], *, both: bool) -> list[dict[str, Any]]:
    same = [_row(new, outcomes, moved=(new["at"] - old["at"]) / timedelta(minutes=1)) for old, new in compared.kept]
    if not both:
        return [{"id": "all", "name": "Alerts", "rows": same[:MOST_ROWS], "n": len(same)}]
    added = [_row(row, outcomes) for row in compared.added]
    gone = [_row(row, outcomes) for row in compared.gone]
    return [
        {"id": key, "name": name, "rows": rows[:MOST_ROWS], "n": len(rows)}
        for key, name, rows in (("added", "Added", added), ("gone", "Gone", gone), ("kept", "Kept", same))
    ]


def _row(alert: Mapping[str, Any], outcomes: Sequence[Mapping[str, Any]], moved: float = 0.0) -> dict[str, Any]:
    real = votes_of(alert, outcomes)
    check = (
        "duplicate"
        if alert["duplicate"]
        else {"held": "held", "failed": "did not hold"}.get(alert["backcheck"], "open")
    )
    return {**alert, "check": check, "real": real, "moved": round(moved)}


def _tally(one: Kept, outcomes: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
    """Useful and not useful votes of the real alerts behind these; each counts once."""
    found = {real["alert"]: real for row in one.alerts.to_dicts() if (real := votes_of(row, outcomes))}
    return sum(row["useful"] for row in found.values()), sum(row["not_useful"] for row in found.values())


def changes(present: Settings, wanted: Settings) -> dict[str, tuple[float, float]]:
    """What differs: (now, then) by dotted key."""
    new = values_of(wanted)
    return {key: (value, new[key]) for key, value in values_of(present).items() if value != new[key]}


def _local() -> bool:
    """Whether this desk has gates of its own."""
    try:
        tables = read_local(files.LOCAL_FILE)
    except InputError:
        return False
    return any(knob.field in tables.get(knob.key.partition(".")[0], {}) for knob in KNOBS)


def _hours(span: timedelta) -> str:
    hours = span / timedelta(hours=1)
    return f"{hours:.0f} h" if hours < 72 else f"{hours / 24:.1f} days"
