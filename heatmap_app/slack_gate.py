"""The door of ``/slack/events``: lets in what Slack signed, once, and nothing else. Every refusal is a 401 with an audit
row, whatever was wrong; what a request holds is not looked at before its signature is.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol
from urllib.parse import parse_qsl

import structlog
from starlette.requests import Request

from pipelines.clock import Clock, SystemClock
from pipelines.errors import HeatmapError

log = structlog.get_logger(__name__)

MAX_BODY = 256 * 1024
WINDOW = timedelta(minutes=5)
REMEMBERED = timedelta(minutes=10)
"""How long a signature is known again: longer than the window in both directions."""
MOST_REMEMBERED = 20_000
STORE_WAIT_S = 1.0
"""How long the database may hold up an answer that Slack wants in 3 s."""
NOTED_A_MINUTE = 20
TIMESTAMP = re.compile(r"[0-9]{9,12}")
SIGNATURE = re.compile(r"v0=[0-9a-f]{64}")
FORM, JSON = "application/x-www-form-urlencoded", "application/json"


class Refusal(Exception):  # noqa: N818 - an answer, not a fault
    """The request is not let in; the text says why, for the audit."""


class Memory(Protocol):
    """What the gate needs of the store."""

    def once(self, key: str, now: datetime) -> bool:
        """Whether the key is new."""
        ...

    def note_refused(self, actor: str, subject: str, detail: Mapping[str, Any]) -> None:
        """Write an audit row."""
        ...


class Gate:
    """One door. Used on the event loop only; what blocks runs in threads."""

    def __init__(self, secret: str, memory: Memory, clock: Clock | None = None) -> None:
        self._secret, self._memory, self._clock = secret.encode(), memory, clock or SystemClock()
        self._seen = Seen(REMEMBERED.total_seconds(), MOST_REMEMBERED)
        self._noted: list[float] = []
        self._unnoted = 0

    async def admit(self, request: Request) -> bytes:
        """The body of a request that is Slack's, whole and new. Raises :class:`Refusal`."""
        stamp, signature = _header(request, "x-slack-request-timestamp"), _header(request, "x-slack-signature")
        if not TIMESTAMP.fullmatch(stamp):
            raise Refusal("no timestamp, or one that is not a number")
        if not SIGNATURE.fullmatch(signature):
            raise Refusal("no signature, or one of another form")
        if abs(self._clock.now().timestamp() - int(stamp)) > WINDOW.total_seconds():
            raise Refusal("older or newer than 5 minutes")
        body = await _body(request)
        signed = hmac.new(self._secret, b"v0:" + stamp.encode() + b":" + body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(f"v0={signed}", signature):
            raise Refusal("signed with another secret")
        if not await self._first(signature):
            raise Refusal("a repeat of an earlier request")
        problem = malformed(body, _header(request, "content-type"))
        if problem:
            raise Refusal(problem)
        return body

    async def note(self, reason: str, request: Request) -> None:
        """Audit a refusal; more than a few a minute are only counted, so that the table cannot be filled."""
        now = time.monotonic()
        self._noted = [at for at in self._noted if now - at < 60]
        if len(self._noted) >= NOTED_A_MINUTE:
            self._unnoted += 1
            return
        self._noted.append(now)
        missed, self._unnoted = self._unnoted, 0
        client = request.client.host if request.client else ""
        detail = {"reason": reason, "from": client, **({"not_noted_before": missed} if missed else {})}
        try:
            note = asyncio.to_thread(self._memory.note_refused, "slack", "/slack/events", detail)
            await asyncio.wait_for(note, STORE_WAIT_S)
        except (HeatmapError, TimeoutError):
            log.warning("refused at /slack/events, not audited: no database", reason=reason)

    async def _first(self, signature: str) -> bool:
        """Whether a signature is new: to this process at once, and to every other where the database answers."""
        if not self._seen.first(signature):
            return False
        try:
            known = asyncio.to_thread(self._memory.once, f"sig:{signature}", self._clock.now())
            return await asyncio.wait_for(known, STORE_WAIT_S)
        except (HeatmapError, TimeoutError):
            return True


class Seen:
    """Keys seen in the last ``seconds``, at most ``most`` of them, in this process."""

    def __init__(self, seconds: float, most: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._most, self._monotonic = seconds, most, monotonic
        self._keys: OrderedDict[str, float] = OrderedDict()

    def first(self, key: str) -> bool:
        """Whether ``key`` is new; from now on it is not."""
        now = self._monotonic()
        while self._keys and (len(self._keys) >= self._most or now - next(iter(self._keys.values())) > self._seconds):
            self._keys.popitem(last=False)
        if key in self._keys:
            return False
        self._keys[key] = now
        return True


def _header(request: Request, name: str) -> str:
    found = request.headers.getlist(name)
    return found[0] if len(found) == 1 else ""


async def _body(request: Request) -> bytes:
    length = _header(request, "content-length")
    if length.isascii() and length.isdigit() and int(length[:18]) > MAX_BODY:
        raise Refusal("larger than 256 KB")
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY:
            raise Refusal("larger than 256 KB")
    return bytes(body)


def malformed(body: bytes, content_type: str) -> str:
    """What is wrong with the shape of a signed body; empty where the library behind can read it."""
    kind = content_type.partition(";")[0].strip().lower()
    try:
        text = body.decode("utf-8")
        if kind == JSON:
            payload = json.loads(text)
        elif kind == FORM:
            payload = json.loads(dict(parse_qsl(text, keep_blank_values=True, max_num_fields=50)).get("payload", ""))
        else:
            return "neither a form nor JSON"
    except (ValueError, RecursionError):
        return "not readable"
    return "" if _shaped(payload) else "not of Slack's shape"


def _shaped(payload: object) -> bool:
    if not isinstance(payload, dict) or not isinstance(payload.get("type"), str):
        return False
    user, view, actions = payload.get("user"), payload.get("view"), payload.get("actions")
    optional = (payload.get(name) for name in ("team", "channel", "container", "message", "enterprise"))
    if not all(value is None or isinstance(value, dict) for value in optional):
        return False
    if payload["type"] == "block_actions":
        return _has(user, "id") and isinstance(actions, list) and bool(actions) and all(
            _has(action, "action_id", "type", "block_id") for action in actions
        )  # fmt: skip
    if payload["type"] in {"view_submission", "view_closed"}:
        state = view.get("state") if isinstance(view, dict) else None
        whole = isinstance(state, dict) and isinstance(state.get("values"), dict)
        return _has(user, "id") and _has(view, "id", "type", "callback_id") and whole
    return True


def _has(value: object, *names: str) -> bool:
    return isinstance(value, dict) and all(isinstance(value.get(name), str) for name in names)
