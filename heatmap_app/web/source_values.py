"""What ``/sources`` shows: plain values for the templates, nothing escaped."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from heatmap_app.jobs import Job
from heatmap_app.pages.words import Times, platform, span
from heatmap_app.web.common import span_words
from heatmap_app.web.strip import short
from pipelines.model import Outcome
from pipelines.view import ScheduleRow, SourceHealth

TONES = {"live": "good", "delayed": "warn", "throttled": "warn", "down": "bad", "paused": "warn"}
FEED_TONES = {
    Outcome.OK: "good", Outcome.NOT_MODIFIED: "good", Outcome.CACHE_HIT: "good", Outcome.FAILED: "bad",
    Outcome.THROTTLED: "warn", Outcome.EMPTY: "warn", Outcome.DEGRADED: "warn",
}  # fmt: skip
OUTCOME_WORDS = {
    Outcome.OK: "fetched", Outcome.NOT_MODIFIED: "not modified", Outcome.CACHE_HIT: "cache hit", Outcome.EMPTY: "empty",
    Outcome.DEGRADED: "partly", Outcome.THROTTLED: "throttled (429)", Outcome.FAILED: "failed",
    Outcome.NOT_CONFIGURED: "not configured", Outcome.SKIPPED: "skipped", Outcome.BREAKER_OPEN: "breaker open",
    Outcome.BUCKET_EMPTY: "skipped by our own limit", Outcome.QUARANTINED: "quarantined", Outcome.PAUSED: "paused",
}  # fmt: skip
JOB_NAMES = {
    "follow": "Who leads", "kpis": "KPIs", "rundown": "Rundown cards", "promos": "Promo teases",
    "edit messages": "Messages kept current", "deliver": "Alerts to Slack",
}  # fmt: skip


def card(one: SourceHealth, times: Times, now: datetime) -> dict[str, Any]:
    """A source's card: word, tone, sentence, numbers and feeds."""
    word = "live" if one.state == "live" else short(one, times, now)
    if one.state == "delayed" and one.last_success:
        word = f"delayed ({span(now - one.last_success)})"
    rate = None if one.success_rate_24h is None else f"{100 * one.success_rate_24h:.1f} %".replace(".0 %", " %")
    p95 = None if one.p95_ms is None else f"{one.p95_ms:.0f} ms" if one.p95_ms < 1000 else f"{one.p95_ms / 1000:.1f} s"
    return {
        "source": one.source, "name": platform(one.source), "word": word[:1].upper() + word[1:], "line": one.line,
        "tone": TONES.get(one.state, ""), "last_success": one.last_success, "next_poll": one.next_poll,
        "missing": one.missing, "feeds": [_feed(feed) for feed in one.feeds],
        "numbers": [
            ("Success rate, 24 h", rate), ("Breaker", one.breaker),
            ("Quota left", None if one.quota_left is None else f"{one.quota_left} requests"),
            ("Items per poll", None if one.items_per_poll is None else f"{one.items_per_poll:.1f}"), ("p95 latency", p95),
            ("Asked every", None if one.interval_s is None else span_words(one.interval_s)),
        ],
    }  # fmt: skip


def _feed(feed: dict[str, Any]) -> dict[str, Any]:
    outcome = str(feed.get("outcome") or "")
    words = OUTCOME_WORDS[Outcome(outcome)] if outcome in set(Outcome) else outcome
    return {
        "name": feed.get("feed") or "", "words": words, "tone": FEED_TONES.get(Outcome(outcome), "") if words else "",
        "items": feed.get("items") or 0, "detail": feed.get("detail") or "",
    }  # fmt: skip


def job_rows(jobs: Sequence[Job], *, polls: bool) -> list[dict[str, Any]]:
    """The process's jobs in words; ``polls``: also those that ask a source, which the source table shows already."""
    return [
        {
            "name": JOB_NAMES.get(job.name, job.name.capitalize()), "next": job.next_run,
            "interval": span_words(job.every()), "running": job.running,
            "last_ok": job.last_ok, "error": job.last_error, "detail": job.last_detail, "ok": job.ok, "failed": job.failed,
        }
        for job in jobs if polls or not job.name.startswith("poll ")
    ]  # fmt: skip


def plan_rows(rows: Sequence[ScheduleRow]) -> list[dict[str, Any]]:
    """When each source is asked next, and why then."""
    return [
        {
            "name": platform(row.source), "next": row.next_run, "why": row.why, "last": row.last_call,
            "interval": span_words(row.interval_s), "breaker": row.breaker, "source": row.source, "held": row.held,
            "stretched": row.interval_s > row.base_interval_s, "base": span_words(row.base_interval_s),
        }
        for row in rows
    ]  # fmt: skip
