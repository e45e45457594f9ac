from __future__ import annotations

import unicodedata

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.normalize.lookalike import looks_like, skeleton
from pipelines.normalize.names import (
    MAX_MARKS,
    MAX_NAME,
    canonical,
    canonical_column,
    canonical_expr,
    clean,
    display,
    is_spaceless_script,
    possessive_variant,
    slugify,
    spaceless,
    split_camel,
)

INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u202e\u2066\u200e\ufe0f\U000e0041\u180e\u115f\u3164"

NAMES_OF_ALL_KINDS = st.text(
    st.sampled_from(
        "aBçé'’s.S$+&·・-–_#@! \u00a0\u3000\tİıßøŁнЁΑσς中文ガｶﾞ日ไทย한가हि\u0301\u0308\u3099½Ⅳ™😀❤\ufe0f\u200d"
    ),
    max_size=40,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Taylor Swift", "taylor swift"),
        ("  Taylor \t\n Swift ", "taylor swift"),
        ("#TaylorSwift", "taylorswift"),
        ("Taylor\u200b Swift\ufeff", "taylor swift"),
        ("\u202eTaylor Swift\u202c", "taylor swift"),
        ("Beyoncé’s", "beyonce"),
        ("BEYONCE\u0301", "beyonce"),
        ("Taylor Swift's", "taylor swift"),
        ("the Joneses' house", "the joneses house"),
        ("It's", "its"),
        ("O’Brien", "obrien"),
        ("Guns N' Roses", "guns n roses"),
        ("‘Dune’", "dune"),
        ("don´t", "dont"),
        ("J.K. Rowling", "jk rowling"),
        ("J. K. Rowling", "jk rowling"),
        ("R.E.M.", "rem"),
        ("Robert Downey Jr.", "robert downey jr"),
        ("WALL·E", "wall e"),
        ("Spider-Man: No Way Home", "spider man no way home"),
        ("Spider–Man", "spider man"),
        ("Simon & Garfunkel", "simon and garfunkel"),
        ("A$AP Rocky", "asap rocky"),
        ("$100 million", "100 million"),
        ("Disney+", "disney plus"),
        ("1+1", "1 1"),
        ("Barbie™", "barbie"),
        ("Røyksopp", "royksopp"),
        ("Straße", "strasse"),
        ("İstanbul", "istanbul"),
        ("Мой ёж", "мои еж"),
        ("Ελλάς", "ελλασ"),
        ("ＴＷＩＣＥ", "twice"),
        ("ガンダム", "ガンダム"),
        ("ｶﾞﾝﾀﾞﾑ", "ガンダム"),
        ("トム・クルーズ", "トムクルーズ"),
        ("हिन्दी", "हिन्दी"),
        ("방탄소년단", "방탄소년단"),
        (unicodedata.normalize("NFD", "방탄소년단"), "방탄소년단"),
        ("เพลง", "เพลง"),
        ("活俠傳Steam特價", "活俠傳 steam 特價"),
        ("iPhone 發表會", "iphone 發表會"),
        ("iPhone發表會", "iphone 發表會"),
        ("5月天", "5 月天"),
        ("", ""),
        ("#", ""),
        ("😂🎉", ""),
        ("1️⃣", "1"),
        ("🇹🇼 Barbie 💖", "barbie"),
        ("\x00Taylor\x07", "taylor"),
        ("a\ud800b", "ab"),
        ("مرحبا", "مرحبا"),
    ],
)
def test_canonical_form(text: str, expected: str) -> None:
    assert canonical(text) == expected


@pytest.mark.parametrize(
    ("a", "b"),
    [("Tyler", "Taylor"), ("か", "が"), ("ハ", "パ"), ("Тaylor", "Taylor"), ("कि", "की"), ("가", "각")],
)
def test_different_names_stay_different(a: str, b: str) -> None:
    assert canonical(a) != canonical(b)


def test_hashtag_spaced_and_joined_names_meet() -> None:
    forms = {spaceless(canonical(name)) for name in ("#TaylorSwift", "taylorswift", "Taylor Swift", "#taylor_swift")}
    assert forms == {"taylorswift"}


@given(NAMES_OF_ALL_KINDS | st.text(max_size=60))
def test_canonical_is_idempotent(text: str) -> None:
    once = canonical(text)
    assert canonical(once) == once
    assert once == once.strip()
    assert "  " not in once


@given(st.text(st.sampled_from("abcé中文가ガ .'"), max_size=30), st.data())
def test_canonical_does_not_see_invisible_characters(text: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(text)))
    hidden = data.draw(st.text(st.sampled_from(INVISIBLE), min_size=1, max_size=5))
    assert canonical(text[:at] + hidden + text[at:]) == canonical(text)


@given(st.text(st.sampled_from("abzéñøßæđщёїλσςώ 1"), max_size=30))
def test_canonical_does_not_see_case(text: str) -> None:
    assert canonical(text.upper()) == canonical(text) == canonical(text.title())


@settings(max_examples=200)
@given(
    st.lists(st.one_of(st.none(), NAMES_OF_ALL_KINDS, st.text(st.characters(codec="utf-8"), max_size=40)), max_size=12)
)
def test_frames_and_single_names_agree(texts: list[str | None]) -> None:
    for rows in (texts, [*texts, *["Filler"] * 40]):  # few are taken one by one, many all at once
        column = canonical_column(pl.Series("title", rows, dtype=pl.String))
        assert column.to_list() == [canonical(text or "") for text in rows]
        assert column.name == "title"


def test_frames_and_single_names_agree_on_every_character() -> None:
    characters = [chr(code) for code in range(0x3400) if not 0xD800 <= code <= 0xDFFF]
    texts = pl.Series([f"x{char}s {char}" for char in characters])
    assert canonical_column(texts).to_list() == [canonical(text) for text in texts]


def test_expression_in_a_lazy_frame() -> None:
    frame = pl.LazyFrame({"title": ["#Barbie", None, "O’Brien’s"]})
    assert frame.select(canonical_expr("title")).collect()["title"].to_list() == ["barbie", "", "obrien"]


def test_caps() -> None:
    assert len(canonical("ab " * 400)) <= MAX_NAME
    assert canonical("x" * 10_000) == "x" * MAX_NAME
    assert len(canonical("x" * 10_000, cap=1_000)) == 1_000
    stacked = canonical("क" + "\u0941" * 500)
    assert stacked == "क" + "\u0941" * MAX_MARKS
    assert canonical("e" + "\u0301" * 500) == "e"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("#TaylorSwift", "Taylor Swift"),
        ("＃TaylorSwift", "Taylor Swift"),
        ("#taylorswift", "taylorswift"),
        ("#MCUPhase", "MCU Phase"),
        ("#Oscars2025", "Oscars 2025"),
        ("#McDonalds", "McDonalds"),
        ("#iPhone", "iPhone"),
        ("#BTS", "BTS"),
        ("TaylorSwift", "TaylorSwift"),
        ("  a \n b\x00 ", "a b"),
        ("👨\u200d👩\u200d👧 x", "👨\u200d👩\u200d👧 x"),
        ("ab\u202ecd", "abcd"),
        ("#", ""),
    ],
)
def test_display(text: str, expected: str) -> None:
    assert display(text) == expected


@given(st.text(max_size=80))
def test_clean_is_one_short_visible_line(text: str) -> None:
    line = clean(text)
    assert clean(line) == line
    assert len(line) <= MAX_NAME
    assert not set(line) & set("\n\r\t\x00\u202e\u200b")


@given(st.text(st.characters(codec="utf-8", categories=("Ll", "Lu", "Nd", "Lo")), max_size=30))
def test_splitting_camel_case_only_adds_spaces(tag: str) -> None:
    assert split_camel(tag).replace(" ", "") == tag


@pytest.mark.parametrize(
    ("text", "expected"),
    [("Taylor Swift", "taylor-swift"), ("Beyoncé", "beyonce"), ("泰勒絲", "泰勒絲"), ("😂", "name"), ("../etc", "etc")],
)
def test_slug(text: str, expected: str) -> None:
    assert slugify(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("泰勒絲", True),
        ("ガンダム", True),
        ("เพลง", True),
        ("t1 戰隊", False),
        ("taylor", False),
        ("방탄소년단", False),
        ("", False),
    ],
)
def test_spaceless_scripts(text: str, expected: bool) -> None:
    assert is_spaceless_script(text) is expected


def test_possessive_variant() -> None:
    assert possessive_variant("Grey's Anatomy") == "greys anatomy"
    assert possessive_variant("Schitt’s Creek") == "schitts creek"
    assert possessive_variant("O'Brien") == ""
    assert possessive_variant("Taylor Swift") == ""


@pytest.mark.parametrize(
    ("a", "b", "alike"),
    [
        ("Taylor", "Tаylor", True),  # Cyrillic а
        ("Taylor", "Тaylor", True),  # Cyrillic Т, a capital look-alike only
        ("taylor", "тaylor", True),
        ("NASA", "ΝΑSΑ", True),  # Greek capitals
        ("coco", "сосо", True),  # wholly Cyrillic
        ("Taylor", "Taylor", False),
        ("Beyoncé", "Beyonce", False),  # the same name, not an imitation
        ("김치", "김밥", False),
        ("Оксана", "Oksana", False),
        ("😀", "😂", False),
    ],
)
def test_homoglyphs(a: str, b: str, alike: bool) -> None:
    assert looks_like(a, b) is alike
    assert looks_like(b, a) is alike


@given(st.text(max_size=30))
def test_skeleton_of_latin_names_is_their_canonical_form(text: str) -> None:
    latin = "".join(c for c in text if c.isascii())
    assert skeleton(latin) == canonical(latin)
