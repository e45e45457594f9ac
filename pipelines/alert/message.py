"""An alert as a Slack message (PRODUCT 7), pure. Every text from outside is plain text or escaped, so that it can ping
nobody and link nowhere, and every limit of Slack is kept by construction: a name or headline can never make a message
invalid.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlsplit

from pipelines.alert.words import PLATFORM_NAMES, ago, hhmm, trades_line
from pipelines.outbox import Alert, Claim

MAX_HEADER, MAX_SECTION, MAX_TEXT = 150, 3_000, 3_000
MAX_NAME, MAX_TITLE, MAX_LINK = 100, 200, 1_000
"""Ours, small enough that what is put together from them stays below Slack's."""
DIGEST_SHOWN = 20
EVENT_TYPE = "et_heatmap_alert"
RESENT = "Sent again after an interruption; it may repeat one above."
_INVISIBLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]+")


@dataclass(frozen=True, slots=True)
class Message:
    """What is posted. ``text`` is what a notification shows; ``key`` finds the message again in the history."""

    text: str
    blocks: tuple[dict[str, Any], ...]
    key: str

    @property
    def metadata(self) -> dict[str, Any]:
        """The message's metadata: how a try that ended unseen is found again."""
        return {"event_type": EVENT_TYPE, "event_payload": {"key": self.key}}


def make_message(claim: Claim, public_url: str = "") -> Message:
    """The message for what was claimed: one alert, or a digest of several."""
    blocks = _single(claim.alerts[0], public_url) if len(claim.alerts) == 1 else _digest(claim.alerts, public_url)
    if claim.marked:
        blocks.append(_context(RESENT))
    first = claim.alerts[0]
    title = _title(first) if len(claim.alerts) == 1 else _digest_title(claim.alerts)
    text = f"{title}\n{first.why}" if len(claim.alerts) == 1 else title
    return Message(escape(cut(text, MAX_TEXT // 6)), tuple(blocks), claim.key)


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


def _mode(alert: Alert) -> str:
    mode = str(alert.payload.get("mode") or "")
    return f"{mode.upper()} " if mode in {"demo", "replay"} else ""


def _name(alert: Alert) -> str:
    return cut(str(alert.payload.get("name") or f"entity {alert.entity_id}"), MAX_NAME)


def _title(alert: Alert) -> str:
    return cut(f"{_mode(alert)}[ALERT] {_name(alert)} spiking now", MAX_HEADER)


def _single(alert: Alert, public_url: str) -> list[dict[str, Any]]:
    blocks = [{"type": "header", "text": _plain(_title(alert), MAX_HEADER)}, _section(_plain(alert.why, MAX_SECTION))]
    hook = str(alert.payload.get("hook") or "")
    if hook:
        blocks.append(_section(_plain(hook, MAX_SECTION)))
    blocks += [_receipt(row, alert.at) for row in _dicts(alert.payload.get("receipts"))[:3]]
    blocks.append(_context(_status(alert)))
    link = _page(alert, public_url)
    if link:
        blocks.append(_section({"type": "mrkdwn", "text": f"<{link}|Open in ET Heatmap>"}))
    return blocks


def _status(alert: Alert) -> str:
    first = alert.payload.get("trades_at")
    trades = trades_line(datetime.fromisoformat(first) if first else None, alert.at)
    note = "DEMO: invented names, nothing here is real. " if alert.payload.get("mode") == "demo" else ""
    note = "REPLAY: a recording, not the present. " if alert.payload.get("mode") == "replay" else note
    return f"{note}{trades[0].upper()}{trades[1:]}. Scored at {hhmm(alert.at)} UTC."


def _receipt(row: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Title, platform, age, link. The title is plain text in a field of its own, the link a label of ours."""
    place = PLATFORM_NAMES.get(str(row.get("source")), str(row.get("source")))
    when = f", {ago(now - datetime.fromisoformat(row['at']))} ago" if row.get("at") else ""
    block = _section(_plain(f"{place}{when}: {cut(str(row.get('title') or ''), MAX_TITLE)}", MAX_SECTION))
    link = safe_link(row.get("url"))
    if link:
        block["fields"] = [{"type": "mrkdwn", "text": f"<{escape(link)}|Open on {escape(cut(place, 40))}>"}]
    return block


def _digest_title(alerts: Sequence[Alert]) -> str:
    return f"{_mode(alerts[0])}[ALERT] {len(alerts)} names spiking now"


def _digest(alerts: Sequence[Alert], public_url: str) -> list[dict[str, Any]]:
    """The hottest of many in one message, and where the rest is."""
    hottest = sorted(alerts, key=lambda alert: (-alert.heat, alert.id))
    blocks: list[dict[str, Any]] = [{"type": "header", "text": _plain(_digest_title(alerts), MAX_HEADER)}]
    for alert in hottest[:DIGEST_SHOWN]:
        block = _section(_plain(f"{_name(alert)}: {alert.why}", MAX_SECTION))
        link = _page(alert, public_url)
        if link:
            block["fields"] = [{"type": "mrkdwn", "text": f"<{link}|Open>"}]
        blocks.append(block)
    rest = len(hottest) - DIGEST_SHOWN
    more = f"{rest} more in the list of alerts. " if rest > 0 else ""
    blocks.append(_context(more + _status(hottest[0])))
    base = safe_link(public_url)
    if base:
        blocks.append(_section({"type": "mrkdwn", "text": f"<{escape(base.rstrip('/'))}/|Open ET Heatmap>"}))
    return blocks


def _page(alert: Alert, public_url: str) -> str | None:
    base, slug = safe_link(public_url), alert.payload.get("slug")
    return escape(f"{base.rstrip('/')}/?entity={quote(str(slug)[:200], safe='')}") if base and slug else None


def _dicts(value: object) -> list[Mapping[str, Any]]:
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list) else []


def _plain(text: str, most: int) -> dict[str, Any]:
    """A plain_text object: Slack shows it as it is. ``emoji`` off, so that ``:name:`` stays text too."""
    return {"type": "plain_text", "text": cut(text, most) or "-", "emoji": False}


def _section(text: dict[str, Any]) -> dict[str, Any]:
    return {"type": "section", "text": text}


def _context(text: str) -> dict[str, Any]:
    return {"type": "context", "elements": [_plain(text, MAX_SECTION // 2)]}
