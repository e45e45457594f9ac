"""The breaker as a pure function: examples, and any order of events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from pipelines.ingest.breaker import (
    Ask,
    Breaker,
    Failed,
    Go,
    Rules,
    Succeeded,
    Throttled,
    Wait,
    from_json,
    step,
    to_json,
)

T = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
RULES = Rules(failures=3, first_s=60, cap_s=300, lease_s=30, floor_s=3600)


def at(seconds: float) -> datetime:
    return T + timedelta(seconds=seconds)


def opened(now: datetime = T) -> Breaker:
    state = Breaker()
    for _ in range(3):
        state, _ = step(state, Failed(state.generation), now, RULES)
    return state


def test_opens_after_failures_in_a_row_and_not_before() -> None:
    state = Breaker()
    for event in (Failed(0), Failed(0), Succeeded(0), Failed(0), Failed(0)):
        state, _ = step(state, event, T, RULES)
        assert not state.is_open
    state, _ = step(state, Failed(0), T, RULES)
    assert state.open_until == at(60)


def test_one_probe_and_its_success_closes() -> None:
    state, answer = step(opened(), Ask(), at(59), RULES)
    assert answer == Wait(at(60), "open")
    state, probe = step(state, Ask(), at(60), RULES)
    assert isinstance(probe, Go)
    assert probe.probe
    state, second = step(state, Ask(), at(61), RULES)
    assert second == Wait(at(90), "probing")
    state, _ = step(state, Succeeded(probe.generation), at(62), RULES)
    assert not state.is_open
    assert state.failures == 0


def test_waits_double_up_to_the_cap_and_jitter_only_shortens() -> None:
    state, waits, now = opened(), [], T
    for _ in range(4):
        assert state.open_until is not None
        waits.append((state.open_until - now).total_seconds())
        now = state.open_until
        state, probe = step(state, Ask(), now, RULES)
        assert isinstance(probe, Go)
        state, _ = step(state, Failed(probe.generation, jitter=0.0), now, RULES)
    assert waits == [60, 120, 240, 300]
    jittered = opened()
    jittered, probe = step(jittered, Ask(), at(60), RULES)
    assert isinstance(probe, Go)
    jittered, _ = step(jittered, Failed(probe.generation, jitter=1.0), at(60), RULES)
    assert jittered.open_until == at(60 + 108)


def test_a_late_answer_changes_nothing() -> None:
    state = opened()
    assert step(state, Succeeded(0), at(1), RULES)[0].is_open, "a call from before it opened"
    state, first = step(state, Ask(), at(60), RULES)
    state, second = step(state, Ask(), at(95), RULES)
    assert isinstance(first, Go)
    assert isinstance(second, Go), "the first probe's lease is over"
    state, _ = step(state, Succeeded(first.generation), at(96), RULES)
    assert state.is_open, "the first probe comes too late"
    state, _ = step(state, Succeeded(second.generation), at(97), RULES)
    assert not state.is_open


def test_a_refusal_is_no_failure_and_sets_a_floor() -> None:
    state = Breaker()
    for _ in range(10):
        state, _ = step(state, Throttled(state.generation, 120), T, RULES)
    assert not state.is_open
    assert state.failures == 0
    state, answer = step(state, Ask(probe=True), at(119), RULES)
    assert answer == Wait(at(120), "throttled"), "not even for a person"
    _, answer = step(state, Ask(), at(120), RULES)
    assert isinstance(answer, Go)


def test_a_person_gets_the_probe_early_and_only_one() -> None:
    state, probe = step(opened(), Ask(probe=True), at(1), RULES)
    assert isinstance(probe, Go)
    assert probe.probe
    _, second = step(state, Ask(probe=True), at(2), RULES)
    assert isinstance(second, Wait)


def test_survives_as_json_and_shrugs_at_rubbish() -> None:
    state, _ = step(opened(), Throttled(3, 50), at(1), RULES)
    assert from_json(to_json(state)) == state
    assert from_json({"failures": "many"}) == Breaker()


def test_t1_a_clock_set_back_moves_the_wait_back_with_it() -> None:
    state = opened()
    _, answer = step(state, Ask(), at(-7200), RULES)
    assert answer == Wait(at(-7200 + 60), "open")


class AnyOrder(RuleBasedStateMachine):
    """Asks, answers of any call at any time, and a clock that also goes back."""

    calls: Bundle[Go] = Bundle("calls")

    def __init__(self) -> None:
        super().__init__()
        self.state, self.now = Breaker(), T
        self.probes: dict[int, datetime] = {}
        self.in_a_row = 0

    def do(self, event: Ask | Succeeded | Failed | Throttled) -> Go | Wait | None:
        before = self.state
        self.state, answer = step(self.state, event, self.now, RULES)
        generation = getattr(event, "generation", self.state.generation)
        if before.is_open and not self.state.is_open:
            assert isinstance(event, Succeeded), "only an answer closes it"
            assert generation == before.generation, "and only that of the latest probe"
            assert generation in self.probes
        if isinstance(event, Throttled):
            assert self.state.failures == before.failures, "a refusal is no failure"
            assert self.state.is_open == before.is_open
        return answer

    @rule(target=calls, probe=st.booleans())
    def ask(self, probe: bool) -> Go:
        answer = self.do(Ask(probe))
        if isinstance(answer, Wait):
            limit = {"open": RULES.cap_s, "probing": RULES.lease_s, "throttled": RULES.floor_s}[answer.why]
            assert timedelta() < answer.until - self.now <= timedelta(seconds=limit), "never longer than its cap"
            return Go(-1)
        assert isinstance(answer, Go)
        if answer.probe:
            assert all(self.now >= until for until in self.probes.values()), "two probes at a time"
            self.probes[answer.generation] = self.now + timedelta(seconds=RULES.lease_s)
        else:
            assert not self.state.is_open, "only probes go through an open one"
        return answer

    @rule(call=consumes(calls))
    def succeed(self, call: Go) -> None:
        if call.generation == self.state.generation:
            self.in_a_row = 0
        self.do(Succeeded(call.generation))
        self.probes.pop(call.generation, None)

    @rule(call=consumes(calls), jitter=st.floats(0, 1))
    def fail(self, call: Go, jitter: float) -> None:
        current = call.generation == self.state.generation and not self.state.is_open
        self.in_a_row = self.in_a_row + 1 if current else self.in_a_row
        self.do(Failed(call.generation, jitter))
        self.probes.pop(call.generation, None)
        if current and self.in_a_row >= RULES.failures:
            assert self.state.is_open, "open after so many failures in a row"
            self.in_a_row = 0

    @rule(call=consumes(calls), wait=st.floats(-10, 1e9))
    def refuse(self, call: Go, wait: float) -> None:
        self.do(Throttled(call.generation, wait))
        self.probes.pop(call.generation, None)

    @rule(seconds=st.floats(0, 500))
    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(seconds=st.floats(0, 7200))
    def set_back(self, seconds: float) -> None:
        step_back = timedelta(seconds=seconds)
        seen = self.state.seen or self.now
        # what the breaker cannot have noticed (it was not asked since) it cannot make good
        moved = max(seen - (self.now - step_back), timedelta())
        self.now -= step_back
        self.probes = {generation: until - moved for generation, until in self.probes.items()}
        self.state, _ = step(self.state, Succeeded(-1), self.now, RULES)

    @invariant()
    def survives_a_restart(self) -> None:
        assert from_json(to_json(self.state)) == self.state


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
