"""What a colour of the map means: the scales, their palettes in the dark and in the light, and the colour bar's steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from bokeh.palettes import Inferno256

from heatmap_app.themes import Shade

Colour = Literal["heat", "velocity", "spread", "affect"]
COLOURS: tuple[Colour, ...] = get_args(Colour)


def mixed(colour: str, other: str, share: float) -> str:
    """``colour`` with ``share`` of ``other`` in it (0 to 1), channel by channel."""
    pairs = ((int(colour[at : at + 2], 16), int(other[at : at + 2], 16)) for at in (1, 3, 5))
    return "#" + "".join(f"{round(one + (two - one) * share):02X}" for one, two in pairs)


ROWS = 20
"""A board of fewer names keeps their height."""


@dataclass(frozen=True, slots=True)
class Scale:
    """A fixed colour scale: the same colour means the same number at 9 and at 17 o'clock."""

    label: str
    low: float
    high: float
    palette: tuple[str, ...]
    ticks: tuple[tuple[float, str], ...]
    mark: float | None = None
    """A value worth a line on the colour bar: the gate."""


# Inferno: perceptually uniform, lightness alone carries it for colour-blind readers. Its black end would drown here.
_RAMP = tuple(Inferno256[26:250])
_FADE, _PALEST = 80, 0.75
_LIGHT_RAMP = tuple(
    mixed(colour, "#FFFFFF", _PALEST * max(0.0, 1 - at / _FADE)) for at, colour in enumerate(reversed(_RAMP))
)
"""The same map for a light page: reversed, and its quiet end faded into the ground, where yellow would shout."""
_STEPS = tuple(_RAMP[at] for at in (0, 75, 140, 205))
_LIGHT_STEPS = tuple(_LIGHT_RAMP[at] for at in (0, 75, 140, 205))

SCALES: Mapping[Colour, Scale] = {
    "heat": Scale(
        "HEAT", 0.0, 2.5, _RAMP, ((0, "0"), (0.5, "0.5"), (1, "1.0"), (1.5, "1.5"), (2, "2.0"), (2.5, "2.5"))
    ),
    "velocity": Scale(
        "Velocity, σ", -1.0, 4.0, _RAMP, ((-1, "−1"), (0, "0"), (1, "+1"), (2.5, "+2.5"), (4, "+4")), mark=2.5
    ),
    "spread": Scale("Spread, platforms", -0.5, 3.5, _STEPS, ((0, "0"), (1, "1"), (2, "2"), (3, "3"))),
    "affect": Scale("Affect", 0.0, 1.0, _RAMP, ((0, "0"), (0.25, ".25"), (0.5, ".5"), (0.75, ".75"), (1, "1"))),
}


def palette(scale: Scale, shade: Shade) -> tuple[str, ...]:
    """The colours from low to high: quiet is near the page's own ground, hot stands out, so light pages reverse it."""
    if shade == "dark":
        return scale.palette
    return _LIGHT_RAMP if scale.palette is _RAMP else _LIGHT_STEPS


def legend_gradient(scale: Scale, stops: int = 12, shade: Shade = "dark") -> Sequence[str]:
    """``stops`` colours from low to high, for a colour bar drawn by the page."""
    colours = palette(scale, shade)
    last = len(colours) - 1
    if last < stops:
        return colours
    return [colours[round(at * last / (stops - 1))] for at in range(stops)]
