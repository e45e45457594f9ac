"""Discovery: who becomes an entity, and the case that is kept for it."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest

from pipelines.discover import DISCOVERED, PROVENANCE_ITEMS, discover
from pipelines.model import MENTIONS
from tests.unit.score_kit import SCORING, T, frame
from tests.unit.score_reference import Row

HOUR = timedelta(hours=1)


def candidates(rows: list[Row], names: dict[str, str] | None = None) -> pl.DataFrame:
    return frame(rows).rename({"entity": "canonical"}).with_columns(
        name=pl.col("canonical").replace(names or {}), via=pl.lit("name")
    )  # fmt: skip


def burst(name: str, *sources: str, items: str = "i", count: int = 4, ago: int = 1) -> list[Row]:
    return [
        Row(name, source, f"{items}{n}", T - ago * HOUR - n * timedelta(minutes=7), 500.0)
        for source in sources
        for n in range(count)
    ]


def found(rows: list[Row]) -> list[str]:
    return discover(candidates(rows), None, SCORING, T)["canonical"].to_list()


def test_two_platforms_and_speed_make_an_entity() -> None:
    rows = burst("velora quist", "reddit", "trends")
    new = discover(candidates(rows, {"velora quist": "Velora Quist"}), None, SCORING, T)

    (row,) = new.to_dicts()
    assert (row["canonical"], row["name"], row["spread_count"]) == ("velora quist", "Velora Quist", 2)
    assert row["velocity_z"] >= 1.8
    assert row["first_seen"] == min(r.at for r in rows)
    case = row["provenance"]
    assert case["poll"] == T.isoformat()
    assert set(case["platforms"]) == {"reddit", "trends"}
    assert case["platforms"]["reddit"]["windows"] == 13
    assert {item["source"] for item in case["items"]} == {"reddit", "trends"}


def test_a_spelling_with_capitals_is_shown_before_a_search_s() -> None:
    rows = candidates(burst("velora quist", "reddit", "trends"))
    told = rows.with_columns(
        name=pl.when(pl.col("source") == "reddit").then(pl.lit("Velora Quist")).otherwise(pl.lit("velora quist")),
        via=pl.when(pl.col("source") == "reddit").then(pl.lit("run")).otherwise(pl.lit("name")),
    )
    assert discover(told, None, SCORING, T)["name"].to_list() == ["Velora Quist"]
    assert discover(rows, None, SCORING, T)["name"].to_list() == ["velora quist"], "where nobody wrote it otherwise"


def test_one_platform_is_not_enough() -> None:
    assert found(burst("loud", "reddit", count=60)) == []
    assert found(burst("loud", "reddit", "trades", count=60)) == []


def test_two_platforms_more_than_twelve_hours_apart_are_not_enough() -> None:
    assert found(burst("slow", "reddit", count=9) + burst("slow", "trends", ago=13)) == []


def test_a_name_that_is_always_there_is_not_new() -> None:
    rows = [row for day in range(15) for row in burst("daily", "reddit", "trends", items=f"d{day}-", ago=1 + 12 * day)]

    assert found(rows) == []
    assert found(rows[:8]) == ["daily"]


def test_the_longer_of_two_names_in_the_same_items_is_taken() -> None:
    both = burst("velora quist", "reddit", "trends") + burst("quist", "reddit", "trends")
    assert found(both) == ["velora quist"]

    other_news = burst("quist", "reddit", items="other", count=2)
    assert set(found(both + other_news)) == {"velora quist", "quist"}

    pair = burst("velora quist", "reddit", "trends") + burst("rell amari", "reddit", "trends")
    assert set(found(pair)) == {"velora quist", "rell amari"}, "a different name in the same items is another person"


def test_the_fastest_comes_first_and_the_future_is_not_seen() -> None:
    rows = burst("slowish", "reddit", "trends", count=2) + burst("fast", "reddit", "trends", "tiktok", count=9)
    later = burst("tomorrow", "reddit", "trends", ago=-3)

    assert found(rows + later)[0] == "fast"
    assert "tomorrow" not in found(rows + later)


def test_the_case_holds_items_of_the_window_of_every_platform() -> None:
    rows = (
        burst("fast", "reddit", count=40)
        + burst("fast", "trends")
        + burst("fast", "reddit", items="old", ago=100, count=1)
    )

    (row,) = discover(candidates(rows), None, SCORING, T).to_dicts()

    items = row["provenance"]["items"]
    assert [item["source"] for item in items].count("reddit") == PROVENANCE_ITEMS
    assert [item["source"] for item in items].count("trends") == 4
    assert not any(item["item_id"].startswith("old") for item in items)
    assert row["first_seen"] == T - 100 * HOUR


@pytest.mark.parametrize("mentions", [pl.DataFrame(schema=MENTIONS)])
def test_nothing_in_nothing_out(mentions: pl.DataFrame) -> None:
    empty = mentions.rename({"entity": "canonical"}).with_columns(
        pl.col("canonical").cast(pl.String), name=pl.lit("", pl.String), via=pl.lit("", pl.String)
    )

    new = discover(empty, None, SCORING, T)

    assert new.is_empty()
    assert new.schema == DISCOVERED
