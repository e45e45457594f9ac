"""The whole way in a real server: a story breaks, its alert arrives once, says DEMO and is in the API; people press and
submit, and the message shows it to everybody."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests.postgres import var_folder
from tests.processes import Running, serving
from tests.upstreams import slack as standin
from tests.upstreams.server import serving as upstream_serving
from tests.upstreams.slack_person import Person

pytestmark = pytest.mark.slow


def until(done: Callable[[], Any], server: Running, what: str, seconds: float = 100) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, (what, server.log[-20:])
        time.sleep(0.1)


def test_from_the_press_to_the_message_everybody_sees() -> None:
    slack = standin.Slack()
    with upstream_serving(slack.app) as upstream, var_folder() as var:
        settings = {
            "MODE": "demo", "REPLAY__DEMO_SPEED": "20000", "SLACK__BOT_TOKEN": standin.TOKEN,
            "SLACK__CHANNEL": standin.CHANNEL, "SLACK__URL": f"{upstream.url}/api/", "SLACK__SIGNING_SECRET": standin.SECRET,
            "SLACK__APP_TOKEN": standin.APP_TOKEN,
        }  # fmt: skip
        with serving(var=var, settings=settings) as server:
            until(lambda: any(_buttons(message) for message in slack.messages), server, "no alert with buttons")
            message = next(message for message in slack.messages if _buttons(message))
            ana = Person(slack, upstream.url, f"{server.address}/slack/events")
            assert ana.press(message, "assign").status == 200
            until(lambda: slack.views, server, "no form")
            assert ana.submit(slack.views[0], {"who": "U0SAM"}).status == 200
            until(lambda: "Assigned to Sam by Ana" in _shown(message), server, "the message does not say who")
            assert ana.press(message, "unassign").status == 200
            until(lambda: "Assigned to Sam" not in _shown(message), server, "Take back took nothing back")
            assert ana.press(message, "promo").status == 200
            until(lambda: len(slack.views) == 2, server, "no teases")
            assert ana.submit(slack.views[1], {"line0": "A short line, edited."}).status == 200
            until(lambda: slack.replies, server, "nothing in the thread")
            slack.sockets.wait()
            sam = Person(slack, upstream.url, user="U0SAM", name="Sam")  # by Socket Mode: both doors are open
            sam.press(message, "useful")
            until(lambda: "Votes: 1 useful, 0 not useful." in _shown(message), server, "the vote is not shown")
            body, headers = ana.last
            assert ana.send(body, {**headers, "X-Slack-Signature": "v0=" + "0" * 64}).status == 401
            shown = server.get("/api/v1/alerts").json["items"]
            one = server.get(f"/api/v1/alerts/{shown[0]['id']}").json
            assert server.get("/api/v1/alerts/999999").status == 404
            assert server.stop() == 0
    assert message["blocks"][0]["text"]["text"].startswith("DEMO [ALERT]")
    assert standin.pings(message) == []
    assert set(Counter(slack.keys()).values()) == {1}
    assert one["dedup_key"].startswith("demo|spike|")
    assert any(alert["delivery"] == "sent" for alert in shown)
    assert slack.replies[0]["thread_ts"] == message["ts"]
    assert "A short line, edited." in str(slack.replies[0]["blocks"])
    assert len(slack.replies) == 1
    said = {"the log": "".join(server.log), "Slack": str([slack.messages, slack.replies, slack.views])}
    secrets = {"signing secret": standin.SECRET, "bot token": standin.TOKEN, "app token": standin.APP_TOKEN}
    leaks = [(name, place) for name, value in secrets.items() for place, text in said.items() if value in text]
    assert leaks == []


def _buttons(message: dict[str, Any]) -> bool:
    return any(block["type"] == "actions" for block in message["blocks"])


def _shown(message: dict[str, Any]) -> str:
    return str(message["blocks"])
