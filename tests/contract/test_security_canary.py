"""No secret ever shows: every secret setting holds a word of its own, everything fails, and nothing may contain one."""

from __future__ import annotations

import base64
import itertools
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr
from starlette.types import Receive, Scope, Send

from heatmap_app.logs import Redact, secrets
from pipelines.settings import Settings, load_settings
from tests.contract.security_kit import USERS
from tests.postgres import var_folder
from tests.processes import ROOT, Running, heatmap, serving
from tests.upstreams.server import Upstream, html, raw, reset, too_many

pytestmark = pytest.mark.slow


def canary(name: str) -> str:
    return f"canary{name.replace('_', '').lower()}Zq7" + "x" * 24


SECRETS = {
    "REDDIT__CLIENT_SECRET": canary("reddit"),
    "TIKTOK__TOKEN": "apify_api_" + canary("tiktok"),
    "SLACK__BOT_TOKEN": "xoxb-" + canary("bot"),
    "SLACK__SIGNING_SECRET": canary("signing"),
    "SLACK__APP_TOKEN": "xapp-" + canary("app"),
    "WRITER__KEY": canary("writer"),
    "AUTH__COOKIE_SECRET": canary("cookie"),
    "AUTH__OIDC_CLIENT_SECRET": canary("oidc"),
    "AUTH__WALL_TOKEN": canary("wall"),
    "AUTH__METRICS_TOKEN": canary("metrics"),
}


class Failing:
    """Answers everything with the next of its faults; some throw the caller's own credentials back."""

    def __init__(self) -> None:
        self._next = itertools.count()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        told = " ".join(value.decode("latin-1") for _, value in scope["headers"]) + scope["query_string"].decode()
        echo = json.dumps({"error": {"type": "invalid-token", "message": told}, "ok": False, "message": told}).encode()
        faults = (
            raw(echo, status=401),
            too_many("1"),
            reset(),
            raw(echo, status=500),
            html(),
            raw(echo),
            raw(b"{", status=200),
            raw(echo, status=403),
        )
        await faults[next(self._next) % len(faults)](scope, receive, send)


def names_of_secrets(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        kind: Any = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from names_of_secrets(kind, f"{prefix}{name}__".upper())
        elif kind is SecretStr or SecretStr in getattr(kind, "__args__", ()):
            yield f"{prefix}{name}".upper()


def test_every_secret_setting_has_a_canary() -> None:
    elsewhere = {"DATABASE_URL", "REDIS_URL", "SLACK__WEBHOOK_URL", "AUTH__USERS"}
    assert set(names_of_secrets(Settings)) == set(SECRETS) | elsewhere


def settings_for(upstream: Upstream) -> dict[str, str]:
    return SECRETS | {
        "MODE": "live", "LOG_LEVEL": "debug", "REDDIT__CLIENT_ID": "client", "REDDIT__URL": upstream.url,
        "TRENDS__URL": upstream.url, "TIKTOK__URL": upstream.url, "SLACK__URL": upstream.url + "/api/",
        "SLACK__CHANNEL": "C0123456", "SLACK__WEBHOOK_URL": f"{upstream.url}/services/{canary('webhook')}",
        "SLACK__RUNDOWN_URL": upstream.url + "/cards", "WRITER__URL": upstream.url + "/v1", "WRITER__MODEL": "m",
        "TRADES__FEEDS": json.dumps([upstream.url + "/feed"]), "REDIS_URL": f"redis://:{canary('redis')}@127.0.0.1:1/0",
        "REDDIT__POLL_SECONDS": "10", "TRENDS__POLL_SECONDS": "10", "TIKTOK__POLL_SECONDS": "10", "TRADES__POLL_SECONDS": "10",
        "AUTH__USERS": json.dumps([f"Ana:viewer:{USERS[0].split(':')[2]}"]),
    }  # fmt: skip


PATHS = (
    "/", "/alerts", "/kpis", "/sources", "/api/v1/sources", "/api/v1/audit", "/api/v1/heat", "/api/v1/alerts", "/metrics",
    "/readyz", "/docs", "/openapi.json", "/api/v1/heat?limit=0", "/nothing", "/auth/wall?token=wrong", "/login",
)  # fmt: skip


def assert_clean(text: str, where: str) -> None:
    known = [*SECRETS.values(), canary("webhook"), canary("redis"), canary("database"), USERS[0].split(":")[2]]
    for secret in known:
        kept = re.search("canary[a-z]+Zq7", secret)
        short = kept[0] if kept else secret
        for form in (
            short,
            base64.b64encode(secret.encode()).decode()[:20],
            base64.b64encode(f"client:{secret}".encode()).decode()[:30],
        ):
            assert form not in text, (
                f"{short} in {where}: ...{text[max(0, text.index(form) - 300) : text.index(form) + 60]}"
            )


def asked(server: Running) -> Iterator[tuple[str, str]]:
    for path in PATHS:
        answer = server.get(path)
        yield path, answer.text + str(dict(answer.headers))


def test_no_secret_shows_whatever_fails() -> None:
    with Upstream(Failing()) as upstream, var_folder() as var:
        given = settings_for(upstream)
        with serving(var=var, settings=given) as server:
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline and len(upstream.log) < 12:
                time.sleep(0.5)
            for path, text in asked(server):
                assert_clean(text, path)
        log = "".join(server.log)
        assert len(upstream.log) >= 8, "the faults were met"
        assert re.search(" DEBUG (httpcore|httpx|urllib3|prawcore)", log), "debug logs were on"
        assert_clean(log, "the log of serve")
        polled = heatmap("poll", "--json", var=var, settings=given)
        assert_clean(polled.stdout, "the output of poll")
        assert_clean(polled.stderr, "the log of poll")
        doctor = heatmap("doctor", var=var, settings=given)
        assert_clean(doctor.stdout + doctor.stderr, "doctor")


def test_a_database_that_refuses_shows_no_password(tmp_path: Path) -> None:
    url = f"postgresql://et:{canary('database')}@127.0.0.1:1/et"
    done = heatmap("poll", var=tmp_path, settings={"DATABASE_URL": url, "LOG_LEVEL": "debug", "MODE": "live"})
    assert done.returncode == 1
    assert_clean(done.stdout + done.stderr, "poll without a database")


def test_secrets_are_blanked_in_every_form() -> None:
    slack = {"webhook_url": f"https://hooks.slack.com/services/T/B/{canary('hook')}", "bot_token": "xoxb-1234-a"}
    settings = load_settings(
        ROOT / "no.env", slack=slack, redis_url="rediss://user:pa%2Fss%20word@cache:6379", auth={"users": [USERS[0]]}
    )  # fmt: skip
    redact = Redact(secrets(settings))
    for text in (
        "pa/ss word", "pa%2Fss%20word", f"POST /services/T/B/{canary('hook')} 404", "xoxb-1234-a", "xoxb-other-token",
        USERS[0], USERS[0].split(":")[2], "Authorization: Bearer abcdefgh1234", "Basic Y2xpZW50OnNlY3JldA==",
        "https://user:hidden@example.com/", "/auth/wall?token=hidden1&x=1",
    ):  # fmt: skip
        clean = redact.text(text)
        assert "***" in clean, text
        assert "hidden" not in clean
    event = redact(None, "info", {"n": 1, "none": None, "error": ValueError("xoxb-1234-a"), "list": ["pa/ss word"]})
    assert event == {"n": 1, "none": None, "error": "***", "list": "['***']"}
    assert redact.text("nothing to hide: https://example.com/a?b=c") == "nothing to hide: https://example.com/a?b=c"
