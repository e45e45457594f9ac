"""The guard of a live process, from settings: policies, buckets and cache of every upstream."""

from __future__ import annotations

from pipelines.cache import Fuse, MemoryCache, RedisCache
from pipelines.ingest.buckets import Buckets
from pipelines.ingest.fetching import Guard, Policy
from pipelines.ingest.state import SourceState
from pipelines.settings import Settings
from pipelines.settings_sections import Source

EXPLORE_DEADLINE_S = 900.0
"""Each of up to ten requests of a round waits a few seconds."""
EXPLORE_A_MINUTE = 30
TIKTOK_REQUESTS = 4
"""Start, wait, rows and one to spare."""


def build_policies(settings: Settings) -> dict[str, Policy]:
    """How each source is treated, Explore included."""
    trends = settings.trends
    explore = Policy(
        trends.explore_poll_seconds, EXPLORE_DEADLINE_S, failures=trends.breaker_failures,
        breaker_seconds=float(trends.explore_poll_seconds),
    )  # fmt: skip
    return {
        "reddit": _policy(settings.reddit, max(len(settings.reddit.feeds), 1)),
        "trends": _policy(trends, 1),
        "tiktok": _policy(settings.tiktok, TIKTOK_REQUESTS),
        "trades": _policy(settings.trades, max(len(settings.trades.feeds), 1)),
        "explore": explore,
    }


def build_limits(settings: Settings) -> dict[str, int]:
    """Requests a minute per source."""
    names = ("reddit", "trends", "tiktok", "trades")
    limits: dict[str, int] = {name: getattr(settings, name).requests_per_minute for name in names}
    return {**limits, "explore": EXPLORE_A_MINUTE}


def build_guard(settings: Settings, state: SourceState, schema: str) -> Guard:
    """The guard around the upstreams of ``settings``; ``schema`` is the prefix of what it keeps in Redis.

    Connects to nothing yet. Give its connections back with :meth:`Guard.aclose`.
    """
    fuse, url = Fuse(), settings.redis_url.get_secret_value()
    cache = RedisCache(url, f"et-heatmap:{schema}", fuse) if url else MemoryCache()
    buckets = Buckets(build_limits(settings), redis_url=url, prefix=f"et-heatmap:{schema}", fuse=fuse)
    return Guard(build_policies(settings), state, cache, buckets)


def _policy(source: Source, requests: int) -> Policy:
    return Policy(
        source.poll_seconds, source.deadline_seconds, source.attempts, source.cache_seconds, requests,
        source.breaker_failures, source.breaker_seconds,
    )  # fmt: skip
