"""``/api/v1/tuning``: look back at the gates chosen on ``/tuning``, put them to use, or go back to the shipped ones.
Editors only."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import Field
from starlette.exceptions import HTTPException

from heatmap_app.runtime import Runtime
from heatmap_app.users import User, require
from heatmap_app.web.tuning import Choice, Waiting, begin, changes, counts_from
from heatmap_app.web.tuning_choice import KEYS, fixed_by_environment, with_values
from pipelines import settings as files
from pipelines.errors import StoreError
from pipelines.settings import Settings
from pipelines.settings_local import change_local, read_local, shipped

router = APIRouter(prefix="/api/v1", tags=["tuning"])
Editor = Annotated[User, Depends(require("editor"))]
Did = dict[str, Any]
_WRITING = threading.Lock()


class Apply(Choice):
    """The numbers to use; what is left out stays. ``once`` names the click; a repeat changes nothing anyway."""

    once: Annotated[str, Field(max_length=200)] = ""


class Undo(Choice):
    """Nothing but the click."""

    once: Annotated[str, Field(max_length=200)] = ""


@router.post("/tuning/look", summary="Look back at these gates")
async def look_back(request: Request, body: Apply, user: Editor) -> Did:
    """Computed apart, one at a time; ``/tuning`` shows how far it is. Changes nothing."""
    begun = await asyncio.to_thread(begin, request, body, user.id)
    if isinstance(begun, Waiting):
        raise HTTPException(409, f"{begun.title} {begun.line}")
    line = "Looking back; the result comes by itself." if begun else "These gates were looked back at already."
    return {"line": line, "repeated": not begun, "undo": None, "looking": True}


@router.post("/tuning", summary="Use these gates")
async def apply(request: Request, body: Apply, user: Editor) -> Did:
    """Written to ``config/local.toml``, with an audit row (old and new)."""
    return await _done(request, lambda runtime: _apply(runtime, body, user))


@router.post("/tuning/undo", summary="Back to the shipped gates")
async def undo(request: Request, body: Undo, user: Editor) -> Did:
    """Takes the seven numbers out of ``config/local.toml``."""
    return await _done(request, lambda runtime: _undo(runtime, user))


async def _done(request: Request, do: Callable[[Runtime], Did]) -> Did:
    """``do``, and open pages show what they are judged by from now on."""
    runtime: Runtime = request.app.state.runtime
    did = await asyncio.to_thread(do, runtime)
    runtime.board.publish()
    return did


def _apply(runtime: Runtime, body: Apply, user: User) -> Did:
    with _WRITING:
        wanted = body.over(runtime.settings)
        changed = changes(runtime.settings, wanted)
        if not changed:
            return {"line": "These gates are in use already.", "repeated": True, "undo": None}
        _write(runtime, user, {key: new for key, (_, new) in changed.items()}, wanted)
    return {"line": f"Written: {_words(changed)}. {counts_from(runtime)}", "repeated": False, "undo": None}


def _undo(runtime: Runtime, user: User) -> Did:
    with _WRITING:
        local = read_local(files.LOCAL_FILE)
        mine = {key: None for key in KEYS if key.split(".")[1] in local.get(key.split(".")[0], {})}
        if not mine:
            return {"line": "The shipped gates are in use.", "repeated": True, "undo": None}
        fixed = fixed_by_environment()
        wanted = with_values(runtime.settings, {key: value for key, value in shipped(KEYS).items() if key not in fixed})
        changed = changes(runtime.settings, wanted)
        _write(runtime, user, mine, wanted)
    told = f": {_words(changed)}" if changed else ""
    return {"line": f"Back to the shipped gates{told}. {counts_from(runtime)}", "repeated": False, "undo": None}


def _write(runtime: Runtime, user: User, keys: Mapping[str, Any], wanted: Settings) -> None:
    """File, audit row, then the running process; without its audit row nothing is changed."""
    before = {key: read_local(files.LOCAL_FILE).get(key.split(".")[0], {}).get(key.split(".")[1]) for key in keys}
    detail = {key: {"old": old, "new": new} for key, (old, new) in changes(runtime.settings, wanted).items()}
    change_local(files.LOCAL_FILE, keys)
    try:
        runtime.store.note_gates(user.id, detail)
    except StoreError as error:
        change_local(files.LOCAL_FILE, before)
        raise HTTPException(503, f"Nothing was changed, because it cannot be noted in the audit log: {error}") from None
    runtime.adopt(wanted)


def _words(changed: Mapping[str, tuple[float, float]]) -> str:
    return ", ".join(f"{key} {old:g} → {new:g}" for key, (old, new) in changed.items())
