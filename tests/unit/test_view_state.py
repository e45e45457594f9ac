"""Links restore what they say, and junk in them changes nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heatmap_app.pages.reader import Filters
from heatmap_app.pages.state import DOMAINS, ROWS, WINDOWS, ViewState, change, from_query
from heatmap_app.plots import COLOURS
from pipelines.model import PLATFORMS, SOURCES

FULL = ViewState(
    "saint-ferro", datetime(2026, 3, 14, 9, tzinfo=UTC), "reddit", "velocity", velocity=True, spread=True, domain="all",
    at=datetime(2026, 3, 14, 9, 5, 0, 120, UTC), window=168, platforms=("reddit", "tiktok"),
    compare=("a", "燈火守護者"), rows=50,
)  # fmt: skip
SLUGS = st.text(min_size=1, max_size=200).filter(lambda text: "," not in text and text.isprintable())
INSTANTS = st.datetimes(datetime(1970, 1, 2), datetime(2099, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 -- bounds are naive by hypothesis's rule
STATES = st.builds(
    ViewState,
    entity=SLUGS, hour=st.none(), source=st.sampled_from([None, *SOURCES]), colour=st.sampled_from(COLOURS),
    velocity=st.booleans(), spread=st.booleans(), domain=st.sampled_from(DOMAINS), at=st.none() | INSTANTS,
    window=st.sampled_from(WINDOWS), platforms=st.sets(st.sampled_from(PLATFORMS)).map(
        lambda chosen: tuple(name for name in PLATFORMS if name in chosen)),
    compare=st.lists(SLUGS, max_size=4, unique=True).map(tuple), rows=st.sampled_from(ROWS),
)  # fmt: skip


def test_a_state_survives_its_link() -> None:
    assert from_query(FULL.query()) == FULL
    assert ViewState().query() == ""
    assert from_query("") == ViewState()


def test_the_promised_names_are_read() -> None:
    state = from_query("?entity=a&hour=2026-03-14T09:20:00%2B01:00&color=spread&velocity=1&spread=1&domain=sport")
    assert state == ViewState("a", datetime(2026, 3, 14, 8, tzinfo=UTC), None, "spread", True, True, "sport")


@pytest.mark.parametrize(
    "query", ["?color=loud&domain=x&velocity=yes", "?hour=nonsense&source=x", "?entity=", "?%%%", "?hour=9"]
)
def test_junk_leaves_the_default(query: str) -> None:
    assert from_query(query) == ViewState()


@given(STATES, st.none() | INSTANTS)
def test_address_and_state_are_inverse(state: ViewState, hour: datetime | None) -> None:
    whole = replace(state, hour=hour and hour.replace(minute=0, second=0, microsecond=0))
    assert from_query(whole.query()) == whole
    closed = change(whole, "entity", None)
    assert from_query(closed.query()) == closed


@pytest.mark.parametrize(
    ("query", "state"),
    [
        ("?window=48&rows=200", ViewState(window=48, rows=200)),
        ("?window=13&rows=21", ViewState()),
        ("?window=٤٨&rows=1e2", ViewState()),
        ("?platform=tiktok,reddit,trades,x", ViewState(platforms=("reddit", "tiktok"))),
        ("?compare=a,b,a,,c,d,e", ViewState(compare=("a", "b", "c", "d"))),
        ("?at=2026-03-14T15:05:00%2B01:00", ViewState(at=datetime(2026, 3, 14, 14, 5, tzinfo=UTC))),
        ("?at=2026-03-14T14:05:00Z", ViewState(at=datetime(2026, 3, 14, 14, 5, tzinfo=UTC))),
        ("?at=0001-01-01T00:00:00%2B14:00", ViewState()),
        ("?at=soon", ViewState()),
    ],
)
def test_what_the_board_shows_is_read(query: str, state: ViewState) -> None:
    assert from_query(query) == state


def test_values_of_another_kind_change_nothing() -> None:
    for field, value in (
        ("window", True), ("window", "48"), ("rows", None), ("rows", 20.5), ("at", 12), ("platforms", "reddit"),
        ("compare", {"a": 1}), ("velocity", 1), ("nothing", "x"),
    ):  # fmt: skip
        assert change(FULL, field, value) == FULL
    assert change(FULL, "compare", [1, None, ["b"]]).compare == ()
    assert change(FULL, "at", None).at is None


@given(st.text(max_size=300))
def test_any_query_gives_a_state_whose_link_is_stable(query: str) -> None:
    state = from_query(query)
    assert from_query(state.query()) == state


def test_another_entity_drops_the_hour_and_the_source() -> None:
    assert change(FULL, "entity", "b") == replace(FULL, entity="b", hour=None, source=None)


def test_gates_and_domains_become_filters() -> None:
    assert FULL.filters(2.5, 2) == Filters(
        limit=50, min_velocity=2.5, min_spread=2, domains=None, platforms=("reddit", "tiktok"), hours=168, at=FULL.at
    )
    assert ViewState().filters(2.5, 2) == Filters()
    assert ViewState(domain="sport").filters(2.5, 2).domains == ("sport",)
