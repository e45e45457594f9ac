"""``/wall`` and its state over HTTP: cheap for many screens, closed to strangers, open to the wall's own cookie."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from heatmap_app.pages.reader import Filters
from heatmap_app.web import wall_feed
from heatmap_app.web.wall_values import Told
from pipelines.errors import StoreError
from pipelines.view import HeatView
from tests.browser.sample_reader import SampleReader
from tests.browser.wall_kit import WallServer, wall_server
from tests.contract.security_kit import settings_with, sign_in_as
from tests.lists_kit import HOSTILE, Lists, running_lists
from tests.postgres import open_folder

WALL_TOKEN = "w" * 24


def away(_filters: Filters) -> HeatView:
    raise StoreError("the database does not answer")


@contextmanager
def client(server: WallServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.address, follow_redirects=False, timeout=20, trust_env=False) as made:
        yield made


@pytest.fixture
def server() -> Iterator[WallServer]:
    with wall_server() as made:
        yield made


@pytest.fixture(scope="module")
def lists(embedded_url: str) -> Iterator[Lists]:
    with open_folder() as var, running_lists(embedded_url, var) as running:
        yield running


def test_the_real_application_over_its_store(lists: Lists) -> None:
    """Alerts, decisions and fetches come out of PostgreSQL as the screen shows them."""
    with httpx.Client(base_url=lists.address, timeout=20, trust_env=False) as screen:
        page, answer = screen.get("/wall?domain=all"), screen.get("/wall/state?domain=all")
    assert page.status_code == answer.status_code == 200
    state = answer.json()
    rows = {row["key"]: row["html"] for row in state["rows"]}
    assert len(rows) == 7
    assert "DEMO: invented data" in state["regions"]["mode"]
    assert "ALERTED" in rows["ivo-marsh"]
    assert "source fault" in rows["odalys-brightwater"], "the first alert was marked as one"
    assert "Ivo Marsh" in state["alert"]["html"]
    assert "Orson Tate" in page.text
    assert HOSTILE not in page.text + answer.text
    assert answer.headers["et-speed"] == f"{lists.runtime.world.speed:g}"
    now = lists.runtime.world.clock.now().timestamp() * 1000
    assert abs(int(answer.headers["et-now"]) - now) < 600_000


def test_the_page_may_not_compile_nor_fetch_elsewhere(server: WallServer) -> None:
    with client(server) as screen:
        page = screen.get("/wall")
    policy = page.headers["content-security-policy"]
    assert "unsafe-eval" not in policy
    assert "connect-src 'self'" in policy
    nonce = re.search(r"'nonce-([0-9a-f]+)'", policy)
    assert nonce is not None
    scripts = re.findall(r"<script([^>]*)>", page.text)
    assert len(scripts) == 3
    assert all("src=" in one or f'nonce="{nonce[1]}"' in one or "application/json" in one for one in scripts)
    assert not re.search(r"(src|href)=.https?:", page.text)
    assert 'data-assets="' + wall_feed.version() in page.text


def test_who_has_it_gets_304_with_the_time(server: WallServer) -> None:
    with client(server) as screen:
        first = screen.get("/wall/state")
        plain = screen.get("/wall/state", headers={"Accept-Encoding": "identity"})
        assert (first.headers["content-encoding"], plain.headers.get("content-encoding")) == ("gzip", None)
        assert plain.json() == first.json()
        assert int(first.headers["content-length"]) < int(plain.headers["content-length"]) / 4
        had = {"If-None-Match": first.headers["etag"]}
        server.clock.advance(timedelta(seconds=7))
        again = screen.get("/wall/state", headers=had)
        assert (again.status_code, again.content) == (304, b"")
        assert int(again.headers["et-now"]) - int(first.headers["et-now"]) == 7000
        server.advance()
        changed = screen.get("/wall/state", headers=had)
        assert changed.status_code == 200
        assert changed.json()["as_of"] - first.json()["as_of"] == 600_000
        heartbeat = server.board.version
        server.publish()
        assert screen.get("/wall/state", headers={"If-None-Match": changed.headers["etag"]}).status_code == 304
        assert server.board.version > heartbeat, "a heartbeat without news is no news"


def test_many_screens_cost_one_read(server: WallServer) -> None:
    """Fifty screens, two addresses that differ in looks only and one that differs in content."""
    paths = ["/wall/state?tz=UTC", "/wall/state?tz=UTC&theme=day", "/wall/state?tz=UTC&rows=5"]
    with client(server) as screen, ThreadPoolExecutor(16) as threads:
        found = list(threads.map(lambda at: screen.get(paths[at % 3]).status_code, range(51)))
        assert set(found) == {200}
        assert server.reads == 2
        assert server.reader.calls.count("heat") == 2
        server.advance()
        list(threads.map(lambda at: screen.get(paths[at % 3]), range(51)))
        assert server.reads == 4


def test_addresses_do_not_pile_up(server: WallServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wall_feed, "KEPT", 4)
    with client(server) as screen:
        for at in range(7):
            assert screen.get(f"/wall/state?rows={at + 1}").status_code == 200
    feed = server.app.state.wall
    assert len(feed._kept) == 4
    assert feed._under_way == {}


def test_what_an_address_gets_wrong_costs_no_read(server: WallServer) -> None:
    with client(server) as screen:
        screen.get("/wall/state")
        for at in range(5):
            notes = screen.get(f"/wall/state?tz=Mars/Base{at}&p{at}=1").json()["regions"]["notes"]
            assert f"p{at}: no such setting" in notes
        assert "no such setting" not in screen.get("/wall/state").text
    assert server.reads == 1
    assert len(server.app.state.wall._kept) == 1


def test_the_speed_is_that_of_the_moment(server: WallServer) -> None:
    with client(server) as screen:
        assert screen.get("/wall/state").headers["et-speed"] == "1"
        server.speed = 0.0
        assert screen.get("/wall/state").headers["et-speed"] == "0"


def test_what_stands_beside_one_board_is_not_shown_beside_another(
    server: WallServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed: wall_feed.WallFeed = server.app.state.wall
    one, other, now = Filters(limit=5), Filters(limit=9, domains=None), server.clock.now()
    server.told = Told((), {1: "held"})
    assert feed._look(one, now)[1:] == (server.told, "")
    server.told = Told((), {2: "held"})
    assert feed._look(other, now)[1:] == (server.told, "")
    monkeypatch.setattr(server.reader, "heat", away)
    server.board.version += 1
    assert feed._look(one, now)[1:] == (Told((), {1: "held"}), wall_feed.UNREADABLE)


def test_without_a_store_a_wall_shows_no_other_filters_names(
    server: WallServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed, now = server.app.state.wall, server.clock.now()
    everything = server.board.view(Filters(domains=None, limit=50))
    assert len(everything.items) > 3
    monkeypatch.setattr(server.reader, "heat", away)
    assert feed._look(Filters(limit=3), now)[0].items == ()
    view = feed._look(Filters(domains=None, limit=3), now)[0]
    assert view.items == everything.items[:3]


def test_a_fault_of_ours_is_not_the_database_s(server: WallServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def faulty(_filters: Filters) -> HeatView:
        raise KeyError("slug")

    monkeypatch.setattr(server.reader, "heat", faulty)
    with client(server) as screen:
        notes = screen.get("/wall/state").json()["regions"]["notes"]
    assert "something went wrong; it is in the log" in notes
    assert "database" not in notes


def test_without_its_database_the_wall_says_so_and_goes_on(server: WallServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with client(server) as screen:
        live = screen.get("/wall/state").json()
        monkeypatch.setattr(server.reader, "heat", away)
        server.advance()
        state = screen.get("/wall/state").json()
        assert "could not be read" in state["regions"]["notes"]
        assert [row["key"] for row in state["rows"]] == [row["key"] for row in live["rows"]]
        assert state["as_of"] == live["as_of"], "old data keeps its time"
        assert screen.get("/wall").status_code == 200
        monkeypatch.undo()
        server.advance()
        assert "could not be read" not in screen.get("/wall/state").json()["regions"]["notes"]


def test_begun_without_a_database(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = SampleReader()
    monkeypatch.setattr(reader, "heat", away)
    with wall_server(reader) as server, client(server) as screen:
        state = screen.get("/wall/state").json()
        assert (state["rows"], state["as_of"]) == ([], None)
        assert "could not be read" in state["regions"]["empty"]
        assert "DEMO: invented data" in state["regions"]["mode"], (
            "what is invented is called so before anything is known"
        )
        assert screen.get("/wall").status_code == 200


def test_a_slow_database_holds_nobody(monkeypatch: pytest.MonkeyPatch, server: WallServer) -> None:
    """Whoever asks meanwhile gets the last state; who comes first of all a page to start from, and a 503 for the state."""
    go = threading.Event()
    was = server.reader.heat

    def slow(filters: Filters) -> HeatView:
        go.wait(20)
        return was(filters)

    with client(server) as screen:
        first = screen.get("/wall/state").json()
        monkeypatch.setattr(wall_feed, "PATIENCE_S", 0.1)
        monkeypatch.setattr(server.reader, "heat", slow)
        server.advance()
        assert screen.get("/wall/state").json() == first
        assert screen.get("/wall/state?rows=3").status_code == 503
        assert "<h1>" not in screen.get("/wall?rows=3").text
        go.set()
        assert screen.get("/wall/state?rows=3").status_code in (200, 503)


def test_the_wall_s_own_cookie_outlives_a_sign_in(tmp_path: Path) -> None:
    settings = settings_with(tmp_path, wall_token=WALL_TOKEN)
    with wall_server(settings=settings) as server, client(server) as screen:
        assert screen.get("/wall").status_code == 302
        assert screen.get("/wall/state").status_code == 401, "a program is told, not led to a page of sign-in"
        answer = screen.get(f"/auth/wall?token={WALL_TOKEN}")
        assert (answer.status_code, answer.headers["location"]) == (303, "/wall")
        for path in ("/wall", "/wall/state", "/wall?rows=3", "/api/v1/heat"):
            assert screen.get(path).status_code == 200, path
        for path in ("/", "/static/js/bokeh.min.js", "/api/v1/sources", "/wallpaper"):
            assert screen.get(path).status_code == 403, path
        sign_in_as(screen, "viewer")
        assert screen.get("/wall/state").status_code == 200
        screen.cookies.delete("et_session")
        assert screen.get("/wall/state").status_code == 200, "the guest goes on where the session ended"
