"""The app's modals as Slack takes them, pure: assign, rundown card, promo tease, research pack, and notices.

Text from outside is plain text everywhere; what a form is about travels in its ``private_metadata``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.alert.actions_check import MAX_RECEIPTS, MAX_SEGMENT, MAX_SLUG
from pipelines.alert.blocks import (
    MAX_LABEL,
    MAX_MODAL_TITLE,
    MAX_OPTION,
    MAX_PRIVATE,
    Block,
    context,
    cut,
    dicts,
    hook_of,
    packaged,
    plain,
    platform,
    section,
    texts,
)
from pipelines.alert.package_model import MAX_HOOK, MAX_TEASE, MAX_TEASE_WORDS
from pipelines.alert.words import hhmm
from pipelines.errors import InputError
from pipelines.outbox import Alert
from pipelines.people import Assignment

View = dict[str, Any]
NAME = "ET Heatmap"
LINES = 3
SEGMENT, LENGTH = "Spiking now", "0:45"
"""What a card's form says before a person changes it."""
NOT_OURS = "This form is not one of ours, or it is too old; press the button in the message again."


@dataclass(frozen=True, slots=True)
class Origin:
    """What a form is about: the alert, and the channel and message whose button opened it."""

    alert_id: int
    channel: str = ""
    ts: str = ""

    def private(self) -> str:
        """As the form carries it."""
        whole = json.dumps({"alert": self.alert_id, "channel": self.channel[:50], "ts": self.ts[:50]})
        assert len(whole) <= MAX_PRIVATE  # noqa: S101 - two short texts and a number
        return whole


def origin_of(private: object) -> Origin:
    """What a submitted form is about. Raises :class:`InputError`."""
    try:
        found = json.loads(str(private))
        return Origin(int(found["alert"]), str(found.get("channel") or ""), str(found.get("ts") or ""))
    except (ValueError, TypeError, KeyError, AttributeError):
        raise InputError(NOT_OURS) from None


def notice_view(text: str, title: str = NAME) -> View:
    """A few sentences, and a button to close."""
    return _view("notice", title, [section(text)])


def pack_frame(blocks: Sequence[Block]) -> View:
    """A read-only modal around a research pack."""
    return _view("pack", "Research pack", blocks)


def assign_view(origin: Origin, alert: Alert, now: Assignment | None) -> View:
    """Who, by when, a note. ``now``: who has it already."""
    blocks = [_about(alert)]
    if now is not None:
        blocks.append(context(f"Now with {now.who}, given by {now.by.name} at {hhmm(now.at)} UTC."))
    blocks += [
        _input("who", "Who", {"type": "users_select"}, optional=True),
        _input("name", "Or a name, for somebody who is not in Slack", _text(100), optional=True),
        _input("due", "By when", {"type": "datetimepicker"}, optional=True),
        _input("note", "Note", _text(500, multiline=True), optional=True),
    ]
    return _view("assign", "Assign producer", blocks, "Assign", origin)


def card_view(origin: Origin, alert: Alert) -> View:
    """A rundown card, filled in."""
    options = receipt_options(alert)
    receipts: list[Block] = []
    if options:
        boxes = {"type": "checkboxes", "options": options, "initial_options": options}
        receipts = [_input("receipts", "Receipts", boxes, optional=True)]
    blocks = [
        _about(alert),
        _input("slug", "Slug", _text(2 * MAX_SLUG, slug_of(str(alert.payload.get("slug") or "")))),
        _input("segment", "Segment", _text(2 * MAX_SEGMENT, SEGMENT)),
        _input("length", "Length, minutes and seconds", _text(10, LENGTH)),
        _input(
            "hook", f"Hook, at most {MAX_HOOK} characters", _text(2 * MAX_HOOK, hook_of(alert.payload), multiline=True)
        ),
        *receipts,
    ]
    return _view("card", "Rundown card", blocks, "Create card", origin)


def receipt_options(alert: Alert) -> list[Block]:
    """An alert's receipts as choices; the value is the receipt's place in the payload."""
    rows = dicts(alert.payload.get("receipts"))[:MAX_RECEIPTS]
    names = (f"{platform(row.get('source'))}: {row.get('title') or 'no title'}" for row in rows)
    return [_option(name, str(number)) for number, name in enumerate(names)]


def promo_view(origin: Origin, alert: Alert) -> View:
    """The tease lines with their lengths, each editable, and which of them it is to be."""
    lines = texts(packaged(alert.payload).get("teases"))[:LINES]
    blocks = [_about(alert)]
    if not lines:
        blocks += [
            section("No line was written for this alert."),
            _input(
                "line0", f"Your line, at most {MAX_TEASE_WORDS} words and {MAX_TEASE} characters", _text(3 * MAX_TEASE)
            ),
        ]
        return _view("promo", "Promo tease", blocks, "Post in thread", origin)
    options = [_option(f"Line {number}", str(number - 1), measure(line)) for number, line in enumerate(lines, 1)]
    radio = {"type": "radio_buttons", "options": options, "initial_option": options[0]}
    blocks.append(_input("which", "Which line", radio))
    blocks += [
        _input(f"line{number}", f"Line {number + 1} ({measure(line)})", _text(3 * MAX_TEASE, line), optional=True)
        for number, line in enumerate(lines)
    ]
    note = f"At most {MAX_TEASE_WORDS} words and {MAX_TEASE} characters. The chosen line goes into the alert's thread."
    return _view("promo", "Promo tease", [*blocks, context(note)], "Post in thread", origin)


def measure(line: str) -> str:
    """``12 words, 68 characters``."""
    words, characters = len(line.split()), len(line)
    return f"{words} word{'' if words == 1 else 's'}, {characters} character{'' if characters == 1 else 's'}"


def slug_of(text: str) -> str:
    """``text`` as a card's slug may be: letters and digits with single hyphens between them."""
    return "-".join(re.findall(r"[^\W_]+", text.lower()))[:MAX_SLUG].strip("-")


def about(alert: Alert) -> str:
    """The alert in one line."""
    return f"{alert.payload.get('name') or f'entity {alert.entity_id}'}: {alert.why}"


def _about(alert: Alert) -> Block:
    mode = str(alert.payload.get("mode") or "")
    return section(f"{mode.upper()} {about(alert)}" if mode in {"demo", "replay"} else about(alert))


def _view(callback: str, title: str, blocks: Sequence[Block], submit: str = "", origin: Origin | None = None) -> View:
    view = {
        "type": "modal", "callback_id": callback, "title": plain(title, MAX_MODAL_TITLE), "blocks": list(blocks)[:100],
        "close": plain("Cancel" if submit else "Close", MAX_MODAL_TITLE),
    }  # fmt: skip
    if submit:
        view["submit"] = plain(submit, MAX_MODAL_TITLE)
    return {**view, "private_metadata": origin.private()} if origin else view


def _input(block: str, label: str, element: Block, *, optional: bool = False) -> Block:
    return {
        "type": "input", "block_id": block, "label": plain(label, MAX_LABEL), "optional": optional,
        "element": {"action_id": "it", **element},
    }  # fmt: skip


def _text(most: int, filled: str = "", *, multiline: bool = False) -> Block:
    """A field for text; ``filled`` is cut to what the field itself takes."""
    element: Block = {"type": "plain_text_input", "multiline": multiline, "max_length": most}
    shown = cut(filled, most)
    return {**element, "initial_value": shown} if shown else element


def _option(text: str, value: str, description: str = "") -> Block:
    option: Block = {"text": plain(text, MAX_OPTION), "value": value}
    return {**option, "description": plain(description, MAX_OPTION)} if description else option
