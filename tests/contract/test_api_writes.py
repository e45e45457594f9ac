"""The API's writes over a real store: each action once, by role, with problem JSON for what does not fit."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from sqlalchemy import text

from heatmap_app import api, api_writes, problems
from heatmap_app.reader import StoreReader
from heatmap_app.users import User
from pipelines.clock import SystemClock
from pipelines.settings import load_settings
from pipelines.store import Store
from tests.contract.store_rows import add
from tests.contract.test_actions import posted
from tests.upstreams.server import serving

USERS = {"ana": User("u:ana", "Ana", "editor"), "vi": User("u:vi", "Vi", "viewer")}
CARD = {
    "slug": "NAME-0",
    "segment": "A block",
    "length_s": 45,
    "hook": "It climbs.",
    "receipts": ["https://example.org/1"],
}


class Desk:
    """The API's writes on one alert, and what they told the rest of the server."""

    def __init__(self, store: Store) -> None:
        self.store, self.alert = store, posted(store)
        self.acted, self.renamed = 0, 0
        settings = load_settings(mode="demo")
        reader = StoreReader(store, settings, SystemClock(), "demo", {}, self._renamed)
        self.runtime = SimpleNamespace(store=store, settings=settings, reader=reader, deliverer=object())
        app = FastAPI()
        problems.install(app)
        app.include_router(api.router)
        app.include_router(api_writes.router)
        app.state.runtime, app.state.reader, app.state.acted = self.runtime, reader, self._acted

        @app.middleware("http")
        async def signed_in(request: Request, call_next: Any) -> Any:
            request.scope.setdefault("state", {})["user"] = USERS[request.headers.get("x-user", "ana")]
            return await call_next(request)

        self.app, self.client = app, httpx.Client()

    def _acted(self) -> None:
        self.acted += 1

    def _renamed(self) -> None:
        self.renamed += 1

    def do(self, action: str, body: dict[str, Any], user: str = "ana", status: int = 200, **cookies: str) -> Any:
        cookie = {"cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())} if cookies else {}
        path = action if action.startswith("/") else f"/api/v1/alerts/{self.alert}/{action}"
        answer = self.client.post(path, json=body, headers={"x-user": user, **cookie})
        assert answer.status_code == status, answer.text
        return answer.json()

    def shown(self) -> dict[str, Any]:
        found: dict[str, Any] = self.client.get(f"/api/v1/alerts/{self.alert}").json()
        return found


@pytest.fixture
def desk(embedded_store: Store) -> Iterator[Desk]:
    made = Desk(embedded_store)
    with serving(made.app) as server, httpx.Client(base_url=server.url, timeout=30) as made.client:
        yield made


ONCE = {"once": "form-1"}


@pytest.mark.parametrize(
    ("action", "body", "says"),
    [
        ("assign", {"who": "Sam", "note": "call", "due": "", **ONCE}, "Assigned to Sam by Ana"),
        ("cards", {**CARD, **ONCE}, "Rundown card NAME-0 kept by Ana"),
        ("promo", {"text": "Next: a walk-off", **ONCE}, "Promo tease chosen by Ana"),
        ("vote", {"useful": True, **ONCE}, "Voted useful by Ana"),
        ("source-fault", {"fault": True, **ONCE}, "Marked as a source fault by Ana"),
        ("resend", ONCE, "Queued for Slack again by Ana"),
    ],
)
def test_an_action_happens_once_and_is_told_once(desk: Desk, action: str, body: dict[str, Any], says: str) -> None:
    first, second = desk.do(action, body), desk.do(action, body)
    assert first["line"].startswith(says)
    assert second == {**first, "repeated": True}
    assert desk.acted == 1


def test_an_alert_shows_what_people_did_but_not_who_voted_how(desk: Desk) -> None:
    desk.do("assign", {"who": "Sam", "once": "1"})
    desk.do("vote", {"useful": False}, "vi")
    activity = desk.shown()["activity"]
    assert (activity["assigned"]["who"], activity["assigned"]["by"]["name"]) == ("Sam", "Ana")
    assert activity["votes"] == {"useful": 0, "not_useful": 1}
    assert "package" in desk.shown()
    desk.do("unassign", {"once": "2"})
    assert desk.shown()["activity"]["assigned"] is None


def test_due_without_a_zone_is_the_visitor_s(desk: Desk) -> None:
    soon = (SystemClock().now() + timedelta(days=1)).strftime("%Y-%m-%dT12:00")
    said = desk.do("assign", {"who": "Sam", "due": soon, "once": "1"}, status=400)
    assert said["detail"].startswith("due: needs a time zone")
    desk.do("assign", {"who": "Sam", "due": soon, "once": "1"}, et_zone="America/New_York")
    assert desk.shown()["activity"]["assigned"]["due"][11:16] in {"16:00", "17:00"}


@pytest.mark.parametrize(
    ("action", "body", "status", "says"),
    [
        ("assign", {"who": " ", **ONCE}, 400, "who: is empty"),
        ("assign", {"who": "Sam", "once": ""}, 400, "once: name this action"),
        ("assign", {"who": "Sam"}, 422, "once: Field required"),
        ("assign", {"who": "Sam", "extra": 1, **ONCE}, 422, "extra: "),
        ("assign", {"who": "x" * 5000, **ONCE}, 422, "who: "),
        ("cards", {**CARD, "length_s": 4, **ONCE}, 400, "length: 4 s"),
        ("promo", {"text": "a " * 16, **ONCE}, 400, "tease: has 16 words"),
        ("vote", {"useful": "perhaps"}, 422, "useful: "),
        ("/api/v1/alerts/99999/vote", {"useful": True}, 404, "There is no alert 99999"),
        ("/api/v1/entities/nobody/mute", {}, 404, "No entity has the slug 'nobody'"),
    ],
)
def test_what_does_not_fit_changes_nothing_and_says_why(
    desk: Desk, action: str, body: dict[str, Any], status: int, says: str
) -> None:
    said = desk.do(action, body, status=status)
    assert said["detail"].startswith(says)
    assert desk.acted == 0
    assert desk.shown()["activity"]["version"] == 0


@pytest.mark.parametrize("action", ["assign", "unassign", "cards", "promo", "resend", "source-fault"])
def test_a_viewer_may_vote_and_nothing_else(desk: Desk, action: str) -> None:
    bodies: dict[str, dict[str, Any]] = {"assign": {"who": "Sam"}, "cards": CARD, "promo": {"text": "Next"}}
    said = desk.do(action, {**bodies.get(action, {}), **ONCE}, "vi", 403)
    assert said["detail"] == "This needs the role editor; Vi is viewer"
    desk.do("vote", {"useful": True}, "vi")


def test_b5_names_are_merged_once_split_muted_and_named(desk: Desk) -> None:
    add(desk.store, "Odalys Brightwater", "Odalys B")
    said = desk.do("/api/v1/entities/odalys-brightwater/merge", {"other": "odalys-b"})
    assert said["line"] == "Odalys B is part of Odalys Brightwater now."
    assert said["undo"].startswith("/api/v1/names/changes/")
    again = desk.do("/api/v1/entities/odalys-brightwater/merge", {"other": "odalys-b"}, status=400)
    assert "odalys-b" in again["detail"]
    desk.do("/api/v1/entities/odalys-brightwater/split", {"name": "Odalys B"})
    desk.do("/api/v1/entities/odalys-brightwater/alias", {"name": "The Brightwater"})
    desk.do("/api/v1/entities/odalys-brightwater/mute", {"muted": True})
    view = desk.client.get("/api/v1/entities/odalys-brightwater").json()
    assert view["muted"]
    assert "The Brightwater" in view["entity"]["aliases"]
    assert desk.renamed == 4
    with desk.store._db.reading() as connection:
        actors = connection.execute(text("SELECT actor FROM audit WHERE action IN ('merge', 'split', 'alias', 'mute')"))
        assert list(actors.scalars()) == ["u:ana"] * 4


def test_a_source_that_is_held_back_is_let_go_by_an_editor(desk: Desk) -> None:
    held = {"tiktok"}

    async def release(source: str) -> bool:
        was = source in held
        held.discard(source)
        return was

    desk.runtime.release = release
    path = "/api/v1/sources/tiktok/release"
    desk.do(path, ONCE, "vi", 403)
    assert held
    assert desk.do(path, ONCE)["line"] == "tiktok is asked again when it is next due."
    assert desk.do(path, ONCE)["line"] == "tiktok: nothing held it back."
    desk.do("/api/v1/sources/nowhere/release", ONCE, status=422)
    with desk.store._db.reading() as connection:
        rows = connection.execute(text("SELECT actor, subject FROM audit WHERE action = 'release'")).all()
    assert [tuple(row) for row in rows] == [("u:ana", "tiktok")]
