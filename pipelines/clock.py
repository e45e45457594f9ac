"""Where time comes from. Everything that needs the time is handed one of these; UTC everywhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """The present instant, timezone-aware, UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The present instant, UTC."""
        return datetime.now(UTC)


class VirtualClock:
    """Runs from ``start`` at ``speed`` virtual seconds a real second; for demo and replay.

    ``monotonic`` is the real clock it leans on (seconds). The clock never passes ``until`` when that is set.
    """

    def __init__(
        self,
        start: datetime,
        speed: float,
        until: datetime | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._start, self._speed, self._until, self._monotonic = start, speed, until, monotonic
        self._anchor = monotonic()

    def now(self) -> datetime:
        """The present virtual instant, UTC."""
        moved = self._start + timedelta(seconds=(self._monotonic() - self._anchor) * self._speed)
        return min(moved, self._until) if self._until else moved


class ManualClock:
    """Stands still until moved; for backtests and tests."""

    def __init__(self, start: datetime) -> None:
        self._now = start

    def now(self) -> datetime:
        """The instant it was last set to, UTC."""
        return self._now

    def set(self, instant: datetime) -> None:
        """Jump to ``instant`` (UTC, timezone-aware)."""
        self._now = instant

    def advance(self, step: timedelta) -> None:
        """Move on by ``step``."""
        self._now += step
