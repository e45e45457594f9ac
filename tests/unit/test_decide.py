"""SCORING 5: one alert per episode, cool-down and boost, trades, domains; each decision says why with its numbers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.alert.decide import Rules, decide
from pipelines.alert.words import ago, signed
from pipelines.model import UTC_TIME
from pipelines.outbox import EPISODES
from pipelines.settings_sections import Episode, Gates

T = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
POLL = timedelta(minutes=5)
HOUR = timedelta(hours=1)
RULES = Rules(
    Gates(min_velocity=2.5, min_spread=2, consecutive=2),
    Episode(end_velocity=1.0, end_polls=2, cooldown_hours=6.0, boost=1.3, trades_old_hours=24.0),
    ("entertainment", "unclassified"),
)


def scores(*rows: dict[str, Any]) -> pl.DataFrame:
    usual = {"entity": 7, "velocity_z": 3.0, "spread_count": 2, "affect": 0.4, "heat": 1.5, "confidence": 0.8}
    full = [{**usual, **row} for row in rows]
    for row in full:
        velocity = row["velocity_z"]
        row.setdefault("passes", velocity is not None and velocity >= 2.5 and row["spread_count"] >= 2)
        row.setdefault("eligible", row["passes"])
        row["persistence"] = row["eligible"]
    schema = {"entity": pl.Int64, "velocity_z": pl.Float64, "spread_count": pl.Int8, "affect": pl.Float64,
              "heat": pl.Float64, "confidence": pl.Float64, "passes": pl.Boolean, "eligible": pl.Boolean,
              "persistence": pl.Boolean}  # fmt: skip
    return pl.DataFrame(full, schema=schema)


class Desk:
    """Polls one after another, keeping the episodes."""

    def __init__(self, domain: str = "entertainment", *, muted: bool = False, peak: float | None = None) -> None:
        self.episodes = pl.DataFrame(schema=EPISODES)
        self.names = pl.DataFrame({"entity": [7], "domain": [domain], "muted": [muted]})
        self.peaks = pl.DataFrame({"entity": [7], "heat": [peak]}, schema={"entity": pl.Int64, "heat": pl.Float64})
        self.now = T
        self.trades: list[datetime] = []

    def poll(self, *, counted: bool = True, later: timedelta = POLL, **score: Any) -> dict[str, Any] | None:
        trades = pl.DataFrame(
            {"entity": [7] * len(self.trades), "at": self.trades}, schema={"entity": pl.Int64, "at": UTC_TIME}
        )
        frame = scores() if score.pop("absent", False) else scores(score)
        decisions, self.episodes = decide(
            frame, self.episodes, self.names, trades, self.peaks, RULES, self.now, counted=counted
        )
        self.now += later
        return decisions.to_dicts()[0] if decisions.height else None

    def says(self, **score: Any) -> tuple[str, str]:
        row = self.poll(**score)
        assert row is not None
        return row["outcome"], row["reason"]


def test_an_eligible_name_fires_once_an_episode() -> None:
    desk = Desk()
    assert desk.says() == ("fired", "fired")
    assert desk.says(heat=9.0) == ("held_back", "episode")
    assert desk.says(later=30 * HOUR) == ("held_back", "episode")
    assert desk.says(heat=9.0) == ("held_back", "episode"), "an episode that goes on for a day has had its alert"


@pytest.mark.parametrize(
    ("polls", "again"),
    [
        pytest.param([0.9, 0.9], "fired", id="two below end it"),
        pytest.param([0.9, 1.0, 0.9], "episode", id="not in a row"),
        pytest.param([1.0, 1.0, 1.0], "episode", id="1.0 is not below 1.0"),
        pytest.param([None, None], "fired", id="gone from the scores is below"),
        pytest.param([2.0, 0.5], "episode", id="one is not enough"),
    ],
)
def test_two_counted_polls_below_end_an_episode(polls: list[float | None], again: str) -> None:
    desk = Desk()
    desk.poll()
    for velocity in polls:
        desk.poll(velocity_z=velocity, absent=velocity is None)
    desk.now += 7 * HOUR
    assert desk.says()[1] == again


def test_polls_without_new_data_do_not_end_an_episode() -> None:
    desk = Desk()
    desk.poll()
    for counted in (False, False, True, False):
        desk.poll(velocity_z=0.2, counted=counted)
    desk.now += 7 * HOUR
    assert desk.says() == ("held_back", "episode")


@pytest.mark.parametrize(
    ("after", "heat", "reason"),
    [
        pytest.param(timedelta(hours=2), 1.94, "cooldown", id="inside 6 h, too little more"),
        pytest.param(timedelta(hours=2), 1.95, "fired", id="inside 6 h, 1.3 times"),
        pytest.param(timedelta(hours=6) - timedelta(seconds=1), 1.6, "cooldown", id="just inside"),
        pytest.param(timedelta(hours=6), 0.5, "fired", id="at 6 h"),
    ],
)
def test_the_next_episode_waits_or_is_hotter(after: timedelta, heat: float, reason: str) -> None:
    desk = Desk()
    desk.poll(heat=1.5)
    desk.poll(velocity_z=0.1)
    desk.poll(velocity_z=0.1)
    desk.now = T + after
    assert desk.says(heat=heat)[1] == reason


def test_what_the_cool_down_held_back_fires_when_it_is_over() -> None:
    desk = Desk()
    desk.poll()
    desk.poll(velocity_z=0.1)
    desk.poll(velocity_z=0.1)
    row = desk.poll()
    assert row is not None
    assert row["sentence"] == (
        "Held back at 12:15: alerted 15 min ago at HEAT 1.50; inside 6 h a new alert needs HEAT 1.95, this is 1.50."
    )
    desk.now = T + 6 * HOUR
    assert desk.says() == ("fired", "fired")


@pytest.mark.parametrize(
    ("age", "peak", "heat", "reason"),
    [
        pytest.param(2.1, 9.0, 1.5, "fired", id="a young trade item only marks"),
        pytest.param(24.0, 9.0, 1.5, "fired", id="24 h is not older than 24 h"),
        pytest.param(26.0, 1.9, 1.5, "trades", id="old, and hotter days before"),
        pytest.param(26.0, 1.5, 1.5, "trades", id="old, and only as hot as before"),
        pytest.param(20 * 24.0, 1.9, 1.5, "trades", id="of another story: SCORING 5 sets no bound"),
        pytest.param(20 * 24.0, 1.4, 1.5, "fired", id="of another story, and a new high"),
        pytest.param(26.0, 1.4, 1.5, "fired", id="old, but a new 7-day high"),
        pytest.param(26.0, None, 1.5, "fired", id="old, and never seen before"),
    ],
)
def test_the_trades_hold_back(age: float, peak: float | None, heat: float, reason: str) -> None:
    desk = Desk(peak=peak)
    desk.trades = [T - age * HOUR]
    assert desk.says(heat=heat)[1] == reason


def test_sentences_have_their_numbers() -> None:
    desk = Desk(peak=2.0)
    sentences = []
    for score in ({"spread_count": 1}, {"eligible": False}, {"velocity_z": 2.4999}):
        row = desk.poll(**score)
        assert row is not None
        sentences.append(row["sentence"])
    desk.trades = [desk.now - 26 * HOUR]
    row = desk.poll()
    assert row is not None
    assert [*sentences, row["sentence"]] == [
        "Held back at 12:00: seen on 1 platform (needs 2).",
        "Held back at 12:05: passed the gates, but not yet in 2 polls in a row with new data.",
        "No alert at 12:10: velocity +2.49σ (needs +2.5σ).",
        "Held back at 12:15: the trades had it 26 h ago, and HEAT 1.50 is not above its 7-day high of 2.00.",
    ]
    assert row["trades_at"] == T + 3 * POLL - 26 * HOUR
    desk.trades = [desk.now - timedelta(hours=2.1)]
    row = desk.poll()
    assert row is not None
    assert (
        row["sentence"] == "Alerted at 12:20: velocity +3.0σ, seen on 2 platforms; trades: already on it (2.1 h ago)."
    )


@pytest.mark.parametrize("domain", ["sport", "politics", "other", "business"])
def test_other_domains_never_alert(domain: str) -> None:
    assert Desk(domain).says() == ("held_back", "domain")


def test_muted_names_never_alert() -> None:
    assert Desk(muted=True).says() == ("held_back", "muted")


def test_a_quiet_name_has_no_decision() -> None:
    assert Desk().poll(velocity_z=2.4, spread_count=3) is None


@pytest.mark.parametrize(("hours", "text"), [(0.5, "30 min"), (2.1, "2.1 h"), (26.0, "26 h"), (-1, "0 min")])
def test_ages(hours: float, text: str) -> None:
    assert ago(timedelta(hours=hours)) == text


def test_no_minus_zero() -> None:
    assert signed(-0.01) == "+0.0σ"


polls = st.lists(
    st.tuples(
        st.one_of(st.none(), st.sampled_from([0.5, 1.0, 2.0, 2.5, 4.0])), st.integers(1, 3), st.booleans(),
        st.floats(0.1, 5), st.integers(1, 200),
    ),
    min_size=1, max_size=40,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(polls)
def test_any_course_keeps_the_rules(course: list[tuple[float | None, int, bool, float, int]]) -> None:
    """Never two alerts in an episode, never inside the cool-down without the boost; the same twice over."""
    desk, again = Desk(), Desk()
    alerts: list[tuple[datetime, float]] = []
    below = 2
    for velocity, spread, counted, heat, minutes in course:
        later = timedelta(minutes=minutes)
        score: dict[str, Any] = {
            "velocity_z": velocity,
            "spread_count": spread,
            "heat": heat,
            "counted": counted,
            "later": later,
        }
        now = desk.now
        row = desk.poll(**score)
        assert row == again.poll(**score)
        if row is not None and row["outcome"] == "fired":
            assert below >= 2, "an episode ended since the last alert"
            if alerts and now - alerts[-1][0] < 6 * HOUR:
                assert heat >= 1.3 * alerts[-1][1] - 1e-9
            alerts.append((now, heat))
            below = 0
        elif counted and below < 2:
            below = 0 if velocity is not None and velocity >= 1.0 else below + 1
    assert desk.episodes.equals(again.episodes)
