"""The evidence: what each source showed about a name, newest first, page by page, with the real links."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

from heatmap_app.escape import Html, join, safe_url, tag
from heatmap_app.pages.site import Handler
from heatmap_app.pages.state import ViewState
from heatmap_app.pages.words import Times, compact, platform
from pipelines.model import SOURCES
from pipelines.view import Receipt, ReceiptPage

PAGE = 50
LISTS = frozenset({"trends", "tiktok"})
"""Sources whose items stand on a list that is read again and again: there the last sighting counts, here and in the order."""


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
    shown = [_receipt(receipt, times, now) for receipt in page.items]
    return join(
        tag(
            "div",
            tag("h3", "Receipts ", tag("small", _place(page), role="status")),
            _export(state),
            class_="receipts-head",
            data_key="title",
        ),
        _filters(state, times),
        tag("ol", shown, class_="receipts", data_key="list", start=page.first)
        if shown
        else _nothing(state, times, now),
        _ways(page) if page.total > PAGE else None,
    )


def _place(page: ReceiptPage) -> str:
    """``1–50 of 10,214``."""
    if not page.items:
        return "none"
    last = page.first + len(page.items) - 1
    return f"{page.first:,}–{last:,} of {max(page.total, last):,}"


def _ways(page: ReceiptPage) -> Html:
    first, last = page.first <= 1, page.next_cursor is None
    return tag(
        "nav",
        _way("receipts-first", "Newest", off=first),
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
    }
    query = urlencode({key: value for key, value in pairs.items() if value})
    address = f"/api/v1/entities/{quote(state.entity or '', safe='')}/receipts.csv{f'?{query}' if query else ''}"
    return tag("a", "Export CSV", href=address, download=True, class_="link", title="All of them, as filtered here")


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


def _receipt(receipt: Receipt, times: Times, now: datetime) -> Html:
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
    return tag(
        "li",
        tag("time", times.near(when, now), datetime=when.isoformat(), title=kind_of_time),
        tag("span", feed, class_="feed", title=f"{platform(receipt.source)}: {receipt.feed}"),
        tag("span", title, class_="title"),
        tag("span", engagement or "", class_="engagement", title="engagement" if engagement else None),
        data_key=f"{receipt.source}/{receipt.item_id}",
    )


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


EVENTS: Mapping[str, Handler] = {f"receipts-{step}": _walk(step) for step in ("on", "back", "first")}
