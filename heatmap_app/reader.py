"""The read model over the store: what pages and API ask, answered by ``pipelines.read``. Calls block; use a thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from heatmap_app.pages.reader import Filters
from pipelines import read
from pipelines.alert.actions_words import state_of_card
from pipelines.clock import Clock, SystemClock
from pipelines.errors import StoreError
from pipelines.outbox import SLACK
from pipelines.people import Activity
from pipelines.settings import Settings
from pipelines.store.store import Store
from pipelines.view import (
    EntityRef,
    EntityView,
    HeatView,
    HistoryPoint,
    NameLine,
    ReceiptOrder,
    ReceiptPage,
    SourceHealth,
)

DAY = timedelta(days=1)


@dataclass(slots=True, eq=False)
class StoreReader:
    """Answers from ``store``. ``settings`` may be replaced: gates change while it reads.
    ``poll_seconds``: the sources of this process with their intervals; ``clock`` is the
    world's, so that a demo's ages are virtual too. ``names_changed`` is called after a change to names or domains."""

    store: Store
    settings: Settings
    clock: Clock
    mode: str
    poll_seconds: Mapping[str, float]
    names_changed: Callable[[], None] = lambda: None

    def heat(self, filters: Filters) -> HeatView:
        """The board at the latest scoring poll, or at the one ``filters.at`` names."""
        view = read.heat_view(
            self.store, self.settings, limit=filters.limit, sort=filters.sort, min_velocity=filters.min_velocity,
            min_spread=filters.min_spread, domains=filters.domains, platforms=filters.platforms,
            watched_only=filters.watched, hours=filters.hours, at=filters.at, now=self.clock.now(), mode=self.mode,
            poll_seconds=self.poll_seconds,
        )  # fmt: skip
        if filters.at is not None:
            return view
        return replace(view, delivery_problem=self.store.outbox_problem(SLACK, SystemClock().now() - DAY))

    def polls(self, since: datetime, until: datetime) -> Sequence[datetime]:
        """When the board was scored in ``since <= at <= until``, oldest first."""
        return self.store.poll_times(since, until)

    def entity(self, slug: str, at: datetime | None = None) -> EntityView | None:
        """Everything about one entity, or what was known ``at`` a past instant; None when no such entity exists."""
        return read.entity_view(self.store, self.settings, slug, at or self.clock.now(), past=at is not None)

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
        """Receipts in ``order``, with ``at`` those seen by then; an empty page for an unknown slug."""
        return read.receipts(self.store, slug, source, hour, limit, cursor, at, order) or ReceiptPage(())

    def lines(self, slugs: Sequence[str], hours: int, at: datetime | None = None) -> Sequence[NameLine]:
        """Hourly scores of several names for one timeline, in the order asked for; unknown slugs are left out."""
        return read.lines(self.store, slugs, hours, at)

    def search(self, text: str, limit: int) -> Sequence[EntityRef]:
        """Entities one of whose names contains ``text``, best first."""
        return read.search(self.store, text, limit)

    def history(self, slug: str, hours: int) -> Sequence[HistoryPoint] | None:
        """Hourly scores, oldest first; None for an unknown entity."""
        return read.history(self.store, self.settings, slug, hours)

    def sources(self) -> Sequence[SourceHealth]:
        """Every source's health."""
        now = self.clock.now()
        return read.source_health(self.store, self.settings, now, mode=self.mode, poll_seconds=self.poll_seconds)

    def alerts(self, limit: int, before: int | None) -> Sequence[dict[str, Any]]:
        """Alerts with their delivery, newest first; ``before``: those with a smaller number."""
        return self.store.alert_rows(limit=limit, before=before)

    def alert(self, number: int) -> dict[str, Any] | None:
        """One alert with what people did and its action package; None for an unknown number."""
        row, did = self.store.alert_row(number), self.activity(number)
        if row is None or did is None:
            return None
        shown = asdict(did)
        shown["votes"].pop("by")  # who voted how is the voters' own
        return {**row, "activity": shown, "package": row["payload"].get("package")}

    def activity(self, alert_id: int) -> Activity | None:
        """Where an alert stands, each card's state in words; None for an unknown one."""
        did = self.store.alert_activity(alert_id)
        return None if did is None else state_of_card(did)

    def audit(self, source: str | None, outcome: str | None, limit: int, cursor: str | None) -> dict[str, Any]:
        """Fetches, newest first."""
        return read.audit(self.store, source, outcome, limit, cursor)

    def set_domain(self, entity_id: int, domain: str, actor: str, was: str | None = None) -> None:
        """An editor's word on an entity's domain; leaves an audit row. ``was``: the domain the editor saw."""
        self.store.set_domain(entity_id, domain, actor, was)
        self.names_changed()

    def ready(self) -> str:
        """Empty when the database answers, else one line with the reason."""
        try:
            self.store.ping()
        except StoreError as error:
            return str(error)
        return ""
