"""The interactive heatmap: one :class:`Dashboard` per open page, layout once, content reactive.

Everything here runs on Bokeh's worker threads under the session's document lock, so the reader may block; nothing runs
on the event loop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import panel as pn
import structlog
from bokeh.document import Document

from heatmap_app.columns import column_of, columns
from heatmap_app.escape import Html, tag
from heatmap_app.pages import (
    board_view,
    correcting,
    desk_events,
    entity_side,
    health_strip,
    helping,
    scrub,
    searching,
    shell,
    tools,
)
from heatmap_app.pages.bridge import Bridge
from heatmap_app.pages.entity_side import EntitySide
from heatmap_app.pages.reader import Filters
from heatmap_app.pages.site import Handler, Site
from heatmap_app.pages.state import ViewState, change, from_query
from heatmap_app.pages.words import Times, times
from heatmap_app.plots import ROWS, LiveHeatMap
from heatmap_app.themes import COOKIE, Theme, shade_of, theme_of
from heatmap_app.users import User
from pipelines.errors import StoreError
from pipelines.view import EntityView, HeatView

log = structlog.get_logger(__name__)

SYSTEM = Theme()
NOTHING_YET = HeatView(as_of=None, mode="", stale=False, items=())


def dashboard_app(site: Site) -> Callable[[], pn.Template]:
    """The function Panel calls for each visitor: ``add_applications({"/": dashboard_app(site)}, ...)``."""

    def open_page() -> pn.Template:
        doc = pn.state.curdoc
        if doc is None:
            raise RuntimeError("a page opens inside a session only")
        search = pn.state.location.search if pn.state.location else ""
        theme = theme_of(pn.state.cookies.get(COOKIE))
        return Dashboard(site, doc, from_query(search or ""), times(pn.state.cookies.get("et_zone")), theme).template()

    return open_page


class Dashboard:
    """One open page: a :class:`ViewState`, the figures, and the regions of markup around them."""

    def __init__(self, site: Site, doc: Document, state: ViewState, times: Times, theme: Theme = SYSTEM) -> None:
        self.site, self.times, self._doc = site, times, doc
        self.state, self.theme = self._possible(state), theme
        self._view, self.side = NOTHING_YET, EntitySide()
        self._problem: str | None = None
        self._read: Filters | None = None
        self._polls: Sequence[datetime] = ()
        self.map = LiveHeatMap(times, self._tapped, theme.shade)
        self.bridge = Bridge(doc, self.handle)
        self._read_all()
        site.board.hub.subscribe(doc, self.follow)
        doc.on_session_destroyed(self._release)

    def template(self) -> pn.Template:
        """The page with its first content."""
        regions = self._regions()
        self.bridge.painted(regions)
        panes = {"heatmap": self.map.pane}
        return shell.page(
            panes, regions, self.theme, panel=self._panel(), page_title=self._title(), zone=self.times.name,
            help=helping.help_dialog(self.site.settings), driven=self.site.driven is not None,
        )  # fmt: skip

    def follow(self) -> None:
        """The board was published anew: a page that looks back stays where it is."""
        self._read_all(hold=True)
        self._send()

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

    def _tapped(self, slug: str, hour: datetime) -> None:
        """A tap reaches us through HoloViews without the document's lock: take it."""
        self._doc.add_next_tick_callback(lambda: self.open_cell(slug, hour))

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
        """The browser told its time zone."""
        if isinstance(name, str) and name != self.times.name:
            self.times = times(name)
            self.map.times = self.times
        self.refresh()

    def paint(self, shade: object) -> None:
        """The browser told what theme is seen: figures are drawn in it."""
        seen = shade_of(shade)
        if seen is None or seen == self.theme.shade:
            return
        self.theme = Theme(self.theme.choice, seen)
        self.map.paint(seen)
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

    def _read_all(self, *, hold: bool = False) -> None:
        """Read the board and the entity; with ``hold`` a board looked back at stays as it is."""
        filters, board = self.filters, self.site.board
        self._problem = None
        if not (hold and filters.at is not None and filters == self._read):
            view = self._guarded("The board could not be read", board.view, filters)
            last = board.newest() if self._view is NOTHING_YET else self._view
            self._read = filters if view is not None else None
            self._view = view or board.latest(filters) or last or self._view
        self._polls = self._guarded("The polls could not be read", board.polls, self.site.clock.now()) or ()
        self.map.show(self._view, self.state.colour)
        self._guarded("The name could not be read", self.side.read, self.site.reader, self.state)

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

    def _regions(self) -> dict[str, Html]:
        view, state, clock, now = self._view, self.state, self.times, self.now
        interval = timedelta(seconds=self.site.settings.poll.score_seconds)
        live = state.at is None
        regions = {
            "head": health_strip.head_state(view, clock, now, live=live),
            "scrub": scrub.band(state, view.as_of, self._polls, clock, interval, thinned=view.thinned),
            "banner": health_strip.banner(view, self._problem, clock, now, self.site.database()),
            "controls": board_view.controls(state, self.site.settings),
            "tools": tools.tools(state, view, self.filters, clock),
            "hours": board_view.hours(view, clock, live=live),
            "rows": board_view.rows(view, state, clock),
            "legend": board_view.legend(state.colour, view, state, self.theme.shade),
            "health": health_strip.strip(view, clock, now),
            "meta": self._meta(now),
        }
        return regions | self.side.regions(state, view, self.site.settings, self.user(), clock, now)

    def _panel(self) -> str:
        return "entity" if self.side.view is not None else "overview"

    def _title(self) -> str:
        name = f"{self.side.view.entity.name} · " if self.side.view else ""
        then = f"{self.times.local(self.now):%a %H:%M} · " if self.state.at else ""
        return f"{'DEMO ' if self._view.mode == 'demo' else ''}{then}{name}ET Heatmap"

    def _meta(self, now: datetime) -> Html:
        """What the script needs to know, as one element with data attributes."""
        state, view = self.state, self._view
        shown = columns(view.hours, self.times)
        slugs = [item.entity.slug for item in view.items]
        return tag(
            "i", data_now=int(now.timestamp() * 1000), data_speed=0 if state.at else self.site.pace,
            data_query=state.query(), data_title=self._title(), data_panel=self._panel(), data_entity=state.entity or "",
            data_row=slugs.index(state.entity) if state.entity in slugs else None,
            data_column=column_of(shown, state.hour), data_columns=len(shown), data_places=max(ROWS, len(slugs)),
            data_stale="1" if view.stale or self._problem else "", data_mode=view.mode, data_colour=state.colour,
            data_at=view.as_of.isoformat() if state.at and view.as_of else "1" if state.at else "",
            data_as_of=view.as_of.isoformat() if view.as_of else "",
            data_beat=int(self.site.clock.now().timestamp() * 1000),
        )  # fmt: skip

    def _release(self, _context: object) -> None:
        self.map.release()


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
