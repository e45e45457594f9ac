"""A stand-in for Slack: Web API and incoming webhook, with Slack's checks on blocks and lengths, and its faults."""

from __future__ import annotations

import json
import re
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

TOKEN = "xoxb-test"
CHANNEL = "C0ALERTS"
WEBHOOK = "/services/T/B/X"
LIMITS = {"header": 150, "section": 3000, "context": 3000}
PING = re.compile(r"<[!@#][^>]*>")


@dataclass
class Slack:
    """``messages`` are what the channel shows, oldest first. ``lag_s``: how long until the history shows a message."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    archived: bool = False
    lag_s: float = 0.0
    scopes: set[str] = field(default_factory=lambda: {"chat:write", "channels:history"})
    before_s: tuple[float, ...] = (0.0,)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _count: int = 0

    @property
    def app(self) -> Starlette:
        """The server."""
        return Starlette(
            routes=[
                Route("/api/{method}", self._api, methods=["POST", "GET"]),
                Route(WEBHOOK, self._webhook, methods=["POST"]),
            ]
        )

    def keys(self) -> list[str]:
        """The keys of the messages in the channel."""
        return [message["metadata"]["event_payload"]["key"] for message in self.messages]

    async def _api(self, request: Request) -> Response:
        try:
            arguments = await _arguments(request)
        except ValueError:
            return _no("invalid_json")
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return _no("invalid_auth")
        method = request.path_params["method"]
        if method == "auth.test":
            return JSONResponse({"ok": True, "team": "T", "user_id": "U1", "bot_id": "B1"})
        if arguments.get("channel") != CHANNEL:
            return _no("channel_not_found")
        if method == "chat.postMessage":
            return self._post(arguments)
        if method == "chat.update":
            return self._update(arguments)
        return self._history(arguments) if method == "conversations.history" else _no("unknown_method")

    def _post(self, arguments: dict[str, Any]) -> Response:
        if "chat:write" not in self.scopes:
            return _no("missing_scope", needed="chat:write", provided=",".join(sorted(self.scopes)))
        if self.archived:
            return _no("is_archived")
        problem = check(arguments)
        if problem:
            return _no(problem)
        message = self.accept(arguments)
        return JSONResponse({"ok": True, "channel": CHANNEL, "ts": message["ts"], "message": message})

    def _update(self, arguments: dict[str, Any]) -> Response:
        found = next((message for message in self.messages if message["ts"] == arguments.get("ts")), None)
        if found is None:
            return _no("message_not_found")
        problem = check(arguments)
        if problem:
            return _no(problem)
        found.update({key: arguments[key] for key in ("text", "blocks") if key in arguments})
        return JSONResponse({"ok": True, "channel": CHANNEL, "ts": found["ts"]})

    def _history(self, arguments: dict[str, Any]) -> Response:
        if "channels:history" not in self.scopes:
            return _no("missing_scope", needed="channels:history", provided=",".join(sorted(self.scopes)))
        edge = time.time() - self.lag_s
        oldest, limit = float(arguments.get("oldest") or 0), int(arguments.get("limit") or 100)
        start = int(arguments.get("cursor") or 0)
        shown = [message for message in reversed(self.messages) if oldest < float(message["ts"]) <= edge]
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

    def accept(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """The message is in the channel."""
        with self._lock:
            self._count += 1
            ts = f"{time.time():.3f}{self._count % 1000:03d}"
            message = {"type": "message", "ts": ts, **{k: arguments.get(k) for k in ("text", "blocks", "metadata")}}
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
        return dict(json.loads(body))
    found: dict[str, Any] = dict(parse_qsl(body)) | dict(request.query_params)
    return {key: json.loads(value) if key in {"blocks", "metadata"} else value for key, value in found.items()}


def _no(error: str, **more: str) -> Response:
    return JSONResponse({"ok": False, "error": error, **more})


def check(arguments: dict[str, Any]) -> str:
    """Slack's complaint about a message; empty where it takes it."""
    blocks = arguments.get("blocks") or []
    if not arguments.get("text") and not blocks:
        return "no_text"
    if len(str(arguments.get("text") or "")) > 40_000:
        return "msg_too_long"
    fits = len(blocks) <= 50 and all(_block_fits(block) for block in blocks)
    return "" if fits else "invalid_blocks"


def _block_fits(block: dict[str, Any]) -> bool:
    kind = block.get("type")
    if kind == "context":
        return 1 <= len(block["elements"]) <= 10 and all(_text_fits(part, LIMITS[kind]) for part in block["elements"])
    if kind not in LIMITS or (kind == "header" and block["text"]["type"] != "plain_text"):
        return False
    fields = block.get("fields") or []
    return _text_fits(block["text"], LIMITS[kind]) and len(fields) <= 10 and all(_text_fits(f, 2000) for f in fields)


def _text_fits(part: dict[str, Any], most: int) -> bool:
    return part["type"] in {"plain_text", "mrkdwn"} and 1 <= len(part["text"].encode("utf-16-le")) // 2 <= most


def pings(message: dict[str, Any]) -> list[str]:
    """What in a message would ping somebody."""
    texts = [str(message.get("text") or "")]
    for block in message.get("blocks") or []:
        parts = [block.get("text"), *(block.get("fields") or []), *(block.get("elements") or [])]
        texts += [part["text"] for part in parts if part and part["type"] == "mrkdwn"]
    return [hit for text in texts for hit in PING.findall(text)]


def links(message: dict[str, Any]) -> list[str]:
    """Where a message links to."""
    parts = [
        part
        for block in message.get("blocks") or []
        for part in [block.get("text"), *(block.get("fields") or []), *(block.get("elements") or [])]
        if part and part["type"] == "mrkdwn"
    ]
    return [hit for part in parts for hit in re.findall(r"<(https?:[^|>]*)[|>]", part["text"])]
