"""The strip at the foot of every list page: how each source is doing, in a word."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from heatmap_app.pages.health_strip import SIGNS
from heatmap_app.pages.words import Times, platform, span
from heatmap_app.reader import StoreReader
from pipelines.errors import StoreError
from pipelines.store.facts import skew_words
from pipelines.view import SourceHealth


@dataclass(frozen=True, slots=True)
class Light:
    """One source in the strip: its sign, name and state in words."""

    sign: str
    name: str
    words: str
    state: str
    line: str


def lights(sources: Iterable[SourceHealth], times: Times, now: datetime) -> list[Light]:
    """The strip: ``Reddit 40 s``, ``TikTok throttled until 14:40``."""
    return [
        Light(SIGNS[one.state], platform(one.source), short(one, times, now), one.state, one.line) for one in sources
    ]


def short(one: SourceHealth, times: Times, now: datetime) -> str:
    """A source's state in the words of RELIABILITY 2, with its time."""
    age = span(now - one.last_success) if one.last_success else ""
    match one.state:
        case "live":
            return age or "live"
        case "delayed":
            return f"delayed, {age}" if age else "delayed"
        case "throttled" | "paused":
            return f"{one.state} until {times.near(one.until, now)}" if one.until else one.state
        case "down":
            return f"down, next try {times.near(one.next_poll, now)}" if one.next_poll else "down"
        case "not_configured":
            return "not configured"
    return "waiting"


def clock_light(skew_s: float) -> list[Light]:
    """A light where the database's clock and this machine's are minutes apart; none while they agree."""
    words = skew_words(skew_s)
    return [Light(SIGNS["delayed"], "Clocks", f"{abs(skew_s) / 60:.0f} min apart", "delayed", words)] if words else []


def strip_of(reader: StoreReader, times: Times) -> list[Light]:
    """The strip from the store; a light of its own where the database does not answer. Blocks on the database."""
    try:
        found = lights(reader.sources(), times, reader.clock.now())
        return [*found, *clock_light(reader.store.pulse().skew)]
    except StoreError as error:
        return [Light("\u2715", "Database", "not answering", "down", str(error))]
