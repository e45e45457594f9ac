"""The words every stage shares: sources, items, mentions, and the frames that carry them.

Frames have a declared schema (a ``polars.Schema`` below); a stage that makes one calls :func:`conform` so that the next
stage can rely on columns, order and types. All times are UTC, timezone-aware, microseconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

import polars as pl

PLATFORMS = ("reddit", "trends", "tiktok")
"""The sources that count towards velocity, spread and discovery (SCORING 1)."""

SOURCES = (*PLATFORMS, "trades")
"""All sources; ``trades`` only confirms."""

UTC_TIME = pl.Datetime("us", "UTC")


class SourceKind(StrEnum):
    """How a source's items fall into hours: ``event`` by publication, ``level`` by every sighting."""

    EVENT = "event"
    LEVEL = "level"


class Kind(StrEnum):
    """What an entity is."""

    PERSON = "person"
    FILM = "film"
    SHOW = "show"
    MUSIC = "music"
    FRANCHISE = "franchise"
    AWARD = "award"
    SONG = "song"
    EVENT = "event"
    COMPANY = "company"
    TEAM = "team"
    OTHER = "other"


class Domain(StrEnum):
    """What part of the news an entity belongs to; filters boards and alerts, never changes a score."""

    ENTERTAINMENT = "entertainment"
    SPORT = "sport"
    POLITICS = "politics"
    BUSINESS = "business"
    OTHER = "other"
    UNCLASSIFIED = "unclassified"


DEFAULT_DOMAINS = (Domain.ENTERTAINMENT, Domain.UNCLASSIFIED)


class Outcome(StrEnum):
    """What came of one attempt to poll a source. The first three are successful polls (SCORING 5)."""

    OK = "ok"
    NOT_MODIFIED = "not_modified"
    CACHE_HIT = "cache_hit"
    EMPTY = "empty"
    DEGRADED = "degraded"
    THROTTLED = "throttled"
    FAILED = "failed"
    NOT_CONFIGURED = "not_configured"
    SKIPPED = "skipped"
    BREAKER_OPEN = "breaker_open"
    BUCKET_EMPTY = "bucket_empty"
    QUARANTINED = "quarantined"
    PAUSED = "paused"

    @property
    def successful(self) -> bool:
        """Whether this poll looked at the source, so that its hour counts as polled."""
        return self in (Outcome.OK, Outcome.NOT_MODIFIED, Outcome.CACHE_HIT)


ITEMS = pl.Schema(
    {
        "poll_at": UTC_TIME,
        "source": pl.String(),
        "feed": pl.String(),
        "item_id": pl.String(),
        "title": pl.String(),
        "url": pl.String(),
        "published_at": UTC_TIME,
        "engagement": pl.Float64(),
        "rank": pl.Int32(),
        "names": pl.List(pl.String()),
        "context": pl.String(),
    }
)
"""One row per item per poll: the recording format (PRODUCT 6) plus ``context``, a JSON list of
``{"title","url","source"}`` with the headlines a trend carries; null for everything else."""

MENTIONS = pl.Schema(
    {
        "entity": pl.Int64(),
        "source": pl.String(),
        "item_id": pl.String(),
        "at": UTC_TIME,
        "engagement": pl.Float64(),
        "rank": pl.Int32(),
        "list_length": pl.Int32(),
        "sentiment": pl.Float64(),
    }
)
"""What scoring reads (PRODUCT 6). ``at`` is publication for event sources and each sighting for level sources.
Files name entities by text; the store by id. Scoring accepts either."""

COVERAGE = pl.Schema({"source": pl.String(), "hour": UTC_TIME})
"""One row per clock hour in which a source was looked at. A missing row is a missing hour, not an empty one."""

ENTITIES = pl.Schema(
    {
        "id": pl.Int64(),
        "slug": pl.String(),
        "name": pl.String(),
        "kind": pl.String(),
        "domain": pl.String(),
        "origin": pl.String(),
        "muted": pl.Boolean(),
    }
)
"""Live entities (not merged away). ``origin`` is catalogue, import, discovered or demo."""

ALIASES = pl.Schema(
    {"canonical": pl.String(), "display": pl.String(), "entity_id": pl.Int64(), "needs_second_sign": pl.Boolean()}
)
"""Every name an entity answers to, in canonical form (``pipelines.normalize.names.canonical``)."""

EVIDENCE = pl.Schema(
    {
        "entity_id": pl.Int64(),
        "kind": pl.String(),
        "domain": pl.String(),
        "weight": pl.Float64(),
        "detail": pl.String(),
    }
)
"""One sign each of what part of the news an entity belongs to. ``kind`` is catalogue, kind, category, feeds, trades or
words; ``weight`` in points."""

RECEIPTS = pl.Schema(
    {
        "entity_id": pl.Int64(),
        "source": pl.String(),
        "feed": pl.String(),
        "item_id": pl.String(),
        "title": pl.String(),
        "context": pl.String(),
        "at": UTC_TIME,
    }
)
"""The items that name an entity; ``context`` as in ITEMS, may be absent or null; an item may stand more than once."""

SUGGESTIONS = pl.Schema(
    {
        "a": pl.Int64(),
        "b": pl.Int64(),
        "score": pl.Float64(),
        "reason": pl.String(),
        "a_name": pl.String(),
        "b_name": pl.String(),
    }
)
"""One row per pair of entities, ``a < b``, best score first (0 to 100); the names are the two that met (canonical)."""


@dataclass(frozen=True, slots=True)
class FeedReport:
    """What one feed of a source did in a poll (a subreddit, a trade title, a country)."""

    feed: str
    outcome: Outcome
    items: int = 0
    detail: str = ""


@dataclass(frozen=True, slots=True)
class FetchResult:
    """One poll of one source, as a value: a failed fetch travels beside the good ones.

    ``items`` follows :data:`ITEMS`. ``covered_from`` is how far back an event source could still list (SCORING 2).
    ``rejected`` counts rows set aside as unusable. ``detail`` is one plain line for a person, never a secret.
    ``retry_after_s`` is what a throttling upstream asked for. ``kind`` names the sort of failure in one word (empty
    when there was none), ``request_id`` is the upstream's own name for the answer, ``quota_left`` what it said is left.
    """

    source: str
    at: datetime
    outcome: Outcome
    items: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=ITEMS))
    covered_from: datetime | None = None
    rejected: int = 0
    detail: str = ""
    retry_after_s: float | None = None
    http_status: int | None = None
    bytes_read: int = 0
    requests: int = 0
    ms: int = 0
    feeds: tuple[FeedReport, ...] = ()
    kind: str = ""
    request_id: str = ""
    quota_left: float | None = None


def conform(frame: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    """``frame`` with exactly the columns and types of ``schema``; absent columns become null.

    Raises ``polars.exceptions.InvalidOperationError`` where a value cannot be cast.
    """
    columns = [
        pl.col(name).cast(dtype) if name in frame.columns else pl.lit(None, dtype=dtype).alias(name)
        for name, dtype in schema.items()
    ]
    return frame.select(columns)
