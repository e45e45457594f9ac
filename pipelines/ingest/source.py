"""What a source is, and the explicit table of all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from pipelines.ingest.explore import ExploreSource
from pipelines.ingest.http import Http
from pipelines.ingest.reddit import RedditSource
from pipelines.ingest.state import SourceState
from pipelines.ingest.tiktok import TikTokSource
from pipelines.ingest.trades import TradesSource
from pipelines.ingest.trends import TrendsSource
from pipelines.model import FetchResult
from pipelines.settings import Settings


class Source(Protocol):
    """One upstream behind one adapter.

    ``name`` is the key in the table and in every result; ``poll_seconds`` how often it wants to be asked.
    """

    @property
    def name(self) -> str:
        """The name results carry."""
        ...

    @property
    def poll_seconds(self) -> int:
        """Seconds between polls."""
        ...

    def missing(self) -> tuple[str, ...]:
        """Names of the ``HEATMAP_`` variables to set before this source can run; empty when it is configured."""
        ...

    async def fetch(self, now: datetime) -> FetchResult:
        """Ask the upstream once. ``now`` (UTC) stamps the rows. Raises :class:`pipelines.errors.SourceError`."""
        ...


def build_sources(settings: Settings, http: Http, state: SourceState) -> dict[str, Source]:
    """Every source that polls for items, configured or not. A new one is its adapter file and its line here.

    ``http`` must live as long as the sources; ``state`` keeps what they remember between polls.
    """
    return {
        "reddit": RedditSource(settings.reddit),
        "trends": TrendsSource(settings.trends, http, state),
        "tiktok": TikTokSource(settings.tiktok, state),
        "trades": TradesSource(settings.trades, http, state),
    }


def build_explore(settings: Settings, state: SourceState, tracked: Callable[[], Sequence[str]]) -> ExploreSource:
    """Explore, which is asked about names already tracked (``tracked()``, hottest first) and hands over no items."""
    return ExploreSource(settings.trends, state, tracked)
