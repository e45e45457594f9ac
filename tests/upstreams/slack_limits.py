"""Slack's own checks on messages and views, and what a text in them would do: ping somebody, link somewhere."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Part = Mapping[str, Any]
PING = re.compile(r"<[!@#][^>]*>")
LINK = re.compile(r"<(https?:[^|>]*)[|>]")
MESSAGE_BLOCKS = {"header", "section", "context", "actions", "divider"}
MOST_OPTIONS = {"radio_buttons": 10, "checkboxes": 10, "static_select": 100, "overflow": 5}


def check(arguments: Part) -> str:
    """Slack's complaint about a message; empty where it takes it."""
    blocks = arguments.get("blocks") or []
    if not arguments.get("text") and not blocks:
        return "no_text"
    if len(str(arguments.get("text") or "")) > 40_000:
        return "msg_too_long"
    fits = len(blocks) <= 50 and all(block.get("type") in MESSAGE_BLOCKS for block in blocks)
    return "" if fits and _blocks_fit(blocks) else "invalid_blocks"


def check_view(view: Part) -> str:
    """Slack's complaint about a modal; empty where it takes it."""
    blocks = view.get("blocks") or []
    takes_input = any(block.get("type") == "input" for block in blocks)
    wrong = [
        view.get("type") != "modal",
        not _plain(view.get("title"), 24),
        "submit" in view and not _plain(view["submit"], 24),
        "close" in view and not _plain(view["close"], 24),
        takes_input and "submit" not in view,
        len(str(view.get("private_metadata") or "")) > 3000,
        len(str(view.get("callback_id") or "")) > 255,
        not 1 <= len(blocks) <= 100,
        len(json.dumps(view)) > 250_000,
        any(block.get("type") not in MESSAGE_BLOCKS | {"input"} for block in blocks),
    ]
    return "invalid_arguments" if any(wrong) or not _blocks_fit(blocks) else ""


def _blocks_fit(blocks: list[dict[str, Any]]) -> bool:
    ids = [block["block_id"] for block in blocks if "block_id" in block]
    unique = len(ids) == len(set(ids)) and all(1 <= len(name) <= 255 for name in ids)
    return unique and all(_block_fits(block) for block in blocks)


def _block_fits(block: Part) -> bool:
    kind = block["type"]
    if kind == "header":
        return _plain(block.get("text"), 150)
    if kind == "section":
        fields, more = block.get("fields") or [], block.get("accessory")
        texts = _text(block.get("text"), 3000) and len(fields) <= 10 and all(_text(part, 2000) for part in fields)
        return texts and (more is None or _element_fits(more))
    if kind == "context":
        return 1 <= len(block["elements"]) <= 10 and all(_text(part, 3000) for part in block["elements"])
    if kind == "actions":
        elements = block["elements"]
        names = [element.get("action_id") for element in elements]
        return 1 <= len(elements) <= 25 and len(names) == len(set(names)) and all(map(_element_fits, elements))
    return kind == "divider" or (_plain(block.get("label"), 2000) and _element_fits(block["element"]))


def _element_fits(element: Part) -> bool:
    check_kind = ELEMENTS.get(str(element.get("type")))
    return check_kind is not None and 1 <= len(str(element.get("action_id") or "")) <= 255 and check_kind(element)


def _button(element: Part) -> bool:
    value, url = element.get("value", ""), element.get("url", "")
    return _plain(element.get("text"), 75) and len(value) <= 2000 and len(url) <= 3000


def _input_text(element: Part) -> bool:
    most, filled = element.get("max_length", 3000), element.get("initial_value", "x")
    return bool(1 <= most <= 3000 and 1 <= _size(filled) <= most)


def _choice(element: Part) -> bool:
    options = element.get("options") or []
    firsts = element.get("initial_options") or ([element["initial_option"]] if "initial_option" in element else [])
    fits = all(
        _text(option.get("text"), 75) and 1 <= len(option["value"]) <= 150
        and ("description" not in option or _text(option["description"], 75)) for option in options
    )  # fmt: skip
    values = [option["value"] for option in options]
    unique = len(values) == len(set(values))
    return (
        fits and unique and 1 <= len(options) <= MOST_OPTIONS[element["type"]] and all(one in options for one in firsts)
    )


ELEMENTS: dict[str, Callable[[Part], bool]] = {
    "button": _button, "plain_text_input": _input_text, "users_select": lambda _: True,
    "datetimepicker": lambda element: isinstance(element.get("initial_date_time", 0), int),
    "radio_buttons": _choice, "checkboxes": _choice, "static_select": _choice,
}  # fmt: skip


def _plain(part: Part | None, most: int) -> bool:
    return part is not None and part.get("type") == "plain_text" and _text(part, most)


def _text(part: Part | None, most: int) -> bool:
    return part is not None and part["type"] in {"plain_text", "mrkdwn"} and 1 <= _size(part["text"]) <= most


def _size(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def marked(value: object) -> Iterator[str]:
    """Every text that Slack reads as its markup."""
    if isinstance(value, Mapping):
        if value.get("type") == "mrkdwn":
            yield str(value["text"])
        for part in value.values():
            yield from marked(part)
    elif isinstance(value, list):
        for part in value:
            yield from marked(part)


def pings(message: Part) -> list[str]:
    """What in a message or view would ping somebody."""
    texts = [str(message.get("text") or ""), *marked(message.get("blocks"))]
    return [hit for text in texts for hit in PING.findall(text)]


def links(message: Part) -> list[str]:
    """Where a message or view links to."""
    texts = [str(message.get("text") or ""), *marked(message.get("blocks"))]
    return [hit for text in texts for hit in LINK.findall(text)]
