"""``/readyz``: can this process serve, what part does it play, and what is not as it should be. The judging is pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from heatmap_app.database_state import DatabaseState
from pipelines.errors import StoreError
from pipelines.store.tables import HEAD
from pipelines.view import SourceHealth

QUIET = ("live", "waiting", "not_configured")


@dataclass(frozen=True, slots=True)
class Found:
    """What is known: ``reason`` why the store cannot be read (empty: it can), ``step`` the schema's, ``sources`` and
    ``board_age_s`` what the pages would show."""

    reason: str = ""
    step: str | None = None
    database: DatabaseState | None = None
    sources: Sequence[SourceHealth] = ()
    board_age_s: float | None = None


def judge(found: Found) -> tuple[int, dict[str, Any]]:
    """Status code and body. 503 with the reason where pages cannot be served; stale data is told and is no reason."""
    state = found.database or DatabaseState()
    reason = found.reason or state.reason
    if not reason and found.step != HEAD:
        reason = f"the schema is at step {found.step or 'nothing'}, this program needs {HEAD}: run heatmap db upgrade"
    if reason:
        body: dict[str, Any] = {"status": "not ready", "reason": reason, "role": str(state.role)}
        return 503, body | ({"buffered_polls": state.buffered} if state.buffered else {})
    # anybody may ask this: the states, not the sentences behind them
    late = {one.source: one.state for one in found.sources if one.state not in QUIET}
    body = {"status": "ready", "role": str(state.role), "schema": found.step, "stale": bool(late), "late": late}
    if found.board_age_s is not None:
        body["board_age_s"] = round(found.board_age_s, 1)
    if state.buffered:
        body["buffered_polls"] = state.buffered
    return 200, body


def look(request: Request) -> Found:
    """What :func:`judge` needs of the running process. Blocks on the database."""
    runtime = getattr(request.app.state, "runtime", None)
    if runtime is None:
        return Found("starting")
    state = runtime.database_state()
    try:
        runtime.store.ping()
        step, latest, now = runtime.store.schema_step(), runtime.store.latest(), runtime.reader.clock.now()
        age = None if latest is None else max(0.0, (now - latest.at).total_seconds())
        return Found("", step, state, tuple(runtime.reader.sources()), age)
    except StoreError as error:
        return Found(str(error), None, state)
