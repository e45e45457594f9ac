"""A board looked back at: what has gone on since is taken out again, or marked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Literal

from pipelines.naming_past import NamesThen
from pipelines.store.store import Store
from pipelines.view import HeatItem, HistoryPoint


def names_at(store: Store, at: datetime | None) -> NamesThen | None:
    """Names as they stood when the last scoring poll not after ``at`` was stored: what its board is read with. None for
    the present, and where nothing was scored by then: names are today's."""
    poll = None if at is None else store.latest(at)
    return None if poll is None else store.names_then(poll.stored_at)


def entity_at(store: Store, slug: str, names: NamesThen | None) -> int | None:
    """The entity of that slug, or what it stood under; None if unknown."""
    if names is None:
        return store.find(slug)
    found = store.entity_of(slug)
    return None if found is None else names.root(found)


def family_at(store: Store, entity_id: int, names: NamesThen | None) -> list[int]:
    """The entity and all that stood under it."""
    return store.family(entity_id) if names is None else names.family(entity_id)


def as_then(item: HeatItem, row: Mapping[str, Any], names: NamesThen, *, thinned: bool) -> HeatItem:
    """``item`` of a past poll with its last hour as that poll scored it, the domain it had, and what became of the name
    since.

    ``row`` is the stored one (``muted`` and ``merged_into`` are today's). ``thinned``: the poll before has lost names, so
    that a name without a place in it is not new for sure.
    """
    gone: Literal["", "muted", "merged"] = (
        "merged" if row["merged_into"] is not None else "muted" if row["muted"] else ""
    )
    unknown = thinned and item.previous_rank is None
    entity = replace(item.entity, domain=names.domains.get(item.entity.id, item.entity.domain))
    return replace(item, entity=entity, history=last_as_scored(item.history, item), gone=gone, before_thinned=unknown)


def last_as_scored(points: tuple[HistoryPoint, ...], score: HeatItem | HistoryPoint | None) -> tuple[HistoryPoint, ...]:
    """``points`` with the last hour as a past poll scored it (nothing where it kept no row): it has gone on since."""
    if not points:
        return points
    hour = points[-1].hour
    last = HistoryPoint(hour, score.heat, score.velocity_z, score.spread, score.affect) if score else HistoryPoint(
        hour, None, None, None, None)  # fmt: skip
    return (*points[:-1], last)
