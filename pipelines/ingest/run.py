"""One poll of many sources at once: each under the deadline, each error turned into a value.

Nothing here raises: a source that fails is a :class:`FetchResult` beside the good ones, with one plain line that says
what happened and what to do. Logs carry the kind of an error and where it came from, never its text from outside.
"""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from pipelines.errors import RateLimitedError, SourceError
from pipelines.ingest.source import Source
from pipelines.model import FetchResult, Outcome

log = structlog.get_logger(__name__)

UPSTREAM = {"reddit": "Reddit", "trends": "Google", "explore": "Google", "tiktok": "Apify", "trades": "the site"}
"""Who it is that throttles, in words."""

WHAT_TO_SET = {"reddit": "to the id and secret of an approved Reddit app", "tiktok": "to an Apify token"}


async def poll(
    sources: Mapping[str, Source],
    now: datetime,
    *,
    deadline_s: float = 120.0,
    monotonic: Callable[[], float] = time.monotonic,
) -> list[FetchResult]:
    """Ask every source once, at the same time; results in the order of ``sources``.

    ``now`` (UTC) stamps all rows. A source that has not answered after ``deadline_s`` seconds is abandoned.
    ``monotonic`` measures how long each took.
    """
    return await asyncio.gather(*(_one(source, now, deadline_s, monotonic) for source in sources.values()))


async def _one(source: Source, now: datetime, deadline_s: float, monotonic: Callable[[], float]) -> FetchResult:
    started = monotonic()
    try:
        result = await _fetch(source, now, deadline_s)
    except Exception as error:  # noqa: BLE001 # whatever an adapter lets through must not take the other sources along
        _log_unexpected(source.name, error)
        detail = f"failed unexpectedly ({type(error).__name__}); the log says where"
        result = FetchResult(source.name, now, Outcome.FAILED, detail=detail)
    return replace(result, ms=round((monotonic() - started) * 1000))


async def _fetch(source: Source, now: datetime, deadline_s: float) -> FetchResult:
    missing = source.missing()
    if missing:
        return FetchResult(source.name, now, Outcome.NOT_CONFIGURED, detail=_not_configured(source.name, missing))
    try:
        async with asyncio.timeout(deadline_s) as limit:
            return await source.fetch(now)
    except TimeoutError:
        if not limit.expired():
            raise
        detail = f"no complete answer within {deadline_s:g} s; abandoned"
        log.warning("source abandoned", source=source.name, deadline_s=deadline_s)
        return FetchResult(source.name, now, Outcome.FAILED, detail=detail)
    except SourceError as error:
        result = failure(source.name, now, error)
        log.warning(
            "source did not deliver", source=source.name, outcome=result.outcome.value, detail=result.detail,
            status=result.http_status, retry_after_s=result.retry_after_s,
        )  # fmt: skip
        return result


def failure(source: str, now: datetime, error: SourceError) -> FetchResult:
    """``error`` as the result of a poll at ``now``: throttled where the upstream asked to wait, else failed."""
    result = FetchResult(
        source, now, Outcome.FAILED, detail=error.message, http_status=error.status, bytes_read=error.bytes_read
    )
    if not isinstance(error, RateLimitedError):
        return result
    until = now + timedelta(seconds=error.retry_after_s)
    detail = f"throttled by {UPSTREAM.get(source, source)} until {until:%H:%M} UTC"
    return replace(result, outcome=Outcome.THROTTLED, detail=detail, retry_after_s=error.retry_after_s)


def _not_configured(source: str, missing: tuple[str, ...]) -> str:
    names = " and ".join(missing)
    return f"not configured. Set {names} {WHAT_TO_SET.get(source, '')}".rstrip() + "."


def _log_unexpected(source: str, error: BaseException) -> None:
    # type and place only: the text of a foreign error may carry an address with a token in it
    log.error(
        "source failed unexpectedly",
        source=source,
        error=type(error).__name__,
        cause=type(error.__cause__).__name__ if error.__cause__ else None,
        traceback="".join(traceback.format_tb(error.__traceback__)),
    )
