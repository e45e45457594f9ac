"""The sign-in page and what its buttons do. Everything here is open; the gate has checked where a POST comes from."""

from __future__ import annotations

import asyncio
import time
from typing import Any
from urllib.parse import parse_qs

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from heatmap_app.auth.door import WALL_S, Cookie, Door
from heatmap_app.auth.oidc import Provider, SignInError
from heatmap_app.auth.passwords import MAX_LENGTH, check
from heatmap_app.auth.rules import local_path
from heatmap_app.auth.throttle import Throttle
from heatmap_app.problems import problem
from heatmap_app.themes import COOKIE, theme_of
from heatmap_app.users import User
from heatmap_app.web.render import environment
from pipelines.settings import Settings

log = structlog.get_logger(__name__)

MAX_FORM = 4096
AT_ONCE, WAITING = 2, 20
"""Passwords checked at the same time (64 MiB each), and how many may wait for that."""

WRONG = "That name and password do not match."


class SignIn:
    """The handlers, over one door."""

    def __init__(self, door: Door, settings: Settings) -> None:
        self.door = door
        here = door.place.origin or f"http://localhost:{door.place.port}"
        self.provider = Provider(settings, f"{here}/auth/oidc/callback") if door.method == "oidc" else None
        self.by_name, self.by_address = Throttle(free=3, cap_s=60.0), Throttle(free=10, cap_s=900.0)
        self._slots, self._queued = asyncio.Semaphore(AT_ONCE), 0

    async def login_page(self, request: Request) -> Response:
        """The sign-in page, or the way back for those who are signed in."""
        target = local_path(request.query_params.get("next", "/"))
        if self.door.method in ("none", "proxy") or self.door.session(request.headers):
            return RedirectResponse(target, 303)
        return self._page(request, target)

    async def logout_page(self, request: Request) -> Response:
        """A button, since a link could be anybody's."""
        session = self.door.session(request.headers)
        if session is None:
            return RedirectResponse("/login", 303)
        return self._page(request, "/", leaving=session.user.name)

    async def login(self, request: Request) -> Response:
        """Name and password."""
        if self.door.accounts is None:
            return problem(404, "There is no sign-in by password here.")
        form = await _form(request)
        if form is None:
            return problem(413, "That is no sign-in form.")
        name, password, target = (
            form.get("name", "").strip(),
            form.get("password", ""),
            local_path(form.get("next", "/")),
        )
        now = time.monotonic()
        keys = ((self.by_name, name.lower()[:64]), (self.by_address, request.state.client))
        wait = max(throttle.wait_s(key, now) for throttle, key in keys)
        if wait > 0 or self._queued >= WAITING:
            return self._wait(request, target, max(1, round(wait + 0.5)))
        for throttle, key in keys:
            throttle.begin(key, now)
        account = self.door.accounts.find(name)
        if len(password) > MAX_LENGTH or not await self._checked(account, password):
            log.warning("sign-in failed", address=request.state.client)  # not the name: it may be a password
            return self._page(request, target, status=401, said=WRONG, name=name[:64])
        assert account is not None  # noqa: S101 - a right password has one; tells the type checker
        for throttle, key in keys:
            throttle.forgive(key)
        return self._signed_in(account.user, target)

    async def logout(self, request: Request) -> Response:
        """End the session everywhere, also for a copied cookie."""
        session = self.door.session(request.headers)
        if session is not None:
            self.door.sign_out(session)
            log.info("signed out", user=session.user.id)
        answer = RedirectResponse("/login", 303)
        _set(answer, self.door.cookie, "", 0)
        return answer

    async def oidc_start(self, request: Request) -> Response:
        """Off to the provider."""
        if self.provider is None:
            return problem(404, "There is no sign-in by a provider here.")
        target = local_path(request.query_params.get("next", "/"))
        try:
            begun = await self.provider.begin()
        except SignInError as error:
            return self._page(request, target, status=502, said=str(error))
        answer = RedirectResponse(begun.url, 303)
        kept = {"s": begun.state, "n": begun.nonce, "v": begun.verifier, "t": target}
        _set(answer, self.door.state_cookie, self.door.state_seal.seal(kept), self.door.state_seal.seconds)
        return answer

    async def oidc_callback(self, request: Request) -> Response:
        """Back from the provider."""
        if self.provider is None:
            return problem(404, "There is no sign-in by a provider here.")
        kept: Any = self.door.state_seal.open(request.cookies.get(self.door.state_cookie.name, ""))
        query = request.query_params
        if not isinstance(kept, dict) or query.get("state") != kept["s"]:
            return self._page(
                request, "/", status=400, said="This sign-in was not begun here, or took too long. Try again."
            )
        if not query.get("code"):
            return self._page(request, kept["t"], status=403, said="The provider did not let you in.")
        try:
            user = await self.provider.finish(query["code"][:2000], kept["v"], kept["n"])
        except SignInError as error:
            log.warning("sign-in failed", address=request.state.client, reason=str(error))
            return self._page(request, kept["t"], status=403, said=str(error))
        answer = self._signed_in(user, kept["t"])
        _set(answer, self.door.state_cookie, "", 0)
        return answer

    async def wall(self, request: Request) -> Response:
        """The wall screen's link: a guest cookie for as long as the browser keeps it, read-only."""
        address, now = request.state.client, time.monotonic()
        if self.by_address.wait_s(address, now) > 0:
            return problem(429, "Too many wrong tries; wait a while.")
        value = self.door.wall_value(request.query_params.get("token", ""))
        if value is None:
            self.by_address.begin(address, now)
            return problem(403, "This link is not valid, or no longer; whoever runs this server has the current one.")
        answer = RedirectResponse("/wall", 303)
        _set(answer, self.door.wall_cookie, value, WALL_S)
        return answer

    async def _checked(self, account: Any, password: str) -> bool:
        self._queued += 1
        try:
            async with self._slots:
                return await asyncio.to_thread(check, account, password)
        finally:
            self._queued -= 1

    def _signed_in(self, user: User, target: str) -> Response:
        log.info("signed in", user=user.id, role=user.role)
        answer = RedirectResponse(target, 303)
        _set(answer, self.door.cookie, self.door.sessions.issue(user), int(self.door.sessions.seconds))
        return answer

    def _wait(self, request: Request, target: str, seconds: int) -> Response:
        said = f"Too many wrong tries. Wait {seconds} s, then try again."
        answer = self._page(request, target, status=429, said=said)
        answer.headers["Retry-After"] = str(seconds)
        return answer

    def _page(self, request: Request, target: str, status: int = 200, **values: Any) -> Response:
        html = environment().get_template("login.html").render(
            {"theme": theme_of(request.cookies.get(COOKIE)), "method": self.door.method, "target": target, "said": "",
             "name": "", "leaving": "", **values}
        )  # fmt: skip
        return HTMLResponse(html, status, {"Cache-Control": "no-store"})


def router(door: Door, settings: Settings) -> APIRouter:
    """The routes of signing in and out."""
    handlers = SignIn(door, settings)
    routes = APIRouter(include_in_schema=False)
    for path, handler, method in (
        ("/login", handlers.login_page, "GET"), ("/logout", handlers.logout_page, "GET"),
        ("/auth/login", handlers.login, "POST"), ("/auth/logout", handlers.logout, "POST"),
        ("/auth/oidc/start", handlers.oidc_start, "GET"), ("/auth/oidc/callback", handlers.oidc_callback, "GET"),
        ("/auth/wall", handlers.wall, "GET"),
    ):  # fmt: skip
        routes.add_api_route(path, handler, methods=[method], response_class=Response)
    return routes


def _set(answer: Response, cookie: Cookie, value: str, seconds: int) -> None:
    answer.headers.append("Set-Cookie", cookie.text(value, seconds))
    answer.headers["Cache-Control"] = "no-store"


async def _form(request: Request) -> dict[str, str] | None:
    """The fields of a small form; None for anything else."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM:
            return None
    try:
        return {
            name: values[-1]
            for name, values in parse_qs(body.decode(), keep_blank_values=True, max_num_fields=10).items()
        }
    except ValueError:
        return None
