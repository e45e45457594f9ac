"""The doctor's questions to the outside: each source, Slack, the rundown and the writer, each by one cheap real call."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

from heatmap_app.doctor import Ask, Check
from heatmap_app.writer_http import build_writer
from pipelines.alert.slack_check import check_slack
from pipelines.clock import SystemClock
from pipelines.errors import HeatmapError, PermanentError, RateLimitedError, SourceError
from pipelines.ingest.fetching import Guard
from pipelines.ingest.guard_state import PREFIX
from pipelines.ingest.guarding import build_guard
from pipelines.ingest.http import Http
from pipelines.ingest.run import poll
from pipelines.ingest.source import Source, build_sources
from pipelines.ingest.state import MemoryState
from pipelines.ingest.tiktok import TikTokSource
from pipelines.model import SOURCES, FetchResult, Outcome
from pipelines.outgoing import fault_of
from pipelines.settings import Settings
from pipelines.store.embedded import EmbeddedPostgres
from pipelines.store.store import Store

SCHEMA = "doctor"
FETCHED = (Outcome.OK, Outcome.EMPTY, Outcome.NOT_MODIFIED, Outcome.CACHE_HIT)
SECONDS = 10.0
MAX_BYTES = 1_000_000


def upstream_checks(settings: Settings) -> dict[str, Ask]:
    """One check a source, then Slack, the rundown and the writer."""
    small, kept = _cheap(settings), Kept(settings)
    return {
        "reddit": lambda: check_source(small, "reddit", kept), "trends": lambda: check_source(small, "trends", kept),
        "tiktok": lambda: check_tiktok(small, kept), "trades": lambda: check_source(small, "trades", kept),
        "slack": lambda: asyncio.to_thread(ask_slack, settings), "rundown": lambda: check_rundown(settings),
        "writer": lambda: asyncio.to_thread(check_writer, settings),
    }  # fmt: skip


def _cheap(settings: Settings) -> Settings:
    """The same settings, with one short Reddit listing and patience for one try."""
    reddit = settings.reddit.model_copy(
        update={"feeds": settings.reddit.feeds[:1], "limit": 5, "attempts": 1, "deadline_seconds": 25.0}
    )
    once = {"attempts": 1, "deadline_seconds": 25.0}
    trends, trades = settings.trends.model_copy(update=once), settings.trades.model_copy(update=once)
    tiktok = settings.tiktok.model_copy(update=once)
    return settings.model_copy(update={"reddit": reddit, "trends": trends, "tiktok": tiktok, "trades": trades})


class Kept:
    """What the running server learnt of its sources: one that wants to be left alone is not asked by the doctor either."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = asyncio.Lock()
        self._known: dict[str, dict[str, Any]] | None = None

    async def state(self, name: str) -> MemoryState:
        """A copy of what is known of ``name``; an empty one where the database cannot be read."""
        async with self._lock:
            if self._known is None:
                self._known = await asyncio.to_thread(self._read)
        state = MemoryState()
        if name in self._known:
            state.put(PREFIX + name, self._known[name])
        return state

    def _read(self) -> dict[str, dict[str, Any]]:
        url, own = self._settings.database_url.get_secret_value(), None
        try:
            own = None if url else EmbeddedPostgres.start(self._settings.var_path)
            store = Store.open(url or (own.url if own else ""), "live")
            try:
                found = {name: store.source_state.get(PREFIX + name) for name in SOURCES}
            finally:
                store.close()
        except HeatmapError:
            return {}  # the database has a check of its own
        finally:
            if own is not None:
                own.stop()
        return {name: value for name, value in found.items() if value is not None}


async def check_source(settings: Settings, name: str, kept: Kept | None = None) -> Check:
    """Ask a source once, through the guard, keeping nothing of the answer; not before the time it asked for."""
    clock = SystemClock()
    async with Http(clock) as http:
        source: Source = build_sources(settings, http, MemoryState())[name]
        if (missing := source.missing()) != ():
            return Check(name, "missing", f"not configured. Set {' and '.join(missing)}")
        state = await kept.state(name) if kept is not None else MemoryState()
        guard: Guard = build_guard(settings, state, SCHEMA)
        try:
            (result,) = await poll({name: source}, clock.now(), guard=guard, force=True)
        finally:
            await guard.aclose()
    return _judge(name, result)


def _judge(name: str, result: FetchResult) -> Check:
    """What a poll's outcome says about the set-up. Pure."""
    bad = [f"{report.feed}: {report.detail}" for report in result.feeds if report.outcome is Outcome.FAILED]
    if result.outcome in FETCHED and not bad:
        return Check(name, "ok", f"answers: {result.items.height} items in {result.ms} ms")
    if result.outcome is Outcome.THROTTLED:
        return Check(name, "ok", f"answers, but {result.detail}; nothing to do")
    if result.outcome is Outcome.NOT_CONFIGURED:
        return Check(name, "missing", result.detail)
    return Check(name, "wrong", "; ".join(bad) or result.detail or str(result.outcome))


async def check_tiktok(settings: Settings, kept: Kept | None = None) -> Check:
    """Whether Apify takes the token, asked through the guard; starts no run, which would cost money."""
    clock, state = SystemClock(), await kept.state("tiktok") if kept is not None else MemoryState()
    source = TikTokSource(settings.tiktok, state)
    if source.missing():
        return Check("tiktok", "missing", "not configured. Set HEATMAP_TIKTOK__TOKEN to an Apify token")

    async def account(now: datetime) -> FetchResult:
        from pipelines.ingest.tiktok_client import Apify  # a second to import: only where there is a token

        end = await Apify(settings.tiktok).account()
        detail = f"Apify takes the token; its billing cycle ends {end:%d %b}"
        return FetchResult("tiktok", now, Outcome.EMPTY, detail=detail, requests=1)

    guard = build_guard(settings, state, SCHEMA)
    try:
        result = await guard.call(source, clock.now(), force=True, fetch=account)
    finally:
        await guard.aclose()
    return Check("tiktok", "ok", result.detail) if result.outcome is Outcome.EMPTY else _judge("tiktok", result)


def ask_slack(settings: Settings) -> list[Check]:
    """Token, permissions, channel and buttons, asked of Slack; nothing is posted."""
    found = check_slack(settings)
    return [Check("slack" if name == "slack" else f"slack {name}", standing, line) for name, standing, line in found]


async def check_rundown(settings: Settings) -> Check:
    """Whether something answers at the rundown address; no card is posted."""
    url = settings.slack.rundown_url
    if not url:
        return Check("rundown", "missing", "cards are kept here and posted nowhere; set HEATMAP_SLACK__RUNDOWN_URL")
    if (fault := fault_of(url, settings.outgoing.http_hosts)) is not None:
        return Check("rundown", "wrong", f"HEATMAP_SLACK__RUNDOWN_URL {fault}")
    async with Http(SystemClock()) as http:
        try:
            await http.get("rundown", url, max_bytes=MAX_BYTES, deadline_s=SECONDS, accept=())
        except SourceError as error:
            if error.status is None:
                return Check("rundown", "wrong", f"{error.message}; check HEATMAP_SLACK__RUNDOWN_URL")
    return Check("rundown", "ok", "something answers there (no card was posted)")


def check_writer(settings: Settings) -> Check:
    """Ask the writer for two letters."""
    writer = build_writer(settings)
    if writer is None:
        return Check("writer", "missing", "off: packages are written by the templates; optional")
    try:
        writer("Answer with the word ok.")
    except (PermanentError, RateLimitedError) as error:
        return Check("writer", "wrong", error.message)
    except SourceError as error:
        return Check("writer", "wrong", f"{error.message}; the templates' texts stand in")
    return Check("writer", "ok", f"{settings.writer.model or 'it'} answers")
