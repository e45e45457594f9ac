"""poll(): every error becomes a value, and the other sources go on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from pipelines.errors import PermanentError, RateLimitedError, TransientError
from pipelines.ingest.http import Http
from pipelines.ingest.run import poll
from pipelines.ingest.source import build_sources
from pipelines.ingest.state import MemoryState
from pipelines.model import FetchResult, Outcome
from pipelines.settings import load_settings
from tests.upstreams.reddit import CLIENT_ID, CLIENT_SECRET, fixed, post, reddit_app
from tests.upstreams.server import Upstream

NOW = datetime(2026, 11, 22, 14, 30, tzinfo=UTC)


class Scripted:
    """A source that does what it is told."""

    poll_seconds = 60

    def __init__(self, name: str, act: Callable[[], Awaitable[FetchResult]], missing: tuple[str, ...] = ()) -> None:
        self.name, self._act, self._missing = name, act, missing

    def missing(self) -> tuple[str, ...]:
        return self._missing

    async def fetch(self, now: datetime) -> FetchResult:
        return await self._act()


def raising(name: str, error: BaseException) -> Scripted:
    async def act() -> FetchResult:
        raise error

    return Scripted(name, act)


async def fine() -> FetchResult:
    return FetchResult("trends", NOW, Outcome.OK, detail="10 trends")


async def forever() -> FetchResult:
    await asyncio.sleep(60)
    raise AssertionError


async def one(source: Scripted, deadline_s: float = 1.0) -> FetchResult:
    results = await poll({"other": Scripted("trends", fine), source.name: source}, NOW, deadline_s=deadline_s)
    assert results[0].outcome == Outcome.OK, "another source was taken along"
    return results[1]


async def test_not_configured_says_what_to_set() -> None:
    names = ("HEATMAP_REDDIT__CLIENT_ID", "HEATMAP_REDDIT__CLIENT_SECRET")
    result = await one(Scripted("reddit", forever, names))
    assert result.outcome == Outcome.NOT_CONFIGURED
    assert result.detail == (
        "not configured. Set HEATMAP_REDDIT__CLIENT_ID and HEATMAP_REDDIT__CLIENT_SECRET "
        "to the id and secret of an approved Reddit app."
    )
    tiktok = await one(Scripted("tiktok", forever, ("HEATMAP_TIKTOK__TOKEN",)))
    assert tiktok.detail == "not configured. Set HEATMAP_TIKTOK__TOKEN to an Apify token."


async def test_throttled_says_until_when() -> None:
    result = await one(raising("tiktok", RateLimitedError("tiktok", "wait", retry_after_s=600)))
    assert (result.outcome, result.retry_after_s, result.http_status) == (Outcome.THROTTLED, 600, 429)
    assert result.detail == "throttled by Apify until 14:40 UTC"


@pytest.mark.parametrize("kind", [TransientError, PermanentError])
async def test_failed_says_why(kind: type[TransientError | PermanentError]) -> None:
    result = await one(raising("reddit", kind("reddit", "Reddit answered 502", status=502)))
    assert (result.outcome, result.detail, result.http_status) == (Outcome.FAILED, "Reddit answered 502", 502)


async def test_a_source_that_never_answers_is_abandoned() -> None:
    result = await one(Scripted("reddit", forever), deadline_s=0.1)
    assert result.outcome == Outcome.FAILED
    assert result.detail == "no complete answer within 0.1 s; abandoned"
    assert result.ms >= 90


@pytest.mark.parametrize("error", [ValueError("?token=hush"), TimeoutError("hush"), RecursionError("hush")])
async def test_the_unexpected_is_a_value_and_a_log_entry_without_secrets(error: Exception) -> None:
    with capture_logs() as logs:
        result = await one(raising("reddit", error))
    assert result.outcome == Outcome.FAILED
    assert result.detail == f"failed unexpectedly ({type(error).__name__}); the log says where"
    entry = next(entry for entry in logs if entry["log_level"] == "error")
    assert entry["error"] == type(error).__name__
    assert "in act" in entry["traceback"]
    assert "hush" not in str(logs) + result.detail


async def test_cancelling_the_poll_cancels_the_sources() -> None:
    stopped = asyncio.Event()

    async def act() -> FetchResult:
        try:
            return await forever()
        finally:
            stopped.set()

    task = asyncio.create_task(poll({"reddit": Scripted("reddit", act)}, NOW))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert stopped.is_set()


async def test_the_table_has_every_source_and_the_unconfigured_ones_say_so() -> None:
    with Upstream(reddit_app(fixed([post("a", "Hello", datetime.now(UTC))]))) as reddit:
        settings = load_settings(
            Path("no.env"),
            reddit={"url": reddit.url, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "feeds": ["all"]},
            trends={"url": reddit.url},
            tiktok={"token": ""},
            trades={"feeds": [reddit.url + "/none/"]},
        )
        async with Http() as http:
            sources = build_sources(settings, http, MemoryState())
            results = {result.source: result for result in await poll(sources, datetime.now(UTC), deadline_s=20)}
    assert set(sources) == {"reddit", "trends", "tiktok", "trades"}
    assert {name: source.name for name, source in sources.items()} == {name: name for name in sources}
    assert results["reddit"].outcome == Outcome.OK
    assert results["trends"].outcome == Outcome.FAILED
    assert results["tiktok"].outcome == Outcome.NOT_CONFIGURED
    assert results["trades"].outcome == Outcome.FAILED
