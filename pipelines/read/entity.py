"""One entity: everything the drill-down shows, its timeline and history; and search."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from pipelines.model import SOURCES
from pipelines.naming_past import NamesThen, changes_then
from pipelines.normalize.names import canonical
from pipelines.read.items import heat_item, hour_starts, read_beside, read_history
from pipelines.read.past import as_then, entity_at, family_at, last_as_scored, names_at
from pipelines.read.story import entity_package
from pipelines.read.why import SPAN, runs
from pipelines.settings import Settings
from pipelines.store.boards import BoardQuery
from pipelines.store.store import Store
from pipelines.view import EntityRef, EntityView, HeatItem, HistoryPoint, NameLine, PastChange, TimelinePoint

TIMELINE_HOURS = 168
RELATED_SPAN = timedelta(days=7)
PLACES = 1_000
ALERTS = 10
CHANGES, EVERY = 8, 200
"""How many changes of names are shown, and of how many those are chosen on a past board."""


def entity_view(store: Store, settings: Settings, slug: str, now: datetime, *, past: bool = False) -> EntityView | None:
    """Everything about the entity of that slug (of a merged one: about what it was merged into); None if unknown.

    With ``past``, ``now`` is an instant looked back at: its scores, volumes, alerts and decisions are those up to then, and
    so are its names, domain and muting, and what was part of it (:mod:`pipelines.naming_past`, also for what is not known).
    """
    until = now if past else None
    then = names_at(store, until)
    entity_id = entity_at(store, slug, then)
    row = None if entity_id is None else store.entity_row(entity_id)
    if entity_id is None or row is None:
        return None
    row = row if then is None else then.told(row)
    family = family_at(store, entity_id, then)
    names = store.names_of([entity_id], then)[entity_id]
    alerts = store.alert_rows(ids=family, limit=ALERTS, until=until)
    item, scored_at = scored_item(store, settings, [entity_id], until, then)
    return EntityView(
        entity=EntityRef(entity_id, row["slug"], row["name"], row["kind"], row["domain"], names),
        first_seen=store.first_seen([entity_id], then).get(entity_id),
        origin=row["origin"],
        muted=row["muted"],
        provenance=dict(row["provenance"]),
        domain_evidence=_evidence(store, family, row, then),
        item=item,
        timeline=_timeline(store, family, now, past=past),
        related=related_names(store, family, now, then),
        suggestions=() if past else _suggestions(store, family),
        alerts=_alerts(alerts),
        decisions=runs(store.decision_rows(family, now - SPAN, now)),
        package=entity_package(store, family, row, item, alerts[0] if alerts else None, now, then),
        scored_at=scored_at,
        history=_history_to(store, entity_id, scored_at, item, past=past),
        names=tuple(store.name_rows(family, then=then, until=until)),
        changes=_changes(store, family, until),
        watched=entity_id in (store.watched() if then is None else then.watched),
    )


def timeline(
    store: Store, slug: str, now: datetime, hours: int = TIMELINE_HOURS, *, past: bool = False
) -> tuple[TimelinePoint, ...] | None:
    """Volume per source and clock hour of the trailing ``hours``, oldest first; None for an unknown slug.

    With ``past``, ``now`` is an instant looked back at: its own hour counts what was seen by then.
    """
    then = names_at(store, now if past else None)
    entity_id = entity_at(store, slug, then)
    return None if entity_id is None else _timeline(store, family_at(store, entity_id, then), now, hours, past=past)


def history(store: Store, settings: Settings, slug: str, hours: int = 24) -> tuple[HistoryPoint, ...] | None:
    """Hourly scores of the trailing ``hours`` up to the latest scoring poll, oldest first; None for an unknown slug."""
    del settings
    entity_id, poll = store.find(slug), store.latest()
    if entity_id is None:
        return None
    return () if poll is None else read_history(store, [entity_id], poll.at, max(1, hours))[entity_id]


def lines(store: Store, slugs: Sequence[str], hours: int, at: datetime | None = None) -> tuple[NameLine, ...]:
    """The hourly scores of several entities up to the latest scoring poll (not after ``at``), in the order asked for;
    unknown slugs are left out, and one of a merged entity stands for what it was merged into."""
    poll, then = store.latest(at), names_at(store, at)
    ids = list(dict.fromkeys(found for slug in slugs if (found := entity_at(store, slug, then)) is not None))
    history = read_history(store, ids, poll.at, max(1, hours)) if poll and ids else {}
    if poll and at is not None:
        rows = {key: store.board_row(poll.id, key, as_then=True) for key in history}
        history = {key: last_as_scored(points, _scores(rows[key])) for key, points in history.items()}
    return tuple(NameLine(ref, history.get(ref.id, ())) for ref in _refs(store, ids, then))


def search(store: Store, q: str, limit: int = 20) -> tuple[EntityRef, ...]:
    """Entities one of whose names contains ``q`` (in canonical form), best first; none for an empty ``q``."""
    wanted = canonical(q)
    if not wanted:
        return ()
    found = store.search_names(wanted, max(1, limit))
    return _refs(store, found)


def _refs(store: Store, ids: Sequence[int], then: NamesThen | None = None) -> tuple[EntityRef, ...]:
    rows, names = store.briefs(ids, then), store.names_of(ids, then)
    return tuple(
        EntityRef(key, row["slug"], row["name"], row["kind"], row["domain"], names.get(key, ()))
        for key in ids
        if (row := rows.get(key)) is not None
    )


def scored_item(
    store: Store, settings: Settings, ids: Sequence[int], at: datetime | None = None, then: NamesThen | None = None
) -> tuple[HeatItem | None, datetime | None]:
    """The row of the first of ``ids`` that the latest scoring poll (not after ``at``) scored, placed by HEAT among all
    names, and when it was. ``then``: with names as they stood at that poll."""
    poll, past = store.latest(at), at is not None
    if poll is None:
        return None, None
    rows = (store.board_row(poll.id, key, as_then=past) for key in ids)
    found = next((row for row in rows if row is not None), None)
    if found is None:
        return None, poll.at
    place, row = found
    before = store.latest(poll.at - timedelta(microseconds=1))
    previous = store.board_places(before.id, BoardQuery(limit=PLACES, as_then=past)) if before else {}
    item = heat_item(row, place, read_beside(store, [row["entity_id"]], poll.at, previous, then=then), settings)
    thinned = past and before is not None and store.thinned(before)
    return item if then is None else as_then(item, row, then, thinned=thinned), poll.at


def _history_to(
    store: Store, entity_id: int, scored_at: datetime | None, item: HeatItem | None, *, past: bool
) -> tuple[HistoryPoint, ...]:
    if scored_at is None:
        return ()
    points = read_history(store, [entity_id], scored_at, TIMELINE_HOURS)[entity_id]
    return last_as_scored(points, item) if past else points


def _scores(found: tuple[int, dict[str, Any]] | None) -> HistoryPoint | None:
    if found is None:
        return None
    row = found[1]
    return HistoryPoint(row["peak_at"], row["heat"], row["velocity_z"], row["spread_count"] / 3, row["affect"] or 0.0)


def _timeline(
    store: Store, family: Sequence[int], now: datetime, hours: int = TIMELINE_HOURS, *, past: bool = False
) -> tuple[TimelinePoint, ...]:
    starts = hour_starts(now, max(1, hours))
    watched = set(store.load_coverage(starts[0] - timedelta(hours=1), now).rows())
    rows = store.hourly_rows(family, starts[0], starts[-1])
    if past:
        rows = [row for row in rows if row["hour"] != starts[-1]] + store.hour_so_far(family, starts[-1], now)
    volumes = {(row["source"], row["hour"]): row for row in rows}
    known = {source for source, _ in watched} | {source for source, _ in volumes}
    points = []
    for source in (name for name in SOURCES if name in known):
        for start in starts:
            row = volumes.get((source, start))
            quiet = 0.0 if (source, start) in watched else None
            volume, mentions = (row["volume"], row["mentions"]) if row else (quiet, 0)
            points.append(TimelinePoint(start, source, volume, mentions))
    return tuple(points)


def _evidence(
    store: Store, family: Sequence[int], row: dict[str, Any], then: NamesThen | None
) -> tuple[dict[str, Any], ...]:
    """What speaks for which domain; an editor's word first, unless it came since."""
    by_hand = {"kind": "editor", "domain": row["domain"], "weight": None, "detail": "set by an editor", "at": None}
    spoken = row["domain_by"] == "editor" and (then is None or row["id"] not in then.domains)
    return (*([by_hand] if spoken else []), *store.evidence_rows(family))


def _changes(store: Store, family: Sequence[int], until: datetime | None) -> tuple[PastChange, ...]:
    """What people changed; of a past board what they had changed when it was stored."""
    if until is None:
        return tuple(store.past_changes(family))
    poll = store.latest(until)
    return changes_then(store.past_changes(family, EVERY), poll.stored_at)[:CHANGES] if poll else ()


def related_names(
    store: Store, family: Sequence[int], now: datetime, then: NamesThen | None = None
) -> tuple[dict[str, Any], ...]:
    """Names met in the same items in the last 7 days: id, slug, name, kind, domain and how many items."""
    together = store.together(family, now - RELATED_SPAN, until=now, then=then)
    rows = store.briefs([key for key, _ in together], then)
    return tuple({**_brief(rows[key]), "count": n} for key, n in together if key in rows)


def _suggestions(store: Store, family: Sequence[int]) -> tuple[dict[str, Any], ...]:
    """Names that may be the same: id, slug, name, kind, domain, likeness (0 to 100) and why."""
    pairs = store.suggestion_rows(family)
    rows = store.briefs([key for key, _, _ in pairs])
    return tuple({**_brief(rows[key]), "score": score, "reason": why} for key, score, why in pairs if key in rows)


def _alerts(rows: Sequence[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    """The entity's alerts, newest first."""
    shown = ("id", "at", "why", "heat", "delivery", "last_error")
    return tuple({key: row[key] for key in shown} for row in rows)


def _brief(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ("id", "slug", "name", "kind", "domain")}
