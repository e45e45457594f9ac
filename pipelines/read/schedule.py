"""When each source is asked next, and why then. Pure: what is known of the sources in, rows for a page out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipelines.ingest.guard_state import GuardState
from pipelines.ingest.pace import interval_s
from pipelines.read.health import clock
from pipelines.view import ScheduleRow


@dataclass(frozen=True, slots=True)
class Planned:
    """A source as settings have it: its interval in seconds, and the variables it lacks."""

    poll_seconds: float
    missing: tuple[str, ...] = ()


def schedule_rows(
    planned: Mapping[str, Planned], states: Mapping[str, GuardState], now: datetime, *, driven: bool = False
) -> tuple[ScheduleRow, ...]:
    """One row a source, in the order of ``planned``. ``driven``: a demo or a replay, which has its own time."""
    return tuple(_row(name, plan, states.get(name, GuardState()), now, driven) for name, plan in planned.items())


def _row(name: str, plan: Planned, state: GuardState, now: datetime, driven: bool) -> ScheduleRow:
    interval = interval_s(state.pace, plan.poll_seconds)
    following = None if plan.missing or driven else state.next_at or now
    why = _why(plan, state, interval, now) if not driven else "follows its own clock"
    left = None if state.quota_left is None else int(state.quota_left)
    return ScheduleRow(
        name, following, interval, plan.poll_seconds, why, state.at, breaker_word(state, now), left, _held(state, now)
    )


def _held(state: GuardState, now: datetime) -> bool:
    paused = state.paused_until is not None and now < state.paused_until
    return state.quarantined_since is not None or state.breaker.is_open or paused


def _why(plan: Planned, state: GuardState, interval: float, now: datetime) -> str:
    known = state.breaker
    if plan.missing:
        return f"not configured. Set {' and '.join(plan.missing)}."
    if known.floor is not None and now < known.floor:
        return f"throttled until {clock(known.floor, now)}"
    if state.paused_until is not None and now < state.paused_until:
        return state.reason or f"paused until {clock(state.paused_until, now)}"
    if known.open_until is not None:
        return f"breaker open, one probe at {clock(max(known.open_until, now), now)}"
    if state.quarantined_since is not None:
        return f"every {interval_words(interval)}; quarantined since {clock(state.quarantined_since, now)}"
    if interval > plan.poll_seconds:
        times = "refusal" if state.pace.refusals == 1 else "refusals"
        return f"stretched to {interval_words(interval)} after {state.pace.refusals} {times}"
    if (
        state.next_at is not None
        and state.at is not None
        and state.next_at - state.at < timedelta(seconds=interval / 2)
    ):
        return "soon: the last answer was not complete"
    return f"every {interval_words(interval)}"


def interval_words(seconds: float) -> str:
    """An interval of so many seconds without needless digits: 7.5 s, 60 s, 10 min, 1 h."""
    if seconds < 90:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.3g} min" if seconds < 3600 else f"{seconds / 3600:.3g} h"


def breaker_word(state: GuardState, now: datetime) -> str:
    """closed, open, or probing."""
    known = state.breaker
    if not known.is_open:
        return "closed"
    return "probing" if known.lease_until is not None and now < known.lease_until else "open"
