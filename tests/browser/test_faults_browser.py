"""Faults between page and server (rows B1, B3, B5 of docs/faults.md), in a real Chromium and over real websockets."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx
import pytest
from playwright.sync_api import BrowserContext, Page
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from heatmap_app.metrics import LoopLag
from tests.browser.sample_reader import NAMES, SampleReader
from tests.browser.serve_sample import SampleServer, running
from tests.browser.test_dashboard import names, opened, until, where

pytestmark = pytest.mark.browser


def test_b1_a_lost_server_is_said_and_its_return_heals_the_page(page: Page) -> None:
    with running(SampleReader()) as first:
        opened(page, f"{first.address}/?entity=n5&color=affect")
        port = first.socket.getsockname()[1]
    page.wait_for_function("() => document.querySelector('#link-state').textContent.includes('Reconnecting')")
    page.evaluate("window.old = true")
    with running(SampleReader(), port=port):
        page.wait_for_function("() => !window.old && document.documentElement.classList.contains('connected')")
        assert "entity=n5" in where(page)
        assert page.locator(".entity h2").inner_text() == NAMES[4][0]


def test_b1_a_dropped_websocket_is_said_and_the_view_comes_back(page: Page, server: SampleServer) -> None:
    opened(page, f"{server.address}/?entity=n5&color=affect")
    shown = names(page)
    page.evaluate("window.old = true")
    said = "() => document.querySelector('#link-state').textContent.includes('Reconnecting')"
    page.evaluate(f"window.said = 0; setInterval(() => {{ window.said += ({said})(); }}, 5)")
    assert server.loop is not None
    server.loop.call_soon_threadsafe(server.drop)
    page.wait_for_function("() => window.old === undefined || window.said > 0")
    page.wait_for_function("() => !window.old && document.documentElement.classList.contains('connected')")
    assert "entity=n5" in where(page)
    assert "color=affect" in where(page)
    assert names(page) == shown


def test_b5_two_editors_correct_one_domain(page: Page, context: BrowserContext, server: SampleServer) -> None:
    other = context.new_page()
    for window in (page, other):
        opened(window, f"{server.address}/?entity=n1&domain=all")
    page.locator("select[name=set-domain]").select_option("sport")
    until(lambda: server.reader.corrections == [(1, "sport", "desk")])
    other.locator("select[name=set-domain]").select_option("politics")
    other.wait_for_selector(".banner.bad")
    assert "The domain was not changed: somebody has made it sport meanwhile" in other.locator(".banner").inner_text()
    assert server.reader.corrections == [(1, "sport", "desk")]
    until(lambda: "sport" in other.locator(".entity header p").inner_text())
    other.locator("select[name=set-domain]").select_option("politics")
    until(lambda: server.reader.corrections[1:] == [(1, "politics", "desk")])


TABS = 30


@pytest.mark.slow
def test_b3_thirty_tabs_leave_the_loop_free() -> None:
    """Thirty pages over real websockets, then three new boards for all of them; the loop that also keeps the schedule
    wakes up in time meanwhile. Names are paged in the database, so their number does not reach the loop."""
    with running(SampleReader()) as server, ExitStack() as stack:
        lag = LoopLag(every_s=0.02, window_s=600)
        assert server.loop is not None
        watching = asyncio.run_coroutine_threadsafe(lag.watch(), server.loop)
        for _ in range(TABS):
            stack.enter_context(tab(server.address))
        assert len(server.sessions()) == TABS
        for _ in range(3):
            server.advance()
            time.sleep(0.5)
        until(lambda: len(server.board.hub) == TABS)
        watching.cancel()
        late = sorted(lag._seen)
        assert late[round(0.95 * len(late)) - 1] < 0.25, late[-20:]


@contextmanager
def tab(address: str) -> Iterator[ClientConnection]:
    """A page as a browser opens it: its HTML, then a websocket with the token in it, then the whole document."""
    html = httpx.get(address + "/", timeout=60, trust_env=False).text
    found = re.search(r'"token":\s*"([^"]+)"', html)
    assert found, "the page carries a token"
    where = address.replace("http:", "ws:") + "/ws"
    protocols = [Subprotocol("bokeh"), Subprotocol(found.group(1))]
    with connect(
        where, subprotocols=protocols, origin=Origin(address), open_timeout=60, close_timeout=1, max_size=None,
        max_queue=None, proxy=None,
    ) as socket:  # fmt: skip
        assert "ACK" in str(socket.recv(timeout=60))
        for part in ('{"msgid": "1", "msgtype": "PULL-DOC-REQ"}', "{}", "{}"):
            socket.send(part)
        yield socket
