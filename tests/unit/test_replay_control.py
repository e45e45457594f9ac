"""The controls of a replay, case by case; and that no order of presses reaches a state that is none."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.errors import InputError
from pipelines.replay_control import (
    FOR_EVER,
    MAX_STEPS,
    Control,
    State,
    arrived,
    begin,
    due,
    ended,
    jump,
    pause,
    play,
    set_speed,
    step,
    took,
)

FIRST = datetime(2026, 3, 1, tzinfo=UTC)
LAST = FIRST + timedelta(days=7)
NOON = FIRST + timedelta(hours=12)


def hours(number: float) -> datetime:
    return FIRST + timedelta(hours=number)


READING = begin(FIRST, NOON, 60.0)
PLAYING = arrived(READING, 100.0)
PAUSED = pause(PLAYING)
STEPPING = step(PAUSED)
ENDED = ended(took(PLAYING, LAST))


@pytest.mark.parametrize(
    ("control", "state", "until", "pace"),
    [
        (READING, State.READING, NOON, 0.0),
        (PLAYING, State.PLAYING, NOON + timedelta(seconds=600), 60.0),
        (PAUSED, State.PAUSED, None, 0.0),
        (STEPPING, State.PLAYING, FOR_EVER, 0.0),
        (ENDED, State.ENDED, None, 0.0),
        (pause(READING), State.READING, NOON, 0.0),
        (arrived(pause(READING), 100.0), State.PAUSED, None, 0.0),
    ],
)
def test_what_each_state_lets_the_driver_do(
    control: Control, state: State, until: datetime | None, pace: float
) -> None:
    assert (control.state, due(control, 110.0), control.pace) == (state, until, pace)


@pytest.mark.parametrize(
    ("before", "press", "state"),
    [
        (PLAYING, pause, State.PAUSED),
        (PAUSED, lambda it: play(it, 200.0), State.PLAYING),
        (PAUSED, step, State.PLAYING),
        (PLAYING, step, State.PLAYING),
        (STEPPING, lambda it: took(it, hours(13)), State.PAUSED),
        (STEPPING, pause, State.PAUSED),
        (READING, lambda it: arrived(it, 1.0), State.PLAYING),
        (READING, pause, State.READING),
        (PLAYING, ended, State.ENDED),
        (ENDED, lambda it: jump(it, NOON, FIRST, LAST)[0], State.READING),
        (ENDED, lambda it: set_speed(it, 10.0, 0.0), State.ENDED),
    ],
)
def test_presses(before: Control, press: Callable[[Control], Control], state: State) -> None:
    assert press(before).state is state


@pytest.mark.parametrize(
    ("press", "said"),
    [
        (lambda: play(ENDED, 0.0), "has ended"),
        (lambda: step(ENDED), "has ended"),
        (lambda: step(READING), "being read in"),
        (lambda: set_speed(PLAYING, 0.0, 0.0), "above 0"),
        (lambda: set_speed(PLAYING, float("nan"), 0.0), "above 0"),
        (lambda: set_speed(PLAYING, 1e9, 0.0), "at most"),
        (lambda: jump(PLAYING, LAST + timedelta(seconds=1), FIRST, LAST), "2026-03-01 00:00 to 2026-03-08 00:00 UTC"),
        (lambda: jump(PLAYING, FIRST - timedelta(seconds=1), FIRST, LAST), "the recording runs from"),
    ],
)
def test_what_cannot_be_is_said(press: Callable[[], object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        press()


def test_a_pause_is_not_made_up_for() -> None:
    later = play(pause(took(PLAYING, hours(13))), 5_000.0)
    assert due(later, 5_010.0) == hours(13) + timedelta(seconds=600)


def test_a_new_speed_counts_from_where_the_world_stands() -> None:
    faster = set_speed(took(PLAYING, hours(13)), 600.0, 200.0)
    assert due(faster, 201.0) == hours(13) + timedelta(seconds=600)
    assert faster.pace == 600.0


def test_a_speed_beyond_the_calendar_ends_with_it() -> None:
    assert due(set_speed(PLAYING, 1e6, 0.0), 1e12) == FOR_EVER


@pytest.mark.parametrize(
    ("to", "anew", "begun"),
    [(hours(20), False, NOON), (hours(3), True, FIRST), (NOON, True, FIRST), (FIRST, True, FIRST)],
)
def test_a_jump_back_begins_anew_and_one_ahead_goes_on(to: datetime, anew: bool, begun: datetime) -> None:
    jumped, was_anew = jump(PAUSED, to, FIRST, LAST)
    assert (was_anew, jumped.begun, jumped.at, jumped.goal) == (anew, begun, begun, to)
    assert arrived(jumped, 9.0).state is State.PAUSED, "it stays paused after the jump"
    assert arrived(jumped, 9.0).at == to


def test_progress_is_a_share_of_the_reading_in() -> None:
    assert READING.progress == 0.0
    assert took(READING, hours(3)).progress == 0.25
    assert PLAYING.progress is None
    assert jump(PLAYING, FIRST, FIRST, LAST)[0].progress == 1.0


def test_steps_wait_for_the_machine_up_to_a_number() -> None:
    many = PAUSED
    for _ in range(MAX_STEPS + 5):
        many = step(many)
    for number in range(MAX_STEPS):
        assert many.state is State.PLAYING
        many = took(many, hours(13 + number))
    assert many.state is State.PAUSED


PRESSES: list[Callable[[Control, float], Control]] = [
    play, lambda it, _: pause(it), lambda it, _: step(it), lambda it, s: set_speed(it, 10.0, s),
    lambda it, _: jump(it, hours(20), FIRST, LAST)[0], lambda it, _: jump(it, hours(1), FIRST, LAST)[0],
    lambda it, s: arrived(it, s) if it.goal else it, lambda it, _: ended(it) if it.goal is None else it,
    lambda it, _: took(it, min(it.at + timedelta(minutes=5), LAST)),
]  # fmt: skip


@given(st.lists(st.sampled_from(range(len(PRESSES))), max_size=30))
def test_any_order_of_presses_keeps_it_whole(order: list[int]) -> None:
    control, now_s = READING, 0.0
    for number in order:
        now_s += 1.0
        try:
            control = PRESSES[number](control, now_s)
        except InputError:
            continue
        until = due(control, now_s)
        assert (until is None) == (control.state in (State.PAUSED, State.ENDED))
        assert control.steps >= 0
        assert control.pace in (0.0, control.speed)
        assert control.progress is None or 0.0 <= control.progress <= 1.0
        if control.state is State.PLAYING and not control.steps:
            assert until is not None
            assert until >= control.at - timedelta(hours=24)
