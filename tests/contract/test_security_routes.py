"""Every route of the running application, found on the application itself: nobody gets in unless it is written here.

A route added tomorrow is walked without a change to this file; only one that is meant to be open needs a line.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.routing import Mount, Route, WebSocketRoute

from heatmap_app.runtime import open_runtime
from heatmap_app.server import make_app
from pipelines.settings import load_settings
from tests.contract.security_kit import SECRET, USERS, WRITE, Served, cookies_of, served, sign_in_as
from tests.postgres import open_folder

OPEN = {
    ("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/login"), ("GET", "/logout"), ("GET", "/favicon.ico"),
    ("POST", "/auth/login"), ("POST", "/auth/logout"), ("GET", "/auth/oidc/start"), ("GET", "/auth/oidc/callback"),
    ("GET", "/auth/wall"), ("GET", "/assets"), ("POST", "/slack/events"),
    ("GET", "/metrics"),  # to a collector on this machine; others are refused in test_security_gate.py
}  # fmt: skip
"""What answers without a sign-in: liveness, the sign-in itself, style and fonts, and Slack by its signature."""

OWN_REFUSAL = {"/auth/login", "/auth/wall", "/slack/events"}
"""They look at a password, a token or a signature themselves and say 401 or 403 without one."""

CLOSED = re.compile(r".*/(autoload\.js|metadata)")
"""Panel's doors for embedding, shut for everybody."""

VIEWERS_MAY = re.compile(r"/api/v1/alerts/1/votes?")
"""The only changes a viewer may make."""

ADMINS_ONLY: set[str] = set()
SAMPLES = {"number": "1", "slug": "x", "path": "x", "id": "1", "alert_id": "1", "name": "x"}


@pytest.fixture(scope="module")
def site(embedded_url: str) -> Iterator[Served]:
    with open_folder() as var:
        auth = {"method": "password", "cookie_secret": SECRET, "users": USERS}
        slack = {"signing_secret": "a-signing-secret", "bot_token": "xoxb-1", "channel": "C0123456"}
        settings = load_settings(
            Path(var) / "no.env", mode="demo", var_dir=var, database_url=embedded_url, auth=auth, slack=slack
        )
        runtime = open_runtime(settings)
        try:
            with served(lambda port: make_app(runtime, port, schedule=False)) as found:
                yield found
        finally:
            runtime.close()


def sample(path: str) -> str:
    """``path`` with a value for each parameter."""
    return re.sub(r"\{(\w+)(?::\w+)?\}", lambda found: SAMPLES.get(found[1], "x"), path)


def flat(routes: list[Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """(method, path) of FastAPI's routes, mounts and routers inside them."""
    for route in routes:
        inner = getattr(route, "original_router", None)
        if isinstance(route, APIRoute | Route):
            for method in (route.methods or {"GET"}) - {"HEAD", "OPTIONS"}:
                yield method, prefix + sample(route.path)
        elif isinstance(route, Mount):
            yield "GET", f"{prefix}{route.path}/x"
            yield from flat(list(route.routes or ()), prefix + route.path)
        elif isinstance(route, WebSocketRoute):
            continue
        elif inner is not None:
            include = getattr(route, "include_context", None)
            yield from flat(list(inner.routes), prefix + (getattr(include, "prefix", "") or ""))
        else:
            raise AssertionError(f"a kind of route this test does not know: {route!r}")


def panel_paths(app: FastAPI) -> Iterator[str]:
    """Paths that Panel answers before FastAPI is asked."""
    for asgi in app.state._panel_asgi_apps:
        for base in asgi.core.applications:
            yield from (base.rstrip("/") + suffix for suffix in ("/", "/metadata", "/autoload.js", "/static/x", "/ws"))
        for pattern, _ in asgi._extra_routes:
            text = pattern.pattern.replace("(?:/(?P<path>.*))?$", "/x").replace("(?P<path>.*)$", "x").replace("/?$", "")
            path = re.sub(r"\\(.)", r"\1", text)
            assert pattern.match(path), f"Panel has a route this test cannot derive a path from: {pattern.pattern}"
            yield path
    yield from ("/favicon.ico", "/static/js/bokeh.min.js")


def every_route(app: FastAPI) -> list[tuple[str, str]]:
    found = {*flat(list(app.router.routes)), *(("GET", path) for path in panel_paths(app))}
    assert len(found) > 25, sorted(found)
    return sorted(found)


def is_written_open(method: str, path: str) -> bool:
    return (method, path) in OPEN or (method == "GET" and path.startswith("/assets/"))


def test_nobody_gets_in_where_it_is_not_written(site: Served) -> None:
    stranger, failed = site.client(), list[tuple[str, str, int]]()
    for method, path in every_route(site.app):
        headers = WRITE if method != "GET" else {}
        status = stranger.request(method, path, headers=headers).status_code
        refused = status in (401, 302, 403) or (CLOSED.fullmatch(path) and status == 404)
        if bool(refused) == is_written_open(method, path) and path not in OWN_REFUSAL:
            failed.append((method, path, status))
    assert failed == []


def test_other_methods_are_no_way_around(site: Served) -> None:
    stranger = site.client()
    for method in ("HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"):
        for path in ("/", "/api/v1/heat", "/openapi.json", "/docs", "/static/js/bokeh.min.js", "/nothing/there"):
            assert stranger.request(method, path).status_code in (401, 302, 403), (method, path)


@pytest.mark.parametrize(
    "path",
    ["/assets/../api/v1/heat", "/auth/../api/v1/heat", "/assets/..\\api", "//api/v1/heat", "/healthz/../", "/auth/./x"],
)
def test_a_path_that_means_another_is_refused(site: Served, path: str) -> None:
    answer = site.client().get("/x", extensions={"target": path.encode()})
    assert answer.status_code in (400, 401, 302, 403, 404)
    assert "items" not in answer.text


def test_a_viewer_changes_nothing_and_an_editor_may(site: Served) -> None:
    viewer, editor = site.client(), site.client()
    assert sign_in_as(viewer, "viewer").status_code == 303
    assert sign_in_as(editor, "editor").status_code == 303
    writes = [(m, p) for m, p in every_route(site.app) if m != "GET" and not is_written_open(m, p)]
    for method, path in writes:
        if not VIEWERS_MAY.fullmatch(path):
            assert viewer.request(method, path, headers=WRITE).status_code == 403, (method, path)
        if path not in ADMINS_ONLY:
            assert editor.request(method, path, headers=WRITE, json={}).status_code not in (401, 403), (method, path)
        assert editor.request(method, path, json={}).status_code == 403, f"{path} lets a foreign page change things"


def test_a_viewer_sees_the_pages(site: Served) -> None:
    viewer = site.client()
    sign_in_as(viewer, "viewer")
    for path in ("/", "/docs", "/openapi.json", "/api/v1/heat", "/static/js/bokeh.min.js", "/alerts"):
        assert viewer.get(path).status_code == 200, path


def token_of(page: str) -> str:
    found = re.search(r'"token":"([^"]+)"', page)
    assert found is not None
    return found[1]


def test_b2_a_websocket_needs_the_cookie_and_our_own_origin(site: Served) -> None:
    viewer = site.client()
    sign_in_as(viewer, "viewer")
    token = token_of(viewer.get("/").text)
    cookie, base = cookies_of(viewer), site.base
    assert site.websocket("/ws", "", base, token) == 403
    for foreign in (
        None,
        "",
        "null",
        "http://evil.example",
        "http://127.0.0.1:1",
        f"{base}.evil.example",
        "http://127.0.0.1",
    ):
        assert site.websocket("/ws", cookie, foreign, token) == 403, foreign
    assert site.websocket("/ws", cookie, base, token) == 101


def test_the_page_carries_no_cookie(site: Served) -> None:
    """Bokeh writes request headers into the page's token; the sign-in must not be among them."""
    viewer = site.client()
    sign_in_as(viewer, "viewer")
    page = viewer.get("/", headers={"Authorization": "Bearer something-secret"}).text
    payload = token_of(page)
    decoded = payload + "".join(
        base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)).decode("latin-1") for part in payload.split(".")
    )
    for value in (*viewer.cookies.values(), "something-secret"):
        assert value not in page
        assert value not in decoded
