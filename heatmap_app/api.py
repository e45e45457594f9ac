"""The JSON API of PRODUCT 5: what the pages show, as data. Reads run on worker threads; nothing is decided here."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Protocol

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi import Path as PathParameter
from fastapi.responses import JSONResponse, Response, StreamingResponse

from heatmap_app import api_kpis
from heatmap_app.pages.reader import Filters, Reader
from heatmap_app.readiness import judge, look
from pipelines.model import DEFAULT_DOMAINS, PLATFORMS, Domain
from pipelines.normalize.csvfile import guarded
from pipelines.view import (
    EntityRef,
    EntityView,
    HeatItem,
    HeatView,
    HistoryPoint,
    ReceiptOrder,
    ReceiptPage,
    Sort,
    SourceHealth,
)

PLATFORM_LIST = r"^(reddit|trends|tiktok)(,(reddit|trends|tiktok)){0,2}$"
SourceName = Literal["reddit", "trends", "tiktok", "trades"]
STREAM_PULSE_S = 15.0
"""A comment line this often keeps proxies from closing a quiet stream."""


class ApiReader(Reader, Protocol):
    """What the API asks of the store, beyond what the pages ask."""

    def history(self, slug: str, hours: int) -> Sequence[HistoryPoint] | None:
        """Hourly scores of the trailing ``hours``, oldest first; None for an unknown entity."""
        ...

    def sources(self) -> Sequence[SourceHealth]:
        """Every source's health."""
        ...

    def alerts(self, limit: int, before: int | None) -> Sequence[dict[str, Any]]:
        """Alerts with their delivery, newest first."""
        ...

    def alert(self, number: int) -> dict[str, Any] | None:
        """One alert; None for an unknown number."""
        ...

    def audit(self, source: str | None, outcome: str | None, limit: int, cursor: str | None) -> dict[str, Any]:
        """Fetches, newest first: ``{"items": [...], "next_cursor": ...}``."""
        ...

    def ready(self) -> str:
        """Empty when the store answers on the right schema, else one line with the reason."""
        ...


def heat_filters(
    limit: Annotated[int, Query(ge=1, le=200, description="How many rows")] = 20,
    sort: Annotated[Sort, Query(description="What ranks the rows")] = "heat",
    min_velocity: Annotated[float | None, Query(ge=-4, le=4, allow_inf_nan=False)] = None,
    min_spread: Annotated[int | None, Query(ge=0, le=3, description="Platforms, 0 to 3")] = None,
    domain: Annotated[
        Domain | Literal["all"] | None, Query(description="Default: entertainment and unclassified")
    ] = None,
    watched: Annotated[bool, Query(description="Only names on the desk's watchlist")] = False,
    platform: Annotated[
        str | None,
        Query(pattern=PLATFORM_LIST, description="Names seen on any of these, by commas, for example reddit,tiktok"),
    ] = None,
    window: Annotated[int | None, Query(ge=1, le=168, description="Hours of history, 24 where not given")] = None,
    at: Annotated[datetime | None, Query(description="The last scoring poll up to then; RFC 3339, with a zone")] = None,
) -> Filters:
    """The query of ``/heat`` as the board's filters."""
    platforms = tuple(name for name in PLATFORMS if name in platform.split(",")) if platform else None
    domains = None if domain == "all" else (str(domain),) if domain else tuple(str(name) for name in DEFAULT_DOMAINS)
    return Filters(
        limit=limit, sort=sort, min_velocity=min_velocity, min_spread=min_spread, domains=domains, platforms=platforms,
        watched=watched,
        hours=window or 24, at=None if at is None else moment(at),
    )  # fmt: skip


def moment(at: datetime, name: str = "at") -> datetime:
    """``at`` in UTC; 422 that names the parameter without a zone or beyond the calendar."""
    if at.tzinfo is None:
        raise HTTPException(422, f"{name}: needs a time zone, for example 2026-11-22T14:00:00Z")
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise HTTPException(422, f"{name}: lies outside the years 1 to 9999") from None


HeatFilters = Annotated[Filters, Depends(heat_filters)]


def get_reader(request: Request) -> ApiReader:
    """The process's reader; 503 while the server is still starting."""
    reader: ApiReader | None = getattr(request.app.state, "reader", None)
    if reader is None:
        raise HTTPException(503, "starting: the database is not open yet")
    return reader


Store = Annotated[ApiReader, Depends(get_reader)]
router = APIRouter(prefix="/api/v1")
router.include_router(api_kpis.router)


@router.get("/heat", summary="The board: the hottest names with every number that made them")
def heat(reader: Store, filters: HeatFilters) -> HeatView:
    """Rows ordered by ``sort``. ``at`` (RFC 3339, with a zone) goes back to the last scoring poll up to then."""
    return reader.heat(filters)


CSV_COLUMNS: dict[str, Callable[[HeatItem], object]] = {
    "rank": lambda item: item.rank,
    "name": lambda item: item.entity.name,
    "kind": lambda item: item.entity.kind,
    "domain": lambda item: item.entity.domain,
    "heat": lambda item: round(item.heat, 4),
    "raw": lambda item: round(item.raw, 4),
    "velocity_z": lambda item: round(item.velocity_z, 4),
    "spread_count": lambda item: item.spread_count,
    "affect": lambda item: round(item.affect, 4),
    "confidence": lambda item: round(item.confidence, 4),
    "eligible": lambda item: item.eligible,
    "peak_at": lambda item: item.peak_at.isoformat(),
    "first_seen": lambda item: item.first_seen.isoformat(),
    "confidence_calibrated": lambda item: "" if item.calibrated is None else round(item.calibrated.confidence, 4),
    "gone": lambda item: item.gone,
}


def csv_cell(value: object) -> object:
    """``value`` so that no spreadsheet takes it for a formula."""
    return guarded(value) if isinstance(value, str) else value


@router.get("/heat.csv", summary="The board as CSV", response_class=Response)
def heat_csv(reader: Store, filters: HeatFilters, window: int | None = None) -> Response:
    """The same rows as ``/heat``, one line a name, safe to open in a spreadsheet. With ``window`` also HEAT at the end of
    each of those clock hours, empty where nobody looked; the file's name carries the poll's time in UTC. ``gone``: muted or
    merged since the past board asked for."""
    view = reader.heat(filters)
    hours = view.hours if window is not None else ()
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([*CSV_COLUMNS, *(f"heat {hour:%Y-%m-%dT%H:%MZ}" for hour in hours)])
    for item in view.items:
        history = {point.hour: point.heat for point in item.history}
        past = (history.get(hour) for hour in hours)
        cells = [csv_cell(column(item)) for column in CSV_COLUMNS.values()]
        writer.writerow([*cells, *("" if value is None else round(value, 4) for value in past)])
    stamp = f"-{view.as_of:%Y%m%dT%H%MZ}" if view.as_of else ""
    disposition = {"Content-Disposition": f"attachment; filename=et-heatmap{stamp}.csv"}
    return Response(out.getvalue(), media_type="text/csv; charset=utf-8", headers=disposition)


@router.get("/entities", summary="Find names")
def entities(
    reader: Store, q: Annotated[str, Query(max_length=200)] = "", limit: Annotated[int, Query(ge=1, le=100)] = 20
) -> dict[str, list[EntityRef]]:
    """Entities whose name or alias contains ``q``, best first."""
    return {"items": list(reader.search(q, limit))}


def known(found: EntityView | None, slug: str) -> EntityView:
    """``found``, or a 404 that says so."""
    if found is None:
        raise HTTPException(404, f"No entity has the slug {slug!r}; /api/v1/entities?q= finds names")
    return found


@router.get("/entities/{slug}", summary="Everything about one name")
def entity(reader: Store, slug: str) -> EntityView:
    """Score opened up, timeline, provenance, domain evidence, related names."""
    return known(reader.entity(slug), slug)


@router.get("/entities/{slug}/receipts", summary="The evidence, page by page")
def receipts(
    reader: Store,
    slug: str,
    source: SourceName | None = None,
    hour: datetime | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=2_000)] = None,
    sort: Annotated[ReceiptOrder, Query(description="By time, or by engagement as the source gave it")] = "newest",
) -> ReceiptPage:
    """``hour`` is the UTC start of one clock hour; ``cursor`` is the ``next_cursor`` of the page before, of the same
    ``sort``."""
    known(reader.entity(slug), slug)
    if hour is not None:
        hour = moment(hour, "hour")
    return reader.receipts(slug, source, hour, limit, cursor, order=sort)


@router.get("/entities/{slug}/history", summary="Hourly scores")
def history(
    reader: Store, slug: str, hours: Annotated[int, Query(ge=1, le=168)] = 24
) -> dict[str, Sequence[HistoryPoint]]:
    """The trailing ``hours`` clock hours, oldest first; null where nobody looked."""
    found = reader.history(slug, hours)
    if found is None:
        known(None, slug)
    return {"items": found or ()}


@router.get("/sources", summary="Each source's health")
def sources(reader: Store) -> dict[str, Sequence[SourceHealth]]:
    """State, a sentence with what to do, last success, next poll."""
    return {"items": reader.sources()}


@router.get("/alerts", summary="Alerts, newest first")
def alerts(
    reader: Store,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    before: Annotated[int | None, Query(ge=1, le=2**62, description="Only alerts with a smaller id")] = None,
) -> dict[str, Any]:
    """Numbers, receipts and delivery of each; ``next_before`` goes on where this page ends."""
    found = list(reader.alerts(limit, before))
    return {"items": found, "next_before": found[-1]["id"] if len(found) == limit else None}


@router.get("/alerts/{number}", summary="One alert")
def alert(reader: Store, number: Annotated[int, PathParameter(ge=1, le=2**62)]) -> dict[str, Any]:
    """Its numbers, receipts and delivery, what people did with it (``activity``), and its action ``package``."""
    found = reader.alert(number)
    if found is None:
        raise HTTPException(404, f"There is no alert {number}; /api/v1/alerts lists them")
    return found


@router.get("/audit", summary="Fetches, newest first")
def audit(
    reader: Store,
    source: SourceName | None = None,
    outcome: Annotated[str | None, Query(max_length=40)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    cursor: Annotated[str | None, Query(max_length=300)] = None,
) -> dict[str, Any]:
    """One row a fetch: outcome, status, items, bytes, milliseconds."""
    return reader.audit(source, outcome, limit, cursor)


@router.get(
    "/stream", summary="Server-sent events: one `heat` event per scoring poll", response_class=StreamingResponse
)
async def stream(request: Request) -> StreamingResponse:
    """Each ``heat`` event carries the poll's time; read ``/heat`` for the rows."""
    return StreamingResponse(_events(request), media_type="text/event-stream", headers={"Cache-Control": "no-store"})


async def _events(request: Request) -> AsyncIterator[str]:
    feed: Any = request.app.state.events
    queue = feed.subscribe()
    try:
        yield ": connected\n\n"
        while not await request.is_disconnected():
            try:
                kind, data = await asyncio.wait_for(queue.get(), STREAM_PULSE_S)
            except TimeoutError:
                yield ": still here\n\n"
                continue
            if kind == "end":
                return
            yield f"event: {kind}\ndata: {json.dumps(data)}\n\n"
    finally:
        feed.unsubscribe(queue)


health = APIRouter()


@health.get("/healthz", summary="Is the process alive")
async def healthz() -> dict[str, str]:
    """Answers as long as the event loop turns."""
    return {"status": "ok"}


@health.get("/readyz", summary="Can it serve", responses={503: {"description": "Not ready; the body says why"}})
def readyz(request: Request) -> JSONResponse:
    """503 with the reason while the database does not answer or has the wrong schema; else its part and what is stale."""
    status, body = judge(look(request))
    return JSONResponse(body, status)
