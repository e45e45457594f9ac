"""The interactive heatmap: one :class:`Dashboard` per open page, layout once, content reactive.

Everything here runs on Bokeh's worker threads under the session's document lock, so the reader may block; nothing runs
on the event loop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import panel as pn
import structlog
from bokeh.document import Document

from heatmap_app.escape import Html
from heatmap_app.pages import correcting, desk_events, entity_side, helping, regions, scrub, searching, shell
from heatmap_app.pages.bridge import Bridge
from heatmap_app.pages.entity_side import EntitySide
from heatmap_app.pages.reader import Filters, Reader
from heatmap_app.pages.regions import Shown
from heatmap_app.pages.sharing import SharedReader
from heatmap_app.pages.site import Handler, Site
from heatmap_app.pages.state import ViewState, change, from_query
from heatmap_app.pages.words import Times, times
from heatmap_app.themes import COOKIE, Theme, shade_of, theme_of
from heatmap_app.users import User
from pipelines.clock import Clock
from pipelines.errors import StoreError
from pipelines.view import EntityView, HeatView

log = structlog.get_logger(__name__)

SYSTEM = Theme()
NOTHING_YET = HeatView(as_of=None, mode="", stale=False, items=())


def dashboard_app(site: Site) -> Callable[[], Any]:
    """The function Panel calls for each visitor: ``add_applications({"/": dashboard_app(site)}, ...)``.

    It returns nothing, which Panel allows and its types do not say: it draws on the document itself.
    """

    def open_page() -> None:
        doc = pn.state.curdoc
        if doc is None or doc.session_context is None:
            raise RuntimeError("a page opens inside a session only")
        request = getattr(doc.session_context, "request", None)
        query = urlsplit(getattr(request, "uri", None) or "").query
        theme = theme_of(pn.state.cookies.get(COOKIE))
        Dashboard(site, doc, from_query(query), times(pn.state.cookies.get("et_zone")), theme).paint_first()

    return open_page


class Dashboard:
    """One open page: a :class:`ViewState` and the regions of markup that show it."""

    def __init__(self, site: Site, doc: Document, state: ViewState, times: Times, theme: Theme = SYSTEM) -> None:
        self.site, self.times, self._doc = site, times, doc
        self.state, self.theme = self._possible(state), theme
        self._view, self.side = NOTHING_YET, EntitySide()
        self._problem: str | None = None
        self._read: Filters | None = None
        self._polls: Sequence[datetime] = ()
        self.bridge = Bridge(doc, self.handle, site.once)
        self._read_all()
        site.board.hub.subscribe(doc, self.follow)

    def paint_first(self) -> None:
        """The page with its first content."""
        first, seen = self._regions(), self._seen()
        self.bridge.painted(first)
        shell.page(
            self._doc, first, self.theme, panel=seen.panel, page_title=seen.title, zone=self.times.name,
            help=helping.help_dialog(self.site.settings), driven=self.site.driven is not None,
        )  # fmt: skip

    def follow(self) -> None:
        """The board was published anew: a page that looks back stays where it is. All pages that follow are told of one
        instant, so that what they show alike is made once."""
        site, version = self.site, self.site.board.version
        site.once.turn(version)
        self._read_all(SharedReader(site.reader, site.once, version), hold=True)
        self.bridge.send(self._regions(site.once(_instant, site.clock, version)))

    def refresh(self, said: str | None = None) -> None:
        """Read everything again and send what changed; ``said`` stands in the banner until the next read."""
        self._read_all()
        self._problem = said or self._problem
        self._send()

    def handle(self, kind: str, event: Mapping[str, Any]) -> None:
        """Act on what the visitor did. Unknown kinds and impossible values change nothing."""
        handler = EVENTS.get(kind)
        if handler is not None:
            handler(self, event.get("value"))

    def open_cell(self, slug: str, hour: datetime | None) -> None:
        """Open a name with the receipts of one hour (UTC start)."""
        self.move(replace(change(self.state, "entity", slug), hour=hour))

    def move(self, state: ViewState) -> None:
        """Go to ``state``: read what it needs, send what changed."""
        self.state = self._possible(state)
        self.refresh()

    def _possible(self, state: ViewState) -> ViewState:
        """``state``, live where it asks for a time to come."""
        return replace(state, at=None) if state.at and state.at > self.site.clock.now() else state

    def zone(self, name: object) -> None:
        """The browser told its time zone: it has the page."""
        shell.painted(self._doc)
        if isinstance(name, str) and name != self.times.name:
            self.times = times(name)
        self.refresh()

    def paint(self, shade: object) -> None:
        """The browser told what theme is seen: figures made here are drawn in it."""
        seen = shade_of(shade)
        if seen is None or seen == self.theme.shade:
            return
        self.theme = Theme(self.theme.choice, seen)
        self._send()

    def user(self) -> User | None:
        """Who holds this page now."""
        context = self._doc.session_context
        return self.site.user_of(str(context.id)) if context is not None else None

    def send(self, regions: Mapping[str, Html]) -> None:
        """Send these regions where they differ from what the page shows."""
        self.bridge.send(regions)

    @property
    def view(self) -> HeatView:
        """The board shown."""
        return self._view

    @property
    def entity(self) -> EntityView | None:
        """The entity shown in the panel."""
        return self.side.view

    @property
    def now(self) -> datetime:
        """The page's present: the clock's, or the poll looked back at."""
        if self.state.at is None:
            return self.site.clock.now()
        return self._view.as_of or self.state.at

    @property
    def filters(self) -> Filters:
        """The board asked for."""
        gates = self.site.settings.gates
        return self.state.filters(gates.min_velocity, gates.min_spread)

    def _read_all(self, reader: Reader | None = None, *, hold: bool = False) -> None:
        """Read the board and the entity (by ``reader``); with ``hold`` a board looked back at stays as it is."""
        filters, board = self.filters, self.site.board
        self._problem = None
        if not (hold and filters.at is not None and filters == self._read):
            view = self._guarded("The board could not be read", board.view, filters)
            last = board.newest() if self._view is NOTHING_YET else self._view
            self._read = filters if view is not None else None
            self._view = view or board.latest(filters) or last or self._view
        self._polls = self._guarded("The polls could not be read", board.polls, self.site.clock.now()) or ()
        self._guarded("The name could not be read", self.side.read, reader or self.site.reader, self.state)

    def _guarded[**P, T](self, what: str, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """``call``'s result, or None with the problem in words for the banner: a page outlives its database."""
        try:
            return call(*args, **kwargs)
        except StoreError:
            log.exception("page: reading failed", what=what)
            self._problem = f"{what}: the database does not answer. Trying again by itself."
        except Exception:
            log.exception("page: reading failed", what=what)
            self._problem = f"{what}: something went wrong; it is in the log. Trying again by itself."
        return None

    def _send(self) -> None:
        self.bridge.send(self._regions())

    def _seen(self, now: datetime | None = None) -> Shown:
        """What is shown, at ``now`` (None: the page's present)."""
        return Shown(
            self._view, self.state, self.filters, self._polls, self.times, self.theme.shade,
            now if now is not None and self.state.at is None else self.now, now or self.site.clock.now(),
            self.side.view, self._problem,
        )  # fmt: skip

    def _regions(self, now: datetime | None = None) -> dict[str, Html]:
        seen = self._seen(now)
        site = self.site
        panel = self.side.regions(self.state, self._view, site.settings, self.user(), self.times, seen.now, site.once)
        return {**regions.board(site, seen), **panel}


def _instant(clock: Clock, _version: int) -> datetime:
    return clock.now()


EVENTS: Mapping[str, Handler] = {
    **desk_events.EVENTS,
    **scrub.EVENTS,
    **searching.EVENTS,
    **correcting.EVENTS,
    **entity_side.EVENTS,
    "theme": Dashboard.paint,
    "hello": Dashboard.zone,
}
"""Who acts on which event; a module contributes by its own table."""
