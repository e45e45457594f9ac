"""The score at T itself, with every term kept: what the screen opens up (SCORING 2 and 3)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from pipelines.model import PLATFORMS
from pipelines.score_coverage import Coverage, Polled
from pipelines.score_feeling import Feeling, current_feeling
from pipelines.score_grid import Anchor, hour_grid
from pipelines.score_model import Scoring
from pipelines.score_rows import HOUR, Floats, Ints, Mentions, micros
from pipelines.score_velocity import SEEN, Flags, Velocity, combined, velocity_at


@dataclass(frozen=True, slots=True)
class Now:
    """All entities at T. ``platforms`` has one :class:`Velocity` a platform, ``factor`` the coverage factors
    (windows, platforms) or None, ``mentions`` the distinct ones of the window (platforms, entities); everything else
    has one value an entity."""

    at: int
    platforms: tuple[Velocity, ...]
    factor: Floats | None
    present: Flags
    velocity: Floats
    spread: Ints
    feeling: Feeling
    affect: Floats
    raw: Floats
    mentions: Ints


def score_now(mentions: Mentions, coverage: Polled | None, scoring: Scoring, now: datetime) -> Now:
    """Velocity, spread, affect and raw of every entity at ``now``."""
    at, width = micros(now), len(mentions.entities)
    covered = Coverage.of(coverage, np.array([at]), scoring)
    factor = None if covered is None else covered.factor[0]
    anchor = Anchor(at, scoring.reach_hours, width)
    platforms = tuple(
        velocity_at(
            hour_grid(rows, anchor).volume, None if factor is None else factor[:, i], scoring.noise_units[name], scoring
        )
        for i, (name, rows) in enumerate(zip(PLATFORMS, mentions.platforms, strict=True))
    )
    present = np.array([part.present for part in platforms])
    fast = combined([part.z for part in platforms], list(present), scoring)
    spread = np.sum([part.x > SEEN for part in platforms], axis=0).astype(np.int64)
    rows = [rows.between(at - scoring.window_hours * HOUR, at).lasting() for rows in mentions.platforms]
    felt = current_feeling(rows, width, scoring)
    affect = felt.affect(scoring)
    counts = np.array([np.bincount(part.entity, minlength=width) for part in rows])
    raw = raw_score(fast, spread, affect, scoring)
    return Now(at, platforms, factor, present.any(axis=0), fast, spread, felt, affect, raw, counts)


def raw_score(fast: Floats, spread: Ints | Floats, affect: Floats, scoring: Scoring) -> Floats:
    """``0.5 velocity + 0.3 spread + 0.2 affect``, the spread being the part of all platforms."""
    share = spread / len(PLATFORMS)
    return scoring.velocity_weight * fast + scoring.spread_weight * share + scoring.affect_weight * affect
