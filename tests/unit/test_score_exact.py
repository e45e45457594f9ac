"""The fast scoring against the one in plain loops, on whatever hypothesis can think of."""

from __future__ import annotations

import math
import random
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.model import COVERAGE
from pipelines.score import score
from pipelines.score_model import Combine, Method, Scored
from tests.unit.score_kit import SCORING, T, frame
from tests.unit.score_reference import Coverage, Row, score_by_hand

METHODS: tuple[Method, ...] = ("robust", "plain", "seasonal")
COMBINES: tuple[Combine, ...] = ("stouffer", "max", "mean")

sources = st.sampled_from(["reddit", "reddit", "trends", "tiktok", "trades", "elsewhere"])
numbers = st.sampled_from([None, math.nan, -50.0, 0.0, 3.0, 250.0, 1e6])
feelings = st.sampled_from([None, math.nan, -1.0, -0.2, -0.19, 0.0, 0.2, 0.65])
minutes_back = st.one_of(
    st.integers(-180, 24 * 60),
    st.integers(0, 400).map(lambda hours: hours * 60),
    st.integers(0, 30).map(lambda halves: halves * 720),
    st.integers(-60, 400 * 60),
)


@st.composite
def mention_rows(draw: st.DrawFn) -> Row:
    rank = draw(st.one_of(st.none(), st.integers(1, 20)))
    return Row(
        entity=draw(st.sampled_from(["Vela", "Oru", "Kint"])),
        source=draw(sources),
        item_id=draw(st.sampled_from([f"i{n}" for n in range(12)])),
        at=T + timedelta(minutes=30) - timedelta(minutes=draw(minutes_back)),
        engagement=draw(numbers),
        rank=rank,
        list_length=draw(st.sampled_from([None, 20, 50])) if rank else None,
        sentiment=draw(feelings),
    )


@st.composite
def gaps(draw: st.DrawFn) -> Coverage:
    """Polled hours of the last 15 days with a few outages, or None for all."""
    if draw(st.booleans()):
        return None
    polled = set()
    for source in ("reddit", "trends", "tiktok"):
        outages = draw(st.lists(st.tuples(st.integers(-1, 350), st.integers(1, 150)), max_size=4))
        down = {hour for start, length in outages for hour in range(start, start + length)}
        polled |= {(source, T - timedelta(hours=hour)) for hour in range(-1, 360) if hour not in down}
    return polled


def coverage_frame(coverage: Coverage) -> pl.DataFrame | None:
    if coverage is None:
        return None
    return pl.DataFrame(sorted(coverage), schema=COVERAGE, orient="row")


def assert_same(result: Scored, expected: dict[str, dict[str, Any]]) -> None:
    found = {row["entity"]: row for row in result.entities.to_dicts()}
    assert found.keys() == expected.keys()
    parts = {(row["entity"], row["source"]): row for row in result.platforms.to_dicts()}
    assert parts.keys() == {(entity, s) for entity, numbers in expected.items() for s in numbers["platforms"]}
    for entity, wanted in expected.items():
        for key, value in wanted.items():
            if key == "platforms":
                continue
            assert found[entity][key] == (value if key == "peak_at" else pytest.approx(value, abs=1e-7)), (entity, key)
        for source, terms in wanted["platforms"].items():
            for key, value in terms.items():
                assert parts[entity, source][key] == pytest.approx(value, abs=1e-7), (entity, source, key)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    rows=st.lists(mention_rows(), min_size=1, max_size=40),
    coverage=gaps(),
    shift=st.sampled_from([0, 0, 17, 30, -1, 59]),
    method=st.sampled_from(METHODS),
    combine=st.sampled_from(COMBINES),
)
def test_the_same_as_by_hand(rows: list[Row], coverage: Coverage, shift: int, method: Method, combine: Combine) -> None:
    now: datetime = T + timedelta(minutes=shift)
    scoring = SCORING.with_(method=method, combine=combine)

    result = score(frame(rows), coverage_frame(coverage), scoring, now, history_hours=0)

    assert_same(result, score_by_hand(rows, coverage, now, scoring))


@pytest.mark.parametrize("seed", range(9))
def test_the_same_as_by_hand_with_many_rows(seed: int) -> None:
    rng = random.Random(seed)
    method, combine = METHODS[seed % 3], COMBINES[seed // 3]
    now = T + timedelta(minutes=rng.choice((0, 13, 59)), microseconds=rng.choice((0, 1)))
    grain, repeats = rng.choice((1, 10, 60)), rng.choice((3, 40, 2000))
    rows = [
        Row(
            rng.choice("ABCD"), rng.choice(("reddit", "reddit", "trends", "tiktok")), f"i{rng.randrange(repeats)}",
            T + timedelta(hours=1) - timedelta(minutes=grain * rng.randrange(380 * 60 // grain)),
            rng.choice((None, rng.random() * 1e5)), rng.choice((None, rng.randint(1, 25))), 25,
            rng.choice((None, rng.uniform(-1, 1))),
        )
        for _ in range(250)
    ]  # fmt: skip
    polled = {
        (source, T - timedelta(hours=hour))
        for source in ("reddit", "trends", "tiktok")
        for start in range(-1, 400, 40)
        for hour in range(start, start + rng.choice((20, 33, 40)))
    }
    coverage = polled if seed % 2 else None
    scoring = SCORING.with_(method=method, combine=combine)

    assert_same(score(frame(rows), coverage_frame(coverage), scoring, now), score_by_hand(rows, coverage, now, scoring))
