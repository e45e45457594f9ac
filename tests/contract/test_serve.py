"""The server as its users meet it: a process that prints an address, answers, and stops."""

from __future__ import annotations

import csv
import io
import socket
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.postgres import open_folder, var_folder
from tests.processes import Running, heatmap, serving

pytestmark = pytest.mark.slow

DEMO = {"MODE": "demo"}


@pytest.fixture
def var() -> Iterator[Path]:
    """A folder the embedded server's own user may pass through, as a checkout is."""
    with open_folder() as folder:
        yield folder


@pytest.fixture(scope="module")
def demo() -> Iterator[Running]:
    with var_folder() as var, serving(var=var, settings=DEMO) as server:
        server.wait_for_board()
        yield server


def test_the_board_has_the_promised_shape(demo: Running) -> None:
    board = demo.get("/api/v1/heat?limit=5&domain=all").json
    assert board["mode"] == "demo"
    assert datetime.fromisoformat(board["as_of"]).utcoffset() is not None
    assert isinstance(board["stale"], bool)
    item = board["items"][0]
    assert set(item) >= {
        "rank", "entity", "heat", "raw", "velocity_z", "spread", "spread_count", "affect", "confidence", "confidence_parts",
        "peak_at", "hours_since_peak", "eligible", "passes", "gates", "first_seen", "platforms", "trades", "history",
    }  # fmt: skip
    assert set(item["entity"]) >= {"id", "slug", "name", "kind", "domain", "aliases"}
    assert set(item["gates"]) == {"velocity", "spread", "persistence"}
    assert set(item["trades"]) == {"first_at", "lead_hours"}
    assert len(item["history"]) == 24
    assert set(item["history"][0]) == {"hour", "heat", "velocity_z", "spread", "affect"}
    (platform, *_) = item["platforms"].values()
    assert set(platform) >= {"z", "x", "mu", "s", "windows", "baseline_hours", "mentions"}
    assert [row["heat"] for row in board["items"]] == sorted((row["heat"] for row in board["items"]), reverse=True)


def test_raw_is_the_sum_it_says(demo: Running) -> None:
    for item in demo.get("/api/v1/heat?limit=20&domain=all").json["items"]:
        raw = 0.5 * item["velocity_z"] + 0.3 * item["spread"] + 0.2 * item["affect"]
        assert item["raw"] == pytest.approx(raw, abs=1e-9)


def test_filters_and_sorting(demo: Running) -> None:
    sort = demo.get("/api/v1/heat?sort=velocity&domain=all&limit=50").json["items"]
    assert [row["velocity_z"] for row in sort] == sorted((row["velocity_z"] for row in sort), reverse=True)
    gated = demo.get("/api/v1/heat?min_velocity=2.5&min_spread=2&domain=all").json["items"]
    assert all(row["velocity_z"] >= 2.5 and row["spread_count"] >= 2 for row in gated)
    sport = demo.get("/api/v1/heat?domain=sport&limit=200").json["items"]
    assert all(row["entity"]["domain"] == "sport" for row in sport)
    default = demo.get("/api/v1/heat?limit=200").json["items"]
    assert {row["entity"]["domain"] for row in default} <= {"entertainment", "unclassified"}


def test_an_entity_opens_down_to_its_links(demo: Running) -> None:
    slug = demo.get("/api/v1/heat").json["items"][0]["entity"]["slug"]
    entity = demo.get(f"/api/v1/entities/{slug}").json
    assert entity["entity"]["slug"] == slug
    assert {"provenance", "related", "alerts", "package"} <= set(entity)
    page = demo.get(f"/api/v1/entities/{slug}/receipts?limit=3").json
    seen: list[dict[str, Any]] = page["items"]
    assert set(seen[0]) >= {
        "source", "feed", "item_id", "title", "url", "published_at", "observed_at", "engagement", "sentiment",
    }  # fmt: skip
    while page["next_cursor"]:
        page = demo.get(f"/api/v1/entities/{slug}/receipts?limit=50&cursor={page['next_cursor']}").json
        seen += page["items"]
    assert len({(row["source"], row["item_id"]) for row in seen}) == len(seen)
    assert all(row["url"].startswith("https://") for row in seen if row["url"])
    history = demo.get(f"/api/v1/entities/{slug}/history?hours=12").json["items"]
    assert len(history) == 12
    found = demo.get(f"/api/v1/entities?q={slug.split('-')[1]}").json["items"]
    assert slug in {row["slug"] for row in found}


def test_health_docs_and_csv(demo: Running) -> None:
    assert demo.get("/healthz").json == {"status": "ok"}
    deadline = time.monotonic() + 30  # a demo that has fallen behind says so until it has caught up
    while (ready := demo.get("/readyz").json)["stale"] and time.monotonic() < deadline:
        time.sleep(0.2)
    assert (ready["status"], ready["role"], ready["stale"]) == ("ready", "leader", False)
    sources = demo.get("/api/v1/sources").json["items"]
    assert {row["source"] for row in sources} == {"reddit", "trends", "tiktok", "trades"}
    assert all(row["line"] for row in sources)
    assert "//cdn" not in demo.get("/docs").text
    assert "/api/v1/heat" in demo.get("/openapi.json").json["paths"]
    rows = list(csv.DictReader(io.StringIO(demo.get("/api/v1/heat.csv").text)))
    assert rows[0]["rank"] == "1"
    assert not any(cell.startswith(("=", "+", "@")) for row in rows for cell in row.values())


@pytest.mark.parametrize(
    ("path", "status", "word"),
    [
        ("/api/v1/heat?limit=0", 422, "limit"),
        ("/api/v1/heat?sort=nope", 422, "sort"),
        ("/api/v1/heat?domain=nope", 422, "domain"),
        ("/api/v1/heat?min_velocity=nan", 422, "min_velocity"),
        ("/api/v1/heat?at=2026-01-01T00:00:00", 422, "zone"),
        ("/api/v1/entities/no-such-name", 404, "no-such-name"),
        ("/api/v1/entities/no-such-name/receipts", 404, "no-such-name"),
        ("/api/v1/entities/no-such-name/history", 404, "no-such-name"),
        ("/api/v1/nothing", 404, "Not Found"),
    ],
)
def test_errors_are_problem_documents(demo: Running, path: str, status: int, word: str) -> None:
    answer = demo.get(path)
    assert answer.status == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["status"] == status
    assert word in answer.json["detail"]


def test_a_cursor_that_is_not_ours_is_refused(demo: Running) -> None:
    slug = demo.get("/api/v1/heat").json["items"][0]["entity"]["slug"]
    assert demo.get(f"/api/v1/entities/{slug}/receipts?cursor=xyz").status == 400


def test_the_board_moves_by_itself(demo: Running) -> None:
    first = demo.get("/api/v1/heat").json["as_of"]
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline:
        if demo.get("/api/v1/heat").json["as_of"] > first:
            return
        time.sleep(0.5)
    raise AssertionError("no new scoring poll in 40 s")


def test_the_page_is_there_at_once(demo: Running) -> None:
    page = demo.get("/")
    assert page.status == 200
    assert "DEMO" in page.text
    assert "https://cdn" not in page.text


def test_stops_on_sigterm_and_goes_on_where_it_was(var: Path) -> None:
    with serving(var=var, settings=DEMO, fresh=True) as first:
        while first.get("/api/v1/replay").json["state"] != "playing":  # one stopped while it reads in begins anew
            time.sleep(0.2)
        before = first.wait_for_board()["as_of"]
        assert first.stop() == 0
    with serving(var=var, settings=DEMO) as second:
        board = second.get("/api/v1/heat").json
        assert board["items"]
        assert board["as_of"] >= before


def test_a_taken_port_is_one_line(var: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = heatmap("serve", var=var, settings={**DEMO, "PORT": port})
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert port in done.stderr
    assert "HEATMAP_PORT" in done.stderr
    assert not list(var.iterdir())


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"PORT": "many"}, ("port", "HEATMAP_PORT")),
        ({"PROT": "5006"}, ("HEATMAP_PROT", "unknown setting")),
        ({"MODE": "dmeo"}, ("mode", "HEATMAP_MODE")),
        ({"REDDIT__FEEDS": "all"}, ("JSON list", "HEATMAP_REDDIT__FEEDS")),
        ({"HOST": "0.0.0.0"}, ("host", "loopback")),
        ({"DATABASE_URL": "mysql://u:hunter22@h/d"}, ("database URL", "postgresql")),
        ({"DATABASE_URL": "postgresql://u:hunter22@127.0.0.1:1/d"}, ("database",)),
    ],
)
def test_g1_g2_a_wrong_setting_is_one_line(var: Path, settings: dict[str, str], words: tuple[str, ...]) -> None:
    done = heatmap("serve", var=var, settings=settings)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1, done.stderr
    assert all(word in done.stderr for word in words), done.stderr
    assert "hunter22" not in done.stderr
