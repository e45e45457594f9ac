"""What the pages say, word for word: the score opened up, the empty and the stale board, the health of sources."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest

from heatmap_app.pages import board_view, entity_panel, facts, formula, health_strip, naming, receipts
from heatmap_app.pages.entity_side import EntitySide
from heatmap_app.pages.reader import Filters
from heatmap_app.pages.state import ViewState
from heatmap_app.pages.words import Times, compact, listed, plain, shortened, signed, span, times
from heatmap_app.users import User
from pipelines.settings import load_settings
from pipelines.view import HeatItem, HeatView, NameRow, PlatformScore, SourceHealth, TradesStatus
from tests.browser.sample_reader import SampleReader

SETTINGS = load_settings(mode="demo")
NOW = datetime(2026, 3, 14, 14, 32, 5, tzinfo=UTC)
READER = SampleReader()
BOARD = READER.heat(Filters(domains=None))
SCORE = PlatformScore(3.1422, 24.0, 6.4615, 1.6641, 13, 156.0, 9, 3.0, window_values=(6.0, None, 12.0))


def text(markup: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", markup)).split())


def item(**changes: Any) -> HeatItem:
    return replace(BOARD.items[0], **changes)


def test_the_platform_sentence() -> None:
    words = "Reddit: 24.0 in the last 12 h; usual 6.5 ± 1.7 over 13 windows; +3.1σ."
    assert formula.sentence("reddit", SCORE, SETTINGS) == words
    assert "(warming up)" in formula.sentence("reddit", replace(SCORE, warming_up=True, windows=2), SETTINGS)
    assert "no baseline yet" in formula.sentence("trends", replace(SCORE, windows=0), SETTINGS)


def test_the_equation_is_the_formula_with_its_numbers() -> None:
    shown = formula.equation(
        item(heat=1.97, velocity_z=3.74, spread_count=3, affect=0.41, hours_since_peak=3.2), SETTINGS
    )
    assert text(shown) == "HEAT 1.97 = ( 0.5 × 3.74 + 0.3 × 3/3 + 0.2 × 0.41 ) × 0.875"


def test_why_goes_down_to_mu_s_u_and_the_windows() -> None:
    shown = text(formula.why(item(platforms={"reddit": SCORE}), SETTINGS, Times()))
    assert "z = (x − μ) / √(s² + u·μ + u²) = (24.00 − 6.46) / √(1.66² + 3×6.46 + 3²) = +3.14" in shown
    assert "6.0 −12 h – −24 h 12.0 −36 h" in shown
    assert "Mean sentiment" in shown
    assert "0.79" in shown


def test_without_text_affect_says_why_it_is_nothing() -> None:
    shown = text(formula.why(item(affect=0.0, affect_parts={"n_text": 0}), SETTINGS, Times()))
    assert "No mention in the window has text to read" in shown


@pytest.mark.parametrize(
    ("trades", "words"),
    [
        (TradesStatus(), "No trade story yet."),
        (TradesStatus(NOW - timedelta(hours=1), 2.4), "First trade story 13:32, 1 h ago; we were 2.4 h ahead."),
        (TradesStatus(NOW - timedelta(hours=9), -3.0), "First trade story 05:32, 9 h ago; they were 3.0 h ahead."),
        (TradesStatus(NOW - timedelta(minutes=7)), "First trade story 14:25, 7 min ago."),
    ],
)
def test_trades_in_words(trades: TradesStatus, words: str) -> None:
    assert entity_panel.trades_words(trades, Times(), NOW) == words


def test_nothing_passes_says_how_many_are_hidden() -> None:
    state = ViewState(velocity=True, spread=True)
    shown = text(board_view.rows(replace(BOARD, items=(), hidden=17), state, Times()))
    assert shown == "Nothing passes both gates right now. 17 names are hidden. Show all"


def test_no_baseline_says_until_when() -> None:
    shown = text(board_view.rows(replace(BOARD, items=(), baseline_hours=3, hidden=0), ViewState(), Times()))
    assert shown.startswith("No baseline yet: 3 of 168 hours watched. Velocities are rough until about Saturday 11:31")


def test_before_the_first_poll_it_says_what_it_waits_for() -> None:
    source = SourceHealth("reddit", "waiting", "Reddit: not polled yet.")
    view = HeatView(None, "live", False, (), sources=(source,))
    assert "Waiting for the first answer of Reddit." in text(board_view.rows(view, ViewState(), Times()))


def test_the_strip_says_age_and_state_of_every_source() -> None:
    sources = (
        *BOARD.sources[:3],
        SourceHealth("trades", "down", "Trades: no feed answers.", NOW - timedelta(minutes=87)),
        SourceHealth(
            "tiktok", "not_configured", "TikTok: not configured. Set HEATMAP_TIKTOK__TOKEN to an Apify token."
        ),
    )
    shown = text(health_strip.strip(replace(BOARD, sources=sources), Times(), NOW))
    for words in ("Reddit 40 s", "Trends 6 min", "TikTok throttled until 14:40", "Trades down, last 1 h 27 min ago"):
        assert words in shown
    assert "Set HEATMAP_TIKTOK__TOKEN to an Apify token." in shown
    assert "72 of 168 h of baseline" in shown


def test_stale_says_since_when_and_demo_is_always_there() -> None:
    old = SourceHealth("reddit", "down", "", NOW - timedelta(minutes=87))
    shown = text(health_strip.banner(replace(BOARD, stale=True, sources=(old,)), None, Times(), NOW))
    assert shown.startswith("STALE since 13:05: no source has answered for 1 h 27 min")
    assert "DEMO: invented data" in text(health_strip.head_state(BOARD, Times(), NOW))
    assert health_strip.banner(BOARD, None, Times(), NOW) == ""
    stopped = replace(BOARD, delivery_problem="delivery stopped: the channel <b> is archived")
    assert "Alerts do not reach Slack: delivery stopped: the channel <b> is archived." in text(
        health_strip.banner(stopped, None, Times(), NOW)
    )
    assert "DEMO" not in health_strip.head_state(replace(BOARD, mode="live"), Times(), NOW)


def test_moves_are_an_arrow_and_a_number() -> None:
    moves = [item(rank=4, previous_rank=old) for old in (7, 3, 4, None)]
    shown = [text(board_view._move(row)[0]) for row in moves]
    assert shown == ["▲3", "▼1", "·", "NEW"]
    assert board_view._move(item(rank=4, previous_rank=None, before_thinned=True)) == ("–", "same")


def test_the_overview_of_a_past_board_never_says_now() -> None:
    rows = tuple(item(rank=rank, previous_rank=old, before_thinned=old is None) for rank, old in ((1, 3), (2, None)))
    live, then = (
        text(entity_panel.overview(replace(BOARD, items=rows), SETTINGS, when)) for when in (None, "Sat 14:30")
    )
    assert "Now" in live
    assert "New on the board" not in live  # lost from the poll before, so not known to be new
    assert "As of Sat 14:30" in then
    assert not re.search(r"\b[Nn]ow\b", then.partition("How to read it")[0])
    assert "▲2 to 1" in then


def test_a_stale_board_is_not_called_now() -> None:
    assert text(board_view.hours(BOARD, Times())).endswith("now")
    assert text(board_view.hours(replace(BOARD, stale=True), Times())).endswith("then")
    side = EntitySide()
    shown = [
        side.regions(ViewState(), board, SETTINGS, None, Times(), NOW) for board in (BOARD, replace(BOARD, stale=True))
    ]
    assert [text(one["overview"]).split(" Pick")[0] for one in shown] == ["Now", "As of Sat 14:31"]


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        ("Saint Ferro", "Saint Ferro"), ("The Ninth Cartographer", "The Ninth…"), ("燈火守護者", "燈火守護者"),
        ("燈火守護者與北海", "燈火守護者…"), ("Z\u0338\u0321a\u0337l\u0336g\u0335o", "Z\u0338\u0321a\u0337l\u0336g\u0335o"),
    ],
)  # fmt: skip
def test_a_name_is_shortened_by_the_room_its_letters_take(name: str, fits: str) -> None:
    assert shortened(name, 11) == fits


def test_a_name_that_is_on_no_board_today_says_so_in_its_row_of_then() -> None:
    shown = board_view._row(item(rank=4, previous_rank=4, gone="muted"), ViewState(at=NOW))
    assert "muted since" in text(shown)
    assert re.search(r'aria-label="[^"]*, muted since"', shown)


@pytest.mark.parametrize(("count", "left"), [(12, 0), (85, 0), (620, 120)])
def test_no_name_is_left_out_without_a_word(count: int, left: int) -> None:
    view = READER.entity("n1")
    assert view is not None
    names = tuple(NameRow(f"name {n}", f"Name {n}", 1) for n in range(count))
    shown = naming.naming(replace(view, names=names), User("u:ana", "Ana", "editor"), Times(), NOW)
    form = shown.partition('id="name-split"')[2].partition("</template>")[0]
    listed_names = shown.partition('id="name-merge"')[0]
    assert all(f"<bdi>Name {n}</bdi>" in listed_names for n in range(count))
    assert (f"{count - 12} more" in listed_names) == (count > 12)
    assert form.count('type="radio"') == count - left
    assert ("The first 500 of 620 names." in text(form)) == (left > 0)
    assert ("heatmap entities split n1 NAME" in text(form)) == (left > 0)


def test_decisions_that_do_not_fit_are_counted_and_linked() -> None:
    view = READER.entity("n1")
    assert view is not None
    rows = tuple({"sentence": f"Held back {n}.", "polls": 1, "at": NOW} for n in range(facts.LIST_LIMIT + 3))
    few, many = (entity_panel.more(replace(view, decisions=told), Times(), NOW) for told in (rows[:-3], rows))
    assert 'href="/alerts/decisions?q=n1"' not in few
    assert ">3 more</a>" in many


def test_a_link_that_is_not_http_is_shown_without_link() -> None:
    page = READER.receipts("n1", None, None, 5, None)
    bad = replace(page.items[0], url="javascript:alert(1)", title="<b>x</b>")
    shown = receipts.receipts(replace(page, items=(bad,)), ViewState(), Times(), NOW)
    assert "javascript" not in shown
    assert 'class="no-link"' in shown
    assert "&lt;b&gt;x&lt;/b&gt;" in shown


def test_provenance_of_a_discovered_name_in_words() -> None:
    view = READER.entity("n1")
    assert view is not None
    shown = text(facts.origin(view, Times(), NOW))
    assert "Became a name of its own at 11:32 with +2.4σ: Reddit +1.9σ and Trends +1.5σ." in shown


def test_any_provenance_is_shown_as_text() -> None:
    view = READER.entity("n1")
    assert view is not None
    odd = replace(
        view, provenance={"note": "<script>", "deep": {"a": [1, None]}, "items": "nothing", "velocity_z": None}
    )
    shown = facts.origin(odd, Times(), NOW)
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown


def test_numbers_and_spans_as_the_desk_reads_them() -> None:
    assert (signed(3.14), signed(-0.44), plain(-0.04)) == ("+3.1", "−0.4", "−0.04")
    assert (compact(940), compact(22_100), compact(1_300_000)) == ("940", "22.1k", "1.3M")
    assert [span(timedelta(seconds=s)) for s in (-5, 40, 360, 5220, 86_400 * 3)] == [
        "0 s",
        "40 s",
        "6 min",
        "1 h 27 min",
        "3 days",
    ]
    assert (listed([]), listed(["a"]), listed(["a", "b", "c"])) == ("", "a", "a, b and c")


def test_times_are_the_readers_own_and_junk_zones_are_utc() -> None:
    there = times("America/New_York")
    assert there.clock(NOW) == "10:32"
    assert there.near(NOW - timedelta(days=1), NOW) == "Fri 10:32"
    assert there.hour(NOW.replace(minute=0)) == "Sat 10:00–11:00"
    assert all(times(name).name == "UTC" for name in (None, "", "../../etc/passwd", "Mars/Base", "x" * 999, "a\x00b"))
    unknown_to_browsers = ("localtime", "Factory", "posix/Europe/Berlin", "right/UTC", "posixrules")
    assert all(times(name).name == "UTC" for name in unknown_to_browsers)
