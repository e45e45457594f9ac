"""The panel's buttons and forms: who has the alert, a card, a tease, votes; by mouse and by keyboard, each once.

The dashboard is the product's, the writes go through the product's API into a real store.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from fastapi import FastAPI
from playwright.sync_api import BrowserContext, Page, Route, expect

from heatmap_app import api_writes, problems
from pipelines.alert import actions
from pipelines.alert.actions_words import state_of_card
from pipelines.alert.package_model import BookingBrief, Package, TopReceipt
from pipelines.outbox import SLACK, Claim
from pipelines.people import Activity
from pipelines.settings import load_settings
from pipelines.store import Store
from pipelines.view import EntityView
from tests.browser.sample_reader import SampleReader
from tests.browser.serve_sample import SampleServer, running
from tests.contract.test_store_alerts import store_alerts

pytestmark = pytest.mark.browser
RECEIPT = TopReceipt(
    "reddit:1", "walks off <b>set</b>", "reddit", "r/movies", "2 h", datetime(2026, 11, 22, 12, tzinfo=UTC), True,
    "https://example.com/1",
)  # fmt: skip
PACKAGE = Package(
    angle="unknown", angle_words=(), booking_brief=BookingBrief(("One", "Two", "Three"), "Hook", ()),
    teases=("Next: a walk-off on set", "Who left the set?"), push="Push", social="Social", lower_third=("Name", "Line"),
    asset_cues=(), receipts=(RECEIPT,), unconfirmed=True, careful=False,
    hook="Posts about a walk-off have climbed since 11:20.", provenance=(), notes=(),
).to_dict() | {"preview": False, "alert": 1, "at": "2026-11-22T12:00:00+00:00", "writer": None}  # fmt: skip


class ActingReader(SampleReader):
    """The sample board, whose first name has an alert in a real store."""

    def __init__(self, store: Store, alert: int) -> None:
        super().__init__()
        self.store, self.alert = store, alert

    def entity(self, slug: str, at: datetime | None = None) -> EntityView | None:
        view = super().entity(slug, at)
        row = self.store.alert_row(self.alert)
        assert row is not None
        alert = {
            "id": self.alert,
            "at": self.now,
            "why": row["why"],
            "heat": 1.9,
            "delivery": row["delivery"],
            "last_error": "",
        }
        return None if view is None else replace(view, alerts=(alert,), package=PACKAGE)

    def activity(self, alert_id: int) -> Activity | None:
        did = self.store.alert_activity(alert_id)
        return None if did is None else state_of_card(did)


@pytest.fixture
def acting(embedded_store: Store) -> Iterator[SampleServer]:
    """A dashboard whose names carry one alert, sent to Slack."""
    store_alerts(embedded_store, 1)
    at = datetime.now(UTC) + timedelta(seconds=5)
    claim = embedded_store.outbox_claim(SLACK, at, pause=timedelta(0), digest_over=5)
    assert isinstance(claim, Claim)
    embedded_store.outbox_sent(SLACK, claim.key, claim.started_at, "1763.0001", at)
    reader = ActingReader(embedded_store, claim.alerts[0].id)
    runtime = SimpleNamespace(store=embedded_store, settings=load_settings(mode="demo"), deliverer=None)
    servers: list[SampleServer] = []

    def prepare(app: FastAPI) -> None:
        app.state.runtime = runtime
        app.state.acted = lambda: servers[0].board.publish()  # noqa: PLW0108 - the server comes later
        problems.install(app)
        app.include_router(api_writes.router)

    with running(reader, prepare=prepare) as server:
        servers.append(server)
        yield server


def opened(page: Page, server: SampleServer) -> str:
    page.goto(f"{server.address}/?entity=n1")
    page.wait_for_selector("html.connected")
    page.wait_for_selector(".acting")
    return page.locator("#entity-name").inner_text()


def did(server: SampleServer) -> Activity:
    assert isinstance(server.reader, ActingReader)
    return actions.activity(server.reader.store, server.reader.alert)


def test_the_panel_assigns_takes_over_and_undoes(page: Page, acting: SampleServer) -> None:
    name = opened(page, acting)
    page.get_by_role("button", name="Assign").click()
    dialog = page.get_by_role("dialog", name=f"Assign {name}")
    expect(dialog.get_by_label("Who")).to_be_focused()
    page.keyboard.type("a/b Sam")  # a slash is typed, not taken for the search
    dialog.get_by_label("Note").fill("call the agent")
    acting.advance()  # the panel moves under the form, which stays as it was typed
    page.wait_for_timeout(300)
    expect(dialog.get_by_label("Who")).to_have_value("a/b Sam")
    page.keyboard.press("Tab")
    dialog.get_by_role("button", name="Assign").click()
    expect(dialog).to_be_hidden()
    expect(page.locator("#told")).to_contain_text("Assigned to a/b Sam by the desk")
    expect(page.locator(".acting")).to_contain_text("Assigned to a/b Sam by the desk")
    page.get_by_role("button", name="Take it over").click()
    page.get_by_label("Who").fill("Kim")
    page.keyboard.press("Enter")
    expect(page.locator(".acting")).to_contain_text("Assigned to Kim")
    page.get_by_role("button", name="Take back", exact=True).click()
    expect(page.locator(".acting")).to_contain_text("Nobody has taken it.")
    assert did(acting).version == 3


def test_escape_closes_the_form_and_not_the_panel(page: Page, acting: SampleServer) -> None:
    opened(page, acting)
    opener = page.get_by_role("button", name="Create rundown card")
    opener.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Slug")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#act")).to_be_hidden()
    expect(opener).to_be_focused()
    expect(page.locator(".acting")).to_be_visible()


def test_a_card_is_filled_in_and_a_mistake_is_said_in_the_form(page: Page, acting: SampleServer) -> None:
    opened(page, acting)
    page.get_by_role("button", name="Create rundown card").click()
    dialog = page.locator("#act")
    expect(dialog.get_by_label("Hook")).to_have_value(str(PACKAGE["hook"]))
    expect(dialog).to_contain_text("walks off <b>set</b> https://example.com/1")
    slug = dialog.get_by_label("Slug").input_value()
    dialog.get_by_label("Slug").fill("not/a slug")
    dialog.get_by_role("button", name="Create card").click()
    expect(dialog.locator(".error")).to_have_text("slug: use letters and digits, with single hyphens between them")
    dialog.get_by_label("Slug").fill(slug)
    dialog.get_by_role("button", name="Create card").click()
    expect(page.locator(".acting")).to_contain_text(f"Card {slug} by the desk kept; no rundown address is set.")
    (card,) = did(acting).cards
    assert (card.form.length_s, card.form.receipts) == (45, ("walks off <b>set</b> https://example.com/1",))


def test_a_lost_answer_is_sent_again_and_counts_once(page: Page, acting: SampleServer) -> None:
    opened(page, acting)
    lost: list[str] = []

    def lose(route: Route) -> None:
        route.fetch() if not lost else None
        lost.append(route.request.url)
        route.abort() if len(lost) == 1 else route.continue_()

    page.route("**/promo", lose)
    page.get_by_role("button", name="Promo tease").click()
    line = page.locator("#act form").first
    expect(line).to_contain_text("Line 1, 23 characters, 5 words")
    line.get_by_label("Line 1").fill("Next: who left the set?")
    line.get_by_role("button", name="Post in the thread").click()
    expect(line.locator(".error")).to_contain_text("The server cannot be reached")
    line.get_by_role("button", name="Post in the thread").click()
    expect(page.locator("#act")).to_be_hidden()
    expect(page.locator(".acting")).to_contain_text("Next: who left the set?")
    assert len(lost) == 2
    assert [promo.text for promo in did(acting).promos] == ["Next: who left the set?"]


def test_votes_show_one_s_own_and_two_windows_agree(page: Page, context: BrowserContext, acting: SampleServer) -> None:
    opened(page, acting)
    other = context.new_page()
    opened(other, acting)
    page.get_by_role("button", name="Useful 0", exact=True).dblclick()
    for window in (page, other):
        mine = window.get_by_role("button", name="Useful 1", exact=True)
        expect(mine).to_have_attribute("aria-pressed", "true")
    other.get_by_role("button", name="Not useful 0").click()
    expect(page.get_by_role("button", name="Useful 0", exact=True)).to_have_attribute("aria-pressed", "false")
    assert (did(acting).votes.useful, did(acting).votes.not_useful) == (0, 1)


def test_the_head_keeps_its_lines_with_the_links(page: Page, acting: SampleServer) -> None:
    page.goto(acting.address)
    page.wait_for_selector("html.connected")
    script = """() => Object.fromEntries([".top", ".top nav", ".top .state", ".controls"].map((part) => {
        const box = document.querySelector(part).getBoundingClientRect();
        return [part, [box.left, box.right, box.height]];
    }))"""
    boxes: dict[str, list[float]] = page.evaluate(script)
    top, nav, state, controls = boxes.values()
    assert top[2] == 56
    assert nav[1] <= controls[0]
    assert controls[1] <= state[0]
    assert state[1] <= 1440
