"""Settings of the velocity methods that are there to be compared with SCORING's own: ``[methods]``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from pipelines.section import Section

Method = Literal["robust", "plain", "seasonal", "nb", "ewma", "multi", "weighted"]
"""Every velocity method there is; :mod:`pipelines.score_methods` has one entry for each."""

Hours = Annotated[int, Field(ge=1, le=47)]


MOST_HOURS = 168
"""Hours with their mentions that are read before each scored hour: longer baselines would silently be cut."""


class Windows(Section):
    """SCORING 2: the window and the baseline windows before it."""

    window_hours: int = Field(ge=1, le=48)
    baseline_windows: int = Field(ge=2, le=60)

    @field_validator("baseline_windows")
    @classmethod
    def _fits(cls, windows: int, info: ValidationInfo) -> int:
        hours = info.data.get("window_hours", 0) * (windows + 1)
        if hours > MOST_HOURS:
            raise ValueError(f"window_hours x (baseline_windows + 1) is {hours}; at most {MOST_HOURS} hours are read")
        return windows


class Methods(Section):
    """Constants of ``nb``, ``ewma``, ``multi`` and ``weighted``; the others have none beyond ``[velocity]``."""

    nb_prior_mentions: float = Field(gt=0)
    nb_prior_windows: float = Field(gt=0)
    nb_day_windows: float = Field(gt=0)
    nb_weeks: int = Field(ge=0, le=8)
    nb_week_windows: float = Field(gt=0)
    nb_dispersion: float = Field(gt=0)
    nb_dispersion_windows: float = Field(gt=0)
    ewma_half_life_hours: float = Field(gt=0)
    multi_hours: list[Hours] = Field(min_length=1, max_length=6)
    multi_looks: float = Field(ge=1)
    multi_min_mentions: float = Field(ge=0)
    weight_reddit: float = Field(gt=0)
    weight_trends: float = Field(gt=0)
    weight_tiktok: float = Field(gt=0)
