"""What a backtest gives back: every alert, every decision, the KPIs, as values and as JSON (PRODUCT 6). Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from pipelines.alert.kpi_stats import LeadStats, Share
from pipelines.model import UTC_TIME
from pipelines.outbox import DECISIONS

Progress = Callable[[float, str], None]
"""Told the part done (0 to 1) and what is being done."""

BACKTEST_DECISIONS = pl.Schema({"at": UTC_TIME, **DECISIONS, "name": pl.String(), "slug": pl.String()})
"""One row per scoring poll and entity that reached the velocity gate or had an open episode; ``entity`` is a number that
means something in this backtest only."""

BACKTEST_EPISODES = pl.Schema(
    {
        "entity": pl.Int64(), "name": pl.String(), "slug": pl.String(), "started_at": UTC_TIME, "ended_at": UTC_TIME,
        "polls": pl.Int32(), "passes": pl.Int32(), "max_velocity": pl.Float64(), "max_spread": pl.Int16(),
        "alerted_at": UTC_TIME, "held_back": pl.String(),
    }
)  # fmt: skip
"""One row per episode, oldest first. ``ended_at`` is null while it is open; ``held_back`` is the reason that held most of
its passing polls back, empty where it alerted."""

MISSES = pl.Schema(
    {
        "entity": pl.Int64(), "name": pl.String(), "slug": pl.String(), "first_trade_at": UTC_TIME,
        "trade_items": pl.Int32(), "platforms": pl.List(pl.String()), "mentions": pl.Int32(),
        "max_velocity": pl.Float64(), "reason": pl.String(),
    }
)  # fmt: skip
"""Entities the trades wrote about and the platforms spoke of, that never alerted: see docs/backtest.md."""

NEAR_MISSES = pl.Schema(
    {
        "entity": pl.Int64(), "name": pl.String(), "slug": pl.String(), "started_at": UTC_TIME, "passes": pl.Int32(),
        "max_velocity": pl.Float64(), "max_spread": pl.Int16(), "held_back": pl.String(),
    }
)  # fmt: skip
"""Episodes that passed the gates at least once and never alerted."""


@dataclass(frozen=True, slots=True)
class BacktestAlert:
    """One alert as it would have been sent. ``trail``: hourly velocity before it, ``(hour, velocity_z, spread count)``,
    oldest first, None where no platform was polled. ``google_lead_hours``: Google's own start minus the alert.
    ``backcheck``: held, failed or open; ``duplicate``: the name alerted inside 24 h before."""

    at: datetime
    entity: str
    slug: str
    velocity_z: float
    spread_count: int
    affect: float
    heat: float
    confidence: float
    platforms: Mapping[str, Mapping[str, Any]]
    receipts: tuple[Mapping[str, Any], ...]
    first_trade_at: datetime | None
    lead_hours: float | None
    google_start_at: datetime | None
    google_lead_hours: float | None
    backcheck: str
    duplicate: bool
    domain: str
    sentence: str
    started_at: datetime
    trail: tuple[tuple[datetime, float | None, int | None], ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The form of PRODUCT 6."""
        return {
            "at": _text(self.at), "entity": self.entity, "slug": self.slug, "velocity_z": self.velocity_z,
            "spread_count": self.spread_count, "heat": self.heat, "confidence": self.confidence,
            "platforms": {name: dict(part) for name, part in self.platforms.items()},
            "receipts": [dict(receipt) for receipt in self.receipts], "first_trade_at": _text(self.first_trade_at),
            "lead_hours": self.lead_hours, "backcheck": self.backcheck,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class BacktestResult:
    """One run. ``start`` and ``end`` bound the polls whose alerts count; ``polls`` counts them. ``held_back`` counts
    decisions by reason, one per name and scoring poll; ``overrides`` are the settings that were set for this run."""

    recording: str
    start: datetime
    end: datetime
    polls: int
    method: str
    alerts: tuple[BacktestAlert, ...]
    lead: LeadStats
    google_lead: LeadStats
    false_rate: Share
    held_back: Mapping[str, int]
    decisions: pl.DataFrame
    episodes: pl.DataFrame
    misses: pl.DataFrame
    near_misses: pl.DataFrame
    domain: str = ""
    discovered: int = 0
    overrides: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def days(self) -> float:
        """Length of the span, in days."""
        return max((self.end - self.start) / timedelta(days=1), 0.0)

    @property
    def alerts_per_day(self) -> float:
        """Alerts a day; 0 for an empty span."""
        return len(self.alerts) / self.days if self.days else 0.0

    def as_json(self) -> dict[str, Any]:
        """Exactly what PRODUCT 6 promises of ``backtest --json``."""
        lead = self.lead
        return {
            "recording": self.recording, "from": _text(self.start), "to": _text(self.end), "polls": self.polls,
            "method": self.method, "alerts": [alert.as_json() for alert in self.alerts],
            "alerts_per_day": self.alerts_per_day,
            "lead": {
                "n": lead.n, "median": lead.median, "p25": lead.p25, "p75": lead.p75, "share_2h": lead.share_2h,
                "share_6h": lead.share_6h, "share_trades_first": lead.share_trades_first,
                "share_uncovered": lead.share_uncovered,
            },
            "false_positive_rate": self.false_rate.value,
            "false_positive_interval": None if self.false_rate.low is None else
                                       [self.false_rate.low, self.false_rate.high],
            "held_back": dict(self.held_back),
        }  # fmt: skip


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
