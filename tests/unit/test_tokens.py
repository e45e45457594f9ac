"""The tokens of both themes: words reach 4.5:1 on every ground they stand on, edges of controls 3:1, and the figures'
inks are the stylesheet's."""

from __future__ import annotations

import re

import pytest

from heatmap_app.pages.shell import STATIC_DIR
from heatmap_app.plots import SCALES, palette
from heatmap_app.themes import INKS, Shade, Theme, theme_of

TOKENS = (STATIC_DIR / "tokens.css").read_text(encoding="utf-8")
PAIR = re.compile(r"--([a-z-]+): light-dark\((#[0-9A-F]{6}), (#[0-9A-F]{6})\)")
WORDS = ("text", "second", "faint", "accent", "good", "warn", "bad", "reddit", "trends", "tiktok", "trades")
GROUNDS = ("page", "surface", "raised", "hover", "chosen")
SHADES: tuple[Shade, ...] = ("light", "dark")


def token(name: str, shade: Shade) -> str:
    found = {key: {"light": light, "dark": dark} for key, light, dark in PAIR.findall(TOKENS)}
    value: str = found[name][shade]
    return value


def luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.2."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("shade", SHADES)
def test_words_can_be_read_on_every_ground(shade: Shade) -> None:
    pairs = {(word, ground): contrast(token(word, shade), token(ground, shade)) for word in WORDS for ground in GROUNDS}
    assert {pair: round(ratio, 2) for pair, ratio in pairs.items() if ratio < 4.5} == {}
    for fill in ("warn-fill", "bad-fill"):
        assert contrast(token(f"on-{fill}", shade), token(fill, shade)) >= 4.5
    assert contrast(token("on-accent", shade), token("accent", shade)) >= 4.5


@pytest.mark.parametrize("shade", SHADES)
def test_what_can_be_operated_has_an_edge(shade: Shade) -> None:
    for ground in ("page", "surface"):
        assert contrast(token("control", shade), token(ground, shade)) >= 3
        assert contrast(token("accent", shade), token(ground, shade)) >= 3  # the ring of the focus


@pytest.mark.parametrize("shade", SHADES)
def test_figures_use_the_stylesheets_colours(shade: Shade) -> None:
    inks = INKS[shade]
    assert (inks.surface, inks.gap, inks.hatch, inks.usual, inks.line, inks.words) == tuple(
        token(name, shade) for name in ("surface", "gap", "hatch-line", "usual", "line", "second")
    )
    assert inks.sources == {name: token(name, shade) for name in ("reddit", "trends", "tiktok", "trades")}


def test_heat_leaves_the_ground_on_both_themes_without_a_turn() -> None:
    for scale in SCALES.values():
        dark, light = ([luminance(step) for step in palette(scale, shade)] for shade in ("dark", "light"))
        assert dark == sorted(dark)
        assert light == sorted(light, reverse=True)
        assert contrast(palette(scale, "light")[0], token("surface", "light")) < 1.3
        assert contrast(palette(scale, "light")[-1], token("surface", "light")) > 6


def test_colours_stand_in_the_tokens_alone() -> None:
    """Other sheets name tokens; black, white and print are no theme's."""
    for sheet in ("theme", "web", "lists", "kpis", "package", "login", "phone", "desk", "entity"):
        text = (STATIC_DIR / f"{sheet}.css").read_text(encoding="utf-8").split("@media print")[0]
        assert re.findall(r"#[0-9A-Fa-f]{6}\b", text) == [], sheet


@pytest.mark.parametrize(
    ("cookie", "theme"),
    [(None, Theme()), ("dark", Theme("dark", "dark")), ("light", Theme("light", "light")), ("auto-light", Theme(None, "light")),
     ("auto-dark", Theme()), ("auto-pink", Theme()), ("pink-light", Theme()), ("", Theme()), ("<b>", Theme())],
)  # fmt: skip
def test_the_cookie_is_judged(cookie: str | None, theme: Theme) -> None:
    assert theme_of(cookie) == theme
