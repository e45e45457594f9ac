"""What the alert pages show, from rows of the store: plain values for the templates, nothing escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from heatmap_app.pages.words import platform
from heatmap_app.runtime import Runtime
from heatmap_app.web.common import utc_now
from pipelines import read
from pipelines.alert import actions
from pipelines.alert.words import confidence_words
from pipelines.outbox import DeliveryState
from pipelines.read import alert_words
from pipelines.read.items import calibrated_of
from pipelines.read.kpis import AlertLead, alert_leads

SEGMENTS = ("A block", "B block", "C block", "Digital", "Social")
CARD_SECONDS = 45
ACTIONS = {
    "assign": "Assigned", "unassign": "Taken back", "card": "Rundown card", "promo": "Promo tease", "vote": "Vote",
    "source-fault": "Source fault", "resend": "Queued again",
}  # fmt: skip
INSTANT = timedelta(microseconds=1)


def rows_of(runtime: Runtime, rows: Sequence[Mapping[str, Any]], now: datetime) -> list[dict[str, Any]]:
    """Alerts as the list shows them; ``now`` is the world's time. Raises :class:`StoreError`."""
    leads = alert_leads(runtime.store, runtime.settings.kpis, [row["id"] for row in rows], now) if rows else {}
    return [row_of(row, leads.get(row["id"]), now) for row in rows]


def row_of(row: Mapping[str, Any], lead: AlertLead | None, now: datetime) -> dict[str, Any]:
    """One alert as the list shows it."""
    return {
        **row, "name": row["name"] or f"entity {row['entity_id']}", "to": alert_words.delivery(row, utc_now()),
        "lead": alert_words.lead(lead), "check": alert_words.backcheck(row, row["at"], now),
    }  # fmt: skip


def details(runtime: Runtime, row: Mapping[str, Any], now: datetime, user_id: str) -> dict[str, Any]:
    """Everything of one alert. Raises :class:`StoreError`."""
    payload: dict[str, Any] = dict(row["payload"] or {})
    package: dict[str, Any] = payload.get("package") or {}
    did = actions.activity(runtime.store, row["id"])
    decided = runtime.store.decision_rows([row["entity_id"]], row["at"] - INSTANT, row["at"])
    in_slack = runtime.deliverer is not None
    return {
        "row": rows_of(runtime, [row], now)[0], "payload": payload, "package": package, "did": did,
        "mine": did.votes.by.get(user_id), "decision": decided[0] if decided else None,
        "platforms": _platforms(payload), "receipts": _receipts(payload), "card": _card(row, payload, package),
        "segments": SEGMENTS, "log": [_logged(entry) for entry in runtime.store.alert_log(row["id"])],
        "can_resend": in_slack and row["delivery"] in (None, DeliveryState.SENT, DeliveryState.DEAD),
        "slack": in_slack, "thread": bool(row["slack_ts"]), "rundown": bool(runtime.settings.slack.rundown_url),
        "gates": runtime.settings.gates,
        "trust": confidence_words(row["confidence"], calibrated_of(payload.get("calibrated"))),
    }  # fmt: skip


def why(runtime: Runtime, q: str, now: datetime) -> dict[str, Any]:
    """Why the name best matching ``q`` did, or did not, alert in the last 24 h; ``found`` None where nobody has it."""
    slug = q
    others: list[Any] = []
    if runtime.store.find(q) is None:
        hits = list(read.search(runtime.store, q, 6))
        slug, others = (hits[0].slug, hits[1:]) if hits else (q, [])
    return {"found": read.why(runtime.store, runtime.settings, slug, now), "others": others}


def _platforms(payload: Mapping[str, Any]) -> list[dict[str, Any]]:
    parts: Mapping[str, Mapping[str, Any]] = payload.get("platforms") or {}
    return [{"name": platform(source), "source": source, **part} for source, part in parts.items()]


def _receipts(payload: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {**receipt, "platform": platform(receipt["source"]), "when": datetime.fromisoformat(receipt["at"])}
        for receipt in payload.get("receipts") or ()
    ]


def _card(row: Mapping[str, Any], payload: Mapping[str, Any], package: Mapping[str, Any]) -> dict[str, Any]:
    """A rundown card filled in from what is known."""
    brief: Mapping[str, Any] = package.get("booking_brief") or {}
    lines = [f"{receipt['title']} {receipt['url'] or ''}".strip() for receipt in payload.get("receipts") or ()]
    return {
        "slug": str(row["slug"] or "")[:60].strip("-"), "length_s": CARD_SECONDS, "receipts": lines,
        "hook": brief.get("hook") or package.get("hook") or payload.get("hook") or "",
    }  # fmt: skip


def _logged(entry: Mapping[str, Any]) -> dict[str, Any]:
    """An audit row in words: when, who, what."""
    detail: Mapping[str, Any] = entry["detail"] or {}
    match entry["action"]:
        case "assign":
            said = f"to {detail.get('who', '?')}" + (f", was {detail['was']}'s" if detail.get("was") else "")
        case "unassign":
            said = f"from {detail.get('was', '?')}"
        case "card":
            said = str(detail.get("slug") or "")
        case "promo":
            said = str(detail.get("text") or "")
        case "vote":
            said = "useful" if detail.get("useful") else "not useful"
        case "source-fault":
            said = "marked" if detail.get("fault") else "mark taken back"
        case _:
            said = ""
    action = ACTIONS.get(entry["action"], str(entry["action"]).replace("_", " ").capitalize())
    return {"at": entry["at"], "who": detail.get("by") or entry["actor"], "action": action, "said": said}
