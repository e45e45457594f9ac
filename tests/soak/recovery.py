"""How long after the end of a fault things are well again, in poll intervals, and what asked for a longer wait.

A source is waited for in virtual time, since the guard plans in it. Database, cache, process and Slack get well in real
time: their seconds are counted against the shortest interval the product ships with.

A round whose poller was killed tells nothing. A source that was due in it may have answered it, unheard, and is then due an
interval later; the kill's own recovery is counted apart.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import ceil
from typing import Any

from tests.soak.faults import PATHS, Fault
from tests.soak.ground import STEP_S, Ground

GOOD = ("ok", "not_modified", "cache_hit")
SHORTEST_S = 120.0


@dataclass
class Active:
    """One fault under way. ``last`` is the virtual time of the last round it disturbed; ``allowed_s`` the wait that the
    guard planned then, where an upstream asked for one; ``healed_at`` (monotonic) when it ended."""

    fault: Fault
    hits: int = 0
    last: datetime | None = None
    allowed_s: float = 0.0
    healed_at: float = 0.0

    @property
    def name(self) -> str:
        return f"{self.fault.target}: {self.fault.kind}"

    @property
    def interval_s(self) -> float:
        return 3600.0 if self.fault.target == "tiktok" else float(STEP_S)


@dataclass
class Recoveries:
    """What was measured, by kind of fault: (intervals, intervals allowed); and the real seconds, where they count.
    ``untold``: the rounds (virtual time) whose poller was killed."""

    waiting: list[Active] = field(default_factory=list)
    intervals: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    untold: set[datetime] = field(default_factory=set)

    def over(self, active: Active) -> None:
        """The fault has ended: wait for things to be well again."""
        active.healed_at = time.monotonic()
        self.waiting.append(active)

    def heard(self, reply: Mapping[str, Any], ground: Ground, *, quiet_outbox: bool) -> None:
        """What a round brought: whoever is well now is done waiting."""
        at = datetime.fromisoformat(reply["at"])
        slack = quiet_outbox and bool(ground.struck) and not any(plan.answers for plan in ground.slack_server._plans)
        for active in tuple(self.waiting):
            if slack if active.fault.target == "slack" else _well(active.fault.target, reply):
                self.waiting.remove(active)
                since = ground.struck[-1] if active.fault.target == "slack" else active.healed_at
                self.done(active, at, time.monotonic() - since)

    def done(self, active: Active, at: datetime, seconds: float) -> None:
        """What ``active`` disturbed is well at ``at``, ``seconds`` after its end."""
        if active.fault.target in PATHS:
            assert active.last is not None
            took = (at - active.last).total_seconds() / active.interval_s
            self.intervals[active.name].append((took, self._allowed(active, active.last)))
        else:
            self.seconds[active.name].append(seconds)
            self.intervals[active.name].append((seconds / SHORTEST_S, 1.0))

    def _allowed(self, active: Active, last: datetime) -> float:
        """The most intervals after ``last`` that ``active`` may take: one, or to the end of the wait asked for."""
        # rounds lie on a grid: the first one after the wait is the earliest there is
        rounds = max(active.interval_s / STEP_S, ceil(active.allowed_s / STEP_S))
        due = last + timedelta(seconds=rounds * STEP_S)
        while due in self.untold:
            due += timedelta(seconds=active.interval_s)
        return (due - last).total_seconds() / active.interval_s


def _well(target: str, reply: Mapping[str, Any]) -> bool:
    if target in ("postgres", "process"):
        return not reply["error"] and reply["buffered"] == 0
    good = {result["source"] for result in reply["results"] if result["outcome"] in GOOD}
    return bool(good) if target == "redis" else target in good
