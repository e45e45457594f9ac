"""What a person may type, pure: cleaned values out, or an :class:`InputError` that names the field and the limit."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from pipelines.alert.package_model import MAX_HOOK, MAX_TEASE, MAX_TEASE_WORDS
from pipelines.errors import InputError
from pipelines.people import CardForm

MAX_SLUG, MAX_SEGMENT, MAX_RECEIPTS, MAX_RECEIPT, MAX_ONCE = 60, 60, 10, 1_000, 200
SHORTEST_S, LONGEST_S = 5, 3_600
FURTHEST = timedelta(days=366)
SLUG = re.compile(r"[^\W_]+(?:-[^\W_]+)*")
_INVISIBLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]+")


def line_of(field: str, value: str, most: int, *, needed: bool = True) -> str:
    """``value`` in one line, without invisible characters, of at most ``most`` characters."""
    readable = _INVISIBLE.sub(" ", value[: 20 * most]).encode("utf-8", "replace").decode("utf-8")
    line = " ".join(readable.split())
    if needed and not line:
        raise InputError(f"{field}: is empty; write something")
    if len(line) > most:
        raise InputError(f"{field}: is {len(line)} characters long; at most {most} fit")
    return line


def check_due(due: datetime | None, now: datetime) -> datetime | None:
    """A time that is still to come, within a year."""
    if due is None:
        return None
    if due.tzinfo is None:
        raise InputError("due: needs a time zone, for example 2026-11-22T14:00:00Z")
    if due <= now:
        raise InputError("due: is in the past; choose a time to come")
    if due > now + FURTHEST:
        raise InputError("due: is more than a year away; choose an earlier time")
    return due


def check_card(card: CardForm) -> CardForm:
    """The card with every field in its limits."""
    slug = line_of("slug", card.slug, MAX_SLUG).replace(" ", "-")
    if not SLUG.fullmatch(slug):
        raise InputError("slug: use letters and digits, with single hyphens between them")
    if isinstance(card.length_s, bool) or not SHORTEST_S <= card.length_s <= LONGEST_S:
        raise InputError(f"length: {card.length_s} s does not fit; use {SHORTEST_S} to {LONGEST_S} seconds")
    if len(card.receipts) > MAX_RECEIPTS:
        raise InputError(f"receipts: {len(card.receipts)} are too many; at most {MAX_RECEIPTS} fit")
    receipts = (line_of("receipts", receipt, MAX_RECEIPT, needed=False) for receipt in card.receipts)
    return CardForm(
        slug, line_of("segment", card.segment, MAX_SEGMENT), int(card.length_s), line_of("hook", card.hook, MAX_HOOK),
        tuple(receipt for receipt in receipts if receipt),
    )  # fmt: skip


def check_tease(text: str) -> str:
    """A tease line that can be said on air."""
    line = line_of("tease", text, MAX_TEASE)
    words = len(line.split())
    if words > MAX_TEASE_WORDS:
        raise InputError(f"tease: has {words} words; at most {MAX_TEASE_WORDS} fit")
    return line


def check_once(once: str) -> str:
    """The key of a click or form."""
    if not once.strip() or len(once) > MAX_ONCE:
        raise InputError(f"once: name this action with a key of 1 to {MAX_ONCE} characters, a new one for a new action")
    return once
