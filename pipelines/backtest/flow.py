"""One scoring poll after the other on a virtual clock: ingest, discover, score, gate, decide, as ``Refresh`` does it."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from pipelines.alert.decide import Rules, TradeItems, decide_rows
from pipelines.alert.gates import gate_row, polls_before
from pipelines.backtest.discovery import NOBODY, Discovery, Entity
from pipelines.backtest.evidence import platform_parts, receipts, trail_before
from pipelines.backtest.log import DecisionLog
from pipelines.backtest.memory import Memory, microseconds
from pipelines.backtest.peaks import Peaks
from pipelines.backtest.prepared import Prepared
from pipelines.health import healthy_platforms
from pipelines.model import PLATFORMS
from pipelines.outbox import DecisionOutcome
from pipelines.score_coverage import Polled
from pipelines.score_frames import confidence_parts
from pipelines.score_model import Scoring
from pipelines.score_now import Now, score_now
from pipelines.score_rows import HOUR, Floats, Ints, Mentions, micros
from pipelines.settings import Settings

KEPT_HOURS = 24 * 17
"""How long mentions are kept beside the hours a velocity looks at: those before an alert, and the peaks of each."""

TRIM_EVERY = 500


@dataclass(frozen=True, slots=True)
class Fired:
    """An alert as it fired: the decision, who, and what its message and its report say."""

    at: datetime
    entity: Entity
    decision: Mapping[str, Any]
    platforms: Mapping[str, Mapping[str, Any]]
    receipts: tuple[Mapping[str, Any], ...]
    trail: tuple[tuple[datetime, float | None, int | None], ...]


@dataclass
class Kept:
    """What a run leaves behind. ``before``: (entity, at, start of the episode) of alerts in the warm-up, which are known of
    but never counted; ``checks``: (entity, poll, velocity, spread) of alerted names, for the back-check;
    ``polls``: the scoring polls that brought new data; ``scored``: every score, where it was asked for."""

    decisions: DecisionLog = field(default_factory=DecisionLog)
    fired: list[Fired] = field(default_factory=list)
    before: list[tuple[int, datetime, datetime]] = field(default_factory=list)
    checks: list[tuple[int, datetime, float, int]] = field(default_factory=list)
    polls: list[datetime] = field(default_factory=list)
    scores: list[dict[str, Any]] = field(default_factory=list)


class Flow:
    """The pipeline over a prepared recording. ``keep_scores``: note every score of every poll, for tests."""

    def __init__(
        self, prepared: Prepared, settings: Settings, rules: Rules, *, start: datetime, keep_scores: bool = False
    ) -> None:
        self.prepared, self.settings, self.rules, self.start = prepared, settings, rules, start
        self.scoring = Scoring.from_settings(settings)
        self.memory = Memory(prepared)
        self.discovery = Discovery(prepared, self.memory, self.scoring)
        self.kept = Kept()
        self._keep_scores = keep_scores
        self._ticks: list[datetime] = prepared.ticks["at"].to_list()
        self._counted: list[bool] = prepared.ticks["counted"].to_list()
        self._covered_until: list[int] = np.searchsorted(
            prepared.covered["tick"].to_numpy(), np.arange(len(self._ticks)), side="right"
        ).tolist()
        self._hours = prepared.covered.select("source", "hour")
        self._hour_of = list(zip(self._hours["source"], microseconds(self._hours["hour"]).tolist(), strict=True))
        self._polled: dict[str, Ints] = {}
        self._known_hours = 0
        self._enabled = {
            name: float(getattr(settings, name).poll_seconds) for name in PLATFORMS if name in prepared.sources
        }
        self._success: dict[str, datetime] = {}
        self._fetches: dict[int, list[tuple[str, datetime]]] = defaultdict(list)
        for tick, source, at in prepared.fetches.filter("successful").select("tick", "source", "at").iter_rows():
            self._fetches[tick].append((source, at))
        self._episodes: dict[int, Mapping[str, Any]] = {}
        self._passed: deque[set[int]] = deque(maxlen=max(settings.gates.consecutive, 1))
        self._watched_until: dict[int, datetime] = {}
        self._peaks = Peaks(self.memory, self.scoring)

    def step(self, tick: int) -> None:
        """One scoring poll."""
        now, counted = self._ticks[tick], self._counted[tick]
        self.discovery.ingest(tick)
        self._note_fetches(tick)
        if tick % TRIM_EVERY == TRIM_EVERY - 1:
            self.memory.trim(micros(now) - (KEPT_HOURS + self.scoring.reach_hours) * HOUR)
        coverage = self._coverage(tick)
        wanted, current = self._score(now, coverage)
        watched = self._watched(wanted, current, coverage, now, counted=counted)
        self._decide(watched, wanted, current, coverage, now, counted=counted)
        if counted:
            self._passed.append({entity for entity, row in watched.items() if row["passes"]})
            self._check(wanted, current, now)

    def _coverage(self, tick: int) -> Polled:
        """The hours looked at, as known at the tick."""
        until = self._covered_until[tick]
        new: dict[str, list[int]] = defaultdict(list)
        for source, hour in self._hour_of[self._known_hours : until]:
            new[source].append(hour)
        for source, hours in new.items():
            self._polled[source] = np.union1d(self._polled.get(source, NOBODY), hours)
        self._known_hours = until
        return self._polled

    def open_episodes(self) -> set[tuple[int, datetime]]:
        """(entity, start) of the episodes that are open now."""
        return {(entity, row["started_at"]) for entity, row in self._episodes.items() if row["open"]}

    def _note_fetches(self, tick: int) -> None:
        self._success.update(self._fetches.get(tick, ()))

    def _score(self, now: datetime, coverage: Polled) -> tuple[Ints, Now]:
        """The names that matter now, ascending, and their scores; new ones are made on the way."""
        at, hours = micros(now), self.scoring.reach_hours + 1
        wide = self.discovery.wide(at, self.scoring)
        wanted = self._wanted(at)
        extra = list(wide.values())
        rows = self.memory.rows(wanted, at, hours, extra)
        codes = pl.Series("entity", np.arange(len(wanted) + len(extra)))
        current = score_now(Mentions(codes, rows), coverage, self.scoring, now)
        if wide and self.discovery.discover(
            wide, current, len(wanted), self._hours[: self._known_hours], self.scoring, now
        ):
            wanted = self._wanted(at)
            rows = self.memory.rows(wanted, at, hours)
            return wanted, score_now(Mentions(pl.Series("entity", wanted), rows), coverage, self.scoring, now)
        return wanted, current

    def _wanted(self, at: int) -> Ints:
        """Who can pass, whose episode is open, and who alerted lately."""
        running = [entity for entity, row in self._episodes.items() if row["open"]]
        more = np.array([*running, *self._watched_until], dtype=np.int64) if running or self._watched_until else NOBODY
        return np.union1d(self.memory.active(at, self.scoring.window_hours), more)

    def _watched(
        self, wanted: Ints, current: Now, coverage: Polled, now: datetime, *, counted: bool
    ) -> dict[int, dict[str, Any]]:
        """The scores, gated, of the names at the velocity gate or with an open episode."""
        size = len(wanted)
        fast = current.velocity[:size] >= self.rules.gates.min_velocity
        known = current.present[:size]
        running = np.isin(wanted, [entity for entity, row in self._episodes.items() if row["open"]])
        here = np.flatnonzero(((fast | running) & known) if not self._keep_scores else known)
        if not len(here):
            return {}
        healthy = healthy_platforms(tuple(self._enabled), self._success, self._enabled, now)
        parts = confidence_parts(current, self.scoring, (len(healthy), max(1, len(self._enabled))))
        confidence = np.prod(list(parts.values()), axis=0) ** (1.0 / len(parts))
        rows = {
            int(wanted[place]): self._row(int(wanted[place]), place, current, confidence, counted=counted)
            for place in here.tolist()
        }
        self._add_heat(rows, wanted, here, current, coverage, now)
        if self._keep_scores:
            self.kept.scores += [{"at": now, **row} for row in rows.values()]
        ours = set(wanted[here[(fast | running)[here]]].tolist())
        return {entity: row for entity, row in rows.items() if entity in ours}

    def _add_heat(
        self, rows: Mapping[int, dict[str, Any]], wanted: Ints, here: Ints, current: Now, coverage: Polled,
        now: datetime,
    ) -> None:  # fmt: skip
        """HEAT where a rule reads it; it costs more than all else, and most names are held back by an earlier rule."""
        wants = [self._keep_scores or self._may_fire(int(wanted[place]), rows) for place in here.tolist()]
        some = here[np.array(wants, dtype=np.bool_)]
        if len(some):
            heat = self._peaks.heat(wanted[some], _part(current, some), coverage, now)
            for place, value in zip(some.tolist(), heat.tolist(), strict=True):
                rows[int(wanted[place])]["heat"] = value

    def _may_fire(self, entity: int, rows: Mapping[int, Mapping[str, Any]]) -> bool:
        """Whether the decision comes as far as the rules that read HEAT."""
        before = self._episodes.get(entity)
        alerted = before is not None and before["open"] and before["alerted"]
        return bool(rows[entity]["eligible"]) and not alerted and self._domain(entity) in self.rules.domains

    def _domain(self, entity: int) -> str:
        return str(self.discovery.cast[entity].domain)

    def _row(self, entity: int, place: int, current: Now, confidence: Floats, *, counted: bool) -> dict[str, Any]:
        velocity, spread = float(current.velocity[place]), int(current.spread[place])
        gates = self.settings.gates
        needed = polls_before(gates, counted=counted)
        before = list(self._passed)[-needed:] if needed else []
        passed = len(before) == needed and all(entity in passes for passes in before)
        gated = gate_row(velocity, spread, gates, before=passed, counted=counted)
        return {
            "entity": entity, "velocity_z": velocity, "spread_count": spread, "affect": float(current.affect[place]),
            "heat": None, "confidence": float(confidence[place]), **gated,
        }  # fmt: skip

    def _decide(
        self, watched: Mapping[int, Mapping[str, Any]], wanted: Ints, current: Now, coverage: Polled,
        now: datetime, *, counted: bool,
    ) -> None:  # fmt: skip
        if not watched and not self._episodes:
            return
        cast = self.discovery.cast
        names = {entity: {"domain": self._domain(entity), "muted": False} for entity in {*watched, *self._episodes}}

        def trade_items(entity: int, started_at: datetime) -> TradeItems:
            return TradeItems.of((at for at, _ in self.memory.trades.get(entity, ())), started_at, now)

        def peak(entity: int) -> float | None:
            return self._peaks.week(entity, cast[entity].since, coverage, now)

        decisions, after = decide_rows(
            watched, self._episodes, names, trade_items, peak, self.rules, now, counted=counted
        )
        self._episodes = after
        for decision in decisions:
            fired = decision["outcome"] == DecisionOutcome.FIRED
            if fired:
                until = now + timedelta(hours=self.settings.kpis.check_hours)
                self._watched_until[decision["entity"]] = until
            if now >= self.start:
                self.kept.decisions.append({"at": now, **decision})
                if fired:
                    self.kept.fired.append(self._fired(decision, wanted, current, coverage, now))
            elif fired:
                self.kept.before.append((decision["entity"], now, decision["started_at"]))

    def _fired(self, decision: Mapping[str, Any], wanted: Ints, current: Now, coverage: Polled, now: datetime) -> Fired:
        entity = self.discovery.cast[decision["entity"]]
        place = int(np.searchsorted(wanted, entity.id))
        parts = platform_parts(current, place)
        return Fired(
            now, entity, decision, parts,
            receipts(self.memory, self.prepared, entity.id, parts, now, self.scoring.window_hours),
            trail_before(self.memory, entity.id, coverage, self.scoring, now),
        )  # fmt: skip

    def _check(self, wanted: Ints, current: Now, now: datetime) -> None:
        """Note the scores of names that alerted lately."""
        if now >= self.start:
            self.kept.polls.append(now)
        for entity in list(self._watched_until):
            place = int(np.searchsorted(wanted, entity))
            self.kept.checks.append((entity, now, float(current.velocity[place]), int(current.spread[place])))
            if now > self._watched_until[entity]:
                del self._watched_until[entity]


def _part(current: Now, here: Ints) -> Now:
    """What the search for the peak reads of some entities."""
    return replace(current, present=current.present[here], raw=current.raw[here])
