"""The layout of every screen against the one committed with the pictures: by boxes, not by pixels."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import combinations

import pytest
from PIL import Image
from playwright.sync_api import Browser

from tests.screens import ALL_BYTES, FOLDER, MOST_BYTES, SHOTS, Box, Layout, demo, take

pytestmark = [pytest.mark.browser, pytest.mark.slow]

TOLERANCE = 12
"""Pixels a box may stand or measure off: fonts and scroll bars differ between machines."""

DRIFT = 6
"""Pixels the wall's picture is moved by against burn-in."""

GROWS = {"content", "panel head", "first row"}
"""Parts whose height is their content's: how many rows there are, whether a name needs a second line."""

HANGS = {"strip of hours": "first row"}
"""Parts whose place counts from the lower edge of the part they lie in: above them is what the content makes taller."""

AT_FOOT = {"sources"}
"""Parts that stand on the lower edge of the window."""

INSIDE = {("board", "rows"), ("board", "map"), ("board", "tools"), ("board", "legend"), ("rows", "map"),
          ("first row", "strip of hours"), ("panel head", "back"), ("content", "sources")}  # fmt: skip
"""Parts that stand within each other; ``sources`` sticks to the foot of the window, over what scrolls below it."""


@pytest.fixture(scope="module")
def kept() -> Layout:
    """What is committed; ``python -m tests.screens`` writes it."""
    found: Layout = json.loads((FOLDER / "layout.json").read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def layout(chromium: Browser) -> Iterator[Layout]:
    with demo() as address:
        yield take(chromium, address)


def test_every_part_stands_where_it_stood(layout: Layout, kept: Layout) -> None:
    assert {name: set(parts) for name, parts in layout.items()} == {name: set(parts) for name, parts in kept.items()}
    moved = [
        f"{shot}: {part} {side} {place}, was {_places(kept[shot], part)[side]}"
        for shot, parts in layout.items()
        for part in parts
        for side, place in _places(parts, part).items()
        if abs(place - _places(kept[shot], part)[side]) > TOLERANCE
    ]
    assert moved == []


def _places(parts: Mapping[str, Box], part: str) -> dict[str, float]:
    """What of the box of ``part`` does not hang on what the demo shows at that hour, pixels by side."""
    box = parts[part]
    places = {"x": box["x"], "width": box["width"]}
    if part not in GROWS:
        places["height"] = box["height"]
    if part in HANGS:
        return places | {"above the lower edge": _foot(parts[HANGS[part]]) - _foot(box)}
    return places | ({"foot": _foot(box)} if part in AT_FOOT else {"y": box["y"]})


def _foot(box: Box) -> float:
    return box["y"] + box["height"]


def test_parts_lie_inside_the_window_and_apart(layout: Layout) -> None:
    wrong = []
    for shot in SHOTS:
        parts, (wide, high) = layout[shot.name], shot.size
        for name, box in parts.items():
            if box["x"] < -DRIFT or box["x"] + box["width"] > wide + DRIFT or not box["width"] or not box["height"]:
                wrong.append(f"{shot.name}: {name} reaches out of the window: {box}")
            inside = parts.get(HANGS.get(name, ""))
            if inside is not None and (box["y"] < inside["y"] or _foot(box) > _foot(inside)):
                wrong.append(f"{shot.name}: {name} reaches out of what it lies in: {box}, {inside}")
            if box["y"] < 0 or (name not in GROWS and _foot(box) > high + 1):
                wrong.append(f"{shot.name}: {name} is cut off: {box}")
        wrong += [f"{shot.name}: {one} and {other} overlap" for one, other in combinations(parts, 2)
                  if not {(one, other), (other, one)} & INSIDE and _overlap(parts[one], parts[other])]  # fmt: skip
    assert wrong == []


def test_the_pictures_are_there_and_small() -> None:
    sizes = {}
    for shot in SHOTS:
        path = FOLDER / f"{shot.name}.png"
        sizes[shot.name] = path.stat().st_size
        with Image.open(path) as picture:
            assert picture.size == shot.size
    assert max(sizes.values()) <= MOST_BYTES
    assert sum(sizes.values()) <= ALL_BYTES


def _overlap(one: Box, other: Box) -> bool:
    apart = 1
    return (
        one["x"] + one["width"] > other["x"] + apart
        and other["x"] + other["width"] > one["x"] + apart
        and one["y"] + one["height"] > other["y"] + apart
        and other["y"] + other["height"] > one["y"] + apart
    )
