"""The product's constants, written out, and small helpers for the scoring tests."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import polars as pl

from pipelines.model import MENTIONS, SourceKind
from pipelines.score_model import Scoring
from tests.unit.score_reference import Row

SCORING = Scoring(
    method="robust", combine="stouffer", window_hours=12, baseline_windows=13, min_windows=4, min_coverage=0.5,
    cap=4.0, controversy_weight=0.25, controversy_floor=10, positive=0.2, negative=-0.2, velocity_weight=0.5,
    spread_weight=0.3, affect_weight=0.2, decay_hours=24.0, peak_hours=168, evidence_half=5.0, discovery_platforms=2,
    discovery_velocity=1.8,
    kinds={"reddit": SourceKind.EVENT, "trends": SourceKind.LEVEL, "tiktok": SourceKind.LEVEL},
    noise_units={"reddit": 3.0, "trends": 4.0, "tiktok": 4.0},
)  # fmt: skip

T = datetime(2026, 5, 20, 12, tzinfo=UTC)


def frame(rows: Iterable[Row]) -> pl.DataFrame:
    """``rows`` as a mentions frame with text entities."""
    schema = {**MENTIONS, "entity": pl.String()}
    return pl.DataFrame([[getattr(row, name) for name in schema] for row in rows], schema=schema, orient="row")
