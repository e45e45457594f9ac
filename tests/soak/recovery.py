"""How long after the end of a fault things are well again, in poll intervals, and what asked for a longer wait."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.soak.faults import Fault
from tests.soak.ground import STEP_S

GOOD = ("ok", "not_modified", "cache_hit")


@dataclass
class Active:
    """One fault under way. ``last`` is the virtual time of the last round it disturbed; ``allowed_s`` the wait that the
    guard planned then, where an upstream asked for one."""

    fault: Fault
    hits: int = 0
    last: datetime | None = None
    over: bool = False
    allowed_s: float = 0.0
    healed_at: float = 0.0

    @property
    def interval_s(self) -> float:
        return 3600.0 if self.fault.target == "tiktok" else float(STEP_S)


@dataclass
class Recoveries:
    """What was measured, by kind of fault: (intervals, intervals allowed), and for Slack seconds."""

    waiting: list[Active] = field(default_factory=list)
    intervals: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def over(self, active: Active) -> None:
        """The fault has ended: wait for things to be well again."""
        active.over, active.healed_at = True, time.monotonic()
        self.waiting.append(active)

    def heard(self, reply: Mapping[str, Any], *, quiet_outbox: bool, slack_struck: bool) -> None:
        """What a round brought: whoever is well now is done waiting."""
        at = datetime.fromisoformat(reply["at"])
        for active in tuple(self.waiting):
            if self._well(active, reply, quiet_outbox=quiet_outbox, slack_struck=slack_struck):
                self.waiting.remove(active)
                self._done(active, at)

    def _well(self, active: Active, reply: Mapping[str, Any], *, quiet_outbox: bool, slack_struck: bool) -> bool:
        target = active.fault.target
        if target == "slack":
            return quiet_outbox and slack_struck
        if target == "redis":
            return any(result["outcome"] in GOOD for result in reply["results"])
        if target in ("postgres", "process"):
            return not reply["error"] and reply["buffered"] == 0
        return any(result["source"] == target and result["outcome"] in GOOD for result in reply["results"])

    def _done(self, active: Active, at: datetime) -> None:
        kind = f"{active.fault.target}: {active.fault.kind}"
        if active.fault.target == "slack":
            self.seconds[kind].append(time.monotonic() - active.healed_at)
            return
        assert active.last is not None
        took = (at - active.last).total_seconds() / active.interval_s
        self.intervals[kind].append((took, max(1.0, active.allowed_s / active.interval_s)))
