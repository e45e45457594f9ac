"""The list pages in a real Chromium, at the desk's and at the phone's width: nothing runs over, nothing complains."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from heatmap_app.tuning_job import TuningJobs
from heatmap_app.web import tuning
from pipelines import settings as files
from pipelines.settings_local import change_local
from tests.browser.test_accessibility import RULES, broken
from tests.lists_kit import Lists, running_lists
from tests.postgres import open_folder
from tests.tuning_kit import ADDRESS, looked_back

pytestmark = pytest.mark.browser
WIDE, PHONE = (1440, 900), (390, 844)
OVER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def app(embedded_url: str) -> Iterator[Lists]:
    with open_folder() as var, pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "LOCAL_FILE", var / "local.toml")
        short = TuningJobs(deadline_s=3.0)
        patch.setattr(tuning, "jobs_of", lambda _request: short)
        with running_lists(embedded_url, var) as running:
            looked_back(running.runtime)
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


def test_a_slider_and_its_number_are_one_and_the_result_follows(chromium: Browser, app: Lists) -> None:
    """By keyboard alone; the focus stays where it is, and axe finds nothing."""
    said: list[str] = []
    page = opened(chromium, app, WIDE, ADDRESS, said)
    slider, number = page.get_by_label("Platforms, slider"), page.locator("#k-min_spread")
    expect(slider).to_have_value("3")
    page.goto(f"{app.address}/tuning", wait_until="load")
    expect(page.get_by_role("heading", name="The gates in use", exact=True)).to_be_visible()
    page.locator("#k-min_velocity").fill("3")
    slider.focus()
    page.keyboard.press("ArrowRight")
    expect(number).to_have_value("3")
    expect(page.get_by_role("heading", name="These gates against those in use")).to_be_visible()
    expect(page.locator("[data-said]")).to_have_text("7 alerts, 1.4 a day")
    assert page.url.endswith(ADDRESS)
    assert slider.evaluate("one => one === document.activeElement"), "the look back must not take the focus"
    for colours in ("light", "dark"):
        page.emulate_media(color_scheme=colours)
        assert broken(page, RULES) == []
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    assert page.evaluate(OVER) <= 0
    number.fill("9")
    page.wait_for_timeout(700)
    assert "min_spread=9" not in page.url, "a number that cannot be is not asked for"
    page.context.close()
    assert said == []


def test_what_is_being_computed_shows_how_far_it_is(chromium: Browser, app: Lists) -> None:
    said: list[str] = []
    page = opened(chromium, app, WIDE, "/tuning?min_velocity=3.1", said)
    expect(page.get_by_role("heading", name="Not looked back at yet")).to_be_visible()
    assert broken(page, RULES) == []
    page.locator("#k-min_velocity").fill("3.2")
    expect(page.get_by_role("progressbar", name="Looking back")).to_be_visible()
    expect(page.locator("[data-said]")).to_have_text("Looking back")
    expect(page.get_by_text("it took longer than 0 min and was stopped")).to_be_visible()
    expect(page.get_by_role("button", name="Try again")).to_be_visible()
    page.context.close()
    assert said == []


def test_gates_that_another_process_applied_are_on_open_pages(chromium: Browser, app: Lists) -> None:
    said: list[str] = []
    desk, wall = opened(chromium, app, WIDE, "/", said), opened(chromium, app, WIDE, "/wall?velocity=1", said)
    expect(desk.get_by_text("velocity ≥ 2.5", exact=True).first).to_be_visible()
    change_local(files.LOCAL_FILE, {"gates.min_velocity": 3.2, "gates.min_spread": 3})
    try:
        expect(desk.get_by_text("velocity ≥ 3.2", exact=True).first).to_be_visible()
        expect(desk.get_by_text("3+ platforms", exact=True).first).to_be_visible()
        expect(wall.get_by_text("velocity ≥ 3.2").first).to_be_attached()
        assert app.runtime.refresh.settings.gates.min_velocity == 3.2
    finally:
        change_local(files.LOCAL_FILE, {"gates.min_velocity": None, "gates.min_spread": None})
    expect(desk.get_by_text("velocity ≥ 2.5", exact=True).first).to_be_visible()
    for page in (desk, wall):
        page.context.close()
    assert said == []
