"""How often a source is asked: its own interval, stretched after refusals, and back again. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

STRETCH = 2.0
MOST = 16.0
LONGEST_S = 3600.0
"""A stretched interval is never longer than this, unless the source's own is."""
CLEAN_POLLS = 3
"""Polls without a refusal after which the interval halves again."""
SPREAD_SHARE, SPREAD_S = 0.1, 30.0
"""A wait is lengthened by up to this share, at most so many seconds, so that sources drift apart."""


@dataclass(frozen=True, slots=True)
class Pace:
    """``factor`` on the interval, ``refusals`` since it was last as set, ``clean`` polls in a row without one."""

    factor: float = 1.0
    refusals: int = 0
    clean: int = 0


def refused(pace: Pace) -> Pace:
    """After "too many requests": twice the interval."""
    return Pace(min(pace.factor * STRETCH, MOST), pace.refusals + 1, 0)


def answered(pace: Pace) -> Pace:
    """After an answer: half the stretched interval when there were enough of them in a row."""
    if pace.factor <= 1.0:
        return Pace()
    if pace.clean + 1 < CLEAN_POLLS:
        return Pace(pace.factor, pace.refusals, pace.clean + 1)
    factor = pace.factor / STRETCH
    return Pace(factor, pace.refusals, 0) if factor > 1.0 else Pace()


def interval_s(pace: Pace, poll_seconds: float) -> float:
    """Seconds between polls now."""
    return min(poll_seconds * pace.factor, max(poll_seconds, LONGEST_S))


def spread_s(seconds: float, jitter: float) -> float:
    """``seconds`` and a little more; ``jitter`` is 0..1."""
    return seconds + min(seconds * SPREAD_SHARE, SPREAD_S) * min(max(jitter, 0.0), 1.0)


class Turns:
    """Hands out start times at least ``gap_s`` seconds apart, so that many sources due at once start one by one."""

    def __init__(self, gap_s: float) -> None:
        self._gap_s = gap_s
        self._next = float("-inf")

    def wait_s(self, now: float, jitter: float = 0.0) -> float:
        """How long whoever asks at ``now`` (seconds, monotonic) must wait for its turn; it is taken then."""
        turn = max(now, self._next)
        self._next = turn + self._gap_s * (1.0 + min(max(jitter, 0.0), 1.0))
        return turn - now


def to_json(pace: Pace) -> dict[str, Any]:
    """Plain JSON, to be remembered across a restart."""
    return {"factor": pace.factor, "refusals": pace.refusals, "clean": pace.clean}


def from_json(kept: Mapping[str, Any]) -> Pace:
    """What :func:`to_json` made; the plain pace where it cannot be read."""
    try:
        factor = float(kept["factor"])
        return (
            Pace(min(max(factor, 1.0), MOST), int(kept["refusals"]), int(kept["clean"])) if factor == factor else Pace()
        )
    except (KeyError, TypeError, ValueError):
        return Pace()
