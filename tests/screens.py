"""The pictures of ``docs/screens`` and what stands where on them: ``python -m tests.screens`` makes all anew.

It starts the product as a demo (invented names, seeded), lets it come to the same poll each time, opens each screen as its
people do, and writes one PNG a screen and ``layout.json``: the boxes of named parts. A test measures the same parts again and
holds them against that file: a layout that moves is seen in CI, a colour or a name that changes is not a failure.
"""

from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

import httpx
from PIL import Image
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from tests.chromium import ARGUMENTS, program
from tests.postgres import var_folder
from tests.processes import ROOT, Running, serving

FOLDER = ROOT / "docs" / "screens"
MOST_BYTES, ALL_BYTES = 250_000, 2_000_000
WAIT_S = 120.0
WRITE = {"X-ET-Write": "1"}
POLLED_MIN = 10
CALM_MS = 60_000
STILL_MS, STILL_LOOKS = 500, 20
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
    """The address of a demo that has made its first polls and goes on as slowly as a clock: every screen shows the same one.

    At its own speed it would be hours further by the last screen, and stale where the machine is busy.
    """
    with var_folder() as var, serving(var=var, settings={"MODE": "demo"}) as server:
        deadline = time.monotonic() + WAIT_S
        while not _has_polled(server):
            if time.monotonic() > deadline:
                raise TimeoutError("the demo made no polls")
            time.sleep(0.2)
        slow = httpx.post(f"{server.address}/api/v1/replay", json={"action": "speed", "speed": 1}, headers=WRITE)
        slow.raise_for_status()
        yield server.address


def _has_polled(server: Running) -> bool:
    """Whether the demo, which begins at a full hour, has made two polls; two in a row make an alert."""
    told = server.get("/api/v1/replay").json
    return told["state"] == "playing" and datetime.fromisoformat(told["at"]).minute >= POLLED_MIN


@contextmanager
def browser() -> Iterator[Browser]:
    """The machine's own Chromium, or playwright's."""
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=program(), args=ARGUMENTS)


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
        _arrived(page, shot)
        layout[shot.name] = _still(page, shot)
        if into is not None:
            page.wait_for_timeout(1000)  # a figure paints after its box is there
            (into / f"{shot.name}.png").write_bytes(small(page.screenshot()))
        context.close()
    return layout


def small(png: bytes) -> bytes:
    """``png`` with 256 colours: a third of the size, and the same to the eye."""
    made = io.BytesIO()
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    picture.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(made, "PNG", optimize=True)
    return made.getvalue()


def _arrived(page: Page, shot: Shot) -> None:
    """Every part is there, and over the heatmap no banner of a passing trouble, which moves all that is below it."""
    page.evaluate("document.fonts.ready")
    if shot.path.startswith("/?") or shot.path == "/":
        page.wait_for_selector("html.connected", state="attached")
        try:
            page.wait_for_selector(".banner:visible", state="detached", timeout=CALM_MS)
        except PlaywrightTimeout:
            raise AssertionError(f"{shot.name}: {page.locator('.banner').all_inner_texts()}") from None
    for place in shot.parts.values():
        page.wait_for_selector(place, state="visible")


def _still(page: Page, shot: Shot) -> dict[str, Box]:
    """The boxes of the parts, once they have stopped moving."""
    boxes: dict[str, Box] = {}
    for _ in range(STILL_LOOKS):
        before, boxes = boxes, {name: _box(page, place) for name, place in shot.parts.items()}
        if boxes == before:
            return boxes
        page.wait_for_timeout(STILL_MS)
    raise AssertionError(f"{shot.name} does not stand still: {before}, then {boxes}")


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
