"""What stands between a score and a message, as values: decisions, episodes, alerts and their deliveries.

The alert stage makes them, the store keeps them in the transaction that stores the score, the screens show them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

import polars as pl

from pipelines.model import UTC_TIME

SLACK = "slack"
"""The one channel there is."""


class DecisionOutcome(StrEnum):
    """What became of an entity in one scoring poll."""

    FIRED = "fired"
    HELD_BACK = "held_back"
    NONE = "none"


class Reason(StrEnum):
    """Why, in the order in which the rules are asked (SCORING 5)."""

    FIRED = "fired"
    VELOCITY = "velocity"
    SPREAD = "spread"
    MUTED = "muted"
    DOMAIN = "domain"
    PERSISTENCE = "persistence"
    EPISODE = "episode"
    COOLDOWN = "cooldown"
    TRADES = "trades"


DECISIONS = pl.Schema(
    {
        "entity": pl.Int64(),
        "outcome": pl.String(),
        "reason": pl.String(),
        "sentence": pl.String(),
        "velocity_z": pl.Float64(),
        "spread_count": pl.Int16(),
        "affect": pl.Float64(),
        "heat": pl.Float64(),
        "confidence": pl.Float64(),
        "trades_at": UTC_TIME,
        "started_at": UTC_TIME,
    }
)
"""One row per entity that reached the velocity gate or has an open episode. ``trades_at`` is the story's first trade
item, ``started_at`` when the episode began."""

EPISODES = pl.Schema(
    {
        "entity": pl.Int64(),
        "open": pl.Boolean(),
        "started_at": UTC_TIME,
        "below": pl.Int32(),
        "alerted": pl.Boolean(),
        "alerted_at": UTC_TIME,
        "alerted_heat": pl.Float64(),
    }
)
"""One row per entity: its episode, open or last. ``below`` counts the polls with new data in a row that were below the
end velocity; ``alerted`` is whether this episode has had its alert; ``alerted_at`` and ``alerted_heat`` are the last
alert's, of this episode or an earlier one."""


@dataclass(frozen=True, slots=True)
class NewAlert:
    """An alert to be stored. ``dedup_key`` is the same however often the same episode is decided on."""

    dedup_key: str
    entity_id: int
    heat: float
    velocity_z: float
    spread_count: int
    affect: float
    confidence: float
    why: str
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Decided:
    """What one scoring poll decided. ``channel``: where its alerts are to be delivered; None: nowhere."""

    decisions: pl.DataFrame
    episodes: pl.DataFrame
    alerts: tuple[NewAlert, ...] = ()
    channel: str | None = None


class DeliveryState(StrEnum):
    """Where a delivery is. ``uncertain``: it was handed to Slack and nobody said whether it arrived."""

    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    UNCERTAIN = "uncertain"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Alert:
    """One stored alert. Times are UTC; ``payload`` is what its message is made of."""

    id: int
    dedup_key: str
    entity_id: int
    at: datetime
    heat: float
    velocity_z: float
    spread_count: int
    affect: float
    confidence: float
    why: str
    payload: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Claim:
    """Alerts that one process has taken to send in one message.

    ``key`` names the message at Slack; ``started_at`` is when this try began and tells it from every other; ``attempt``
    says which try it is; ``marked``: an earlier try may have arrived, and nobody can tell.
    """

    key: str
    started_at: datetime
    attempt: int
    alerts: tuple[Alert, ...]
    marked: bool = False


@dataclass(frozen=True, slots=True)
class Wait:
    """Something is due, but the channel took a message less than its pause ago."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Doubt:
    """A message of which nobody knows whether it arrived. ``looks``: how often Slack's history did not show it;
    ``thread``: the message under which it would be."""

    key: str
    started_at: datetime
    looks: int
    thread: str = ""


@dataclass(frozen=True, slots=True)
class Edit:
    """A sent message that does not show all that people did. ``ts`` is its place, ``versions`` what it shows once it is
    edited, by alert; ``marked`` as of a :class:`Claim`."""

    ts: str
    key: str
    alerts: tuple[Alert, ...]
    versions: Mapping[int, int]
    marked: bool = False
