"""What a person may type into an action's form: limits, and sentences that name the field."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.alert.actions_check import check_card, check_due, check_once, check_tease, line_of
from pipelines.errors import InputError
from pipelines.people import CardForm

NOW = datetime(2026, 11, 22, 14, 2, tzinfo=UTC)
CARD = CardForm("ODALYS-WALKOFF", "A block", 45, "Posts have climbed.", ("https://example.org/1", " "))


def test_a_line_loses_what_nobody_sees() -> None:
    assert line_of("who", "  Sam\n\u202e\x00 Okafor ", 100) == "Sam Okafor"
    assert line_of("note", " \u200b", 500, needed=False) == ""


@pytest.mark.parametrize("value", ["", "  ", "\u200b\x00"])
def test_an_empty_line_is_named(value: str) -> None:
    with pytest.raises(InputError, match=r"^who: is empty"):
        line_of("who", value, 100)


@given(st.text(max_size=3000), st.integers(1, 600))
def test_a_line_fits_or_is_refused(value: str, most: int) -> None:
    try:
        line = line_of("note", value, most, needed=False)
    except InputError as error:
        assert str(error).startswith("note: is ")  # noqa: PT017 - either outcome is right, each in its own way
    else:
        assert len(line) <= most
        assert "\n" not in line
        assert "\x00" not in line


def test_due_is_still_to_come() -> None:
    assert check_due(None, NOW) is None
    assert check_due(NOW + timedelta(minutes=1), NOW) == NOW + timedelta(minutes=1)
    for due in (NOW, NOW - timedelta(days=1), NOW + timedelta(days=400), NOW.replace(tzinfo=None)):
        with pytest.raises(InputError, match=r"^due: "):
            check_due(due, NOW)


def test_a_card_is_cleaned() -> None:
    card = check_card(replace(CARD, slug=" odalys walkoff "))
    assert (card.slug, card.receipts) == ("odalys-walkoff", ("https://example.org/1",))


@pytest.mark.parametrize(
    ("field", "value", "names"),
    [
        ("slug", "", "slug: is empty"), ("slug", "a/../b", "slug: use letters"), ("slug", "-a", "slug: use letters"),
        ("slug", "x" * 61, "slug: is 61"), ("segment", " ", "segment: is empty"), ("segment", "x" * 61, "segment: is 61"),
        ("length_s", 4, "length: 4 s"), ("length_s", 3601, "length: 3601 s"), ("length_s", True, "length: "),
        ("hook", "", "hook: is empty"), ("hook", "x" * 281, "hook: is 281"), ("receipts", ("x",) * 11, "receipts: 11"),
        ("receipts", ("x" * 1001,), "receipts: is 1001"),
    ],
)  # fmt: skip
def test_a_card_that_does_not_fit_says_which_field(field: str, value: Any, names: str) -> None:
    with pytest.raises(InputError, match=f"^{names}"):
        check_card(replace(CARD, **{field: value}))


@pytest.mark.parametrize(
    ("text", "names"),
    [("", "tease: is empty"), ("a " * 16, "tease: has 16 words"), ("x" * 111, "tease: is 111 characters")],
)
def test_a_tease_can_be_said(text: str, names: str) -> None:
    with pytest.raises(InputError, match=f"^{names}"):
        check_tease(text)
    assert check_tease(" Next:\n a walk-off ") == "Next: a walk-off"


@pytest.mark.parametrize("once", ["", " ", "x" * 201])
def test_an_action_has_a_key(once: str) -> None:
    with pytest.raises(InputError, match=r"^once: "):
        check_once(once)
