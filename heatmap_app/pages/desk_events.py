"""What a visitor can do with the board, as a table from event to handler. Impossible values change nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from heatmap_app.pages.site import Handler, Page
from heatmap_app.pages.state import change, from_query


def _set(field: str) -> Handler:
    """A handler that sets one field of the state."""

    def handler(page: Page, value: Any) -> None:
        page.move(change(page.state, field, value))

    return handler


def _navigate(page: Page, value: Any) -> None:
    page.move(from_query(str(value or "")))


def _show_all(page: Page, _value: Any) -> None:
    page.move(replace(page.state, velocity=False, spread=False, watched=False, platforms=(), domain="all"))


def _open(page: Page, value: Any) -> None:
    page.move(change(page.state, "entity", value))


def _close(page: Page, _value: Any) -> None:
    page.move(change(page.state, "entity", None))


def _cell(page: Any, value: Any) -> None:
    """Open a name with one of its hours: ``[slug, hour]``; without an hour all of them."""
    match value:
        case [str() as slug, str() | None as hour]:
            page.open_cell(slug, change(page.state, "hour", hour).hour)


def _narrow(field: str) -> Handler:
    """A handler for the receipts' filters, where nothing means all."""

    def handler(page: Page, value: Any) -> None:
        page.move(change(page.state, field, value or None))

    return handler


EVENTS: Mapping[str, Handler] = {
    "navigate": _navigate,
    "show-all": _show_all,
    "open": _open,
    "close": _close,
    "cell": _cell,
    "source": _narrow("source"),
    "hour": _narrow("hour"),
    **{
        field: _set(field)
        for field in ("colour", "domain", "velocity", "spread", "watched", "window", "rows", "platforms")
    },
}
