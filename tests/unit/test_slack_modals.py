"""Modals and forms: nothing can make a view invalid, and what was filled in comes back as it was."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.alert.message import make_message
from pipelines.alert.modal_forms import FormErrors, parse_assign, parse_card, parse_promo, seconds_of, with_receipts
from pipelines.alert.modal_pack import pack_view
from pipelines.alert.modals import Origin, assign_view, card_view, notice_view, origin_of, promo_view, slug_of
from pipelines.errors import InputError
from pipelines.outbox import Alert, Claim
from pipelines.people import Activity, Assignment, Card, CardForm, Person, Promo, Votes
from tests.upstreams.slack_limits import check, check_view, pings

T = datetime(2026, 5, 3, 14, 0, tzinfo=UTC)
ANA = Person("slack:U1", "Ana")
ORIGIN = Origin(7, "C0ALERTS", "1763.0001")


def alert(**payload: Any) -> Alert:
    return Alert(7, "k", 1, T, 1.9, 3.7, 3, 0.4, 0.82, "Velocity +3.7σ", payload)


def field(**values: Any) -> dict[str, Any]:
    return {"it": values}


texts = st.text(max_size=900)
receipts = st.lists(
    st.fixed_dictionaries({"source": texts, "title": texts, "url": st.one_of(st.none(), texts)}), max_size=15
)
packages = st.one_of(
    st.none(), st.text(), st.fixed_dictionaries({"hook": texts, "teases": st.lists(texts, max_size=5), "push": texts,
    "social": st.one_of(st.none(), texts), "lower_third": st.lists(texts), "asset_cues": st.lists(texts, max_size=99),
    "booking_brief": st.one_of(st.none(), st.fixed_dictionaries({"angles": st.lists(texts), "related": st.lists(texts)}))}),
)  # fmt: skip


@settings(max_examples=120, deadline=None)
@given(texts, texts, receipts, packages, texts)
def test_no_alert_can_make_a_view_invalid(name: str, slug: str, rows: list[Any], package: Any, words: str) -> None:
    one = alert(name=name, slug=slug, hook=name, receipts=rows, package=package, mode="demo")
    held = Assignment(T, Person("x", words), words, "", T, words)
    views = [
        assign_view(ORIGIN, one, held), card_view(ORIGIN, one), promo_view(ORIGIN, one), notice_view(words),
        pack_view(one, "https://heat.example"),
    ]  # fmt: skip
    for view in views:
        assert check_view(view) == ""
        assert pings(view) == []


@settings(max_examples=60, deadline=None)
@given(texts, st.integers(0, 30), st.integers(0, 30), st.booleans())
def test_no_activity_can_make_a_message_invalid(words: str, cards: int, promos: int, buttons: bool) -> None:
    by, form = Person("x", words), CardForm(words, words, 60, words, (words,))
    done = Activity(
        Assignment(T, by, words, words, T + timedelta(days=1), words),
        tuple(Card(n, 7, T, by, form, "pending", 0, T, None, words, words) for n in range(cards)),
        tuple(Promo(n, 7, T, by, words, "dead", None, words) for n in range(promos)), Votes(cards, promos), "source_fault",
    )  # fmt: skip
    claim = Claim("k", T, 1, (alert(name=words, slug=words),), marked=True)
    message = make_message(claim, "https://heat.example", done, buttons=buttons)
    posted = {"text": message.text, "blocks": list(message.blocks)}
    assert check(posted) == ""
    assert pings(posted) == []


def test_the_message_says_where_the_alert_stands() -> None:
    done = Activity(
        assigned=Assignment(T, ANA, "Sam", "", T + timedelta(minutes=90), "call first"),
        cards=tuple(Card(n, 7, T, ANA, CardForm(f"c{n}", "A", 60, "h"), "kept", 0, T, None, "", f"Card c{n} kept.")
                    for n in range(5)),
        promos=(Promo(1, 7, T, ANA, "A walk-off, next.", "pending"),), votes=Votes(2, 1),
    )  # fmt: skip
    blocks = make_message(Claim("k", T, 1, (alert(name="X", slug="x"),)), activity=done, buttons=True).blocks
    shown = [block["text"]["text"] for block in blocks if block["type"] == "section"]
    assert "Assigned to Sam by Ana, 14:00 UTC. Due 15:30 UTC. Note: call first" in shown
    assert [line for line in shown if line.startswith("Card")] == ["Card c2 kept.", "Card c3 kept.", "Card c4 kept."]
    assert "Tease by Ana, 14:00 UTC: A walk-off, next." in shown
    small = [block["elements"][0]["text"] for block in blocks if block["type"] == "context"]
    assert "and 2 earlier cards" in small
    assert "Votes: 2 useful, 1 not useful." in small
    ids = [element["action_id"] for block in blocks if block["type"] == "actions" for element in block["elements"]]
    assert ids == ["assign", "card", "promo", "pack", "useful", "not_useful"]
    assert all(
        element["value"] == "7" for block in blocks if block["type"] == "actions" for element in block["elements"]
    )
    undo = next(block["accessory"] for block in blocks if "accessory" in block)
    assert (undo["action_id"], undo["value"]) == ("unassign", "7")


def test_receipts_are_one_per_platform_first() -> None:
    rows = [{"source": source, "title": f"{source} {n}"} for source in ("reddit", "trends") for n in (1, 2, 3)]
    blocks = make_message(Claim("k", T, 1, (alert(name="X", receipts=rows),))).blocks
    titles = [block["text"]["text"] for block in blocks if block["type"] == "section"]
    assert titles[1:] == ["Reddit: reddit 1", "Google Trends: trends 1", "Reddit: reddit 2"]


def test_an_origin_comes_back() -> None:
    assert origin_of(ORIGIN.private()) == ORIGIN
    for bad in (None, "", "7", "[]", '{"alert": null}', "x" * 9000):
        with pytest.raises(InputError, match="not one of ours"):
            origin_of(bad)


@pytest.mark.parametrize(("text", "seconds"), [("0:45", 45), ("1:30", 90), ("90", 90), (" 60:00 ", 3600)])
def test_lengths(text: str, seconds: int) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "1:75", "a", "1:2:3", "-5", "١:٣٠", "1.5"])
def test_lengths_that_are_none(text: str) -> None:
    with pytest.raises(InputError, match="minutes and seconds"):
        seconds_of(text)


def test_a_card_form_is_read_and_receipts_are_links_or_titles() -> None:
    values = {
        "slug": field(value="walk off"), "segment": field(value="A block"), "length": field(value="1:00"),
        "hook": field(value="They left."), "receipts": field(selected_options=[{"value": "1"}, {"value": "0"}, {"value": "9"}]),
    }  # fmt: skip
    card, places = parse_card(values)
    rows = [
        {"source": "reddit", "title": "One", "url": "https://a.example/1"},
        {"source": "trends", "title": "Two", "url": None},
    ]
    assert with_receipts(card, places, alert(receipts=rows)) == CardForm(
        "walk-off", "A block", 60, "They left.", ("Two", "https://a.example/1")
    )


def test_an_assign_form_needs_one_person() -> None:
    assert parse_assign({"who": field(selected_user="U12"), "note": field(value=None)}, T).who_id == "U12"
    both = {"who": field(selected_user="U12"), "name": field(value="Sam")}
    for values, wrong in (({}, "who"), (both, "name"), ({"who": field(selected_user="<!here>")}, "who")):
        with pytest.raises(FormErrors) as caught:
            parse_assign(values, T)
        assert set(caught.value.fields) == {wrong}


@given(
    st.recursive(
        st.none() | st.text() | st.integers() | st.lists(st.integers()),
        lambda inner: st.dictionaries(
            st.sampled_from(
                [
                    "who",
                    "name",
                    "due",
                    "note",
                    "it",
                    "value",
                    "which",
                    "slug",
                    "length",
                    "selected_user",
                    "selected_date_time",
                    "selected_options",
                    "selected_option",
                    "line0",
                    "receipts",
                ]
            ),
            inner,
            max_size=6,
        ),
    )
)
def test_no_state_makes_the_reading_fail(state: Any) -> None:  # fmt: skip
    values = state if isinstance(state, dict) else {"who": state, "due": {"it": {"selected_date_time": state}}}
    for read in (lambda: parse_assign(values, T), lambda: parse_card(values), lambda: parse_promo(values)):
        found: dict[str, str] = {}
        try:
            read()
        except FormErrors as errors:
            found = errors.fields
        assert all(len(line) <= 150 for line in found.values())


def test_slugs_are_what_the_check_takes() -> None:
    assert slug_of("Odalys  Bright_water's <!here>") == "odalys-bright-water-s-here"
    assert slug_of("!!!") == ""


def test_a_digest_says_of_each_name_what_the_trades_have() -> None:
    covered = replace(alert(name="Odalys", trades_at=(T - timedelta(hours=2)).isoformat(), mode="demo"), heat=2.0)
    fresh = replace(alert(name="Saint Ferro", mode="demo"), id=8, at=T + timedelta(minutes=5))
    message = make_message(Claim("digest|1", T, 1, (fresh, covered)))
    first, second, foot = (block.get("text", block.get("elements", [{}])[0])["text"] for block in message.blocks[1:4])
    assert first.strip() == "Odalys: Velocity +3.7σ. Trades: already on it (2.0 h ago)."
    assert second.strip() == "Saint Ferro: Velocity +3.7σ. Trades: no story yet."
    assert foot == "DEMO: invented names, nothing here is real. Scored at 14:05 UTC."
