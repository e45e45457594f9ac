"""What the wall says, as tables of cases: no database, no browser."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from heatmap_app.database_state import DatabaseState
from heatmap_app.pages.reader import Filters
from heatmap_app.pages.words import Times, times
from heatmap_app.plots import COLOURS, SCALES, palette
from heatmap_app.web import wall_values
from heatmap_app.web.wall_feed import palette_css, palette_letter, palettes
from heatmap_app.web.wall_query import MOST_ROWS, WallQuery, wall_query
from heatmap_app.web.wall_values import Alerted, Note, Told, wall
from pipelines.outbox import Reason
from pipelines.settings import load_settings
from pipelines.view import EntityRef, Gates, HeatItem, HeatView, HistoryPoint, SourceHealth, TradesStatus
from tests.browser.sample_reader import SampleReader

SETTINGS = load_settings(mode="demo")
SAMPLE = SampleReader(mode="live")
VIEW = SAMPLE.heat(Filters())
NOW = SAMPLE.now
UTC_WORDS = Times()
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
LATE = wall_values.late_after(SETTINGS)


def made(view: HeatView = VIEW, told: Told | None = None, now: datetime = NOW, **asked: Any) -> wall_values.Wall:
    return wall(view, told or Told(), WallQuery(**asked), SETTINGS, UTC_WORDS, now)


def item(**changes: Any) -> HeatItem:
    return replace(VIEW.items[2], **changes)


def alerted(number: int = 7, entity_id: int = 3, at: datetime = NOW, **more: Any) -> Alerted:
    return Alerted(number, entity_id, at, "Saint Ferro", 3.74, ("trends", "reddit"), **more)


# ---- the address -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pairs", "field", "value"),
    [
        (("rows", "5"), "rows", 5),
        (("color", "spread"), "colour", "spread"),
        (("colour", "affect"), "colour", "affect"),
        (("velocity", "1"), "velocity", True),
        (("spread", "0"), "spread", False),
        (("domain", "all"), "domain", "all"),
        (("theme", "auto"), "theme", "auto"),
        (("scale", "1.2"), "scale", 1.2),
        (("zone", "Asia/Tokyo"), "zone", "Asia/Tokyo"),
    ],
)
def test_an_address_sets_what_it_names(pairs: tuple[str, str], field: str, value: object) -> None:
    query = wall_query([pairs, ("tz", "Nowhere/Land")])
    assert (getattr(query, field), query.notes) == (value, ())


@pytest.mark.parametrize(
    ("name", "value", "note"),
    [
        ("rows", "0", f"rows=0: takes 1 to {MOST_ROWS}; shown with 20"),
        ("rows", "9e9", f"rows=9e9: takes 1 to {MOST_ROWS}; shown with 20"),
        ("colour", "pink", "colour=pink: takes heat, velocity, spread, affect; shown with heat"),
        ("velocity", "yes", "velocity=yes: takes 1 or 0; shown with off"),
        ("domain", "weather", "domain=weather: takes a domain; shown with default"),
        ("theme", "", "theme=: takes night, day, auto; shown with night"),
        ("scale", "nan", "scale=nan: takes 0.75 to 1.25; shown with 1"),
        ("scale", "inf", "scale=inf: takes 0.75 to 1.25; shown with 1"),
        ("zone", "../etc", "zone=../etc: takes a time zone; shown with this screen's own"),
        ("teme", "day", "teme: no such setting"),
        ("x" * 99, "1", "xxxxxxxxxxxxxxxxxxx…: no such setting"),
        ("rows", "\u202e1\n", f"rows=1: takes 1 to {MOST_ROWS}; shown with 20"),
    ],
)
def test_a_wrong_value_falls_back_and_is_said(name: str, value: str, note: str) -> None:
    query = wall_query([(name, value)])
    assert query.notes == (note,)
    assert replace(query, notes=()) == WallQuery()


def test_many_wrong_values_do_not_fill_the_screen() -> None:
    assert len(wall_query([(f"p{at}", "1") for at in range(500)]).notes) == 3


def test_filters_follow_the_gates() -> None:
    asked = wall_query([("velocity", "1"), ("spread", "1"), ("domain", "music"), ("domain", "sport"), ("rows", "7")])
    assert asked.filters(2.5, 2) == Filters(limit=7, min_velocity=2.5, min_spread=2, domains=("sport",))
    assert WallQuery().filters(2.5, 2) == Filters(limit=20)
    assert WallQuery(domain="all").filters(2.5, 2).domains is None


# ---- rows ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rank", "before", "expected"),
    [(3, None, ("new", 0)), (3, 6, ("up", 3)), (3, 2, ("down", 1)), (3, 3, ("same", 0)), (1, 400, ("up", 399))],
)
def test_move(rank: int, before: int | None, expected: tuple[str, int]) -> None:
    row = made(replace(VIEW, items=(item(rank=rank, previous_rank=before),))).rows[0]
    assert (row.move, row.steps) == expected


@pytest.mark.parametrize(
    ("reason", "changes", "expected"),
    [
        (Reason.PERSISTENCE, {}, ("2nd poll next", "next")),
        (Reason.COOLDOWN, {}, ("held: cool-down", "held")),
        (Reason.SPREAD, {"spread_count": 1}, ("held: 1 platform", "held")),
        (Reason.SPREAD, {"spread_count": 0}, ("held: on 0 of 3", "held")),
        (Reason.TRADES, {}, ("held: trades first", "held")),
        (Reason.VELOCITY, {}, ("", "")),
        (Reason.EPISODE, {}, ("", "")),
        (Reason.DOMAIN, {"entity": EntityRef(3, "n3", "Saint Ferro", "music", "sport")}, ("no alerts: sport", "held")),
        (
            None,
            {"passes": True, "gates": Gates(velocity=True, spread=True, persistence=False)},
            ("2nd poll next", "next"),
        ),
        (None, {"passes": True, "gates": Gates(velocity=True, spread=True, persistence=True)}, ("", "")),
        (None, {}, ("", "")),
    ],
)
def test_what_alerting_makes_of_a_name(
    reason: Reason | None, changes: dict[str, Any], expected: tuple[str, str]
) -> None:
    told = Told(reasons={} if reason is None else {3: str(reason)})
    assert wall_values.alert_words(item(**changes), told, UTC_WORDS, NOW) == expected


@pytest.mark.parametrize(
    ("age", "expected"),
    [(34 * MINUTE, "ALERTED 13:58"), (20 * HOUR, "ALERTED 18:32"), (24 * HOUR, "2nd poll next")],
)
def test_an_alert_stands_for_a_day_and_before_any_reason(age: timedelta, expected: str) -> None:
    told = Told((alerted(at=NOW - age),), {3: str(Reason.PERSISTENCE)})
    assert wall_values.alert_words(item(), told, UTC_WORDS, NOW)[0] == expected


def test_an_alert_that_was_a_fault_is_not_called_one() -> None:
    told = Told((alerted(fault=True),))
    assert wall_values.alert_words(item(), told, UTC_WORDS, NOW) == ("source fault", "held")
    assert made(told=told).banner is None


@pytest.mark.parametrize(
    ("trades", "expected"),
    [
        (TradesStatus(), ("trades: none", "none")),
        (TradesStatus(NOW, 2.44), ("2.4 h ahead", "good")),
        (TradesStatus(NOW, 0.4), ("24 min ahead", "good")),
        (TradesStatus(NOW, -1.2), ("trades have it", "")),
        (TradesStatus(NOW, 0.0), ("trades have it", "")),
        (TradesStatus(NOW), ("trades have it", "")),
    ],
)
def test_where_the_trades_are(trades: TradesStatus, expected: tuple[str, str]) -> None:
    assert wall_values.trades_words(trades) == expected


@pytest.mark.parametrize(
    ("before", "expected"), [(1.0, "up"), (3.0, "down"), (2.0, "flat"), (2.1, "flat"), (None, "flat")]
)
def test_the_arrow_is_the_last_hour_s_direction(before: float | None, expected: str) -> None:
    history = (HistoryPoint(VIEW.hours[-2], 1.0, before, 0.3, 0.1), HistoryPoint(VIEW.hours[-1], 9.0, 9.0, 1.0, 1.0))
    assert wall_values.arrow(item(velocity_z=2.0, history=history), VIEW.hours) == expected


@pytest.mark.parametrize(
    ("colour", "value", "expected"),
    [
        ("heat", 0.0, 0),
        ("heat", -1.0, 0),
        ("heat", 2.5, 223),
        ("heat", 9.0, 223),
        ("heat", 1.25, 112),
        ("velocity", -1.0, 0),
        ("velocity", 4.0, 223),
        ("spread", 0.0, 0),
        ("spread", 1 / 3, 1),
        ("spread", 1.0, 3),
        ("affect", 0.5, 112),
        ("heat", None, None),
    ],
)
def test_a_colour_means_the_same_number_as_on_the_heatmap(colour: Any, value: float | None, expected: int) -> None:
    """The index a Bokeh LinearColorMapper with the same ends takes."""
    assert wall_values.cell(HistoryPoint(NOW, value, value, value, value), colour) == expected


def test_an_hour_nobody_watched_is_no_colour_and_the_running_one_is_the_present() -> None:
    row = made(
        replace(VIEW, items=(item(history=(HistoryPoint(VIEW.hours[0], 2.5, 4.0, 1.0, 1.0),), heat=1.25),))
    ).rows[0]
    assert row.cells == (223, *[None] * 22, 112)
    assert row.cells_words == "HEAT, 24 hours: highest 2.50 at 15:00, last 1.25, 22 not watched"


def test_the_palette_is_the_heatmaps_own_by_night_and_by_day() -> None:
    css = palette_css()
    for colour in COLOURS:
        letter, night, day = palette_letter(colour), SCALES[colour].palette, palette(SCALES[colour], "light")
        assert palettes()["ab".index(letter)] == night
        for at in (0, len(night) // 2, len(night) - 1):
            assert f".{letter}{at}{{background:{night[at]}}}" in css
            assert f'[data-theme="day"] .{letter}{at}{{background:{day[at]}}}' in css


def test_the_numbers_of_a_row() -> None:
    row = made().rows[0]
    assert (row.name, row.kind, row.heat, row.velocity) == ("Odalys Brightwater", "person", "1.92", "+3.3σ")
    assert row.platforms == (("R", "Reddit", True), ("T", "Trends", True), ("K", "TikTok", True))
    assert (row.eligible, row.gate, len(row.cells)) == (True, True, 24)


# ---- the head --------------------------------------------------------------------------------------------------------


def source(name: str, state: Any, success: datetime | None, **more: Any) -> SourceHealth:
    return SourceHealth(name, state, f"{name}: {state}.", success, **more)


def test_data_is_as_old_as_the_oldest_of_score_and_answer() -> None:
    assert made().data_at == VIEW.as_of, "the answer came after the score: the board knows nothing of it"
    old = replace(VIEW, sources=(source("reddit", "down", NOW - HOUR), source("trades", "live", NOW)))
    assert made(old).data_at == NOW - HOUR
    assert made(replace(VIEW, as_of=None)).data_at is None


@pytest.mark.parametrize(
    ("flag", "scored", "answers", "expected"),
    [
        (False, MINUTE, {"reddit": MINUTE}, None),
        (True, MINUTE, {"reddit": 87 * MINUTE, "trades": 2 * HOUR}, (87 * MINUTE, "no source has answered for")),
        (True, MINUTE, {"reddit": 87 * MINUTE, "trades": MINUTE}, (87 * MINUTE, "no platform has answered for")),
        (True, HOUR, {"reddit": MINUTE}, (HOUR, "no new scores for")),
        (False, LATE + timedelta(seconds=1), {"reddit": MINUTE}, (LATE + timedelta(seconds=1), "no new scores for")),
        (False, LATE, {"reddit": MINUTE}, None),
        (True, MINUTE, {}, (None, "no platform has answered yet")),
    ],
)
def test_stale(
    flag: bool, scored: timedelta, answers: dict[str, timedelta], expected: tuple[timedelta | None, str] | None
) -> None:
    sources = tuple(source(name, "live", NOW - age) for name, age in answers.items())
    found = made(replace(VIEW, stale=flag, as_of=NOW - scored, sources=sources)).stale
    said = None if found is None else (NOW - found.since if found.since else None, found.words)
    assert said == expected


def test_the_banner_is_the_newest_alert_in_words() -> None:
    told = Told((alerted(), alerted(6, 4, NOW - HOUR)))
    found = made(told=told).banner
    assert found is not None
    assert (found.number, found.clock, found.name) == (7, "14:32", "Saint Ferro")
    assert found.rest == "is spiking: Reddit, Trends, +3.7σ, no trade story yet"
    had = made(told=Told((alerted(trades_at=NOW),))).banner
    assert had is not None
    assert had.rest.endswith("the trades have it")


@pytest.mark.parametrize(
    ("state", "more", "words", "has_age"),
    [
        ("live", {}, "", True),
        ("delayed", {}, "delayed", True),
        ("down", {}, "down", True),
        ("paused", {}, "paused", False),
        ("throttled", {"until": NOW + 8 * MINUTE}, "until 14:40", False),
        ("throttled", {}, "throttled", False),
        ("not_configured", {}, "not set up", False),
        ("waiting", {}, "waiting", False),
    ],
)
def test_a_source_in_two_words(state: str, more: dict[str, Any], words: str, has_age: bool) -> None:
    found = wall_values.light(source("tiktok", state, NOW - HOUR, **more), UTC_WORDS, NOW)
    assert (found.name, found.words, found.since is not None) == ("TikTok", words, has_age)


def test_the_next_poll_is_the_first_of_those_that_run() -> None:
    sources = (
        source("reddit", "paused", NOW, next_poll=NOW + MINUTE),
        source("trends", "live", NOW, next_poll=NOW + 3 * MINUTE),
        source("trades", "live", NOW, next_poll=NOW + 2 * MINUTE),
    )
    assert made(replace(VIEW, sources=sources)).next_poll == NOW + 2 * MINUTE
    assert made(replace(VIEW, sources=())).next_poll is None


def test_what_is_invented_or_recorded_is_called_so() -> None:
    assert [made(replace(VIEW, mode=mode)).mode for mode in ("live", "demo", "replay")] == [
        "",
        "DEMO: invented data",
        "REPLAY: recorded data",
    ]


def test_notes_the_worst_first() -> None:
    away = DatabaseState("database away: start it", NOW - HOUR, 3, 900)
    view = replace(VIEW, delivery_problem="the channel is archived")
    asked = WallQuery(velocity=True, spread=True, domain="all", notes=("rows=0 is wrong",))
    found = wall_values.notes(view, asked, SETTINGS, UTC_WORDS, "", away)
    assert [note.tone for note in found] == ["bad", "bad", "warn", "warn", ""]
    assert found[0].text.startswith("Not saving: ")
    assert "13:32" in found[0].text
    assert found[1] == Note("Alerts do not reach Slack.", "bad")
    assert found[3] == Note("Warming up, 72 of 168 h watched: rough until Wed 14:31.", "warn")
    assert found[4] == Note("velocity ≥ 2.5 · 2+ platforms · all domains")
    unread = wall_values.notes(view, WallQuery(), SETTINGS, UTC_WORDS, "It could not be read.", away)
    assert unread[0] == Note("It could not be read.", "bad")
    assert sum(note.tone == "bad" for note in unread) == 2
    quiet = wall_values.notes(replace(VIEW, baseline_hours=168), WallQuery(), SETTINGS, UTC_WORDS, "", DatabaseState())
    assert quiet == ()


NOTHING = HeatView(None, "live", False, (), VIEW.hours)
UNSET = tuple(
    SourceHealth(name, "not_configured", f"{name}: not configured. Set HEATMAP_{name.upper()}.")
    for name in ("reddit", "trends", "tiktok")
)


@pytest.mark.parametrize(
    ("view", "asked", "problem", "title", "text"),
    [
        (NOTHING, {}, "The board could not be read.", "The board could not be read.", "goes on by itself"),
        (replace(NOTHING, sources=UNSET), {}, "", "No platform is set up", "Set HEATMAP_REDDIT."),
        (
            replace(NOTHING, sources=(source("reddit", "waiting", None),)),
            {},
            "",
            "Nothing scored yet",
            "first answer of Reddit.",
        ),
        (NOTHING, {}, "", "Nothing scored yet", "first poll"),
        (
            replace(NOTHING, as_of=NOW, hidden=17),
            {"velocity": True, "spread": True},
            "",
            "Nothing passes both gates",
            "17 names",
        ),
        (replace(NOTHING, as_of=NOW, hidden=1), {"spread": True}, "", "Nothing passes this gate", "1 name is hidden"),
        (
            replace(NOTHING, as_of=NOW, baseline_hours=3),
            {},
            "",
            "No baseline yet: 3 of 168 hours watched",
            "until about Saturday 11:32",
        ),
        (
            replace(NOTHING, as_of=NOW, baseline_hours=168, hidden=2),
            {},
            "",
            "Nothing in this domain",
            "2 names are hidden",
        ),
        (replace(NOTHING, as_of=NOW, baseline_hours=168), {}, "", "Nothing is being said", "fills"),
    ],
)
def test_a_board_without_rows_says_why(
    view: HeatView, asked: dict[str, Any], problem: str, title: str, text: str
) -> None:
    found = wall(view, Told(), WallQuery(**asked), SETTINGS, UTC_WORDS, NOW, problem=problem).empty
    assert found is not None
    assert title in found[0]
    assert text in found[1]
    assert made().empty is None


def test_hours_are_the_screens_own() -> None:
    there = wall(VIEW, Told(), WallQuery(), SETTINGS, times("Asia/Kolkata"), NOW)
    assert there.axis[-1] == "now"
    assert {label for label in there.axis if label} == {"now"} | {f"{at:02d}:00" for at in (0, 6, 12, 18)} & set(
        there.axis
    )
    assert there.then == "20:01"
    assert [label for label in made().axis if label] == ["18:00", "00:00", "06:00", "now"]
    assert datetime(2026, 3, 14, 14, 32, 5, tzinfo=UTC) == NOW
