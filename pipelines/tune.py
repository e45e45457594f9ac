"""Many backtests of one recording: a grid of settings, the figures of every point, and the order they are shown in. Pure.

:mod:`pipelines.tune_run` runs the points; docs/tuning.md says how to read them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import polars as pl
from pydantic import BaseModel, SecretStr

from pipelines.alert.kpi_stats import LeadStats, Share
from pipelines.backtest.keeping import alerts_frame
from pipelines.backtest.model import BacktestResult
from pipelines.errors import InputError, SettingsError
from pipelines.setting_keys import known_key, value_of
from pipelines.settings import Settings, load_settings

FIXED = frozenset({"poll.score_seconds", "affect.model", "affect.ner_model"})
"""With each source's ``kind``: what :func:`pipelines.backtest.prepared.basis_of` says a recording is prepared with."""

MOST_POINTS = 500
"""A grid larger than this is refused: nobody reads it, and the best of so many is luck."""

ORDER = (
    "Order: points within the target for false alerts first, then fewer misses, more leads of 2 h or longer, "
    "a lower false rate, fewer alerts a day. Points without any checked alert are last."
)
"""The rule of :func:`ordered`, for whoever reads the table."""

POINTS = pl.Schema(
    {
        "point": pl.Int32(), "settings": pl.String(), "alerts": pl.Int32(), "alerts_per_day": pl.Float64(),
        "false": pl.Int32(), "checked": pl.Int32(), "false_rate": pl.Float64(), "false_low": pl.Float64(),
        "false_high": pl.Float64(), "leads": pl.Int32(), "lead_median": pl.Float64(), "share_2h": pl.Float64(),
        "misses": pl.Int32(), "near_misses": pl.Int32(),
    }
)  # fmt: skip
"""One row per point, in the order of the rule; ``settings`` is JSON, ``point`` its place in the grid; leads in hours."""


@dataclass(frozen=True, slots=True)
class Point:
    """One choice of settings: its place in the grid, what it sets (dotted keys), and the settings with that."""

    number: int
    chosen: Mapping[str, Any]
    settings: Settings


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one point gave. ``alerts``: :data:`pipelines.backtest.keeping.ALERTS`; ``missed``:
    :data:`pipelines.backtest.model.MISSES`."""

    number: int
    chosen: Mapping[str, Any]
    alerts_per_day: float
    false: Share
    lead: LeadStats
    near_misses: int
    alerts: pl.DataFrame = field(repr=False)
    missed: pl.DataFrame = field(repr=False)

    @classmethod
    def of(cls, point: Point, result: BacktestResult) -> Outcome:
        """The figures of ``result``."""
        return cls(
            point.number, dict(point.chosen), result.alerts_per_day, result.false_rate, result.lead,
            result.near_misses.height, alerts_frame(result), result.misses,
        )  # fmt: skip

    def row(self) -> dict[str, Any]:
        """A row of :data:`POINTS`."""
        return {
            "point": self.number, "settings": json.dumps(dict(self.chosen)), "alerts": self.alerts.height,
            "alerts_per_day": self.alerts_per_day, "false": self.false.hits, "checked": self.false.n,
            "false_rate": self.false.value, "false_low": self.false.low, "false_high": self.false.high,
            "leads": self.lead.n, "lead_median": self.lead.median, "share_2h": self.lead.share_2h,
            "misses": self.missed.height, "near_misses": self.near_misses,
        }  # fmt: skip


def grid(given: Sequence[str]) -> dict[str, tuple[Any, ...]]:
    """``gates.min_velocity=2.0,2.5`` and the like as values by dotted key.

    Raises :class:`InputError` for a key there is none of, one the backtest is prepared with, or one without values.
    """
    axes: dict[str, tuple[Any, ...]] = {}
    for text in given:
        key, equals, values = (part.strip() for part in text.partition("="))
        if not equals or "." not in key or not values:
            raise InputError(f'--grid {text!r}: write it like "gates.min_velocity=2.0,2.5,3.0"')
        _check_key(key)
        if key in axes:
            raise InputError(f"--grid {key}: given twice; put all its values into one")
        axes[key] = _values(values)
    if not axes:
        raise InputError('tune: give at least one --grid "key=value,value"')
    count = math.prod(len(values) for values in axes.values())
    if count > MOST_POINTS:
        raise InputError(f"tune: {count} points; at most {MOST_POINTS}. Leave out some values")
    return axes


def points(axes: Mapping[str, Sequence[Any]], base: Mapping[str, Mapping[str, Any]] | None = None) -> list[Point]:
    """Every combination of the values, the last key varying fastest, over the settings with ``base`` on top.

    Raises :class:`InputError` that names the key of a value the settings refuse.
    """
    found = []
    for number, values in enumerate(product(*axes.values())):
        chosen = dict(zip(axes, values, strict=True))
        found.append(Point(number, chosen, settings_of(chosen, base)))
    return found


def settings_of(chosen: Mapping[str, Any], base: Mapping[str, Mapping[str, Any]] | None = None) -> Settings:
    """The settings with ``chosen`` (dotted keys) on top. Raises :class:`InputError` that names a wrong key."""
    nested: dict[str, Any] = {section: dict(values) for section, values in (base or {}).items()}
    for key, value in chosen.items():
        section, _, name = key.partition(".")
        nested.setdefault(section, {})[name] = value
    try:
        return load_settings(**nested)
    except SettingsError as error:
        text = str(error)
        if any(text.startswith(f"{key}:") for key in chosen):
            raise InputError(f"--grid {text.rpartition(' (read from ')[0]}") from None
        raise


def bare[M: BaseModel](settings: M) -> M:
    """``settings`` without any secret: what may leave this process."""
    changed: dict[str, Any] = {}
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, SecretStr):
            changed[name] = SecretStr("")
        elif isinstance(value, BaseModel):
            changed[name] = bare(value)
    return settings.model_copy(update=changed)


def ordered(outcomes: Sequence[Outcome], false_share: float) -> list[Outcome]:
    """By :data:`ORDER`; ``false_share`` is the target (``kpis.false_share``)."""

    def rank(one: Outcome) -> tuple[float, ...]:
        rate = one.false.value
        if rate is None:
            return (2.0, one.missed.height, 0.0, 0.0, one.alerts_per_day, one.number)
        return (
            0.0 if rate <= false_share else 1.0, one.missed.height, -(one.lead.share_2h or 0.0), rate,
            one.alerts_per_day, one.number,
        )  # fmt: skip

    return sorted(outcomes, key=rank)


def frame(outcomes: Sequence[Outcome]) -> pl.DataFrame:
    """:data:`POINTS`, in the order given."""
    return pl.DataFrame([one.row() for one in outcomes], schema=POINTS)


def _check_key(key: str) -> None:
    _, name = known_key("--grid", key)
    if key in FIXED or name == "kind":
        raise InputError(f"--grid {key}: the recording is prepared with it; run `heatmap backtest --set {key}=...`")


def _values(text: str) -> tuple[Any, ...]:
    """JSON where it is JSON, else texts."""
    try:
        found = json.loads(f"[{text}]")
    except ValueError:
        found = [value_of(part.strip()) for part in text.split(",") if part.strip()]
    return tuple(dict.fromkeys(tuple(value) if isinstance(value, list) else value for value in found))
