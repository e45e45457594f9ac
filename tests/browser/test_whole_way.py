"""The whole way, in one go: a story breaks in a real server, Slack hears of it, people act there, and the pages, the
rundown and the KPIs show what they did. The rundown is down when the card comes, and back later."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.postgres import var_folder
from tests.processes import Running, serving
from tests.upstreams import slack as standin
from tests.upstreams.rundown import PATH, Rundown
from tests.upstreams.server import Upstream
from tests.upstreams.server import serving as upstream_serving
from tests.upstreams.slack_person import Person

pytestmark = [pytest.mark.browser, pytest.mark.slow]
WAIT_S = 60.0
SECRETS = (standin.SECRET, standin.TOKEN)


@dataclass
class Newsroom:
    """A demo server, the Slack it talks to and the people in it; ``rundown`` is the address of one that is down."""

    server: Running
    slack: standin.Slack
    ana: Person
    sam: Person
    rundown: str

    def until(self, done: Callable[[], Any], what: str, seconds: float = WAIT_S) -> Any:
        """What ``done`` says, once it says something."""
        deadline = time.monotonic() + seconds
        while not (found := done()):
            assert time.monotonic() < deadline, (what, self.slack.told(), self.server.log[-20:])
            time.sleep(0.05)
        return found

    def alert(self) -> dict[str, Any]:
        """The first message with an alert of its own."""

        def first() -> dict[str, Any] | None:
            return next((one for one in self.slack.messages if "assign" in str(one["blocks"])), None)

        found: dict[str, Any] = self.until(first, "no alert with buttons", 2 * WAIT_S)
        return found

    def opened(self, person: Person, message: dict[str, Any], action: str) -> dict[str, Any]:
        """Press a button that opens a form; the form."""
        count = len(self.slack.views)
        assert person.press(message, action).status == 200
        self.until(lambda: len(self.slack.views) > count, f"no form for {action}")
        return self.slack.views[-1]

    def shows(self, message: dict[str, Any], words: str) -> None:
        self.until(lambda: words in str(message["blocks"]), f"the message does not say {words!r}")


@contextmanager
def newsroom() -> Iterator[Newsroom]:
    slack = standin.Slack()
    down = Upstream(Rundown().app).start()
    down.stop()
    with upstream_serving(slack.app) as upstream, var_folder() as var:
        settings = {
            "MODE": "demo", "REPLAY__DEMO_SPEED": "4000", "SLACK__BOT_TOKEN": standin.TOKEN,
            "SLACK__CHANNEL": standin.CHANNEL, "SLACK__URL": f"{upstream.url}/api/",
            "SLACK__SIGNING_SECRET": standin.SECRET, "SLACK__RUNDOWN_URL": f"{down.url}{PATH}",
        }  # fmt: skip
        with serving(var=var, settings=settings) as server:
            ana, sam = (Person(slack, upstream.url, f"{server.address}/slack/events", user=user, name=name)
                        for user, name in (("U0ANA", "Ana"), ("U0SAM", "Sam")))  # fmt: skip
            yield Newsroom(server, slack, ana, sam, down.url)


def test_from_the_story_to_the_rundown_and_the_kpis(page: Page) -> None:
    page.set_default_timeout(WAIT_S * 1000)
    expect.set_options(timeout=WAIT_S * 1000)
    with newsroom() as room:
        message = room.alert()
        number = _number(message)
        alert = room.server.get(f"/api/v1/alerts/{number}").json
        name, slug = alert["name"], alert["slug"]
        assert message["blocks"][0]["text"]["text"].startswith("DEMO [ALERT]")
        assert name in message["text"]
        assert standin.pings(message) == []
        page.goto(f"{room.server.address}/alerts?days=7&name={name}")
        row = page.locator(".alerts > li", has=page.locator(f'a[href="/alerts/{number}"]'))
        expect(row.locator(".taken")).to_contain_text("nobody")

        assert room.ana.submit(room.opened(room.ana, message, "assign"), {"who": "U0SAM"}).status == 200
        room.shows(message, "Assigned to Sam by Ana")
        expect(row.locator(".taken")).to_contain_text("Sam")  # the page follows by itself
        page.goto(f"{room.server.address}/?entity={slug}")
        expect(page.locator(".acting")).to_contain_text("Assigned to Sam by Ana")

        card = room.opened(room.sam, message, "card")
        assert room.sam.submit(card, {"length": "1:30", "hook": "A walk-off on set"}).status == 200
        page.goto(f"{room.server.address}/alerts/{number}")
        came = page.locator("[data-live-region=did]")
        expect(came).to_contain_text(re.compile("kept; the rundown address has not answered since .*; next try"))
        room.shows(message, "the rundown address has not answered since")
        rundown = _comes_back(room, page)

        room.ana.press(message, "useful")
        room.shows(message, "Votes: 1 useful, 0 not useful.")
        expect(page.get_by_role("button", name="Useful 1", exact=True)).to_be_visible()
        page.goto(f"{room.server.address}/kpis?days=90")
        useful = page.locator("section[aria-labelledby=useful]")
        expect(useful).to_contain_text("1 of 1 vote")
        expect(useful).not_to_contain_text("1 votes")
        expect(useful).to_contain_text("Not enough votes: 1 of 30")
        assert not any(secret in line for secret in SECRETS for line in room.server.log)
        assert room.server.stop() == 0
    (posted,) = rundown.cards.values()
    assert (posted["hook"], posted["length_s"], posted["created_by"]) == ("A walk-off on set", 90, "Sam")
    assert (posted["mode"], posted["alert"]["id"], posted["alert"]["name"]) == ("demo", number, name)
    assert posted["receipts"]


def _comes_back(room: Newsroom, page: Page) -> Rundown:
    """The rundown answers again: the card is there once, and the page and the message say so by themselves."""
    rundown = Rundown()
    with Upstream(rundown.app, port=int(room.rundown.rpartition(":")[2])):
        room.until(lambda: rundown.cards, "the card did not come")
        expect(page.locator("[data-live-region=did]")).to_contain_text("is in the rundown since")
        room.until(lambda: "is in the rundown since" in str(room.slack.messages), "the message does not say it")
    assert len(rundown.cards) == 1
    return rundown


def _number(message: dict[str, Any]) -> int:
    return next(
        int(element["value"]) for block in message["blocks"] for element in block.get("elements") or ()
        if element.get("action_id") == "assign"
    )  # fmt: skip
