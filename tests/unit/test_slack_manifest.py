"""The manifest asks for the permissions of the calls the code makes, and for no other."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from pipelines.alert.slack_check import CALLS
from pipelines.settings import CONFIG_DIR, ROOT
from tests.upstreams.slack import NEEDS, SCOPES

CALL = re.compile(
    r"\b(?:client|_client)\.((?:auth|chat|conversations|users|views|apps|reactions|pins|files|bookmarks)_\w+)"
)
APP_TOKEN_CALLS = {"apps.connections.open"}


def manifest() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((CONFIG_DIR / "slack_manifest.json").read_text(encoding="utf-8"))
    return found


def called() -> set[str]:
    """The Web API methods named in the product's code."""
    files: list[Path] = [*(ROOT / "pipelines").rglob("*.py"), *(ROOT / "heatmap_app").rglob("*.py")]
    names = {name for path in files for name in CALL.findall(path.read_text(encoding="utf-8"))}
    return {name.replace("_", ".", 2 if name.startswith("apps") else 1) for name in names}


def test_every_call_is_known_with_its_permission() -> None:
    assert called() - APP_TOKEN_CALLS == set(CALLS)


def test_the_manifest_asks_for_what_is_used_and_nothing_else() -> None:
    assert set(manifest()["oauth_config"]["scopes"]["bot"]) == {scope for needs in CALLS.values() for scope in needs}


def test_the_stand_in_needs_the_same() -> None:
    assert {method: needs[0] for method, needs in CALLS.items() if needs} == NEEDS
    assert set(SCOPES) == set(NEEDS.values())


def test_it_names_no_address_of_anybody() -> None:
    settings = manifest()["settings"]
    assert settings["interactivity"] == {"is_enabled": True, "request_url": "https://YOUR-ADDRESS/slack/events"}
    assert len(manifest()["display_information"]["name"]) <= 35
    assert len(manifest()["display_information"]["description"]) <= 140
