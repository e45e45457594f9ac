"""The research desk as people use it: find, open, look back, filter, export, share. One server for all tests."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi import FastAPI
from playwright.sync_api import Browser, BrowserContext, Page

from heatmap_app import api
from tests.browser.sample_reader import NAMES, SampleReader
from tests.browser.serve_sample import SampleServer, running
from tests.browser.test_dashboard import names, opened, until, where

pytestmark = pytest.mark.browser

ODD = (
    ("ליאת ברקוביץ׳ והשמש השחורה", "person"), ("نجوم الصحراء", "show"), ("W" * 120, "film"), ("A", "song"),
)  # fmt: skip
CAST = (*NAMES, *ODD, *((f"Invented Name {number}", "person") for number in range(1, 41)))
STEPS = 12


@pytest.fixture(scope="module")
def server() -> Iterator[SampleServer]:
    """Two hours of polls, ten minutes apart, of 68 names, and the API beside the page."""
    reader = SampleReader(names=CAST)
    reader.step = STEPS

    def with_api(app: FastAPI) -> None:
        app.state.reader = reader
        app.include_router(api.router)

    with running(reader, prepare=with_api) as server:
        server.clock.set(reader.now)
        yield server


@pytest.fixture(autouse=True)
def as_begun(server: SampleServer) -> None:
    """Each test begins at the same poll, in whatever order they run."""
    assert isinstance(server.reader, SampleReader)
    if server.reader.step != STEPS:
        server.reader.step = STEPS
        server.clock.set(server.reader.now)
        server.publish()


@pytest.fixture(scope="module")
def context(chromium: Browser) -> Iterator[BrowserContext]:
    """A visitor who has seen the help, in New York; one for all tests, so that files are fetched once."""
    context = chromium.new_context(
        viewport={"width": 1440, "height": 900}, timezone_id="America/New_York", accept_downloads=True
    )
    context.set_default_timeout(30_000)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    context.add_init_script("localStorage.setItem('et-help', 'yes')")
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    page = context.new_page()
    yield page
    page.close()


def asked(page: Page) -> dict[str, str]:
    """The address's query."""
    return {key: values[0] for key, values in parse_qs(urlsplit(where(page)).query).items()}


def focused(page: Page) -> str:
    found: str = page.evaluate("document.activeElement.dataset.slug || document.activeElement.id")
    return found


def test_a_name_is_found_opened_and_closed_by_keyboard(page: Page, server: SampleServer) -> None:
    opened(page, server.address)
    page.keyboard.press("/")
    page.keyboard.type("l[?,saint")  # letters in a field are letters
    page.wait_for_selector(".found")
    assert asked(page) == {}
    assert page.locator("#help").is_hidden()
    page.locator("#find").fill("invented name 4")
    until(lambda: page.locator(".found [data-act=open]").count() == 2)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.textContent").startswith("Invented Name 40")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    until(lambda: page.locator(".entity h2").inner_text() == "Invented Name 4")
    page.keyboard.press("Escape")
    until(lambda: "entity" not in asked(page))


def test_a_selection_moves_over_rows_and_hours(page: Page, server: SampleServer) -> None:
    opened(page, server.address)
    slugs = page.eval_on_selector_all(".row", "rows => rows.map((row) => row.dataset.slug)")
    for key, place in (("ArrowDown", 0), ("ArrowDown", 1), ("PageDown", 11), ("End", 19), ("PageUp", 9), ("Home", 0)):
        page.keyboard.press(key)
        assert focused(page) == slugs[place]
    assert page.locator("#cursor").is_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert "HEAT" in page.locator("#cursor span").inner_text()
    cell, row = page.locator("#cursor").bounding_box(), page.locator(".row").nth(1).bounding_box()
    assert cell is not None
    assert row is not None
    assert abs(cell["y"] - row["y"]) < 2
    page.keyboard.press("Enter")
    until(lambda: asked(page) == {"entity": slugs[1], "hour": "2026-03-14T15:00Z"})
    page.keyboard.press("Escape")
    until(lambda: asked(page) == {})
    assert focused(page) == slugs[1]


def test_looking_back_moves_everything_and_new_polls_do_not(page: Page, server: SampleServer) -> None:
    opened(page, f"{server.address}/?entity=n3")
    live = names(page)
    page.locator("body").press("[")
    until(lambda: "at" in asked(page))
    page.keyboard.press(",")
    until(lambda: asked(page)["at"] == "2026-03-14T16:11:25Z")
    assert "As of Sat 12:11, not live" in page.locator(".scrub-words").inner_text()
    assert "NOT LIVE" in page.locator(".state").inner_text()
    assert "old" not in page.locator(".state").inner_text()
    then = names(page)
    assert then != live
    beat = page.evaluate("document.querySelector('#meta > i').dataset.beat")
    server.advance()
    until(lambda: page.evaluate("document.querySelector('#meta > i').dataset.beat") != beat)
    assert names(page) == then
    page.keyboard.press("{")
    until(lambda: asked(page)["at"] == "2026-03-14T15:11:25Z")
    until(lambda: "32" in page.locator(".receipts-block h3").first.inner_text())  # two of 34 were seen later
    page.keyboard.press("l")
    until(lambda: "at" not in asked(page))
    until(lambda: page.locator(".scrub-band").is_hidden())
    assert names(page) != then


def test_the_slider_looks_back_and_a_button_leads_home(page: Page, server: SampleServer) -> None:
    opened(page, server.address)
    page.locator(".as-of").click()
    slider = page.locator("#scrub")
    assert slider.is_visible()
    box = slider.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] - 8, box["y"] + 12)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 12, steps=4)
    page.mouse.up()
    until(lambda: asked(page).get("at", "").startswith("2026-03-14T15:"))  # where the pointer ended, not where it was
    middle = asked(page)["at"]
    slider.press("ArrowLeft")
    until(lambda: asked(page)["at"] < middle)
    page.get_by_role("button", name="Back to live").click()
    until(lambda: "at" not in asked(page))
    assert page.locator(".as-of").inner_text().startswith("As of: live")


def test_a_link_restores_the_past_and_a_future_one_is_live(page: Page, server: SampleServer) -> None:
    link = "?entity=n5&velocity=1&at=2026-03-14T15:31:25Z&window=48&platform=reddit,tiktok&rows=50"
    opened(page, server.address + "/" + link)
    assert urlsplit(where(page)).query == link[1:]
    assert page.locator("input[name=window]:checked").get_attribute("value") == "48"
    assert page.locator("input[name=platform]:checked").count() == 2
    assert page.locator("select[name=rows]").input_value() == "50"
    assert page.locator(".scrub-words").inner_text().startswith("As of Sat 11:31, not live")
    page.locator(".menu summary").click()
    page.get_by_role("button", name="Copy link to this view").click()
    until(lambda: page.evaluate("navigator.clipboard.readText()") == f"{server.address}/{link}")
    opened(page, f"{server.address}/?at=2031-01-01T00:00:00Z")
    assert asked(page) == {}
    assert page.locator(".scrub-band").is_hidden()
    opened(page, f"{server.address}/?at=2020-01-01T00:00:00Z")
    assert "No scores are kept from then" in page.locator(".notice").inner_text()
    assert "The oldest poll kept is of Sat" in page.locator(".scrub-words").inner_text()


def test_a_week_is_drawn_in_place(page: Page, server: SampleServer) -> None:
    opened(page, server.address)
    page.evaluate("window.kept = document.querySelector('.map').firstElementChild")
    for label, query, columns in (("12 h", "12", 12), ("48 h", "48", 48), ("7 d", "168", 28)):
        page.locator(".tools").get_by_text(label, exact=True).click()
        until(lambda query=query: asked(page).get("window") == query)  # type: ignore[misc]  # a default binds it
        until(lambda columns=columns: page.evaluate("ET.mapData().columns.length") in (columns, columns + 1))  # type: ignore[misc]  # the same
    assert page.evaluate("window.kept.isConnected && Bokeh.documents.length === 2")
    assert page.locator(".hours b").all_inner_texts()[-1] == "today"
    assert "hottest of six hours" in page.locator(".legend").inner_text()
    box = page.locator(".map canvas").first.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] * 0.99, box["y"] + 8)
    until(lambda: asked(page).get("hour", "").startswith("2026-03-14T1"))


def test_platforms_filter_and_say_what_they_hide(page: Page, server: SampleServer) -> None:
    opened(page, server.address)
    page.locator(".seen-on").get_by_text("TikTok").click()
    until(lambda: asked(page).get("platform") == "tiktok")
    until(lambda: page.locator(".row").count() == 2)
    assert "not seen on TikTok" in str(page.locator(".legend .about span").get_attribute("title"))
    page.locator(".seen-on").get_by_text("Trends").click()
    until(lambda: page.locator(".row").count() == 20)
    assert asked(page)["platform"] == "trends,tiktok"
    page.get_by_role("button", name="Show all").click()
    until(lambda: "platform" not in asked(page))


def test_many_rows_scroll_with_their_cells(page: Page, server: SampleServer) -> None:
    opened(page, server.address)
    page.locator("select[name=rows]").select_option("200")
    until(lambda: page.locator(".row").count() > 50)
    until(lambda: page.evaluate("ET.mapData().data.row.length") == 24 * page.locator(".row").count())
    page.locator(".row").first.focus()
    page.keyboard.press("End")
    last = page.locator(".row").last
    until(lambda: focused(page) == last.get_attribute("data-slug"))
    page.wait_for_timeout(300)
    canvas, row = page.locator(".map canvas").first.bounding_box(), last.bounding_box()
    hours, field = page.locator(".hours").bounding_box(), page.locator(".field").bounding_box()
    assert canvas is not None
    assert row is not None
    assert hours is not None
    assert field is not None
    count = page.locator(".row").count()
    assert abs(canvas["y"] + canvas["height"] * (count - 0.5) / count - (row["y"] + row["height"] / 2)) < 2
    assert row["y"] + row["height"] <= field["y"] + field["height"] + 1
    assert abs(hours["x"] - canvas["x"]) < 2
    assert abs(hours["width"] - canvas["width"]) < 2
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    wide = page.eval_on_selector_all(".row .who", "cells => cells.map((cell) => cell.scrollWidth - cell.clientWidth)")
    assert max(wide) <= 1  # very long and right-to-left names stay in their place


def test_a_row_that_leaves_gives_its_focus_to_the_one_in_its_place(page: Page, server: SampleServer) -> None:
    opened(page, server.address)
    for _ in range(3):
        page.locator(".row").nth(18).focus()
        ranked = names(page)
        server.advance()
        until(lambda ranked=ranked: names(page) != ranked)  # type: ignore[misc]  # a default binds the list
        assert page.evaluate("document.activeElement.matches('.rows .row')")


def test_help_comes_once_and_again_when_asked(chromium: Browser, server: SampleServer) -> None:
    context = chromium.new_context(viewport={"width": 1440, "height": 900})
    page = opened(context.new_page(), server.address)
    dialog = page.locator("#help")
    dialog.wait_for(state="visible")
    assert (
        dialog.locator("p").first.inner_text().startswith("HEAT says how likely a name is to break now: 0.5 × velocity")
    )
    page.locator(".row .name").nth(2).click()  # it is in nobody's way, and goes when a name is opened
    dialog.wait_for(state="hidden")
    opened(page, server.address)
    assert dialog.is_hidden()
    page.keyboard.press("?")
    dialog.wait_for(state="visible")
    page.keyboard.press("[")
    page.keyboard.press("Escape")
    dialog.wait_for(state="hidden")
    assert asked(page) == {}
    page.get_by_role("button", name="Help and keys").click()
    dialog.get_by_role("button", name="Got it").click()
    assert dialog.is_hidden()
    context.close()


def test_the_keyboard_alone_leads_everywhere_and_back(chromium: Browser, server: SampleServer) -> None:
    """A first visit without a mouse: nothing takes the focus out of the page, and what is closed gives it back."""
    context = chromium.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(30_000)
    page = context.new_page()
    press = page.keyboard.press
    opened(page, server.address)
    page.locator("#help").wait_for(state="visible")
    press("Tab")  # the help of a first visit is last in the page, Tab begins at its top
    assert page.evaluate("document.activeElement.className") == "skip"
    press("Escape")
    page.locator("#help").wait_for(state="hidden")
    press("Enter")
    press("Tab")
    row = page.locator(".row").nth(4)
    row.focus()
    slug = focused(page)
    press("/")
    assert focused(page) == "find"
    press("Escape")
    assert focused(page) == slug  # nothing was typed: back to the row
    press("/")
    page.keyboard.type("saint ferro")
    page.wait_for_selector(".found [data-act=open]")
    press("Enter")
    until(lambda: asked(page).get("entity") == "n3")
    press("Tab")
    assert page.evaluate("document.activeElement.closest('.panel') !== null")
    press("Escape")
    until(lambda: "entity" not in asked(page))
    until(lambda: focused(page) == "n3")  # the answer it was opened from is gone: its row
    page.locator(".menu summary").focus()
    press("Enter")
    press("Tab")
    press("Escape")
    assert page.evaluate("document.activeElement.textContent").startswith("Share")
    assert not page.locator(".menu-list").is_visible()
    context.close()


def test_a_link_and_the_sheet_keep_every_filter_also_the_watchlist(page: Page, server: SampleServer) -> None:
    assert isinstance(server.reader, SampleReader)
    server.reader.watching = {2, 3, 6, 9, 12, 30}
    link = (
        "?entity=n3&source=reddit&color=velocity&spread=1&domain=all&at=2026-03-14T15:31:25Z&window=48&platform=trends,tiktok"
        "&compare=n2,n6&rows=50&watched=1&receipts=engagement"
    )
    try:
        opened(page, f"{server.address}/{link}")
        assert urlsplit(where(page)).query == link[1:]
        for box in ("watched", "spread"):
            assert page.locator(f"input[name={box}]").is_checked()
        shown = page.eval_on_selector_all(".row", "rows => rows.map((row) => row.dataset.name)")
        assert 0 < len(shown) <= 6
        assert set(shown) <= {CAST[number - 1][0] for number in server.reader.watching}
        page.locator(".menu summary").click()
        page.get_by_role("button", name="Copy link to this view").click()
        until(lambda: page.evaluate("navigator.clipboard.readText()") == f"{server.address}/{link}")
        with page.expect_download() as waiting:
            page.get_by_role("link", name="Table as CSV").click()
        rows = list(csv.DictReader(waiting.value.path().read_text(encoding="utf-8").splitlines()))
        assert [row["name"] for row in rows] == shown
        page.get_by_label("★ Watched").uncheck(force=True)
        until(lambda: "watched" not in asked(page))
        page.locator(".menu summary").click()
        assert "watched" not in (page.get_by_role("link", name="Table as CSV").get_attribute("href") or "")
    finally:
        server.reader.watching = set()


def test_the_csv_is_what_is_shown(page: Page, server: SampleServer) -> None:
    opened(page, f"{server.address}/?velocity=1&at=2026-03-14T15:31:25Z&window=12&rows=50")
    shown = page.eval_on_selector_all(".row", "rows => rows.map((row) => row.dataset.name)")
    page.locator(".menu summary").click()
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Table as CSV").click()
    assert waiting.value.suggested_filename == "et-heatmap-20260314T1531Z.csv"
    rows = list(csv.DictReader(waiting.value.path().read_text(encoding="utf-8").splitlines()))
    assert [row["name"] for row in rows] == shown
    assert [f"{float(row['heat']):.2f}" for row in rows] == page.locator(".row .heat").all_inner_texts()
    hours = [key for key in rows[0] if key.startswith("heat ")]
    assert (len(hours), hours[-1]) == (12, "heat 2026-03-14T15:00Z")
    assert all(-2 < float(row[hours[-1]]) < 4 for row in rows)


RECORD = """() => {
  const said = [], draw = CanvasRenderingContext2D.prototype.fillText;
  CanvasRenderingContext2D.prototype.fillText = function (text, ...rest) {
    said.push(text);
    return draw.call(this, text, ...rest);
  };
  const canvas = ET.picture();
  CanvasRenderingContext2D.prototype.fillText = draw;
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  const colours = new Set();
  for (let at = 0; at < pixels.length; at += 4 * 97) colours.add(`${pixels[at]},${pixels[at + 1]},${pixels[at + 2]}`);
  return { said, width: canvas.width, height: canvas.height, colours: colours.size };
}"""


def test_the_picture_has_names_numbers_and_its_time(page: Page, server: SampleServer) -> None:
    opened(page, f"{server.address}/?at=2026-03-14T15:31:25Z&rows=50")
    until(lambda: page.locator(".row").count() == 50)
    until(lambda: page.evaluate("(ET.mapData() || {data: {row: []}}).data.row.length") == 1200)
    drawn: dict[str, Any] = page.evaluate(RECORD)
    assert (drawn["width"], drawn["height"]) == (2880, 2 * (84 + 24 + 50 * 30 + 64))
    assert drawn["colours"] > 60
    texts = drawn["said"]
    assert {"DEMO: invented data", "NOT LIVE", "ET Heatmap"} <= set(texts)
    assert any("2026-03-14 15:31 UTC" in text for text in texts)
    assert set(page.locator(".row .heat").all_inner_texts()) <= set(texts)
    short = [name for name in names(page) if len(name) < 25]
    assert len(short) > 30
    assert set(short) <= set(texts)
    page.locator(".menu summary").click()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Picture as PNG").click()
    assert waiting.value.suggested_filename == "et-heatmap-20260314T1531Z.png"
    assert waiting.value.path().read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
