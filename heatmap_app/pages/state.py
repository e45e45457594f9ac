"""What one visitor is looking at, and its form in the address: ``?entity=slug&hour=...&color=...&velocity=1``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

from heatmap_app.pages.reader import Filters
from heatmap_app.plots import COLOURS, Colour
from pipelines.model import SOURCES, Domain

DOMAINS = ("default", "all", *(str(domain) for domain in Domain))
"""``default`` is entertainment and unclassified."""


@dataclass(frozen=True, slots=True)
class ViewState:
    """Everything a link restores. ``hour`` is the UTC start of a clock hour; it and ``source`` narrow the receipts."""

    entity: str | None = None
    hour: datetime | None = None
    source: str | None = None
    colour: Colour = "heat"
    velocity: bool = False
    spread: bool = False
    domain: str = "default"

    def filters(self, min_velocity: float, min_spread: int) -> Filters:
        """The board this state asks for, given the gates' thresholds."""
        domains = Filters().domains if self.domain == "default" else None if self.domain == "all" else (self.domain,)
        return Filters(
            min_velocity=min_velocity if self.velocity else None,
            min_spread=min_spread if self.spread else None,
            domains=domains,
        )

    def query(self) -> str:
        """The address's query, only what differs from the default: ``""`` or ``"?..."``."""
        pairs = {
            "entity": self.entity,
            "hour": self.hour.strftime("%Y-%m-%dT%H:%MZ") if self.hour else None,
            "source": self.source,
            "color": self.colour if self.colour != "heat" else None,
            "velocity": "1" if self.velocity else None,
            "spread": "1" if self.spread else None,
            "domain": self.domain if self.domain != "default" else None,
        }
        text = urlencode({key: value for key, value in pairs.items() if value})
        return f"?{text}" if text else ""


def from_query(query: str) -> ViewState:
    """The state a link asks for; whatever is unknown or malformed in it is left at its default."""
    given = dict(parse_qsl(query.removeprefix("?")[:2000]))
    state = ViewState()
    state = change(state, "colour", given.get("color"))
    state = change(state, "domain", given.get("domain"))
    state = change(state, "velocity", given.get("velocity") == "1")
    state = change(state, "spread", given.get("spread") == "1")
    state = change(state, "entity", given.get("entity"))
    if state.entity:
        state = change(state, "hour", given.get("hour"))
        state = change(state, "source", given.get("source"))
    return state


def change(state: ViewState, field: str, value: Any) -> ViewState:
    """``state`` with ``field`` set to what the browser sent, or unchanged where that is not a possible value."""
    match field, value:
        case "colour", str() if value in COLOURS:
            return replace(state, colour=value)
        case "domain", str() if value in DOMAINS:
            return replace(state, domain=value)
        case (("velocity" | "spread"), bool()):
            return replace(state, **{field: value})  # type: ignore[arg-type]  # both fields are bool
        case "source", None:
            return replace(state, source=None)
        case "source", str() if value in SOURCES:
            return replace(state, source=value)
        case "hour", None:
            return replace(state, hour=None)
        case "hour", str():
            return replace(state, hour=_hour(value))
        case "entity", None:
            return replace(state, entity=None, hour=None, source=None)
        case "entity", str() if 0 < len(value) <= 200:
            return replace(state, entity=value, hour=None, source=None)
    return state


def _hour(text: str) -> datetime | None:
    try:
        instant = datetime.fromisoformat(text.strip().replace(" ", "+"))
    except ValueError:
        return None
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=UTC)
    try:
        return instant.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    except (OverflowError, ValueError):
        return None
