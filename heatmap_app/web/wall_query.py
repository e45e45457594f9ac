"""What the wall's address asks for. Pure: pairs in, a :class:`WallQuery` out, with a note for whatever cannot be."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace
from typing import Literal, cast

from heatmap_app.pages.reader import Filters
from heatmap_app.pages.state import DOMAINS
from heatmap_app.pages.words import Times, times
from heatmap_app.plots import COLOURS, Colour

Theme = Literal["night", "day", "auto"]
THEMES: tuple[Theme, ...] = ("night", "day", "auto")
MOST_ROWS = 22
"""More would not leave a line the 28 px that can be read from 4 m."""

SCALES = (0.75, 1.25)
"""The least and the largest ``scale``: beyond, the heat row would no longer be the widest thing, or nothing legible."""

SHOWN = 20
"""Characters of a wrong value that are repeated on the screen."""


@dataclass(frozen=True, slots=True)
class WallQuery:
    """What a wall shows. ``rows`` 1..22; ``velocity`` and ``spread``: only names that reach that gate; ``domain`` a word
    of :data:`DOMAINS`; ``theme``: auto is day from 7 to 19 o'clock; ``scale`` of the text; ``zone`` an IANA name, empty:
    the screen's own. ``notes``: what the address asked for and did not get."""

    rows: int = 20
    colour: Colour = "heat"
    velocity: bool = False
    spread: bool = False
    domain: str = "default"
    theme: Theme = "night"
    scale: float = 1.0
    zone: str = ""
    notes: tuple[str, ...] = ()

    def filters(self, min_velocity: float, min_spread: int) -> Filters:
        """The board this wall shows, given the gates' thresholds."""
        domains = Filters().domains if self.domain == "default" else None if self.domain == "all" else (self.domain,)
        return Filters(
            limit=self.rows, min_velocity=min_velocity if self.velocity else None,
            min_spread=min_spread if self.spread else None, domains=domains,
        )  # fmt: skip

    def times(self, own: str) -> Times:
        """Times as this screen reads them; ``own`` is the zone its browser is in."""
        return times(self.zone or own)


def wall_query(pairs: Iterable[tuple[str, str]]) -> WallQuery:
    """The wall an address asks for; what is unknown or impossible in it stays at its default and leaves a note.

    ``color`` is read as ``colour``; ``tz``, which the page's own script adds, is not looked at here.
    """
    query = WallQuery()
    notes = []
    for name, value in pairs:
        field = {"color": "colour"}.get(name, name)
        if field == "tz":
            continue
        if field not in READERS:
            notes.append(f"{_cut(name)}: no such setting")
            continue
        read, may_be = READERS[field]
        try:
            query = replace(query, **{field: read(value)})  # type: ignore[arg-type]  # each reader makes its field's type
        except (ValueError, KeyError):
            default = getattr(WallQuery(), field)
            notes.append(f"{name}={_cut(value)}: takes {may_be}; shown with {_said(default)}")
    return replace(query, notes=tuple(dict.fromkeys(notes))[:3])


def _rows(text: str) -> int:
    rows = int(text)
    if not 1 <= rows <= MOST_ROWS:
        raise ValueError(text)
    return rows


def _scale(text: str) -> float:
    scale = float(text)
    if not SCALES[0] <= scale <= SCALES[1]:
        raise ValueError(text)
    return scale


def _switch(text: str) -> bool:
    return {"1": True, "0": False}[text]


def _one_of(words: tuple[str, ...]) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in words:
            raise ValueError(text)
        return text

    return read


def _zone(text: str) -> str:
    if times(text).name != text:
        raise ValueError(text)
    return text


READERS: dict[str, tuple[Callable[[str], object], str]] = {
    "rows": (_rows, f"1 to {MOST_ROWS}"),
    "colour": (_one_of(cast("tuple[str, ...]", COLOURS)), ", ".join(COLOURS)),
    "velocity": (_switch, "1 or 0"),
    "spread": (_switch, "1 or 0"),
    "domain": (_one_of(DOMAINS), "a domain"),
    "theme": (_one_of(cast("tuple[str, ...]", THEMES)), ", ".join(THEMES)),
    "scale": (_scale, f"{SCALES[0]:g} to {SCALES[1]:g}"),
    "zone": (_zone, "a time zone"),
}
"""For each setting: how it is read, and in words what it may be."""

if set(READERS) != {field.name for field in fields(WallQuery)} - {"notes"}:
    raise TypeError("every field of WallQuery needs a reader")


def _cut(text: str) -> str:
    shown = "".join(letter for letter in text if letter.isprintable())
    return shown if len(shown) <= SHOWN else shown[: SHOWN - 1] + "…"


def _said(default: object) -> str:
    if isinstance(default, bool):
        return "on" if default else "off"
    return f"{default:g}" if isinstance(default, float) else str(default) or "this screen's own"
