"""Times as a sentence says them, always in UTC and saying so."""

from __future__ import annotations

from datetime import UTC, datetime

MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December")  # fmt: skip


def utc(at: datetime) -> datetime:
    """``at`` in UTC; it must be aware."""
    return at.astimezone(UTC)


def clock(at: datetime, now: datetime) -> str:
    """``11:20 UTC``, with the day where it is another than today's: ``3 May, 11:20 UTC``."""
    at, now = utc(at), utc(now)
    day = "" if at.date() == now.date() else f"{at.day} {MONTHS[at.month - 1]}, "
    return f"{day}{at:%H:%M} UTC"


def clock_after(at: datetime, now: datetime) -> str:
    """As :func:`clock`, with the word before it: ``at 11:20 UTC``, ``on 3 May, 11:20 UTC``."""
    word = "at" if utc(at).date() == utc(now).date() else "on"
    return f"{word} {clock(at, now)}"


def age(at: datetime, now: datetime) -> str:
    """``just now``, ``34 min ago``, ``2.1 h ago``, ``3 days ago``; a time to come is now."""
    minutes = max((utc(now) - utc(at)).total_seconds(), 0.0) / 60
    if minutes < 1:
        return "just now"
    if minutes < 90:
        return f"{int(minutes)} min ago"
    if minutes < 48 * 60:
        return f"{minutes / 60:.1f} h ago"
    return f"{int(minutes // (24 * 60))} days ago"
