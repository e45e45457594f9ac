"""HEAT of a few names at a time: the peak of the 7 days before, from the rows as known now (SCORING 3)."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl

from pipelines.backtest.memory import Memory
from pipelines.score_coverage import Polled
from pipelines.score_frames import clock_hours, history_frame, looked_at
from pipelines.score_hours import HistoryArrays, decay, history_at, plan, trail
from pipelines.score_model import Scoring
from pipelines.score_now import Now, score_now
from pipelines.score_rows import Floats, Ints, Mentions, micros

WEEK = timedelta(days=7)
HISTORY_HOURS = 24
"""The hours before a poll whose scores the live product stores with it."""


class Peaks:
    """Looks back over the hours before a poll."""

    def __init__(self, memory: Memory, scoring: Scoring) -> None:
        self._memory, self._scoring = memory, scoring

    def heat(self, entities: Ints, current: Now, coverage: Polled, now: datetime) -> Floats:
        """HEAT of ``entities`` (ascending), whose scores at ``now`` are ``current``."""
        hours = self._scoring.peak_hours + self._scoring.reach_hours + 1
        rows = self._memory.rows(entities, micros(now), hours)
        back = trail(Mentions(pl.Series("entity", entities), rows), coverage, self._scoring,
                     plan(now, self._scoring, 0), current)  # fmt: skip
        heat: Floats = current.raw * decay(current.at - back.peak_at, self._scoring)
        return heat

    def history(self, entity: int, coverage: Polled, now: datetime, hours: int) -> pl.DataFrame:
        """Scores of the last ``hours`` clock hours (``score_model.history_schema``), re-scored from what is known now."""
        found = self._arrays(entity, coverage, now, hours)
        return history_frame(pl.Series("entity", [entity]), found, coverage)

    def _arrays(self, entity: int, coverage: Polled, now: datetime, hours: int) -> HistoryArrays:
        span = hours + self._scoring.peak_hours + self._scoring.reach_hours + 1
        alone = np.array([entity], dtype=np.int64)
        mentions = Mentions(pl.Series("entity", alone), self._memory.rows(alone, micros(now), span))
        current = score_now(mentions, coverage, self._scoring, now)
        back = trail(mentions, coverage, self._scoring, plan(now, self._scoring, hours), current)
        return history_at(back, current, self._scoring, np.array([0], dtype=np.int64))

    def week(self, entity: int, since: datetime | None, coverage: Polled, now: datetime) -> float | None:
        """The highest HEAT of the full clock hours of the 7 days before ``now``'s hour; None where there was none.

        ``since``: when the name was discovered; before that and the hours stored then nobody scored it.
        """
        begin = now - WEEK
        if since is not None:
            begin = max(begin, since.replace(minute=0, second=0, microsecond=0) - timedelta(hours=HISTORY_HOURS - 1))
        until = now.replace(minute=0, second=0, microsecond=0)
        past = self._arrays(entity, coverage, now, int(WEEK / timedelta(hours=1)) + 1)
        hours = clock_hours(past)
        heat = past.heat[(hours >= micros(begin)) & (hours < micros(until)) & looked_at(hours, coverage)]
        return float(heat.max()) if len(heat) else None
