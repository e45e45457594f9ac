"""A Chromium for the page tests: the machine's own, or playwright's."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page, sync_playwright

from tests.browser.sample_reader import SampleReader
from tests.browser.serve_sample import SampleServer, running
from tests.chromium import ARGUMENTS, program


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One browser for a module's tests. Without one: left out on a laptop, a failure with CI=true.

    Not for the whole session: playwright keeps an event loop running in this thread, and async tests after it would fail.
    """
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=program(), args=ARGUMENTS)
        except Error:
            if os.environ.get("CI") == "true":
                raise
            pytest.skip("no Chromium: install it (apt-get install chromium) or run `playwright install chromium`")
        yield browser
        browser.close()


@pytest.fixture
def server() -> Iterator[SampleServer]:
    """The dashboard over a fresh sample reader."""
    with running(SampleReader()) as server:
        yield server


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    """A window of its own, at the desk's size, dark, in a zone that is not UTC."""
    context = chromium.new_context(
        viewport={"width": 1440, "height": 900}, timezone_id="America/New_York", color_scheme="dark"
    )
    context.set_default_timeout(30_000)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """An empty tab."""
    return context.new_page()
