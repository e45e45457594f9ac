"""Links restore what they say, and junk in them changes nothing."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heatmap_app.pages.reader import Filters
from heatmap_app.pages.state import ViewState, change, from_query

FULL = ViewState(
    "saint-ferro", datetime(2026, 3, 14, 9, tzinfo=UTC), "reddit", "velocity", velocity=True, spread=True, domain="all"
)


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


@given(st.text(max_size=300))
def test_any_query_gives_a_state_whose_link_is_stable(query: str) -> None:
    state = from_query(query)
    assert from_query(state.query()) == state


def test_another_entity_drops_the_hour_and_the_source() -> None:
    assert change(FULL, "entity", "b") == ViewState("b", colour="velocity", velocity=True, spread=True, domain="all")


def test_gates_and_domains_become_filters() -> None:
    assert FULL.filters(2.5, 2) == Filters(min_velocity=2.5, min_spread=2, domains=None)
    assert ViewState().filters(2.5, 2) == Filters()
    assert ViewState(domain="sport").filters(2.5, 2).domains == ("sport",)
