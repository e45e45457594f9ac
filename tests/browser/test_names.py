"""The entity's side as a person uses it: merge and undo, watch, compare, read the timeline by keys, page through receipts.

The page is the product's over a real store, the writes go through the product's API.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace

import pytest
from fastapi import FastAPI
from playwright.sync_api import Browser, BrowserContext, Page, expect

from heatmap_app import api, api_writes, problems
from heatmap_app.reader import StoreReader
from pipelines.clock import ManualClock
from pipelines.settings import load_settings
from pipelines.store import Store
from tests.browser.serve_sample import SampleServer, running
from tests.conftest import emptied
from tests.contract.store_rows import HOUR, T, add, item, mentions, result, save, score_frames

pytestmark = pytest.mark.browser
NAMES = ("Odalys Brightwater", "O. Brightwater", "Saint Ferro", "The Lantern Keepers", "שירת הים")
MINUTE = timedelta(minutes=1)


class StoreSample(StoreReader):
    """The product's reader, with the present that the test server asks for."""

    __slots__ = ()

    @property
    def now(self) -> object:
        return self.clock.now()


def fill(store: Store) -> None:
    """Five scored names; the first has 120 receipts, the second 12; half a day of hours watched."""
    ids = add(store, *NAMES)
    store.add_alias(ids[0], "odalys", "Odalys", "ana")
    for n in range(12):
        at = T - HOUR * (11 - n)
        posts = [item(f"p{n}-{k}", at=at, published_at=at - k * MINUTE, engagement=40.0 * k) for k in range(11)]
        whose = [
            (ids[0], "odalys brightwater" if k % 2 else "odalys") if k < 10 else (ids[1], "o. brightwater")
            for k in range(11)
        ]
        found = mentions(*(("reddit", post["item_id"], *who) for post, who in zip(posts, whose, strict=True)))
        save(store, [result(posts, at=at, covered_from=at - HOUR)], found)
    for back in (5, 0):
        store.save_scores(T - back * MINUTE, *score_frames(ids, T - back * MINUTE))


@pytest.fixture(scope="module")
def desk(embedded_url: str) -> Iterator[SampleServer]:
    """One server for the module; every test leaves the names as it found them."""
    with emptied(embedded_url, "demo") as store:
        fill(store)
        settings = load_settings(mode="demo")
        reader = StoreSample(store, settings, ManualClock(T), "demo", {"reddit": 60.0})
        servers: list[SampleServer] = []

        def prepare(app: FastAPI) -> None:
            app.state.runtime, app.state.reader = SimpleNamespace(store=store, settings=settings, reader=reader), reader
            app.state.acted = lambda: servers[0].board.publish()  # noqa: PLW0108 - the server comes later
            problems.install(app)
            app.include_router(api.router)
            app.include_router(api_writes.router)

        with running(reader, prepare=prepare) as server:  # type: ignore[arg-type]  # a real reader in the sample's place
            servers.append(server)
            yield server


@pytest.fixture(scope="module")
def window(chromium: Browser) -> Iterator[BrowserContext]:
    context = chromium.new_context(viewport={"width": 1440, "height": 900}, timezone_id="America/New_York")
    context.set_default_timeout(30_000)
    expect.set_options(timeout=20_000)  # the machine may be busy with other tests
    yield context
    expect.set_options(timeout=5_000)
    context.close()


@pytest.fixture
def page(window: BrowserContext) -> Iterator[Page]:
    page = window.new_page()
    yield page
    page.close()


def opened(page: Page, desk: SampleServer, query: str) -> Page:
    page.goto(f"{desk.address}/?{query}")
    page.wait_for_selector("html.connected", state="attached")
    return page


def test_a_name_is_merged_and_the_undo_brings_it_back(page: Page, desk: SampleServer) -> None:
    opened(page, desk, "entity=odalys-brightwater")
    expect(page.locator(".row .name")).to_have_count(5)
    page.get_by_role("button", name="Merge another into it").click()
    dialog = page.get_by_role("dialog", name="Merge a name into Odalys Brightwater")
    expect(dialog.get_by_role("button", name="Merge")).to_be_disabled()
    page.keyboard.type("brightwater")
    dialog.locator("[data-pick='o.-brightwater']").wait_for()
    page.keyboard.press("Enter")
    expect(dialog.locator(".told")).to_contain_text("Merges 12 receipts of O. Brightwater into Odalys Brightwater.")
    dialog.get_by_role("button", name="Merge", exact=True).click()
    expect(page.locator("#told")).to_contain_text("O. Brightwater is part of Odalys Brightwater now.")
    expect(page.locator(".row .name")).to_have_count(4)
    expect(page.locator(".receipts-head")).to_contain_text("1–50 of 132")
    expect(page.locator(".naming .names")).to_contain_text("O. Brightwater 12 receipts · from O. Brightwater")
    page.locator("#told").get_by_role("button", name="Undo").click()
    expect(page.locator("#told")).to_contain_text("Undone: it is as it was.")
    expect(page.locator(".row .name")).to_have_count(5)
    expect(page.locator(".receipts-head")).to_contain_text("1–50 of 120")
    expect(page.locator(".changes s").first).to_contain_text("Merged “O. Brightwater” into it")


def test_a_link_to_a_merged_name_says_where_it_is(page: Page, desk: SampleServer) -> None:
    opened(page, desk, "entity=odalys-brightwater")
    done = page.evaluate("""() => fetch('/api/v1/entities/odalys-brightwater/merge', {method: 'POST',
        body: JSON.stringify({other: 'o.-brightwater'}),
        headers: {'Content-Type': 'application/json', 'X-ET-Write': '1'}}).then((answer) => answer.json())""")
    opened(page, desk, "entity=o.-brightwater")
    expect(page.locator("#entity-name")).to_have_text("Odalys Brightwater")
    expect(page.locator(".moved")).to_contain_text("o.-brightwater, which is part of Odalys Brightwater now")
    page.locator(".changes").get_by_role("button", name="Undo").first.click()
    expect(page.locator("#entity-name")).to_have_text("O. Brightwater")
    assert done["undo"]


def test_a_split_tells_first_and_is_undone_from_the_list(page: Page, desk: SampleServer) -> None:
    opened(page, desk, "entity=odalys-brightwater")
    page.get_by_role("button", name="Split off").click()
    dialog = page.get_by_role("dialog", name="Split a name off")
    dialog.get_by_text("Odalys", exact=True).click()
    expect(dialog.locator(".told")).to_contain_text(
        "Makes “Odalys” a name of its own, with the 60 receipts it matched."
    )
    dialog.get_by_role("button", name="Split off").click()
    expect(page.locator(".receipts-head")).to_contain_text("1–50 of 60")
    page.locator(".changes").get_by_role("button", name="Undo: Split off “Odalys”").click()
    expect(page.locator(".receipts-head")).to_contain_text("1–50 of 120")


def test_watched_names_are_marked_and_can_be_had_alone(page: Page, desk: SampleServer) -> None:
    opened(page, desk, "entity=saint-ferro")
    page.get_by_role("button", name="Watch", exact=True).click()
    expect(page.locator(".row .watched-mark")).to_have_count(1)
    page.get_by_text("★ Watched", exact=True).click()
    expect(page.locator(".row .name")).to_have_text(["Saint Ferro"])
    page.wait_for_function("location.search.includes('watched=1')")
    page.get_by_role("button", name="Watched ✓").click()
    expect(page.locator(".notice")).to_contain_text("No watched name is on the board right now.")
    page.get_by_role("button", name="Show all").first.click()
    expect(page.locator(".row .name")).to_have_count(5)


def test_four_names_are_compared_in_the_address(page: Page, desk: SampleServer) -> None:
    opened(page, desk, "entity=odalys-brightwater&compare=saint-ferro,the-lantern-keepers&color=velocity")
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(page.locator(".compared li")).to_have_count(3)
    page.keyboard.press("/")
    page.keyboard.type("שירת")
    page.locator(".found .add").click()
    expect(page.locator(".comparing path.line")).to_have_count(4)
    expect(page.locator(".comparing")).to_contain_text("Velocity per hour")
    assert len({path.get_attribute("class") for path in page.locator(".comparing path.line").all()}) == 4
    page.wait_for_function("decodeURIComponent(location.search).includes('שירת')")
    page.reload()
    expect(page.locator(".comparing .end")).to_have_count(4)
    page.locator(".compared [data-act='compare-off']").first.click()
    expect(page.locator(".compared li")).to_have_count(3)
    page.set_viewport_size({"width": 1280, "height": 720})
    stop = page.get_by_role("button", name="Stop comparing")
    box, panel = stop.bounding_box(), page.locator(".panel").bounding_box()
    assert box is not None and panel is not None  # noqa: PT018 - for the types
    assert box["x"] + box["width"] <= panel["x"] + panel["width"]
    cut = "[...document.querySelectorAll('.row .name')].filter((one) => one.scrollWidth > one.clientWidth).length"
    assert page.evaluate(cut) == 0
    stop.click()
    expect(page.locator(".comparing")).to_have_count(0)


def test_the_timeline_is_read_by_pointer_and_by_keys(page: Page, desk: SampleServer) -> None:
    opened(page, desk, "entity=odalys-brightwater&window=12")
    plot = page.locator(".timeline .plot")
    box = plot.locator("> svg").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.5 / 12, box["y"] + 20)
    expect(plot.locator(".readout")).to_contain_text("Thu 21:00–22:00: Velocity")  # T is 08:00 in New York
    page.mouse.move(5, 5)
    plot.focus()
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    expect(plot.locator(".readout")).to_contain_text("Fri 07:00–08:00: Velocity +2.0σ")
    page.locator(".timeline .as-table summary").click()
    assert page.locator(".timeline .figures tbody tr").count() == 12


def test_receipts_come_page_by_page_and_all_as_csv(page: Page, desk: SampleServer) -> None:
    opened(page, desk, "entity=odalys-brightwater")
    seen: list[str] = []
    for place in ("1–50 of 120", "51–100 of 120", "101–120 of 120"):
        expect(page.locator(".receipts-head")).to_contain_text(place)
        seen += page.locator(".receipts td.title").all_inner_texts()
        if not place.startswith("101"):
            page.get_by_role("button", name="Next 50").click()
    expect(page.get_by_role("button", name="Next 50")).to_have_attribute("aria-disabled", "true")
    assert len(seen) == len(set(seen)) == 120
    page.get_by_role("button", name="Previous 50").click()
    expect(page.locator(".receipts-head")).to_contain_text("51–100 of 120")
    page.locator(".filters").get_by_role("button", name="TikTok").click()
    expect(page.locator(".receipts-block")).to_contain_text("No receipts from TikTok.")
    page.locator(".filters").get_by_role("button", name="All").click()
    expect(page.locator(".receipts-head")).to_contain_text("1–50 of 120")
    with page.expect_download() as download:
        page.get_by_role("link", name="Export CSV").click()
    assert download.value.path().read_text().count("\n") == 121


def orders(page: Page) -> list[str | None]:
    """What the heads of the receipts say they are sorted by."""
    return [head.get_attribute("aria-sort") for head in page.locator(".receipts th").all()]


def test_receipts_are_sorted_from_their_heads_by_keys_and_by_link(page: Page, desk: SampleServer) -> None:
    opened(page, desk, "entity=odalys-brightwater")
    heads, head = page.locator(".receipts th"), page.locator(".receipts-head")
    first = page.locator(".receipts td.title").first
    newest, sizes = first.inner_text(), page.locator(".receipts td.engagement")
    assert orders(page) == ["descending", None, None, None]
    page.locator(".receipts th.engagement button").focus()
    page.keyboard.press("Enter")
    expect(heads.nth(3)).to_have_attribute("aria-sort", "descending")
    assert orders(page) == [None, None, None, "descending"]
    assert page.evaluate("document.activeElement.textContent").startswith("Engagement")
    shown = sizes.all_inner_texts()
    page.get_by_role("button", name="Next 50").click()
    expect(head).to_contain_text("51–100 of 120")
    shown += sizes.all_inner_texts()
    assert shown == [str(40 * (9 - place // 12)) for place in range(100)]
    assert "receipts=engagement" in page.url
    page.reload()  # the link opens the first page in the same order
    page.wait_for_selector("html.connected", state="attached")
    assert orders(page) == [None, None, None, "descending"]
    assert sizes.all_inner_texts() == shown[:50]
    with page.expect_download() as download:
        page.get_by_role("link", name="Export CSV").click()
    rows = list(csv.DictReader(download.value.path().read_text(encoding="utf-8").splitlines()))
    assert [float(row["engagement"]) for row in rows] == [40.0 * (9 - place // 12) for place in range(120)]
    api = f"{desk.address}/api/v1/entities/odalys-brightwater/receipts?limit=3&sort="
    asked = page.request.get(f"{api}engagement").json()
    following = page.request.get(f"{api}engagement&cursor={asked['next_cursor']}").json()
    assert {item["engagement"] for item in (*asked["items"], *following["items"])} == {360.0}
    assert following["first"] == 4
    assert page.request.get(f"{api}newest&cursor={asked['next_cursor']}").status == 400
    assert page.request.get(f"{api}loudest").status == 422
    page.locator(".receipts th.time button").click()
    expect(heads.first).to_have_attribute("aria-sort", "descending")
    assert first.inner_text() == newest
    page.locator(".receipts th.time button").click()
    expect(heads.first).to_have_attribute("aria-sort", "ascending")
    assert first.inner_text() != newest
    expect(page.get_by_role("button", name="Oldest")).to_have_attribute("aria-disabled", "true")


def test_a_muted_name_says_so_and_comes_back(page: Page, desk: SampleServer) -> None:
    opened(page, desk, "entity=the-lantern-keepers")
    page.get_by_role("button", name="Mute", exact=True).click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator(".told")).to_contain_text("leaves every board and is neither scored nor alerted")
    dialog.get_by_role("button", name="Mute", exact=True).click()
    expect(page.locator(".moved")).to_contain_text("Muted: it is on no board")
    expect(page.locator(".row .name")).to_have_count(4)
    page.locator("body").press("[")  # the poll before, from when it stood there
    row = page.locator(".row", has_text="The Lantern Keepers")
    expect(row.locator(".kind")).to_have_text("muted since")
    expect(page.locator(".moved")).to_contain_text("Muted since: it is on no board today")
    expect(page.locator(".equation")).to_contain_text("HEAT")
    expect(page.locator(".naming")).to_contain_text("Names are changed on the live board.")
    expect(page.locator(".naming button, .naming form, select[name=set-domain]")).to_have_count(0)
    expect(page.locator(".scrub-words")).to_contain_text("Who was muted or merged since is marked")
    expect(page.locator(".hours")).not_to_contain_text("now")
    sheet = page.request.get(desk.address + str(page.locator("a[data-key=csv]").get_attribute("href"))).text()
    gone = {line["name"]: line["gone"] for line in csv.DictReader(sheet.splitlines())}
    assert gone["The Lantern Keepers"] == "muted"
    assert set(gone.values()) == {"", "muted"}
    page.keyboard.press("l")
    expect(row).to_have_count(0)
    page.get_by_role("button", name="Show again").click()
    page.get_by_role("dialog").get_by_role("button", name="Show again").click()
    expect(page.locator(".moved")).to_have_count(0)
    expect(page.locator(".row .name")).to_have_count(5)
