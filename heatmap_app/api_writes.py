"""The API's writes (PRODUCT 5): what people do with alerts and sources, by the functions that Slack and the pages use; those
on names are ``api_names``.

Each needs a role and leaves an audit row; those on alerts carry ``once``, the key of the click or form, and answer a
repeat with the first one's line. Errors are problem JSON. Writes from a browser carry ``X-ET-Write: 1`` (``auth.rules``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi import Path as PathParameter
from pydantic import BaseModel, ConfigDict, Field, field_validator

from heatmap_app import api_names
from heatmap_app.api import SourceName
from heatmap_app.runtime import Runtime
from heatmap_app.users import User, require
from heatmap_app.web.render import zone_of
from pipelines.alert import actions
from pipelines.clock import SystemClock
from pipelines.errors import InputError
from pipelines.people import CardForm, Done, Person

router = APIRouter(prefix="/api/v1", tags=["writes"])
router.include_router(api_names.router)
Editor = Annotated[User, Depends(require("editor"))]
Viewer = Annotated[User, Depends(require("viewer"))]
Number = Annotated[int, PathParameter(ge=1, le=2**62)]
Once = Annotated[str, Field(max_length=200, description="Names this click or form; a repeat with it changes nothing")]
Long = Annotated[str, Field(max_length=4_000)]
Did = dict[str, Any]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class OnlyOnce(_Body):
    """A write that needs nothing but its key."""

    once: Once


class Assign(OnlyOnce):
    """Who takes it; ``due`` without a zone is in the visitor's."""

    who: Long
    due: datetime | None = None
    note: Long = ""

    @field_validator("due", mode="before")
    @classmethod
    def no_due(cls, value: object) -> object:
        """An empty field of a form is no time."""
        return None if value == "" else value


class NewCard(OnlyOnce):
    """A rundown card; ``length_s`` in seconds."""

    slug: Long
    segment: Long
    length_s: int
    hook: Long
    receipts: Annotated[list[Long], Field(max_length=50)] = []


class Tease(OnlyOnce):
    """The line for the thread."""

    text: Long


class Vote(_Body):
    """A vote; ``once`` may be left out, since the latest vote of a person counts."""

    useful: bool
    once: Once = ""


class Fault(OnlyOnce):
    """``fault`` false takes the mark back."""

    fault: bool = True


async def _did(request: Request, work: Callable[[Runtime], Done]) -> Did:
    """``work`` on a thread; then open pages and Slack's message follow."""
    done = await asyncio.to_thread(work, request.app.state.runtime)
    if not done.repeated:
        request.app.state.acted()
    return {"line": done.line, "repeated": done.repeated, "undo": done.undo}


def person(user: User) -> Person:
    """A signed-in user as the one who acts."""
    return Person(user.id, user.name)


@router.post("/alerts/{number}/assign", summary="Give an alert to somebody")
async def assign(request: Request, number: Number, body: Assign, user: Editor) -> Did:
    """Of two at once the later wins; its line says whose it was."""
    due = body.due
    if due is not None and due.tzinfo is None and request.cookies.get("et_zone"):
        due = due.replace(tzinfo=zone_of(request))
    return await _did(request, lambda runtime: actions.assign(
        runtime.store, number, person(user), _now(), who=body.who, due=due, note=body.note, once=body.once
    ))  # fmt: skip


@router.post("/alerts/{number}/unassign", summary="Take an alert back from whoever has it")
async def unassign(request: Request, number: Number, body: OnlyOnce, user: Editor) -> Did:
    """Nobody has it then."""
    return await _did(
        request, lambda runtime: actions.unassign(runtime.store, number, person(user), _now(), once=body.once)
    )


@router.post("/alerts/{number}/cards", summary="Create a rundown card")
async def create_card(request: Request, number: Number, body: NewCard, user: Editor) -> Did:
    """Stored first, then posted to the rundown address, if one is set."""
    card = CardForm(body.slug, body.segment, body.length_s, body.hook, tuple(body.receipts))
    return await _did(request, lambda runtime: actions.create_card(
        runtime.store, number, person(user), _now(), card, once=body.once,
        rundown=bool(runtime.settings.slack.rundown_url),
    ))  # fmt: skip


@router.post("/alerts/{number}/promo", summary="Post a tease line in the alert's thread")
async def promo(request: Request, number: Number, body: Tease, user: Editor) -> Did:
    """At most 15 words and 110 characters; needs a message sent by the bot."""
    return await _did(request, lambda runtime: actions.choose_tease(
        runtime.store, number, person(user), _now(), text=body.text, once=body.once
    ))  # fmt: skip


@router.post("/alerts/{number}/vote", summary="Vote useful or not useful")
async def vote(request: Request, number: Number, body: Vote, user: Viewer) -> Did:
    """A person's latest vote counts."""
    return await _did(request, lambda runtime: actions.vote(
        runtime.store, number, person(user), _now(), useful=body.useful, once=body.once
    ))  # fmt: skip


@router.post("/alerts/{number}/resend", summary="Send an alert's message once more")
async def resend(request: Request, number: Number, body: OnlyOnce, user: Editor) -> Did:
    """Refused while it is still being delivered, and where Slack is not set up."""

    def work(runtime: Runtime) -> Done:
        if runtime.deliverer is None:
            raise InputError("Slack is not set up: set HEATMAP_SLACK__BOT_TOKEN and HEATMAP_SLACK__CHANNEL")
        return actions.resend(runtime.store, number, person(user), _now(), once=body.once)

    return await _did(request, work)


@router.post("/alerts/{number}/source-fault", summary="Mark an alert as a source's fault, or take that back")
async def source_fault(request: Request, number: Number, body: Fault, user: Editor) -> Did:
    """A marked alert counts as a false alert in the KPIs."""
    return await _did(request, lambda runtime: actions.mark_source_fault(
        runtime.store, number, person(user), _now(), fault=body.fault, once=body.once
    ))  # fmt: skip


@router.post("/sources/{source}/release", summary="End a source's quarantine, pause or open breaker")
async def release(request: Request, source: SourceName, body: OnlyOnce, user: Editor) -> Did:
    """A time the source itself asked for is still waited out."""
    runtime: Runtime = request.app.state.runtime
    if not await runtime.release(source):
        return {"line": f"{source}: nothing held it back.", "repeated": False, "undo": None}
    await asyncio.to_thread(runtime.store.note_release, user.id, source)
    request.app.state.acted()
    return {"line": f"{source} is asked again when it is next due.", "repeated": False, "undo": None}


def _now() -> datetime:
    """What people do happens in the real world, in a demo too."""
    return SystemClock().now()
