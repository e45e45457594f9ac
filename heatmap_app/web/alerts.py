"""``/alerts``: what alerted and what became of it; one alert whole; and what was decided, with the reason."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from fastapi.responses import HTMLResponse
from starlette.requests import Request

from heatmap_app.users import user_of
from heatmap_app.web.alert_values import details, rows_of, why
from heatmap_app.web.common import address, runtime_of, shown, times_of, utc_now
from pipelines.outbox import SLACK, DecisionOutcome
from pipelines.store.lists import AlertQuery

router = APIRouter()
PAGE = 25
DECISIONS = 150
STATE_NAMES = {
    "open": "Nobody has it", "taken": "Somebody has it", "sent": "Sent", "waiting": "Waiting", "confirming": "Confirming",
    "stopped": "Stopped", "kept": "Kept, not sent", "fault": "Source fault",
}  # fmt: skip
DAYS = {1: "Last 24 h", 7: "Last 7 days", 30: "Last 30 days"}
OUTCOMES = (str(DecisionOutcome.FIRED), str(DecisionOutcome.HELD_BACK))
Number = Annotated[int, Path(ge=1, le=2**62)]
State = Literal["open", "taken", "sent", "waiting", "confirming", "stopped", "kept", "fault", ""]


@router.get("/alerts", response_class=HTMLResponse)
def alerts(
    request: Request,
    state: State = "",
    name: Annotated[str, Query(max_length=200)] = "",
    days: Annotated[int, Query(ge=0, le=400)] = 0,
    before: Annotated[int | None, Query(ge=1, le=2**62)] = None,
) -> HTMLResponse:
    """The list, newest first, a page at a time; the filters are in the address."""
    runtime = runtime_of(request)

    def values() -> dict[str, Any]:
        now = runtime.reader.clock.now()
        part = name.replace("\x00", "").strip()
        since = now - timedelta(days=days) if days else None
        found = runtime.store.alert_list(AlertQuery(state or None, part, since, before, PAGE + 1))
        here = {"state": state, "name": part, "days": days}
        return {
            "rows": rows_of(runtime, found[:PAGE], now), "filters": here, "filtered": any(here.values()),
            "problem": runtime.store.outbox_problem(SLACK, utc_now() - timedelta(days=1)),
            "state_names": STATE_NAMES, "day_names": DAYS, "times": times_of(request), "now": now, "real": utc_now(),
            "older": address("/alerts", **here, before=found[PAGE - 1]["id"]) if len(found) > PAGE else None,
            "newest": address("/alerts", **here) if before else None, "slack": runtime.deliverer is not None,
        }  # fmt: skip

    return shown(request, "alerts.html", values)


@router.get("/alerts/decisions", response_class=HTMLResponse)
def decisions(request: Request, q: Annotated[str, Query(max_length=200)] = "") -> HTMLResponse:
    """What fired and what was held back in the last 24 h; with ``q``: why one name did, or did not, alert."""
    runtime = runtime_of(request)

    def values() -> dict[str, Any]:
        now = runtime.reader.clock.now()
        asked = q.replace("\x00", "").strip()
        rows = runtime.store.decision_list(now - timedelta(hours=24), now, OUTCOMES, DECISIONS)
        return {
            "rows": rows, "q": asked, "answer": why(runtime, asked, now) if asked else None, "now": now,
            "times": times_of(request), "more": len(rows) == DECISIONS, "gates": runtime.settings.gates,
        }  # fmt: skip

    return shown(request, "decisions.html", values)


@router.get("/alerts/{number}", response_class=HTMLResponse)
def alert(request: Request, number: Number) -> HTMLResponse:
    """Everything of one alert, and what can be done with it."""
    runtime, user = runtime_of(request), user_of(request)

    def values() -> dict[str, Any] | None:
        now = runtime.reader.clock.now()
        row = runtime.store.alert_details(number)
        if row is None:
            return None
        return {**details(runtime, row, now, user.id), "times": times_of(request), "now": now,
                "real": utc_now(), "edits": user.may("editor")}  # fmt: skip

    line = f"There is no alert {number}. It may have been removed with old data."
    return shown(request, "alert.html", values, ("No such alert", line, "/alerts", "All alerts"))
