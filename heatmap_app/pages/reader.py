"""What the pages ask of the rest of the product: one small protocol, answered from the store by the runtime.

All calls are plain functions that may block on the database; the pages call them on worker threads, never on the loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from pipelines.model import DEFAULT_DOMAINS
from pipelines.people import Activity
from pipelines.view import EntityRef, EntityView, HeatView, NameLine, ReceiptOrder, ReceiptPage, Sort


@dataclass(frozen=True, slots=True)
class Filters:
    """What the board shows. ``domains`` None means all; ``min_*`` None means the gate is off; ``platforms``: rows seen on
    any of these; ``watched``: those on the watchlist.

    ``hours`` is how many the map shows, ``at`` (UTC) the last scoring poll up to then; None is the latest."""

    limit: int = 20
    sort: Sort = "heat"
    min_velocity: float | None = None
    min_spread: int | None = None
    domains: tuple[str, ...] | None = tuple(str(domain) for domain in DEFAULT_DOMAINS)
    platforms: tuple[str, ...] | None = None
    watched: bool = False
    hours: int = 24
    at: datetime | None = None


class Reader(Protocol):
    """The read model of ``pipelines.view`` plus the one correction the page offers."""

    def heat(self, filters: Filters) -> HeatView:
        """The board at the latest scoring poll, or at the one ``filters.at`` names."""
        ...

    def polls(self, since: datetime, until: datetime) -> Sequence[datetime]:
        """When the board was scored in ``since <= at <= until``, oldest first."""
        ...

    def entity(self, slug: str, at: datetime | None = None) -> EntityView | None:
        """Everything about one entity, or what was known ``at`` a past instant; None when no such entity exists."""
        ...

    def receipts(
        self,
        slug: str,
        source: str | None,
        hour: datetime | None,
        limit: int,
        cursor: str | None,
        at: datetime | None = None,
        order: ReceiptOrder = "newest",
    ) -> ReceiptPage:
        """Receipts of an entity in ``order``; ``hour`` is the UTC start of one clock hour. With ``at`` only what had
        been seen by then."""
        ...

    def lines(self, slugs: Sequence[str], hours: int, at: datetime | None = None) -> Sequence[NameLine]:
        """Hourly scores of several names for one timeline, in the order asked for; unknown slugs are left out."""
        ...

    def search(self, text: str, limit: int) -> Sequence[EntityRef]:
        """Entities whose name or alias contains ``text``, best first."""
        ...

    def activity(self, alert_id: int) -> Activity | None:
        """Where an alert stands, each card's state in words; None for an unknown one."""
        ...

    def set_domain(self, entity_id: int, domain: str, actor: str, was: str | None = None) -> None:
        """Correct an entity's domain for good; leaves an audit row. Raises :class:`InputError` where it is no longer
        ``was``, the domain the editor saw."""
        ...
