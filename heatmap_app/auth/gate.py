"""The gate: one ASGI layer before everything this server answers, pages, websockets, API, files and errors alike.

In order: is the path plain, is the host ours, who asks, may they have this, is a changing request our own page's. What
no rule allows is denied. On the way out every answer gets the same headers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import structlog
from bokeh.util.token import get_session_id
from fastapi.responses import RedirectResponse, Response
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from heatmap_app.auth import rules
from heatmap_app.auth.door import WALL_USER, Door
from heatmap_app.auth.leash import Leash
from heatmap_app.auth.outside import Outside
from heatmap_app.problems import problem
from heatmap_app.users import User
from pipelines.outgoing import is_loopback_host

log = structlog.get_logger(__name__)

NO_SIGN_IN = (
    "This server has no sign-in set up, so it answers on its own machine only. "
    "Whoever runs it can open it: docs/security.md says how."
)

MOST_BODY = 2_000_000
"""Bytes of a request: twice what the largest form may hold. A signed path has a lower bound and an answer of its own."""


class Gate:
    """Lets requests through to ``app``; ``evaluates`` are the pages whose script may compile texts (Bokeh's)."""

    def __init__(self, app: ASGIApp, door: Door, evaluates: tuple[str, ...] = ("/",)) -> None:
        self.app, self.door, self._evaluates = app, door, evaluates
        self._bounded = RequestBodyLimitMiddleware(app, MOST_BODY)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Judge and pass on."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = _headers(scope)
        host = headers.get("host", "")
        user = self.door.user(scope, headers)
        scope.setdefault("state", {}).update(user=user, client=self.door.client(scope, headers))
        if scope["type"] == "websocket":
            await self._websocket(scope, receive, send, headers, host, user)
            return
        if self.door.place.https and self.door.place.is_public(host):
            scope["scheme"] = "https"  # the proxy before us took the TLS off
        outside = Outside(send, scope, host, self.door.place, self._evaluates)
        refused = self._refusal(scope, headers, host, user)
        if refused is not None:
            await refused(scope, receive, outside.send)
            return
        await self._answer(scope, receive, outside, headers, user)

    async def _answer(
        self, scope: Scope, receive: Receive, outside: Outside, headers: Mapping[str, str], user: User | None
    ) -> None:
        try:
            if "text/event-stream" in headers.get("accept", "") and user is not None:
                await self._leashed(scope, receive, outside.send, headers, user)
            else:
                app = self.app if scope["path"] in rules.SIGNED_PATHS else self._bounded
                await app(scope, receive, outside.send)
        except Exception as error:
            log.exception("request failed", path=scope["path"], kind=type(error).__name__)
            if outside.started:
                raise
            failed = problem(500, "This server failed to answer; its log says why.")
            await failed(scope, receive, outside.send)

    def _refusal(self, scope: Scope, headers: Mapping[str, str], host: str, user: User | None) -> Response | None:
        """Why not, as an answer; None when the request may pass."""
        path, method = scope["path"], scope["method"]
        if not rules.is_plain(path):
            return problem(400, "This is not a plain path.")
        if path not in rules.ANY_HOST:
            fault = self._host_fault(headers, host)
            if fault:
                return problem(403, fault)
        if rules.CLOSED.fullmatch(path):
            return problem(404, "Not Found")
        if path == "/metrics" and self._may_collect(scope, headers):
            return None
        if not rules.is_open(path) and not self._may_see(user, path):
            return self._to_sign_in(scope, method, path, user)
        length = headers.get("content-length", "")
        if path not in rules.SIGNED_PATHS and length.isdigit() and int(length[:18]) > MOST_BODY:
            return problem(413, f"This request is larger than {MOST_BODY / 1e6:.0f} MB.")
        return self._write_refusal(method, path, headers, host, user)

    def _write_refusal(
        self, method: str, path: str, headers: Mapping[str, str], host: str, user: User | None
    ) -> Response | None:
        if method in rules.SAFE_METHODS or path in rules.SIGNED_PATHS:
            return None
        fault = rules.write_fault(path, headers, host, self.door.place)
        if fault:
            return problem(403, f"This change was refused: {fault}.")
        least = rules.least_role(method, path)
        if not rules.is_open(path) and (user is None or not user.may(least)):
            return problem(403, f"This needs the role {least}; {user.name if user else 'nobody'} has less.")
        return None

    def _host_fault(self, headers: Mapping[str, str], host: str) -> str | None:
        place = self.door.place
        if not place.knows(host):
            return "This server does not answer to that host name; HEATMAP_PUBLIC_URL and HEATMAP_AUTH__HOSTS name its own."
        if self.door.method != "none":
            return None
        if place.is_public(host) or any(name in headers for name in rules.FORWARDED):
            return NO_SIGN_IN
        return None

    def _may_see(self, user: User | None, path: str) -> bool:
        return user is not None and (user != WALL_USER or rules.WALL.fullmatch(path) is not None)

    def _may_collect(self, scope: Scope, headers: Mapping[str, str]) -> bool:
        """A collector on this machine, where nothing forwards to us, or one with the token."""
        here = is_loopback_host(str((scope.get("client") or ("", 0))[0]))
        direct = not self.door.place.public and self.door.method != "proxy"
        forwarded = any(name in headers for name in rules.FORWARDED)
        return (here and direct and not forwarded) or self.door.metrics_token_is(headers)

    def _to_sign_in(self, scope: Scope, method: str, path: str, user: User | None) -> Response:
        if user is not None:
            return problem(403, f"{user.name.capitalize()} may not see this.")
        if self.door.method == "proxy" or not rules.wants_page(method, path):
            said = (
                "Sign in at the proxy before this server." if self.door.method == "proxy" else "Sign in first: /login."
            )
            return problem(401, said)
        query = scope["query_string"].decode("latin-1")
        target = quote(f"{path}?{query}" if query else path, safe="/")
        return RedirectResponse(
            f"/login?next={target}" if target != "/" else "/login", 302, {"Cache-Control": "no-store"}
        )

    async def _websocket(
        self, scope: Scope, receive: Receive, send: Send, headers: Mapping[str, str], host: str, user: User | None
    ) -> None:
        place, path = self.door.place, scope["path"]
        origin = headers.get("origin", "")
        page = _page_session(scope)
        pages = self.door.presence.pages
        owner = pages.get(page)
        fine = (
            rules.is_plain(path) and self._host_fault(headers, host) is None and place.is_ours(origin, host)
            and self._may_see(user, path) and (owner is None or owner == user)
        )  # fmt: skip
        if not fine or user is None:
            log.warning("websocket refused", path=path, signed_in=user is not None)
            await send({"type": "websocket.close", "code": 1008})  # before "accept": the browser sees a 403
            return
        if page:
            pages[page] = user
        try:
            await self._leashed(scope, receive, send, headers, user)
        finally:
            pages.pop(page, None)

    async def _leashed(
        self, scope: Scope, receive: Receive, send: Send, headers: Mapping[str, str], user: User
    ) -> None:
        async def good() -> bool:
            return self.door.user(scope, headers) == user

        session = self.door.session(headers)
        with self.door.presence.held(session.sid if session else "") as ended:
            leash = Leash(receive, send, good, ended, websocket=scope["type"] == "websocket")
            try:
                await self.app(scope, leash.receive, leash.send)
            finally:
                leash.close()


def _headers(scope: Scope) -> Mapping[str, str]:
    """The request's headers, names in lower case. Of a name given twice the values are joined, so neither is believed."""
    found: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        found[name] = f"{found[name]}{'; ' if name == 'cookie' else ', '}{value}" if name in found else value
    return found


def _page_session(scope: Scope) -> str:
    """The Panel session a websocket asks for; empty where it names none."""
    offered: list[Any] = scope.get("subprotocols", [])
    try:
        return str(get_session_id(offered[1])) if len(offered) == 2 else ""
    except Exception:  # noqa: BLE001 - whatever a stranger wrote there; Panel refuses it by itself
        return ""
