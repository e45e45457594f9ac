"""The regions of the page as markup: what is shown in, markup out. Pages that show the same share each region."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from heatmap_app.columns import column_of, columns
from heatmap_app.database_state import DatabaseState
from heatmap_app.escape import Html, tag
from heatmap_app.pages import board_view, health_strip, scrub, tools
from heatmap_app.pages.cells import cells
from heatmap_app.pages.reader import Filters
from heatmap_app.pages.sharing import Once
from heatmap_app.pages.site import Site
from heatmap_app.pages.state import ViewState
from heatmap_app.pages.words import Times
from heatmap_app.plots import ROWS
from heatmap_app.themes import Shade
from pipelines.settings import Settings
from pipelines.view import EntityView, HeatView


@dataclass(frozen=True, slots=True)
class Shown:
    """What one page shows. ``now``: its present (UTC), the poll looked back at where it looks back; ``beat``: the clock's
    instant; ``problem``: why the board could not be read, in words."""

    view: HeatView
    state: ViewState
    filters: Filters
    polls: Sequence[datetime]
    times: Times
    shade: Shade
    now: datetime
    beat: datetime
    entity: EntityView | None = None
    problem: str | None = None

    @property
    def panel(self) -> str:
        """Which panel stands at the right: ``entity`` or ``overview``."""
        return "overview" if self.entity is None else "entity"

    @property
    def title(self) -> str:
        """The page's title."""
        name = f"{self.entity.entity.name} · " if self.entity else ""
        then = f"{self.times.local(self.now):%a %H:%M} · " if self.state.at else ""
        return f"{'DEMO ' if self.view.mode == 'demo' else ''}{then}{name}ET Heatmap"


def board(site: Site, page: Shown) -> Mapping[str, Html]:
    """Every region but the panel's: all of them made once for pages that show the same, and each for those that share it."""
    return site.once(
        _board, site.once, site.settings, site.database(), site.pace, page.view, page.state, page.filters, page.polls,
        page.times, page.shade, page.now, page.beat, page.entity, page.problem,
    )  # fmt: skip


def _board(
    once: Once, settings: Settings, database: DatabaseState | None, pace: float, *fields: Any
) -> Mapping[str, Html]:
    page = Shown(*fields)
    view, state, clock, now = page.view, page.state, page.times, page.now
    interval = timedelta(seconds=settings.poll.score_seconds)
    live = state.at is None
    here = replace(state, hour=None, source=None, compare=(), receipts="newest")
    return {
        "head": once(health_strip.head_state, view, clock, now, live=live),
        "scrub": once(scrub.band, here, view.as_of, page.polls, clock, interval, thinned=view.thinned),
        "banner": once(health_strip.banner, view, page.problem, clock, now, database),
        "controls": once(board_view.controls, here, settings),
        "tools": once(tools.tools, here, view, page.filters, clock),
        "hours": once(board_view.hours, view, clock, live=live),
        "rows": once(board_view.rows, view, here, clock),
        "cells": once(cells, view, clock),
        "legend": once(board_view.legend, state.colour, view, here, page.shade),
        "health": once(health_strip.strip, view, clock, now),
        "meta": _meta(page, 0 if state.at else pace),
    }


def _meta(page: Shown, speed: float) -> Html:
    """What the script needs to know, as one element with data attributes."""
    state, view = page.state, page.view
    shown = columns(view.hours, page.times)
    slugs = [item.entity.slug for item in view.items]
    return tag(
        "i", data_now=int(page.now.timestamp() * 1000), data_speed=speed,
        data_query=state.query(), data_title=page.title, data_panel=page.panel, data_entity=state.entity or "",
        data_row=slugs.index(state.entity) if state.entity in slugs else None,
        data_column=column_of(shown, state.hour), data_columns=len(shown), data_places=max(ROWS, len(slugs)),
        data_stale="1" if view.stale or page.problem else "", data_mode=view.mode, data_colour=state.colour,
        data_at=view.as_of.isoformat() if state.at and view.as_of else "1" if state.at else "",
        data_as_of=view.as_of.isoformat() if view.as_of else "",
        data_beat=int(page.beat.timestamp() * 1000),
    )  # fmt: skip
