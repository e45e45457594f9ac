"""Errors of the API as RFC 9457 problem JSON: one shape for everything that can go wrong."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from pipelines.errors import HeatmapError, InputError, StoreError

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"


def problem(status: int, detail: str, **more: Any) -> JSONResponse:
    """A problem document: ``type``, ``title``, ``status``, ``detail`` and what else helps."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail, **more}
    return JSONResponse(body, status_code=status, media_type=MEDIA_TYPE)


async def _http(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - what it is registered for; tells the type checker
    response = problem(error.status_code, str(error.detail))
    response.headers.update(error.headers or {})
    return response


async def _invalid(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - what it is registered for; tells the type checker
    wrong = [
        {"name": ".".join(str(part) for part in item["loc"][1:]), "reason": item["msg"]} for item in error.errors()
    ]
    return problem(422, f"{wrong[0]['name']}: {wrong[0]['reason']}" if wrong else "not understood", errors=wrong)


async def _ours(_request: Request, error: Exception) -> Response:
    status = 400 if isinstance(error, InputError) else 503 if isinstance(error, StoreError) else 500
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
