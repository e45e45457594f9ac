"""The board at one scoring poll."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from pipelines.errors import InputError
from pipelines.health import GRACE, healthy_platforms
from pipelines.model import DEFAULT_DOMAINS, PLATFORMS
from pipelines.naming_past import NamesThen
from pipelines.read.health import source_health
from pipelines.read.items import COLUMNS, heat_item, hour_starts, read_beside
from pipelines.read.past import as_then
from pipelines.settings import Settings
from pipelines.store.boards import BoardQuery
from pipelines.store.scores import ScorePoll
from pipelines.store.store import Store
from pipelines.view import SORTS, HeatItem, HeatView, Sort, SourceHealth

PLACES = 1_000
"""How far down the board before is read for where a name stood."""
LATE_SCORES = 3
"""A board is stale after this many scoring intervals without a new one."""


def heat_view(
    store: Store,
    settings: Settings,
    *,
    limit: int = 20,
    sort: Sort = "heat",
    min_velocity: float | None = None,
    min_spread: int | None = None,
    domains: Sequence[str] | None = DEFAULT_DOMAINS,
    platforms: Sequence[str] | None = None,
    watched_only: bool = False,
    hours: int = COLUMNS,
    at: datetime | None = None,
    now: datetime,
    mode: str | None = None,
    poll_seconds: Mapping[str, float] | None = None,
) -> HeatView:
    """The board at the latest scoring poll, or at the latest not after ``at``, then with the sources as they were.

    A past board has the names it had, also those muted or merged since (:attr:`HeatItem.gone`), with the domains and on the
    watchlist of then; what ``pipelines.naming_past`` cannot take back is today's.

    ``domains`` None means all; ``platforms``: names seen on any of these; ``watched_only``: those on the
    watchlist; ``hours`` is how many the map shows. ``mode`` and
    ``poll_seconds`` (the enabled sources with their intervals) come from settings where they are not given. Raises
    :class:`InputError` for an unknown ``sort``, :class:`StoreError`.
    """
    if sort not in SORTS:
        raise InputError(f"sort {sort!r}: one of {', '.join(SORTS)}")
    shown_mode = mode or settings.effective_mode
    poll = store.latest(at)
    then = now if at is None else poll.at if poll else min(at, now)
    sources = source_health(store, settings, then, mode=shown_mode, poll_seconds=poll_seconds, past=at is not None)
    watched = store.watched_hours(PLATFORMS, poll.at if poll else then)
    if poll is None:
        return HeatView(None, shown_mode, False, (), hour_starts(then, hours), 0, watched, sources)
    names = None if at is None else store.names_then(poll.stored_at)
    starred = None if not watched_only else store.watched() if names is None else names.watched
    query = BoardQuery(sort, limit, min_velocity, min_spread, _texts(domains), _texts(platforms), starred,
                       as_then=names is not None, domains_then=names.domains if names else None)  # fmt: skip
    scored, matching = store.board_counts(poll.id, query)
    items, starts = _items(store, settings, poll, query, hours, names), hour_starts(poll.at, hours)
    return HeatView(
        as_of=poll.at,
        mode=shown_mode,
        stale=at is None and is_stale(poll.at, now, sources, settings, poll_seconds),
        items=items,
        hours=starts,
        hidden=scored - matching,
        baseline_hours=watched,
        sources=sources,
        thinned=at is not None and store.thinned(poll),
        watched=_watched(store, starts, poll.at),
    )


def is_stale(
    as_of: datetime,
    now: datetime,
    sources: Sequence[SourceHealth],
    settings: Settings,
    poll_seconds: Mapping[str, float] | None = None,
) -> bool:
    """Whether the board must not be shown as live: scoring stands still, or no platform has delivered in time. Pure."""
    if now - as_of > timedelta(seconds=LATE_SCORES * settings.poll.score_seconds) + GRACE:
        return True
    seconds = {name: float(getattr(settings, name).poll_seconds) for name in PLATFORMS} | dict(poll_seconds or {})
    successes = {source.source: source.last_success for source in sources if source.last_success}
    return not healthy_platforms(PLATFORMS, successes, seconds, now)


def _items(
    store: Store, settings: Settings, poll: ScorePoll, query: BoardQuery, hours: int, names: NamesThen | None
) -> tuple[HeatItem, ...]:
    rows = store.board_rows(poll.id, query)
    before = store.latest(poll.at - timedelta(microseconds=1))
    previous = store.board_places(before.id, replace(query, limit=PLACES)) if before else {}
    beside = read_beside(store, [row["entity_id"] for row in rows], poll.at, previous, hours, names)
    items = tuple(heat_item(row, rank, beside, settings) for rank, row in enumerate(rows, start=1))
    if names is None:
        return items
    thinned = before is not None and store.thinned(before)
    return tuple(as_then(item, row, names, thinned=thinned) for item, row in zip(items, rows, strict=True))


def _watched(store: Store, starts: Sequence[datetime], until: datetime) -> tuple[datetime, ...]:
    """Those of ``starts`` in which a platform was looked at."""
    known = {hour for source, hour in store.load_coverage(starts[0], until).rows() if source in PLATFORMS}
    return tuple(start for start in starts if start in known)


def _texts(values: Sequence[str] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(str(value) for value in values)
