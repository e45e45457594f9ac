"""``/sources``: each source's health, the schedule with its reasons, every fetch, and what is missing in the set-up."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse
from starlette.requests import Request

from heatmap_app.jobs import Schedule
from heatmap_app.pages.words import platform
from heatmap_app.runtime import Runtime
from heatmap_app.setup_facts import setup_facts
from heatmap_app.web.common import address, runtime_of, shown, times_of, utc_now
from heatmap_app.web.source_values import FEED_TONES, OUTCOME_WORDS, card, job_rows, plan_rows
from pipelines.errors import InputError
from pipelines.model import SOURCES, Outcome

router = APIRouter()
PAGE = 50
AUDITED = {name: platform(name) for name in SOURCES} | {"explore": "Trends Explore"}
SourceFilter = Literal["reddit", "trends", "tiktok", "trades", "explore", ""]


@router.get("/sources", response_class=HTMLResponse)
def sources(
    request: Request,
    source: SourceFilter = "",
    outcome: Annotated[Outcome | Literal[""], Query()] = "",
    cursor: Annotated[str, Query(max_length=300)] = "",
) -> HTMLResponse:
    """The page; the filters of the audit and the place in it are in the address."""
    runtime = runtime_of(request)
    jobs: Schedule = request.app.state.jobs

    def values() -> dict[str, Any]:
        now, times = runtime.reader.clock.now(), times_of(request)
        here = {"source": source, "outcome": str(outcome)}
        page = _audit(runtime, source, str(outcome), cursor)
        return {
            "cards": [card(one, times, now) for one in runtime.reader.sources()], "plan": plan_rows(runtime.schedule()),
            "jobs": job_rows(list(jobs.jobs.values()), polls=False), "audit": page["items"], "filters": here,
            "older": address("/sources", **here, cursor=page["next_cursor"]) + "#audit" if page["next_cursor"] else None,
            "newest": address("/sources", **here) + "#audit" if cursor else None,
            "csv": address("/api/v1/audit.csv", **here), "times": times,
            "facts": setup_facts(runtime.settings, runtime.cache_health()),
            "now": now, "real": utc_now(), "source_names": AUDITED,
            "outcomes": {str(key): word for key, word in OUTCOME_WORDS.items()}, "tones": FEED_TONES,
            "driven": runtime.world.ticks is not None,
        }  # fmt: skip

    return shown(request, "sources.html", values)


def _audit(runtime: Runtime, source: str, outcome: str, cursor: str) -> dict[str, Any]:
    """A page of fetches; a place that is not ours leads to the newest."""
    try:
        return runtime.reader.audit(source or None, outcome or None, PAGE, cursor or None)
    except InputError:
        return runtime.reader.audit(source or None, outcome or None, PAGE, None)
