"""Looking back in time: the slider over the scoring polls, the band that says so, and the steps. The deciding is pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from heatmap_app.escape import Html, join, tag
from heatmap_app.pages.site import Handler, Page
from heatmap_app.pages.state import ViewState
from heatmap_app.pages.words import Times
from pipelines.store.scores import KEEP_RANKS

SPAN = timedelta(days=7)
"""How far back the slider reaches; a link reaches as far as polls are kept."""
GAP_POLLS = 2.5
"""Scoring intervals without a poll from which a stretch counts as missing."""
THINNED = f"Of this poll the {KEEP_RANKS} hottest names are kept, and those that climbed."
AS_THEN = (
    "Names, ★ and domains are as they were; a domain told from evidence and names an import brought since are today's. "
    "Who was muted or merged since is marked."
)


def poll_at(polls: Sequence[datetime], moment: datetime) -> datetime | None:
    """The last of ``polls`` (oldest first) up to ``moment``, the oldest where there is none; None (live) for the newest."""
    place = max(0, bisect_right(polls, moment) - 1)
    return None if place >= len(polls) - 1 else polls[place]


def stepped(polls: Sequence[datetime], shown: datetime | None, count: int = 0, hours: int = 0) -> datetime | None:
    """Where a step leads from the poll ``shown`` (None: live): ``count`` polls, or ``hours`` hours; back is negative.

    An hour back is the last poll up to then, an hour forward the first from then on. None is live: the newest poll and
    what is beyond.
    """
    if not polls:
        return shown
    now = shown or polls[-1]
    place = bisect_right(polls, now) - 1  # -1: before the oldest
    if hours:
        moment = now + timedelta(hours=hours)
        place = bisect_right(polls, moment) - 1 if hours < 0 else bisect_left(polls, moment)
    else:
        place += count
    place = max(0, place)
    return None if place >= len(polls) - 1 else polls[place]


def gap_after(polls: Sequence[datetime], at: datetime, interval: timedelta) -> tuple[datetime, datetime] | None:
    """The stretch without a poll that ``at`` lies in, as its two polls; None where polls were made as they should."""
    place = bisect_right(polls, at)
    if place == 0 or place == len(polls):
        return None
    before, after = polls[place - 1], polls[place]
    return (before, after) if after - before > interval * GAP_POLLS else None


def runs(polls: Sequence[datetime], interval: timedelta) -> list[tuple[datetime, datetime]]:
    """Stretches in which polls follow each other as they should, oldest first."""
    if not polls:
        return []
    found, start = [], polls[0]
    for before, after in pairwise(polls):
        if after - before > interval * GAP_POLLS:
            found.append((start, before))
            start = after
    return [*found, (start, polls[-1])]


def band(
    state: ViewState, as_of: datetime | None, polls: Sequence[datetime], times: Times, interval: timedelta,
    *, thinned: bool = False,
) -> Html:  # fmt: skip
    """The band under the head: what is shown, the slider, and the way back to live. Empty before the second poll.
    ``thinned``: the poll shown keeps its hottest names only."""
    if state.at is None and len(polls) < 2:
        return Html()
    back = tag("button", "Back to live", type="button", class_="do-one", data_act="live", data_key="live")
    return join(
        tag(
            "p",
            _words(state, as_of, polls, times, interval, thinned=thinned),
            class_="scrub-words",
            role="status",
            data_key="words",
        ),
        _slider(state, as_of, polls, times, interval) if len(polls) > 1 else None,
        back if state.at is not None else tag("button", "Close", type="button", data_act="as-of", data_key="live"),
    )


def _words(
    state: ViewState, as_of: datetime | None, polls: Sequence[datetime], times: Times, interval: timedelta,
    *, thinned: bool,
) -> Html:  # fmt: skip
    now = polls[-1] if polls else state.at
    if state.at is None or now is None:
        return tag("span", "Live. Drag to look back up to 7 days.", id="scrub-says")
    if as_of is None:
        kept = f" The oldest poll kept is of {_day(polls[0], times)}." if polls else ""
        return join(
            tag("strong", f"Nothing is kept from {_day(state.at, times)}", id="scrub-says"),
            tag("span", f"It was never scored, or is older than scores are kept.{kept}"),
        )
    missing = gap_after(polls, state.at, interval) if state.at != as_of else None
    notes = []
    if missing and missing[0] == as_of:
        notes.append(f"Nothing was scored from {times.clock(missing[0])} to {times.near(missing[1], as_of)}.")
    if thinned:
        notes.append(THINNED)
    return join(
        tag("strong", "As of ", tag("span", _day(as_of, times), id="scrub-says"), ", not live"),
        tag("small", " ".join([*notes, AS_THEN])),
    )


def _slider(
    state: ViewState, as_of: datetime | None, polls: Sequence[datetime], times: Times, interval: timedelta
) -> Html:
    low, high = polls[0], polls[-1]
    shown = as_of if state.at is not None and as_of is not None else high if state.at is None else low
    value = min(max(shown, low), high)
    slider = tag(
        "input", type="range", id="scrub", min=_seconds(low), max=_seconds(high), step=1, value=_seconds(value),
        aria_label="Time shown", aria_valuetext="live" if state.at is None else _day(value, times),
    )  # fmt: skip
    at_oldest, live = value <= low, state.at is None
    return tag(
        "div",
        _step(-1, "◀", "One poll back ( [ )", disabled=at_oldest and not live),
        tag("div", slider, _track(polls, times, interval), class_="scrub-slider"),
        _step(1, "▶", "One poll forward ( ] )", disabled=live),
        class_="scrub-line", data_key="line",
    )  # fmt: skip


def _step(polls: int, sign: str, words: str, *, disabled: bool) -> Html:
    return tag(
        "button", sign, type="button", data_act="step", data_polls=polls, aria_label=words.split(" (")[0], title=words,
        disabled=disabled, class_="step", data_key=f"step{polls}",
    )  # fmt: skip


def _track(polls: Sequence[datetime], times: Times, interval: timedelta) -> Html:
    """Where there are polls, and where days begin."""
    low, span = polls[0], max(polls[-1] - polls[0], timedelta(seconds=1))

    def across(at: datetime) -> str:
        return f"{100 * ((at - low) / span):.2f}%"

    bars = [
        tag("rect", x=across(start), y=0, width=f"{max(0.4, 100 * ((end - start) / span)):.2f}%", height=4)
        for start, end in runs(polls, interval)
    ]
    marks = []
    for day in _midnights(low, polls[-1], times):
        text = tag("text", f"{times.local(day):%a}", x=across(day), y=16) if 0.02 < (day - low) / span < 0.97 else None
        marks.append(join(tag("line", x1=across(day), x2=across(day), y1=0, y2=7), text))
    return tag(
        "svg", tag("g", bars, class_="polls"), marks, class_="track", aria_hidden="true", height=18, width="100%"
    )


def _midnights(low: datetime, high: datetime, times: Times) -> list[datetime]:
    day = times.local(low).replace(hour=0, minute=0, second=0, microsecond=0)
    found = []
    for _ in range(10):
        day = (day + timedelta(days=1)).replace(hour=0)
        moment = day.astimezone(UTC)
        if moment > high:
            break
        if moment > low:
            found.append(moment)
    return found


def _day(at: datetime, times: Times) -> str:
    return times.local(at).strftime("%a %H:%M")


def _seconds(at: datetime) -> int:
    return int(at.timestamp())


def _polls(page: Page) -> Sequence[datetime]:
    return page.site.board.polls(page.site.clock.now())


def _at(page: Page, value: Any) -> None:
    """The slider stands at ``value`` seconds; a poll in that very second counts."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e11:
        return
    polls = _polls(page)
    if polls:
        moment = datetime.fromtimestamp(value, UTC) + timedelta(seconds=1)
        page.move(replace(page.state, at=poll_at(polls, moment)))


def _step_by(page: Page, value: Any) -> None:
    given = value if isinstance(value, dict) else {}
    count, hours = given.get("polls", 0), given.get("hours", 0)
    if (count, hours) not in {(1, 0), (-1, 0), (0, 1), (0, -1)}:
        return
    shown = None if page.state.at is None else page.view.as_of or page.state.at
    if page.state.at is None and max(count, hours) > 0:
        return
    page.move(replace(page.state, at=stepped(_polls(page), shown, count, hours)))


def _live(page: Page, _value: Any) -> None:
    if page.state.at is not None:
        page.move(replace(page.state, at=None))


EVENTS: Mapping[str, Handler] = {"at": _at, "step": _step_by, "live": _live}
