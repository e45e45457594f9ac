"""Play, pause, step, speed and jump of a driven world (demo, replay), as a pure state machine.

Values in, values out: ``now_s`` is the real monotonic second, all other times are the world's (UTC). A :class:`Control` says
how far the driver may step (:func:`due`); the driver says what it did (:func:`took`, :func:`arrived`, :func:`ended`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from pipelines.errors import InputError

SPEEDS = (1.0, 10.0, 60.0, 600.0)
"""What the page offers: virtual seconds a real second."""
MAX_SPEED = 1_000_000.0
MAX_STEPS = 20
"""Single steps that may wait for the machine."""
FOR_EVER = datetime.max.replace(tzinfo=UTC)


class State(StrEnum):
    """What a driven world is doing."""

    READING = "reading"
    PLAYING = "playing"
    PAUSED = "paused"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Control:
    """``at`` is the last step taken. ``goal``: reading in up to there, begun at ``begun``. ``playing`` and ``speed`` hold
    also while reading in, for what comes after. ``anchor``: a world's instant and the real second it belongs to."""

    at: datetime
    speed: float
    playing: bool = True
    goal: datetime | None = None
    begun: datetime | None = None
    anchor: tuple[datetime, float] | None = None
    steps: int = 0
    finished: bool = False

    @property
    def state(self) -> State:
        """In a word."""
        if self.goal is not None:
            return State.READING
        if self.finished:
            return State.ENDED
        return State.PLAYING if self.playing or self.steps else State.PAUSED

    @property
    def progress(self) -> float | None:
        """Share of the reading in that is done, 0..1; None while nothing is read in."""
        if self.goal is None or self.begun is None:
            return None
        whole = self.goal - self.begun
        return 1.0 if whole <= timedelta(0) else min(1.0, max(0.0, (self.at - self.begun) / whole))

    @property
    def pace(self) -> float:
        """Virtual seconds a real second now: 0 unless it plays."""
        return self.speed if self.state is State.PLAYING and self.playing else 0.0


def begin(begun: datetime, start: datetime, speed: float) -> Control:
    """A world that is read in from ``begun`` and plays from ``start`` on."""
    return Control(begun, speed, goal=start, begun=begun)


def play(control: Control, now_s: float) -> Control:
    """Go on from where it stands. Raises :class:`InputError` at the end of the recording."""
    if control.state is State.ENDED:
        raise InputError("The recording has ended; jump to an earlier time to watch it again")
    if control.playing:
        return control
    return replace(control, playing=True, steps=0, anchor=(control.at, now_s))


def pause(control: Control) -> Control:
    """Stop after the step that is being taken."""
    return replace(control, playing=False, steps=0)


def step(control: Control) -> Control:
    """One poll on, then paused. Raises :class:`InputError` where there is none to take."""
    if control.state is State.ENDED:
        raise InputError("The recording has ended; there is no poll after this one")
    if control.state is State.READING:
        raise InputError("Earlier polls are being read in; step when that is done")
    return replace(control, playing=False, steps=min(control.steps + 1, MAX_STEPS))


def set_speed(control: Control, speed: float, now_s: float) -> Control:
    """From here on at ``speed`` virtual seconds a real second. Raises :class:`InputError` outside 0 < speed <= 1,000,000."""
    if not 0 < speed <= MAX_SPEED:
        raise InputError(f"speed: a number above 0, {MAX_SPEED:,.0f} at most")
    return replace(control, speed=speed, anchor=(control.at, now_s))


def jump(control: Control, to: datetime, first: datetime, last: datetime) -> tuple[Control, bool]:
    """Read in up to ``to``; and whether the world has to begin anew for that, at ``first``.

    Raises :class:`InputError` where ``to`` is outside the recording (``first`` to ``last``).
    """
    if not first <= to <= last:
        raise InputError(f"to: the recording runs from {_said(first)} to {_said(last)} UTC")
    anew = to <= control.at
    begun = first if anew else control.at
    return replace(control, at=begun, begun=begun, goal=to, anchor=None, steps=0, finished=False), anew


def due(control: Control, now_s: float) -> datetime | None:
    """Up to which instant one step may be taken now; None: none."""
    match control.state:
        case State.READING:
            return control.goal
        case State.PLAYING if control.steps:
            return FOR_EVER
        case State.PLAYING:
            since, at_s = control.anchor or (control.at, now_s)
            seconds = (now_s - at_s) * control.speed
            return since + timedelta(seconds=seconds) if seconds < (FOR_EVER - since).total_seconds() else FOR_EVER
    return None


def took(control: Control, at: datetime) -> Control:
    """The driver took the step at ``at``."""
    return replace(control, at=at, steps=max(0, control.steps - 1))


def arrived(control: Control, now_s: float) -> Control:
    """All up to the goal is read in: the world stands there, and plays on if it should."""
    at = control.goal or control.at
    return replace(control, at=at, goal=None, begun=None, anchor=(at, now_s))


def ended(control: Control) -> Control:
    """There is no step left."""
    return replace(control, finished=True, steps=0)


def _said(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M}"
