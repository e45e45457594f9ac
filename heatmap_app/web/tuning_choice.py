"""What ``/tuning`` lets a desk move: seven numbers of SCORING 5, their bounds, and settings with them changed. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipelines.settings import Settings, set_outside


@dataclass(frozen=True, slots=True)
class Knob:
    """One number: its dotted key, what it is called and means, and what it may be."""

    key: str
    name: str
    says: str
    least: float
    most: float
    step: float

    @property
    def field(self) -> str:
        """Its name in forms and addresses."""
        return self.key.partition(".")[2]


KNOBS = (
    Knob("gates.min_velocity", "Velocity gate, σ", "A poll passes at this velocity or more.", 0.0, 4.0, 0.1),
    Knob("gates.min_spread", "Platforms", "And on this many platforms or more.", 1, 3, 1),
    Knob("gates.consecutive", "Polls in a row", "So many passing polls in a row make an alert.", 1, 12, 1),
    Knob("episode.end_velocity", "Episode ends below, σ", "Polls below it end the episode.", -4.0, 4.0, 0.1),
    Knob("episode.end_polls", "For so many polls", "One alert an episode.", 1, 24, 1),
    Knob("episode.cooldown_hours", "Cool-down, h", "So long after an alert a new one needs more HEAT.", 0, 72, 0.5),
    Knob("episode.boost", "HEAT needed in it, ×", "Times the HEAT of the last alert.", 1.0, 5.0, 0.1),
)
KEYS = tuple(knob.key for knob in KNOBS)


def values_of(settings: Settings) -> dict[str, float]:
    """The seven numbers in ``settings``, by dotted key."""
    return {key: getattr(getattr(settings, key.split(".")[0]), key.split(".")[1]) for key in KEYS}


def with_values(settings: Settings, values: Mapping[str, Any]) -> Settings:
    """``settings`` with these of the seven numbers (dotted keys), checked. Raises ``pydantic.ValidationError``."""
    update: dict[str, Any] = {}
    for section in ("gates", "episode"):
        old = getattr(settings, section)
        mine = {key.split(".")[1]: value for key, value in values.items() if key.startswith(f"{section}.")}
        update[section] = type(old).model_validate({**old.model_dump(), **mine})
    return settings.model_copy(update=update)


def fixed_by_environment() -> dict[str, str]:
    """The keys among the seven that the environment sets, with the variable: it wins over what a page writes."""
    return {key: variable for key in KEYS if (variable := set_outside(key))}
