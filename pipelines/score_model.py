"""What scoring is told and what it gives back: :class:`Scoring` and :class:`Scored`, with the schemas of the frames.

Scoring is pure: no clock, no network, no files, no environment; it imports nothing but the model, the settings and numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal, Self, cast, get_args

import polars as pl

from pipelines.errors import SettingsError
from pipelines.model import PLATFORMS, UTC_TIME, SourceKind
from pipelines.score_parameters import Parameters
from pipelines.settings import Settings
from pipelines.settings_methods import Method as MethodName
from pipelines.settings_sections import Source

Method = MethodName
Combine = Literal["stouffer", "max", "mean"]
WEEK_HOURS = 168


@dataclass(frozen=True, slots=True)
class Scoring:
    """Every constant of SCORING that the numbers depend on, flat. Hours are hours, weights have no unit.

    ``kinds`` and ``noise_units`` have one entry for each of the three platforms.
    """

    method: Method
    combine: Combine
    window_hours: int
    baseline_windows: int
    min_windows: int
    min_coverage: float
    cap: float
    controversy_weight: float
    controversy_floor: int
    positive: float
    negative: float
    velocity_weight: float
    spread_weight: float
    affect_weight: float
    decay_hours: float
    peak_hours: int
    evidence_half: float
    discovery_platforms: int
    discovery_velocity: float
    kinds: Mapping[str, SourceKind]
    noise_units: Mapping[str, float]
    parameters: Parameters = field(default_factory=Parameters)

    @classmethod
    def from_settings(cls, settings: Settings, method: str | None = None, combine: str | None = None) -> Scoring:
        """The constants of ``settings``; ``method`` and ``combine`` win where given.

        Raises :class:`SettingsError` for a method or a way to combine that does not exist.
        """
        velocity, affect, heat = settings.velocity, settings.affect, settings.heat
        sources: dict[str, Source] = {name: getattr(settings, name) for name in PLATFORMS}
        return cls(
            method=cast("Method", _one_of("velocity.method", method or velocity.method, get_args(Method))),
            combine=cast("Combine", _one_of("velocity.combine", combine or velocity.combine, get_args(Combine))),
            window_hours=velocity.window_hours,
            baseline_windows=velocity.baseline_windows,
            min_windows=velocity.min_windows,
            min_coverage=velocity.min_coverage,
            cap=velocity.cap,
            controversy_weight=affect.controversy_weight,
            controversy_floor=affect.controversy_floor,
            positive=affect.positive,
            negative=affect.negative,
            velocity_weight=heat.velocity_weight,
            spread_weight=heat.spread_weight,
            affect_weight=heat.affect_weight,
            decay_hours=heat.decay_hours,
            peak_hours=heat.peak_hours,
            evidence_half=settings.confidence.evidence_half,
            discovery_platforms=settings.discovery.min_platforms,
            discovery_velocity=settings.discovery.min_velocity,
            kinds={name: source.kind for name, source in sources.items()},
            noise_units={name: source.noise_unit for name, source in sources.items()},
            parameters=Parameters.from_section(settings.methods.model_dump()),
        )

    def with_(self, *, method: Method | None = None, combine: Combine | None = None) -> Scoring:
        """The same constants with another method or another way to combine the platforms."""
        return replace(self, method=method or self.method, combine=combine or self.combine)

    @property
    def trailing_hours(self) -> int:
        """Hours from the oldest baseline window's start to T: 168 with the defaults."""
        return self.window_hours * (self.baseline_windows + 1)

    @property
    def reach_hours(self) -> int:
        """Hours before T that velocity looks at: the trailing ones, but for ``nb``, which looks at weeks before them."""
        return max(self.trailing_hours, self.window_ends[-1] + self.window_hours)

    @property
    def within_a_week(self) -> Self:
        """The same without the weeks that ``nb`` looks back: for names whose past is not kept that long."""
        return replace(self, parameters=replace(self.parameters, nb_weeks=0))

    @property
    def window_ends(self) -> tuple[int, ...]:
        """How many hours before T each baseline window ends, newest first (SCORING 2; ``nb`` adds the same hours of the
        weeks before)."""
        if self.method != "seasonal":
            ends = tuple(self.window_hours * k for k in range(1, self.baseline_windows + 1))
            weeks = range(1, self.parameters.nb_weeks + 1) if self.method == "nb" else ()
            return (*ends, *(WEEK_HOURS * week for week in weeks if WEEK_HOURS * week > ends[-1]))
        days = (self.trailing_hours - self.window_hours) // 24
        return tuple(24 * day for day in range(1, days + 1))


def _one_of(key: str, value: str, known: tuple[str, ...]) -> str:
    if value not in known:
        raise SettingsError(f"{key}: unknown value {value!r}; one of {', '.join(known)}")
    return value


AFFECT_PARTS = pl.Struct(
    {
        "m": pl.Float64(),
        "bonus": pl.Float64(),
        "n_text": pl.Int64(),
        "positive": pl.Float64(),
        "negative": pl.Float64(),
    }
)
"""Weighted mean sentiment, controversy bonus, mentions with text, and the shares of positive and negative ones."""

CONFIDENCE_PARTS = pl.Struct(
    {"evidence": pl.Float64(), "baseline": pl.Float64(), "health": pl.Float64(), "agreement": pl.Float64()}
)
"""The four parts whose geometric mean is the confidence."""


def entities_schema(entity: pl.DataType) -> pl.Schema:
    """Columns of ``Scored.entities``; ``entity`` has the type it had in the mentions."""
    return pl.Schema(
        {
            "entity": entity,
            "velocity_z": pl.Float64(),
            "spread_count": pl.Int8(),
            "spread": pl.Float64(),
            "affect": pl.Float64(),
            "affect_parts": AFFECT_PARTS,
            "raw": pl.Float64(),
            "heat": pl.Float64(),
            "peak_at": UTC_TIME,
            "hours_since_peak": pl.Float64(),
            "confidence": pl.Float64(),
            "confidence_parts": CONFIDENCE_PARTS,
            "n": pl.Int64(),
        }
    )


def platforms_schema(entity: pl.DataType) -> pl.Schema:
    """Columns of ``Scored.platforms``: a row for each entity and platform with a mention in the trailing 7 days."""
    return pl.Schema(
        {
            "entity": entity,
            "source": pl.String(),
            "z": pl.Float64(),
            "x": pl.Float64(),
            "mu": pl.Float64(),
            "s": pl.Float64(),
            "windows": pl.Int32(),
            "baseline_hours": pl.Float64(),
            "mentions": pl.Int64(),
            "noise_unit": pl.Float64(),
            "warming_up": pl.Boolean(),
            "window_values": pl.List(pl.Float64()),
            "method": pl.String(),
        }
    )


def history_schema(entity: pl.DataType) -> pl.Schema:
    """Columns of ``Scored.history``: a row for each entity and clock hour."""
    return pl.Schema(
        {
            "entity": entity,
            "hour": UTC_TIME,
            "heat": pl.Float64(),
            "raw": pl.Float64(),
            "velocity_z": pl.Float64(),
            "spread_count": pl.Int8(),
            "affect": pl.Float64(),
        }
    )


@dataclass(frozen=True, slots=True)
class Scored:
    """One scoring of everything at ``at``.

    ``entities`` (:func:`entities_schema`) is ordered by HEAT, highest first; ``platforms``
    (:func:`platforms_schema`) has the terms of each velocity, with ``window_values`` newest first and null where a
    window was dropped; ``history`` (:func:`history_schema`) has the last clock hours, ``hour`` being their start.
    An entity that no platform mentioned in the trailing 7 days has no row anywhere.
    """

    at: datetime
    entities: pl.DataFrame
    platforms: pl.DataFrame
    history: pl.DataFrame
