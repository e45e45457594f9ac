"""Domains are told from evidence that can be read; every name and title here is made up."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipelines.errors import InputError
from pipelines.model import EVIDENCE, RECEIPTS, Domain
from pipelines.normalize.domain import (
    DECISIONS,
    DomainTables,
    classify,
    from_catalogue,
    from_categories,
    from_feeds,
    from_trades,
    from_words,
    gather,
    load_domain_tables,
    recent,
)
from pipelines.normalize.domain_tables import Rules, load_feeds, word_table
from pipelines.settings import CONFIG_DIR

T = datetime(2026, 1, 5, 12, tzinfo=UTC)
RULES = Rules(
    catalogue=8.0,
    kind=3.0,
    category=3.0,
    feeds=4.0,
    trades=3.0,
    words=4.0,
    feed_doubt=1.0,
    trade_doubt=1.0,
    word_doubt=2.0,
    least=1.5,
    margin=0.75,
    receipts=3,
)


@pytest.fixture
def tables() -> DomainTables:
    words = {
        "entertainment": {"strong": ["trailer*", "電影"], "clear": ["band"]},
        "sport": {"strong": ["goal", "球隊"], "hint": ["win"]},
        "politics": {"strong": ["elección"]},
    }
    feeds = [
        ("reddit", "ballgames", "sport"),
        ("reddit", "filmtalk", "entertainment"),
        ("trades", "wire", "unclassified"),
    ]
    return DomainTables(
        rules=RULES,
        feeds=pl.DataFrame(feeds, schema=["source", "key", "domain"], orient="row"),
        words=word_table(words, {"strong": 3.0, "clear": 2.0, "hint": 1.0}),
        categories=pl.DataFrame({"scheme": ["explore"], "category": ["3"], "domain": ["entertainment"]}),
    )


def receipts(*rows: tuple[int, str, str, str], context: str | None = None) -> pl.DataFrame:
    """(entity, source, feed, title), newest first."""
    data = [
        {
            "entity_id": e,
            "source": s,
            "feed": f,
            "item_id": f"i{n}",
            "title": t,
            "context": context,
            "at": T - timedelta(n),
        }
        for n, (e, s, f, t) in enumerate(rows)
    ]
    return pl.DataFrame(data, schema=RECEIPTS)


def entities(*rows: tuple[int, str, str, str]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=["id", "kind", "domain", "domain_by"], orient="row")


def evidence(*rows: tuple[int, str, float]) -> pl.DataFrame:
    data = [(e, "words", d, w, f"because {d}") for e, d, w in rows]
    return pl.DataFrame(data, schema=EVIDENCE, orient="row")


def weights(frame: pl.DataFrame) -> dict[tuple[int, str], Any]:
    assert frame.schema == EVIDENCE
    return {(e, d): pytest.approx(w) for e, d, w in frame.select("entity_id", "domain", "weight").iter_rows()}


def domains(frame: pl.DataFrame) -> dict[int, str]:
    assert frame.schema == DECISIONS
    return dict(frame.select("entity_id", "domain").iter_rows())


def test_feeds_are_counted_without_regard_to_case_and_split_between_domains(tables: DomainTables) -> None:
    rows = [(1, "reddit", "BallGames", "a"), (1, "reddit", "ballgames", "b"), (1, "reddit", "r/FilmTalk", "c")]
    told = from_feeds(receipts(*rows, (2, "reddit", "Pictures", "d"), (3, "trends", "US", "e")), tables)
    assert weights(told) == {(1, "sport"): 4 * 2 / 4, (1, "entertainment"): 4 * 1 / 4}
    detail = told.filter(pl.col("domain") == "sport")["detail"].item()
    assert detail == "r/BallGames is a sport feed (2 of 3 items in feeds with a subject)"


def test_words_match_whole_words_any_accent_and_chinese_anywhere(tables: DomainTables) -> None:
    rows = [
        (1, "reddit", "x", "TRAILERS for the goalkeeper, bandit"),
        (2, "reddit", "x", "Eleccion! Elección, ELECCIÓN"),
        (3, "reddit", "x", "新電影上映"),
        (4, "reddit", "x", "nothing to see"),
    ]
    told = from_words(receipts(*rows), tables)
    # one strong word, once a title however often it stands there: 4 * 3 / (3 + 2)
    assert weights(told) == {(1, "entertainment"): 2.4, (2, "politics"): 2.4, (3, "entertainment"): 2.4}


def test_words_name_the_ones_that_spoke_loudest_first(tables: DomainTables) -> None:
    told = from_words(
        receipts((1, "reddit", "x", "a win"), (1, "reddit", "x", "a goal"), (1, "reddit", "x", "win")), tables
    )
    assert told["detail"].to_list() == ["words: goal, win"]
    assert weights(told) == {(1, "sport"): 4 * 5 / 7}


def test_headlines_of_a_trend_are_read_and_a_broken_context_is_not(tables: DomainTables) -> None:
    context = json.dumps([{"title": "The 電影 opens", "url": "u", "source": "s"}])
    assert weights(from_words(receipts((1, "trends", "US", "name"), context=context), tables)) == {
        (1, "entertainment"): 2.4
    }
    for broken in ("{", "[1]", '[{"url": "goal"}]', "null"):
        assert from_words(receipts((1, "trends", "US", "name"), context=broken), tables).is_empty()


def test_trade_stories_say_entertainment_unless_the_feed_is_general(tables: DomainTables) -> None:
    rows = [
        (1, "trades", "Showpaper", "a"),
        (1, "trades", "Showpaper", "b"),
        (2, "trades", "WIRE", "c"),
        (3, "reddit", "x", "d"),
    ]
    told = from_trades(receipts(*rows), tables)
    assert weights(told) == {(1, "entertainment"): 3 * 2 / 3}
    assert told["detail"].to_list() == ["2 trade stories name it (Showpaper)"]


def test_a_category_of_google_speaks_once(tables: DomainTables) -> None:
    flags = pl.DataFrame({"entity_id": [1, 1, 2], "scheme": ["explore"] * 3, "category": ["3", "3", "999"]})
    assert weights(from_categories(flags, tables)) == {(1, "entertainment"): 3.0}


def test_the_catalogue_speaks_but_a_domain_told_earlier_is_not_evidence_again(tables: DomainTables) -> None:
    told = from_catalogue(
        entities(
            (1, "person", "entertainment", "catalogue"),
            (2, "person", "sport", "evidence"),
            (3, "team", "politics", "evidence"),
            (4, "film", "unclassified", "catalogue"),
        ),
        tables,
    )
    assert weights(told) == {(1, "entertainment"): 8.0, (3, "sport"): 3.0, (4, "entertainment"): 3.0}


def test_recent_keeps_the_newest_and_each_item_once() -> None:
    frame = receipts(*[(1, "reddit", "x", str(n)) for n in range(5)], (2, "reddit", "x", "other"))
    kept = recent(pl.concat([frame, frame]), 3)
    assert kept.filter(pl.col("entity_id") == 1)["title"].to_list() == ["0", "1", "2"]
    assert len(kept) == 4


def test_the_most_points_win_only_with_enough_and_a_lead(tables: DomainTables) -> None:
    told = classify(
        evidence(
            (1, "sport", 1.0), (1, "sport", 2.0), (1, "politics", 2.0),
            (2, "sport", 2.0), (2, "politics", 1.5),
            (3, "business", 1.4),
            (4, "unclassified", 9.0),
        ),
        tables,
    )  # fmt: skip
    assert domains(told) == {1: "sport", 2: "unclassified", 3: "unclassified"}
    why = dict(told.select("entity_id", "why").iter_rows())
    assert why[1] == "sport 3.0, politics 2.0: because sport; because sport"
    assert why[2].startswith("not clear enough (sport 2.0, politics 1.5)")
    confidence = dict(told.select("entity_id", "confidence").iter_rows())
    assert 0.6 < confidence[1] < 0.8
    assert confidence[2] == 0.0


def test_an_editors_word_stands_against_any_evidence(tables: DomainTables) -> None:
    editor = pl.DataFrame({"entity_id": [1, 7, 7], "domain": ["politics", "sport", "business"]})
    told = classify(evidence((1, "sport", 50.0), (2, "sport", 5.0)), tables, editor)
    assert domains(told) == {1: "politics", 2: "sport", 7: "business"}
    assert dict(told.select("entity_id", "domain_by").iter_rows()) == {1: "editor", 2: "evidence", 7: "editor"}


def test_everything_together_and_nothing_at_all(tables: DomainTables) -> None:
    people = entities((1, "person", "unclassified", "evidence"), (2, "film", "entertainment", "catalogue"))
    seen = receipts(
        (1, "reddit", "BallGames", "Late goal"), (2, "reddit", "ballgames", "goal"), (1, "trades", "Wire", "x")
    )
    flags = pl.DataFrame({"entity_id": [2], "scheme": ["explore"], "category": ["3"]})
    told = gather(people, seen, tables, flags)
    assert set(told["kind"]) == {"catalogue", "kind", "feeds", "words", "category"}
    assert domains(classify(told, tables)) == {1: "sport", 2: "entertainment"}
    nothing = gather(people.clear(), seen.clear(), tables, flags.clear())
    assert nothing.schema == EVIDENCE
    assert classify(nothing, tables).is_empty()


def test_missing_feeds_and_titles_are_no_evidence(tables: DomainTables) -> None:
    bare = receipts((1, "reddit", "x", "y")).with_columns(
        pl.lit(None, pl.String).alias("feed"), pl.lit(None, pl.String).alias("title")
    )
    assert gather(entities((1, "person", "unclassified", "evidence")), bare, tables).is_empty()


def test_the_shipped_tables_are_whole() -> None:
    shipped = load_domain_tables(CONFIG_DIR)
    valid = {domain.value for domain in Domain}
    assert set(shipped.feeds["domain"]) <= valid
    assert set(shipped.words["domain"]) == valid - {"unclassified"}
    assert set(shipped.categories["domain"]) <= valid
    assert len(shipped.feeds) >= 500
    assert shipped.feeds.select("source", "key").is_unique().all()
    assert shipped.rules.least > 0


@pytest.mark.parametrize(
    ("title", "feed", "domain"),
    [
        ("First trailer for the new film", "movies", "entertainment"),
        ("Rookie quarterback leads fourth quarter touchdown drive", "NBA", "sport"),
        ("Senate votes on the tariff bill", "worldnews", "politics"),
        ("Shares fall after quarterly earnings", "WallStreetBets", "business"),
        ("Typhoon warning, flood in the valley", "weather", "other"),
        ("it is what it is", "nowhere", "unclassified"),
        ("新電影票房破億 女星現身首映", "Gossiping", "entertainment"),
        ("中職季後賽 投手完封", "Gossiping", "sport"),
        ("立法院投票 總統回應", "Gossiping", "politics"),
        ("台股收盤 外資買超", "Gossiping", "business"),
        ("La actriz estrena película", "x", "entertainment"),
        ("Elecciones: el presidente habla en el senado", "x", "politics"),
    ],
)
def test_plain_cases_with_the_shipped_tables(title: str, feed: str, domain: str) -> None:
    shipped = load_domain_tables(CONFIG_DIR)
    told = gather(entities((1, "other", "unclassified", "evidence")), receipts((1, "reddit", feed, title)), shipped)
    assert domains(classify(told, shipped)).get(1, "unclassified") == domain


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("feed,domain\n", "header"),
        ("source,feed,domain\nreddit,x\n", "line 2: 2 columns"),
        ("source,feed,domain\nradio,x,sport\n", "unknown source 'radio'"),
        ("source,feed,domain\nreddit,,sport\n", "empty"),
        ("source,feed,domain\nreddit,x,chess\n", "unknown domain 'chess'"),
        ("source,feed,domain\nreddit,x,sport\nreddit,X,other\n", "line 3: X of reddit stands twice"),
    ],
)
def test_a_wrong_feed_table_names_the_line(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "feed_domains.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=says):
        load_feeds(path)


@pytest.mark.parametrize(
    "change", [("strong = 3.0", "strong = ["), ("least =", "lest ="), ("[words.sport]", "[words.chess]")]
)
def test_a_wrong_word_table_is_refused(tmp_path: Path, change: tuple[str, str]) -> None:
    for name in ("feed_domains.csv", "domain_words.toml"):
        (tmp_path / name).write_text((CONFIG_DIR / name).read_text("utf-8").replace(*change), "utf-8")
    with pytest.raises(InputError, match="domain_words"):
        load_domain_tables(tmp_path)


@pytest.mark.parametrize(
    "words", [{"chess": {"strong": ["x"]}}, {"sport": {"strong": ["x", "X"]}}, {"sport": {"strong": ["?"]}}]
)
def test_a_word_table_refuses_bad_entries(words: Any) -> None:
    with pytest.raises(ValueError, match=r"chess|twice|letter"):
        word_table(words, {"strong": 3.0})
