"""Every page and its main states before axe-core: both themes, the desk's width and a phone's; and what axe cannot see.

No rule is switched off. Asked for are WCAG 2.0 to 2.2, A and AA, and axe's own best practices; none may be broken, however
light its impact.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize

from heatmap_app.themes import Theme
from heatmap_app.web.render import environment
from tests.lists_kit import Lists, running_lists
from tests.postgres import open_folder
from tests.tuning_kit import ADDRESS, looked_back

pytestmark = pytest.mark.browser

DESK, PHONE = ViewportSize(width=1440, height=900), ViewportSize(width=390, height=844)
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
RULES = {"resultTypes": ["violations"], "runOnly": {"type": "tag", "values": TAGS}}
COLOURS = {
    "resultTypes": ["violations"],
    "runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]},
}
KEY = "document.body.dispatchEvent(new KeyboardEvent('keydown', { key: '[', bubbles: true }))"
NO_HELP = "localStorage.setItem('et-help', 'yes')"


@dataclass(frozen=True, slots=True)
class View:
    """One page in one state: an address, and the script that brings it there (a click, mostly)."""

    name: str
    path: str
    act: str = ""
    heat: bool = False


def _click(selector: str) -> str:
    return f"document.querySelector('{selector}').click()"


VIEWS = (
    View("heatmap", "/", heat=True),
    View("entity", "/?entity=ivo-marsh", heat=True),
    View("dialog", "", _click("[data-template=act-card]")),
    View("table", "/?color=velocity", _click("#show-table"), heat=True),
    View("scrubbed", "", _click("#show-table") + ";" + KEY),
    View("help", "", "document.querySelector('[data-act=help]').click()"),
    View("alerts", "/alerts"),
    View("alert", "/alerts/{alert}"),
    View("card", "", _click("[data-dialog=card]")),
    View("decisions", "/alerts/decisions?q=ferro"),
    View("kpis", "/kpis", "document.querySelectorAll('details').forEach((one) => { one.open = true; })"),
    View("tuning", ADDRESS),
    View("sources", "/sources"),
    View("research", "/research/ivo-marsh"),
    View("wall", "/wall"),
    View("problem", "/nowhere"),
)  # fmt: skip


@pytest.fixture(scope="module")
def app(embedded_url: str) -> Iterator[Lists]:
    with open_folder() as var, running_lists(embedded_url, var) as running:
        looked_back(running.runtime)
        yield running


def broken(page: Page, options: dict[str, Any]) -> list[str]:
    """What axe finds, one line an element. A document is given axe once, however often it is looked at."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(Axe().axe_script)
    found = page.evaluate("(options) => axe.run(options).then((found) => found.violations)", options)
    return [
        f"{one['impact']} {one['id']}: {node['target']} {node['html'][:160]} {node['any'] or node['all'] or node['none']}"
        for one in found
        for node in one["nodes"]
    ]


def brought(page: Page, app: Lists, view: View) -> None:
    """Bring ``page`` into ``view``; one without an address goes on from the view before it."""
    if view.path:
        page.goto(app.address + view.path.format(alert=app.ids[2]), wait_until="load")
        if view.heat:
            page.wait_for_selector("html.connected", state="attached")
    if view.act:
        page.evaluate(view.act)
        page.wait_for_timeout(200)


def looked_at(chromium: Browser, app: Lists, size: ViewportSize, first: str, second: str) -> list[str]:
    """All views at ``size``: every rule in one theme, and what is about colours in the other."""
    context = chromium.new_context(viewport=size)
    context.add_init_script(NO_HELP)
    page, found = context.new_page(), []
    for view in VIEWS:
        page.emulate_media(color_scheme=first)  # type: ignore[arg-type]  # "dark" or "light"
        brought(page, app, view)
        found += [f"{view.name}, {first}: {line}" for line in broken(page, RULES)]
        if size == DESK or view.heat:  # elsewhere a phone shows the desk's colours in other places
            page.emulate_media(color_scheme=second)  # type: ignore[arg-type]  # "dark" or "light"
            page.wait_for_timeout(50)
            found += [f"{view.name}, {second}: {line}" for line in broken(page, COLOURS)]
        over = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        found += [f"{view.name}: {over} px wider than the screen"] if over > 0 else []
    context.close()
    return found


def test_axe_finds_nothing_at_the_desk(chromium: Browser, app: Lists) -> None:
    assert looked_at(chromium, app, DESK, "dark", "light") == []


def test_axe_finds_nothing_on_a_phone(chromium: Browser, app: Lists) -> None:
    assert looked_at(chromium, app, PHONE, "light", "dark") == []


@pytest.mark.parametrize("shade", ["dark", "light"])
def test_the_sign_in_page_is_as_good(chromium: Browser, app: Lists, shade: Any) -> None:
    """The running server asks for no sign-in, so its page stands in for one of the server's own addresses."""
    values = {
        "method": "password",
        "target": "/",
        "said": "That name and password do not match.",
        "name": "ana",
        "leaving": "",
    }
    html = environment().get_template("login.html").render(theme=Theme(shade, shade), **values)
    context = chromium.new_context(viewport=PHONE)
    page = context.new_page()
    page.route(f"{app.address}/login", lambda route: route.fulfill(content_type="text/html", body=html))
    page.goto(f"{app.address}/login")
    assert broken(page, RULES) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    context.close()


# ---- what no engine can see ---------------------------------------------------------------------------------------------


@pytest.fixture
def desk(chromium: Browser) -> Iterator[BrowserContext]:
    context = chromium.new_context(viewport=DESK, timezone_id="America/New_York", color_scheme="dark")
    context.add_init_script(NO_HELP)
    context.set_default_timeout(30_000)
    yield context
    context.close()


def opened(context: BrowserContext, address: str) -> Page:
    page = context.new_page()
    page.goto(address)
    page.wait_for_selector("html.connected", state="attached")
    return page


def test_the_tab_key_walks_down_the_page_and_is_seen(desk: BrowserContext, app: Lists) -> None:
    page = opened(desk, app.address)
    stops = []
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement === document.body"):
            break  # past the last stop
        stops.append(
            page.evaluate("""() => {
              const at = document.activeElement;
              const seen = getComputedStyle(at.matches('.segments input') ? at.nextElementSibling : at);
              const parts = ['.skip', '.top', '.board', '.panel'];
              return { what: at.id || at.className || at.name || at.textContent.trim().slice(0, 30),
                       part: (parts.findIndex((part) => at.closest(part)) + 5) % 5,
                       shown: seen.outlineStyle !== 'none' && parseFloat(seen.outlineWidth) >= 2 };
            }""")
        )
    assert stops[0]["what"] == "skip"
    assert [stop for stop in stops if not stop["shown"]] == []
    parts = [stop["part"] for stop in stops]
    assert parts == sorted(parts)
    assert {1, 2} <= set(parts)


def test_the_skip_link_leads_past_the_head(desk: BrowserContext, app: Lists) -> None:
    page = opened(desk, app.address)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('.board') !== null")


def test_the_table_carries_the_numbers_of_the_map(desk: BrowserContext, app: Lists) -> None:
    page = opened(desk, app.address)
    names = page.locator(".row .name").all_inner_texts()
    page.locator("#show-table").focus()
    page.keyboard.press("Enter")
    table = page.get_by_role("region", name="Heatmap as a table").get_by_role("table")
    assert table.get_by_role("rowheader").all_inner_texts() == names
    heads = table.get_by_role("columnheader").all_inner_texts()
    assert heads[:3] == ["Name", "HEAT now", "Velocity now"]
    assert len(heads) == 3 + 24
    first = table.get_by_role("row").nth(1).get_by_role("cell").all_inner_texts()
    assert first[0] == page.locator(".row .heat").first.text_content()
    assert len(first) == 2 + 24
    assert page.evaluate(
        "document.querySelector('#map-table').scrollWidth > document.querySelector('#map-table').clientWidth"
    )
    page.locator("#map-table").focus()
    page.keyboard.press("ArrowRight")  # it is scrolled by the keyboard
    page.wait_for_function("document.querySelector('#map-table').scrollLeft > 0")
    page.get_by_role("button", name="Show as map").click()
    assert table.count() == 0


def test_nothing_moves_for_whoever_asked_for_that(chromium: Browser, app: Lists) -> None:
    context = chromium.new_context(viewport=DESK, reduced_motion="reduce")
    context.add_init_script(NO_HELP)
    page = opened(context, f"{app.address}/?entity=ivo-marsh")
    page.evaluate("document.querySelector('.veil').textContent = 'Opening'")
    moving = """() => document.getAnimations().length + [...document.querySelectorAll('*')].filter((one) => {
      const looks = getComputedStyle(one);
      return looks.animationName !== 'none' || parseFloat(looks.transitionDuration) > 0;
    }).length"""
    assert page.evaluate(moving) == 0
    context.close()


def test_a_choice_of_theme_is_kept_and_there_from_the_first_byte(desk: BrowserContext, app: Lists) -> None:
    page = opened(desk, app.address)
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(ground)
    page.get_by_label("Theme").select_option("light")
    light = page.evaluate(ground)
    assert light != dark
    page.goto(f"{app.address}/alerts")
    assert page.evaluate(ground) == light
    for path in ("/", "/alerts"):
        assert 'data-theme="light"' in page.request.get(app.address + path).text().partition("<head>")[0]
    page.get_by_label("Theme").select_option("System")
    assert page.evaluate(ground) == dark
    assert "data-theme" not in page.request.get(f"{app.address}/alerts").text().partition("<head>")[0]
