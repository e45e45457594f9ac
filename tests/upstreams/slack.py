"""A stand-in for Slack: Web API, incoming webhook, answers to presses and Socket Mode, with Slack's checks and faults.

People in it press and submit through :mod:`tests.upstreams.slack_person`.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import Receive, Scope, Send

from tests.upstreams.slack_limits import check, check_view, links, pings
from tests.upstreams.slack_socket import Sockets

__all__ = [
    "APP_TOKEN", "CHANNEL", "SECRET", "TOKEN", "WEBHOOK", "Slack", "check", "check_view", "links", "pings",
]  # fmt: skip

TOKEN = "xoxb-test"
APP_TOKEN = "xapp-test"
SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
CHANNEL = "C0ALERTS"
WEBHOOK = "/services/T/B/X"
USERS = {"U0ANA": "Ana", "U0SAM": "Sam"}
SCOPES = ("chat:write", "channels:history", "users:read")
TRIGGER_S, ANSWER_S, ANSWERS = 3.0, 1800.0, 5
"""A trigger lives 3 s and opens one view; an answer address takes 5 answers in 30 minutes."""
NEEDS = {
    "chat.postMessage": "chat:write", "chat.update": "chat:write", "chat.postEphemeral": "chat:write",
    "conversations.history": "channels:history", "conversations.replies": "channels:history", "users.info": "users:read",
}  # fmt: skip
"""The permission each method needs."""
WRITES = {"chat.postMessage", "chat.update", "chat.postEphemeral"}


@dataclass
class Slack:
    """``messages`` are what the channel shows, oldest first, ``replies`` what stands under them, ``whispers`` what one
    person sees, ``answers`` what came to a press's own address, ``views`` what was opened. ``lag_s``: how long until
    the history shows a message. ``refusals``: a method's error, whatever is asked."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    replies: list[dict[str, Any]] = field(default_factory=list)
    whispers: list[dict[str, Any]] = field(default_factory=list)
    answers: list[dict[str, Any]] = field(default_factory=list)
    views: list[dict[str, Any]] = field(default_factory=list)
    refusals: dict[str, dict[str, str]] = field(default_factory=dict)
    archived: bool = False
    lag_s: float = 0.0
    scopes: set[str] = field(default_factory=lambda: set(SCOPES))
    before_s: tuple[float, ...] = (0.0,)
    sockets: Sockets = field(default_factory=lambda: Sockets(APP_TOKEN))
    _triggers: dict[str, tuple[float, bool]] = field(default_factory=dict)
    _addresses: dict[str, tuple[float, int]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _count: int = 0

    @property
    def app(self) -> Starlette:
        """The server."""
        return Starlette(
            routes=[
                Route("/api/apps.connections.open", self.sockets.open, methods=["POST"]),
                Route("/api/{method}", self._api, methods=["POST", "GET"]),
                Route(WEBHOOK, self._webhook, methods=["POST"]),
                Route("/actions/{token}", self._answer, methods=["POST"]),
                WebSocketRoute("/link", self.sockets.connect),
            ]
        )

    def keys(self) -> list[str]:
        """The keys of the messages in the channel."""
        return [message["metadata"]["event_payload"]["key"] for message in self.messages]

    def told(self) -> list[str]:
        """What people were told, for their eyes only, in the order it came."""
        said = sorted([*self.answers, *self.whispers], key=lambda one: float(one["at"]))
        return [one["blocks"][0]["text"]["text"] for one in said]

    def trigger(self, age_s: float = 0.0) -> str:
        """A fresh trigger, or one that is ``age_s`` old already."""
        with self._lock:
            self._count += 1
            name = f"{self._count}.4711.trigger"
            self._triggers[name] = (time.monotonic() - age_s, False)
        return name

    def answer_path(self, age_s: float = 0.0) -> str:
        """The path of a fresh answer address."""
        with self._lock:
            self._count += 1
            self._addresses[f"r{self._count}"] = (time.monotonic() - age_s, 0)
            return f"/actions/r{self._count}"

    async def _api(self, request: Request) -> Response:
        try:
            arguments = await _arguments(request)
        except ValueError:
            return _no("invalid_json")
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return _no("invalid_auth")
        method = request.path_params["method"]
        if method in self.refusals:
            return _no(**self.refusals[method])
        if NEEDS.get(method, "") not in {*self.scopes, ""}:
            return _no("missing_scope", needed=NEEDS[method], provided=",".join(sorted(self.scopes)))
        answer = self._methods().get(method)
        return answer(arguments) if answer else _no("unknown_method")

    def _methods(self) -> dict[str, Callable[[dict[str, Any]], Response]]:
        channel = {
            "chat.postMessage": self._post, "chat.update": self._update, "chat.postEphemeral": self._whisper,
            "conversations.history": self._history, "conversations.replies": self._thread,
        }  # fmt: skip
        inside = {name: self._in_channel(name, work) for name, work in channel.items()}
        return {"auth.test": self._who, "users.info": self._user, "views.open": self._open, **inside}

    def _in_channel(
        self, method: str, work: Callable[[dict[str, Any]], Response]
    ) -> Callable[[dict[str, Any]], Response]:  # fmt: skip
        def answer(arguments: dict[str, Any]) -> Response:
            if arguments.get("channel") != CHANNEL:
                return _no("channel_not_found")
            if method in WRITES:
                problem = "is_archived" if self.archived else check(arguments)
                if problem:
                    return _no(problem)
            return work(arguments)

        return answer

    def _who(self, _arguments: dict[str, Any]) -> Response:
        who = {"ok": True, "team": "T", "team_id": "T1", "user": "heat", "user_id": "U1", "bot_id": "B1"}
        return JSONResponse(who, headers={"x-oauth-scopes": ",".join(sorted(self.scopes))})

    def _user(self, arguments: dict[str, Any]) -> Response:
        name = USERS.get(str(arguments.get("user")))
        if name is None:
            return _no("user_not_found")
        profile = {"display_name": name, "real_name": f"{name} of the desk"}
        return JSONResponse({"ok": True, "user": {"id": arguments["user"], "name": name.lower(), "profile": profile}})

    def _open(self, arguments: dict[str, Any]) -> Response:
        view = arguments["view"] if isinstance(arguments.get("view"), dict) else json.loads(arguments["view"])
        with self._lock:
            born, used = self._triggers.get(str(arguments.get("trigger_id")), (None, False))
            if born is None:
                return _no("invalid_trigger_id")
            if used or time.monotonic() - born > TRIGGER_S:
                return _no("exchanged_trigger_id" if used else "expired_trigger_id")
            problem = check_view(view)
            if problem:
                return _no(problem)
            self._triggers[arguments["trigger_id"]] = (born, True)
            self._count += 1
            opened = {**view, "id": f"V{self._count}", "hash": f"{self._count}.h"}
            self.views.append(opened)
        return JSONResponse({"ok": True, "view": opened})

    def _post(self, arguments: dict[str, Any]) -> Response:
        thread = arguments.get("thread_ts")
        if thread and not any(message["ts"] == thread for message in self.messages):
            return _no("thread_not_found")
        message = self.accept(arguments)
        return JSONResponse({"ok": True, "channel": CHANNEL, "ts": message["ts"], "message": message})

    def _update(self, arguments: dict[str, Any]) -> Response:
        known = [*self.messages, *self.replies]
        found = next((message for message in known if message["ts"] == arguments.get("ts")), None)
        if found is None:
            return _no("message_not_found")
        changed = {key: arguments[key] for key in ("text", "blocks", "metadata") if arguments.get(key) is not None}
        found.update(changed, edited=found.get("edited", 0) + 1)
        return JSONResponse({"ok": True, "channel": CHANNEL, "ts": found["ts"]})

    def _whisper(self, arguments: dict[str, Any]) -> Response:
        if arguments.get("user") not in USERS:
            return _no("user_not_in_channel")
        self.whispers.append(
            {**{key: arguments.get(key) for key in ("user", "text", "blocks")}, "at": time.monotonic()}
        )
        return JSONResponse({"ok": True, "message_ts": f"{time.time():.6f}"})

    def _history(self, arguments: dict[str, Any]) -> Response:
        return self._page(arguments, list(reversed(self.messages)))

    def _thread(self, arguments: dict[str, Any]) -> Response:
        parent = next((message for message in self.messages if message["ts"] == arguments.get("ts")), None)
        if parent is None:
            return _no("thread_not_found")
        return self._page(arguments, [parent, *(one for one in self.replies if one["thread_ts"] == parent["ts"])])

    def _page(self, arguments: dict[str, Any], messages: list[dict[str, Any]]) -> Response:
        edge = time.time() - self.lag_s
        oldest, limit = float(arguments.get("oldest") or 0), int(arguments.get("limit") or 100)
        start = int(arguments.get("cursor") or 0)
        shown = [message for message in messages if oldest < float(message["ts"]) <= edge]
        page = [dict(message) for message in shown[start : start + limit]]
        if str(arguments.get("include_all_metadata")).lower() not in {"1", "true"}:
            page = [{key: value for key, value in message.items() if key != "metadata"} for message in page]
        more = start + limit < len(shown)
        following = {"next_cursor": str(start + limit) if more else ""}
        return JSONResponse({"ok": True, "messages": page, "has_more": more, "response_metadata": following})

    async def _webhook(self, request: Request) -> Response:
        arguments = await _arguments(request)
        if self.archived:
            return PlainTextResponse("channel_is_archived", 410)
        if check(arguments):
            return PlainTextResponse(check(arguments), 400)
        self.accept(arguments)
        return PlainTextResponse("ok")

    async def _answer(self, request: Request) -> Response:
        arguments, token = await _arguments(request), request.path_params["token"]
        with self._lock:
            born, used = self._addresses.get(token, (None, 0))
            if born is None:
                return PlainTextResponse("no_such_url", 404)
            if used >= ANSWERS or time.monotonic() - born > ANSWER_S:
                return PlainTextResponse("used_url" if used >= ANSWERS else "expired_url", 404)
            if check(arguments):
                return PlainTextResponse(check(arguments), 400)
            self._addresses[token] = (born, used + 1)
            self.answers.append({**arguments, "at": time.monotonic()})
        return PlainTextResponse("ok")

    def accept(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """The message is in the channel, or under the one it answers."""
        with self._lock:
            self._count += 1
            ts = f"{time.time():.3f}{self._count % 1000:03d}"
            message = {"type": "message", "ts": ts, **{k: arguments.get(k) for k in ("text", "blocks", "metadata")}}
            if arguments.get("thread_ts"):
                self.replies.append({**message, "thread_ts": arguments["thread_ts"]})
            else:
                self.messages.append(message)
        return message

    def accept_then(self, fault: str) -> Any:
        """An answer that takes the message and then fails: ``500``, or ``reset`` the connection."""

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            self.accept(await _arguments(Request(scope, receive)))
            if fault == "reset":
                transport = scope["transport"]
                linger = struct.pack("ii", 1, 0)
                transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                transport.abort()
                return
            await Response("oops", 500)(scope, receive, send)

        return answer


async def _arguments(request: Request) -> dict[str, Any]:
    body = (await request.body()).decode()
    if "json" in request.headers.get("content-type", ""):
        return dict(json.loads(body or "{}"))
    found: dict[str, Any] = dict(parse_qsl(body)) | dict(request.query_params)
    return {key: json.loads(value) if key in {"blocks", "metadata"} else value for key, value in found.items()}


def _no(error: str, **more: str) -> Response:
    return JSONResponse({"ok": False, "error": error, **more})
