"""The score at T itself, with every term kept: what the screen opens up (SCORING 2 and 3)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipelines.model import PLATFORMS
from pipelines.score_grid import Anchor, Feeling, count_pairs, current_feeling, current_rows, hour_grid
from pipelines.score_model import Scoring
from pipelines.score_rows import HOUR, Floats, Mentions, Rows, micros
from pipelines.score_velocity import SEEN, Coverage, Velocity, Volumes, combined, velocity


@dataclass(frozen=True, slots=True)
class Now:
    """All entities at T. ``platforms`` has one :class:`Velocity` a platform, of shape (1, entities); ``factor`` the
    coverage factors (windows, platforms) or None; the other arrays have one value an entity."""

    at: int
    platforms: tuple[Velocity, ...]
    factor: Floats | None
    present: NDArray[np.bool_]
    velocity: Floats
    spread: NDArray[np.int64]
    feeling: Feeling
    affect: Floats
    raw: Floats
    mentions: NDArray[np.int64]


def score_now(mentions: Mentions, coverage: pl.DataFrame | None, scoring: Scoring, now: datetime) -> Now:
    """Velocity, spread, affect and raw of every entity at ``now``."""
    at, width = micros(now), len(mentions.entities)
    anchor = Anchor(at - (scoring.trailing_hours - 1) * HOUR, scoring.trailing_hours, width)
    grid = hour_grid(mentions, anchor)
    covered = Coverage.of(coverage, np.array([at]), scoring)
    platforms = tuple(
        velocity(
            Volumes(grid.volume[:, i], 1, None if grid.extra is None else grid.extra[-1:, i]),
            None if covered is None else covered.for_source(i),
            scoring.noise_units[name],
            scoring,
            keep=True,
        )
        for i, name in enumerate(PLATFORMS)
    )
    fast = combined([part.z[0] for part in platforms], [part.present[0] for part in platforms], scoring)
    spread = np.sum([part.x[0] > SEEN for part in platforms], axis=0).astype(np.int64)
    rows = current_rows(mentions, at, scoring)
    felt = current_feeling(_both(rows), width, scoring)
    affect = felt.affect(scoring)
    return Now(
        at=at,
        platforms=platforms,
        factor=None if covered is None else covered.factor[0],
        present=np.any([part.present[0] for part in platforms], axis=0),
        velocity=fast,
        spread=spread,
        feeling=felt,
        affect=affect,
        raw=raw_score(fast, spread, affect, scoring),
        mentions=count_pairs(rows, width),
    )


def raw_score(fast: Floats, spread: NDArray[np.int64], affect: Floats, scoring: Scoring) -> Floats:
    """``0.5 velocity + 0.3 spread + 0.2 affect``, the spread being the part of all platforms."""
    share = spread / len(PLATFORMS)
    return scoring.velocity_weight * fast + scoring.spread_weight * share + scoring.affect_weight * affect


def _both(rows: tuple[Rows, Rows]) -> Rows:
    first, second = rows
    return Rows(
        np.concatenate([first.entity, second.entity]),
        np.concatenate([first.source, second.source]),
        np.concatenate([first.at, second.at]),
        np.concatenate([first.until, second.until]),
        np.concatenate([first.weight, second.weight]),
        np.concatenate([first.sentiment, second.sentiment]),
    )
