"""The dashboard in a real Chromium: live, linked, reachable by keyboard, and harmless whatever the names say."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from bokeh.document import Document
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.sample_reader import NAMES, SampleReader
from tests.browser.serve_sample import SampleServer, running

pytestmark = pytest.mark.browser

PWN = "window.PWN=(window.PWN||0)+1"
HOSTILE = (
    f"<img src=x onerror={PWN}>", f"<script>{PWN}</script>", f'"><svg onload={PWN}>',
    f"'><iframe srcdoc='<script>parent.{PWN}</script>'>",
    f"<b onmouseover={PWN}>hover</b>", f"</title><script>{PWN}</script>", f"@name{{safe}}<img src=x onerror={PWN}>",
    f"{{{{7*7}}}}<style onload={PWN}></style>",
    f"<math><mtext></form><form><mglyph><style></math><img src onerror={PWN}>",
    f"javascript:{PWN}", f"`${{{PWN}}}`", f"&lt;img src=x onerror={PWN}&gt;", "$$\\href{javascript:" + PWN + "}{x}$$",
)  # fmt: skip


def opened(page: Page, address: str) -> Page:
    page.goto(address)
    page.wait_for_selector("html.connected", state="attached")
    page.wait_for_function("() => document.querySelector('#meta > i') && Bokeh.documents.every((one) => one.is_idle)")
    return page


def until(true: Callable[[], Any], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.05)


PIXELS = """() => {
  const find = (root) => {
    for (const node of root.querySelectorAll('*')) {
      if (node.nodeName === 'CANVAS') return node;
      if (node.shadowRoot) { const found = find(node.shadowRoot); if (found) return found; }
    }
    return null;
  };
  const canvas = find(document.querySelector('.map'));
  const { width, height } = canvas;
  const data = canvas.getContext('2d').getImageData(0, 0, width, height).data;
  const rows = [];
  for (let row = 0; row < 20; row++) {
    const y = Math.floor((row + 0.5) * height / 20);
    const cells = [];
    for (let column = 0; column < 24; column++) {
      const at = (y * width + Math.floor((column + 0.5) * width / 24)) * 4;
      cells.push(`${data[at]},${data[at + 1]},${data[at + 2]}`);
    }
    rows.push(cells);
  }
  return rows;
}"""


HEADS = """[...document.querySelectorAll('.top > *')].filter((node) => node.offsetWidth)
  .map((node) => node.getBoundingClientRect().toJSON())"""


def pixels(page: Page) -> list[list[str]]:
    found: list[list[str]] = page.evaluate(PIXELS)
    return found


def where(page: Page) -> str:
    """The address as the browser has it now."""
    found: str = page.evaluate("location.href")
    return found


def names(page: Page) -> list[str]:
    return page.locator(".row .name").all_inner_texts()


def test_the_first_answer_already_carries_the_board(page: Page, server: SampleServer) -> None:
    page.route("**/*.js*", lambda route: route.abort())
    page.goto(server.address, wait_until="domcontentloaded")
    assert page.locator(".row").count() == 20
    assert "DEMO: invented data" in page.locator(".state").inner_text()
    assert "72 of 168 h of baseline" in page.locator("footer").inner_text()


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (1920, 1080)])
def test_the_page_fits_without_scrollbars_and_rows_meet_the_map(
    page: Page, server: SampleServer, width: int, height: int
) -> None:
    page.set_viewport_size({"width": width, "height": height})
    opened(page, f"{server.address}/?entity=n1")
    assert page.evaluate(
        "document.documentElement.scrollHeight <= innerHeight && document.documentElement.scrollWidth <= innerWidth"
    )
    canvas, row = page.locator(".map canvas").first.bounding_box(), page.locator(".row").nth(10).bounding_box()
    assert canvas is not None
    assert row is not None
    assert abs(canvas["y"] + canvas["height"] * 10.5 / 20 - (row["y"] + row["height"] / 2)) < 2
    heads = page.evaluate(HEADS)
    assert all(left["right"] <= right["left"] + 1 for left, right in pairwise(heads))


def test_a_new_score_changes_the_open_page_in_place(page: Page, server: SampleServer) -> None:
    opened(page, server.address)
    before, row = pixels(page), page.locator(".row").first
    page.evaluate("window.kept = [document.querySelector('.row'), document.querySelector('.map').firstElementChild]")
    ranked = names(page)
    published = time.monotonic()
    server.advance()
    until(lambda: names(page) != ranked)
    assert time.monotonic() - published < 10  # 2 s is promised; this machine may be busy with other tests
    until(lambda: pixels(page) != before)
    assert page.evaluate("window.kept.every((node) => node.isConnected)")
    assert row.is_visible()
    assert page.evaluate("Bokeh.documents.length") == 2, "the session's and the figure's, made once"


def test_re_ranking_never_blanks_the_map(page: Page, server: SampleServer) -> None:
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    opened(page, server.address)
    for _ in range(6):
        ranked = names(page)
        server.advance()
        until(lambda ranked=ranked: names(page) != ranked)  # type: ignore[misc]  # a default binds the list
        page.wait_for_timeout(150)
        coloured = [row for row in pixels(page) if len(set(row)) > 3]
        assert len(coloured) == 20
    assert errors == []


def test_the_pixels_of_a_row_are_its_own(page: Page, server: SampleServer) -> None:
    """Row order on the canvas is rank order: the top row ends hot, and no-data hours are not coloured as low."""
    opened(page, server.address)
    page.wait_for_timeout(300)
    rows = pixels(page)
    light = [sum(int(part) for part in row[-1].split(",")) for row in rows]
    assert light[0] > light[9] > light[19]
    shown = server.board.view(server.board._views.__iter__().__next__())
    gap = next(at for at, point in enumerate(shown.items[0].history) if point.heat is None)
    assert all(int(part) < 110 for part in rows[0][gap].split(","))
    assert rows[0][gap] != rows[0][gap + 1]


def test_colours_and_gates_are_switches_in_the_address(page: Page, server: SampleServer) -> None:
    opened(page, server.address)
    before = pixels(page)
    page.get_by_text("Velocity", exact=True).first.click()
    until(lambda: "color=velocity" in where(page))
    until(lambda: pixels(page) != before)
    page.get_by_label("2+ platforms").check()
    page.get_by_label("velocity ≥ 2.5").check()
    until(lambda: "spread=1" in where(page) and "velocity=1" in where(page))
    until(lambda: page.locator(".row").count() < 20)
    assert " hidden." in page.locator(".legend").inner_text()
    assert "names are hidden" in str(page.locator(".legend .about span").get_attribute("title"))
    page.get_by_role("button", name="Show all").first.click()
    until(lambda: page.locator(".row").count() == 20)
    assert "domain=all" in where(page)
    expect(page.get_by_label("velocity ≥ 2.5")).not_to_be_checked()


def test_a_tap_on_a_cell_opens_its_hour_and_the_map_stays(page: Page, server: SampleServer) -> None:
    opened(page, server.address)
    box = page.locator(".map canvas").first.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] * 22.5 / 24, box["y"] + box["height"] * 0.5 / 20)
    page.wait_for_selector(".entity h2")
    until(lambda: page.locator(".entity h2").inner_text() == NAMES[0][0])
    until(lambda: "hour=" in where(page))
    query = parse_qs(urlsplit(where(page)).query)
    assert query["hour"] == ["2026-03-14T13:00Z"]
    assert page.locator(".receipts tbody tr").count() >= 1
    assert page.locator(".map canvas").first.bounding_box() == box
    assert page.locator(".filters .chip").inner_text().startswith("Sat 09:00")  # in New York
    page.locator(".filters .chip").click()
    until(lambda: "hour=" not in where(page))


def test_receipts_are_real_links_filtered_and_paged(page: Page, server: SampleServer) -> None:
    opened(page, f"{server.address}/?entity=n3")
    assert page.locator(".receipts tbody tr").count() == 34
    assert "1–34 of 34" in page.locator(".receipts-head").inner_text()
    link = page.locator(".receipts a").first
    assert link.get_attribute("href") == "https://example.com/reddit/3/0"
    assert link.get_attribute("rel") == "noopener noreferrer"
    assert link.get_attribute("target") == "_blank"
    page.locator(".filters").get_by_role("button", name="TikTok").click()
    until(lambda: page.locator(".receipts tbody tr").count() == 7)
    assert "source=tiktok" in where(page)


def test_the_score_opens_down_to_its_windows(page: Page, server: SampleServer) -> None:
    opened(page, f"{server.address}/?entity=n1")
    equation = page.locator(".equation").inner_text()
    assert equation.startswith("HEAT ")
    assert "3/3" in equation
    page.locator(".platform.reddit summary").click()
    assert "24.0 in the last 12 h; usual 6.5 ± 1.7 over 13 windows" in page.locator(".platform.reddit").inner_text()
    assert page.locator(".platform.reddit .windows li").count() == 13
    server.advance()
    page.wait_for_timeout(800)
    assert page.locator(".platform.reddit .windows").is_visible()  # an update folds nothing back
    page.locator(".number").last.click()
    assert page.locator("#why-freshness .fold-body").is_visible()


def test_a_link_restores_the_whole_view_and_back_goes_back(page: Page, server: SampleServer) -> None:
    opened(page, f"{server.address}/?entity=n4&color=velocity&velocity=1&domain=all&hour=2026-03-14T12:00Z")
    assert page.locator(".entity h2").inner_text() == NAMES[3][0]
    assert page.locator("input[value=velocity]").is_checked()
    assert page.get_by_label("velocity ≥ 2.5").is_checked()
    assert page.locator("select[name=domain]").input_value() == "all"
    assert page.locator(".filters .chip").count() == 1
    page.get_by_label("velocity ≥ 2.5").uncheck()
    until(lambda: page.locator(".row").count() == 20)
    page.locator(".row .name").nth(6).click()
    until(lambda: "entity=n4" not in where(page))
    page.go_back()
    until(lambda: page.locator(".entity h2").inner_text() == NAMES[3][0])


def test_a_link_to_nobody_says_so(page: Page, server: SampleServer) -> None:
    opened(page, f"{server.address}/?entity=%3Cb%3Enobody")
    assert "No such name" in page.locator(".panel").inner_text()
    assert "<b>nobody" in page.locator(".panel").inner_text()


def test_nothing_outside_is_asked(context: BrowserContext, server: SampleServer) -> None:
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    page = opened(context.new_page(), f"{server.address}/?entity=n2")
    page.locator(".row .name").nth(3).click()
    page.wait_for_timeout(500)
    assert len(asked) > 5
    assert {url for url in asked if not url.startswith((server.address, "blob:", "data:"))} == set()


def test_hostile_names_stay_text_everywhere(page: Page) -> None:
    reader = SampleReader(names=[(HOSTILE[at % len(HOSTILE)] + f" {at}", "<i>kind") for at in range(24)])
    with running(reader) as server:
        opened(page, server.address)
        shown = names(page)
        box = page.locator(".map canvas").first.bounding_box()
        assert box is not None
        for at in range(0, 20, 2):
            page.locator(".row .name").nth(at).click()
            until(lambda at=at: page.locator(".entity h2").inner_text().strip() == names(page)[at].strip())  # type: ignore[misc]  # bound now
            page.mouse.move(box["x"] + box["width"] * 23.5 / 24, box["y"] + box["height"] * (at + 0.5) / 20)
            page.wait_for_timeout(120)
        page.locator("#find").fill("<")
        page.wait_for_selector(".found button")
        page.reload()
        page.wait_for_timeout(1500)
        server.advance()
        page.wait_for_timeout(500)
        assert page.evaluate("window.PWN") is None
        assert (
            page.evaluate("document.querySelectorAll('.panel img, .rows img, .rows script, iframe, .rows svg').length")
            == 0
        )
        assert "<img src=x" in " ".join(shown)


def test_the_hover_shows_its_parts_as_text(page: Page) -> None:
    with running(SampleReader(names=[("<b>Ada</b> & <img src=x onerror=window.PWN=1>", "person")] * 20)) as server:
        opened(page, server.address)
        box = page.locator(".map canvas").first.bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + box["width"] * 20.5 / 24, box["y"] + box["height"] * 0.5 / 20)
        page.mouse.move(box["x"] + box["width"] * 23.4 / 24, box["y"] + box["height"] * 0.6 / 20)
        tip = page.locator(".bk-Tooltip").first
        tip.wait_for(state="visible")
        text = tip.locator("strong").first.inner_text()
        assert text == "<b>Ada</b> & <img src=x onerror=window.PWN=1>"
        assert tip.locator("dd").first.inner_text()
        assert page.evaluate("window.PWN") is None


def test_everything_is_within_reach_of_the_keyboard(page: Page, server: SampleServer) -> None:
    opened(page, server.address)
    page.locator(".row").first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    chosen = page.evaluate("document.activeElement.dataset.slug")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    page.keyboard.press("Enter")
    until(lambda: f"entity={chosen}" in where(page))
    until(lambda: page.evaluate("document.activeElement.className") == "panel")
    page.keyboard.press("Escape")
    until(lambda: "entity=" not in where(page))
    until(lambda: page.evaluate("document.activeElement.dataset.slug") == chosen)
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "find"
    page.keyboard.type("saint")
    page.wait_for_selector(".found button")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    until(lambda: "entity=n3" in where(page))


def test_the_focused_row_keeps_focus_when_it_moves(page: Page, server: SampleServer) -> None:
    opened(page, server.address)
    page.locator(".row").nth(8).focus()
    slug = page.evaluate("document.activeElement.dataset.slug")
    ranked = names(page)
    server.advance()
    until(lambda: names(page) != ranked)
    if page.locator(f".row[data-slug={slug}]").count():
        assert page.evaluate("document.activeElement.dataset.slug") == slug


def test_an_editor_corrects_the_domain(page: Page, server: SampleServer) -> None:
    opened(page, f"{server.address}/?entity=n1&domain=all")
    page.locator("select[name=set-domain]").select_option("sport")
    until(lambda: server.reader.corrections == [(1, "sport", "desk")])
    until(lambda: "sport" in page.locator(".entity header p").inner_text())


def test_stale_failing_and_empty_say_so_in_words(page: Page, server: SampleServer) -> None:
    opened(page, server.address)
    server.reader.stale = True
    server.publish()
    page.wait_for_selector(".banner.warn")
    assert "STALE since" in page.locator(".banner").inner_text()
    server.reader.failing = True
    server.publish()
    page.wait_for_selector(".banner.bad")
    assert page.locator(".row").count() == 20  # what was known stays on the page
    server.reader.failing = server.reader.stale = False
    server.reader.empty = True
    server.publish()
    page.wait_for_selector(".notice")
    assert (
        "3 of 168" in page.locator(".notice").inner_text() or "No baseline yet" in page.locator(".notice").inner_text()
    )
    server.reader.empty = False
    server.publish()
    until(lambda: page.locator(".row").count() == 20)


def test_a_page_opened_while_the_database_is_down_recovers(page: Page, server: SampleServer) -> None:
    server.reader.failing = True
    opened(page, server.address)
    assert "Not up to date" in page.locator(".banner").inner_text()
    server.reader.failing = False
    server.publish()
    until(lambda: page.locator(".row").count() == 20)
    assert page.locator(".banner").count() == 0


def test_readers_are_asked_off_the_loop(page: Page, server: SampleServer) -> None:
    opened(page, f"{server.address}/?entity=n1")
    server.advance()
    page.wait_for_timeout(500)
    assert server.loop_thread not in server.reader.threads


def test_closed_pages_leave_nothing_behind(chromium: Browser) -> None:
    with running(SampleReader(), unused_ms=300) as server:

        def visit() -> None:
            context = chromium.new_context(viewport={"width": 1440, "height": 900})
            page = opened(context.new_page(), f"{server.address}/?entity=n1")
            page.locator(".row .name").nth(2).click()
            page.wait_for_timeout(300)
            context.close()

        def documents() -> int:
            gc.collect()
            return sum(isinstance(found, Document) for found in gc.get_objects())

        visit()
        until(lambda: not server.sessions())
        before = documents()
        for _ in range(4):
            visit()
        until(lambda: not server.sessions())
        assert len(server.board.hub) == 0
        server.advance()
        until(lambda: documents() <= before)
