"""The entity's side of one open page: what was read about the name in the panel and the names compared, and its markup."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from heatmap_app.escape import Html, join
from heatmap_app.pages import acting, comparing, entity_panel, naming, receipts
from heatmap_app.pages.formula import why
from heatmap_app.pages.reader import Reader
from heatmap_app.pages.receipts import PAGE, Trail
from heatmap_app.pages.sharing import Once
from heatmap_app.pages.site import Handler
from heatmap_app.pages.state import ViewState
from heatmap_app.pages.words import Times
from heatmap_app.timeline import timeline
from heatmap_app.users import User
from pipelines.clock import SystemClock
from pipelines.people import Activity
from pipelines.settings import Settings
from pipelines.view import EntityView, HeatView, NameLine, ReceiptPage

ONLOOKER = User("", "nobody", "viewer")


def _present(state: ViewState, board: HeatView) -> bool:
    """Whether what is shown may be called now."""
    return state.at is None and not board.stale


class EntitySide:
    """Everything the panel shows. :meth:`read` may block on the database and raise what the reader raises."""

    def __init__(self) -> None:
        self.view: EntityView | None = None
        self.page = ReceiptPage(())
        self.trail = Trail()
        self.lines: Sequence[NameLine] = ()
        self._did: Activity | None = None
        self._asked: str | None = None
        self._unread = False

    def read(self, reader: Reader, state: ViewState) -> None:
        """What ``state`` asks for, as of its instant. Where reading fails, what was read of the same name stays."""
        at = state.at
        if self._asked != state.entity:
            self.view = None
        self._asked, self._unread = state.entity, True
        lines = comparing.read(reader, state, at)
        view = reader.entity(state.entity, at) if state.entity is not None else None
        if state.entity is not None and view is not None:
            did = reader.activity(view.alerts[0]["id"]) if view.alerts else None
            self.trail.of((view.entity.slug, state.source, state.hour, at, state.receipts))
            cursor = self.trail.cursor
            page = reader.receipts(state.entity, state.source, state.hour, PAGE, cursor, at, state.receipts)
            self._did, self.page = did, page
        self.view, self.lines, self._unread = view, lines, False

    def regions(
        self, state: ViewState, board: HeatView, settings: Settings, user: User | None, times: Times, now: datetime,
        once: Once | None = None,
    ) -> dict[str, Html]:  # fmt: skip
        """The panel's regions. ``now``: the page's present; ``once`` makes for all pages what they show alike."""
        once = once or Once()
        compared = {"compare": comparing.comparing(self.lines, state, settings.gates.min_velocity, times)}
        if state.entity is None:
            at = board.as_of or state.at
            then = None if at is None or _present(state, board) else f"{times.local(at):%a %H:%M}"
            return {**compared, "overview": once(entity_panel.overview, board, settings, then)}
        view = self.view
        if view is None:
            return {**compared, "overview": entity_panel.missing(state.entity, unread=self._unread)}
        who, real = user or ONLOOKER, SystemClock().now()
        return {
            **compared,
            "entity-top": entity_panel.top(view, state, settings, who, times, now),
            # what is done is done now: a page that looks back offers nothing to do with an alert of then
            "acting": acting.acting(view, self._did, who, times, real) if state.at is None else Html(),
            "timeline": once(timeline, view, state.window, settings, times, live=_present(state, board)),
            "entity-why": why(view.item, settings, times) if view.item else Html(),
            "receipts": receipts.receipts(self.page, state, times, now),
            "entity-more": join(
                entity_panel.more(view, times, now, past=state.at is not None),
                naming.naming(view, who, times, real, past=state.at is not None),
            ),
        }


EVENTS: Mapping[str, Handler] = {**receipts.EVENTS, **comparing.EVENTS}
