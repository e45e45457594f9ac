"""The evidence list: what each source showed about an entity, newest first, with the real links. Pure markup."""

from __future__ import annotations

from datetime import datetime

from heatmap_app.escape import Html, join, safe_url, tag
from heatmap_app.pages.state import ViewState
from heatmap_app.pages.words import Times, compact, platform
from pipelines.model import SOURCES
from pipelines.view import Receipt, ReceiptPage


def receipts(page: ReceiptPage, state: ViewState, times: Times, now: datetime) -> Html:
    """Heading with the count, filters by source and hour, the list, and "Show more" while there is more."""
    shown = [_receipt(receipt, times, now) for receipt in page.items]
    more = None
    if page.next_cursor is not None:
        more = tag("button", "Show more", type="button", class_="more", data_act="more", data_key="more")
    return join(
        tag("h3", "Receipts ", tag("small", str(page.total or len(page.items))), data_key="title"),
        _filters(state, times),
        tag("ol", shown, class_="receipts", data_key="list") if shown else _nothing(state),
        more,
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


def _receipt(receipt: Receipt, times: Times, now: datetime) -> Html:
    when = receipt.published_at or receipt.observed_at
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
    kind_of_time = "published" if receipt.published_at else "first seen"
    engagement = None if receipt.engagement is None else compact(receipt.engagement)
    return tag(
        "li",
        tag("time", times.near(when, now), datetime=when.isoformat(), title=kind_of_time),
        tag("span", feed, class_="feed", title=f"{platform(receipt.source)}: {receipt.feed}"),
        tag("span", title, class_="title"),
        tag("span", engagement or "", class_="engagement", title="engagement" if engagement else None),
        data_key=f"{receipt.source}/{receipt.item_id}/{receipt.observed_at.timestamp():.0f}",
    )


def _nothing(state: ViewState) -> Html:
    where = f" from {platform(state.source)}" if state.source else ""
    when = " in this hour" if state.hour else ""
    return tag("p", f"No receipts{where}{when}.", class_="quiet", data_key="list")


def _bool(value: bool) -> str:
    return "true" if value else "false"
