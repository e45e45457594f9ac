"""An editor watches a recording again: pause, step, speed, and a jump back, with the real server behind the page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import polars as pl
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.postgres import var_folder
from tests.processes import Running, serving
from tests.unit.recordings import START, rows

pytestmark = [pytest.mark.browser, pytest.mark.slow]
BEGIN = START + timedelta(hours=20)  # Tuesday 18:00 UTC


@pytest.fixture(scope="module")
def replay() -> Iterator[Running]:
    """Two days of two sources, half-hourly, entered at 18:00 and slow enough to stand still by itself."""
    with var_folder() as var:
        times = [START + timedelta(minutes=30 * number) for number in range(96)]
        reddit = [rows("reddit", at, [f"t3_{n}", f"t3_{n + 1}"], at) for n, at in enumerate(times)]
        trends = [rows("trends", at, ["q1", f"q{n % 7}"]) for n, at in enumerate(times)]
        taped = var / "taped.parquet"
        pl.concat([*reddit, *trends]).write_parquet(taped)
        begin = BEGIN.isoformat()
        with serving("replay", str(taped), "--from", begin, "--speed", "10", var=var / "v") as server:
            yield server


@pytest.fixture
def page(chromium: Browser, replay: Running) -> Iterator[Page]:
    context = chromium.new_context(viewport={"width": 1440, "height": 900}, timezone_id="UTC")
    context.set_default_timeout(60_000)
    expect.set_options(timeout=30_000)
    page = context.new_page()
    page.goto(replay.address)
    yield page
    expect.set_options(timeout=5_000)
    context.close()


def test_an_editor_watches_it_again(page: Page, replay: Running) -> None:
    bar = page.locator("#replay")
    words = bar.locator(".words")
    expect(words).to_contain_text("Playing, Tue 18:00", timeout=60_000)
    expect(bar.locator(".faint")).to_have_text("Recording: Mon 22:00 to Wed 21:30")

    page.locator("body").press("Space")
    expect(words).to_have_text("Paused at Tue 18:00")
    expect(bar.get_by_role("button", name="Play")).to_be_visible()
    still = expect(page.locator("#meta > i"), "ages stand still too")
    still.to_have_attribute("data-speed", re.compile(r"^0(\.0)?$"))

    bar.get_by_role("button", name="Step").click()
    expect(words).to_have_text("Paused at Tue 18:30")
    page.locator("body").press(".")
    expect(words).to_have_text("Paused at Tue 19:00")
    assert replay.get("/api/v1/heat?domain=all").json["as_of"] == "2026-03-03T19:00:00Z"

    bar.get_by_label("Jump to").fill("2026-03-03T08:10")
    bar.get_by_role("button", name="Go").click()
    expect(words).to_have_text(re.compile("Reading in up to Tue 08:10|Paused at Tue 08:10"))
    expect(words).to_have_text("Paused at Tue 08:10")
    assert replay.get("/api/v1/heat?domain=all").json["as_of"] == "2026-03-03T08:10:00Z"
    assert "paused at Tue 08:10" in replay.get("/alerts").text, "the other pages say it in their head"

    bar.get_by_role("button", name="×600").click()
    expect(bar.get_by_role("button", name="×600")).to_have_attribute("aria-pressed", "true")
    bar.get_by_role("button", name="Play").click()
    expect(words).to_have_text(re.compile("Playing, Tue (08:30|09|1)"))
    bar.get_by_role("button", name="Pause").click()
    expect(words).to_have_text(re.compile("Paused at Tue"))


def test_a_place_outside_the_recording_is_refused_in_words(page: Page) -> None:
    bar = page.locator("#replay")
    expect(bar.get_by_role("button", name="Go")).to_be_enabled()
    bar.get_by_label("Jump to").fill("2027-01-01T00:00")
    bar.get_by_role("button", name="Go").click()
    expect(bar.locator(".words")).to_contain_text("the recording runs from 2026-03-02 22:00 to 2026-03-04 21:30")
