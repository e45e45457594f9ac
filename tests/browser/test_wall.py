"""The wall in a real Chromium: it follows, it survives, and it never shows old data as new.

Hours and nights pass by playwright's clock. What takes real time is kept to what must: a server that is away.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from heatmap_app.pages.reader import Filters
from heatmap_app.plots import SCALES, palette
from heatmap_app.web import wall_feed
from heatmap_app.web.wall_values import Told
from tests.browser.sample_reader import NAMES, SampleReader
from tests.browser.test_injection import CORPUS, STRANGE
from tests.browser.wall_kit import WallServer, becomes, mood, names, wall_server
from tests.contract.security_kit import settings_with
from tests.contract.test_wall import away

pytestmark = pytest.mark.browser
WALL_TOKEN = "w" * 24
OVER = """() => { const page = document.documentElement; window.scrollTo(99, 99); return [
  page.scrollWidth - page.clientWidth, page.scrollHeight - page.clientHeight, window.scrollX, window.scrollY,
  innerWidth - page.clientWidth, innerHeight - page.clientHeight]; }"""
FITS = """() => [...document.querySelectorAll('.row > *, .lights, .line, .axis, .legend, .title')].filter((node) => {
  const box = node.getBoundingClientRect();
  return box.right > innerWidth + 1 || box.bottom > innerHeight + 1 || box.left < -1 || box.top < -1;
}).map((node) => node.className)"""
SMALLEST = """() => Math.min(...[...document.querySelectorAll('.head, .rows, .foot')].flatMap((part) =>
  [...part.querySelectorAll('*')].filter((node) => !node.closest('.unseen') && node.offsetWidth &&
    [...node.childNodes].some((child) => child.nodeType === 3 && child.nodeValue.trim()))
    .map((node) => parseFloat(getComputedStyle(node).fontSize))))"""

FRESH = r"data (4|5)\d s old"
NAMED = "[...document.querySelectorAll('.row .name')].map((node) => node.textContent).join('|')"
WATCHED = """() => {
  window.glides = [];
  const was = Element.prototype.animate;
  Element.prototype.animate = function (frames, timing) {
    window.glides.push([this.className, Object.keys(frames[0]), timing.duration]);
    return was.call(this, frames, timing);
  };
}"""


@pytest.fixture(scope="module")
def shared() -> Iterator[WallServer]:
    """For tests that only look."""
    with wall_server(SampleReader()) as server:
        yield server


@pytest.fixture
def server() -> Iterator[WallServer]:
    with wall_server(SampleReader(mode="live")) as made:
        yield made


@pytest.fixture
def screen(chromium: Browser) -> Iterator[BrowserContext]:
    """A small window: everything on the wall is a share of its height, and few pixels are drawn sooner."""
    context = chromium.new_context(viewport={"width": 960, "height": 540}, timezone_id="America/New_York")
    context.set_default_timeout(20_000)
    yield context
    context.close()


def hung(screen: BrowserContext, server: WallServer, query: str = "", *, clock: bool = False) -> Page:
    """A wall that has its first state; with ``clock`` its time stands in the test's hand."""
    page = screen.new_page()
    if clock:
        page.clock.install()
    page.goto(f"{server.address}/wall{query}")
    followed(page)
    return page


def followed(page: Page) -> None:
    becomes(page, "window.ETWall && ETWall.state && document.documentElement.dataset.mood !== 'starting'")


def text(page: Page, selector: str) -> str:
    return page.locator(selector).inner_text()


def later(page: Page, span: str) -> None:
    """Let ``span`` pass on the page's clock, and what it asks for meanwhile come."""
    page.clock.fast_forward(span)
    page.wait_for_timeout(60)


def test_a_first_page_without_a_state_grows_old(screen: BrowserContext, server: WallServer) -> None:
    page = screen.new_page()
    page.add_init_script("delete AbortSignal.timeout")
    page.clock.install()
    page.route("**/wall/state*", lambda route: route.abort())
    page.goto(f"{server.address}/wall?zone=Mars/Base;%20x")
    becomes(page, "Boolean(window.ETWall)")
    assert mood(page) == "starting"
    later(page, "00:50")
    becomes(page, "document.documentElement.dataset.mood === 'cut'")
    assert text(page, ".trouble").startswith("STALE: this screen has not reached its server for")
    assert page.locator(".cells i:not(.dull)").count() == 0
    assert "et_zone=America/New_York" in page.evaluate("document.cookie")
    page.unroute("**/wall/state*")
    page.evaluate("ETWall.look()")
    becomes(page, "document.documentElement.dataset.mood === 'calm'")
    assert page.locator(".cells i.dull").count() == 0


def test_a_state_that_cannot_be_shown_is_asked_for_again(screen: BrowserContext, server: WallServer) -> None:
    page = hung(screen, server)
    asked: list[str | None] = []

    def broken(route: Any) -> None:
        asked.append(route.request.headers.get("if-none-match"))
        route.fulfill(status=200, headers={"ET-Now": "1", "ETag": '"broken"'}, json={"kind": "wall", "regions": {}})

    page.route("**/wall/state*", broken)
    page.evaluate("ETWall.look()")
    page.unroute("**/wall/state*")
    assert asked
    assert page.evaluate("ETWall.state.rows.length") > 0, "the last one that could be shown"
    with page.expect_request("**/wall/state*") as again:
        page.evaluate("ETWall.look()")
    assert again.value.headers["if-none-match"] != '"broken"'


def test_a_paused_world_stands_still(screen: BrowserContext, server: WallServer) -> None:
    server.speed = 0.0
    page = hung(screen, server, clock=True)
    before = text(page, ".clock")
    page.route("**/wall/state*", lambda route: route.abort())
    later(page, "03:00")
    assert text(page, ".clock") == before


# ---- what it shows ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(1920, 1080), (3840, 2160), (1280, 1024)], ids=["1080p", "4k", "5:4"])
def test_twenty_rows_fit_without_scrollbars(chromium: Browser, shared: WallServer, size: tuple[int, int]) -> None:
    context = chromium.new_context(viewport={"width": size[0], "height": size[1]})
    page = hung(context, shared, "?domain=all")
    assert page.locator(".row[data-key]").count() == 20
    assert page.evaluate(OVER) == [0, 0, 0, 0, 0, 0]
    assert page.evaluate(FITS) == []
    if size != (1280, 1024):
        unit = size[1] / 1080
        assert page.evaluate(SMALLEST) >= 24 * unit, "NEW is written in capitals, the rest has 28"
        widths = page.evaluate("[...document.querySelector('.row').children].map((node) => node.offsetWidth)")
        assert max(widths) == widths[4], "the heat row is the widest thing"
        name = page.evaluate("parseFloat(getComputedStyle(document.querySelector('.name')).fontSize)")
        assert name == pytest.approx(34 * unit)
    context.close()


def test_a_row_says_everything(screen: BrowserContext, shared: WallServer) -> None:
    page = hung(screen, shared, "?domain=all")
    first = page.locator(".row[data-key]").first
    cells = first.locator("> [role=cell]")
    said = [re.sub(r"\s+", " ", one).strip() for one in cells.all_text_contents()]
    assert said[0] == "1"
    assert said[2].startswith("Odalys Brightwater")
    assert said[2].endswith("person")
    assert said[3] == "1.92"
    assert said[4].startswith("HEAT, 24 hours: highest")
    assert said[5] == "+3.3σrising"
    assert said[8] == "trades: none"
    assert "eligible" in (first.get_attribute("class") or "")
    assert first.locator(".cells i").count() == 24
    assert first.locator(".cells i.none").count() == 1
    assert text(page, "[data-region=mode]") == "DEMO: invented data"
    assert text(page, ".age").startswith("data ")
    assert page.locator(".lights li").count() == 4
    assert "until 10:40" in text(page, ".lights")
    assert page.locator("[role=table] [role=columnheader]").count() == 9


def test_colours_are_the_palettes(screen: BrowserContext, shared: WallServer) -> None:
    page = hung(screen, shared)
    seen = page.evaluate("getComputedStyle(document.querySelector('.bar i')).backgroundColor")
    low = wall_feed.palettes()[0][0]
    assert seen == f"rgb({', '.join(str(int(low[at : at + 2], 16)) for at in (1, 3, 5))})"
    day = hung(screen, shared, "?theme=day")
    pale = palette(SCALES["heat"], "light")[0]
    seen = day.evaluate("getComputedStyle(document.querySelector('.bar i')).backgroundColor")
    assert seen == f"rgb({', '.join(str(int(pale[at : at + 2], 16)) for at in (1, 3, 5))})"


def test_nothing_is_asked_of_others_and_nothing_complains(screen: BrowserContext, shared: WallServer) -> None:
    asked, said = [], []
    screen.on("request", lambda request: asked.append(request.url))
    screen.on("console", lambda message: said.append(message.text))
    page = hung(screen, shared)
    page.wait_for_timeout(300)
    assert asked
    assert [url for url in asked if not url.startswith(shared.address)] == []
    assert page.evaluate("[...document.fonts].filter((face) => face.status === 'loaded').length") >= 1
    assert said == []


def test_a_wrong_address_falls_back_and_says_so(screen: BrowserContext, shared: WallServer) -> None:
    page = hung(screen, shared, "?rows=900&theme=pink")
    assert page.locator(".row[data-key]").count() == 20
    assert "rows=900: takes 1 to 22; shown with 20" in text(page, ".notes")
    assert page.evaluate("document.documentElement.dataset.theme") == "night"
    assert page.evaluate(FITS) == []


def test_long_and_foreign_names_keep_to_their_place(screen: BrowserContext) -> None:
    odd = list(NAMES)
    odd[0] = ["שלום עליכם והזמרת הגדולה ביותר של כל הזמנים בעולם כולו", "person"]
    odd[1] = ["W" * 300, "franchise"]
    odd[2] = ["\u202eevil \u2066reversed", "person"]
    with wall_server(SampleReader(odd)) as server:
        page = hung(screen, server, "?domain=all")
        server.alert(2, odd[1][0])
        becomes(page, "document.documentElement.dataset.mood === 'alert'")
        assert page.evaluate(FITS) == []
        assert page.evaluate(OVER)[:2] == [0, 0]
        assert page.evaluate("getComputedStyle(document.querySelector('.name')).direction") == "rtl"
        assert page.evaluate("getComputedStyle(document.querySelector('.name')).textOverflow") == "ellipsis"
        assert "evil reversed" in names(page)
        left, right = page.evaluate("""(() => { const name = document.querySelector('.name').getBoundingClientRect(),
            kind = document.querySelector('.kind').getBoundingClientRect(); return [name.right, kind.left]; })()""")
        assert left <= right


@pytest.mark.parametrize("csp", [False, True], ids=["without the policy", "under the policy"])
def test_hostile_names_stay_texts(chromium: Browser, csp: bool) -> None:
    reader = SampleReader([(" ".join(CORPUS[at::7]), "person") for at in range(7)])
    context = chromium.new_context(bypass_csp=not csp)
    said: list[str] = []
    context.on("console", lambda message: said.append(message.text))
    with wall_server(reader) as server:
        page = hung(context, server, "?domain=all&" + "&".join(f"{name[:15]}={name[:40]}" for name in ("<svg>", "<b>")))
        server.alert(1, " ".join(CORPUS))
        becomes(page, "document.documentElement.dataset.mood === 'alert'")
        server.advance()
        becomes(page, "document.querySelectorAll('.row').length > 6")
        assert page.evaluate("window.PWN") is None
        assert page.evaluate(STRANGE) == []
        assert said == []
    context.close()


@pytest.mark.parametrize("what", ["empty", "away"])
def test_no_rows_is_a_sentence(screen: BrowserContext, what: str) -> None:
    reader = SampleReader()
    reader.empty = what == "empty"
    with wall_server(reader) as server, pytest.MonkeyPatch.context() as patch:
        if what == "away":
            patch.setattr(reader, "heat", away)
        page = hung(screen, server)
        wanted = "No baseline yet: 72 of 168 hours watched" if what == "empty" else "could not be read"
        assert wanted in text(page, ".empty")
        assert "DEMO" in text(page, ".facts")
        patch.undo()
        reader.empty = False
        server.advance()
        page.wait_for_selector(".row[data-key]")
        assert page.locator(".empty").inner_text() == ""


# ---- how it follows --------------------------------------------------------------------------------------------------


def test_a_new_score_reorders_and_the_rows_glide(screen: BrowserContext, server: WallServer) -> None:
    page = hung(screen, server)
    before = names(page)
    page.evaluate(WATCHED)
    server.advance()
    becomes(page, f"{NAMED} !== {json.dumps('|'.join(before))}")
    wanted = [item.entity.name for item in server.board.view(Filters()).items]
    assert names(page) == wanted
    glides = page.evaluate("window.glides")
    moved = [name for at, name in enumerate(wanted) if name in before and before[at] != name]
    assert sum("transform" in frames for _, frames, _ in glides) == len(moved)
    assert {duration for _, _, duration in glides} == {400}
    assert all(name.startswith("row") for name, _, _ in glides), "nothing else moves"
    tops = page.evaluate("[...document.querySelectorAll('.row')].map((node) => node.offsetTop)")
    assert tops == sorted(tops)


def test_nothing_moves_for_who_wants_that(screen: BrowserContext, server: WallServer) -> None:
    page = screen.new_page()
    page.emulate_media(reduced_motion="reduce")
    page.goto(f"{server.address}/wall")
    followed(page)
    before = names(page)
    server.advance()
    becomes(page, f"{NAMED} !== {json.dumps('|'.join(before))}")
    assert page.evaluate("document.getAnimations().length") == 0


def test_without_the_stream_it_follows_by_its_timer(screen: BrowserContext, server: WallServer) -> None:
    screen.route("**/api/v1/stream", lambda route: route.abort())
    page = hung(screen, server, clock=True)
    before = names(page)
    server.advance()
    later(page, "00:20")
    becomes(page, f"{NAMED} !== {json.dumps('|'.join(before))}")


def test_the_banner_comes_and_goes(screen: BrowserContext, server: WallServer) -> None:
    page = hung(screen, server, clock=True)
    assert mood(page) == "calm"
    server.alert(1, "Odalys Brightwater")
    becomes(page, "document.querySelector('.banner').textContent !== ''")
    later(page, "00:01")
    assert mood(page) == "alert"
    said = "10:32 Odalys Brightwater is spiking: Reddit, Trends, TikTok, +3.7σ, no trade story yet"
    assert re.sub(r"\s+", " ", text(page, ".banner")).strip() == said
    assert "ALERTED 10:32" in text(page, ".row >> nth=0")
    server.clock.advance(timedelta(seconds=92))
    later(page, "00:16")
    becomes(page, "document.documentElement.dataset.mood === 'calm'")
    server.alert(2, "The Lantern Keepers", age=timedelta(minutes=40))
    later(page, "00:16")
    assert mood(page) == "calm", "an alert from before the connection was lost is no news"


# ---- how it survives -------------------------------------------------------------------------------------------------


def test_a_server_that_is_gone_makes_it_stale_and_one_that_returns_does_not_need_a_hand(screen: BrowserContext) -> None:
    reader = SampleReader(mode="live")
    with wall_server(reader) as server:
        page = hung(screen, server, clock=True)
        port = server.port
        page.evaluate("window.same = true")
        assert re.fullmatch(FRESH, text(page, ".age"))
    later(page, "00:30")
    assert text(page, ".age") == "data 1 min old"
    later(page, "00:20")
    assert mood(page) == "cut"
    assert text(page, ".trouble").startswith("STALE since 10:32: this screen has not reached its server for ")
    assert page.locator(".cells i.dull").count() == 20
    assert text(page, ".line .next") == ""
    assert text(page, ".axis .then") == "10:31"
    later(page, "01:00:00")
    assert text(page, ".age") == "data 1 h 1 min old"
    assert "for 1 h" in text(page, ".trouble")
    reader.step = 6
    with wall_server(reader, port=port):
        later(page, "00:16")
        becomes(page, "document.documentElement.dataset.mood === 'calm'")
        assert re.fullmatch(FRESH, text(page, ".age"))
        assert page.locator(".cells i.dull").count() == 0
        assert page.evaluate("window.same"), "it needed no loading"


def test_sleep_is_noticed_by_the_clock_that_went_on(screen: BrowserContext, server: WallServer) -> None:
    """While a machine sleeps its monotonic clock may stand still: the wall clock alone must be enough."""
    page = hung(screen, server)
    server.gone = 502
    page.evaluate("(() => { const was = Date.now; Date.now = () => was() + 3 * 3600e3; })()")
    becomes(page, "document.documentElement.dataset.mood === 'cut'")
    assert text(page, ".age") == "data 3 h old"
    server.gone = 0
    page.evaluate("ETWall.look()")
    becomes(page, "document.documentElement.dataset.mood === 'calm'")
    assert re.fullmatch(FRESH, text(page, ".age"))


def test_a_clock_set_back_makes_nothing_younger(screen: BrowserContext, server: WallServer) -> None:
    page = hung(screen, server)
    page.evaluate("(() => { const was = Date.now; Date.now = () => was() - 3 * 3600e3; })()")
    page.wait_for_timeout(1200)
    assert re.fullmatch(FRESH, text(page, ".age"))
    assert mood(page) == "calm"


def test_stale_by_the_servers_word(screen: BrowserContext, server: WallServer) -> None:
    page = hung(screen, server, clock=True)
    server.reader.stale = True
    server.clock.advance(timedelta(minutes=87))
    server.publish()
    later(page, "00:16")
    becomes(page, "document.documentElement.dataset.mood === 'stale'")
    assert text(page, ".trouble") == "STALE since 10:31: no new scores for 1 h 27 min"
    assert page.locator(".cells i.dull").count() == 20
    assert (
        page.evaluate("getComputedStyle(document.querySelector('.head'), '::before').backgroundColor")
        == "rgb(255, 183, 77)"
    )


def test_a_dead_heartbeat_cannot_make_it_fresh(screen: BrowserContext, server: WallServer) -> None:
    """The server answers from memory for ever: its own clock gives it away."""
    page = hung(screen, server, clock=True)
    server.clock.advance(timedelta(minutes=20))
    later(page, "00:16")
    becomes(page, "document.documentElement.dataset.mood === 'stale'")
    assert text(page, ".trouble").startswith("STALE since 10:31: no new scores for 20 min")


@pytest.mark.parametrize("kind", ["a proxy's page", "an empty answer", "other JSON", "no time"])
def test_what_is_no_state_does_not_count_as_one(screen: BrowserContext, server: WallServer, kind: str) -> None:
    page = hung(screen, server, clock=True)
    told = {"ET-Now": "9999999999999", "ET-Speed": "1", "ETag": '"x"'}
    body, headers = {
        "a proxy's page": ("<h1>Welcome</h1>", told), "an empty answer": ("", told), "other JSON": ('{"kind":"x"}', told),
        "no time": ('{"kind":"wall"}', {}),
    }[kind]  # fmt: skip
    page.route("**/wall/state**", lambda route: route.fulfill(status=200, body=body, headers=headers))
    for _ in range(4):
        later(page, "00:15")
    assert mood(page) == "cut"
    page.unroute("**/wall/state**")
    later(page, "00:16")
    becomes(page, "document.documentElement.dataset.mood === 'calm'")


def test_signed_out_is_said_and_the_wall_link_brings_it_back(chromium: Browser, tmp_path: Any) -> None:
    with wall_server(settings=settings_with(tmp_path, wall_token=WALL_TOKEN)) as server:
        context = chromium.new_context(timezone_id="America/New_York")
        page = context.new_page()
        page.clock.install()
        page.goto(f"{server.address}/auth/wall?token={WALL_TOKEN}")
        followed(page)
        assert page.url == f"{server.address}/wall"
        context.clear_cookies()
        later(page, "00:20")
        becomes(page, "document.documentElement.dataset.mood === 'out'")
        assert text(page, ".trouble").startswith("SIGNED OUT: not live since 10:32. Open this screen's wall link again")
        other = context.new_page()
        other.goto(f"{server.address}/auth/wall?token={WALL_TOKEN}")
        followed(other)
        later(page, "00:20")
        becomes(page, "document.documentElement.dataset.mood === 'calm'")
        context.close()


def test_new_assets_and_the_night_load_the_page_anew_and_a_broken_server_does_not(
    screen: BrowserContext, server: WallServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = hung(screen, server, clock=True)
    page.evaluate("window.old = true")
    monkeypatch.setattr(wall_feed, "version", lambda: "another")
    server.advance()
    becomes(page, "window.old !== true")
    followed(page)
    page.evaluate("window.old = true")
    server.advance()
    page.wait_for_timeout(400)
    assert page.evaluate("window.old"), "a page that comes out the same is not loaded over and over"
    monkeypatch.undo()
    server.gone = 503
    later(page, "30:00:00")
    page.wait_for_timeout(200)
    assert page.evaluate("window.old"), "no error page in place of the wall"
    server.gone = 0
    later(page, "00:20")
    later(page, "01:00")
    becomes(page, "window.old !== true")


def test_the_picture_shifts_by_pixels_and_the_theme_follows_the_hour(
    screen: BrowserContext, shared: WallServer
) -> None:
    page = hung(screen, shared, "?theme=auto", clock=True)
    page.clock.set_system_time("2026-03-14T18:00:00Z")
    seen, themes = set(), set()
    for _ in range(14):
        later(page, "01:47:00")
        seen.add(page.evaluate("document.querySelector('#screen').style.transform"))
        themes.add(page.evaluate("document.documentElement.dataset.theme"))
    assert len(seen) > 8
    shifts = [abs(int(number)) for one in seen for number in re.findall(r"-?\d+", one)]
    assert max(shifts) <= 5
    assert themes == {"day", "night"}
    assert page.evaluate(OVER) == [0, 0, 0, 0, 0, 0]


def test_told_is_what_the_sample_says(shared: WallServer) -> None:
    assert shared.told == Told(), "tests that share a server leave it as it was"
