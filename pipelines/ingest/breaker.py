"""When to leave a failing upstream alone, and when to look again: a pure function of (state, event, now).

Closed, calls go through and failures in a row are counted. Open, nothing goes through until its time is over; then
exactly one probe does, under a lease, and what becomes of it decides. A refusal ("too many requests") is no failure: it
sets a floor before which nothing is asked, whatever else is so.

Every permission carries a generation, and every change of mind raises it, so that the late answer of a call from before
neither closes nor opens anything. Times are UTC. A clock that was set back moves all waits back with it, and no wait is
ever longer than its cap.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

JITTER = 0.1
"""A wait is up to this share shorter, so that many breakers do not end together."""


@dataclass(frozen=True, slots=True)
class Rules:
    """``failures`` in a row open it for ``first_s`` seconds, doubling up to ``cap_s`` with every probe that fails.

    ``lease_s`` is how long a probe may take; ``floor_s`` the longest wait a refusal may ask for.
    """

    failures: int = 3
    first_s: float = 60.0
    cap_s: float = 900.0
    lease_s: float = 180.0
    floor_s: float = 3600.0


@dataclass(frozen=True, slots=True)
class Breaker:
    """What is known: failures in a row, how often it opened in a row, until when what is waited for.

    ``seen`` is the time of the last event: an earlier one now means that the clock was set back.
    """

    failures: int = 0
    trips: int = 0
    generation: int = 0
    open_until: datetime | None = None
    lease_until: datetime | None = None
    floor: datetime | None = None
    seen: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether only probes go through."""
        return self.open_until is not None


@dataclass(frozen=True, slots=True)
class Ask:
    """May a call be made? ``probe``: a person asks, so an open breaker grants its probe before its time."""

    probe: bool = False


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The call of this generation got a proper answer."""

    generation: int


@dataclass(frozen=True, slots=True)
class Failed:
    """The call of this generation failed. ``jitter`` is 0..1."""

    generation: int
    jitter: float = 0.0


@dataclass(frozen=True, slots=True)
class Throttled:
    """The upstream asked, in answer to the call of this generation, to be left alone for ``wait_s`` seconds."""

    generation: int
    wait_s: float


Event = Ask | Succeeded | Failed | Throttled


@dataclass(frozen=True, slots=True)
class Go:
    """Make the call and report back with this generation."""

    generation: int
    probe: bool = False


@dataclass(frozen=True, slots=True)
class Wait:
    """Make no call before ``until``: it is throttled, open, or somebody else's probe is out."""

    until: datetime
    why: Literal["throttled", "open", "probing"]


def step(state: Breaker, event: Event, now: datetime, rules: Rules) -> tuple[Breaker, Go | Wait | None]:
    """The state after ``event`` at ``now``, and for :class:`Ask` the answer. Pure."""
    state = replace(_in_step(state, now, rules), seen=now)
    match event:
        case Ask():
            return _ask(state, event, now, rules)
        case Throttled():
            return _throttled(state, event, now, rules), None
        case Succeeded() | Failed():
            if _late(state, event.generation, now):
                return state, None
            return (_closed(state) if isinstance(event, Succeeded) else _failed(state, event, now, rules)), None


def _ask(state: Breaker, event: Ask, now: datetime, rules: Rules) -> tuple[Breaker, Go | Wait]:
    if state.floor is not None and now < state.floor:
        return state, Wait(state.floor, "throttled")
    if state.open_until is None:
        return state, Go(state.generation)
    if state.lease_until is not None and now < state.lease_until:
        return state, Wait(state.lease_until, "probing")
    if now < state.open_until and not event.probe:
        return state, Wait(state.open_until, "open")
    leased = replace(state, generation=state.generation + 1, lease_until=now + timedelta(seconds=rules.lease_s))
    return leased, Go(leased.generation, probe=True)


def _late(state: Breaker, generation: int, now: datetime) -> bool:
    """Whether an answer belongs to a call that no longer counts: an older one, or a probe past its lease."""
    if generation != state.generation:
        return True
    return state.is_open and (state.lease_until is None or now >= state.lease_until)


def _closed(state: Breaker) -> Breaker:
    return Breaker(generation=state.generation + state.is_open, floor=state.floor, seen=state.seen)


def _failed(state: Breaker, event: Failed, now: datetime, rules: Rules) -> Breaker:
    failures = state.failures + 1
    if not state.is_open and failures < rules.failures:
        return replace(state, failures=failures)
    trips = state.trips + 1
    wait = timedelta(seconds=wait_s(trips, event.jitter, rules))
    return replace(
        state, failures=failures, trips=trips, generation=state.generation + 1, open_until=now + wait, lease_until=None
    )  # fmt: skip


def _throttled(state: Breaker, event: Throttled, now: datetime, rules: Rules) -> Breaker:
    asked = now + timedelta(seconds=min(max(event.wait_s, 0.0), rules.floor_s))
    floor = asked if state.floor is None else max(asked, state.floor)
    if not state.is_open or _late(state, event.generation, now):
        return replace(state, floor=floor)
    # the probe was answered, with "later": another one when that is over
    return replace(state, floor=floor, open_until=now, lease_until=None, generation=state.generation + 1)


def wait_s(trips: int, jitter: float, rules: Rules) -> float:
    """Seconds to stay open after opening for the ``trips``-th time in a row; never more than the cap."""
    doubled = rules.first_s * 2.0 ** min(trips - 1, 40)
    return min(doubled, max(rules.cap_s, rules.first_s)) * (1.0 - JITTER * min(max(jitter, 0.0), 1.0))


def _in_step(state: Breaker, now: datetime, rules: Rules) -> Breaker:
    """``state`` with its times moved back where the clock was, and never further ahead than their caps."""
    back = state.seen - now if state.seen is not None and now < state.seen else timedelta()

    def near(moment: datetime | None, cap_s: float) -> datetime | None:
        return None if moment is None else min(moment - back, now + timedelta(seconds=cap_s))

    return replace(
        state,
        open_until=near(state.open_until, max(rules.cap_s, rules.first_s)),
        lease_until=near(state.lease_until, rules.lease_s),
        floor=near(state.floor, rules.floor_s),
    )


def to_json(state: Breaker) -> dict[str, Any]:
    """``state`` as plain JSON, to survive a restart."""
    times = {name: _text(getattr(state, name)) for name in ("open_until", "lease_until", "floor", "seen")}
    return {"failures": state.failures, "trips": state.trips, "generation": state.generation, **times}


def from_json(kept: Mapping[str, Any]) -> Breaker:
    """What :func:`to_json` made; a new breaker where it cannot be read."""
    try:
        return Breaker(
            int(kept["failures"]), int(kept["trips"]), int(kept["generation"]), _time(kept["open_until"]),
            _time(kept["lease_until"]), _time(kept["floor"]), _time(kept["seen"]),
        )  # fmt: skip
    except (KeyError, TypeError, ValueError):
        return Breaker()


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)
