"""Numbers and times as the desk reads them: short, signed, in the reader's time zone. Text only, nothing escaped."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache
from unicodedata import category, combining, east_asian_width
from zoneinfo import ZoneInfo, available_timezones

PLATFORM_NAMES = {"reddit": "Reddit", "trends": "Trends", "tiktok": "TikTok", "trades": "Trades"}
PLATFORM_LETTERS = {"reddit": "R", "trends": "T", "tiktok": "K"}


def platform(source: str) -> str:
    """A source's name as people write it."""
    return PLATFORM_NAMES.get(source, source.capitalize())


def signed(value: float, digits: int = 1) -> str:
    """``+3.1`` or ``−0.4``, with a real minus."""
    return f"{_rounded(value, digits):+.{digits}f}".replace("-", "−")


def plain(value: float, digits: int = 2) -> str:
    """``1.97`` or ``−0.04``, with a real minus."""
    return f"{_rounded(value, digits):.{digits}f}".replace("-", "−")


def _rounded(value: float, digits: int) -> float:
    """Rounded, and never a zero with a minus."""
    return round(value, digits) + 0.0


def compact(value: float) -> str:
    """``940``, ``22.1k``, ``1.3M``."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.1f}{unit}"
    return f"{value:.0f}"


def span(gap: timedelta) -> str:
    """A length of time: ``40 s``, ``6 min``, ``1 h 27 min``, ``3 days``. Negative counts as nothing."""
    seconds = max(0, int(gap.total_seconds()))
    if seconds < 60:
        return f"{seconds} s"
    minutes = seconds // 60
    if minutes < 60:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {rest} min" if rest and hours < 12 else f"{hours} h"
    return f"{hours // 24} days"


def shortened(text: str, letters: int) -> str:
    """``text`` in the room of so many letters, with an ellipsis where it is cut. Wide letters (Chinese, Japanese, Korean,
    emoji) take two, marks on a letter none."""
    room = letters
    for place, letter in enumerate(text):
        room -= _wide(letter)
        if room < 0:
            return f"{_within(text[:place], letters - 1).rstrip()}…"
    return text


def _within(text: str, room: int) -> str:
    while sum(map(_wide, text)) > room:
        text = text[:-1]
    return text


def _wide(letter: str) -> int:
    if combining(letter) or category(letter) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if east_asian_width(letter) in {"W", "F"} else 1


def listed(names: list[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else ""


@dataclass(frozen=True, slots=True)
class Times:
    """Instants as local text. ``zone`` is the reader's."""

    zone: tzinfo = field(default=UTC)
    name: str = "UTC"

    def local(self, instant: datetime) -> datetime:
        """``instant`` on the reader's clock."""
        return instant.astimezone(self.zone)

    def clock(self, instant: datetime) -> str:
        """``14:08``."""
        return self.local(instant).strftime("%H:%M")

    def clock_seconds(self, instant: datetime) -> str:
        """``14:32:05``."""
        return self.local(instant).strftime("%H:%M:%S")

    def near(self, instant: datetime, now: datetime) -> str:
        """``14:08`` today, ``Sat 14:08`` in the last days, ``2 Nov 14:08`` before."""
        then, today = self.local(instant), self.local(now)
        if then.date() == today.date():
            return then.strftime("%H:%M")
        if abs(today - then) < timedelta(days=6):
            return then.strftime("%a %H:%M")
        text = f"{then.day} {then.strftime('%b')}"
        return f"{text} {then.strftime('%H:%M')}" if then.year == today.year else f"{text} {then.year}"

    def hour(self, start: datetime) -> str:
        """``Sat 14:00–15:00``."""
        end = start + timedelta(hours=1)
        return f"{self.local(start).strftime('%a %H:%M')}–{self.clock(end)}"


@cache
def _zones() -> frozenset[str]:
    """The zones a browser knows too: not what names this machine's own, nor files beside them ("posix/...")."""
    return frozenset(available_timezones() - {"localtime", "Factory"})


def times(zone_name: str | None) -> Times:
    """:class:`Times` for a zone name the browser sent; UTC where there is no such zone."""
    if not zone_name or len(zone_name) > 64 or zone_name not in _zones():
        return Times()
    try:
        return Times(ZoneInfo(zone_name), zone_name)
    except (ValueError, OSError, KeyError):  # unknown, unsafe path, or no zone data on this machine
        return Times()
