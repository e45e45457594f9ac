"""The run: rounds of virtual time against a poller that is disturbed and killed, and what came of it."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg2

from tests.soak.child import Child, DiedError
from tests.soak.faults import Fault, deck, huge_feed, later
from tests.soak.ground import STEP_S, Ground, ground, owner
from tests.soak.recovery import Active, Recoveries
from tests.soak.truth import Alerts, Rows, Truth
from tests.soak.world import World

STEP = timedelta(seconds=STEP_S)
START = datetime(2020, 3, 2, tzinfo=UTC)
"""Well in the past, so that hours of running do not carry the virtual clock past the real one."""
ANSWER_S = 120.0
WARM_UP = 1 / 3
"""The part of the longest life that does not count for the memory slope."""


@dataclass
class Outcome:
    """Everything one phase measured."""

    rounds: int = 0
    polls: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    faults: Counter[str] = field(default_factory=Counter)
    kills: int = 0
    died: list[str] = field(default_factory=list)
    rows: Rows = field(default_factory=Rows)
    alerts: Alerts = field(default_factory=Alerts)
    recoveries: Recoveries = field(default_factory=Recoveries)
    lags: list[float] = field(default_factory=list)
    huge_lags: list[float] = field(default_factory=list)
    whole_lags: list[float] = field(default_factory=list)
    whole: str = ""
    samples: list[tuple[int, float]] = field(default_factory=list)
    stories: int = 0
    buffered: int = 0
    dropped: int = 0
    seconds: float = 0.0
    start_s: float = 0.0
    before_s: float = 0.0
    baseline: dict[str, int] = field(default_factory=dict)


@dataclass
class Phase:
    """``seconds``: how long its rounds go on. ``baseline_days``, and how far apart its polls are."""

    schema: str
    seed: int
    seconds: float
    stories: bool
    baseline_days: float
    baseline_every: timedelta
    probe: bool = False
    trace: Path | None = None

    def run(self) -> Outcome:
        """From nothing to the checks."""
        with ground(World(self.seed, START, stories=self.stories)) as there:
            return _Run(self, there).run()


class _Run:
    def __init__(self, phase: Phase, there: Ground) -> None:
        self.phase, self.ground = phase, there
        self.chance = random.Random(phase.seed)
        self.truth, self.out = Truth(), Outcome()
        self.active: list[Active] = []
        self.threads: list[threading.Thread] = []
        self.faults = self._dealt()
        self.at, self.next_fault, self.next_kill = START, 1, 6
        self.held: list[Fault] = []
        self.buffered = 0
        self.lives: list[list[tuple[int, float]]] = []

    def run(self) -> Outcome:
        began = time.monotonic()
        self.child = self._start()
        try:
            self.out.start_s = time.monotonic() - began
            self.child.ask(do="past", days=self.phase.baseline_days, every=self.phase.baseline_every.total_seconds())
            self.out.baseline = self.child.answer(600)
            self.began = time.monotonic()
            self.out.before_s = self.began - began
            while time.monotonic() - self.began < self.phase.seconds:
                self._round()
            self._settle()
            if self.phase.probe:
                self._probe()
            self._empty_outbox()
        finally:
            self.child.stop()
        self._finish()
        self.out.seconds = time.monotonic() - began
        return self.out

    def _start(self, **more: str) -> Child:
        kind = "stories" if self.phase.stories else "quiet"
        settings = self.ground.environment() | more
        child = Child(self.phase.schema, self.phase.seed, START, kind, settings, self.ground.folder)
        self.lives.append(child.samples)
        return child

    def _dealt(self) -> Iterator[Fault]:
        while True:
            yield from deck(self.chance)

    # ---- a round ----

    def _round(self, *, calm: bool = False) -> None:
        self.at += STEP
        self.ground.show(self.at)
        kill = False
        if not calm:
            kill = self._strike()
        self.child.ask(do="round", at=self.at.isoformat())
        for active in self.active:
            if active.fault.during and active.hits == 0:
                self.threads.append(later(active.fault, self.ground, self.chance.uniform(0.0, 0.5)))
        if kill:
            self._kill()
            return
        reply = self.child.answer(ANSWER_S)
        for thread in self.threads:
            thread.join()
        self.threads.clear()
        self._heard(reply)

    def _strike(self) -> bool:
        """Begin the faults that are due; whether the poller is to be killed in this round."""
        if self._kill_now():
            self.out.faults["process: killed"] += 1
            return True
        if self.out.rounds < self.next_fault:
            return False
        self.next_fault = self.out.rounds + self.chance.randint(1, 2)
        fault = self._next()
        if not fault.during:
            fault.strike(self.ground)
        active = Active(fault)
        if fault.target == "slack":
            self.out.recoveries.over(active)
        else:
            self.out.faults[active.name] += 1
            self.active.append(active)
        return False

    def _kill_now(self) -> bool:
        early = time.monotonic() - self.began < self.phase.seconds * 0.4
        # what waits in memory for a database that is away dies with the process: nothing else is promised
        calm = not self.buffered and not any(active.fault.target == "postgres" for active in self.active)
        due = early and self.out.rounds >= self.next_kill and calm
        if due:
            self.next_kill = self.out.rounds + 15
        return due

    def _next(self) -> Fault:
        """The next fault whose target is well; those of others wait for their turn."""
        busy = {active.fault.target for active in (*self.active, *self.out.recoveries.waiting)}
        for fault in self.held:
            if fault.target not in busy:
                self.held.remove(fault)
                return fault
        while (fault := next(self.faults)).target in busy:
            self.held.append(fault)
        return fault

    def _kill(self) -> None:
        time.sleep(self.chance.uniform(0.02, 0.8))
        self.child.kill()
        self.out.kills += 1
        self.out.rounds += 1
        self.truth.silenced(self.at, self.ground)
        self.out.recoveries.untold.add(self.at)
        killed = Active(Fault("killed", "process", lambda _ground: None), last=self.at)
        self.out.recoveries.over(killed)
        self.child = self._start()

    def _heard(self, reply: dict[str, Any]) -> None:
        out = self.out
        out.rounds += 1
        out.polls += len(reply["results"])
        self.child.polls += len(reply["results"])
        self.child.samples.append((self.child.polls, reply["rss_mb"]))
        self.buffered = reply["buffered"]
        out.buffered, out.dropped = max(out.buffered, self.buffered), max(out.dropped, reply["dropped"])
        self.truth.heard(reply, self.ground)
        self._trace(reply)
        huge = any(active.fault.kind == "huge" for active in self.active)
        (out.huge_lags if huge else out.lags).extend(reply["lags_ms"])
        self._heal(reply)
        out.recoveries.heard(reply, self.ground, quiet_outbox=self._outbox_quiet())

    def _trace(self, reply: dict[str, Any]) -> None:
        if self.phase.trace is None:
            return
        shown = {key: value for key, value in reply.items() if key not in ("results", "lags_ms", "alerts")}
        shown |= {"lag_ms": max(reply["lags_ms"], default=0.0), "faults": [
            active.name for active in self.active
        ], "results": {result["source"]: result["outcome"] for result in reply["results"]}}  # fmt: skip
        with self.phase.trace.open("a") as lines:
            lines.write(json.dumps(shown) + "\n")

    def _heal(self, reply: dict[str, Any]) -> None:
        """Count the polls each fault has had, and end those that have had theirs."""
        asked = {result["source"] for result in reply["results"] if result["requests"] or result["outcome"] == "failed"}
        for active in tuple(self.active):
            target = active.fault.target
            if target in self.ground.upstreams and target not in asked:
                continue
            active.hits += 1
            active.last = self.at
            active.allowed_s = reply["waits"].get(target, 0.0)
            if active.hits >= active.fault.polls:
                active.fault.heal(self.ground)
                self.active.remove(active)
                self.out.recoveries.over(active)
                # the round in which it ended may itself have come through
                self.out.recoveries.heard(reply, self.ground, quiet_outbox=False)

    def _outbox_quiet(self) -> bool:
        query = "SELECT count(*) FROM delivery WHERE state NOT IN ('sent', 'dead')"
        try:
            with owner(self.ground.postgres) as connection, connection.cursor() as cursor:
                cursor.execute(f"SET search_path = {self.phase.schema}")
                cursor.execute(query)
                return (cursor.fetchone() or [1])[0] == 0
        except psycopg2.Error:
            return False

    # ---- the end ----

    def _settle(self) -> None:
        """End all faults, and let a few rounds go by."""
        for active in tuple(self.active):
            active.fault.heal(self.ground)
            active.last = self.at
            if active.hits:
                self.out.recoveries.over(active)
        self.active.clear()
        if not self.ground.struck:
            self.ground.slack_server.reset()
        waiting = self.out.recoveries.waiting
        if not self.ground.struck:  # a Slack fault that met no alert never struck
            waiting[:] = [active for active in waiting if active.fault.target != "slack"]
        for _ in range(40):  # an hour asked for by an upstream, at twice the interval
            if not waiting and not self.buffered:
                break
            self._round(calm=True)

    def _probe(self) -> None:
        """48 MB that are allowed: they arrive whole, and are parsed until the deadline."""
        self.child.stop()
        self.child = self._start(TRADES__MAX_BYTES="100000000", TRADES__TIMEOUT_SECONDS="6")
        self._round(calm=True)
        trades = self.ground.upstreams["trades"]
        sent: list[int] = []
        trades.plan("/feed/", huge_feed(sent=sent), repeat=True)
        self.at += STEP
        self.ground.show(self.at)
        self.child.ask(do="round", at=self.at.isoformat())
        reply = self.child.answer(ANSWER_S)
        trades.reset()
        self.out.whole_lags = reply["lags_ms"]
        told = next((result for result in reply["results"] if result["source"] == "trades"), None)
        self.out.whole = (
            f"{sum(sent) / 1e6:.0f} MB sent: {told['outcome']}, {told['detail']}" if told else "trades were not asked"
        )
        self.lives.pop()
        self._heard(reply)
        self._round(calm=True)

    def _empty_outbox(self) -> None:
        deadline = time.monotonic() + 60
        while not self._outbox_quiet() and time.monotonic() < deadline:
            time.sleep(0.2)

    def _finish(self) -> None:
        out = self.out
        out.faults.update(
            {name: len(found) for name, found in out.recoveries.seconds.items() if name.startswith("slack")}
        )
        out.outcomes = dict(self.truth.outcomes)
        out.rows = self.truth.check_rows(self.ground, self.phase.schema)
        out.alerts = self.truth.check_alerts(self.ground, self.phase.schema)
        out.samples = max(self.lives, key=len)
        if self.phase.stories:
            out.stories = (self.at - START - timedelta(hours=1)) // timedelta(hours=2) + 1


def slope(samples: list[tuple[int, float]]) -> tuple[float, list[tuple[int, float]]]:
    """MB per 1,000 polls by least squares over what comes after the warm-up, and those samples."""
    kept = samples[int(len(samples) * WARM_UP) :]
    if len(kept) < 3:
        return 0.0, kept
    xs, ys = [float(x) for x, _ in kept], [y for _, y in kept]
    mx, my = sum(xs) / len(xs), sum(ys) / len(ys)
    below = sum((x - mx) ** 2 for x in xs)
    return 1000 * sum((x - mx) * (y - my) for x, y in zip(xs, ys, strict=True)) / below if below else 0.0, kept


__all__ = ["DiedError", "Outcome", "Phase", "slope"]
