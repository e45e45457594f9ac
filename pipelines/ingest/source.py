"""What a source is, and the explicit table of all of them."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from pipelines.model import FetchResult


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
