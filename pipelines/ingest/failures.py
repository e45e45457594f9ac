"""Errors of a fetch as values: one plain line for a person, one word for the audit."""

from __future__ import annotations

import traceback
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from pipelines.errors import (
    FieldsMissingError,
    PausedError,
    PermanentError,
    RateLimitedError,
    ShapeChangedError,
    SourceError,
)
from pipelines.model import FetchResult, Outcome

log = structlog.get_logger(__name__)

UPSTREAM = {"reddit": "Reddit", "trends": "Google", "explore": "Google", "tiktok": "Apify", "trades": "the site"}
"""Who it is that throttles, in words."""

WHAT_TO_SET = {"reddit": "to the id and secret of an approved Reddit app", "tiktok": "to an Apify token"}


def failure(source: str, now: datetime, error: SourceError) -> FetchResult:
    """``error`` as the result of a poll at ``now``: throttled where the upstream asked to wait, else failed."""
    result = FetchResult(
        source, now, Outcome.FAILED, detail=error.message, http_status=error.status, bytes_read=error.bytes_read,
        kind=kind_of(error), request_id=error.request_id,
    )  # fmt: skip
    if isinstance(error, RateLimitedError):
        return throttled(result, error.retry_after_s)
    if isinstance(error, PausedError):
        return replace(result, outcome=Outcome.PAUSED)
    return result


def throttled(result: FetchResult, wait_s: float) -> FetchResult:
    """``result`` as that of an upstream that wants to be left alone for ``wait_s`` seconds."""
    until = result.at + timedelta(seconds=wait_s)
    detail = f"throttled by {UPSTREAM.get(result.source, result.source)} until {until:%H:%M} UTC"
    return replace(result, outcome=Outcome.THROTTLED, detail=detail, retry_after_s=wait_s)


def kind_of(error: SourceError) -> str:
    """The sort of ``error``, in one word."""
    if isinstance(error, RateLimitedError):
        return "rate_limited"
    if isinstance(error, PausedError):
        return "paused"
    if isinstance(error, FieldsMissingError):
        return "shape_changed"
    if isinstance(error, ShapeChangedError):
        return "unexpected_reply"
    if isinstance(error, PermanentError):
        return "credentials" if error.status == 401 else "refused"
    if error.status is not None and error.status >= 500:
        return "server_error"
    return "no_answer" if error.status is None else "broken_reply"


def not_configured(source: str, now: datetime, missing: tuple[str, ...]) -> FetchResult:
    """A source that lacks the variables ``missing``."""
    detail = f"not configured. Set {' and '.join(missing)} {WHAT_TO_SET.get(source, '')}".rstrip() + "."
    return FetchResult(source, now, Outcome.NOT_CONFIGURED, detail=detail)


def abandoned(source: str, now: datetime, deadline_s: float) -> FetchResult:
    """A source that had not answered by the deadline."""
    log.warning("source abandoned", source=source, deadline_s=deadline_s)
    detail = f"no complete answer within {deadline_s:g} s; abandoned"
    return FetchResult(source, now, Outcome.FAILED, detail=detail, kind="deadline")


def unexpected(source: str, now: datetime, error: BaseException) -> FetchResult:
    """Whatever an adapter let through; the log gets its type and place."""
    # type and place only: the text of a foreign error may carry an address with a token in it
    log.error(
        "source failed unexpectedly",
        source=source,
        error=type(error).__name__,
        cause=type(error.__cause__).__name__ if error.__cause__ else None,
        traceback="".join(traceback.format_tb(error.__traceback__)),
    )
    detail = f"failed unexpectedly ({type(error).__name__}); the log says where"
    return FetchResult(source, now, Outcome.FAILED, detail=detail, kind="unexpected")


def told(result: FetchResult) -> FetchResult:
    """``result``, once it is in the log too."""
    log.warning(
        "source did not deliver", source=result.source, outcome=result.outcome.value, detail=result.detail,
        status=result.http_status, retry_after_s=result.retry_after_s,
    )  # fmt: skip
    return result
