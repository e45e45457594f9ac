"""B4: whatever a name, title, note or address says, every page shows it as text. In a real Chromium, without the help of the
Content-Security-Policy, which would hide a hole behind a second wall; and once more with it, which must not complain."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Page

import tests.lists_kit
from heatmap_app.pages.reader import Filters
from pipelines.alert import actions
from pipelines.people import Person
from tests.browser.test_dashboard import HOSTILE, PWN
from tests.lists_kit import Lists, running_lists
from tests.postgres import open_folder
from tests.tuning_kit import ADDRESS, looked_back

pytestmark = pytest.mark.browser

MORE = (
    f"<details open ontoggle={PWN}>", f"<a href=\"javascript:{PWN}\">x</a>", f"\u202e<img src=x onerror={PWN}>\u202c",
    f"--><script>{PWN}</script><!--", f"]]><script>{PWN}</script>",
    f"</textarea><script>{PWN}</script>", f"</template><img src=x onerror={PWN}>",
    f"{{% raw %}}{{{{ ''.__class__ }}}}<script>{PWN}</script>", f"\" autofocus onfocus={PWN} x=\"", f"' onclick='{PWN}",
)  # fmt: skip
EVERYTHING = Filters(limit=20, sort="heat", min_velocity=None, min_spread=None, domains=None)
CORPUS = (*HOSTILE, *MORE)
STRANGE = """() => {
  const found = [];
  const look = (root) => {
    for (const node of root.querySelectorAll('*')) {
      const scripted = [...node.attributes].filter((a) => /^on/.test(a.name)).map((a) => a.name);
      const link = ['href', 'src', 'action', 'srcdoc'].map((name) => node.getAttribute(name) || '').join(' ');
      if (scripted.length || /javascript:/i.test(link)) found.push(node.outerHTML.slice(0, 200));
      if (['IFRAME', 'MATH', 'OBJECT', 'EMBED', 'BASE'].includes(node.tagName)) found.push(node.outerHTML.slice(0, 200));
      if (node.tagName === 'IMG' && node.getAttribute('src') === 'x') found.push(node.outerHTML.slice(0, 200));
      const code = node.tagName === 'SCRIPT' && !/json/.test(node.type);
      if (code && node.textContent.includes('PWN')) found.push(node.outerHTML.slice(0, 200));
      if (node.shadowRoot) look(node.shadowRoot);
    }
  };
  look(document);
  return found;
}"""
PATHS = (
    "/", "/?entity={slug}", "/?entity={hostile}", "/alerts", "/alerts?name={hostile}", "/alerts/{number}", "/alerts/decisions",
    "/alerts/decisions?q={hostile}", "/kpis", "/sources", "/research/{slug}", "/research/{hostile}", "/login?next={hostile}",
    ADDRESS, "/tuning?min_velocity={hostile}", "/wall", "/wall?colour={hostile}&zone={hostile}&{hostile}=1",
)  # fmt: skip


@pytest.fixture(scope="module")
def app(embedded_url: str) -> Iterator[Lists]:
    """Every name is several pieces of the corpus, and people have typed the rest."""
    names = tuple(" ".join(CORPUS[at::7]) for at in range(7))
    with pytest.MonkeyPatch.context() as patch, open_folder() as var:
        patch.setattr(tests.lists_kit, "NAMES", names)
        with running_lists(embedded_url, var) as running:
            now, by = datetime.now(UTC), Person("slack:U9", CORPUS[0])
            for at, number in enumerate(running.ids):
                typed = CORPUS[(at * 2) % len(CORPUS)]
                actions.assign(running.runtime.store, number, by, now, who=typed[:80], note=typed, once=f"hostile {at}")
            looked_back(running.runtime)
            yield running


@pytest.mark.parametrize("csp", [False, True], ids=["without the policy", "under the policy"])
@pytest.mark.parametrize("path", PATHS)
def test_b4_hostile_texts_stay_texts(chromium: Browser, app: Lists, path: str, csp: bool) -> None:
    said: list[str] = []
    context = chromium.new_context(bypass_csp=not csp, viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.on("dialog", lambda dialog: said.append(f"a dialog: {dialog.message}"))  # and the page stands still
    page.on("console", lambda message: said.append(message.text) if "Content Security Policy" in message.text else None)
    page.on("request", lambda request: said.append(request.url) if not at_home(request.url, app.address) else None)
    page.goto(app.address + filled(app, path), wait_until="load")
    if path.startswith("/?") or path == "/":
        page.wait_for_selector("html.connected", state="attached", timeout=20_000)
    touch(page)
    assert page.evaluate("window.PWN") is None
    assert page.evaluate(STRANGE) == []
    assert said == []
    context.close()


def at_home(url: str, address: str) -> bool:
    return url.startswith((address, "blob:", "data:")) and not url.endswith("/x")


def filled(app: Lists, path: str) -> str:
    slug = app.runtime.reader.heat(EVERYTHING).items[0].entity.slug if "{slug}" in path else ""
    hostile = quote(" ".join(CORPUS)[:150], safe="")
    return path.replace("{number}", str(app.ids[2])).replace("{slug}", quote(slug)).replace("{hostile}", hostile)


def touch(page: Page) -> None:
    """Hover and open what there is, as a hand would."""
    for selector in ("summary", ".row .name", "td", "h1", "h2"):
        found = page.locator(selector)
        for at in range(min(found.count(), 3)):
            if found.nth(at).is_visible():
                found.nth(at).hover(timeout=3000, force=True)
    page.wait_for_timeout(150)
