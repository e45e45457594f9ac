"""A chosen tease line as a reply under its alert's message, pure."""

from __future__ import annotations

from pipelines.alert.blocks import MAX_HEADER, context, cut, escape, section
from pipelines.alert.message import MAX_NAME, Message
from pipelines.outbox import Claim


def make_promo(claim: Claim) -> Message:
    """The reply for a claim of ``pipelines.store.promos``: whose line it is, and the line."""
    payload = claim.alerts[0].payload
    promo, mode = payload["promo"], str(payload.get("mode") or "")
    name = cut(str(payload.get("name") or "this name"), MAX_NAME)
    stamp = f"{mode.upper()}: " if mode in {"demo", "replay"} else ""
    head = f"{stamp}promo tease for {name}, chosen by {cut(str(promo['by']), MAX_NAME)}"
    head = head[:1].upper() + head[1:]
    blocks = (context(head), section(str(promo["text"])))
    return Message(escape(cut(f"{head}: {promo['text']}", 2 * MAX_HEADER)), blocks, claim.key, str(promo["thread"]))
