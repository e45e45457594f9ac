"""The demo's own stories: told as what they are, before and after the trades write."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from pipelines.settings import ROOT
from tests.unit.package_kit import NAME, everything, package, receipt, reddit, story

WORLD: dict[str, Any] = tomllib.loads((ROOT / "assets" / "demo_world.toml").read_text(encoding="utf-8"))
SLOTS = {
    "n": NAME,
    "c": "Saint Ferro",
    "p": "Nocturne",
    "place": "Marrow Bay",
    "num": "34",
    "show": "Golden Quill Awards",
    "reaction": "and here we are",
}
ANGLES = {
    "trailer": "release",
    "reviews": "release",
    "box_office": "box_office",
    "award": "award",
    "casting": "casting",
    "viral": "viral",
    "relationship": "relationship",
    "feud": "feud",
    "legal": "legal",
    "drop": "music",
    "tour": "music",
    "cancelled": "unknown",
    "farewell": "unknown",
}


def test_every_demo_event_is_named_here() -> None:
    assert set(ANGLES) == set(WORLD["events"])


@pytest.mark.parametrize("covered", [False, True], ids=["before the trades", "after"])
@pytest.mark.parametrize("event", ANGLES)
def test_a_demo_story_is_told_as_what_it_is(event: str, covered: bool) -> None:
    texts = WORLD["events"][event]
    posts = reddit(*(text.format(**SLOTS) for text in texts["reddit"]))
    queries = [
        receipt("trends", text.format(**SLOTS).lower(), 50, number) for number, text in enumerate(texts["query"])
    ]
    trades = [receipt("trades", text.format(**SLOTS), 30, number) for number, text in enumerate(texts["trade"])]
    made = story(*posts, *queries, *(trades if covered else []), kind=texts["kinds"][0], related=("Saint Ferro",))
    done = package(made)
    assert (done.angle, done.unconfirmed) == (ANGLES[event], not covered)
    assert done.careful or event not in ("legal", "feud")
    assert ("Variety" in everything(done)) == covered
