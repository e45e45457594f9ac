"""What all pages share, and what a page offers to the modules that act on its events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from heatmap_app.board import Board
from heatmap_app.database_state import DatabaseState
from heatmap_app.escape import Html
from heatmap_app.pages.reader import Reader
from heatmap_app.pages.sharing import Once
from heatmap_app.pages.state import ViewState
from heatmap_app.pages.words import Times
from heatmap_app.users import DESK, User
from pipelines.clock import Clock
from pipelines.settings import Settings
from pipelines.view import EntityView, HeatView


@dataclass(slots=True, eq=False)
class Site:
    """What the pages share. ``settings`` may be replaced: gates change while pages are open.
    ``speed`` is virtual seconds a real second (1 when live), for ages that tick; ``user_of``
    names the user who holds a session's page; ``driven`` gives the speed now in a world that can be paused (None: live);
    ``once`` makes what pages share."""

    board: Board
    settings: Settings
    clock: Clock
    speed: float = 1.0
    user_of: Callable[[str], User | None] = lambda _session: DESK
    database: Callable[[], DatabaseState | None] = lambda: None
    driven: Callable[[], float] | None = None
    once: Once = field(default_factory=Once)

    @property
    def pace(self) -> float:
        """Virtual seconds a real second at this moment."""
        return self.driven() if self.driven is not None else self.speed

    @property
    def reader(self) -> Reader:
        """The read model behind the board."""
        return self.board.reader


class Page(Protocol):
    """An open page as an event's handler sees it. Handlers run on a worker thread under the session's lock."""

    site: Site
    state: ViewState
    times: Times

    @property
    def view(self) -> HeatView:
        """The board shown."""
        ...

    @property
    def entity(self) -> EntityView | None:
        """The entity shown in the panel."""
        ...

    @property
    def now(self) -> datetime:
        """The page's present: the clock's, or the poll looked back at."""
        ...

    def user(self) -> User | None:
        """Who holds this page now."""
        ...

    def move(self, state: ViewState) -> None:
        """Go to ``state``: read what it needs, send what changed."""
        ...

    def refresh(self, said: str | None = None) -> None:
        """Read everything again and send what changed; ``said`` stands in the banner until the next read."""
        ...

    def send(self, regions: Mapping[str, Html]) -> None:
        """Send these regions where they differ from what the page shows."""
        ...


type Handler = Callable[[Any, Any], None]
"""``handler(page, value)``: ``page`` is a :class:`Page` (or what it really is), ``value`` what the browser sent: judge it."""
