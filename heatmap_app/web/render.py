"""The one way a server-rendered page is made: Jinja2 with everything escaped, one base template, one set of filters."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request

from heatmap_app.escape import escape, safe_url
from heatmap_app.pages.shell import asset
from heatmap_app.pages.words import Times
from heatmap_app.reader import StoreReader
from heatmap_app.themes import COOKIE, theme_of
from heatmap_app.users import user_of
from heatmap_app.web.strip import strip_of
from pipelines.settings import ROOT

TEMPLATES = ROOT / "assets" / "templates"


@dataclass(frozen=True, slots=True)
class Link:
    """One entry of the navigation."""

    path: str
    name: str


NAV = (
    Link("/", "Heatmap"), Link("/wall", "Wall"), Link("/alerts", "Alerts"), Link("/kpis", "KPIs"),
    Link("/tuning", "Tuning"), Link("/sources", "Sources"),
)  # fmt: skip


@cache
def environment() -> Environment:
    """The template environment: a missing variable is an error, not an empty box."""
    found = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, finalize=_clean,
    )  # fmt: skip
    found.globals.update(asset=asset, nav=NAV, safe_url=safe_url)
    found.filters.update(ago=ago, number=number)
    return found


def _clean(value: Any) -> Any:
    """Texts go through the product's own escape, which also drops invisible direction marks."""
    return escape(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


def page(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """``template`` as a page. Templates also get ``user``, ``path``, ``mode``, and ``at`` (a time in the visitor's zone)."""
    zone = zone_of(request)
    reader = getattr(request.app.state, "reader", None)
    html = environment().get_template(template).render(
        user=user_of(request), theme=theme_of(request.cookies.get(COOKIE)), path=request.url.path,
        mode=getattr(reader, "mode", ""), at=lambda t: local(t, zone),
        replay=getattr(request.app.state, "driven_words", lambda _zone: "")(zone),
        zone_name=str(zone), strip=strip_of(reader, Times(zone)) if isinstance(reader, StoreReader) else [], **values,
    )  # fmt: skip
    return HTMLResponse(html, status, headers={"Cache-Control": "no-store"})


def zone_of(request: Request) -> ZoneInfo:
    """The visitor's time zone as the page's script keeps it in a cookie; UTC until then."""
    try:
        return ZoneInfo(request.cookies.get("et_zone") or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def local(instant: datetime | None, zone: ZoneInfo) -> str:
    """``2026-11-21 14:02`` in the visitor's zone; a dash where there is no time."""
    return f"{instant.astimezone(zone):%Y-%m-%d %H:%M}" if instant else "–"


def ago(instant: datetime | None, now: datetime | None = None) -> str:
    """How long ago, in one unit: ``40 s``, ``6 min``, ``2.4 h``, ``3 d``."""
    if instant is None:
        return "never"
    seconds = max(0.0, ((now or datetime.now(UTC)) - instant) / timedelta(seconds=1))
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86_400:.0f} d"


def number(value: float | None, digits: int = 2, *, sign: bool = False) -> str:
    """``value`` with ``digits`` decimals and a real minus; a dash where there is none."""
    if value is None:
        return "–"
    return f"{value:{'+' if sign else ''}.{digits}f}".replace("-", "−")
