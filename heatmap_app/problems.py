"""Errors as RFC 9457 problem JSON, one shape for everything that can go wrong; as a page where a person reads pages."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from heatmap_app.web.common import problem_page
from pipelines.errors import HeatmapError, InputError, NotFoundError, StoreError

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
STATUS = ((NotFoundError, 404), (InputError, 400), (StoreError, 503))


def problem(status: int, detail: str, **more: Any) -> JSONResponse:
    """A problem document: ``type``, ``title``, ``status``, ``detail`` and what else helps."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail, **more}
    return JSONResponse(body, status_code=status, media_type=MEDIA_TYPE)


def _reads_pages(request: Request) -> bool:
    """Whether a person followed a link or typed an address, rather than a program asked."""
    programs = request.url.path.startswith(("/api/", "/slack/"))
    return request.method == "GET" and not programs and "text/html" in request.headers.get("accept", "")


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - what it is registered for; tells the type checker
    if error.status_code == 404 and _reads_pages(request):
        return problem_page(request, 404, "No such page", "There is nothing at this address.", "/", "To the heatmap")
    response = problem(error.status_code, str(error.detail))
    response.headers.update(error.headers or {})
    return response


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - what it is registered for; tells the type checker
    wrong = [
        {"name": ".".join(str(part) for part in item["loc"][1:]), "reason": item["msg"]} for item in error.errors()
    ]
    detail = f"{wrong[0]['name']}: {wrong[0]['reason']}" if wrong else "not understood"
    if _reads_pages(request):
        line = f"The address asks for something there is not: {detail}."
        return problem_page(request, 422, "Address not understood", line, "/", "To the heatmap")
    return problem(422, detail, errors=wrong)


async def _ours(_request: Request, error: Exception) -> Response:
    status = next((status for kind, status in STATUS if isinstance(error, kind)), 500)
    return problem(status, str(error))


async def _unexpected(request: Request, error: Exception) -> Response:
    log.error("request failed", path=request.url.path, kind=type(error).__name__, exc_info=error)
    return problem(500, "This server failed to answer; its log says why.")


def install(app: FastAPI) -> None:
    """Give ``app`` the handlers above."""
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HeatmapError, _ours)
    app.add_exception_handler(Exception, _unexpected)
