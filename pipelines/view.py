"""What a screen or the API shows, as values: the shapes of PRODUCT 5. Made by ``pipelines.read`` from the store.

Field names are the JSON names. Times are UTC. Nothing here is escaped; each sink escapes for itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

Sort = Literal["heat", "velocity", "spread", "affect"]
SORTS: tuple[Sort, ...] = ("heat", "velocity", "spread", "affect")
ReceiptOrder = Literal["newest", "oldest", "engagement"]
RECEIPT_ORDERS: tuple[ReceiptOrder, ...] = ("newest", "oldest", "engagement")
"""How receipts are sorted: by their time, or by engagement as the source gave it (most first, those without any last)."""
NameAction = Literal["merge", "unmerge", "split", "alias", "unalias", "mute", "unmute", "watch", "unwatch"]
"""What can be changed about names."""


@dataclass(frozen=True, slots=True)
class EntityRef:
    """Who or what a row is about."""

    id: int
    slug: str
    name: str
    kind: str
    domain: str
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PlatformScore:
    """One platform's part of the velocity: ``z = (x - mu) / sqrt(s^2 + u mu + u^2)`` (SCORING 2)."""

    z: float
    x: float
    mu: float
    s: float
    windows: int
    baseline_hours: float
    mentions: int
    noise_unit: float
    warming_up: bool = False
    window_values: tuple[float | None, ...] = ()
    """The baseline windows' volumes, newest first; None where the window was dropped."""


@dataclass(frozen=True, slots=True)
class Gates:
    """Which of the gates of SCORING 5 this poll reached."""

    velocity: bool
    spread: bool
    persistence: bool


@dataclass(frozen=True, slots=True)
class TradesStatus:
    """The first trade item about the entity, and how far ahead of it we were (hours; negative: they were first)."""

    first_at: datetime | None = None
    lead_hours: float | None = None


@dataclass(frozen=True, slots=True)
class HistoryPoint:
    """The score at the end of the clock hour that starts at ``hour``; all None where nobody looked."""

    hour: datetime
    heat: float | None
    velocity_z: float | None
    spread: float | None
    affect: float | None


@dataclass(frozen=True, slots=True)
class Calibrated:
    """A confidence held against what came of earlier alerts: ``confidence`` is the share of those that were good at that
    confidence, by ``method``, over ``outcomes`` of them."""

    confidence: float
    outcomes: int
    method: str


@dataclass(frozen=True, slots=True)
class HeatItem:
    """One row of the board with every number that made it. ``confidence`` is SCORING 3's, whatever ``calibrated`` says."""

    rank: int
    entity: EntityRef
    heat: float
    raw: float
    velocity_z: float
    spread: float
    spread_count: int
    affect: float
    confidence: float
    confidence_parts: dict[str, float]
    affect_parts: dict[str, float]
    peak_at: datetime
    hours_since_peak: float
    eligible: bool
    passes: bool
    gates: Gates
    first_seen: datetime
    platforms: dict[str, PlatformScore]
    trades: TradesStatus
    history: tuple[HistoryPoint, ...]
    previous_rank: int | None = None
    watched: bool = False
    """On the desk's watchlist."""
    gone: Literal["", "muted", "merged"] = ""
    """Why the name of a past board is on none today."""
    before_thinned: bool = False
    """The board before no longer has all of its names, and not this one: no ``previous_rank`` then does not mean new."""
    calibrated: Calibrated | None = None
    """The confidence people are told first; None up to 200 outcomes, where the one as defined is."""


@dataclass(frozen=True, slots=True)
class SourceHealth:
    """How one source is doing. ``state`` is a word of RELIABILITY 2: live, delayed, throttled, down, paused,
    not_configured or waiting (not polled yet). ``line`` says it in a sentence, with what to do."""

    source: str
    state: Literal["live", "delayed", "throttled", "down", "paused", "not_configured", "waiting"]
    line: str
    last_success: datetime | None = None
    last_attempt: datetime | None = None
    next_poll: datetime | None = None
    until: datetime | None = None
    items: int = 0
    missing: tuple[str, ...] = ()
    feeds: tuple[dict[str, Any], ...] = ()
    success_rate_24h: float | None = None
    """Share of the polls of the last 24 h that delivered, 0..1; None where none asked."""
    breaker: Literal["closed", "open", "probing"] = "closed"
    quota_left: int | None = None
    """Requests left: what the upstream said, else our own limit's."""
    items_per_poll: float | None = None
    """Mean items of the polls of the last 24 h that delivered."""
    p95_ms: float | None = None
    """What 95 of 100 polls of the last 24 h took at most."""
    interval_s: float | None = None
    """Seconds between polls now, stretched where the upstream refused."""


@dataclass(frozen=True, slots=True)
class ScheduleRow:
    """When a source is asked next (None: never, or by a clock of its own) and, in words, why then. Intervals in seconds."""

    source: str
    next_run: datetime | None
    interval_s: float
    base_interval_s: float
    why: str
    last_call: datetime | None = None
    breaker: str = "closed"
    quota_left: int | None = None
    held: bool = False
    """Quarantined, paused, or behind an open breaker: a person may let it go."""


@dataclass(frozen=True, slots=True)
class HeatView:
    """The board at one scoring poll. ``hours`` are the starts of the columns, oldest first."""

    as_of: datetime | None
    mode: str
    stale: bool
    items: tuple[HeatItem, ...]
    hours: tuple[datetime, ...] = ()
    hidden: int = 0
    """How many names the filters hide."""
    baseline_hours: int = 0
    """Hours watched of the 168 a full baseline needs."""
    sources: tuple[SourceHealth, ...] = ()
    delivery_problem: str = ""
    """Why alerts do not reach Slack any more, with what to do; empty while they do."""
    thinned: bool = False
    """A past board that keeps its hottest names only, and those that moved."""
    watched: tuple[datetime, ...] | None = None
    """Those of ``hours`` in which a platform was looked at; None where nobody knows. A name without a score in one of
    them was not known yet, or too little was said about it."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """One thing a source showed about an entity: the evidence, with its real link."""

    source: str
    feed: str
    item_id: str
    title: str
    url: str | None
    published_at: datetime | None
    observed_at: datetime
    engagement: float | None
    sentiment: float | None
    matched: str = ""


@dataclass(frozen=True, slots=True)
class ReceiptPage:
    """Receipts in the order asked for; ``next_cursor`` is opaque and None on the last page. ``first`` is the place of the
    first of ``items`` among all ``total``, from 1."""

    items: tuple[Receipt, ...]
    next_cursor: str | None = None
    total: int = 0
    first: int = 1


@dataclass(frozen=True, slots=True)
class TimelinePoint:
    """Volume and mentions of one entity on one source in one clock hour; ``volume`` None where nobody looked."""

    hour: datetime
    source: str
    volume: float | None
    mentions: int


@dataclass(frozen=True, slots=True)
class NameRow:
    """One name an entity answers to. ``receipts``: how many it matched that no other name did first; ``source``: the
    name of the entity it came with, empty for one of its own."""

    canonical: str
    display: str
    receipts: int
    needs_second_sign: bool = False
    source: str = ""


@dataclass(frozen=True, slots=True)
class PastChange:
    """A change that was made: by whom, ``name`` and ``other`` in words, and when it was undone, if it was."""

    id: int
    at: datetime
    action: NameAction
    entity_id: int
    by: str
    name: str = ""
    other: str = ""
    undone_at: datetime | None = None
    undone_by: str = ""


@dataclass(frozen=True, slots=True)
class NameLine:
    """One name's hourly scores, oldest first, for a timeline of several."""

    entity: EntityRef
    history: tuple[HistoryPoint, ...]


@dataclass(frozen=True, slots=True)
class EntityView:
    """Everything the drill-down shows about one entity. ``item`` is None while it is not on any board."""

    entity: EntityRef
    first_seen: datetime | None
    origin: str
    muted: bool
    provenance: dict[str, Any]
    domain_evidence: tuple[dict[str, Any], ...]
    item: HeatItem | None
    timeline: tuple[TimelinePoint, ...]
    related: tuple[dict[str, Any], ...] = ()
    suggestions: tuple[dict[str, Any], ...] = ()
    alerts: tuple[dict[str, Any], ...] = field(default=())
    decisions: tuple[dict[str, Any], ...] = field(default=())
    """Why it did or did not alert in the last 24 h, newest first; polls in a row with one reason are one entry."""
    package: dict[str, Any] | None = None
    scored_at: datetime | None = None
    """The scoring poll behind ``item`` and the end of ``history``; None before the first one."""
    history: tuple[HistoryPoint, ...] = ()
    """Hourly scores of 7 days, oldest first."""
    names: tuple[NameRow, ...] = ()
    changes: tuple[PastChange, ...] = ()
    """What people changed about its names, newest first."""
    watched: bool = False
