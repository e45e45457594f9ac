"""The research pack in a modal, read only: the alert's action package in full, and the link to the whole pack. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipelines.alert.blocks import (
    Block,
    best_receipts,
    context,
    cut,
    header,
    hook_of,
    links,
    packaged,
    page_link,
    platform,
    receipt,
    section,
    texts,
)
from pipelines.alert.modals import View, about, measure, pack_frame
from pipelines.outbox import Alert

MAX_PART, MAX_BLOCKS = 1_000, 95
UNCONFIRMED = "Unconfirmed: no trade has the story. Say so."
CAREFUL = "A death or an accusation is in play: attribute every word."


def pack_view(alert: Alert, public_url: str) -> View:
    """Summary, angles, lines, receipts, and where the whole pack is."""
    package = packaged(alert.payload)
    blocks = [header(str(alert.payload.get("name") or f"entity {alert.entity_id}")), section(about(alert))]
    if hook_of(alert.payload):
        blocks.append(section(hook_of(alert.payload)))
    warnings = [text for key, text in (("unconfirmed", UNCONFIRMED), ("careful", CAREFUL)) if package.get(key)]
    blocks += [context(warning) for warning in warnings]
    blocks += _brief(package)
    for receipt_row in best_receipts(alert.payload, 10):
        title = cut(str(receipt_row.get("title") or "no title"), MAX_PART // 2)
        text = f"{platform(receipt_row.get('source'))}: {title}"
        blocks.append(receipt(text, receipt_row.get("url"), receipt_row.get("source")))
    slug = alert.payload.get("slug")
    link = page_link(public_url, "/research/{}", str(slug)) if slug else None
    where = links([(link, "Open the whole pack")])
    return pack_frame([*blocks[: MAX_BLOCKS - len(where)], *where])


def _brief(package: Mapping[str, Any]) -> list[Block]:
    """The package's texts under their names; nothing for what it does not have."""
    brief = package.get("booking_brief")
    found = brief if isinstance(brief, Mapping) else {}
    blocks = _part("Angles", texts(found.get("angles")))
    related = texts(found.get("related"))
    blocks += _part("Related names", [", ".join(related)] if related else [])
    blocks += _part("Teases", [f"{line} ({measure(line)})" for line in texts(package.get("teases"))])
    for key, name in (("push", "Push alert"), ("social", "Social tease")):
        text = package.get(key)
        blocks += _part(name, [text] if isinstance(text, str) and text else [])
    blocks += _part("Lower third", texts(package.get("lower_third")))
    return blocks + _part("Asset cues", texts(package.get("asset_cues")))


def _part(name: str, lines: list[str]) -> list[Block]:
    return [context(name), *(section(cut(line, MAX_PART)) for line in lines[:10])] if lines else []
