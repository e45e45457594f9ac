"""The cleaning edge: whatever comes in, what goes on is safe to store."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.ingest import clean
from pipelines.ingest.state import MemoryState
from pipelines.model import ITEMS

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("  Odalys\tBright\nwater ", "Odalys Bright water"),
        ("a\x00b\x07c\x85d", "abc d"),
        ("lone \ud83d surrogate", "lone surrogate"),
        ("Beyonce\u0301", "Beyoncé"),
        ("\ufeff周杰倫\u3000演唱會", "\ufeff周杰倫 演唱會"),
        ("👩‍👩‍👧 family", "👩‍👩‍👧 family"),
        ("\x00\x01", None),
        ("", None),
        (None, None),
        (7, None),
        (["a"], None),
    ],
)
def test_text(raw: object, text: str | None) -> None:
    assert clean.clean_text(raw) == text


def test_text_is_capped() -> None:
    assert clean.clean_text("x" * 10_000) == "x" * 500
    assert len(clean.clean_text("z" + "\u0301" * 500, 200) or "") <= 9
    assert clean.clean_text("x" * 50_000_000, 10) == "x" * 10


@given(st.text(st.characters(codec=None)))
def test_any_text_comes_out_storable(raw: str) -> None:
    text = clean.clean_text(raw)
    if text is not None:
        text.encode("utf-8")
        assert "\x00" not in text
        assert text == text.strip()
        assert 0 < len(text) <= 500


@pytest.mark.parametrize(
    ("raw", "number"),
    [
        (3, 3.0), ("1,234", 1234.0), (" 5.5 ", 5.5), (-7, 0.0), (0, 0.0), (10**400, None), (2**63, 1e15),
        (math.nan, None), (math.inf, None),
        ("NaN", None), ("1e999", None), ("12 likes", None), (True, None), (None, None), ([1], None),
    ],
)  # fmt: skip
def test_numbers(raw: object, number: float | None) -> None:
    assert clean.clean_number(raw) == number


@pytest.mark.parametrize(
    ("raw", "rank"), [(1, 1), ("3", 3), (0, None), (-1, None), (2**40, None), (True, None), (2.9, 2)]
)
def test_ranks(raw: object, rank: int | None) -> None:
    assert clean.clean_rank(raw) == rank


@pytest.mark.parametrize(
    ("raw", "good"),
    [
        ("https://variety.com/feed/?a=b#c", True), ("http://x.test/é", True), (" https://x.test/ ", True),
        ("javascript:alert(1)", False), ("data:text/html,x", False), ("//x.test/", False), ("https://", False),
        ("https://user:pw@x.test/", False), ("https://x.test/a b", False), ("https://x.test/\x00", False),
        ("http://[", False), ("https://x.test/" + "a" * 2000, False), (None, False), (5, False),
    ],
)  # fmt: skip
def test_urls(raw: object, good: bool) -> None:
    assert (clean.clean_url(raw) is not None) is good


@pytest.mark.parametrize(
    ("raw", "time", "flagged"),
    [
        (NOW.timestamp(), NOW, False), (str(NOW.timestamp()), NOW, False), (NOW, NOW, False),
        (NOW.replace(tzinfo=None), NOW, False), ("2026-11-22T13:00:00+01:00", NOW, False),
        (NOW + timedelta(minutes=10), NOW + timedelta(minutes=10), False), (NOW + timedelta(minutes=11), None, True),
        (0, None, True), (253402300799, None, True), (1e300, None, True), (math.nan, None, True), ("soon", None, True),
        (True, None, True), (None, None, False), (NOW - timedelta(days=31), None, True),
        (datetime.max.replace(tzinfo=UTC), None, True),
    ],
)  # fmt: skip
def test_times(raw: object, time: datetime | None, flagged: bool) -> None:
    assert clean.clean_time(raw, NOW) == (time, flagged)


def test_too_old() -> None:
    assert clean.too_old(NOW - timedelta(days=31), NOW)
    assert not clean.too_old(NOW - timedelta(days=29), NOW)
    assert not clean.too_old(0, NOW), "1970 is no time at all"
    assert not clean.too_old(None, NOW)


def test_items_frame_sets_bad_rows_aside_and_keeps_the_rest() -> None:
    rows: list[dict[str, object]] = [
        {"item_id": "a", "title": "First", "feed": "f", "engagement": "3", "rank": 1, "published_at": NOW.timestamp()},
        {"item_id": "a", "title": "Last wins", "names": ["N", "N", None, "\x00"]},
        {"item_id": None, "title": "No id"},
        {"item_id": "b", "title": "\x00", "names": []},
        {
            "item_id": "c",
            "names": ["Only a name"],
            "context": [{"title": "H", "url": "javascript:x", "source": "S", "x": 1}, 5],
        },
        "not a row",  # type: ignore[list-item]  # what a careless adapter may hand over
    ]
    frame, rejected = clean.items_frame(rows, NOW, "trends")
    assert frame.schema == ITEMS
    assert rejected == 3
    assert frame["item_id"].to_list() == ["a", "c"]
    assert frame["title"].to_list() == ["Last wins", "Only a name"]
    assert frame["names"].to_list() == [["N"], ["Only a name"]]
    assert json.loads(frame["context"][1]) == [{"title": "H", "url": None, "source": "S"}]
    assert frame["poll_at"].unique().to_list() == [NOW]


def test_items_frame_of_nothing_has_the_schema() -> None:
    frame, rejected = clean.items_frame([], NOW, "reddit")
    assert (frame.schema, rejected) == (ITEMS, 0)


def test_items_frame_caps_rows_and_drops_old_ones_where_asked() -> None:
    rows = [{"item_id": str(n), "title": "t", "published_at": NOW - timedelta(days=n * 20)} for n in range(4)]
    assert clean.items_frame(rows, NOW, "reddit", cap=3)[1] == 1
    frame, rejected = clean.items_frame(rows, NOW, "reddit", drop_old=True)
    assert (frame.height, rejected) == (2, 2)


def test_memory_state_keeps_copies() -> None:
    state = MemoryState()
    value = {"etag": "x", "list": [1]}
    state.put("k", value)
    value["list"].append(2)  # type: ignore[attr-defined]  # a list by construction
    assert state.get("k") == {"etag": "x", "list": [1]}
    assert state.get("other") is None
