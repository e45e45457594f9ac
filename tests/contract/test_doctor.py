"""The doctor against the stand-ins, over HTTP: what is there, what is missing and what is wrong, and never a secret."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from heatmap_app.doctor import Check, base_checks, check_public, run_checks
from heatmap_app.doctor_upstreams import check_source, upstream_checks
from pipelines.ingest.breaker import Breaker, Rules, Throttled, step
from pipelines.ingest.guard_state import PREFIX, GuardState, to_json
from pipelines.settings import Settings, load_settings
from pipelines.store import Store
from tests.postgres import open_folder
from tests.processes import heatmap
from tests.upstreams import apify, reddit, slack, trades, trends
from tests.upstreams.server import Upstream, too_many

CANARY = "canary-hunter22-secret"


@pytest.fixture(scope="module")
def upstreams() -> Iterator[dict[str, Upstream]]:
    """Every stand-in on a port of its own."""
    apps: dict[str, Any] = {
        "reddit": reddit.moving_app(), "trends": trends.moving_app(), "apify": apify.moving_app(),
        "trades": trades.moving_app(), "slack": slack.Slack().app,
    }  # fmt: skip
    opened = {name: Upstream(app).__enter__() for name, app in apps.items()}
    yield opened
    for one in opened.values():
        one.__exit__(None, None, None)


def settings_for(upstreams: dict[str, Upstream], **more: Any) -> Settings:
    """Live settings that point at the stand-ins."""
    given: dict[str, Any] = {
        "mode": "live",
        "database_url": "postgresql://u@127.0.0.1:9/d",
        "reddit": {"url": upstreams["reddit"].url, "client_id": reddit.CLIENT_ID, "client_secret": reddit.CLIENT_SECRET},
        "trends": {"url": upstreams["trends"].url},
        "tiktok": {"url": upstreams["apify"].url, "token": apify.TOKEN},
        "trades": {"feeds": (f"{upstreams['trades'].url}/feed/",)},
        "slack": {"url": f"{upstreams['slack'].url}/api/", "bot_token": slack.TOKEN, "channel": slack.CHANNEL},
    }  # fmt: skip
    for name, values in more.items():
        given[name] = {**given.get(name, {}), **values} if isinstance(values, dict) else values
    return load_settings(**given)


async def ask(settings: Settings, *names: str) -> dict[str, Check]:
    """The checks of that name, as the command runs them."""
    asks = {name: one for name, one in upstream_checks(settings).items() if not names or name in names}
    return {check.name: check for check in await run_checks(settings, asks, lambda: None)}


async def test_everything_that_is_set_up_answers(upstreams: dict[str, Upstream]) -> None:
    found = await ask(settings_for(upstreams))
    standings = {name: check.standing for name, check in found.items()}
    assert {standings[name] for name in ("reddit", "trends", "tiktok", "trades", "slack token", "slack channel")} == {
        "ok"
    }
    assert (standings["rundown"], standings["writer"]) == ("missing", "missing")
    assert "items in" in found["reddit"].line
    assert not upstreams["apify"].requests("/runs")  # a run costs money
    assert not upstreams["slack"].requests("chat.postMessage")
    assert len(upstreams["reddit"].requests("/hot")) == 1


async def test_what_is_not_configured_names_its_variables(upstreams: dict[str, Upstream]) -> None:
    settings = settings_for(upstreams, reddit={"client_id": ""}, tiktok={"token": ""}, slack={"bot_token": ""})
    found = await ask(settings, "reddit", "tiktok", "slack")
    assert {check.standing for check in found.values()} == {"missing"}
    assert "HEATMAP_REDDIT__CLIENT_ID" in found["reddit"].line
    assert "HEATMAP_TIKTOK__TOKEN" in found["tiktok"].line
    assert "HEATMAP_SLACK__BOT_TOKEN" in found["slack"].line


async def test_refused_credentials_are_wrong_and_never_shown(upstreams: dict[str, Upstream]) -> None:
    settings = settings_for(
        upstreams, reddit={"client_secret": CANARY}, tiktok={"token": CANARY}, slack={"bot_token": f"xoxb-{CANARY}"}
    )
    found = await ask(settings, "reddit", "tiktok", "slack")
    assert {check.standing for check in found.values()} == {"wrong"}, found
    assert CANARY not in str(found)
    assert "HEATMAP_TIKTOK__TOKEN" in found["tiktok"].line


async def test_a_feed_that_is_gone_and_a_source_that_is_not_there(upstreams: dict[str, Upstream]) -> None:
    closed = "http://127.0.0.1:9"
    feeds = (f"{upstreams['trades'].url}/feed/", f"{closed}/feed/?key={CANARY}")
    settings = settings_for(upstreams, trades={"feeds": feeds}, trends={"url": closed}, tiktok={"url": closed})
    found = await ask(settings, "trades", "trends", "tiktok")
    assert {check.standing for check in found.values()} == {"wrong"}, found
    assert "cannot connect" in found["trends"].line
    assert CANARY not in str(found)


async def test_a_throttled_source_is_set_up_right(upstreams: dict[str, Upstream]) -> None:
    upstreams["trends"].plan("/trending", too_many("120"))
    found = await check_source(settings_for(upstreams), "trends")
    assert found.standing == "ok"
    assert "throttled" in found.line


async def test_u1_a_source_that_asked_for_patience_is_not_asked(
    upstreams: dict[str, Upstream], embedded_url: str
) -> None:
    store = Store.open(embedded_url, "live")
    store.upgrade()
    try:
        now = datetime.now(UTC)
        known, _ = step(Breaker(), Throttled(0, 600.0), now, Rules())
        for name in ("trends", "tiktok"):
            store.source_state.put(PREFIX + name, to_json(GuardState(known)))
        before = len(upstreams["trends"].log), len(upstreams["apify"].log)
        found = await ask(settings_for(upstreams, database_url=embedded_url), "trends", "trades", "tiktok")
        assert (len(upstreams["trends"].log), len(upstreams["apify"].log)) == before
        for name in ("trends", "tiktok"):
            assert found[name].standing == "ok"
            assert "throttled" in found[name].line
        assert "items" in found["trades"].line
        kept = store.source_state.get(f"{PREFIX}trends")
        assert kept == to_json(GuardState(known)), "the doctor changes nothing"
        assert not store.source_state.get(f"{PREFIX}trades")
    finally:
        for name in ("trends", "tiktok"):
            store.source_state.put(PREFIX + name, {})
        store.close()


async def test_the_rundown_is_looked_for_and_gets_no_card(upstreams: dict[str, Upstream]) -> None:
    for url, standing in (
        ("http://127.0.0.1:9/cards", "wrong"),
        (f"{upstreams['trends'].url}/cards", "ok"),
    ):  # fmt: skip
        found = await ask(settings_for(upstreams, slack={"rundown_url": url}), "rundown")
        assert found["rundown"].standing == standing, found


async def test_the_base(tmp_path: Path, database_url: str) -> None:
    Store.open(database_url, "live").upgrade()
    settings = load_settings(mode="live", database_url=database_url, var_dir=tmp_path)
    found = {check.name: check for check in await run_checks(settings, base_checks(settings), lambda: None)}
    assert {name: check.standing for name, check in found.items()} == {
        "database": "ok", "storage": "ok", "cache": "missing", "sign-in": "ok", "public address": "missing",
    }  # fmt: skip
    assert "PostgreSQL" in found["database"].line
    assert "at step" in found["database"].line


async def test_a_base_that_is_wrong() -> None:
    down = load_settings(
        database_url=f"postgresql://u:{CANARY}@127.0.0.1:9/d", redis_url=f"redis://:{CANARY}@127.0.0.1:9"
    )
    found = await run_checks(
        down, {name: one for name, one in base_checks(down).items() if name != "storage"}, lambda: None
    )
    by_name = {check.name: check for check in found}
    assert by_name["database"].standing == "wrong"
    assert "HEATMAP_REDIS_URL" in by_name["cache"].line
    assert CANARY not in str(found)
    assert check_public(load_settings(public_url="ftp://x")).standing == "wrong"
    open_host = load_settings(host="0.0.0.0")
    (beyond,) = await run_checks(open_host, {"sign-in": base_checks(open_host)["sign-in"]}, lambda: None)
    assert (beyond.standing, "HEATMAP_AUTH__METHOD" in beyond.line) == ("wrong", True)


@pytest.mark.slow
def test_the_command(upstreams: dict[str, Upstream], embedded_url: str) -> None:
    settings = {
        "MODE": "live", "DATABASE_URL": embedded_url, "TRENDS__URL": upstreams["trends"].url,
        "TRADES__FEEDS": f'["{upstreams["trades"].url}/feed/"]', "REDIS_URL": "redis://127.0.0.1:9",
    }  # fmt: skip
    with open_folder() as var:
        bad = heatmap("doctor", "--json", var=var, settings=settings)
        good = heatmap("doctor", var=var, settings={**settings, "REDIS_URL": ""})
    told = json.loads(bad.stdout)
    assert (bad.returncode, told["ok"]) == (1, False)
    assert [check["name"] for check in told["checks"] if check["standing"] == "wrong"] == ["cache"]
    assert good.returncode == 0, good.stdout + good.stderr
    assert good.stderr.strip().endswith("Nothing is wrong.")
    assert "missing" in good.stdout
