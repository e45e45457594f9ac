from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from pipelines.errors import InputError
from pipelines.model import ALIASES
from pipelines.normalize.match import MATCHES, Matcher
from pipelines.normalize.names import canonical
from pipelines.normalize.patterns import Patterns
from pipelines.normalize.signs import load_signs

NAMES = [
    ("Taylor Swift", 1, False),
    ("泰勒絲", 1, False),
    ("It", 2, True),
    ("Pennywise", 2, False),
    ("Dune", 3, True),
    ("Dune: Part Two", 3, False),
    ("Grey's Anatomy", 4, False),
    ("Joker", 5, False),
    ("Joker", 6, False),
    ("The Dark Knight", 6, False),
    ("1917", 7, False),
    ("Steam", 8, False),
    ("阿凡達", 9, False),
    ("New York Dolls", 10, False),
    ("Dolls House", 11, False),
    ("아이유", 12, False),
    ("수지", 13, False),
    ("Travis Kelce", 14, False),
    ("5月天", 15, False),
    ("沙丘", 3, True),
    ("Barbie", 16, True),
    ("X", 17, False),
    ("トム・クルーズ", 18, False),
]


def aliases(rows: list[tuple[str, int, bool]]) -> pl.DataFrame:
    full = [(canonical(shown), shown, entity, second) for shown, entity, second in rows]
    return pl.DataFrame(full, schema=ALIASES, orient="row")


def items(*rows: tuple[str | None, list[str]]) -> pl.DataFrame:
    schema = {"source": pl.String(), "item_id": pl.String(), "title": pl.String(), "names": pl.List(pl.String())}
    full = [("reddit", str(i), title, names) for i, (title, names) in enumerate(rows)]
    return pl.DataFrame(full, schema=schema, orient="row")


MATCHER = Matcher(aliases(NAMES))


def found(title: str | None, *names: str) -> list[tuple[int, str, str]]:
    rows = MATCHER.match(items((title, list(names))))
    return sorted(rows.select("entity_id", "matched", "via").rows())


@pytest.mark.parametrize(
    ("title", "entities"),
    [
        ("Taylor Swift's new album", [1]),
        ("TAYLOR SWIFT!!", [1]),
        ("(Taylor Swift)", [1]),
        ("taylor swift tickets", [1]),
        ("Taylor Swiftly goes", []),
        ("Mtaylor swift", []),
        ("TaylorSwift", []),  # one word in running text is a hashtag's business
        ("so much #taylorswift today", [1]),
        ("Taylor Swift Travis Kelce", [1, 14]),
        ("greys anatomy finale", [4]),
        ("Grey’s Anatomy returns", [4]),
        ("活俠傳Steam特價", [8]),
        ("活俠傳Steamy特價", []),
        ("去看阿凡達2了嗎", [9]),
        ("泰勒絲演唱會", [1]),
        ("15月天", []),  # a name's digit edge needs its boundary, its other edge does not
        ("聽5月天的歌", [15]),
        ("トム・クルーズ来日", [18]),
        ("아이유가 왔다", [12]),  # a particle on a name of three syllables
        ("수지맞은 날", []),  # but not on a short one
        ("수지 왔다", [13]),
        ("Ｔａｙｌｏｒ　Ｓｗｉｆｔ", [1]),
        ("Tay\u200blor Swift", [1]),
        ("", []),
        (None, []),
    ],
)
def test_names_in_titles(title: str | None, entities: list[int]) -> None:
    assert [entity for entity, _, _ in found(title)] == entities


def test_the_longest_name_wins_where_names_overlap() -> None:
    assert found("New York Dolls House") == [(10, "new york dolls", "title")]
    assert found("Dune: Part Two tonight") == [(3, "dune part two", "title")]


@pytest.mark.parametrize(
    ("title", "counts"),
    [
        ("is it good", False),
        ("It is good", False),
        ("Is It a Good Movie?", False),
        ("the cast of it all", False),
        ("the It movie", True),
        ("a new film. It's called something", False),
        ("worth It? Netflix says no", False),
        ("the film that it stars in", False),
        ("it trailer", True),
        ("why 'It' works", True),
        ("why “It” works", True),
        ("why “It,” of all", True),
        ("why 'it' works", False),  # quotes need the exact display form
        ("Pennywise: it is back", True),  # another name of the same entity
    ],
)
def test_a_common_word_needs_a_second_sign(title: str, counts: bool) -> None:
    assert (2 in [entity for entity, _, _ in found(title)]) is counts


@pytest.mark.parametrize(
    ("title", "counts"),
    [
        ("walking over a dune today", False),
        ("saw Dune with the whole cast", True),
        ("Dune trailer", True),
        ("the trailer for Dune", True),
        ("the dune was bigger than in any film", False),
        ("Dune Is Bigger Than Every Other Film", False),  # Title Case says nothing
        ("看沙丘電影", True),
        ("沙漠裡的沙丘", False),
        ("大家都在看《沙丘》", True),
        ("barbie cast", True),
        ("the new Dune Buggy trailer", False),  # part of a longer name
        ("a dune movie would be nice", True),
        ("her barbie doll", False),
    ],
)
def test_cue_words_near_a_name(title: str, counts: bool) -> None:
    assert bool(found(title)) is counts


def test_structured_names_are_matched_whole_with_and_without_spaces() -> None:
    assert found("x", "#TaylorSwift") == [(1, "taylor swift", "name")]
    assert found("x", "taylor swift") == [(1, "taylor swift", "name")]
    assert found("x", "greysanatomy") == [(4, "grey anatomy", "name")]
    assert found("x", "taylor swift tickets") == []  # whole only; the title of a trend is searched as well
    assert found("taylor swift tickets", "taylor swift tickets") == [(1, "taylor swift", "title")]
    assert found("taylor swift", "taylor swift") == [(1, "taylor swift", "name")]


def test_a_structured_name_is_its_own_second_sign() -> None:
    assert found("it", "it") == [(2, "it", "name")]
    assert found("dune", "#Dune") == [(3, "dune", "name")]


def test_a_name_of_two_entities_counts_for_both_with_a_second_sign_and_else_for_none() -> None:
    assert found("that joker again") == []
    assert [entity for entity, _, _ in found("the Joker film")] == [5, 6]
    assert [entity for entity, _, _ in found("joker", "joker")] == [5, 6]
    assert [entity for entity, _, _ in found("a joker in The Dark Knight")] == [6]


def test_a_longer_name_around_the_common_word_needs_no_second_sign() -> None:
    flagged = Matcher(aliases([("Jimin", 1, True), ("Park Jimin", 1, True), ("For Good", 1, True)]))
    rows = flagged.match(items(("Park Jimin sings", []), ("jimin sings", []), ("gone for good", [])))
    assert rows["item_id"].to_list() == ["0"]


def test_a_contraction_is_not_the_name_it_looks_like() -> None:
    flagged = Matcher(aliases([("IVE", 1, True)]))
    rows = flagged.match(items(("the best movie I've ever seen", []), ("new IVE album", []), ("new ive album", [])))
    assert rows["item_id"].to_list() == ["1", "2"]


def test_numbers_and_single_letters_need_a_second_sign() -> None:
    assert found("it was in 1917 that") == []
    assert found("1917 movie") == [(7, "1917", "title")]
    assert found("solve for x") == []


def test_one_row_per_item_and_entity_preferring_the_structured_name() -> None:
    rows = items(("Taylor Swift 泰勒絲", []), ("Taylor Swift", ["泰勒絲"]), ("Taylor Swift", ["泰勒絲"]))
    rows = rows.with_columns(pl.Series("item_id", ["a", "b", "b"]))
    result = MATCHER.match(rows)
    assert result.schema == MATCHES
    assert result.rows() == [("reddit", "a", 1, "taylor swift", "title"), ("reddit", "b", 1, "泰勒絲", "name")]


def test_nothing_to_match() -> None:
    assert MATCHER.match(items()).schema == MATCHES
    empty = Matcher(pl.DataFrame(schema=ALIASES))
    assert empty.match(items(("Taylor Swift", ["x"]))).is_empty()
    assert Matcher(aliases([("!!!", 1, False)])).match(items(("!!! wow", ["!!!"]))).is_empty()
    nulls = items(("Taylor Swift", [])).with_columns(names=pl.lit(None, dtype=pl.List(pl.String)))
    assert MATCHER.match(nulls)["entity_id"].to_list() == [1]


def test_hostile_titles() -> None:
    rows = MATCHER.match(
        items(("Taylor Swift " + "x" * 10_000, []), ("e" + "\u0301" * 5_000 + " taylor swift", ["(", "[a-z]*", "\\"]))
    )
    assert rows["item_id"].to_list() == ["0"]


def test_owned_names() -> None:
    names = pl.Series(["taylor swift", "taylorswift", "swift", "greys anatomy"])
    assert MATCHER.owns(names).to_list() == [True, True, False, True]


WORDS = st.lists(st.sampled_from(["ann", "bo", "cy", "dee", "安", "娜", "貝", "eve"]), min_size=1, max_size=4).map(
    " ".join
)


def _by_hand(text: str, forms: set[str]) -> list[str]:
    """Leftmost-longest at boundaries, spelled out."""
    spaceless = set("安娜貝")
    padded = f" {text.replace(' ', '  ')} "
    hits, at = [], 0
    while at < len(padded):
        best = ""
        for form in forms:
            left = "" if form[0] in spaceless else " "
            right = "" if form[-1] in spaceless else " "
            pattern = left + form.replace(" ", "  ") + right
            if padded.startswith(pattern, at) and len(pattern) > len(best):
                best, name = pattern, form
        if best:
            hits.append(name)
        at += len(best) or 1
    return hits


@given(st.lists(WORDS, min_size=1, max_size=6), st.lists(WORDS, min_size=1, max_size=4))
def test_the_search_agrees_with_doing_it_by_hand(names: list[str], texts: list[str]) -> None:
    forms = {form for form in map(canonical, names) if len(form) >= 2}
    column = pl.Series([canonical(text) for text in texts])
    result = Patterns(pl.Series("form", sorted(forms), dtype=pl.String)).find(column)
    expected = [(row, form) for row, text in enumerate(column) for form in _by_hand(text, forms)]
    assert result.rows() == expected


def test_a_small_batch_and_a_large_one_find_the_same() -> None:
    titles = items(*[(f"word{i} Taylor Swift and the Joker film 泰勒絲 아이유는", []) for i in range(20_001)])
    large = MATCHER.match(titles)
    small = MATCHER.match(titles.head(50))
    assert_frame_equal(large.filter(pl.col("item_id").is_in(titles["item_id"].head(50).implode())), small)


@pytest.mark.parametrize(
    ("text", "word"),
    [("cues = [", "cannot be read"), ("cues = []", "missing key"), ("extra = 1", "unknown"), (None, "cannot be read")],
)
def test_a_broken_table_of_signs_is_one_clear_line(tmp_path: Path, text: str | None, word: str) -> None:
    path = tmp_path / "second_signs.toml"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"second_signs\.toml") as caught:
        load_signs(path)
    assert word in str(caught.value)


def test_the_cues_of_the_table_are_in_canonical_form() -> None:
    signs = load_signs()
    for word in signs.cues | signs.function_words | signs.connectors:
        assert canonical(word) == word
