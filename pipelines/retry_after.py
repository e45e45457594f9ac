"""What ``Retry-After`` asks for, read in one place: every upstream's, Slack's and the rundown system's."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

DEFAULT_WAIT_S = 60.0
"""How long to stay away when an upstream says "too many requests" without saying for how long."""

MIN_WAIT_S, MAX_WAIT_S = 1.0, 3600.0


def retry_after_seconds(value: str | None, now: datetime) -> float:
    """How long ``Retry-After`` asks to wait, in seconds, never less than 1 or more than 3600.

    ``value`` is the header: seconds or an HTTP date. Missing, negative, past or unreadable means 60.
    """
    seconds = _seconds(value.strip(), now) if value else None
    if seconds is None or not math.isfinite(seconds) or seconds < 0:
        return DEFAULT_WAIT_S
    return min(max(seconds, MIN_WAIT_S), MAX_WAIT_S)


def _seconds(value: str, now: datetime) -> float | None:
    try:
        return float(value)
    except ValueError:
        pass
    try:
        until = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError):
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return (until - now).total_seconds()
