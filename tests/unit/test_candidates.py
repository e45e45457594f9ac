from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.errors import InputError
from pipelines.model import ALIASES
from pipelines.normalize.candidates import CANDIDATES, candidates, find_candidates_in
from pipelines.normalize.match import Matcher
from pipelines.normalize.names import canonical
from pipelines.normalize.stopnames import stop_words
from pipelines.normalize.titles import quoted, runs

EDGES = stop_words()["edges"]


def items(*rows: tuple[str, str, list[str]]) -> pl.DataFrame:
    schema = {"source": pl.String(), "item_id": pl.String(), "title": pl.String(), "names": pl.List(pl.String())}
    full = [(source, f"{source}{i}", title, names) for i, (source, title, names) in enumerate(rows)]
    return pl.DataFrame(full, schema=schema, orient="row")


def matcher(*names: str) -> Matcher:
    rows = [(canonical(name), name, i, False) for i, name in enumerate(names)]
    return Matcher(pl.DataFrame(rows, schema=ALIASES, orient="row"))


def reddit(*titles: str) -> pl.DataFrame:
    return items(*[("reddit", title, []) for title in titles])


@pytest.mark.parametrize(
    ("title", "names"),
    [
        ("Roger Ebert dies at 70", ["Roger Ebert"]),
        ("I just saw Jennifer Lawrence at the mall", ["Jennifer Lawrence"]),
        ("The Green Dragon pub serves real beer", ["Green Dragon"]),
        ("Happy Birthday Tom Hanks from everyone here", ["Tom Hanks"]),
        ("Watching Game of Thrones with dad", ["Game of Thrones"]),
        ("Robert Downey Jr. is back", ["Robert Downey Jr."]),
        ("I love Daft Punk's helmets, and Thom Yorke.", ["Daft Punk", "Thom Yorke"]),
        ("a talk with Guillermo del Toro about monsters", ["Guillermo del Toro"]),
        ("saw Iron Man 3 yesterday", ["Iron Man 3"]),
        ("My mother finished this blanket", []),
        ("Value has fallen", []),
        ("Ten Things You Need To Know About Blankets Today", []),  # Title Case: capitals say nothing
        ("BREAKING NEWS ABOUT SOMETHING BIG", []),
        ("What The Hell", []),
        ("", []),
        ("賴清德指示內政部規劃人力", []),
    ],
)
def test_runs_of_capitalised_words(title: str, names: list[str]) -> None:
    assert list(runs(title, EDGES)) == names


@pytest.mark.parametrize(
    ("title", "names"),
    [
        ("just watched “Requiem for a Dream” again", ["Requiem for a Dream"]),
        ('first look at "Silver Harbor"', ["Silver Harbor"]),
        ("first look at 'Silver Harbor,' out now", ["Silver Harbor"]),
        ("‘Schitt’s Creek’ is back", ["Schitt’s Creek"]),
        ("看了《沙丘》和「大谷翔平」", ["沙丘", "大谷翔平"]),
        ("『鬼滅の刃』最終章", ["鬼滅の刃"]),
        ("he said “I will never come back to that town again”", []),  # something said
        ("the so called 'experts'", []),
        ("don't and can't and won't", []),
        ("5'11\" tall and 6'2\" wide", []),
        ("rock 'n' roll", []),
    ],
)
def test_quoted_titles(title: str, names: list[str]) -> None:
    assert list(quoted(title)) == names


def test_structured_names_come_first_and_hashtags_are_shown_in_words() -> None:
    found = candidates(
        items(
            ("trends", "silver harbor", ["silver harbor"]),
            ("tiktok", "#SilverHarbor", ["#SilverHarbor"]),
            ("reddit", "Silver Harbor wins", []),
        )
    )
    assert found.schema == CANDIDATES
    assert found.select("source", "canonical", "name", "via").rows() == [
        ("trends", "silver harbor", "silver harbor", "name"),
        ("tiktok", "silver harbor", "Silver Harbor", "name"),
        ("reddit", "silver harbor", "Silver Harbor", "run"),
    ]


@pytest.mark.parametrize(
    "name",
    [
        "Official Trailer",
        "monday",
        "#fyp",
        "2330",
        "7-11",
        "x",
        "",
        "😂",
        "breaking",
        "新聞",
        "how to " * 20,
        "a b c d e f g h",
    ],
)
def test_generic_names_are_never_candidates(name: str) -> None:
    assert candidates(items(("trends", name, [name]))).is_empty()


def test_owned_names_are_no_candidates() -> None:
    known = matcher("Taylor Swift")
    rows = items(
        ("trends", "taylor swift tickets", ["taylor swift tickets"]),
        ("tiktok", "#taylorswift", ["#taylorswift"]),
        ("reddit", "the Taylor Swift Museum opens", []),
        ("reddit", "new single “Taylor Swift Is Here” out", []),
        ("trends", "silver harbor", ["silver harbor"]),
    )
    assert candidates(rows, known)["canonical"].to_list() == ["silver harbor", "taylor swift is here"]


def test_a_model_adds_names_last() -> None:
    def ner(titles: list[str]) -> list[list[str]]:
        return [["zendaya", "Silver Harbor"] if "zendaya" in title else [] for title in titles]

    found = candidates(reddit("zendaya in Silver Harbor"), ner=ner)
    assert found.select("canonical", "via").rows() == [("silver harbor", "run"), ("zendaya", "ner")]


def known(*rows: tuple[str, str, str]) -> pl.DataFrame:
    full = [(source, f"k{i}", canonical(name), name, via) for i, (source, name, via) in enumerate(rows)]
    return pl.DataFrame(full, schema=CANDIDATES, orient="row")


@pytest.mark.parametrize(
    ("name", "title", "seen"),
    [
        ("王義川", "[新聞] 王義川今天說了什麼", True),
        ("川普", "關稅難題 川普只給兩條路", True),
        ("川", "川普只給兩條路", False),  # one character is too little
        ("silver harbor", "SILVER HARBOR!!", True),
        ("silver harbor", "silver harbors", False),
        ("wbc", "the wbc starts", False),  # three letters are too few
        ("steam", "活俠傳Steam特價", True),
        ("zendaya", "I met Zendaya today by chance", True),
        ("zendaya", "Zendaya stuns on the carpet", True),
        ("harbor", "we walked along the harbor at night", False),  # an ordinary word in a sentence
        ("dance", "Dance like nobody is watching", False),  # a common word needs more than the first capital
        ("dance", "we all saw 'Dance' last night", True),
        ("방탄", "방탄 컴백", True),
    ],
)
def test_candidates_are_looked_for_in_other_titles(name: str, title: str, seen: bool) -> None:
    found = find_candidates_in(reddit(title), known(("trends", name, "name")))
    assert found.select("source", "canonical", "via").rows() == ([("reddit", canonical(name), "title")] if seen else [])


def test_the_longest_candidate_wins_and_known_names_count_too() -> None:
    both = known(("trends", "大谷", "name"), ("trends", "大谷翔平", "name"), ("trends", "swift", "name"))
    found = find_candidates_in(
        reddit("大谷翔平打了兩支", "Taylor Swift and the Swift code"), both, matcher("Taylor Swift")
    )
    assert found.select("item_id", "canonical").rows() == [("reddit0", "大谷翔平"), ("reddit1", "swift")]
    assert find_candidates_in(reddit("Taylor Swift sings"), both, matcher("Taylor Swift")).is_empty()


@pytest.mark.parametrize(
    ("title", "hides"),
    [
        ("Odalys Brightwater No.49 in the first game", "run"),
        ("“Odalys Brightwater Returns” opens today", "quoted"),
    ],
)
def test_what_was_read_out_of_a_headline_hides_no_query(title: str, hides: str) -> None:
    """SCORING 4: structured fields first. The longer name from the headline stands beside the query that is in it."""
    rows = items(("reddit", title, []), ("trends", "odalys brightwater", ["odalys brightwater"]))
    first = candidates(rows)
    assert [via for source, via in first.select("source", "via").rows() if source == "reddit"] == [hides]
    found = find_candidates_in(rows, first)
    assert found.filter(source="reddit").select("canonical", "via").rows() == [("odalys brightwater", "title")]


def test_rows_already_known_are_not_repeated() -> None:
    rows = items(("trends", "silver harbor", ["silver harbor"]))
    first = candidates(rows)
    assert find_candidates_in(rows, first).is_empty()
    assert find_candidates_in(rows.clear(), first).is_empty()
    assert find_candidates_in(rows, first.clear()).schema == CANDIDATES


def test_a_trending_query_in_a_forum_title_is_on_two_platforms() -> None:
    rows = items(("trends", "王義川", ["王義川"]), ("reddit", "[新聞] 王義川道歉", []), ("reddit", "天氣很好", []))
    first = candidates(rows)
    every = pl.concat([first, find_candidates_in(rows, first)])
    assert every.group_by("canonical").agg(pl.col("source").n_unique()).rows() == [("王義川", 2)]


def test_a_hashtag_in_one_word_meets_the_query_in_words() -> None:
    tag = known(("tiktok", "silverharbor", "name"))
    found = find_candidates_in(
        items(("trends", "silver harbor", ["silver harbor"])),
        pl.concat([tag, candidates(items(("trends", "silver harbor", ["silver harbor"])))]),
    )
    assert found.select("source", "item_id", "canonical").rows() == [("tiktok", "k0", "silver harbor")]


def test_a_hashtag_in_one_word_meets_the_same_words_in_a_title() -> None:
    tag = known(("tiktok", "silverharbor", "name"))
    found = find_candidates_in(reddit("they closed silver harbor again"), tag)
    assert found.select("source", "item_id", "canonical", "name").rows() == [
        ("reddit", "reddit0", "silver harbor", "Silver Harbor"),
        ("tiktok", "k0", "silver harbor", "Silver Harbor"),
    ]


def test_a_query_meets_a_hashtag_inside_a_title() -> None:
    found = find_candidates_in(reddit("so good #SilverHarbor"), known(("trends", "silver harbor", "name")))
    assert found.select("source", "canonical", "via").rows() == [("reddit", "silver harbor", "name")]


@given(st.lists(st.text(max_size=60), max_size=5), st.lists(st.text(max_size=20), max_size=3))
def test_any_text_gives_clean_unique_candidates(titles: list[str], names: list[str]) -> None:
    rows = items(
        *[("reddit", clean, []) for clean in map(_storable, titles)],
        *[("trends", _storable(n), [_storable(n)]) for n in names],
    )
    first = candidates(rows)
    every = pl.concat([first, find_candidates_in(rows, first)])
    assert every.schema == CANDIDATES
    assert every.select("source", "item_id", "canonical").is_unique().all()
    assert every.filter((pl.col("canonical") == "") | (pl.col("name") == "")).is_empty()
    assert all(canonical(name) == form for form, name in first.select("canonical", "name").iter_rows())


def _storable(text: str) -> str:
    return text.encode("utf-8", "ignore").decode()


@pytest.mark.parametrize("text", ["names = [", "names = []", "names = [1]\nedges = []\ncommon = []"])
def test_a_broken_stop_list_is_one_clear_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "stop_names.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"stop_names\.toml"):
        stop_words(path)
