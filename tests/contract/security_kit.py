"""What the tests of sign-in share: settings with users, a small application behind the gate, a browser's headers."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from argon2 import PasswordHasher
from fastapi import Depends, FastAPI, Request
from fastapi.responses import HTMLResponse
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from heatmap_app import problems
from heatmap_app.auth import routes as sign_in
from heatmap_app.auth.door import Door
from heatmap_app.auth.gate import Gate
from heatmap_app.auth.place import place_of
from heatmap_app.users import require, user_of
from pipelines.settings import Settings, load_settings

SECRET = "a-cookie-secret-of-more-than-32-characters"
PASSWORD = "correct horse battery"
_HASH = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(PASSWORD)
USERS = [f"{role.title()}:{role}:{_HASH}" for role in ("viewer", "editor", "admin")]
WRITE = {"X-ET-Write": "1"}


def settings_with(var: Path, *, public_url: str = "", host: str = "127.0.0.1", **auth: Any) -> Settings:
    """Settings with the given [auth]; by password with a user of each role where nothing else is said."""
    given = {"method": "password", "cookie_secret": SECRET, "users": USERS} | auth
    return load_settings(var / "no.env", mode="demo", var_dir=var, public_url=public_url, host=host, auth=given)


def small_app(settings: Settings, port: int) -> FastAPI:
    """A few routes of every kind behind the gate."""
    app = FastAPI()
    problems.install(app)
    door = Door(settings, place_of(settings, port))
    app.state.door = door
    app.include_router(sign_in.router(door, settings))

    @app.get("/api/v1/me")
    def me(request: Request) -> dict[str, str]:
        user = user_of(request)
        return {"id": user.id, "name": user.name, "role": user.role, "client": request.state.client}

    @app.get("/page", response_class=HTMLResponse)
    @app.get("/wall", response_class=HTMLResponse)
    def page() -> str:
        return "<!doctype html><p>page</p>"

    @app.get("/healthz")
    @app.get("/metrics")
    @app.post("/slack/events")
    def plain() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/broken")
    def broken() -> None:
        raise RuntimeError("it broke")

    @app.post("/api/v1/change", dependencies=[Depends(require("editor"))])
    @app.post("/api/v1/forgotten")  # a route whose author forgot to ask for a role
    @app.post("/api/v1/alerts/1/vote")
    def change() -> dict[str, str]:
        return {"line": "Done."}

    @app.post("/api/v1/alerts/2/vote")
    def read(body: dict[str, Any]) -> dict[str, int]:
        return {"fields": len(body)}

    app.add_middleware(Gate, door=door)
    return app


@dataclass(frozen=True, slots=True)
class Served:
    """An application on a real socket."""

    base: str
    app: FastAPI
    clients: list[httpx.Client] = field(default_factory=list)

    @property
    def host(self) -> str:
        return self.base.removeprefix("http://")

    def client(self) -> httpx.Client:
        """A browser without a past, which follows no redirect."""
        made = httpx.Client(base_url=self.base, follow_redirects=False, timeout=30, trust_env=False)
        self.clients.append(made)
        return made

    def websocket(self, path: str, cookie: str, origin: str | None, token: str = "x", host: str = "") -> int:
        """Open a page's websocket; 101 when it was let in, else the status."""
        headers = {"Cookie": cookie} | ({"Origin": origin} if origin is not None else {})
        address = "ws://" + (host or self.host) + path
        with socket.create_connection(("127.0.0.1", int(self.base.rpartition(":")[2]))) as sock:
            try:
                with connect(
                    address, subprotocols=["bokeh", token], additional_headers=headers, proxy=None, sock=sock,  # type: ignore[list-item]  # plain texts
                ) as opened:  # fmt: skip
                    opened.recv(timeout=10)
                    return 101
            except InvalidStatus as error:
                return error.response.status_code


@contextmanager
def served(make: Callable[[int], FastAPI]) -> Iterator[Served]:
    """``make(port)`` on a free port of 127.0.0.1, as ``heatmap serve`` runs it."""
    sock = socket.create_server(("127.0.0.1", 0))
    port: int = sock.getsockname()[1]
    app = make(port)
    config = uvicorn.Config(app, log_level="critical", access_log=False, server_header=False, proxy_headers=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[sock])), daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.01)
    found = Served(f"http://127.0.0.1:{port}", app)
    try:
        yield found
    finally:
        for made in found.clients:
            made.close()
        server.should_exit = True
        thread.join(10)
        sock.close()


@contextmanager
def small(settings: Settings) -> Iterator[Served]:
    """:func:`small_app` on a socket."""
    with served(lambda port: small_app(settings, port)) as found:
        yield found


def sign_in_as(who: httpx.Client, name: str, password: str = PASSWORD, **more: str) -> httpx.Response:
    """Send the sign-in form as a browser does."""
    form = {"name": name, "password": password, **more}
    return who.post("/auth/login", data=form, headers={"Origin": str(who.base_url).rstrip("/")})


def cookies_of(who: httpx.Client) -> str:
    """The Cookie header a browser would send."""
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in who.cookies.jar)


def said(answer: Any) -> Mapping[str, Any]:
    """The problem document of an answer."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    found: Mapping[str, Any] = answer.json()
    return found
