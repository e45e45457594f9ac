"""Explore's part in the flow: asked about the board's names, kept as evidence of their domain. Opt-in and slow."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import polars as pl

from heatmap_app.pages.reader import Filters
from heatmap_app.reader import StoreReader
from pipelines.ingest.explore import ExploreResult, ExploreSource
from pipelines.ingest.fetching import Guard
from pipelines.ingest.run import poll
from pipelines.ingest.source import build_explore
from pipelines.ingest.state import SourceState
from pipelines.model import FetchResult, Outcome, SourceKind
from pipelines.normalize.candidates import CANDIDATES
from pipelines.normalize.match import MATCHES
from pipelines.settings import Settings
from pipelines.store.store import Store

CATEGORY = "3"
"""Arts & Entertainment, in Explore's own numbering."""

MOSTLY = 0.5
"""Share of a name's hours with interest that must lie in the category."""

CATEGORIES = {"entity_id": pl.Int64, "scheme": pl.String, "category": pl.String}


@dataclass(frozen=True)
class _Asked:
    """Explore as a source, asked in the way that keeps its curves."""

    source: ExploreSource
    fetch: Callable[[datetime], Coroutine[Any, Any, FetchResult]]

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def poll_seconds(self) -> int:
        return self.source.poll_seconds

    def missing(self) -> tuple[str, ...]:
        return self.source.missing()


@dataclass
class Explore:
    """One round is :meth:`run`; :meth:`categories` is what the domain evidence reads."""

    store: Store
    reader: StoreReader
    settings: Settings
    state: SourceState
    guard: Guard | None = None
    _source: ExploreSource = field(init=False)
    _ids: dict[str, int] = field(default_factory=dict)
    _latest: ExploreResult | None = None

    def __post_init__(self) -> None:
        """The source asks for the names of the board as it is then."""
        self._source = build_explore(self.settings, self.state, self._tracked)

    def _tracked(self) -> list[str]:
        board = self.reader.heat(Filters(limit=self.settings.trends.explore_max_entities, domains=None))
        self._ids = {item.entity.name: item.entity.id for item in board.items}
        return list(self._ids)

    async def run(self, now: datetime) -> str:
        """Ask about the hottest names; what came of it in one line, also left as an audit row."""
        (done,) = await poll({self._source.name: _Asked(self._source, self._ask)}, now, guard=self.guard)
        await asyncio.to_thread(self._keep, done)
        return done.detail

    async def _ask(self, now: datetime) -> FetchResult:
        result = await self._source.fetch_interest(now)
        self._latest = result
        if result.error:
            raise result.error
        return self._told(result)

    def _told(self, result: ExploreResult) -> FetchResult:
        names = result.interest["keyword"].n_unique()
        return FetchResult(
            self._source.name, result.at, Outcome.OK if result.asked else Outcome.CACHE_HIT, requests=result.requests,
            bytes_read=result.bytes_read, detail=f"interest in {names} names, {len(result.asked)} asked for now",
        )  # fmt: skip

    def _keep(self, result: FetchResult) -> None:
        moods = pl.DataFrame(schema={"source": pl.String, "item_id": pl.String, "sentiment": pl.Float64})
        none = pl.DataFrame(schema=CANDIDATES)
        matches = pl.DataFrame(schema=MATCHES)
        self.store.save_results([result], {result.source: SourceKind.LEVEL}, moods, matches, none)

    def categories(self) -> pl.DataFrame | None:
        """Names whose interest lies mostly within Arts & Entertainment: entity_id, scheme, category."""
        if self._latest is None:
            return None
        told = [self._ids[name] for name, share, _ in self._latest.evidence() if share >= MOSTLY and name in self._ids]
        rows = {"entity_id": told, "scheme": ["explore"] * len(told), "category": [CATEGORY] * len(told)}
        return pl.DataFrame(rows, schema=CATEGORIES)
