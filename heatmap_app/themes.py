"""Dark and light: what the visitor chose, and the colours of figures, which are canvas and cannot ask the stylesheet.

Words and boxes take their colours from ``assets/static/tokens.css``; a test holds :data:`INKS` against it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

type Shade = Literal["dark", "light"]

COOKIE = "et_theme"
"""``dark``, ``light``, or ``auto-dark`` / ``auto-light``: no choice, and what the system shows at present."""


@dataclass(frozen=True, slots=True)
class Theme:
    """``choice`` is None where the system's counts; ``shade`` is what is seen, dark until the browser has said."""

    choice: Shade | None = None
    shade: Shade = "dark"


@dataclass(frozen=True, slots=True)
class Inks:
    """The colours of one shade in figures; ``sources`` by platform."""

    surface: str
    gap: str
    hatch: str
    usual: str
    line: str
    words: str
    sources: Mapping[str, str]


INKS: Mapping[Shade, Inks] = {
    "dark": Inks(
        "#151A21", "#1C232C", "#5B6A78", "#566472", "#2A333E", "#A3B0BD",
        {"reddit": "#FF8A5B", "trends": "#7FB2FF", "tiktok": "#5FD6C4", "trades": "#C9A7F5"},
    ),
    "light": Inks(
        "#FFFFFF", "#ECEFF3", "#95A1AE", "#B3BDC8", "#D8DEE6", "#4A5663",
        {"reddit": "#B3390B", "trends": "#1C4FA0", "tiktok": "#0B6B5D", "trades": "#5B3A96"},
    ),
}  # fmt: skip


def shade_of(value: object) -> Shade | None:
    """``value`` if it is a shade."""
    return "light" if value == "light" else "dark" if value == "dark" else None


def theme_of(cookie: str | None) -> Theme:
    """What the cookie says; anything unknown counts as no choice on a dark page."""
    auto, _, seen = (cookie or "").partition("-")
    chosen = shade_of(cookie)
    if chosen is not None:
        return Theme(chosen, chosen)
    return Theme(None, (shade_of(seen) if auto == "auto" else None) or "dark")
