"""The API of names: merge, split, alias, mute and watch, each told before and undone after; and all receipts as CSV.

The watchlist is the desk's: one list for all, since all of the desk watch one board and one channel. Who put a name on it is
kept. Changes need the role editor and leave an audit row; ``once`` makes a repeated click one change.
"""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi import Path as PathParameter
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from heatmap_app.api import SourceName, csv_cell, moment
from heatmap_app.naming_words import done_words, preview_alias, preview_merge, preview_split, preview_unalias
from heatmap_app.runtime import Runtime
from heatmap_app.users import User, require
from pipelines.clock import SystemClock
from pipelines.errors import InputError, NotFoundError
from pipelines.naming import NameChange
from pipelines.normalize.names import canonical, slugify
from pipelines.people import Person
from pipelines.store.store import Store
from pipelines.view import EntityView, NameAction, Receipt, ReceiptOrder

router = APIRouter(tags=["names"])
"""Part of ``api_writes.router``."""
Editor = Annotated[User, Depends(require("editor"))]
Long = Annotated[str, Field(max_length=4_000)]
Once = Annotated[str, Field(max_length=200, description="Names this click or form; a repeat with it changes nothing")]
Did = dict[str, Any]
CSV_PAGE = 500
CSV_COLUMNS = ("source", "feed", "item_id", "title", "url", "published_at", "observed_at", "engagement", "sentiment")


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")
    once: Once = ""


class Nothing(_Body):
    """A change that needs nothing but its key."""


class Merge(_Body):
    """``other``: the slug of the name that becomes part of this one."""

    other: Long


class Named(_Body):
    """``name``: as people write it."""

    name: Long


class Mute(_Body):
    """``muted`` false shows the name again."""

    muted: bool = True


class Alias(Named):
    """``needs_second_sign``: a common word, counted only with a second sign."""

    needs_second_sign: bool = False


async def _change(
    request: Request, slug: str, user: User, once: str, wanted: Callable[[Store, int], tuple[NameChange, str]]
) -> Did:
    """The one way a name is changed: done once, matching told, open pages told, its undo named in the answer.

    ``wanted`` makes of the store and the entity's number the change and the other name in words.
    """
    runtime: Runtime = request.app.state.runtime

    def work() -> Did:
        store = runtime.store
        number = _entity(store, slug)
        change, other = wanted(store, number)
        effect = store.change_name(change, Person(user.id, user.name), SystemClock().now(), once)
        if not effect.repeated:
            runtime.reader.names_changed()
        made = effect.facts.get("change")
        gone = str(
            effect.facts.get("other_name") or other
        )  # at a repeat, what was merged is found under what it joined
        line = done_words(change.action, _name(store, number), gone, same=made is None)
        return {"line": line, "repeated": effect.repeated, "undo": _undo_path(made)}

    did = await asyncio.to_thread(work)
    if not did["repeated"]:
        request.app.state.acted()
    return did


@router.post("/entities/{slug}/merge", summary="Make another name part of this one")
async def merge(request: Request, slug: str, body: Merge, user: Editor) -> Did:
    """Every mention is kept where it was; the undo is exact."""

    def wanted(store: Store, number: int) -> tuple[NameChange, str]:
        other = _entity(store, body.other)
        return NameChange("merge", number, other), _name(store, other)

    return await _change(request, slug, user, body.once, wanted)


@router.post("/entities/{slug}/split", summary="Let one of its names stand alone")
async def split(request: Request, slug: str, body: Named, user: Editor) -> Did:
    """A name that came with a merge takes its whole entity along; any other becomes a new one with its mentions."""
    key = _key(body.name)

    def wanted(_store: Store, number: int) -> tuple[NameChange, str]:
        return NameChange("split", number, canonical=key, slug=slugify(body.name)), body.name

    return await _change(request, slug, user, body.once, wanted)


@router.post("/entities/{slug}/alias", summary="Give it another name")
async def alias(request: Request, slug: str, body: Alias, user: Editor) -> Did:
    """Items that carry the name become its mentions."""
    key, shown = _key(body.name), " ".join(body.name.split())

    def wanted(_store: Store, number: int) -> tuple[NameChange, str]:
        return NameChange("alias", number, canonical=key, display=shown, second_sign=body.needs_second_sign), shown

    return await _change(request, slug, user, body.once, wanted)


@router.post("/entities/{slug}/unalias", summary="Take one of its names away")
async def unalias(request: Request, slug: str, body: Named, user: Editor) -> Did:
    """The receipts only that name matched stop counting; the undo brings them back."""
    key = _key(body.name)
    return await _change(
        request, slug, user, body.once, lambda _store, number: (NameChange("unalias", number, canonical=key), body.name)
    )


@router.post("/entities/{slug}/mute", summary="Keep a name off every board, or show it again")
async def mute(request: Request, slug: str, body: Mute, user: Editor) -> Did:
    """It goes on being counted."""
    return await _flag(request, slug, user, body.once, "mute" if body.muted else "unmute")


@router.post("/entities/{slug}/watch", summary="Put a name on the desk's watchlist")
async def watch(request: Request, slug: str, user: Editor, body: Nothing | None = None) -> Did:
    """One list for the whole desk."""
    return await _flag(request, slug, user, body.once if body else "", "watch")


@router.delete("/entities/{slug}/watch", summary="Take a name off the watchlist")
async def unwatch(request: Request, slug: str, user: Editor, body: Nothing | None = None) -> Did:
    """Whoever put it there."""
    return await _flag(request, slug, user, body.once if body else "", "unwatch")


@router.post("/names/changes/{number}/undo", summary="Put a change of names back as it was")
async def undo(
    request: Request, number: Annotated[int, PathParameter(ge=1, le=2**62)], user: Editor, body: Nothing | None = None
) -> Did:
    """Refused, with the reason, where what came after stands in its way."""
    runtime: Runtime = request.app.state.runtime

    def work() -> Did:
        by, now = Person(user.id, user.name), SystemClock().now()
        effect = runtime.store.undo_change(number, by, now, body.once if body else "")
        if not effect.repeated:
            runtime.reader.names_changed()
        words = "Undone: it is as it was." if not effect.repeated else "That was undone already."
        return {"line": words, "repeated": effect.repeated, "undo": None}

    did = await asyncio.to_thread(work)
    if not did["repeated"]:
        request.app.state.acted()
    return did


@router.get("/entities/{slug}/names", summary="What it answers to, and what was changed about that")
def names(request: Request, slug: str) -> dict[str, Any]:
    """Names with the receipts each matched, the changes newest first with their undo, and whether it is watched."""
    view = _view(request, slug)
    changes = [
        {**_plain(change), "undo": None if change.undone_at else _undo_path(change.id)} for change in view.changes
    ]
    return {
        "items": [_plain(row) for row in view.names],
        "changes": changes,
        "muted": view.muted,
        "watched": view.watched,
    }


@router.get("/entities/{slug}/names/preview", summary="What a change would do, in words")
def preview(
    request: Request, slug: str, does: Literal["merge", "split", "alias", "unalias"],
    other: Annotated[str, Query(max_length=200)] = "", name: Annotated[str, Query(max_length=200)] = "",
) -> dict[str, str]:  # fmt: skip
    """``other``: the slug to merge; ``name``: the name to split off, add or remove. Changes nothing."""
    view, store = _view(request, slug), request.app.state.runtime.store
    if does == "merge":
        gone = _entity(store, other)
        return {"line": preview_merge(_name(store, gone), view.entity.name, store.receipt_count(store.family(gone)))}
    key = _key(name)
    if does == "alias":
        return {"line": preview_alias(" ".join(name.split()), view.entity.name, *store.name_outlook(key))}
    row = next((row for row in view.names if row.canonical == key), None)
    if row is None:
        raise NotFoundError(f"{view.entity.name} does not answer to {name!r}")
    return {"line": preview_split(row, view) if does == "split" else preview_unalias(row, view)}


@router.get("/entities/{slug}/receipts.csv", summary="All receipts as CSV", response_class=StreamingResponse)
def receipts_csv(
    request: Request,
    slug: str,
    source: SourceName | None = None,
    hour: datetime | None = None,
    at: datetime | None = None,
    sort: ReceiptOrder = "newest",
) -> StreamingResponse:
    """However many; filtered and sorted as ``/receipts``, ``at``: what had been seen by then."""
    hour, at = None if hour is None else moment(hour, "hour"), None if at is None else moment(at)
    reader = request.app.state.reader
    _entity(request.app.state.runtime.store, slug)
    first = reader.receipts(slug, source, hour, CSV_PAGE, None, at, sort)

    def lines() -> Iterator[str]:
        page = first
        yield _csv([CSV_COLUMNS])
        while True:
            yield _csv([_row(receipt) for receipt in page.items])
            if page.next_cursor is None:
                return
            page = reader.receipts(slug, source, hour, CSV_PAGE, page.next_cursor, at, sort)

    plain = "".join(char if char.isascii() and (char.isalnum() or char == "-") else "-" for char in slug)[:80] or "name"
    headers = {"Content-Disposition": f'attachment; filename="{plain}-receipts.csv"', "Cache-Control": "no-store"}
    return StreamingResponse(lines(), media_type="text/csv; charset=utf-8", headers=headers)


async def _flag(request: Request, slug: str, user: User, once: str, action: NameAction) -> Did:
    return await _change(request, slug, user, once, lambda _store, number: (NameChange(action, number), ""))


def _row(receipt: Receipt) -> list[object]:
    values = [getattr(receipt, name) for name in CSV_COLUMNS]
    return [csv_cell(value.isoformat() if isinstance(value, datetime) else value) for value in values]


def _csv(rows: Any) -> str:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue()


def _plain(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__slots__}


def _view(request: Request, slug: str) -> EntityView:
    found: EntityView | None = request.app.state.reader.entity(slug)
    if found is None:
        raise NotFoundError(_unknown(slug))
    return found


def _undo_path(number: object) -> str | None:
    return f"/api/v1/names/changes/{number}/undo" if isinstance(number, int) else None


def _entity(store: Store, slug: str) -> int:
    found = store.find(slug)
    if found is None:
        raise NotFoundError(_unknown(slug))
    return found


def _unknown(slug: str) -> str:
    return f"No entity has the slug {slug!r}; /api/v1/entities?q= finds names"


def _name(store: Store, number: int) -> str:
    row = store.entity_row(number)
    return str(row["name"]) if row else f"entity {number}"


def _key(name: str) -> str:
    key = canonical(name)
    if not key:
        raise InputError("name: has no letter or digit")
    return key
