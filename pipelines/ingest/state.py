"""What adapters remember between polls: validators of a feed, the last good run, what was spent today."""

from __future__ import annotations

import copy
from typing import Any, Protocol


class SourceState(Protocol):
    """A small key-value memory; keys start with the source's name (``trades:https://...``), values are plain JSON."""

    def get(self, key: str) -> dict[str, Any] | None:
        """The value last put under ``key``, or ``None``. The caller may change what it gets."""
        ...

    def put(self, key: str, value: dict[str, Any]) -> None:
        """Keep ``value`` under ``key``, replacing what was there."""
        ...


class MemoryState:
    """State that lives as long as the process; for tests and for running without a database."""

    def __init__(self) -> None:
        self._values: dict[str, dict[str, Any]] = {}

    def get(self, key: str) -> dict[str, Any] | None:
        """A copy of the value under ``key``, or ``None``."""
        value = self._values.get(key)
        return None if value is None else copy.deepcopy(value)

    def put(self, key: str, value: dict[str, Any]) -> None:
        """Keep a copy of ``value`` under ``key``."""
        self._values[key] = copy.deepcopy(value)
