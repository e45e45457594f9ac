"""What adapters remember, at hand while the database is not: adapters ask on the event loop, which must never wait long.

Each question goes to the database on one thread and is waited for :data:`WAIT_S` at most. What was read or written before
answers where the database does not; what could not be written yet is written with the next question that gets through.
"""

from __future__ import annotations

import copy
import queue
import threading
from collections.abc import Callable
from typing import Any

import structlog

from pipelines.errors import StoreError
from pipelines.ingest.state import SourceState

log = structlog.get_logger(__name__)

WAIT_S = 0.25


class Remembered:
    """A :class:`SourceState` over another that may be slow or away. The keys are few (one a feed), so all are kept."""

    def __init__(self, kept: SourceState) -> None:
        self._kept = kept
        self._memory: dict[str, dict[str, Any]] = {}
        self._unsaved: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()
        self._work: queue.SimpleQueue[tuple[Callable[[], None], threading.Event]] = queue.SimpleQueue()
        self._busy = threading.Event()
        self._thread: threading.Thread | None = None

    def get(self, key: str) -> dict[str, Any] | None:
        """The value last put under ``key``, or None; from memory where the database does not say in time."""
        with self._lock:
            unsaved = key in self._unsaved
        if not unsaved:
            self._ask(lambda: self._read(key))
        with self._lock:
            return copy.deepcopy(self._memory.get(key))

    def put(self, key: str, value: dict[str, Any]) -> None:
        """Keep ``value`` under ``key``: in memory at once, in the database as soon as it takes it."""
        with self._lock:
            self._memory[key] = self._unsaved[key] = copy.deepcopy(value)
        self._ask(lambda: None)

    @property
    def unsaved(self) -> int:
        """How many values wait for the database."""
        return len(self._unsaved)

    def _read(self, key: str) -> None:
        value = self._kept.get(key)
        with self._lock:
            if key in self._unsaved:
                return
            if value is None:
                self._memory.pop(key, None)
            else:
                self._memory[key] = value

    def _save(self) -> None:
        for key, value in tuple(self._unsaved.items()):
            self._kept.put(key, value)
            with self._lock:
                if self._unsaved.get(key) is value:
                    del self._unsaved[key]

    def _ask(self, question: Callable[[], None]) -> None:
        if self._busy.is_set():  # it was late once already: do not wait again until it is through
            return
        done = threading.Event()
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="source state", daemon=True)
                self._thread.start()
        self._work.put((question, done))
        if not done.wait(WAIT_S):
            self._busy.set()
            if done.is_set():  # it came through between the two lines
                self._busy.clear()

    def _run(self) -> None:
        while True:
            question, done = self._work.get()
            try:
                self._save()
                question()
            except StoreError as error:
                log.warning("source state not at hand", reason=str(error))
            finally:
                done.set()
                self._busy.clear()
