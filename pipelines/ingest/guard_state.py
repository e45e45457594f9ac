"""What the guard knows of a source between calls, and how it is kept. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pipelines.ingest import breaker, pace
from pipelines.ingest.breaker import Breaker
from pipelines.ingest.pace import Pace

PREFIX = "guard:"
SAMPLE_PREFIX = "quarantine:"


@dataclass(frozen=True, slots=True)
class GuardState:
    """Times are UTC. ``at``: the last call; ``next_at``: when the next is due; ``paused_until`` and ``reason`` for a limit
    that is used up; ``quarantined_since`` and ``quarantine`` (why) while its rows are not believed; ``quota_left``: what
    the upstream said, else the tokens of our own bucket."""

    breaker: Breaker = field(default_factory=Breaker)
    pace: Pace = field(default_factory=Pace)
    at: datetime | None = None
    next_at: datetime | None = None
    paused_until: datetime | None = None
    reason: str = ""
    quarantined_since: datetime | None = None
    quarantine: str = ""
    quota_left: float | None = None


TIMES = ("at", "next_at", "paused_until", "quarantined_since")


def to_json(state: GuardState) -> dict[str, Any]:
    """Plain JSON for the store."""
    times = {name: moment.isoformat() if (moment := getattr(state, name)) else None for name in TIMES}
    return {
        "breaker": breaker.to_json(state.breaker), "pace": pace.to_json(state.pace), "reason": state.reason,
        "quarantine": state.quarantine, "quota_left": state.quota_left, **times,
    }  # fmt: skip


def from_json(kept: Mapping[str, Any] | None) -> GuardState:
    """What :func:`to_json` made; a new state where there is none or it cannot be read."""
    if not kept:
        return GuardState()
    try:
        times = {name: _time(kept.get(name)) for name in TIMES}
        left = kept.get("quota_left")
        return GuardState(
            breaker.from_json(kept["breaker"]), pace.from_json(kept["pace"]), times["at"], times["next_at"],
            times["paused_until"], str(kept.get("reason") or ""), times["quarantined_since"],
            str(kept.get("quarantine") or ""), None if left is None else float(left),
        )  # fmt: skip
    except (KeyError, TypeError, ValueError):
        return GuardState()


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)
