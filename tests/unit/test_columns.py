"""Hours to columns: one each, or quarters of the reader's day; labels and cells follow."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from heatmap_app.columns import Column, column_of, columns
from heatmap_app.pages import board_view, tools
from heatmap_app.pages.cells import GAP, cells
from heatmap_app.pages.reader import Filters
from heatmap_app.pages.state import ViewState
from heatmap_app.pages.words import Times, times
from pipelines.view import HeatView
from tests.browser.sample_reader import SampleReader
from tests.unit.markup import head_of, rows_of

T = datetime(2026, 3, 14, 14, tzinfo=UTC)


def trailing(count: int, last: datetime = T) -> tuple[datetime, ...]:
    return tuple(last - timedelta(hours=back) for back in range(count - 1, -1, -1))


def board(hours: int = 168) -> HeatView:
    return SampleReader().heat(Filters(hours=hours))


@pytest.mark.parametrize("count", [0, 1, 12, 24, 48])
def test_up_to_two_days_a_column_is_an_hour(count: int) -> None:
    assert columns(trailing(count), Times()) == tuple(Column(hour, (hour,)) for hour in trailing(count))


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"])
@pytest.mark.parametrize("last", [T, datetime(2026, 3, 9, 3, tzinfo=UTC), datetime(2026, 11, 2, 3, tzinfo=UTC)])
def test_a_week_is_quarters_of_local_days_and_loses_no_hour(zone: str, last: datetime) -> None:
    clock, week = times(zone), trailing(168, last)
    shown = columns(week, clock)
    assert tuple(hour for column in shown for hour in column.hours) == week
    assert 28 <= len(shown) <= 29
    assert all(5 <= len(column.hours) <= 7 for column in shown[1:-1])
    assert all(clock.local(column.start).hour % 6 in (0, 1) for column in shown[1:])
    assert all(column_of(shown, hour) == place for place, column in enumerate(shown) for hour in column.hours)
    assert column_of(shown, None) is None


def test_a_cell_of_a_week_is_its_hottest_hour() -> None:
    view = board()
    shown = columns(view.hours, Times())
    markup = cells(view, Times())
    head, row, item = head_of(markup), rows_of(markup)[2], view.items[2]
    assert [view.hours[int(start)] for start in head["data-starts"].split()] == [column.start for column in shown]
    points = [point for point in item.history if point.hour in shown[-2].hours and point.heat is not None]
    best = max(points, key=lambda point: point.heat or 0.0)
    assert view.hours[int(row["data-best"].split()[-2])] == best.hour
    assert int(row["data-heat"].split()[-2]) == round((best.heat or 0.0) * 100)
    assert "hottest of its six hours" in head["data-when"].split("|")[0]


@pytest.mark.parametrize(
    ("hours", "labels"),
    [
        (12, ["03", "04", "05", "06", "07", "08", "09", "10", "11", "12", "13", "now"]),
        (24, ["15:00", "18:00", "21:00", "00:00", "03:00", "06:00", "09:00", "now"]),
        (48, ["18:00", "00:00", "06:00", "12:00", "18:00", "00:00", "06:00", "now"]),
        (168, ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "today"]),
    ],
)
def test_labels_over_the_map(hours: int, labels: list[str]) -> None:
    markup = board_view.hours(board(hours), Times())
    assert re.findall(r"<b>([^<]+)</b>", markup) == labels
    assert markup.count("<span") == len(columns(board(hours).hours, Times()))
    assert "then" in board_view.hours(board(hours), Times(), live=False)


def test_hours_nobody_watched_are_counted() -> None:
    reader = SampleReader()
    reader.seen_from = -60
    week = reader.heat(Filters(hours=168))
    assert "85 of 168 h not watched." in board_view.legend("heat", week, ViewState(window=168))


def test_a_column_nobody_watched_is_told_from_one_without_a_score() -> None:
    view = board(24)
    markup = cells(replace(view, watched=view.hours[6:]), Times())
    assert head_of(markup)["data-looked"] == "0" * 6 + "1" * 18
    assert any(GAP in row["data-heat"].split()[6:] for row in rows_of(markup))


def test_a_platform_filter_says_what_it_hides() -> None:
    view = SampleReader().heat(Filters(platforms=("tiktok",)))
    assert len(view.items) == 2
    words = board_view.legend("heat", view, ViewState(platforms=("tiktok",)))
    assert "not seen on TikTok" in words
    assert "Show all" in words
    none = board_view.rows(replace(view, items=()), ViewState(platforms=("tiktok",)), Times())
    assert "Nothing is seen on TikTok right now." in none


def test_the_csv_address_names_the_board() -> None:
    filters = Filters(limit=50, min_velocity=2.5, min_spread=2, domains=None, platforms=("reddit", "tiktok"), hours=48)
    assert tools.csv_address(filters, T) == (
        "/api/v1/heat.csv?limit=50&window=48&min_velocity=2.5&min_spread=2&domain=all&platform=reddit,tiktok"
        "&at=2026-03-14T14:00:00Z"
    )
    assert tools.csv_address(Filters(domains=("sport",)), T).endswith("&domain=sport&at=2026-03-14T14:00:00Z")
    assert "domain" not in tools.csv_address(Filters(), T)
