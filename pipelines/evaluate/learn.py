"""Parameters of a method learned on the first half of a recording: those that find the most bursts there at the allowed
number of alerts. The second half is never looked at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from pipelines.errors import InputError
from pipelines.evaluate.inject import AtThreshold, Trial, on_bursts
from pipelines.model import PLATFORMS
from pipelines.score_model import Scoring
from pipelines.settings import Settings

GRIDS: Mapping[str, Mapping[str, Sequence[Any]]] = {
    "nb": {
        "nb_prior_mentions": (0.25, 0.5, 1.0, 2.0),
        "nb_prior_windows": (2.0, 6.0, 13.0, 26.0),
        "nb_dispersion": (1.0, 3.0),
    },
    "ewma": {"ewma_half_life_hours": (12.0, 24.0, 48.0, 96.0, 192.0)},
    "multi": {"multi_min_mentions": (1.0, 2.0, 3.0, 5.0)},
    "weighted": {f"weight_{name}": (0.1, 0.2, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0) for name in PLATFORMS},
}
"""What is tried for each method; of the weights, the first platform that the recording has stays at 1."""


@dataclass(frozen=True, slots=True)
class Learned:
    """One choice of parameters, with what it did on the first half (None: no threshold was strict enough)."""

    values: Mapping[str, Any]
    first: AtThreshold | None

    def order(self, gate: float) -> tuple[float, float, float]:
        """Bursts found, then how soon, then how near the threshold is to the configured ``gate``, so that the method can
        be used with the gates as they are: the larger the better."""
        if self.first is None:
            return (-1.0, 0.0, 0.0)
        every = self.first.every
        return (float(every.hit), -(every.delay_hours or 0.0), -abs(self.first.threshold - gate))


def learn(
    trial: Trial, settings: Settings, method: str, progress: Callable[[float, str], None] | None = None
) -> list[Learned]:
    """Every choice of :data:`GRIDS` for ``method``, best first; among equals the one tried first. Raises
    :class:`InputError` for a method without parameters."""
    tried = choices(method, trial.background.platforms)
    results = []
    for place, values in enumerate(tried):
        section = settings.methods.model_dump() | values
        scoring = Scoring.from_settings(settings, method)
        scoring = replace(scoring, parameters=type(scoring.parameters).from_section(section))
        results.append(Learned(values, on_bursts(trial, scoring, settings.gates.min_velocity).first))
        if progress is not None:
            progress((place + 1) / len(tried), method)
    return sorted(results, key=lambda one: one.order(settings.gates.min_velocity), reverse=True)


def choices(method: str, platforms: Sequence[str]) -> list[dict[str, Any]]:
    """What is tried for ``method`` on a recording with ``platforms``."""
    if method not in GRIDS:
        raise InputError(f"{method}: has no parameters to learn; one of {', '.join(GRIDS)}")
    grid = dict(GRIDS[method])
    if method == "weighted":
        grid = {name: values for name, values in grid.items() if name.removeprefix("weight_") in platforms[1:]}
    return [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]
