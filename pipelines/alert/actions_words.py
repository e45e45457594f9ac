"""The sentences about what people did, pure: from the facts the store keeps, so that a repeat says the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from pipelines.alert.words import hhmm
from pipelines.people import Activity, Card

Facts = Mapping[str, Any]


def _stamp(facts: Facts) -> str:
    return f"by {facts['by']}, {hhmm(datetime.fromisoformat(facts['at']))}"


def assigned_line(facts: Facts) -> str:
    """``Assigned to Sam by Ana, 14:02; was Kim's.``"""
    was = facts.get("was")
    return f"Assigned to {facts['who']} {_stamp(facts)}" + (
        f"; was {was}'s." if was and was != facts["who"] else "."
    )  # fmt: skip


def unassigned_line(facts: Facts) -> str:
    """``Taken back from Sam by Ana, 14:05; nobody has it now.``; after a take-over, who had it before."""
    before = facts.get("before")
    had = f"; {before} had it before." if before and before != facts["was"] else "."
    return f"Taken back from {facts['was']} {_stamp(facts)}; nobody has it now{had}"


def card_made_line(facts: Facts) -> str:
    """What became of a new card."""
    if facts["state"] == "kept":
        return (
            f"Rundown card {facts['slug']} kept {_stamp(facts)}. It is posted nowhere: "
            "set HEATMAP_SLACK__RUNDOWN_URL for the cards to come."
        )
    return f"Rundown card {facts['slug']} created {_stamp(facts)}."


def promo_line(facts: Facts) -> str:
    """What becomes of a chosen line."""
    return f"Promo tease chosen {_stamp(facts)}; it goes into the alert's thread."


def resent_line(facts: Facts) -> str:
    """What a resend means."""
    return f"Queued for Slack again {_stamp(facts)}."


def voted_line(facts: Facts) -> str:
    """``Voted useful by Ana, 14:02.``"""
    word = "useful" if facts["useful"] else "not useful"
    return f"{'Vote changed to' if facts.get('changed') and not facts.get('same') else 'Voted'} {word} {_stamp(facts)}."


def fault_line(facts: Facts) -> str:
    """What a mark means."""
    if facts["fault"]:
        return f"Marked as a source fault {_stamp(facts)}. It counts as a false alert."
    return f"Source fault mark taken back {_stamp(facts)}. It counts like any alert."


def card_line(card: Card) -> str:
    """Where a card stands."""
    name = f"Card {card.form.slug}"
    if card.state == "sent" and card.sent_at is not None:
        return f"{name} by {card.by.name} is in the rundown since {hhmm(card.sent_at)} UTC."
    if card.state == "kept":
        return f"{name} by {card.by.name} kept; no rundown address is set."
    if card.state == "dead":
        return f"{name} by {card.by.name} kept; the rundown address refused it: {card.last_error}."
    if card.last_error:
        return f"{name} kept; {card.last_error}; next try {hhmm(card.next_at)} UTC."
    return f"{name} by {card.by.name} is on its way to the rundown."


def state_of_card(activity: Activity) -> Activity:
    """``activity`` with every card's state in words."""
    return replace(activity, cards=tuple(replace(card, line=card_line(card)) for card in activity.cards))
