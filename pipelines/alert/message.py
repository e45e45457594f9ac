"""An alert as a Slack message (PRODUCT 7), pure. Every text from outside is plain text or escaped, so that it can ping
nobody and link nowhere, and every limit of Slack is kept by construction: a name or headline can never make a message
invalid.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipelines.alert.blocks import (
    MAX_HEADER,
    MAX_TEXT,
    Block,
    best_receipts,
    button,
    context,
    cut,
    escape,
    header,
    hook_of,
    links,
    page_link,
    platform,
    receipt,
    safe_link,
    section,
)
from pipelines.alert.message_state import state_blocks, state_line
from pipelines.alert.words import ago, hhmm, trades_line
from pipelines.outbox import Alert, Claim
from pipelines.people import Activity

__all__ = [
    "DIGEST_SHOWN",
    "EVENT_TYPE",
    "MAX_HEADER",
    "RESENT",
    "Message",
    "cut",
    "escape",
    "make_message",
    "safe_link",
]

MAX_NAME, MAX_TITLE = 100, 200
"""Ours, small enough that what is put together from them stays below Slack's."""
DIGEST_SHOWN = 20
EVENT_TYPE = "et_heatmap_alert"
RESENT = "Sent again after an interruption; it may repeat one above."
ACTIONS = (
    ("Assign Producer", "assign"), ("Create Rundown Card", "card"), ("Promo Tease", "promo"), ("Open Research Pack", "pack"),
)  # fmt: skip
VOTES = (("Useful", "useful"), ("Not useful", "not_useful"))
"""Buttons: what they say, and the action_id that comes back."""


@dataclass(frozen=True, slots=True)
class Message:
    """What is posted. ``text`` is what a notification shows; ``key`` finds the message again in the history;
    ``thread``: the message under which it is posted, if it is a reply."""

    text: str
    blocks: tuple[dict[str, Any], ...]
    key: str
    thread: str = ""

    @property
    def metadata(self) -> dict[str, Any]:
        """The message's metadata: how a try that ended unseen is found again."""
        return {"event_type": EVENT_TYPE, "event_payload": {"key": self.key}}


def make_message(
    claim: Claim, public_url: str = "", activity: Activity | None = None, *, buttons: bool = False,
    digest: Mapping[int, Activity] | None = None,
) -> Message:  # fmt: skip
    """The message for what was claimed: one alert with where it stands (``activity``), or a digest of several
    (``digest``: by alert).

    ``buttons``: whether a press would reach this product; otherwise the message links to the pages.
    """
    first = claim.alerts[0]
    if len(claim.alerts) == 1:
        blocks, title = _single(first, public_url, activity, buttons=buttons), _title(first)
    else:
        blocks, title = _digest(claim.alerts, public_url, digest or {}), _digest_title(claim.alerts)
    if claim.marked:
        blocks.append(context(RESENT))
    text = f"{title}\n{first.why}" if len(claim.alerts) == 1 else title
    return Message(escape(cut(text, MAX_TEXT // 6)), tuple(blocks), claim.key)


def _mode(alert: Alert) -> str:
    mode = str(alert.payload.get("mode") or "")
    return f"{mode.upper()} " if mode in {"demo", "replay"} else ""


def _name(alert: Alert) -> str:
    return cut(str(alert.payload.get("name") or f"entity {alert.entity_id}"), MAX_NAME)


def _title(alert: Alert) -> str:
    return cut(f"{_mode(alert)}[ALERT] {_name(alert)} spiking now", MAX_HEADER)


def _single(alert: Alert, public_url: str, activity: Activity | None, *, buttons: bool) -> list[Block]:
    hook = hook_of(alert.payload)
    blocks = [header(_title(alert)), section(alert.why), *([section(hook)] if hook else [])]
    blocks += [_receipt(row, alert.at) for row in best_receipts(alert.payload)]
    blocks.append(context(_status(alert)))
    if activity is not None:
        blocks += state_blocks(activity, str(alert.id), buttons=buttons)
    if buttons:
        blocks += [_buttons("et_actions", ACTIONS, alert), _buttons("et_votes", VOTES, alert)]
        return blocks + links([(_page(alert, public_url), "Open in ET Heatmap")])
    pack = page_link(public_url, "/research/{}", str(alert.payload["slug"])) if alert.payload.get("slug") else None
    act = page_link(public_url, "/alerts/{}", str(alert.id))
    return blocks + links([(_page(alert, public_url), "Open in ET Heatmap"), (pack, "Research pack"),
                           (act, "Assign, card, tease, vote")])  # fmt: skip


def _buttons(block: str, row: Sequence[tuple[str, str]], alert: Alert) -> Block:
    elements = [button(text, action, str(alert.id)) for text, action in row]
    return {"type": "actions", "block_id": block, "elements": elements}


def _status(alert: Alert) -> str:
    return f"{_note(alert)}{_trades(alert)} Scored at {hhmm(alert.at)} UTC."


def _trades(alert: Alert) -> str:
    first = alert.payload.get("trades_at")
    trades = trades_line(datetime.fromisoformat(first) if first else None, alert.at)
    return f"{trades[0].upper()}{trades[1:]}."


def _note(alert: Alert) -> str:
    note = "DEMO: invented names, nothing here is real. " if alert.payload.get("mode") == "demo" else ""
    return "REPLAY: a recording, not the present. " if alert.payload.get("mode") == "replay" else note


def _receipt(row: Mapping[str, Any], now: datetime) -> Block:
    """Title, platform, age, link. The title is plain text in a field of its own, the link a label of ours."""
    when = f", {ago(now - datetime.fromisoformat(row['at']))} ago" if row.get("at") else ""
    text = f"{platform(row.get('source'))}{when}: {cut(str(row.get('title') or ''), MAX_TITLE)}"
    return receipt(text, row.get("url"), row.get("source"))


def _digest_title(alerts: Sequence[Alert]) -> str:
    return f"{_mode(alerts[0])}[ALERT] {len(alerts)} names spiking now"


def _digest(alerts: Sequence[Alert], public_url: str, states: Mapping[int, Activity]) -> list[Block]:
    """The hottest of many in one message, and where the rest is."""
    hottest = sorted(alerts, key=lambda alert: (-alert.heat, alert.id))
    blocks = [header(_digest_title(alerts))]
    for alert in hottest[:DIGEST_SHOWN]:
        state = state_line(states[alert.id]) if alert.id in states else ""
        block, link = section(f"{_name(alert)}: {alert.why}. {_trades(alert)} {state}"), _page(alert, public_url)
        if link:
            block["fields"] = [{"type": "mrkdwn", "text": f"<{link}|Open>"}]
        blocks.append(block)
    rest = len(hottest) - DIGEST_SHOWN
    more = f"{rest} more in the list of alerts. " if rest > 0 else ""
    scored = f"Scored at {hhmm(max(alert.at for alert in alerts))} UTC."
    blocks.append(context(f"{more}{_note(hottest[0])}{scored}"))
    return blocks + links(
        [(page_link(public_url, "/"), "Open ET Heatmap"), (page_link(public_url, "/alerts"), "All alerts")]
    )


def _page(alert: Alert, public_url: str) -> str | None:
    slug = alert.payload.get("slug")
    return page_link(public_url, "/?entity={}", str(slug)) if slug else None
