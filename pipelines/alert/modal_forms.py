"""What a person submitted, read out of a modal's state, pure: a form, or what is wrong with each field.

Field names are the block ids of :mod:`pipelines.alert.modals`; an error stands beside its field in Slack.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from pipelines.alert.actions_check import check_card, check_due, check_tease, line_of
from pipelines.alert.blocks import dicts
from pipelines.alert.modals import LINES
from pipelines.errors import InputError
from pipelines.outbox import Alert
from pipelines.people import CardForm

Values = Mapping[str, Any]
USER_ID = re.compile(r"[UW][A-Z0-9]{1,30}")
FITS = CardForm("fits", "fits", 60, "fits")
MAX_WHO, MAX_NOTE, MAX_ERROR = 100, 500, 150
LENGTH = re.compile(r"(?:(\d{1,3}):)?(\d{1,4})")
BAD_LENGTH = "Use minutes and seconds, for example 1:30"


class FormErrors(Exception):  # noqa: N818 - what a person has to correct, not a fault
    """What is wrong, by the field it is about."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__("; ".join(fields.values()))
        self.fields = dict(fields)


@dataclass(frozen=True, slots=True)
class AssignForm:
    """``who_id`` where somebody was picked in Slack; then ``who`` is empty and to be looked up."""

    who: str
    who_id: str
    due: datetime | None
    note: str


def parse_assign(values: Values, now: datetime) -> AssignForm:
    """Raises :class:`FormErrors`."""
    errors: dict[str, str] = {}
    picked = _value(values, "who", "selected_user")
    who_id = picked if isinstance(picked, str) and USER_ID.fullmatch(picked) else ""
    who = _checked(errors, "name", lambda: line_of("name", _text(values, "name"), MAX_WHO, needed=False), "")
    if not who_id and not who and not errors:
        errors["who"] = "Choose somebody, or write a name below"
    elif who_id and who:
        errors["name"] = "Choose somebody or write a name, not both"
    due = _checked(errors, "due", lambda: check_due(_time(values, "due"), now), None)
    note = _checked(errors, "note", lambda: line_of("note", _text(values, "note"), MAX_NOTE, needed=False), "")
    _raise(errors)
    return AssignForm(who, who_id, due, note)


def parse_card(values: Values) -> tuple[CardForm, tuple[int, ...]]:
    """The card without its receipts, and the places of those that were ticked. Raises :class:`FormErrors`."""
    errors: dict[str, str] = {}

    def one(field: str, **change: Any) -> CardForm:
        return _checked(errors, field, lambda: check_card(replace(FITS, **change)), FITS)

    slug = one("slug", slug=_text(values, "slug")).slug
    segment = one("segment", segment=_text(values, "segment")).segment
    hook = one("hook", hook=_text(values, "hook")).hook
    seconds = _checked(errors, "length", lambda: seconds_of(_text(values, "length")), 60)
    length = one("length", length_s=seconds).length_s if "length" not in errors else seconds
    _raise(errors)
    ticked = _value(values, "receipts", "selected_options")
    return CardForm(slug, segment, length, hook), _places(ticked if isinstance(ticked, list) else [])


def with_receipts(card: CardForm, places: Sequence[int], alert: Alert) -> CardForm:
    """The card with the ticked receipts' links, or their titles where they have none."""
    rows = dicts(alert.payload.get("receipts"))
    chosen = [rows[place] for place in places if place < len(rows)]
    return replace(card, receipts=tuple(str(row.get("url") or row.get("title") or "") for row in chosen))


def parse_promo(values: Values) -> str:
    """The chosen line as it was edited. Raises :class:`FormErrors`."""
    option = _value(values, "which", "selected_option")
    chosen = _places([option]) if isinstance(option, Mapping) else ()
    field = f"line{chosen[0] if chosen and chosen[0] < LINES else 0}"
    errors: dict[str, str] = {}
    line = _checked(errors, field, lambda: check_tease(_text(values, field)), "")
    _raise(errors)
    return line


def seconds_of(text: str) -> int:
    """``1:30`` or ``90`` in seconds. Raises :class:`InputError`."""
    found = LENGTH.fullmatch(text.strip())
    if found is None or not text.strip().isascii() or (found[1] and int(found[2]) > 59):
        raise InputError(f"length: {BAD_LENGTH}")
    return 60 * int(found[1] or 0) + int(found[2])


def _checked[T](errors: dict[str, str], field: str, check: Callable[[], T], otherwise: T) -> T:
    try:
        return check()
    except InputError as error:
        words = str(error).partition(": ")[2] or str(error)
        errors[field] = (words[0].upper() + words[1:])[:MAX_ERROR]
        return otherwise


def _raise(errors: Mapping[str, str]) -> None:
    if errors:
        raise FormErrors(errors)


def _value(values: Values, block: str, key: str) -> Any:
    """What stands in the one field of ``block``; None where the state is not of the shape it should be."""
    found = values.get(block)
    field = found.get("it") if isinstance(found, Mapping) else None
    return field.get(key) if isinstance(field, Mapping) else None


def _text(values: Values, block: str) -> str:
    found = _value(values, block, "value")
    return found if isinstance(found, str) else ""


def _time(values: Values, block: str) -> datetime | None:
    found = _value(values, block, "selected_date_time")
    if found is None:
        return None
    try:
        return datetime.fromtimestamp(int(found), UTC)
    except (ValueError, TypeError, OverflowError, OSError):
        raise InputError("due: is not a time; choose another") from None


def _places(options: Sequence[Any]) -> tuple[int, ...]:
    values = [str(option.get("value")) for option in options if isinstance(option, Mapping)]
    return tuple(
        dict.fromkeys(int(value) for value in values if value.isascii() and value.isdigit() and len(value) < 4)
    )
