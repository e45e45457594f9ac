"""The Names section: what a name answers to, and merging, splitting, muting and watching it, each told before it is done.

Pure markup. A form stands in a ``<template>`` (see ``acting``); ``names.js`` finds names for it and shows what will happen,
``web.js`` sends it. Every change has an Undo in the list of changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from heatmap_app.escape import Html, join, tag
from heatmap_app.naming_words import counted, past_words, preview_split, preview_unalias
from heatmap_app.pages.words import Times
from heatmap_app.users import User
from pipelines.view import EntityView, NameRow, PastChange

SHOWN = 12
FORMS = 500
"""Names offered in a form; one with more says so, and where the others are reached."""
MUTED = (
    "Muted: it is on no board and is neither scored nor alerted. Receipts go on being collected. "
    "“Show again” under Names brings it back."
)
MUTED_THEN = "Muted at that time: it was on no board, and was neither scored nor alerted."
GONE = {
    "muted": "Muted since: it is on no board today. What is shown is how it stood then.",
    "merged": "Merged into another name since. What is shown is how it stood then, on its own.",
}
THEN = "As they stood then, with the receipts they had. Names are changed on the live board."
NOT_EDITOR = "Changing names needs the role editor; you can read them here."


def naming(view: EntityView, user: User, times: Times, now: datetime, *, past: bool = False) -> Html:
    """The section. ``now``: the machine's time, as the changes are. ``past``: names as they stood, which nobody changes."""
    edits = user.may("editor") and not past
    return tag(
        "section",
        tag("h3", "Names"),
        tag("ul", _rows(view.names[:SHOWN]), class_="names", data_key="list"),
        _rest(view.names[SHOWN:]),
        _does(view) if edits else tag("p", THEN if past else NOT_EDITOR, class_="quiet", data_key="does"),
        _changes(view, times, now, edits=edits) if view.changes else None,
        _forms(view) if edits else None,
        class_="block naming", data_key="naming",
    )  # fmt: skip


def watch_button(view: EntityView, user: User, *, past: bool = False) -> Html | None:
    """Puts the name on the desk's watchlist, or takes it off; of the past it says whether it was there."""
    if past or not user.may("editor"):
        return tag("small", "Watched then" if past else "Watched", data_key="watch") if view.watched else None
    words = "Watched ✓" if view.watched else "Watch"
    title = (
        "On the desk's watchlist; press to take it off"
        if view.watched
        else "Put it on the watchlist all of the desk sees"
    )
    press = tag(
        "button", words, type="submit", class_="do-one", aria_pressed="true" if view.watched else "false", title=title
    )
    method = "DELETE" if view.watched else "POST"
    return tag("form", press, data_post=f"{_base(view)}/watch", data_method=method, data_key="watch")


def moved_here(asked: str, view: EntityView, *, past: bool = False) -> Html | None:
    """What a link to a name says that became part of this one, or was part of it then."""
    if asked == view.entity.slug:
        return None
    part = (", which was part of ", " then.") if past else (", which is part of ", " now.")
    words = ("The link was to ", tag("bdi", asked), part[0], tag("bdi", view.entity.name), part[1])
    return tag("p", *words, class_="moved", role="note", data_key="moved")


def muted_note(view: EntityView, *, past: bool = False) -> Html | None:
    """Why a muted name has no score; with ``past`` that it was muted then, or what became of it since."""
    gone = view.item.gone if past and view.item else ""
    why = GONE.get(gone, "") or (MUTED_THEN if past else MUTED) if view.muted or gone else ""
    return tag("p", why, class_="moved", role="note", data_key="muted") if why else None


def _rows(names: Sequence[NameRow]) -> list[Html]:
    return [tag("li", tag("bdi", row.display), _facts(row), data_key=row.canonical) for row in names]


def _rest(names: Sequence[NameRow]) -> Html | None:
    """All the others, folded."""
    if not names:
        return None
    return tag(
        "details", tag("summary", f"{len(names)} more"), tag("ul", _rows(names), class_="names"), class_="more-names",
        data_key="rest",
    )  # fmt: skip


def _facts(row: NameRow) -> Html:
    facts = [counted(row.receipts, "receipt")]
    if row.source:
        facts.append(f"from {row.source}")
    if row.needs_second_sign:
        facts.append("counts with a second sign")
    return tag("small", f" {' · '.join(facts)}")


def _does(view: EntityView) -> Html:
    mute = ("Show again", "name-mute") if view.muted else ("Mute", "name-mute")
    splits = len(view.names) > 1
    openers = (
        ("Merge another into it", "name-merge"), ("Split off", "name-split") if splits else None,
        ("Add a name", "name-alias"), ("Remove a name", "name-unalias") if splits else None, mute,
    )  # fmt: skip
    buttons = [
        tag("button", words, type="button", class_="do-one", data_act="dialog", data_template=form, data_key=form)
        for words, form in filter(None, openers)
    ]
    return tag("div", buttons, class_="do", data_key="does")


def _changes(view: EntityView, times: Times, now: datetime, *, edits: bool) -> Html:
    lines = [tag("li", _change(change, times, now, edits=edits), data_key=str(change.id)) for change in view.changes]
    return tag("ul", lines, class_="entries changes", aria_label="What was changed, newest first", data_key="changes")


def _change(change: PastChange, times: Times, now: datetime, *, edits: bool) -> Html:
    said = join(tag("bdi", past_words(change)), tag("small", f" {change.by}, {times.near(change.at, now)}"))
    if change.undone_at is not None:
        return join(tag("s", said), tag("small", f" undone by {change.undone_by}, {times.near(change.undone_at, now)}"))
    if not edits:
        return said
    undo = tag("button", "Undo", type="submit", class_="link", aria_label=f"Undo: {past_words(change)}")
    return join(said, " ", tag("form", undo, data_post=f"/api/v1/names/changes/{change.id}/undo"))


def _forms(view: EntityView) -> Html:
    base, name = _base(view), tag("bdi", view.entity.name)
    split, remove = _choices(view, split=True), _choices(view, split=False)
    show = "Show again" if view.muted else "Mute"
    return join(
        _form("name-merge", f"{base}/merge", ("Merge a name into ", name), "Merge", _finder(view), off=True),
        _form("name-split", f"{base}/split", ("Split a name off ", name), "Split off", split, off=True),
        _form("name-unalias", f"{base}/unalias", ("Remove a name of ", name), "Remove", remove, off=True),
        _form(
            "name-alias", f"{base}/alias", ("Add a name to ", name), "Add", _new_name(view), flag="needs_second_sign"
        ),
        _form("name-mute", f"{base}/mute", (f"{show}: ", name), show, _mute(view), flag="muted"),
    )


def _form(
    key: str,
    path: str,
    title: tuple[Html | str, ...],
    does: str,
    body: Html,
    *,
    off: bool = False,
    flag: str | None = None,
) -> Html:
    foot = tag(
        "div",
        tag("button", does, type="submit", class_="do-one primary", disabled=off),
        tag("button", "Cancel", type="button", class_="do-one", data_close="1"),
        class_="do",
    )
    form = tag(
        "form", tag("h2", *title, id="act-title"), body, tag("p", "", class_="error", role="alert"), foot, data_post=path,
        data_flag=flag, data_names="1",
    )  # fmt: skip
    return tag("template", form, id=key, data_key=key)


def _finder(view: EntityView) -> Html:
    field = tag("input", type="search", data_find=view.entity.slug, autocomplete="off", maxlength=100, autofocus=True)
    guesses = [tag("li", _guess(found)) for found in view.suggestions[:4]]
    return join(
        tag("label", "The name that becomes part of it", field),
        tag("ul", guesses, class_="finds", data_finds=_base(view)),
        tag("input", type="hidden", name="other", value=""),
        _told(""),
    )


def _guess(found: Mapping[str, Any]) -> Html:
    """A name that may be the same."""
    why = tag("small", f" {found['kind']}, {found['reason']}")
    return tag("button", tag("bdi", str(found["name"])), why, type="button", data_pick=str(found["slug"]))


def _choices(view: EntityView, *, split: bool) -> Html:
    preview = preview_split if split else preview_unalias
    possible = [row for row in view.names if split or not row.source or _others(view, row)]
    boxes = [
        tag("label", tag("input", type="radio", name="name", value=row.display, data_told=preview(row, view), required=True),
            tag("bdi", row.display), _facts(row), class_="check")
        for row in possible[:FORMS]
    ]  # fmt: skip
    others = f"heatmap entities split {view.entity.slug} NAME" if split else f"POST {_base(view)}/unalias"
    more = f"The first {FORMS} of {len(possible):,} names. For the others: {others}"
    note = tag("p", more, class_="quiet") if len(possible) > FORMS else None
    return join(tag("fieldset", tag("legend", "Which name"), boxes, class_="scroll"), note, _told(""))


def _others(view: EntityView, row: NameRow) -> bool:
    """Whether the entity ``row`` came with has another name."""
    return sum(other.source == row.source for other in view.names) > 1


def _new_name(view: EntityView) -> Html:
    field = tag(
        "input", name="name", required=True, maxlength=200, autocomplete="off", autofocus=True,
        data_ask=f"{_base(view)}/names/preview?does=alias",
    )  # fmt: skip
    second = tag("input", type="checkbox", name="needs_second_sign", value="true")
    return join(
        tag("label", "As people write it", field),
        tag("label", second, "A common word: counts only where something else points to this name", class_="check"),
        _told("Items that carry it become its receipts, from now on and those that wait for an owner."),
    )


def _mute(view: EntityView) -> Html:
    hidden = tag("input", type="hidden", name="muted", value="false" if view.muted else "true")
    name = view.entity.name
    words = (
        f"{name} is scored again from the next poll on, and stands on the board if it is hot enough."
        if view.muted
        else f"{name} leaves every board and is neither scored nor alerted, until somebody shows it again. "
        "Its receipts go on being collected, so nothing is lost."
    )
    return join(hidden, _told(words))


def _told(words: str) -> Html:
    """What will happen, in words; filled in by the script where it depends on a choice."""
    return tag("p", words, class_="told", role="status")


def _base(view: EntityView) -> str:
    return f"/api/v1/entities/{quote(view.entity.slug, safe='')}"
