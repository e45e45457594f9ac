"""What became of an alert, in words (SCREENS 4). Pure: a row of ``Store.alert_list`` and the present in, words out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from pipelines.outbox import DeliveryState
from pipelines.read.kpis import AlertLead

GOOD_LEAD_H = 2.0
"""The target (SCORING 6)."""
WARM_UP = "Found while the past was read in: nobody was told, and no KPI counts it."

Tone = Literal["", "good", "warn", "bad"]


@dataclass(frozen=True, slots=True)
class Said:
    """A word with its tone, a time that belongs to it, and a sentence: what it means and what to do."""

    word: str
    tone: Tone = ""
    at: datetime | None = None
    line: str = ""


def delivery(row: Mapping[str, Any], now: datetime) -> Said:
    """Where an alert's message is; ``now`` is the machine's time, as deliveries are."""
    problem = _sentence(row["last_error"])
    match row["delivery"]:
        case None:
            return Said(
                "Kept",
                line="Kept, not sent: Slack was not set up, or it came while the past was read in. Resend sends it.",
            )
        case DeliveryState.SENT:
            again = " It was sent again after an interruption and may be there twice." if row["marked"] else ""
            return Said("Sent", "good", row["sent_at"], f"In Slack.{again}")
        case DeliveryState.DEAD:
            return Said("Stopped", "bad", line=f"Slack refused it: {problem} Then resend it.")
        case DeliveryState.UNCERTAIN:
            line = f"Nobody said whether it arrived; Slack's history is asked before it goes out again. {problem}"
            return Said("Confirming", "warn", line=line.strip())
        case DeliveryState.SENDING:
            return Said("Sending", "warn", line="On its way to Slack.")
    if row["next_at"] is not None and row["next_at"] > now + timedelta(seconds=5):
        return Said("Waiting until", "warn", row["next_at"], problem or "Slack asked to wait.")
    return Said("Waiting", "warn", line=f"It goes out next. {problem}".strip())


def lead(found: AlertLead | None) -> Said:
    """How far ahead of the trades an alert is; None: an alert of a warm-up, which no KPI measures."""
    if found is None:
        return Said("not measured", line=WARM_UP)
    match found.outcome:
        case "ahead":
            return Said(f"{_hours(found.hours)} ahead", "good" if found.hours >= GOOD_LEAD_H else "", found.trades_at)
        case "trades_first":
            return Said(f"trades had it {_hours(abs(found.hours))} before", "warn", found.trades_at)
        case "open":
            return Said(f"no trade story yet, {_hours(found.hours)}")
    return Said("never covered by the trades")


def backcheck(row: Mapping[str, Any], at: datetime, now: datetime) -> Said:
    """Whether the alert still held in the two hours after it (SCORING 6)."""
    if row.get("state") == "source_fault":
        return Said("source fault", "bad", line="Marked as caused by a source; it counts as a false alert.")
    share = f"{row['held_polls']} of {row['checked_polls']} polls" if row.get("checked_polls") else ""
    if (row.get("payload") or {}).get("warm_up"):
        return Said("not checked", line=WARM_UP)
    line = str(row.get("backcheck_detail") or share).removeprefix("false: ").removeprefix("held ")
    match row.get("backcheck"):
        case "held":
            return Said("held", "good", line=line)
        case "failed":
            return Said("failed", "bad", line=line)
        case "unknown":
            return Said("cannot be told", "warn", line=line or "Too few polls in the two hours after it.")
    due = at + timedelta(hours=2)
    return Said("open", at=due, line="Checked two hours after the alert." if now < due else "Due; checked next.")


def _hours(hours: float) -> str:
    if hours < 1:
        return f"{int(hours * 60)} min"
    return f"{hours:.1f} h" if hours < 48 else f"{hours / 24:.0f} d"


def _sentence(problem: str | None) -> str:
    """An error as a sentence of its own; empty where there is none."""
    line = (problem or "").strip()
    return line if not line or line[-1] in ".!?" else f"{line}."
