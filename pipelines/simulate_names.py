"""The invented cast and the invented sentences of the demo, read from ``config/demo_catalogue.csv`` and ``assets/``.

Who talks how much is settled here once per world, by its seed: ``regulars`` are talked about every day, ``quiet``
names are not talked about until something happens to them, ``unknown`` ones are not in the catalogue at all.
"""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from pipelines.settings import CONFIG_DIR, ROOT

CATALOGUE_FILE = CONFIG_DIR / "demo_catalogue.csv"
WORLD_FILE = ROOT / "assets" / "demo_world.toml"
COMMON_WORD = "Kettle"
"""The film whose name is a common word: people also write about kettles."""

CHATTER_PER_DAY = 130.0
REGULARS = 80
HEADLINERS = 22
"""The most talked-about regulars: the trades write about them all the time, so no story is told about them."""


@dataclass(frozen=True, slots=True)
class Name:
    """One invented name: as written, what it is, and the part of the news it belongs to."""

    text: str
    kind: str
    domain: str

    @property
    def hashtag(self) -> str:
        """As TikTok would spell it: letters and digits only, lower case."""
        return "".join(char for char in self.text.replace("&", "and") if char.isalnum()).lower()


@dataclass(frozen=True, slots=True)
class World:
    """The cast by role. ``rates`` are posts a day for each of ``regulars``; ``texts`` is the whole of the TOML file."""

    regulars: tuple[Name, ...]
    rates: tuple[float, ...]
    quiet: tuple[Name, ...]
    sounds: tuple[Name, ...]
    unknown: tuple[Name, ...]
    others: Mapping[str, tuple[Name, ...]]
    texts: Mapping[str, Any]

    @property
    def headliners(self) -> tuple[Name, ...]:
        """Names in the trades every week."""
        return self.regulars[:HEADLINERS]

    @property
    def lesser(self) -> tuple[Name, ...]:
        """Regulars things may happen to."""
        return self.regulars[HEADLINERS:]

    def feeds(self, kind: str) -> Sequence[str]:
        """The subreddits in which one writes about a name of this kind."""
        found: Sequence[str] = self.texts["feeds"].get(kind, self.texts["feeds"]["person"])
        return found


@cache
def _texts() -> dict[str, Any]:
    return tomllib.loads(WORLD_FILE.read_text(encoding="utf-8"))


@cache
def catalogue() -> tuple[Name, ...]:
    """The known names of the demo, in file order."""
    with CATALOGUE_FILE.open(encoding="utf-8", newline="") as file:
        return tuple(Name(row["name"], row["kind"], row["domain"]) for row in csv.DictReader(file))


@cache
def world(seed: int) -> World:
    """The cast of the world ``seed``."""
    rng = np.random.default_rng([seed, 0])
    ours = [name for name in catalogue() if name.domain == "entertainment"]
    named = {name.text: name for name in ours}
    # the common word stays talked about, so that both its senses are seen all week
    rest = [name for name in ours if name.text != COMMON_WORD]
    order = [rest[i] for i in rng.permutation(len(rest))]
    regulars = [*order[: REGULARS - 1], named[COMMON_WORD]]
    quiet = order[REGULARS - 1 :]
    acts = [name for name in quiet if name.kind == "music"][:3]
    lesser_acts = [name for name in regulars[REGULARS // 2 :] if name.kind == "music"][:4]
    weights = 1.0 / (4.0 + np.arange(REGULARS))
    rates = CHATTER_PER_DAY * weights / weights.sum()
    others: dict[str, list[Name]] = {}
    for name in catalogue():
        if name.domain != "entertainment":
            others.setdefault(name.domain, []).append(name)
    return World(
        regulars=tuple(regulars),
        rates=tuple(float(rate) for rate in rates),
        quiet=tuple(name for name in quiet if name not in acts),
        sounds=(*acts, *lesser_acts),
        unknown=tuple(Name(text, kind, "entertainment") for kind, text in _texts()["unknown"]),
        others={domain: tuple(names) for domain, names in others.items()},
        texts=_texts(),
    )
