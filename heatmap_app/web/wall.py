"""``/wall``: the newsroom's screen. A plain page without a session or a socket of its own, made to stay open for weeks.

``/wall/state`` carries everything on it; the page looks there by itself and whenever ``/api/v1/stream`` says that
something happened. An event is a hint only: a screen that never hears one still follows.
"""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response
from starlette.requests import Request

from heatmap_app.auth.headers import NONCE
from heatmap_app.escape import Html
from heatmap_app.web.common import runtime_of, utc_now
from heatmap_app.web.render import environment, zone_of
from heatmap_app.web.wall_feed import LOST_S, WallFeed, palette_css, told_by, version
from heatmap_app.web.wall_query import WallQuery, wall_query

router = APIRouter()
DAY_HOURS = range(7, 19)
"""When ``theme=auto`` is day."""

WORDS = {
    "stale": "STALE since {}:",
    "ever": "STALE:",
    "late": "no new scores for",
    "lost": "this screen has not reached its server for",
    "signed-out": "SIGNED OUT: not live since {}. Open this screen's wall link again, or sign in at /login.",
    "refused": "NOT ALLOWED: not live since {}. Open this screen's wall link again, or sign in at /login.",
    "due": "polling now",
    "next": "next poll {}",
    "none": "no poll planned",
    "age": "data {} old",
    "nothing": "no data yet",
}
"""What the page says by itself, when there may be no server to ask."""


NOTHING: dict[str, Any] = {
    "regions": dict.fromkeys(("title", "mode", "notes", "lights", "axis", "legend", "empty"), ""),
    "rows": [],
}


def feed_of(request: Request) -> WallFeed:
    """The process's feed, made at first use."""
    found: WallFeed | None = getattr(request.app.state, "wall", None)
    if found is None:
        runtime = runtime_of(request)
        made = found = request.app.state.wall = WallFeed(
            runtime.board, runtime.world.clock, runtime.settings, runtime.mode, told_by(runtime.reader.store),
            runtime.pace, runtime.database_state,
        )  # fmt: skip
        runtime.adopters.append(lambda settings: setattr(made, "settings", settings))
    return found


@router.get("/wall", response_class=HTMLResponse)
async def page(request: Request) -> HTMLResponse:
    """The screen. It comes whatever the database does: its script is what recovers."""
    query = wall_query(request.query_params.multi_items())
    zone = zone_of(request)
    state = await feed_of(request).state(query, str(zone))
    values: dict[str, Any] = dict(state.data) if state is not None else NOTHING
    # not through render.page: that reads the store for a strip, and this page must not wait for a store
    html = environment().get_template("wall.html").render(
        state=values, query=query, theme=_theme(query, zone), assets=version(), words=WORDS, lost_s=LOST_S,
        palette=Html(palette_css()), nonce=NONCE,
    )  # fmt: skip
    return HTMLResponse(html, headers={"Cache-Control": "no-store"})


@router.get("/wall/state")
async def state(request: Request) -> Response:
    """The screen's content as JSON. ``tz`` is the browser's zone. 304 for who has it, 503 while there is none.

    ``ET-Now`` (ms since 1970) and ``ET-Speed`` tell the world's time with every answer, 304 too: ages count from there.
    A world that is paused has the speed 0.
    """
    feed = feed_of(request)
    given = request.query_params
    found = await feed.state(wall_query(given.multi_items()), given.get("tz", "")[:64])
    headers = {
        "Cache-Control": "no-store", "ET-Now": str(round(feed.clock.now().timestamp() * 1000)), "ET-Speed": f"{feed.pace():g}",
    }  # fmt: skip
    if found is None:
        return Response(status_code=503, headers=headers | {"Retry-After": "3"})
    headers |= {"ETag": found.tag, "Vary": "Accept-Encoding"}
    if request.headers.get("if-none-match") == found.tag:
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(found.packed, media_type="application/json", headers=headers | {"Content-Encoding": "gzip"})
    return Response(found.body, media_type="application/json", headers=headers)


def _theme(query: WallQuery, zone: ZoneInfo) -> str:
    if query.theme != "auto":
        return query.theme
    local = utc_now().astimezone(ZoneInfo(query.zone) if query.zone else zone)
    return "day" if local.hour in DAY_HOURS else "night"
