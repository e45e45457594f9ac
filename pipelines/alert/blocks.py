"""Slack's blocks, pure: text that pings nobody and links nowhere, limits that hold by construction, buttons and links of
our own. Messages and modals are put together from these only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlsplit

from pipelines.alert.words import PLATFORM_NAMES

Block = dict[str, Any]
MAX_HEADER, MAX_SECTION, MAX_TEXT = 150, 3_000, 3_000
MAX_LINK = 1_000
MAX_BUTTON, MAX_LABEL, MAX_OPTION, MAX_PLACEHOLDER, MAX_MODAL_TITLE = 75, 2_000, 75, 150, 24
MAX_PRIVATE = 3_000
TOP_RECEIPTS = 3
_INVISIBLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]+")


def escape(text: str) -> str:
    """Text in which Slack sees no mention, link, or entity."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def cut(text: str, most: int) -> str:
    """``text`` in one line of at most ``most`` characters, ending in "..." where something is missing."""
    line = " ".join(_INVISIBLE.sub(" ", text[: 4 * MAX_TEXT]).encode("utf-8", "replace").decode("utf-8").split())
    if _size(line) <= most:
        return line
    while _size(line) > most - 3:
        line = line[: max(1, len(line) - max(1, (_size(line) - most + 3) // 10))]
    return line.rstrip() + "..."


def _size(text: str) -> int:
    """Characters as Slack may count them at worst: escaped, an emoji as two."""
    return len(escape(text).encode("utf-16-le")) // 2


def safe_link(url: str | None) -> str | None:
    """``url`` where it is an http(s) address that cannot end a Slack link early, else None."""
    if not url or len(url) > MAX_LINK:
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username is not None:
        return None
    quoted = quote(url, safe="%/:=&?~#+!$,;'@()*[]-._")
    return quoted if len(escape(quoted)) <= MAX_LINK else None


def page_link(public_url: str, path: str, *parts: str) -> str | None:
    """An address of this product, escaped: ``path`` with its ``{}`` filled by quoted ``parts``; None without a base."""
    base = safe_link(public_url)
    quoted = [quote(part[:200].encode("utf-8", "replace").decode("utf-8"), safe="") for part in parts]
    return escape(base.rstrip("/") + path.format(*quoted)) if base else None


def plain(text: str, most: int) -> Block:
    """A plain_text object: Slack shows it as it is. ``emoji`` off, so that ``:name:`` stays text too."""
    return {"type": "plain_text", "text": cut(text, most) or "-", "emoji": False}


def header(text: str) -> Block:
    """A headline."""
    return {"type": "header", "text": plain(text, MAX_HEADER)}


def section(text: str, **more: Any) -> Block:
    """A paragraph of plain text."""
    return {"type": "section", "text": plain(text, MAX_SECTION), **more}


def context(text: str) -> Block:
    """Small print."""
    return {"type": "context", "elements": [plain(text, MAX_SECTION // 2)]}


def links(pairs: Sequence[tuple[str | None, str]]) -> list[Block]:
    """One line of links of our own: (escaped address, label of ours); those without an address are left out."""
    shown = [f"<{address}|{label}>" for address, label in pairs if address]
    return [{"type": "section", "text": {"type": "mrkdwn", "text": "  |  ".join(shown)}}] if shown else []


def button(text: str, action: str, value: str, **more: Any) -> Block:
    """A button; ``action`` is its action_id, ``value`` comes back with the press."""
    return {"type": "button", "action_id": action, "value": value, "text": plain(text, MAX_BUTTON), **more}


def receipt(text: str, url: object, source: object) -> Block:
    """A receipt: plain text, and its link in a field of its own under a label of ours."""
    block = section(text)
    link, place = safe_link(url if isinstance(url, str) else None), platform(source)
    if link:
        block["fields"] = [{"type": "mrkdwn", "text": f"<{escape(link)}|Open on {escape(cut(place, 40))}>"}]
    return block


def platform(source: object) -> str:
    """A source's name on screen."""
    return PLATFORM_NAMES.get(str(source), str(source))


def best_receipts(payload: Mapping[str, Any], most: int = TOP_RECEIPTS) -> list[Mapping[str, Any]]:
    """An alert's receipts: the first of each platform, then the rest as they come."""
    rows = dicts(payload.get("receipts"))
    first = {str(row.get("source")): number for number, row in reversed(list(enumerate(rows)))}
    chosen = sorted(first.values())
    rest = [number for number in range(len(rows)) if number not in chosen]
    return [rows[number] for number in [*chosen, *rest][:most]]


def dicts(value: object) -> list[Mapping[str, Any]]:
    """The mappings in a list from JSON; nothing where it is none."""
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list) else []


def texts(value: object) -> list[str]:
    """The texts in a list from JSON."""
    return [part for part in value if isinstance(part, str) and part.strip()] if isinstance(value, list | tuple) else []


def packaged(payload: Mapping[str, Any]) -> Mapping[str, Any]:
    """The action package of an alert's payload; empty where it has none."""
    package = payload.get("package")
    return package if isinstance(package, Mapping) else {}


def hook_of(payload: Mapping[str, Any]) -> str:
    """The hook: the package's, else the one made with the alert."""
    return str(packaged(payload).get("hook") or payload.get("hook") or "")
