"""The pictures of ``docs/screens`` and what stands where on them: ``python -m tests.screens`` makes all anew.

It starts the product as a demo (invented names, seeded), opens each screen as its people do, and writes one PNG a screen and
``layout.json``: the boxes of named parts. A test measures the same parts again and holds them against that file: a layout
that moves is seen in CI, a colour or a name that changes is not a failure.
"""

from __future__ import annotations

import io
import json
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from PIL import Image
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from tests.postgres import open_folder
from tests.processes import ROOT, serving

FOLDER = ROOT / "docs" / "screens"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]
MOST_BYTES, ALL_BYTES = 250_000, 2_000_000
WAIT_S = 120.0
READY = "localStorage.setItem('et-help', 'yes')"

type Box = dict[str, float]
type Layout = dict[str, dict[str, Box]]


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture: where, in what window and theme, and which parts of it are measured. ``{slug}`` is the hottest name."""

    name: str
    path: str
    size: tuple[int, int] = (1440, 900)
    shade: Literal["dark", "light"] = "dark"
    parts: Mapping[str, str] = field(default_factory=dict)


DESK = {
    "head": ".top", "tools": ".tools", "board": ".board", "rows": ".rows", "map": ".map", "legend": ".foot", "panel": ".panel",
    "sources": ".health",
}  # fmt: skip
PHONE = {"head": ".top", "first row": ".row", "strip of hours": ".row .strip-24"}
PHONE_ENTITY = {"head": ".top", "back": ".close", "panel head": ".panel header"}
WALL = {"head": ".head", "board": "main", "foot": ".foot"}
LIST = {"head": ".top", "content": "main", "sources": ".strip"}
HAND = (390, 844)
SHOTS = (
    Shot("desk", "/", parts=DESK),
    Shot("desk-light", "/", shade="light", parts=DESK),
    Shot("entity", "/?entity={slug}", parts=DESK),
    Shot("wall", "/wall", (1920, 1080), parts=WALL),
    Shot("phone", "/", HAND, parts=PHONE),
    Shot("phone-entity", "/?entity={slug}", HAND, "light", PHONE_ENTITY),
    Shot("alerts", "/alerts", parts=LIST),
    Shot("kpis", "/kpis", shade="light", parts=LIST),
    Shot("sources", "/sources", parts=LIST),
    Shot("research", "/research/{slug}", shade="light", parts=LIST),
)


@contextmanager
def demo() -> Iterator[str]:
    """The address of a running demo that has names on its board."""
    with open_folder() as var, serving(var=var, settings={"MODE": "demo"}) as server:
        deadline = time.monotonic() + WAIT_S
        while not (server.get("/api/v1/heat?limit=1").json or {}).get("items"):
            if time.monotonic() > deadline:
                raise TimeoutError("the demo's board stayed empty")
            time.sleep(0.5)
        yield server.address


@contextmanager
def browser() -> Iterator[Browser]:
    """The machine's own Chromium, or playwright's."""
    path = next(
        (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
    )
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=path, args=ARGUMENTS)


def take(chromium: Browser, address: str, shots: Sequence[Shot] = SHOTS, into: Path | None = None) -> Layout:
    """Open each of ``shots``; the boxes of its parts, and its picture in the folder ``into``."""
    layout: Layout = {}
    for shot in shots:
        size = ViewportSize(width=shot.size[0], height=shot.size[1])
        context = chromium.new_context(
            viewport=size, color_scheme=shot.shade, timezone_id="America/New_York", locale="en-US"
        )
        context.add_init_script(READY)
        page = context.new_page()
        page.set_default_timeout(60_000)
        slug = page.request.get(f"{address}/api/v1/heat?limit=1").json()["items"][0]["entity"]["slug"]
        page.goto(address + shot.path.format(slug=slug), wait_until="load")
        _settled(page, shot)
        layout[shot.name] = {name: _box(page, place) for name, place in shot.parts.items()}
        if into is not None:
            (into / f"{shot.name}.png").write_bytes(small(page.screenshot()))
        context.close()
    return layout


def small(png: bytes) -> bytes:
    """``png`` with 256 colours: a third of the size, and the same to the eye."""
    made = io.BytesIO()
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    picture.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(made, "PNG", optimize=True)
    return made.getvalue()


def _settled(page: Page, shot: Shot) -> None:
    page.evaluate("document.fonts.ready")
    if shot.path.startswith("/?") or shot.path == "/":
        page.wait_for_selector("html.connected", state="attached")
        page.wait_for_timeout(1000)
    for place in shot.parts.values():
        page.wait_for_selector(place, state="visible")
    page.wait_for_timeout(500)  # a figure paints after its data came


def _box(page: Page, place: str) -> Box:
    found = page.locator(place).first.bounding_box()
    if found is None:
        raise LookupError(f"{place} is not on the page")
    return {side: round(found[side]) for side in ("x", "y", "width", "height")}


def main() -> int:
    """Make the pictures and the layout; 1 where a picture grew too large for the repository."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with demo() as address, browser() as chromium:
        layout = take(chromium, address, into=FOLDER)
    (FOLDER / "layout.json").write_text(json.dumps(layout, indent=1) + "\n", encoding="utf-8")
    sizes = {shot.name: (FOLDER / f"{shot.name}.png").stat().st_size for shot in SHOTS}
    for name, size in sizes.items():
        sys.stdout.write(f"{name:14} {size / 1000:6.0f} kB\n")
    return int(max(sizes.values()) > MOST_BYTES or sum(sizes.values()) > ALL_BYTES)


if __name__ == "__main__":
    sys.exit(main())
