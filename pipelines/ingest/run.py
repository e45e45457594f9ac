"""One poll of many sources at once: each under the deadline, each error turned into a value.

Nothing here raises: a source that fails is a :class:`FetchResult` beside the good ones, with one plain line that says
what happened and what to do. Live sources are asked through the :class:`~pipelines.ingest.fetching.Guard`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from pipelines.errors import SourceError
from pipelines.ingest.failures import abandoned, failure, not_configured, told, unexpected
from pipelines.ingest.fetching import Guard
from pipelines.ingest.source import Source
from pipelines.model import FetchResult

__all__ = ["failure", "poll"]


async def poll(
    sources: Mapping[str, Source],
    now: datetime,
    *,
    deadline_s: float = 120.0,
    monotonic: Callable[[], float] = time.monotonic,
    guard: Guard | None = None,
    force: bool = False,
) -> list[FetchResult]:
    """Ask every source once, at the same time; results in the order of ``sources``.

    ``now`` (UTC) stamps all rows. With ``guard`` every call goes through it, ``force`` saying that a person asks; without
    (invented and recorded sources) one that has not answered after ``deadline_s`` seconds is abandoned.
    ``monotonic`` measures how long each took.
    """
    if guard is not None:
        return await asyncio.gather(*(guard.call(source, now, force=force) for source in sources.values()))
    return await asyncio.gather(*(_one(source, now, deadline_s, monotonic) for source in sources.values()))


async def _one(source: Source, now: datetime, deadline_s: float, monotonic: Callable[[], float]) -> FetchResult:
    started = monotonic()
    try:
        result = await _fetch(source, now, deadline_s)
    except Exception as error:  # noqa: BLE001 # whatever an adapter lets through must not take the other sources along
        result = unexpected(source.name, now, error)
    return replace(result, ms=round((monotonic() - started) * 1000))


async def _fetch(source: Source, now: datetime, deadline_s: float) -> FetchResult:
    missing = source.missing()
    if missing:
        return not_configured(source.name, now, missing)
    try:
        async with asyncio.timeout(deadline_s) as limit:
            return await source.fetch(now)
    except TimeoutError:
        if not limit.expired():
            raise
        return abandoned(source.name, now, deadline_s)
    except SourceError as error:
        return told(failure(source.name, now, error))
