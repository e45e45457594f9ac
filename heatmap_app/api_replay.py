"""``/api/v1/replay``: how a demo or a replay stands, and play, pause, step, speed and jump. Only the leader drives."""

from __future__ import annotations

import asyncio
import math
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from heatmap_app.api import moment
from heatmap_app.driving import Drive
from heatmap_app.runtime import Runtime
from heatmap_app.users import User, require, user_of
from pipelines.errors import InputError, StoreError
from pipelines.replay_control import SPEEDS, State
from pipelines.store.lease import Role

router = APIRouter(prefix="/api/v1", tags=["replay"])
Editor = Annotated[User, Depends(require("editor"))]
ALL = ("play", "pause", "step", "speed", "jump")
DEMO = ("play", "pause", "speed")


class Wanted(BaseModel):
    """``speed`` in virtual seconds a real second, with the action speed; ``to`` RFC 3339 with a zone, with jump."""

    model_config = ConfigDict(extra="forbid")
    action: Literal["play", "pause", "step", "speed", "jump"]
    speed: float | None = Field(default=None, gt=0, le=1_000_000)
    to: AwareDatetime | None = None


@router.get("/replay", summary="How a demo or a replay stands")
async def replay_state(request: Request) -> dict[str, Any]:
    """In a live process ``state`` is live and nothing else is said."""
    return state_of(request.app.state.runtime, user_of(request))


@router.post("/replay", summary="Play, pause, step, change the speed, jump")
async def replay_write(request: Request, body: Wanted, user: Editor) -> dict[str, Any]:
    """409 in a live process, and in one that does not lead; 400 where the action is not possible now."""
    runtime: Runtime = request.app.state.runtime
    _act(_drive(runtime), body)
    detail = body.model_dump(mode="json", exclude_none=True)
    try:
        await asyncio.to_thread(runtime.store.note_replay, user.id, runtime.mode, detail)
    except StoreError as error:
        raise HTTPException(503, f"Done, but not noted in the audit log: {error}") from None
    wake = request.app.state.jobs.jobs.get(runtime.mode)
    if wake is not None:
        wake.wake.set()
    return state_of(runtime, user)


def _act(drive: Drive, body: Wanted) -> None:
    match body.action:
        case "play":
            drive.play()
        case "pause":
            drive.pause()
        case "step":
            drive.step()
        case "speed":
            if body.speed is None or not math.isfinite(body.speed):
                raise InputError("speed: say how many seconds of the recording pass in one second")
            drive.set_speed(body.speed)
        case "jump":
            if body.to is None:
                raise InputError("to: say the time to jump to")
            drive.jump(moment(body.to, "to"))


def _drive(runtime: Runtime) -> Drive:
    if runtime.world.ticks is None:
        raise HTTPException(409, "This is live: there is nothing to replay. Start `heatmap replay FILE` beside it")
    if runtime.drive is None or runtime.role is not Role.LEADER:
        raise HTTPException(409, "Another process drives this world; ask that one")
    return runtime.drive


def state_of(runtime: Runtime, user: User) -> dict[str, Any]:
    """The state as JSON: times RFC 3339 UTC, ``progress`` 0..1 while earlier polls are read in, ``can``: what may be asked."""
    if runtime.world.ticks is None:
        return {"mode": runtime.mode, "state": "live"}
    drive = runtime.drive
    if drive is None or runtime.role is not Role.LEADER:
        return {"mode": runtime.mode, "state": "elsewhere", "at": _text(runtime.world.clock.now()), "can": []}
    control, tape = drive.control, drive.tape
    return {
        "mode": runtime.mode, "state": str(control.state), "playing": control.playing, "at": _text(control.at),
        "speed": control.speed, "speeds": sorted({*SPEEDS, control.speed}),
        "progress": control.progress, "to": _text(control.goal) if control.goal else None,
        "first": _text(tape.first) if tape else None, "last": _text(tape.last) if tape else None,
        "can": list(ALL if tape else DEMO) if user.may("editor") else [],
    }  # fmt: skip


def words_of(runtime: Runtime, zone: ZoneInfo) -> str:
    """The state in a few words for the head of a page, times in ``zone``; empty where it just plays, or is not driven here."""
    if runtime.drive is None or runtime.role is not Role.LEADER:
        return ""
    control = runtime.drive.control
    at = f"{control.at.astimezone(zone):%a %H:%M}"
    match control.state:
        case State.READING if control.goal is not None:
            return f"reading in up to {control.goal.astimezone(zone):%a %H:%M}"
        case State.PAUSED:
            return f"paused at {at}"
        case State.ENDED:
            return f"ended at {at}"
    return ""


def _text(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
