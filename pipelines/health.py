"""Which sources count as healthy at a scoring poll, pure: last successes and intervals in, names out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

GRACE = timedelta(seconds=90)
"""What a poll may take beyond its interval before the source counts as late."""


def healthy_platforms(
    enabled: Sequence[str], last_success: Mapping[str, datetime], poll_seconds: Mapping[str, float], now: datetime
) -> tuple[str, ...]:
    """The ``enabled`` platforms whose last successful poll is at most two intervals (and a grace) old at ``now``."""

    def fresh(name: str) -> bool:
        seen = last_success.get(name)
        return seen is not None and now - seen <= timedelta(seconds=2 * poll_seconds[name]) + GRACE

    return tuple(name for name in enabled if fresh(name))
