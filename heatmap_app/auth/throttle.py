"""How long a name or an address must wait after wrong passwords. Pure: the time comes in."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

KEPT = 10_000
"""Names and addresses remembered; the oldest are forgotten first."""


@dataclass(slots=True)
class _Record:
    failures: int = 0
    free_at: float = 0.0


class Throttle:
    """Counts failures by key: the first ``free`` cost nothing, then the wait doubles from one second to ``cap_s``.

    An attempt is counted when it begins and forgiven when it succeeds, so that many at once gain nothing. Times are
    seconds of one monotonic clock. Use from one thread (the event loop).
    """

    def __init__(self, free: int, cap_s: float, forget_s: float = 3600.0) -> None:
        self._free, self._cap_s, self._forget_s = free, cap_s, forget_s
        self._records: OrderedDict[str, _Record] = OrderedDict()

    def wait_s(self, key: str, now: float) -> float:
        """Seconds until ``key`` may try again; 0 when it may now."""
        record = self._records.get(key)
        return max(0.0, record.free_at - now) if record else 0.0

    def begin(self, key: str, now: float) -> None:
        """An attempt begins."""
        record = self._records.setdefault(key, _Record())
        if now - record.free_at > self._forget_s:
            record.failures = 0
        record.failures += 1
        over = record.failures - self._free
        record.free_at = now + (min(2.0 ** min(over - 1, 20), self._cap_s) if over > 0 else 0.0)
        self._records.move_to_end(key)
        while len(self._records) > KEPT:
            self._records.popitem(last=False)

    def forgive(self, key: str) -> None:
        """The attempt was right."""
        self._records.pop(key, None)
