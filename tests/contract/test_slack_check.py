"""What the set-up check says about each way a Slack app can be set up wrong; it posts nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from pipelines.alert.slack_check import check_slack
from pipelines.settings import load_settings
from tests.upstreams import slack as standin
from tests.upstreams.server import Upstream

Ask = Callable[..., dict[str, tuple[str, str]]]


@pytest.fixture
def slack() -> standin.Slack:
    return standin.Slack()


@pytest.fixture
def ask(slack: standin.Slack) -> Iterator[Ask]:
    with Upstream(slack.app) as upstream:

        def asked(public: str = "https://heat.example", **changes: str) -> dict[str, tuple[str, str]]:
            wanted = {"bot_token": standin.TOKEN, "channel": standin.CHANNEL, "signing_secret": standin.SECRET,
                      "url": f"{upstream.url}/api/", **changes}  # fmt: skip
            found = check_slack(load_settings(slack=wanted, public_url=public))
            assert slack.messages == []
            return {name: (standing, line) for name, standing, line in found}

        yield asked


def test_all_is_well(ask: Ask) -> None:
    found = ask(app_token=standin.APP_TOKEN)
    assert {name: standing for name, (standing, _) in found.items()} == dict.fromkeys(
        ("token", "permissions", "channel", "buttons", "socket mode"), "ok"
    )


@pytest.mark.parametrize(("changes", "name", "standing", "word"), [
    ({"bot_token": ""}, "slack", "missing", "docs/slack.md"),
    ({"bot_token": "", "webhook_url": "https://hooks.slack.com/services/T/B/X"}, "webhook", "ok", "may come twice"),
    ({"bot_token": "xoxb-old"}, "token", "wrong", "HEATMAP_SLACK__BOT_TOKEN"),
    ({"channel": ""}, "channel", "missing", "HEATMAP_SLACK__CHANNEL"),
    ({"channel": "#alerts"}, "channel", "wrong", "ID (C..."),
    ({"channel": "C0OTHERS"}, "channel", "wrong", "invite the app"),
    ({"signing_secret": ""}, "buttons", "missing", "HEATMAP_SLACK__SIGNING_SECRET"),
    ({"public": ""}, "buttons", "wrong", "HEATMAP_PUBLIC_URL"),
    ({"app_token": "xapp-old"}, "socket mode", "wrong", "HEATMAP_SLACK__APP_TOKEN"),
    ({"url": "http://127.0.0.1:1/api/"}, "token", "wrong", "cannot be reached"),
])  # fmt: skip
def test_what_is_wrong_is_said_with_what_to_do(
    ask: Ask, changes: dict[str, str], name: str, standing: str, word: str
) -> None:
    found = ask(**changes)
    assert found[name][0] == standing
    assert word in found[name][1]
    assert "xoxb" not in str(found)
    assert "xapp-old" not in str(found)


@pytest.mark.parametrize(
    ("lost", "standing"), [("chat:write", "wrong"), ("channels:history", "wrong"), ("users:read", "missing")]
)
def test_a_lacking_permission_is_named(ask: Ask, slack: standin.Slack, lost: str, standing: str) -> None:
    slack.scopes.discard(lost)
    assert ask()["permissions"][0] == standing
    assert lost in ask()["permissions"][1]
