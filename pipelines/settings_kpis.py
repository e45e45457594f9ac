"""Settings of the KPIs: the windows of SCORING 6, and the targets."""

from __future__ import annotations

from pydantic import Field

from pipelines.section import Section


class Kpis(Section):
    """SCORING 6: what is measured over which time, and what is aimed at."""

    lead_hours: float
    lead_stretch_hours: float
    useful_share: float = Field(ge=0, le=1)
    votes_needed: int = Field(ge=1)
    false_share: float = Field(ge=0, le=1)
    trades_before_hours: float = Field(ge=0)
    trades_after_hours: float = Field(gt=0)
    check_hours: float = Field(gt=0)
    check_velocity: float
    check_spread: int = Field(ge=1, le=3)
    check_share: float = Field(gt=0, le=1)
    duplicate_hours: float = Field(ge=0)
    settle_days: int = Field(ge=5)
