"""The list pages in a real Chromium, at the desk's and at the phone's width: nothing runs over, nothing complains."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.lists_kit import Lists, running_lists
from tests.postgres import open_folder

pytestmark = pytest.mark.browser
WIDE, PHONE = (1440, 900), (390, 844)
OVER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def app(embedded_url: str) -> Iterator[Lists]:
    with open_folder() as var, running_lists(embedded_url, var) as running:
        yield running


def opened(chromium: Browser, app: Lists, size: tuple[int, int], path: str, said: list[str]) -> Page:
    context = chromium.new_context(viewport={"width": size[0], "height": size[1]}, timezone_id="America/New_York")
    page = context.new_page()
    page.set_default_timeout(15_000)
    page.on("console", lambda message: said.append(message.text) if message.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(app.address + path, wait_until="load")
    return page


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["desk", "phone"])
def test_no_page_runs_over_or_complains(chromium: Browser, app: Lists, size: tuple[int, int]) -> None:
    said: list[str] = []
    page = opened(chromium, app, size, "/alerts", said)
    for path in (
        "/alerts",
        f"/alerts/{app.ids[2]}",
        "/alerts/decisions?q=ferro",
        "/sources",
        "/kpis",
        "/alerts/999999",
    ):
        if path != "/alerts":
            page.goto(app.address + path, wait_until="load")
        if path != "/alerts/999999":
            assert page.evaluate(OVER) <= 0, path
        assert page.evaluate("window.PWN") is None, path
        assert page.locator("h1").count() == 1, path
        assert page.locator(".strip a").count() == 4, path
    page.context.close()
    assert [line for line in said if "404" not in line] == []


def test_a_producer_takes_an_alert_on_the_phone(chromium: Browser, app: Lists) -> None:
    said: list[str] = []
    page = opened(chromium, app, PHONE, "/alerts?state=open", said)
    page.locator(".alerts .time a").first.click()
    page.wait_for_load_state()  # dialogs open by script
    page.get_by_role("button", name="Assign", exact=True).click()
    page.get_by_label("Who").fill("Kim")
    page.locator("#assign button[type=submit]").click()
    page.get_by_text("Kim has it").wait_for()
    page.get_by_role("button", name="Useful 0", exact=True).click()
    page.locator("[data-live-region=votes] button[aria-pressed=true]").wait_for()
    page.get_by_role("button", name="Mark as source fault").click()
    page.get_by_role("button", name="Not a source fault").wait_for()
    page.get_by_role("button", name="Not a source fault").click()
    page.get_by_role("button", name="Mark as source fault").wait_for()
    assert page.locator("[data-live-region=did]").get_by_text("to Kim").count() == 1
    page.context.close()
    assert said == []


def test_the_list_follows_by_itself(chromium: Browser, app: Lists) -> None:
    said: list[str] = []
    page = opened(chromium, app, WIDE, "/alerts", said)
    other = opened(chromium, app, WIDE, f"/alerts/{app.ids[1]}", said)
    other.get_by_role("button", name="Rundown card").click()
    other.locator("#card button[type=submit]").click()
    other.get_by_text("no rundown address is set").first.wait_for()
    page.get_by_text("1 card").wait_for()
    for one in (page, other):
        one.context.close()
    assert said == []
