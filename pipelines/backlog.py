"""Polls that wait in memory for a database that is away: in order, and never more than there is room for."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog

from pipelines.model import FetchResult

log = structlog.get_logger(__name__)

MOST_POLLS = 2_000
MOST_BYTES = 64 * 2**20
POLL_BYTES = 2_000
"""What a poll takes beside its rows."""


@dataclass
class Backlog:
    """First in, first out. Beyond ``most_polls`` or ``most_bytes`` the oldest go and are counted in ``dropped``."""

    most_polls: int = MOST_POLLS
    most_bytes: int = MOST_BYTES
    polls: int = 0
    bytes: int = 0
    dropped: int = 0
    _waiting: deque[tuple[tuple[FetchResult, ...], int]] = field(default_factory=deque)

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, results: Sequence[FetchResult]) -> None:
        """Keep what one ingest was handed."""
        size = sum(result.items.estimated_size() + POLL_BYTES for result in results)
        self._waiting.append((tuple(results), int(size)))
        self.polls += len(results)
        self.bytes += int(size)
        before = self.dropped
        while self._waiting and (self.polls > self.most_polls or self.bytes > self.most_bytes):
            self.dropped += len(self.pop())
        if self.dropped > before:
            log.warning("backlog full: oldest polls dropped", dropped=self.dropped - before, in_all=self.dropped)

    def first(self) -> tuple[FetchResult, ...]:
        """The oldest; it stays until :meth:`pop`. Raises ``IndexError`` when nothing waits."""
        return self._waiting[0][0]

    def pop(self) -> tuple[FetchResult, ...]:
        """Take the oldest out. Raises ``IndexError`` when nothing waits."""
        results, size = self._waiting.popleft()
        self.polls -= len(results)
        self.bytes -= size
        return results
