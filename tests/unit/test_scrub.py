"""Looking back in time: where a step leads, what is missing, and what the band says."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heatmap_app.pages.scrub import band, gap_after, poll_at, runs, stepped
from heatmap_app.pages.state import ViewState
from heatmap_app.pages.words import Times

T = datetime(2026, 3, 14, 14, 0, tzinfo=UTC)
FIVE = timedelta(minutes=5)
POLLS = [T + FIVE * n for n in range(13)]
"""14:00 to 15:00."""
HOLED = [*POLLS[:3], T + timedelta(hours=2), T + timedelta(hours=2, minutes=5)]
MOMENTS = st.integers(0, 40_000).map(lambda seconds: T + timedelta(seconds=seconds))


def at(minutes: float) -> datetime:
    return T + timedelta(minutes=minutes)


def text(markup: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", markup)).strip()


@pytest.mark.parametrize(
    ("moment", "poll"), [(at(7), at(5)), (at(5), at(5)), (at(-90), at(0)), (at(60), None), (at(999), None)]
)
def test_a_moment_shows_the_last_poll_up_to_it(moment: datetime, poll: datetime | None) -> None:
    assert poll_at(POLLS, moment) == poll


@pytest.mark.parametrize(
    ("shown", "count", "hours", "leads_to"),
    [
        (None, -1, 0, at(55)),
        (at(55), 1, 0, None),
        (at(30), 1, 0, at(35)),
        (at(30), -1, 0, at(25)),
        (at(0), -1, 0, at(0)),
        (None, 0, -1, at(0)),
        (at(30), 0, -1, at(0)),
        (at(30), 0, 1, None),
        (at(32), -1, 0, at(25)),  # shown is what was scored at 30
        (at(-600), 1, 0, at(0)),
    ],
)
def test_steps(shown: datetime | None, count: int, hours: int, leads_to: datetime | None) -> None:
    assert stepped(POLLS, shown, count, hours) == leads_to


def test_an_hour_over_a_hole_lands_on_a_poll() -> None:
    assert stepped(HOLED, at(10), hours=1) == at(120)
    assert stepped(HOLED, at(120), hours=-1) == at(10)
    assert stepped([], None, -1) is None
    assert stepped([], at(3), -1) == at(3)


@given(
    st.lists(MOMENTS, min_size=2, unique=True).map(sorted),
    st.lists(st.sampled_from([(-1, 0), (1, 0), (0, -1), (0, 1)])),
)
def test_steps_stay_on_polls_and_back_is_never_later(polls: list[datetime], steps: list[tuple[int, int]]) -> None:
    shown: datetime | None = None
    for count, hours in steps:
        before = shown or polls[-1]
        if shown is None and max(count, hours) > 0:
            continue
        shown = stepped(polls, shown, count, hours)
        now = shown or polls[-1]
        assert now in polls
        assert (now <= before) if min(count, hours) < 0 else (now >= before)
    for _ in polls:
        shown = stepped(polls, shown, -1)
    assert shown == polls[0]


def test_holes_are_found() -> None:
    assert gap_after(HOLED, at(40), FIVE) == (at(10), at(120))
    assert gap_after(HOLED, at(7), FIVE) is None
    assert gap_after(HOLED, at(-5), FIVE) is None
    assert gap_after(HOLED, at(500), FIVE) is None
    assert runs(HOLED, FIVE) == [(at(0), at(10)), (at(120), at(125))]
    assert runs(POLLS, FIVE) == [(at(0), at(60))]
    assert runs([], FIVE) == []


def test_the_band_says_when_and_that_it_is_not_live() -> None:
    shown = band(ViewState(at=at(35)), at(35), POLLS, Times(), FIVE)
    assert "As of Sat 14:35 , not live" in text(shown)
    assert "Back to live" in text(shown)
    assert 'aria-valuetext="Sat 14:35"' in shown
    assert "Nothing was scored" not in shown
    assert "★ and domains are as they were" in shown
    assert "Who was muted or merged since is marked" in shown
    assert "hottest names are kept" not in shown
    thinned = band(ViewState(at=at(35)), at(35), POLLS, Times(), FIVE, thinned=True)
    assert "Of this poll the 100 hottest names are kept, and those that climbed." in text(thinned)
    assert "as they were" not in band(ViewState(), POLLS[-1], POLLS, Times(), FIVE)


def test_the_band_says_what_is_missing() -> None:
    assert "Nothing was scored from 14:10 to 16:00." in text(band(ViewState(at=at(40)), at(10), HOLED, Times(), FIVE))
    gone = text(band(ViewState(at=at(-5000)), None, POLLS, Times(), FIVE))
    assert "Nothing is kept from Wed 02:40" in gone
    assert "The oldest poll kept is of Sat 14:00." in gone
    assert "Back to live" in gone


def test_live_the_band_offers_the_way_back_in_time() -> None:
    assert band(ViewState(), POLLS[0], POLLS[:1], Times(), FIVE) == ""
    live = band(ViewState(), POLLS[-1], POLLS, Times(), FIVE)
    assert "Live. Drag to look back" in text(live)
    assert 'aria-valuetext="live"' in live
    assert re.search(r'aria-label="One poll forward"[^>]* disabled', live)
