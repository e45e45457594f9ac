"""A board looked back at: what has gone on since is taken out again, or marked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from pipelines.view import HeatItem, HistoryPoint


def as_then(item: HeatItem, row: Mapping[str, Any], *, thinned: bool) -> HeatItem:
    """``item`` of a past poll with its last hour as that poll scored it, and what became of the name since.

    ``row`` is the stored one (``muted`` and ``merged_into`` are today's). ``thinned``: the poll before has lost names, so
    that a name without a place in it is not new for sure.
    """
    gone: Literal["", "muted", "merged"] = (
        "merged" if row["merged_into"] is not None else "muted" if row["muted"] else ""
    )
    unknown = thinned and item.previous_rank is None
    return replace(item, history=last_as_scored(item.history, item), gone=gone, before_thinned=unknown)


def last_as_scored(points: tuple[HistoryPoint, ...], score: HeatItem | HistoryPoint | None) -> tuple[HistoryPoint, ...]:
    """``points`` with the last hour as a past poll scored it (nothing where it kept no row): it has gone on since."""
    if not points:
        return points
    hour = points[-1].hour
    last = HistoryPoint(hour, score.heat, score.velocity_z, score.spread, score.affect) if score else HistoryPoint(
        hour, None, None, None, None)  # fmt: skip
    return (*points[:-1], last)
