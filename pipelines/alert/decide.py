"""Whom to alert about (SCORING 5), pure: scores, episodes and trade items in; a decision with its reason each out.

An episode begins with the first poll that passes the gates and ends after ``end_polls`` polls with new data in a row
below ``end_velocity``. It has one alert. Inside the cool-down after an alert, the next episode's alert needs a boost.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from pipelines.alert.words import ago, boosted, hhmm, signed
from pipelines.model import conform
from pipelines.outbox import DECISIONS, EPISODES, DecisionOutcome, Reason
from pipelines.settings_sections import Episode, Gates

STORY_BEFORE = timedelta(hours=48)
"""A trade item is told as the story's own from this long before the story began (SCORING 6). One before that is older than
any story, and holds an alert back all the same: SCORING 5 sets no bound."""


@dataclass(frozen=True, slots=True)
class TradeItems:
    """Of the trade items about a name that are out: the ``first`` ever, and the first of the ``story``."""

    first: datetime | None = None
    story: datetime | None = None

    @classmethod
    def of(cls, times: Iterable[datetime], started_at: datetime, now: datetime) -> TradeItems:
        """Among ``times``, for a story that began at ``started_at``, as known at ``now``."""
        out = sorted(at for at in times if at <= now)
        return cls(min(out, default=None), min((at for at in out if at > started_at - STORY_BEFORE), default=None))


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings a decision follows; ``domains``: those that alert."""

    gates: Gates
    episode: Episode
    domains: Collection[str]


def decide(
    scores: pl.DataFrame,
    episodes: pl.DataFrame,
    names: pl.DataFrame,
    trades: pl.DataFrame,
    peaks: pl.DataFrame,
    rules: Rules,
    now: datetime,
    *,
    counted: bool,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The decisions (:data:`DECISIONS`) of the poll at ``now`` and the new episodes (:data:`EPISODES`).

    ``scores``: the gated scores of this poll (entity, velocity_z, spread_count, affect, heat, confidence, passes,
    persistence, eligible). ``episodes``: the state before. ``names``: entity, domain, muted. ``trades``: entity, at of
    trade items. ``peaks``: entity, heat: the highest of the 7 days before. ``counted``: whether this poll brought new
    data. Same input, same output; one decision per entity.
    """
    watched = scores.filter((pl.col("velocity_z") >= rules.gates.min_velocity) | pl.col("passes"))
    before = {row["entity"]: row for row in conform(episodes, EPISODES).iter_rows(named=True)}
    wanted = {*watched["entity"].to_list(), *(entity for entity, row in before.items() if row["open"])}
    about = dict(trades.group_by("entity").agg("at").iter_rows())
    decisions, after = decide_rows(
        _by_entity(scores.filter(pl.col("entity").is_in(wanted))), before, _by_entity(names),
        lambda entity, started_at: TradeItems.of(about.get(entity, ()), started_at, now),
        {row["entity"]: row["heat"] for row in peaks.iter_rows(named=True)}.get, rules, now, counted=counted,
    )  # fmt: skip
    return pl.DataFrame(decisions, schema=DECISIONS), pl.DataFrame(
        sorted(after.values(), key=lambda row: int(row["entity"])), schema=EPISODES
    )


def decide_rows(
    watched: Mapping[int, Mapping[str, Any]],
    episodes: Mapping[int, Mapping[str, Any]],
    names: Mapping[int, Mapping[str, Any]],
    trade_items: Callable[[int, datetime], TradeItems],
    peak: Callable[[int], float | None],
    rules: Rules,
    now: datetime,
    *,
    counted: bool,
) -> tuple[list[dict[str, Any]], dict[int, Mapping[str, Any]]]:
    """:func:`decide` over plain rows, by entity: the decisions, and the episodes that a rule still looks back to.

    ``watched``: the scores of the names at the velocity gate or with an open episode. ``trade_items``: given an entity and
    when its story began, what the trades have. ``peak``: an entity's highest HEAT of the 7 days before.
    """
    decisions: list[dict[str, Any]] = []
    after = dict(episodes)
    wanted = sorted({*watched, *(entity for entity, row in episodes.items() if row["open"])})
    for entity in wanted:
        case = _Case(
            entity, watched.get(entity, {}), episodes.get(entity), names.get(entity, {}), peak, rules, now, counted
        )
        decision, state = case.settle(trade_items(entity, case.started_at))
        decisions.append(decision)
        if state is not None:
            after[entity] = state
    edge = now - timedelta(hours=rules.episode.cooldown_hours)
    return decisions, {
        entity: row for entity, row in after.items()
        if row["open"] or (row["alerted_at"] is not None and row["alerted_at"] > edge)
    }  # fmt: skip


def _by_entity(frame: pl.DataFrame) -> dict[int, dict[str, Any]]:
    return {row["entity"]: row for row in frame.iter_rows(named=True)}


@dataclass(frozen=True, slots=True)
class _Case:
    """One entity at one poll."""

    entity: int
    score: Mapping[str, Any]
    before: Mapping[str, Any] | None
    name: Mapping[str, Any]
    peak: Callable[[int], float | None]
    rules: Rules
    now: datetime
    counted: bool

    @property
    def is_open(self) -> bool:
        return bool(self.before and self.before["open"])

    @property
    def started_at(self) -> datetime:
        started = self.before["started_at"] if self.before and self.is_open else self.now
        assert isinstance(started, datetime)  # noqa: S101 - the schema says so
        return started

    @property
    def velocity(self) -> float | None:
        value = self.score.get("velocity_z")
        return None if value is None else float(value)

    @property
    def heat(self) -> float:
        return float(self.score.get("heat") or 0.0)

    def settle(self, trades: TradeItems) -> tuple[dict[str, Any], dict[str, Any] | None]:
        """The decision, and the episode after it (None: there is none)."""
        reason, words = self._reason(trades)
        passes = bool(self.score.get("passes"))
        fired = reason is Reason.FIRED
        outcome = DecisionOutcome.FIRED if fired else DecisionOutcome.HELD_BACK
        if reason is Reason.VELOCITY:
            outcome = DecisionOutcome.NONE
        stamp = {
            DecisionOutcome.FIRED: "Alerted",
            DecisionOutcome.HELD_BACK: "Held back",
            DecisionOutcome.NONE: "No alert",
        }
        began = self.started_at if passes or self.is_open else None
        decision = {
            "entity": self.entity, "outcome": str(outcome), "reason": str(reason),
            "sentence": f"{stamp[outcome]} at {hhmm(self.now)}: {words}.",
            **{key: self.score.get(key) for key in ("velocity_z", "spread_count", "affect", "heat", "confidence")},
            "trades_at": trades.first if reason is Reason.TRADES else trades.story, "started_at": began,
        }  # fmt: skip
        return decision, self._state(passes=passes, fired=fired)

    def _state(self, *, passes: bool, fired: bool) -> dict[str, Any] | None:
        if not (passes or self.is_open):
            return None
        old = self.before or {}
        goes_on = self.is_open
        state: dict[str, Any] = {
            "entity": self.entity, "open": True, "started_at": self.started_at,
            "below": self._below(old.get("below") or 0 if goes_on else 0),
            "alerted": fired or bool(goes_on and old.get("alerted")),
            "alerted_at": self.now if fired else old.get("alerted_at"),
            "alerted_heat": self.heat if fired else old.get("alerted_heat"),
        }  # fmt: skip
        return {**state, "open": state["below"] < self.rules.episode.end_polls}

    def _below(self, before: int) -> int:
        """Polls with new data in a row below the end velocity; a name nobody mentions any more has none."""
        if not self.counted:
            return before
        slow = self.velocity is None or self.velocity < self.rules.episode.end_velocity
        return before + 1 if slow else 0

    def _reason(self, trades: TradeItems) -> tuple[Reason, str]:
        """The first rule that says no, in the order people ask; else fired."""
        for rule in (self._muted, self._gates, self._domain, self._persistence, self._episode, self._cooldown):
            found = rule()
            if found is not None:
                return found
        return self._trades(trades)

    def _gates(self) -> tuple[Reason, str] | None:
        if self.score.get("passes"):
            return None
        gates, velocity = self.rules.gates, self.velocity
        if velocity is None:
            return Reason.VELOCITY, f"nobody mentions it now (needs {signed(gates.min_velocity)})"
        if velocity < gates.min_velocity:
            return (
                Reason.VELOCITY,
                f"velocity {signed(velocity, below=gates.min_velocity)} (needs {signed(gates.min_velocity)})",
            )
        seen = int(self.score.get("spread_count") or 0)
        return Reason.SPREAD, f"seen on {seen} platform{'' if seen == 1 else 's'} (needs {gates.min_spread})"

    def _muted(self) -> tuple[Reason, str] | None:
        return (Reason.MUTED, "muted by the desk") if self.name.get("muted") else None

    def _domain(self) -> tuple[Reason, str] | None:
        domain = str(self.name.get("domain") or "unclassified")
        if domain not in self.rules.domains:
            return Reason.DOMAIN, f"filed under {domain}, which this desk gets no alerts for"
        return None

    def _persistence(self) -> tuple[Reason, str] | None:
        if self.score.get("eligible"):
            return None
        needed = self.rules.gates.consecutive
        return Reason.PERSISTENCE, f"passed the gates, but not yet in {needed} polls in a row with new data"

    def _episode(self) -> tuple[Reason, str] | None:
        if not (self.before and self.is_open and self.before["alerted"]):
            return None
        at, end = self.before["alerted_at"], self.rules.episode
        when = f"at {hhmm(at)}" if at is not None else "before"
        polls = f"{end.end_polls} poll{'' if end.end_polls == 1 else 's'}"
        return (
            Reason.EPISODE,
            f"already alerted {when}; a new alert needs {polls} below {signed(end.end_velocity)} first",
        )

    def _cooldown(self) -> tuple[Reason, str] | None:
        rules = self.rules.episode
        at, alerted = (self.before or {}).get("alerted_at"), (self.before or {}).get("alerted_heat")
        if at is None or self.now - at >= timedelta(hours=rules.cooldown_hours):
            return None
        if boosted(self.heat, alerted or 0.0, rules.boost):
            return None
        return Reason.COOLDOWN, (
            f"alerted {ago(self.now - at)} ago at HEAT {alerted or 0.0:.2f}; inside {rules.cooldown_hours:g} h a new alert "
            f"needs HEAT {rules.boost * (alerted or 0.0):.2f}, this is {self.heat:.2f}"
        )

    def _trades(self, trades: TradeItems) -> tuple[Reason, str]:
        numbers = (
            f"velocity {signed(self.velocity or 0.0)}, seen on {int(self.score.get('spread_count') or 0)} platforms"
        )
        if trades.first is None:
            return Reason.FIRED, f"{numbers}; no trade story yet"
        age = self.now - trades.first
        if age <= timedelta(hours=self.rules.episode.trades_old_hours):
            return Reason.FIRED, f"{numbers}; trades: already on it ({ago(age)} ago)"
        peak = self.peak(self.entity)
        if peak is None or self.heat > peak:
            return (
                Reason.FIRED,
                f"{numbers}; trades had it {ago(age)} ago, but HEAT {self.heat:.2f} is a new 7-day high",
            )
        return Reason.TRADES, (
            f"the trades had it {ago(age)} ago, and HEAT {self.heat:.2f} is not above its 7-day high of {peak:.2f}"
        )
