"""What the list pages share: the process's runtime, times in the visitor's zone, and pages that say what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from fastapi.responses import HTMLResponse
from starlette.requests import Request

from heatmap_app.pages.words import Times
from heatmap_app.runtime import Runtime
from heatmap_app.web.render import page, zone_of
from pipelines.clock import SystemClock
from pipelines.errors import StoreError
from pipelines.read.schedule import interval_words


def runtime_of(request: Request) -> Runtime:
    """The open runtime behind ``request``."""
    runtime: Runtime = request.app.state.runtime
    return runtime


def times_of(request: Request) -> Times:
    """Times as the visitor reads them."""
    zone = zone_of(request)
    return Times(zone, str(zone))


def address(path: str, **query: object) -> str:
    """``path`` with those parts of ``query`` that say something."""
    given = {name: value for name, value in query.items() if value not in (None, "", 0)}
    return f"{path}?{urlencode(given)}" if given else path


def problem_page(request: Request, status: int, title: str, line: str, back: str, back_name: str) -> HTMLResponse:
    """A page that says what happened and where to go on."""
    return page(request, "problem.html", status, title=title, line=line, back=back, back_name=back_name)


def shown(
    request: Request, template: str, values: Callable[[], dict[str, Any] | None],
    missing: tuple[str, str, str, str] = ("Not found", "There is no such page.", "/", "To the heatmap"),
) -> HTMLResponse:  # fmt: skip
    """``template`` over what ``values`` reads. Where that is None: a page that says ``missing`` (404); where the
    database does not answer: one that says so (503)."""
    try:
        found = values()
    except StoreError as error:
        line = f"{error}. Nothing is lost; the page comes back by itself when the database answers."
        return problem_page(request, 503, "Not readable now", line, request.url.path, "Try again")
    return problem_page(request, 404, *missing) if found is None else page(request, template, **found)


def span_words(seconds: float | None) -> str:
    """An interval as the schedule words it: ``2 s``, ``10 min``, ``1 h``; a dash where there is none."""
    return "–" if seconds is None else interval_words(seconds)


def utc_now() -> datetime:
    """The machine's time: what deliveries and jobs run on."""
    return SystemClock().now()
