"""The evidence: what each source showed about a name, sorted as asked, page by page, with the real links."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

from heatmap_app.escape import Html, join, safe_url, tag
from heatmap_app.pages.site import Handler
from heatmap_app.pages.state import ViewState, change
from heatmap_app.pages.words import Times, compact, platform
from pipelines.model import SOURCES
from pipelines.view import Receipt, ReceiptOrder, ReceiptPage

PAGE = 50
LISTS = frozenset({"trends", "tiktok"})
"""Sources whose items stand on a list that is read again and again: there the last sighting counts, here and in the order."""
ORDER_WORDS: Mapping[ReceiptOrder, str] = {
    "newest": "Sort newest first", "oldest": "Sort oldest first", "engagement": "Sort by engagement, most first",
}  # fmt: skip
FIRST_WORDS: Mapping[ReceiptOrder, str] = {"newest": "Newest", "oldest": "Oldest", "engagement": "Most"}


class Trail:
    """Which page of the receipts is shown: the cursors of the pages walked through. The first page follows new receipts,
    the others keep the order they were begun in."""

    def __init__(self) -> None:
        self._cursors: list[str | None] = [None]
        self._of: object = None

    @property
    def cursor(self) -> str | None:
        """Where the page shown begins."""
        return self._cursors[-1]

    def of(self, what: object) -> None:
        """Start at the first page where it is not the same list any more."""
        if what != self._of:
            self._of, self._cursors = what, [None]

    def on(self, following: str | None) -> None:
        """To the next page, where there is one."""
        if following is not None:
            self._cursors.append(following)

    def back(self) -> None:
        """To the page before."""
        if len(self._cursors) > 1:
            self._cursors.pop()

    def first(self) -> None:
        """To the first page."""
        self._cursors = [None]


def receipts(page: ReceiptPage, state: ViewState, times: Times, now: datetime) -> Html:
    """Heading with the count, filters by source and hour, the page's receipts, and the way to the others."""
    shown = [_receipt(receipt, place, times, now) for place, receipt in enumerate(page.items, start=page.first)]
    return join(
        tag(
            "div",
            tag("h3", "Receipts ", tag("small", _place(page), role="status")),
            _export(state),
            class_="receipts-head",
            data_key="title",
        ),
        _filters(state, times),
        _table(page, state, shown) if shown else _nothing(state, times, now),
        _ways(page, state.receipts) if page.total > PAGE else None,
    )


def _table(page: ReceiptPage, state: ViewState, shown: Sequence[Html]) -> Html:
    # roles are told where the elements have them already: rows are laid out as grids, and engines then forget them
    heads = tag(
        "tr",
        _head("Time", state.receipts, {"newest": "oldest", "oldest": "newest"}, "newest"),
        tag("th", "Source", role="columnheader", scope="col", class_="feed"),
        tag("th", "Receipt", role="columnheader", scope="col", class_="title"),
        _head("Engagement", state.receipts, {"engagement": "newest"}, "engagement"),
        role="row", data_key="heads", aria_rowindex=1,
    )  # fmt: skip
    return tag(
        "table", tag("thead", heads, role="rowgroup", data_key="thead"),
        tag("tbody", shown, role="rowgroup", data_key="tbody"),
        class_="receipts", role="table", aria_label="Receipts", aria_rowcount=max(page.total, len(shown)) + 1,
        data_key="list",
    )  # fmt: skip


def _head(words: str, order: ReceiptOrder, turns: Mapping[str, ReceiptOrder], first: ReceiptOrder) -> Html:
    """The head of a column the receipts can be sorted by. ``turns``: the orders it stands for, each with the next one."""
    sorted_by = order in turns
    way = ("ascending" if order == "oldest" else "descending") if sorted_by else None
    sign = tag("i", "↑" if order == "oldest" else "↓", aria_hidden="true") if sorted_by else None
    press = tag(
        "button", words, sign, type="button", data_act="sort-receipts", data_value=turns.get(order, first),
        title=ORDER_WORDS[turns.get(order, first)], data_key="press",
    )  # fmt: skip
    return tag(
        "th", press, role="columnheader", scope="col", aria_sort=way, class_=words.lower(), data_key=words.lower()
    )


def _place(page: ReceiptPage) -> str:
    """``1–50 of 10,214``."""
    if not page.items:
        return "none"
    last = page.first + len(page.items) - 1
    return f"{page.first:,}–{last:,} of {max(page.total, last):,}"


def _ways(page: ReceiptPage, order: ReceiptOrder) -> Html:
    first, last = page.first <= 1, page.next_cursor is None
    return tag(
        "nav",
        _way("receipts-first", FIRST_WORDS[order], off=first),
        _way("receipts-back", "Previous 50", off=first),
        _way("receipts-on", "Next 50", off=last),
        class_="pages", aria_label="Pages of receipts", data_key="pages",
    )  # fmt: skip


def _way(act: str, words: str, *, off: bool) -> Html:
    # aria-disabled, not disabled: the focus stays on it at the last page
    return tag(
        "button",
        words,
        type="button",
        class_="do-one",
        data_act=act,
        data_key=act,
        aria_disabled="true" if off else None,
    )


def _export(state: ViewState) -> Html:
    pairs = {
        "source": state.source,
        "hour": state.hour and state.hour.astimezone(UTC).isoformat(),
        "at": state.at and state.at.astimezone(UTC).isoformat(),
        "sort": state.receipts if state.receipts != "newest" else None,
    }
    query = urlencode({key: value for key, value in pairs.items() if value})
    address = f"/api/v1/entities/{quote(state.entity or '', safe='')}/receipts.csv{f'?{query}' if query else ''}"
    return tag(
        "a", "Export CSV", href=address, download=True, class_="link", title="All of them, as filtered and sorted here"
    )


def _filters(state: ViewState, times: Times) -> Html:
    choices = [("", "All"), *((source, platform(source)) for source in SOURCES)]
    buttons = [
        tag(
            "button",
            text,
            type="button",
            data_act="source",
            data_value=key,
            aria_pressed=_bool((state.source or "") == key),
            data_key=f"s-{key}",
        )
        for key, text in choices
    ]
    hour = None
    if state.hour is not None:
        text = tag("span", times.hour(state.hour))
        hour = tag(
            "button",
            text,
            " ✕",
            type="button",
            class_="chip",
            data_act="clear-hour",
            title="All hours",
            data_key="hour",
        )
    return tag(
        "div",
        tag("div", buttons, class_="segments", role="group", aria_label="Source"),
        hour,
        class_="filters",
        data_key="filters",
    )


def _receipt(receipt: Receipt, place: int, times: Times, now: datetime) -> Html:
    listed = receipt.source in LISTS
    when = receipt.observed_at if listed else receipt.published_at or receipt.observed_at
    url = safe_url(receipt.url)
    text = tag("bdi", receipt.title or receipt.item_id)
    title = (
        tag("a", text, href=url, target="_blank", rel="noopener noreferrer", title=receipt.title)
        if url
        else tag("span", text, class_="no-link", title="The source gave no link")
    )
    feed = join(
        tag("i", class_=f"dot {receipt.source}", aria_hidden="true"),
        tag("bdi", receipt.feed or platform(receipt.source)),
    )
    kind_of_time = "last seen on the list" if listed else "published" if receipt.published_at else "first seen"
    engagement = None if receipt.engagement is None else compact(receipt.engagement)
    exact = f"engagement {receipt.engagement:,.0f}" if receipt.engagement is not None else "the source gave none"
    return tag(
        "tr",
        tag("td", tag("time", times.near(when, now), datetime=when.isoformat(), title=kind_of_time), role="cell",
            class_="time"),
        tag("td", feed, role="cell", class_="feed", title=f"{platform(receipt.source)}: {receipt.feed}"),
        tag("td", tag("span", title), role="cell", class_="title"),
        tag("td", engagement or "–", role="cell", class_="engagement", title=exact),
        role="row", aria_rowindex=place + 1, data_key=f"{receipt.source}/{receipt.item_id}",
    )  # fmt: skip


def _nothing(state: ViewState, times: Times, now: datetime) -> Html:
    where = f" from {platform(state.source)}" if state.source else ""
    when = " in this hour" if state.hour else ""
    then = f" up to {times.near(now, now)}" if state.at else ""
    return tag("p", f"No receipts{where}{when}{then}.", class_="quiet", data_key="list")


def _bool(value: bool) -> str:
    return "true" if value else "false"


def _walk(step: str) -> Handler:
    def handler(page: Any, _value: Any) -> None:
        trail: Trail = page.side.trail
        if step == "on":
            trail.on(page.side.page.next_cursor)
        elif step == "back":
            trail.back()
        else:
            trail.first()
        page.refresh()

    return handler


def _sort(page: Any, value: Any) -> None:
    page.move(change(page.state, "receipts", value))


EVENTS: Mapping[str, Handler] = {
    **{f"receipts-{step}": _walk(step) for step in ("on", "back", "first")},
    "sort-receipts": _sort,
}
