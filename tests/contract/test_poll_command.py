"""`heatmap poll` as an operator meets it: the real clients against all stand-ins, good days and bad ones."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner, Result

from heatmap_app.cli import app
from tests.postgres import var_folder
from tests.processes import Running, environment, heatmap, serving
from tests.upstreams import apify, reddit, trades, trends
from tests.upstreams.server import Upstream, drip, html, huge, raw, reset, too_many, truncated

pytestmark = pytest.mark.slow

PLATFORMS_AND_TRADES = ("reddit", "trends", "tiktok", "trades")


@pytest.fixture
def var() -> Iterator[Path]:
    with var_folder() as folder:
        yield folder


@contextmanager
def all_upstreams() -> Iterator[dict[str, Upstream]]:
    apps = {
        "reddit": reddit.moving_app,
        "trends": trends.moving_app,
        "tiktok": apify.moving_app,
        "trades": trades.moving_app,
    }
    with ExitStack() as stack:
        yield {name: stack.enter_context(Upstream(make())) for name, make in apps.items()}


@pytest.fixture
def upstreams() -> Iterator[dict[str, Upstream]]:
    with all_upstreams() as made:
        yield made


@dataclass
class Desk:
    """Stand-ins, and a server that only shows pages over the database the polls write to."""

    var: Path
    upstreams: dict[str, Upstream]
    server: Running

    @property
    def settings(self) -> dict[str, str]:
        return settings(self.upstreams)


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    with (
        var_folder() as folder,
        all_upstreams() as made,
        serving("serve", "--no-schedule", var=folder, settings=settings(made)) as server,
    ):
        yield Desk(folder, made, server)


def settings(upstreams: dict[str, Upstream]) -> dict[str, str]:
    return {
        "MODE": "live",
        "REDDIT__URL": upstreams["reddit"].url, "REDDIT__CLIENT_ID": reddit.CLIENT_ID,
        "REDDIT__CLIENT_SECRET": reddit.CLIENT_SECRET, "REDDIT__FEEDS": '["all", "movies"]', "REDDIT__TIMEOUT_SECONDS": "4",
        "TRENDS__URL": upstreams["trends"].url, "TRENDS__TIMEOUT_SECONDS": "4",
        "TIKTOK__URL": upstreams["tiktok"].url, "TIKTOK__TOKEN": apify.TOKEN, "TIKTOK__TIMEOUT_SECONDS": "4",
        "TIKTOK__DAILY_CHARGE_USD": "100",
        "TRADES__FEEDS": json.dumps([upstreams["trades"].url + "/feed/"]), "TRADES__TIMEOUT_SECONDS": "4",
    }  # fmt: skip


def poll(var: Path, given: dict[str, str], *arguments: str) -> dict[str, Any]:
    """The command in a process of its own."""
    done = heatmap("poll", "--json", *arguments, var=var, settings=given)
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def command(var: Path, given: dict[str, str], *arguments: str) -> Result:
    """The same command in this process, which need not import everything anew."""
    kept = {name: None for name in os.environ if name.startswith("HEATMAP_")}
    env = kept | {name: value for name, value in environment(var, given).items() if name.startswith("HEATMAP_")}
    with capture_logs():
        return CliRunner().invoke(app, list(arguments), env=env)


def polled(var: Path, given: dict[str, str], *arguments: str) -> dict[str, Any]:
    """The report of a poll in this process."""
    done = command(var, given, "poll", "--json", *arguments)
    assert done.exit_code == 0, (done.output, done.exception)
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def test_a_good_day_and_what_is_due(var: Path, upstreams: dict[str, Upstream]) -> None:
    given = settings(upstreams)
    first = poll(var, given)
    assert set(first) == {"at", "sources", "scored", "alerts"}
    assert set(first["sources"]) == set(PLATFORMS_AND_TRADES)
    for name, did in first["sources"].items():
        assert set(did) == {"outcome", "items", "new_items", "ms", "detail"}
        assert did["outcome"] == "ok", (name, did)
        assert did["new_items"] > 0, (name, did)
    assert not upstreams["reddit"].requests("/comments/"), "a hidden request per post"

    again = polled(var, given)
    assert again["sources"] == {}, "nothing is due a moment later"
    forced = polled(var, given, "--force", "--source", "trades")
    assert set(forced["sources"]) == {"trades"}
    assert forced["sources"]["trades"]["new_items"] == 0

    recorded = pl.read_parquet(next((var / "recordings").rglob("part-*-reddit-*.parquet")))
    assert recorded["source"].unique().to_list() == ["reddit"]
    assert "author" not in recorded.columns


@pytest.mark.parametrize(
    ("source", "match", "fault"),
    [
        pytest.param("reddit", "/r/", html(), id="reddit: HTML instead of JSON"),
        pytest.param("reddit", "/r/", huge(), id="reddit: 50 MB"),
        pytest.param("reddit", "/r/", truncated(b'{"kind": "Listing", "data": {"children": ['), id="reddit: truncated"),
        pytest.param("trends", "/trending/rss", raw(b"", "application/rss+xml"), id="trends: empty"),
        pytest.param("trends", "/trending/rss", html(), id="trends: consent page"),
        pytest.param("trends", "/trending/rss", too_many("1"), id="trends: 429"),
        pytest.param(
            "trends", "/trending/rss", raw(b"\xff\xfe\x00<rss", "application/rss+xml"), id="trends: wrong charset"
        ),
        pytest.param("trades", "/feed", reset(), id="trades: connection reset"),
        pytest.param("trades", "/feed", drip(), id="trades: slow drip"),
        pytest.param("trades", "/feed", raw(b"<rss><chan", "application/rss+xml"), id="trades: malformed"),
        pytest.param("tiktok", "/v2/", raw(b'{"data": NaN', "application/json"), id="tiktok: broken JSON"),
    ],
)
def test_one_bad_upstream_is_one_audit_row_and_the_others_go_on(
    desk: Desk, source: str, match: str, fault: Any
) -> None:
    for upstream in desk.upstreams.values():
        upstream.reset()
    before = len(desk.server.get(f"/api/v1/audit?source={source}&limit=500").json["items"])
    desk.upstreams[source].plan(match, fault, repeat=True)
    report = polled(desk.var, desk.settings, "--force")
    bad = report["sources"].pop(source)
    assert bad["outcome"] in {"failed", "throttled", "empty", "degraded"}, bad
    assert bad["items"] == 0
    assert bad["detail"]
    assert "\n" not in bad["detail"]
    assert apify.TOKEN not in bad["detail"]
    assert {did["outcome"] for did in report["sources"].values()} <= {"ok", "not_modified"}, report
    rows = desk.server.get(f"/api/v1/audit?source={source}&limit=500").json["items"]
    assert len(rows) == before + 1
    assert rows[0]["outcome"] == bad["outcome"]
    health = {row["source"]: row for row in desk.server.get("/api/v1/sources").json["items"]}
    assert health[source]["line"]
    assert health[source]["last_attempt"] == rows[0]["at"]


def test_without_credentials_the_rest_runs_and_says_what_to_set(desk: Desk) -> None:
    var, given = desk.var, desk.settings
    for upstream in desk.upstreams.values():
        upstream.reset()
    for name in ("REDDIT__CLIENT_ID", "REDDIT__CLIENT_SECRET", "TIKTOK__TOKEN"):
        given.pop(name)
    report = polled(var, given, "--force")
    assert report["sources"]["reddit"]["outcome"] == "not_configured"
    assert "HEATMAP_REDDIT__CLIENT_ID" in report["sources"]["reddit"]["detail"]
    assert "HEATMAP_TIKTOK__TOKEN" in report["sources"]["tiktok"]["detail"]
    assert report["sources"]["trends"]["outcome"] in {"ok", "not_modified"}
    assert report["sources"]["trades"]["outcome"] in {"ok", "not_modified"}
    table = command(var, given, "poll", "--force", "--source", "tiktok")
    assert "HEATMAP_TIKTOK__TOKEN" in table.stdout
    wrong = heatmap("poll", "--source", "myspace", var=var, settings=given)
    assert wrong.returncode == 1
    assert "reddit, trends, tiktok, trades" in wrong.stderr


def test_record_appends_polls_to_a_file_that_replays(desk: Desk, tmp_path: Path) -> None:
    for upstream in desk.upstreams.values():
        upstream.reset()
    file = tmp_path / "morning.parquet"
    done = command(desk.var, desk.settings, "record", str(file), "--rounds", "1")
    assert done.exit_code == 0, (done.output, done.exception)
    frame = pl.read_parquet(file)
    assert frame.columns[:10] == [
        "poll_at", "source", "feed", "item_id", "title", "url", "published_at", "engagement", "rank", "names",
    ]  # fmt: skip
    assert set(frame["source"]) == set(PLATFORMS_AND_TRADES)
    with serving("replay", str(file), "--speed", "100000", var=desk.var) as server:
        board = server.wait_for_board()
        assert board["mode"] == "replay"
