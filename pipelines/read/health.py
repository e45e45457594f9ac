"""How each source is doing, in a word and a sentence (RELIABILITY 2, SCREENS 4). The judging is pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from pipelines.health import GRACE
from pipelines.ingest.guard_state import PREFIX as PREFIX_OF_STATE
from pipelines.ingest.guard_state import GuardState, from_json
from pipelines.ingest.pace import interval_s
from pipelines.model import SOURCES, Outcome
from pipelines.settings import PREFIX, Settings
from pipelines.store.store import Store
from pipelines.view import SourceHealth

TITLES = {"reddit": "Reddit", "trends": "Trends", "tiktok": "TikTok", "trades": "Trades"}
UPSTREAMS = {"reddit": "Reddit", "trends": "Google", "tiktok": "Apify", "trades": "a trade site"}
THINGS = {"reddit": "posts", "trends": "searches", "tiktok": "lists", "trades": "stories"}
CREDENTIALS = {
    "reddit": ("Set {} to those of a Reddit app.", ("client_id", "client_secret")),
    "tiktok": ("Set {} to an Apify token.", ("token",)),
}
STATS_OVER = timedelta(hours=24)
EMPTY_IN_A_ROW = 3
"""So many empty polls in a row are a delay, not a quiet hour."""


def source_health(
    store: Store,
    settings: Settings,
    now: datetime,
    *,
    mode: str | None = None,
    poll_seconds: Mapping[str, float] | None = None,
    past: bool = False,
) -> tuple[SourceHealth, ...]:
    """Every source's health at ``now``, in the order of :data:`pipelines.model.SOURCES`.

    ``poll_seconds`` names the sources there are, with their intervals; by default those of settings. Credentials are
    asked for only in live ``mode``. With ``past`` nothing but the polls up to ``now`` counts: what is set and what the
    guard knows is of today.
    """
    last = store.last_fetches(now)
    stats = store.fetch_stats(now - STATS_OVER, now)
    live = (mode or settings.effective_mode) == "live" and not past
    found = []
    for source in SOURCES:
        missing = missing_variables(settings, source) if live else ()
        seconds = (poll_seconds or {}).get(source)
        if poll_seconds is not None and seconds is None and not missing and source not in last:
            continue
        seconds = float(getattr(settings, source).poll_seconds) if seconds is None else seconds
        state = from_json(store.source_state.get(PREFIX_OF_STATE + source)) if live else GuardState()
        seconds = interval_s(state.pace, seconds)
        found.append(
            with_stats(
                judge(source, last.get(source), now, seconds, missing, state.next_at), stats.get(source), state, now
            )
        )
    return tuple(found)


def with_stats(health: SourceHealth, stats: Mapping[str, Any] | None, state: GuardState, now: datetime) -> SourceHealth:
    """``health`` with what the polls of the last 24 h add up to, and with what the guard knows. Pure."""
    rated = stats or {"asked": 0, "delivered": 0, "items_per_poll": None, "p95_ms": None}
    items, p95 = rated["items_per_poll"], rated["p95_ms"]
    known = state.breaker
    probing = known.lease_until is not None and now < known.lease_until
    return replace(
        health,
        success_rate_24h=rated["delivered"] / rated["asked"] if rated["asked"] else None,
        items_per_poll=None if items is None else float(items),
        p95_ms=None if p95 is None else float(p95),
        breaker=("probing" if probing else "open") if known.is_open else "closed",
        quota_left=None if state.quota_left is None else int(state.quota_left),
    )


def missing_variables(settings: Settings, source: str) -> tuple[str, ...]:
    """The settings variables that must be set before a source can be asked."""
    _, keys = CREDENTIALS.get(source, ("", ()))
    section = getattr(settings, source)
    return tuple(f"{PREFIX}{source}__{key}".upper() for key in keys if not _value(getattr(section, key)))


def _value(setting: Any) -> str:
    secret = getattr(setting, "get_secret_value", None)
    return str(secret() if secret else setting)


def judge(
    source: str,
    fetch: Mapping[str, Any] | None,
    now: datetime,
    poll_seconds: float,
    missing: tuple[str, ...] = (),
    planned: datetime | None = None,
) -> SourceHealth:
    """One source's health from its latest poll (a row of ``Store.last_fetches``) and its interval. Pure.

    ``planned``: when the guard asks it next, where there is one."""
    title = TITLES[source]
    if missing:
        hint = CREDENTIALS[source][0].format(" and ".join(missing))
        return SourceHealth(source, "not_configured", f"{title}: not configured. {hint}", missing=missing)
    if fetch is None:
        return SourceHealth(source, "waiting", f"{title}: not polled yet.")
    interval = timedelta(seconds=poll_seconds)
    following = planned if planned is not None and planned > now else fetch["at"] + interval
    until = fetch["at"] + timedelta(seconds=fetch["retry_after_s"]) if fetch["retry_after_s"] else None
    state, line = _state(source, fetch, now, interval, until or following)
    return SourceHealth(
        source=source,
        interval_s=poll_seconds,
        state=state,
        line=f"{title}: {line}",
        last_success=fetch["success_at"],
        last_attempt=fetch["at"],
        next_poll=max(following, until) if until else following,
        until=until if until and until > now else None,
        items=fetch["success_items"] or 0,
        feeds=tuple(fetch["feeds"]),
    )


def _state(
    source: str, fetch: Mapping[str, Any], now: datetime, interval: timedelta, after_at: datetime
) -> tuple[Any, str]:
    """The state and its sentence, without the source's title."""
    outcome, success = Outcome(fetch["outcome"]), fetch["success_at"]
    shown = _shown(source, success, now)
    reason = _reason(fetch["detail"])
    after = clock(after_at, now)
    if outcome == Outcome.THROTTLED:
        return "throttled", f"throttled by {UPSTREAMS[source]} until {after}. {shown}"
    if outcome == Outcome.NOT_CONFIGURED:
        return "not_configured", f"not configured{reason}"
    if outcome in (Outcome.SKIPPED, Outcome.PAUSED):
        return "paused", f"paused{_reason(fetch['detail'].removeprefix('paused: '))} {shown}"
    if outcome == Outcome.QUARANTINED:
        return "paused", f"paused{reason} {shown}"
    if outcome == Outcome.BUCKET_EMPTY:
        return "delayed", f"delayed{reason} {shown}"
    if outcome in (Outcome.FAILED, Outcome.BREAKER_OPEN):
        return "down", f"down since {clock(fetch['bad_since'], now)}{reason} Next try {after}. {shown}"
    if outcome == Outcome.DEGRADED:
        return "delayed", f"some of it is missing{reason} {shown}"
    if outcome == Outcome.EMPTY and (fetch["empties"] >= EMPTY_IN_A_ROW or success is None):
        return "delayed", f"0 {THINGS[source]} in the last {fetch['empties']} polls. {shown}"
    if success is None or now - success > 2 * interval + GRACE:
        age = f"last poll {span(now - fetch['at'])} ago."
        return "delayed", f"delayed, {age} {shown}"
    return "live", f"live, {THINGS[source]} {span(now - success)} old."


def _shown(source: str, success: datetime | None, now: datetime) -> str:
    things = THINGS[source]
    return f"Showing {things} up to {clock(success, now)}." if success else f"No {things} yet."


def _reason(detail: str) -> str:
    """``detail`` after a colon, as the end of a sentence."""
    detail = detail.strip()
    if not detail:
        return "."
    return f": {detail}" if detail.endswith((".", "!", "?")) else f": {detail}."


def clock(moment: datetime, now: datetime) -> str:
    """Hours and minutes UTC, saying so: pages show such a sentence beside times of the visitor's own zone. With the day
    where it is not today."""
    at, today = moment.astimezone(UTC), now.astimezone(UTC)
    return f"{at:%H:%M} UTC" if at.date() == today.date() else f"{at.day} {at:%b %H:%M} UTC"


def span(age: timedelta) -> str:
    """An age in one unit, or two from an hour on: 40 s, 6 min, 1 h 27 min, 3 days."""
    seconds = max(0, int(age.total_seconds()))
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min"
    if seconds < 48 * 3600:
        hours, minutes = divmod(seconds // 60, 60)
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{seconds // 86_400} days"
