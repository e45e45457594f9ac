from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.model import SUGGESTIONS
from pipelines.normalize.merge import LOOKS_ALIKE, NEAR, suggest
from pipelines.normalize.names import canonical


def names(*rows: tuple[str, int]) -> pl.DataFrame:
    schema = {"canonical": pl.String(), "entity_id": pl.Int64()}
    return pl.DataFrame([(canonical(name), entity) for name, entity in rows], schema=schema, orient="row")


@pytest.mark.parametrize(
    ("a", "b", "reason"),
    [
        ("Taylor Swift", "Taylor Swft", NEAR),
        ("Taylor Swift", "Swift Taylor", NEAR),
        ("Spider Man", "Spiderman", NEAR),
        ("Timothée Chalamet", "Timothy Chalamet", NEAR),
        ("Taylor Swift", "Tаylor Swift", LOOKS_ALIKE),  # Cyrillic а
        ("Frozen 2", "Frozen 3", None),
        ("Rocky II", "Rocky III", None),
        ("Emma Stone", "Emma Watson", None),
        ("Up", "Us", None),
        ("泰勒絲", "泰勒斯", None),
    ],
)
def test_pairs(a: str, b: str, reason: str | None) -> None:
    pairs = suggest(names((a, 2), (b, 1)))
    assert pairs.schema == SUGGESTIONS
    assert pairs["reason"].to_list() == ([reason] if reason else [])
    if reason:
        assert pairs.select("a", "b", "a_name", "b_name").row(0) == (1, 2, canonical(b), canonical(a))
        assert 90 <= pairs["score"][0] <= 100


def test_an_entity_is_no_duplicate_of_itself_and_a_pair_comes_once() -> None:
    rows = names(("Taylor Swift", 1), ("Taylor Swft", 1), ("Taylr Swift", 2), ("Taylor Swiftt", 2))
    assert suggest(rows).select("a", "b").rows() == [(1, 2)]


def test_nothing_to_compare() -> None:
    assert suggest(names()).schema == SUGGESTIONS
    assert suggest(names(("Taylor Swift", 1))).is_empty()


@given(st.lists(st.tuples(st.text(st.sampled_from("abc éаТ1"), max_size=9), st.integers(1, 4)), max_size=12))
def test_suggestions_are_ordered_unique_and_never_of_one_entity(rows: list[tuple[str, int]]) -> None:
    pairs = suggest(names(*rows))
    assert (pairs["a"] < pairs["b"]).all()
    assert pairs.select("a", "b").is_unique().all()
    assert pairs["score"].to_list() == sorted(pairs["score"], reverse=True)


def test_a_block_too_big_to_compare_is_passed_over_quickly() -> None:
    rows = names(
        *[(f"the show number {chr(97 + i % 26)}{chr(97 + i // 26 % 26)}{chr(97 + i // 676)}", i) for i in range(5_000)]
    )
    assert suggest(rows).height < 200_000
