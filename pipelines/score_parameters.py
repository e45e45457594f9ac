"""What the velocity methods beside ``robust``, ``plain`` and ``seasonal`` are told: section ``[methods]`` of the settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from pipelines.model import PLATFORMS


@dataclass(frozen=True, slots=True)
class Parameters:
    """The constants of ``nb``, ``ewma``, ``multi`` and ``weighted``; hours are hours, the rest has no unit.

    The defaults are those of ``config/scoring.toml``. ``weights`` has one entry for each of the three platforms.
    """

    nb_prior_mentions: float = 0.5
    nb_prior_windows: float = 26.0
    nb_day_windows: float = 6.0
    nb_weeks: int = 4
    nb_week_windows: float = 4.0
    nb_dispersion: float = 3.0
    nb_dispersion_windows: float = 6.0
    ewma_half_life_hours: float = 48.0
    multi_hours: tuple[int, ...] = (1, 3, 6)
    multi_looks: float = 4.0
    multi_min_mentions: float = 1.0
    weights: Mapping[str, float] = field(default_factory=lambda: {"reddit": 1.0, "trends": 0.2, "tiktok": 1.0})

    @classmethod
    def from_section(cls, section: Mapping[str, Any]) -> Self:
        """The values of the settings section, whose weights are ``weight_PLATFORM``."""
        weights = {name: float(section[f"weight_{name}"]) for name in PLATFORMS}
        rest = {key: value for key, value in section.items() if not key.startswith("weight_")}
        return cls(**{**rest, "multi_hours": tuple(section["multi_hours"]), "weights": weights})
