"""The research pack: everything known about one name, now or as of one of its alerts, as values for any format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pipelines.errors import InputError
from pipelines.model import PLATFORMS, SOURCES
from pipelines.read import alert_words
from pipelines.read.board import is_stale
from pipelines.read.entity import TIMELINE_HOURS, related_names, scored_item, timeline
from pipelines.read.health import source_health
from pipelines.read.kpis import AlertLead, alert_leads
from pipelines.read.past import family_at, names_at
from pipelines.read.receipts import receipt_of
from pipelines.read.story import entity_package
from pipelines.read.why import runs
from pipelines.settings import Settings
from pipelines.settings_kpis import Kpis
from pipelines.store.store import Store
from pipelines.view import EntityRef, HeatItem, Receipt, SourceHealth, TimelinePoint

MOST_RECEIPTS = 200
MOST_ALERTS = 50
WEEK = timedelta(days=7)
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
NOT_AS_OF = (
    "Engagement is as last seen, and volumes per hour are as known today.",
    "Settings and the sources' health are as they are today.",
    "So are a domain told from evidence, names that an import brought since, and receipts of a name taken away since.",
    "Trade stories after the alert are listed too: they are how its lead is known.",
)


@dataclass(frozen=True, slots=True)
class ReceiptGroup:
    """One source's receipts, newest first; ``total`` of them there are, ``items`` at most 200."""

    source: str
    total: int
    items: tuple[Receipt, ...]


@dataclass(frozen=True, slots=True)
class PackAlert:
    """One alert of the name. ``lead`` says in words how far ahead of the trades it was, ``lead_hours`` in hours."""

    id: int
    at: datetime
    why: str
    heat: float
    state: str
    delivery: str | None
    first_trade: datetime | None
    lead_hours: float | None
    lead: str


@dataclass(frozen=True, slots=True)
class Pack:
    """A research pack. ``as_of`` is the instant it describes, ``scored_at`` the scoring poll behind ``item``; times UTC.

    ``alert`` is the number of the alert whose instant it shows, None for the present; ``notes`` then say what could not
    be turned back. ``stale`` is a sentence where the data is not live any more. ``made`` lists the settings that made
    the numbers, as (key, value).
    """

    entity: EntityRef
    as_of: datetime
    scored_at: datetime | None
    mode: str
    stale: str
    alert: int | None
    notes: tuple[str, ...]
    first_seen: datetime | None
    origin: str
    muted: bool
    provenance: dict[str, Any]
    item: HeatItem | None
    timeline: tuple[TimelinePoint, ...]
    receipts: tuple[ReceiptGroup, ...]
    related: tuple[dict[str, Any], ...]
    package: dict[str, Any] | None
    alerts: tuple[PackAlert, ...]
    decisions: tuple[dict[str, Any], ...]
    sources: tuple[SourceHealth, ...]
    made: tuple[tuple[str, str], ...]

    @property
    def trades(self) -> ReceiptGroup:
        """The trade items."""
        return next((group for group in self.receipts if group.source == "trades"), ReceiptGroup("trades", 0, ()))

    @property
    def platforms(self) -> tuple[ReceiptGroup, ...]:
        """The receipts of the platforms."""
        return tuple(group for group in self.receipts if group.source != "trades")


def live_slug(store: Store, slug: str) -> str | None:
    """The slug under which an entity stands today (a merged one: of what it was merged into); None if unknown."""
    entity_id = store.find(slug)
    row = None if entity_id is None else store.entity_row(entity_id)
    return None if row is None else str(row["slug"])


def research_pack(
    store: Store, settings: Settings, slug: str, now: datetime, *, mode: str = "", alert: int | None = None,
    poll_seconds: Mapping[str, float] | None = None,
) -> Pack | None:  # fmt: skip
    """The pack of the entity of ``slug``; None if unknown. ``alert``: as of that alert of its.

    Raises :class:`InputError` for an alert that is not about this name, :class:`StoreError`.
    """
    entity_id = store.find(slug)
    row = None if entity_id is None else store.entity_row(entity_id)
    if entity_id is None or row is None:
        return None
    asked = None if alert is None else _asked(store, store.family(entity_id), alert)
    as_of = asked["at"] if asked else now
    then = names_at(store, as_of if asked else None)
    if (
        then is not None and asked is not None
    ):  # what the alert was about, also where that is part of another name today
        entity_id = then.root(asked["entity_id"])
        row = then.told(store.entity_row(entity_id) or row)
    family = family_at(store, entity_id, then)
    item, scored_at = scored_item(store, settings, [entity_id], as_of if asked else None, then)
    sources = source_health(store, settings, now, mode=mode or None, poll_seconds=poll_seconds)
    every = store.alert_rows(ids=family, limit=MOST_ALERTS)
    latest = asked or next(iter(every), None)
    return Pack(
        entity=EntityRef(entity_id, row["slug"], row["name"], row["kind"], row["domain"],
                         store.names_of([entity_id], then)[entity_id]),
        as_of=as_of,
        scored_at=scored_at,
        mode=mode or settings.effective_mode,
        stale="" if asked else _stale(scored_at, now, sources, settings, poll_seconds),
        alert=alert,
        notes=_notes(item, asked),
        first_seen=store.first_seen([entity_id], then).get(entity_id),
        origin=row["origin"],
        muted=row["muted"],
        provenance=dict(row["provenance"]),
        item=item,
        timeline=timeline(store, row["slug"], as_of, TIMELINE_HOURS, past=asked is not None) or (),
        receipts=_receipts(store, family, as_of, now),
        related=related_names(store, family, as_of, then),
        package=entity_package(store, family, row, item, latest, as_of, then),
        alerts=_alerts(store, settings.kpis, every, now),
        decisions=runs(store.decision_rows(family, as_of - WEEK, as_of)),
        sources=sources,
        made=settings_that_made(settings),
    )  # fmt: skip


def _asked(store: Store, family: Sequence[int], number: int) -> dict[str, Any]:
    row = store.alert_row(number)
    if row is None or row["entity_id"] not in family:
        raise InputError(f"alert {number} is not about this name")
    return row


def _notes(item: HeatItem | None, asked: Mapping[str, Any] | None) -> tuple[str, ...]:
    if asked is None:
        return ()
    lost = () if item else ("The scores of that poll are no longer kept; the alert's own line stands for them.",)
    return (*lost, *NOT_AS_OF)


def _stale(
    scored_at: datetime | None, now: datetime, sources: Sequence[SourceHealth], settings: Settings,
    poll_seconds: Mapping[str, float] | None,
) -> str:  # fmt: skip
    if scored_at is None or not is_stale(scored_at, now, sources, settings, poll_seconds):
        return ""
    times = [source.last_success for source in sources if source.last_success and source.source in PLATFORMS]
    since = f"{max(times):%d %b %H:%M} UTC" if times else "the start"
    return f"Stale since {since}: no platform has answered in time, so these numbers are not the present."


def _receipts(store: Store, family: Sequence[int], as_of: datetime, now: datetime) -> tuple[ReceiptGroup, ...]:
    """All that was known at ``as_of``; trade items as known now, for they say how far ahead an alert was."""
    rows, totals = store.evidence(
        family, since=BEGINNING, trades_since=BEGINNING, until=as_of, most=MOST_RECEIPTS, newest=True
    )
    if now > as_of:
        all_trades, more = store.evidence(
            family, since=now, trades_since=BEGINNING, until=now, most=MOST_RECEIPTS, newest=True
        )
        rows = [row for pool, own in ((rows, False), (all_trades, True)) for row in pool
                if (row["source"] == "trades") == own]  # fmt: skip
        totals = {**totals, "trades": more.get("trades", 0)}
    return tuple(
        ReceiptGroup(source, totals.get(source, 0), tuple(receipt_of(row) for row in rows if row["source"] == source))
        for source in SOURCES
    )


def _alerts(
    store: Store, rules: Kpis, rows: Sequence[Mapping[str, Any]], now: datetime
) -> tuple[PackAlert, ...]:  # fmt: skip
    leads = alert_leads(store, rules, [row["id"] for row in rows], now) if rows else {}
    return tuple(_alert(row, leads.get(row["id"])) for row in rows)


def _alert(row: Mapping[str, Any], found: AlertLead | None) -> PackAlert:
    hours = found.hours if found is not None and found.trades_at is not None else None
    return PackAlert(
        row["id"], row["at"], row["why"], row["heat"], row["state"], row["delivery"], found.trades_at if found else None,
        hours, alert_words.lead(found).word,
    )  # fmt: skip


def settings_that_made(settings: Settings) -> tuple[tuple[str, str], ...]:
    """The settings behind every number, as (key, value); no secret is among them. Pure."""
    found = [(f"{name}.noise_unit", f"{getattr(settings, name).noise_unit:g}") for name in PLATFORMS]
    for section in ("velocity", "affect", "heat", "confidence", "gates", "episode"):
        values = getattr(settings, section).model_dump()
        found += [(f"{section}.{key}", str(value)) for key, value in values.items() if not key.endswith("model")]
    return tuple(found)
