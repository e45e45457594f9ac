"""What one visitor is looking at, and its form in the address.

``?entity=slug&hour=...&source=...&color=...&velocity=1&spread=1&domain=...&at=...&window=48&platform=reddit,tiktok
&compare=a,b&rows=50``: only what differs from the default stands there, and every link restores the whole view.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

from heatmap_app.pages.reader import Filters
from heatmap_app.plots import COLOURS, Colour
from pipelines.model import PLATFORMS, SOURCES, Domain
from pipelines.view import RECEIPT_ORDERS, ReceiptOrder

DOMAINS = ("default", "all", *(str(domain) for domain in Domain))
"""``default`` is entertainment and unclassified."""

WINDOWS = (12, 24, 48, 168)
"""Hours the map may show."""

ROWS = (20, 50, 100, 200)
"""How many rows the board may show."""

COMPARED = 4
SLUG_LENGTH = 200
QUERY_LENGTH = 12_000
"""Longest query read: five slugs of a script that takes three bytes a letter."""


@dataclass(frozen=True, slots=True)
class ViewState:
    """Everything a link restores.

    ``hour`` is the UTC start of a clock hour; it and ``source`` narrow the receipts. ``at`` (UTC) goes back to the last
    scoring poll up to then, None is live. ``window`` counts hours. ``platforms``: rows seen on any of these, in the order
    of :data:`pipelines.model.PLATFORMS`; empty means no filter. ``compare``: slugs shown on one timeline, at most
    :data:`COMPARED`. ``watched``: the desk's watchlist only. ``receipts``: the order they are sorted in.
    """

    entity: str | None = None
    hour: datetime | None = None
    source: str | None = None
    colour: Colour = "heat"
    velocity: bool = False
    spread: bool = False
    domain: str = "default"
    at: datetime | None = None
    window: int = 24
    platforms: tuple[str, ...] = ()
    compare: tuple[str, ...] = ()
    rows: int = 20
    watched: bool = False
    receipts: ReceiptOrder = "newest"

    def filters(self, min_velocity: float, min_spread: int) -> Filters:
        """The board this state asks for, given the gates' thresholds."""
        domains = Filters().domains if self.domain == "default" else None if self.domain == "all" else (self.domain,)
        return Filters(
            limit=self.rows,
            min_velocity=min_velocity if self.velocity else None,
            min_spread=min_spread if self.spread else None,
            domains=domains,
            platforms=self.platforms or None,
            watched=self.watched,
            hours=self.window,
            at=self.at,
        )

    def query(self) -> str:
        """The address's query, only what differs from the default: ``""`` or ``"?..."``."""
        plain = ViewState()
        pairs = {
            "entity": self.entity,
            "hour": self.hour.strftime("%Y-%m-%dT%H:%MZ") if self.hour else None,
            "source": self.source,
            "color": self.colour if self.colour != plain.colour else None,
            "velocity": "1" if self.velocity else None,
            "spread": "1" if self.spread else None,
            "domain": self.domain if self.domain != plain.domain else None,
            "at": self.at.isoformat().replace("+00:00", "Z") if self.at else None,
            "window": str(self.window) if self.window != plain.window else None,
            "platform": ",".join(self.platforms),
            "compare": ",".join(self.compare),
            "rows": str(self.rows) if self.rows != plain.rows else None,
            "watched": "1" if self.watched else None,
            "receipts": self.receipts if self.entity and self.receipts != plain.receipts else None,
        }
        text = urlencode({key: value for key, value in pairs.items() if value}, safe=",:")
        return f"?{text}" if text else ""


def from_query(query: str) -> ViewState:
    """The state a link asks for; whatever is unknown or malformed in it is left at its default."""
    given = dict(parse_qsl(query.removeprefix("?")[:QUERY_LENGTH]))
    state = ViewState()
    state = change(state, "colour", given.get("color"))
    state = change(state, "domain", given.get("domain"))
    state = change(state, "velocity", given.get("velocity") == "1")
    state = change(state, "spread", given.get("spread") == "1")
    state = change(state, "watched", given.get("watched") == "1")
    state = change(state, "at", given.get("at"))
    state = change(state, "receipts", given.get("receipts"))
    for field in ("window", "rows"):
        state = change(state, field, _number(given.get(field)))
    state = change(state, "platforms", given.get("platform", "").split(","))
    state = change(state, "compare", given.get("compare", "").split(","))
    state = change(state, "entity", given.get("entity"))
    if state.entity:
        state = change(state, "hour", given.get("hour"))
        state = change(state, "source", given.get("source"))
    return state


def change(state: ViewState, field: str, value: Any) -> ViewState:
    """``state`` with ``field`` set to what the browser sent, or unchanged where that is not a possible value.

    ``platforms`` and ``compare`` take lists; what is not possible in them is left out.
    """
    match field, value:
        case "colour", str() if value in COLOURS:
            return replace(state, colour=value)
        case "domain", str() if value in DOMAINS:
            return replace(state, domain=value)
        case (("velocity" | "spread" | "watched"), bool()):
            return replace(state, **{field: value})  # type: ignore[arg-type]  # all three are bool
        case "receipts", str() if value in RECEIPT_ORDERS:
            return replace(state, receipts=value)
        case "source", None:
            return replace(state, source=None)
        case "source", str() if value in SOURCES:
            return replace(state, source=value)
        case "hour", (None | str()):
            return replace(state, hour=_hour(value))
        case "entity", None:
            return replace(state, entity=None, hour=None, source=None)
        case "entity", str() if _slug(value):
            return replace(state, entity=value, hour=None, source=None)
        case _:
            return _change_board(state, field, value)


def _change_board(state: ViewState, field: str, value: Any) -> ViewState:
    """:func:`change` for what the whole board shows."""
    match field, value:
        case "at", (None | str()):
            return replace(state, at=_instant(value))
        case "window", int() if value in WINDOWS and value is not True:
            return replace(state, window=value)
        case "rows", int() if value in ROWS and value is not True:
            return replace(state, rows=value)
        case "platforms", list() | tuple():
            return replace(state, platforms=tuple(name for name in PLATFORMS if name in value))
        case "compare", list() | tuple():
            slugs = (slug for slug in value if isinstance(slug, str) and _slug(slug) and "," not in slug)
            return replace(state, compare=tuple(dict.fromkeys(slugs))[:COMPARED])
    return state


def _slug(text: str) -> bool:
    return 0 < len(text) <= SLUG_LENGTH


def _number(text: str | None) -> int | None:
    """A short plain number, else None."""
    return int(text) if text and len(text) <= 4 and text.isascii() and text.isdigit() else None


def _hour(text: str | None) -> datetime | None:
    instant = _instant(text)
    return instant and instant.replace(minute=0, second=0, microsecond=0)


def _instant(text: str | None) -> datetime | None:
    """An RFC 3339 instant as UTC; without a zone it counts as UTC. None for anything else."""
    if text is None:
        return None
    try:
        instant = datetime.fromisoformat(text.strip().replace(" ", "+"))
        return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
