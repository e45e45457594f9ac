"""Socket Mode as Slack does it: an address with a ticket that works once, envelopes down, acknowledgements up."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.websockets import WebSocket, WebSocketDisconnect


class Sockets:
    """The connections of one app. ``tickets`` that were not used yet, ``opened`` how many connections there were."""

    def __init__(self, token: str) -> None:
        self._token = token
        self._tickets: set[str] = set()
        self._live: list[tuple[WebSocket, asyncio.AbstractEventLoop]] = []
        self._answers: dict[str, dict[str, Any]] = {}
        self._answered = threading.Condition()
        self.opened = 0

    async def open(self, request: Request) -> Response:
        """``apps.connections.open``."""
        if request.headers.get("authorization") != f"Bearer {self._token}":
            return JSONResponse({"ok": False, "error": "invalid_auth"})
        ticket = uuid4().hex
        self._tickets.add(ticket)
        base = str(request.url).partition("/api/")[0].replace("http", "ws", 1)
        return JSONResponse({"ok": True, "url": f"{base}/link?ticket={ticket}"})

    async def connect(self, websocket: WebSocket) -> None:
        """One connection, until it is closed."""
        ticket = websocket.query_params.get("ticket", "")
        if ticket not in self._tickets:
            await websocket.close()
            return
        self._tickets.discard(ticket)
        await websocket.accept()
        await websocket.send_json({"type": "hello", "num_connections": 1})
        mine = (websocket, asyncio.get_running_loop())
        self._live.append(mine)
        self.opened += 1
        try:
            while True:
                answer = await websocket.receive_json()
                with self._answered:
                    self._answers[answer["envelope_id"]] = answer.get("payload") or {}
                    self._answered.notify_all()
        except WebSocketDisconnect:
            pass
        finally:
            self._live.remove(mine)

    def wait(self, connections: int = 1, timeout: float = 20) -> None:
        """Until so many connections were made and one is open."""
        deadline = time.monotonic() + timeout
        while self.opened < connections or not self._live:
            if time.monotonic() > deadline:
                raise AssertionError("no Socket Mode connection")
            time.sleep(0.02)

    def send(self, payload: dict[str, Any], timeout: float = 10) -> dict[str, Any]:
        """Send one interaction; what it was acknowledged with."""
        envelope = {
            "type": "interactive",
            "envelope_id": uuid4().hex,
            "accepts_response_payload": True,
            "payload": payload,
        }
        websocket, loop = self._live[-1]
        asyncio.run_coroutine_threadsafe(websocket.send_json(envelope), loop).result(timeout)
        with self._answered:
            if not self._answered.wait_for(lambda: envelope["envelope_id"] in self._answers, timeout):
                raise AssertionError("Slack waited for an acknowledgement")
            return self._answers[str(envelope["envelope_id"])]

    def cut(self) -> None:
        """Close every connection, as Slack does now and then."""
        for websocket, loop in list(self._live):
            asyncio.run_coroutine_threadsafe(websocket.close(), loop).result(5)
