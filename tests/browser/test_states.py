"""Every state a page can be in, drawn at the desk and in a hand: nothing runs over, and the words say what is the matter."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, ViewportSize

from tests.browser.serve_sample import SampleServer, running
from tests.browser.states import STATES, PosedReader

pytestmark = pytest.mark.browser

SAID = {
    "usual": "DEMO: invented data",
    "first-minutes": "Warming up: 9 of 168 h watched.",
    "nothing-yet": "No baseline yet: 0 of 168 hours watched.",
    "no-credentials": "Reddit and TikTok are not configured: spread can reach 1 of 3 at most.",
    "source-down": "down, last",
    "stale": "STALE since",
    "no-results": "Nothing is being said about any known name right now.",
    "database-away": "the database does not answer",
    "long-and-foreign-names": "燈火守護者與北海第九製圖師",
    "no-rows": "Nothing is being said about any known name right now.",
    "twenty-rows": "Odalys Brightwater",
    "two-hundred-rows": "Odalys Brightwater 0",
}
OVER = """() => {
  const wide = innerWidth, found = [];
  for (const one of document.querySelectorAll('body *')) {
    const box = one.getBoundingClientRect(), looks = getComputedStyle(one);
    if (!box.width || looks.visibility === 'hidden' || one.closest('[hidden], .unseen, .skip, .scroll, #map-table, .map')) continue;
    if (box.right > wide + 1 || box.left < -1) found.push(`${one.className || one.nodeName}: ${Math.round(box.left)} to ${Math.round(box.right)}`);
  }
  return found.slice(0, 5);
}"""  # noqa: E501 -- a script, as the browser reads it
SMALL = """() => [...document.querySelectorAll('.row, .do-one, .close, .controls .segments span, .search input, .top nav a')]
  .map((one) => [one.className || one.nodeName, one.getBoundingClientRect()])
  .filter(([, box]) => box.width && (box.height < 40 || box.width < 40))
  .map(([name, box]) => `${name} ${box.width} x ${box.height}`)"""


@pytest.fixture(scope="module")
def posed() -> Iterator[SampleServer]:
    with running(PosedReader()) as server:
        yield server


@pytest.fixture(scope="module")
def windows(chromium: Browser) -> Iterator[tuple[Page, Page]]:
    """One tab at the desk and one in a hand, for all states: a server's page is long to open."""
    contexts = [
        chromium.new_context(viewport=ViewportSize(width=width, height=height), timezone_id="America/New_York")
        for width, height in ((1440, 900), (390, 844))
    ]
    for context in contexts:
        context.add_init_script("localStorage.setItem('et-help', 'yes')")
        context.set_default_timeout(60_000)
    yield contexts[0].new_page(), contexts[1].new_page()
    for context in contexts:
        context.close()


def test_every_state_has_its_words() -> None:
    assert SAID.keys() == STATES.keys()


@pytest.mark.parametrize("state", STATES)
def test_a_state_is_drawn_at_the_desk_and_in_a_hand(
    posed: SampleServer, windows: tuple[Page, Page], state: str
) -> None:
    reader = posed.reader
    assert isinstance(reader, PosedReader)
    reader.pose(state)
    posed.publish()
    path = "/?domain=all&rows=200" if state == "two-hundred-rows" else "/?domain=all"
    for page in windows:
        page.goto(posed.address + path, wait_until="domcontentloaded")
        assert SAID[state] in page.locator("body").inner_text()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    told = [page.locator(".banner.away").is_visible() for page in windows]
    assert told == [False, state == "source-down"]  # the desk says it at its foot, which is on the first screen there
    assert windows[1].evaluate(OVER) == []
    assert windows[1].evaluate(SMALL) == []
    assert windows[0].evaluate("document.documentElement.scrollHeight <= innerHeight")


def test_a_name_fills_the_hand_and_gives_it_back(posed: SampleServer, windows: tuple[Page, Page]) -> None:
    reader, page = posed.reader, windows[1]
    assert isinstance(reader, PosedReader)
    reader.pose("usual")
    posed.publish()
    page.goto(f"{posed.address}/?domain=all")
    page.wait_for_selector("html.connected", state="attached")
    page.wait_for_function(
        "document.querySelectorAll('.row canvas').length === document.querySelectorAll('.row').length"
    )
    page.locator(".row").nth(12).click()
    page.wait_for_selector("body[data-panel=entity]", state="attached")
    page.wait_for_function("scrollY === 0")
    assert page.locator(".board").is_hidden()
    assert page.locator("#entity-name").is_visible()
    assert page.get_by_text("DEMO: invented data").is_visible()
    assert page.evaluate(OVER) == []
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.go_back()
    page.wait_for_selector("body[data-panel=overview]", state="attached")
    page.wait_for_function("scrollY > 300")  # where the list was left
    assert page.locator(".row").nth(12).is_visible()
