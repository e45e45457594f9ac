"""Server-sent events: a queue per listener, bounded, so that a listener that does not read costs nothing."""

from __future__ import annotations

import asyncio
from typing import Any

QUEUE_LIMIT = 64


class Events:
    """Fans events out to the listeners of ``/api/v1/stream``. Used on the event loop only."""

    def __init__(self) -> None:
        self._queues: set[asyncio.Queue[tuple[str, dict[str, Any]]]] = set()

    def __len__(self) -> int:
        return len(self._queues)

    def subscribe(self) -> asyncio.Queue[tuple[str, dict[str, Any]]]:
        """A queue of (event name, data) from now on."""
        queue: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue(QUEUE_LIMIT)
        self._queues.add(queue)
        return queue

    def unsubscribe(self, queue: asyncio.Queue[tuple[str, dict[str, Any]]]) -> None:
        """Forget ``queue``."""
        self._queues.discard(queue)

    def publish(self, kind: str, data: dict[str, Any]) -> None:
        """Tell every listener; one whose queue is full misses this event (the next one brings it up to date)."""
        for queue in self._queues:
            if not queue.full():
                queue.put_nowait((kind, data))

    def close(self) -> None:
        """End every stream, so that a stopping server does not wait for its listeners."""
        for queue in self._queues:
            while queue.full():
                queue.get_nowait()
            queue.put_nowait(("end", {}))
