"""The decisions of a run, as they come: many rows of which most are never looked at again, kept as frames."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from pipelines.model import UTC_TIME
from pipelines.outbox import DECISIONS

AT_ONCE = 2048
NOTED = pl.Schema({"at": UTC_TIME, **DECISIONS})
"""A decision with its scoring poll."""


class DecisionLog:
    """Rows of :data:`NOTED`, oldest first. A row as a dict takes ten times the memory of one in a frame."""

    def __init__(self) -> None:
        self._frames: list[pl.DataFrame] = []
        self._waiting: list[Mapping[str, Any]] = []

    def append(self, row: Mapping[str, Any]) -> None:
        """One decision more."""
        self._waiting.append(row)
        if len(self._waiting) >= AT_ONCE:
            self._settle()

    def frame(self) -> pl.DataFrame:
        """All of them."""
        self._settle()
        return pl.concat([pl.DataFrame(schema=NOTED), *self._frames])

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Each as a dict, one frame at a time."""
        self._settle()
        for frame in self._frames:
            yield from frame.iter_rows(named=True)

    def _settle(self) -> None:
        if self._waiting:
            self._frames.append(pl.DataFrame(self._waiting, schema=NOTED))
            self._waiting = []
