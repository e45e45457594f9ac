"""What a person can do with a name's latest alert, from the panel: buttons, where it stands, and the forms behind them.

Pure: values in, HTML out. A form stands in a ``<template>`` and is copied into the page's one dialog when it is opened
(``page.js``), so an update of the panel never disturbs what somebody types. ``web.js`` sends it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from heatmap_app.escape import Html, join, tag
from heatmap_app.pages.words import Times
from heatmap_app.users import DESK, User
from pipelines.people import Activity, Promo
from pipelines.view import EntityView

SEGMENTS = ("A block", "B block", "C block", "Digital", "Social")
CARD_SECONDS = 45
SHOWN = 3


def acting(view: EntityView, did: Activity | None, user: User, times: Times, now: datetime) -> Html:
    """The block for the latest alert; empty where the name has none. ``now``: the machine's time."""
    if not view.alerts or did is None:
        return Html()
    alert = view.alerts[0]
    base = f"/api/v1/alerts/{alert['id']}"
    edits = user.may("editor")
    return tag(
        "section",
        tag("h3", "Latest alert"),
        _state(did, base, times, now, edits=edits),
        tag("div", _buttons(view, did, edits=edits), _votes(did, base, user), class_="do", data_key="do"),
        _lines(did),
        _forms(view, alert, base, user) if edits else None,
        class_="acting", data_key="acting", aria_label="Act on the latest alert",
    )  # fmt: skip


def _state(did: Activity, base: str, times: Times, now: datetime, *, edits: bool) -> Html:
    it = did.assigned
    fault = (
        tag("p", "Marked as a source fault. It counts as a false alert.", class_="quiet")
        if did.state != "open"
        else None
    )
    if it is None:
        return join(tag("p", "Nobody has taken it.", class_="quiet", data_key="who"), fault)
    due = f", due {times.near(it.due, now)}" if it.due else ""
    words = tag(
        "span", "Assigned to ", tag("bdi", it.who), " by ", tag("bdi", it.by.name), f", {times.near(it.at, now)}{due}"
    )
    if not edits:
        return join(tag("p", words, data_key="who"), fault)
    again = _opener("Take it over", "act-assign", "link")
    undo = _post(f"{base}/unassign", tag("button", "Take back", type="submit", class_="link"))
    note = tag("p", tag("bdi", it.note), class_="quiet", data_key="note") if it.note else None
    return join(tag("p", words, " · ", again, " · ", undo, data_key="who"), note, fault)


def _buttons(view: EntityView, did: Activity, *, edits: bool) -> Html:
    pack = tag(
        "a", "Open research pack", href=f"/research/{quote(view.entity.slug, safe='')}", target="_blank", rel="noopener",
        class_="do-one",
    )  # fmt: skip
    if not edits:
        return pack
    assign = _opener("Assign", "act-assign") if did.assigned is None else None
    return join(assign, _opener("Create rundown card", "act-card"), _opener("Promo tease", "act-promo"), pack)


def _votes(did: Activity, base: str, user: User) -> Html:
    mine = did.votes.by.get(user.id)
    counts = ((True, "Useful", did.votes.useful), (False, "Not useful", did.votes.not_useful))
    return join(
        _post(
            f"{base}/vote",
            tag("input", type="hidden", name="useful", value="true" if useful else "false"),
            tag("button", f"{said} {count}", type="submit", class_="do-one", aria_pressed=str(mine is useful).lower()),
            flag="useful", key=f"vote-{useful}",
        )
        for useful, said, count in counts
    )  # fmt: skip


def _lines(did: Activity) -> Html | None:
    lines = [tag("li", card.line) for card in did.cards[-SHOWN:]]
    lines += [tag("li", "Tease “", tag("bdi", promo.text), "” ", promo_words(promo)) for promo in did.promos[-SHOWN:]]
    return tag("ul", lines, class_="entries", data_key="lines") if lines else None


def promo_words(promo: Promo) -> str:
    """Where a tease line stands."""
    if promo.state == "sent":
        return f"is in the thread, chosen by {promo.by.name}."
    if promo.state == "dead":
        return f"is not in the thread: {promo.last_error.removeprefix('delivery stopped: ')}."
    waits = f": {promo.last_error}" if promo.last_error else ""
    return f"is on its way into the thread, chosen by {promo.by.name}{waits}."


def _forms(view: EntityView, alert: Mapping[str, Any], base: str, user: User) -> Html:
    package: Mapping[str, Any] = view.package or {}
    return join(
        _template("act-assign", _assign_form(view, base, user)),
        _template("act-card", _card_form(view, package, base)),
        _template("act-promo", _promo_forms(package, alert, base)),
    )


def _assign_form(view: EntityView, base: str, user: User) -> Html:
    who = "" if user == DESK else user.name
    return _post(
        f"{base}/assign",
        _title("Assign ", tag("bdi", view.entity.name)),
        _label("Who", tag("input", name="who", value=who, required=True, maxlength=100, autocomplete="off", autofocus=True)),
        _label("By when", tag("input", name="due", type="datetime-local")),
        _label("Note", tag("textarea", "", name="note", rows=2, maxlength=500)),
        _foot("Assign"),
    )  # fmt: skip


def _card_form(view: EntityView, package: Mapping[str, Any], base: str) -> Html:
    receipts = [f"{row.get('title') or ''} {row.get('link') or ''}".strip() for row in package.get("receipts") or ()]
    boxes = [
        tag("label", tag("input", type="checkbox", name="receipts", value=line, checked=True), tag("bdi", line), class_="check")
        for line in receipts
    ]  # fmt: skip
    slug, hook = view.entity.slug[:60].strip("-"), str(package.get("hook") or "")
    length = tag("input", name="length_s", type="number", min=5, max=3600, value=CARD_SECONDS, required=True)
    return _post(
        f"{base}/cards",
        _title("Rundown card: ", tag("bdi", view.entity.name)),
        _label("Slug", tag("input", name="slug", value=slug, required=True, maxlength=60, autofocus=True)),
        _label("Segment", tag("input", name="segment", value=SEGMENTS[0], required=True, maxlength=60, list="act-segments")),
        tag("datalist", [tag("option", value=segment) for segment in SEGMENTS], id="act-segments"),
        _label("Length in seconds", length),
        _label("Hook", tag("textarea", hook, name="hook", rows=3, required=True, maxlength=280)),
        tag("fieldset", tag("legend", "Receipts"), boxes) if boxes else None,
        _foot("Create card"),
        many="receipts",
    )  # fmt: skip


def _promo_forms(package: Mapping[str, Any], alert: Mapping[str, Any], base: str) -> Html:
    kept = alert.get("delivery") is None
    note = "This alert is not in Slack, so there is no thread to post in; the lines can be copied." if kept else None
    teases = [str(line) for line in package.get("teases") or ()] or [""]
    lines = []
    for number, line in enumerate(teases, 1):
        size = f", {len(line)} characters, {len(line.split())} words" if line else ""
        area = tag("textarea", line, name="text", rows=2, required=True, maxlength=110, autofocus=number == 1)
        post = tag("button", "Post in the thread", type="submit", class_="do-one", disabled=kept)
        error = tag("p", "", class_="error", role="alert")
        lines.append(_post(f"{base}/promo", _label(f"Line {number}{size}", area), error, tag("div", post, class_="do")))
    close = tag("div", tag("button", "Close", type="button", class_="do-one", data_close="1"), class_="do")
    return join(_title("Promo tease"), tag("p", note, class_="quiet") if note else None, lines, close)


def _title(*words: Html | str) -> Html:
    return tag("h2", *words, id="act-title")


def _label(words: str, field: Html) -> Html:
    return tag("label", words, field)


def _foot(does: str) -> Html:
    return join(
        tag("p", "", class_="error", role="alert"),
        tag(
            "div",
            tag("button", does, type="submit", class_="do-one primary"),
            tag("button", "Cancel", type="button", class_="do-one", data_close="1"),
            class_="do",
        ),
    )


def _opener(words: str, template: str, looks: str = "do-one") -> Html:
    return tag(
        "button", words, type="button", class_=looks, data_act="dialog", data_template=template, data_key=f"open-{template}"
    )  # fmt: skip


def _template(name: str, *children: Html) -> Html:
    return tag("template", *children, id=name, data_key=name)


def _post(
    path: str, *children: Html | None, flag: str | None = None, many: str | None = None, key: str | None = None
) -> Html:
    return tag("form", *children, data_post=path, data_flag=flag, data_list=many, data_key=key or path)
