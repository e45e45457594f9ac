"""``/kpis``: each KPI against its target over days, and every alert behind the numbers."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse
from starlette.requests import Request

from heatmap_app.kpi_job import present_kpis
from heatmap_app.web.common import runtime_of, shown, times_of
from heatmap_app.web.kpi_chart import Chart, Point, lead_chart, share_chart
from pipelines.alert import kpi_words as words
from pipelines.alert.kpi_view import FalseDay, KpiDay, KpiView, UsefulDay
from pipelines.read.kpis import MAX_DAYS

router = APIRouter()
SPANS = (7, 30, 90)


@router.get("/kpis", response_class=HTMLResponse)
def kpis(request: Request, days: Annotated[int, Query(ge=1, le=MAX_DAYS)] = 30) -> HTMLResponse:
    """The page; the span is in the address."""
    runtime = runtime_of(request)

    def values() -> dict[str, Any]:
        view = present_kpis(runtime, days)
        return {
            "view": view, "spans": SPANS, "charts": charts(view), "cards": cards(view), "rules": runtime.settings.kpis,
            "times": times_of(request), "words": words, "days": [_day(day) for day in view.by_day],
        }  # fmt: skip

    return shown(request, "kpis.html", values)


def charts(view: KpiView) -> dict[str, Chart]:
    """The three drawings."""
    last = view.as_of.date()
    lead, useful, false = view.lead, view.usefulness, view.false_positive_rate
    leads = [
        Point(day.day, day.lead.median, day.lead.p25 or 0.0, day.lead.p75 or 0.0, _lead_words(day))
        for day in view.by_day if day.lead.median is not None
    ]  # fmt: skip
    return {
        "lead": lead_chart("Median lead, hours, by day", leads, view.days, last, lead.target, lead.stretch),
        "useful": share_chart(
            "Useful votes, share by day", _points(view, part_name="usefulness"), view.days, last, useful.target,
            words.pct(useful.target),
        ),
        "false": share_chart(
            "False alerts, share by day", _points(view, part_name="false_positive_rate"), view.days, last, false.target,
            words.pct(false.target),
        ),
    }  # fmt: skip


def cards(view: KpiView) -> dict[str, dict[str, str]]:
    """Value, cases with interval, and the tone of the verdict, of each card."""
    lead, useful, false = view.lead, view.usefulness, view.false_positive_rate
    return {
        "lead": {
            "value": words.lead(lead.median, lead.target, lead.stretch), "tone": tone(lead.verdict, sure=lead.sure),
            "cases": f"median of {_many(lead.n, 'alert')} the trades also had",
            "interval": _interval(words.span(lead.median_low, lead.median_high, words.lead), lead.n),
        },
        "useful": {
            "value": words.pct(useful.value, useful.target), "tone": tone(useful.verdict, sure=useful.sure),
            "cases": f"{useful.useful} of {_many(useful.n, 'vote')}",
            "interval": _interval(words.span(useful.low, useful.high, words.pct), useful.n),
        },
        "false": {
            "value": words.pct(false.value, false.target), "tone": tone(false.verdict, sure=false.sure),
            "cases": f"{false.false} of {_many(false.n, 'alert')} checked",
            "interval": _interval(words.span(false.low, false.high, words.pct), false.n),
        },
    }  # fmt: skip


def tone(verdict: str, *, sure: bool) -> str:
    """The colour of a verdict: bad only where the miss is beyond doubt."""
    if verdict == "met":
        return "good" if sure else "plain"
    if verdict == "missed":
        return "bad" if sure else "warn"
    return "plain"


def _interval(span: str, n: int) -> str:
    if n == 0:
        return ""
    return "too few for an interval" if span == "–" else f"95% interval {span}"


def _many(count: int, name: str) -> str:
    return f"{count} {name}" if count == 1 else f"{count} {name}s"


def _points(view: KpiView, part_name: str) -> list[Point]:
    found: list[tuple[date, UsefulDay | FalseDay]] = [(day.day, getattr(day, part_name)) for day in view.by_day]
    return [
        Point(day, part.value, part.low or 0.0, part.high or 0.0, _share_words(day, part))
        for day, part in found if part.value is not None
    ]  # fmt: skip


def _share_words(day: date, part: UsefulDay | FalseDay) -> str:
    hits = part.useful if isinstance(part, UsefulDay) else part.false
    return f"{day}: {words.pct(part.value)}, {hits} of {part.n}, {words.span(part.low, part.high, words.pct)}"


def _lead_words(day: KpiDay) -> str:
    lead = day.lead
    return f"{day.day}: {words.lead(lead.median)}, n {lead.n}, {words.span(lead.p25, lead.p75, words.lead)}"


def _day(day: KpiDay) -> dict[str, Any]:
    """A day's head line and its alerts."""
    lead, useful, false = day.lead, day.usefulness, day.false_positive_rate
    none = "no trade story yet" if lead.open else "never covered"
    return {
        "day": day.day, "alerts": day.alerts, "count": _many(len(day.alerts), "alert"),
        "lead": f"lead {words.lead(lead.median)} (n {lead.n})" if lead.n else none,
        "useful": f"useful {useful.useful} of {useful.n}" if useful.n else "no vote",
        "false": f"false {false.false} of {false.n}" if false.n else "not checked",
    }  # fmt: skip
