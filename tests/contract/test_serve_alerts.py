"""A demo server with a Slack beside it: a story breaks, its alert arrives once, says DEMO, and the API shows it."""

from __future__ import annotations

import time
from collections import Counter

import pytest

from tests.postgres import open_folder
from tests.processes import serving
from tests.upstreams import slack as standin
from tests.upstreams.server import serving as upstream_serving

pytestmark = pytest.mark.slow


def test_a_demo_story_reaches_slack_and_the_api() -> None:
    slack = standin.Slack()
    with upstream_serving(slack.app) as upstream, open_folder() as var:
        settings = {
            "MODE": "demo", "REPLAY__DEMO_SPEED": "20000", "SLACK__BOT_TOKEN": standin.TOKEN,
            "SLACK__CHANNEL": standin.CHANNEL, "SLACK__URL": f"{upstream.url}/api/",
        }  # fmt: skip
        with serving(var=var, settings=settings) as server:
            deadline = time.monotonic() + 100
            while not slack.messages and time.monotonic() < deadline:
                time.sleep(0.2)
            assert slack.messages, server.log[-20:]
            time.sleep(2.5)
            shown = server.get("/api/v1/alerts").json["items"]
            one = server.get(f"/api/v1/alerts/{shown[0]['id']}").json
            assert server.get("/api/v1/alerts/999999").status == 404
            assert server.stop() == 0
    message = slack.messages[0]
    assert message["blocks"][0]["text"]["text"].startswith("DEMO [ALERT]")
    assert standin.pings(message) == []
    assert set(Counter(slack.keys()).values()) == {1}
    assert one["dedup_key"].startswith("demo|spike|")
    assert any(alert["delivery"] == "sent" for alert in shown)
