"""The board's tools: window, platforms, rows, the time shown, exports, help. Pure markup, native inputs."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urlencode

from heatmap_app.escape import Html, join, tag
from heatmap_app.pages.reader import Filters
from heatmap_app.pages.state import ROWS, WINDOWS, ViewState
from heatmap_app.pages.words import PLATFORM_NAMES, Times
from pipelines.model import PLATFORMS
from pipelines.view import HeatView

WINDOW_WORDS = {12: "12 h", 24: "24 h", 48: "48 h", 168: "7 d"}


def tools(state: ViewState, view: HeatView, filters: Filters, times: Times) -> Html:
    """Everything over the board, left to right."""
    return join(
        _windows(state),
        _platforms(state),
        _watched(state),
        _rows(state),
        tag("span", class_="push", data_key="push"),
        _as_of(state, view, times),
        _save(view, filters),
        tag(
            "button", "?", type="button", class_="ghost", data_act="help", aria_label="Help and keys",
            title="Help and keys ( ? )", data_key="help",
        ),
    )  # fmt: skip


def csv_address(filters: Filters, as_of: datetime) -> str:
    """The address of exactly this board as CSV: its filters and its poll."""
    domains = filters.domains
    given = {
        "limit": filters.limit,
        "window": filters.hours,
        "min_velocity": filters.min_velocity,
        "min_spread": filters.min_spread,
        "domain": "all" if domains is None else domains[0] if len(domains) == 1 else None,
        "platform": ",".join(filters.platforms or ()),
        "watched": "true" if filters.watched else None,
        "at": as_of.isoformat().replace("+00:00", "Z"),
    }
    query = urlencode({key: value for key, value in given.items() if value not in (None, "")}, safe=",:")
    return f"/api/v1/heat.csv?{query}"


def _windows(state: ViewState) -> Html:
    choices = [
        tag(
            "label",
            tag("input", type="radio", name="window", value=hours, checked=hours == state.window, data_on="number"),
            tag("span", WINDOW_WORDS[hours]),
            data_key=f"w{hours}",
        )
        for hours in WINDOWS
    ]
    legend = tag("legend", "Hours shown", class_="unseen")
    return tag("fieldset", legend, tag("div", choices, class_="segments"), data_key="windows")


def _platforms(state: ViewState) -> Html:
    choices = [
        tag(
            "label",
            tag("input", type="checkbox", name="platform", value=name, checked=name in state.platforms, data_on="platforms"),
            tag("span", PLATFORM_NAMES[name]),
            data_key=f"p{name}",
        )
        for name in PLATFORMS
    ]  # fmt: skip
    legend = tag("legend", "Only names seen on any of these", class_="unseen")
    words = tag("span", "Seen on", class_="quiet label", aria_hidden="true")
    return tag(
        "fieldset", legend, words, tag("div", choices, class_="segments many", title="Only names seen on any of these"),
        class_="seen-on", data_key="platforms",
    )  # fmt: skip


def _watched(state: ViewState) -> Html:
    box = tag("input", type="checkbox", name="watched", checked=state.watched, data_on="gate")
    words = tag("span", "★ Watched")
    return tag(
        "label", box, words, class_="watched-only", title="Only names on the desk's watchlist", data_key="watched"
    )


def _rows(state: ViewState) -> Html:
    options = [tag("option", f"Show {count}", value=count, selected=count == state.rows) for count in ROWS]
    choice = tag("select", options, name="rows", data_on="number")
    return tag("label", tag("span", "Rows", class_="unseen"), choice, class_="select", data_key="rows")


def _as_of(state: ViewState, view: HeatView, times: Times) -> Html:
    shown = "live"
    if state.at is not None:
        shown = f"{times.local(view.as_of or state.at):%a %H:%M}"
    return tag(
        "button", "As of: ", tag("b", shown), tag("i", " ▾", aria_hidden="true"), type="button", class_="ghost as-of",
        data_act="as-of", title="Look back in time ( [ and ] )", data_key="as-of",
        aria_expanded="true" if state.at else "false",
    )  # fmt: skip


def _save(view: HeatView, filters: Filters) -> Html:
    lines = []
    if view.as_of is not None:
        address = csv_address(filters, view.as_of)
        lines = [
            tag("a", "Table as CSV", href=address, download=True, data_key="csv"),
            tag("button", "Picture as PNG", type="button", data_act="picture", data_key="png"),
        ]
    lines.append(tag("button", "Copy link to this view", type="button", data_act="link", data_key="link"))
    return tag(
        "details", tag("summary", "Share", tag("i", " ▾", aria_hidden="true"), class_="ghost"),
        tag("div", lines, class_="menu-list"), class_="menu", data_key="save",
    )  # fmt: skip
