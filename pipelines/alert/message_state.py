"""Where an alert stands, as blocks of its message: who has it, cards, teases, votes. Everybody in the channel sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from pipelines.alert.blocks import Block, button, context, cut, section
from pipelines.alert.words import hhmm
from pipelines.people import Activity, Assignment, Promo, Votes

SHOWN = 3
"""So many cards, and so many teases, are shown: the newest."""
MAX_WHO, MAX_WORDS = 100, 300


def state_blocks(activity: Activity, value: str, *, buttons: bool) -> list[Block]:
    """The state of one alert; ``value`` comes back with a press of Take back. Nothing where nobody did anything."""
    blocks: list[Block] = []
    if activity.state == "source_fault":
        blocks.append(section("Marked as a source fault. It counts as a false alert."))
    if activity.assigned is not None:
        undo = {"accessory": button("Take back", "unassign", value)} if buttons else {}
        blocks.append(section(_assigned(activity.assigned), block_id="et_assigned", **undo))
    blocks += _newest([_card_line(card.line, card.form.slug, card.by.name) for card in activity.cards], "cards")
    blocks += _newest([_promo_line(promo) for promo in activity.promos], "teases")
    return blocks + _votes(activity.votes)


def state_line(activity: Activity) -> str:
    """The same in one line, for a digest; empty where nobody did anything."""
    parts = ["Marked as a source fault."] if activity.state == "source_fault" else []
    parts += [_assigned(replace(activity.assigned, note=""))] if activity.assigned is not None else []
    for count, what in ((len(activity.cards), "card"), (len(activity.promos), "tease")):
        parts += [f"{count} {what}{'' if count == 1 else 's'}."] if count else []
    votes = activity.votes
    parts += [f"{votes.useful} useful, {votes.not_useful} not useful."] if votes.useful + votes.not_useful else []
    return " ".join(parts)


def _assigned(it: Assignment) -> str:
    due = f" Due {day_and_time(it.due, it.at)} UTC." if it.due else ""
    note = f" Note: {cut(it.note, MAX_WORDS)}" if it.note else ""
    return f"Assigned to {cut(it.who, MAX_WHO)} by {cut(it.by.name, MAX_WHO)}, {hhmm(it.at)} UTC.{due}{note}"


def day_and_time(at: datetime, now: datetime) -> str:
    """``15:30``, or ``23 Nov 15:30`` where it is another day than ``now``."""
    return hhmm(at) if at.date() == now.date() else f"{at:%d %b} {hhmm(at)}"


def _card_line(line: str, slug: str, by: str) -> str:
    return cut(line or f"Card {slug} by {by}.", MAX_WORDS)


def _promo_line(promo: Promo) -> str:
    trouble = f" Not in the thread: {cut(promo.last_error, MAX_WORDS)}" if promo.state == "dead" else ""
    return f"Tease by {cut(promo.by.name, MAX_WHO)}, {hhmm(promo.at)} UTC: {cut(promo.text, MAX_WORDS)}{trouble}"


def _newest(lines: Sequence[str], what: str) -> list[Block]:
    earlier = len(lines) - SHOWN
    blocks = [section(line) for line in lines[-SHOWN:]]
    return [*blocks, context(f"and {earlier} earlier {what}")] if earlier > 0 else blocks


def _votes(votes: Votes) -> list[Block]:
    if votes.useful + votes.not_useful == 0:
        return []
    return [context(f"Votes: {votes.useful} useful, {votes.not_useful} not useful.")]
