"""What one visitor is looking at, and its form in the address.

``?entity=slug&hour=...&source=...&color=...&velocity=1&spread=1&domain=...&at=...&window=48&platform=reddit,tiktok
&compare=a,b&rows=50``: only what differs from the default stands there, and every link restores the whole view.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

import param

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
    """``state`` with ``field`` set to what the browser sent, or unchanged where :class:`Parts` refuses it.

    ``platforms`` and ``compare`` take lists; what is not possible in them is left out. Another ``entity`` starts with all
    its receipts.
    """
    if field not in _FIELDS:
        return state
    try:
        read = _READ[field](value) if field in _READ else value
        told: Any = getattr(Parts(**{field: read}), field)  # type: ignore[no-untyped-call]  # param types it half
    except (ValueError, TypeError):  # param's refusals
        return state
    if field == "entity":
        return replace(state, entity=told, hour=None, source=None)
    changed: dict[str, Any] = {field: tuple(told) if isinstance(told, list) else told}
    return replace(state, **changed)


class Parts(param.Parameterized):
    """What each part of a :class:`ViewState` may be; anything else raises :class:`ValueError`."""

    entity: Any = param.String(None, allow_None=True, regex=rf"(?s).{{1,{SLUG_LENGTH}}}\Z", doc="a slug")
    hour: Any = param.Date(None, allow_None=True, doc="UTC start of a clock hour")
    source: Any = param.Selector(default=None, objects=list(SOURCES), allow_None=True)
    colour: Any = param.Selector(default="heat", objects=list(COLOURS))
    velocity: Any = param.Boolean(False)
    spread: Any = param.Boolean(False)
    domain: Any = param.Selector(default="default", objects=list(DOMAINS))
    at: Any = param.Date(None, allow_None=True, doc="UTC; None is live")
    window: Any = param.Selector(default=24, objects=list(WINDOWS), doc="hours")
    platforms: Any = param.ListSelector(default=[], objects=list(PLATFORMS))
    compare: Any = param.List([], item_type=str, bounds=(0, COMPARED), doc="slugs")
    rows: Any = param.Selector(default=20, objects=list(ROWS))
    watched: Any = param.Boolean(False)
    receipts: Any = param.Selector(default="newest", objects=list(RECEIPT_ORDERS))


_FIELDS = frozenset(ViewState.__dataclass_fields__)


def _whole(value: object) -> int:
    """JSON's 24.0 and true are equal to numbers they are not."""
    if type(value) is not int:
        raise TypeError(value)
    return value


def _platforms(value: Sequence[Any]) -> list[str]:
    return [name for name in PLATFORMS if name in _listed(value)]


def _slugs(value: Sequence[Any]) -> list[str]:
    slugs = (
        slug for slug in _listed(value) if isinstance(slug, str) and 0 < len(slug) <= SLUG_LENGTH and "," not in slug
    )
    return list(dict.fromkeys(slugs))[:COMPARED]


def _listed(value: object) -> Sequence[Any]:
    if not isinstance(value, list | tuple):
        raise TypeError(value)
    return value


def _number(text: str | None) -> int | None:
    """A short plain number, else None."""
    return int(text) if text and len(text) <= 4 and text.isascii() and text.isdigit() else None


def _hour(text: object) -> datetime | None:
    instant = _instant(text)
    return instant and instant.replace(minute=0, second=0, microsecond=0)


def _instant(text: object) -> datetime | None:
    """An RFC 3339 instant as UTC; without a zone it counts as UTC. None for anything else."""
    if text is None:
        return None
    if not isinstance(text, str):
        raise TypeError(text)
    try:
        instant = datetime.fromisoformat(text.strip().replace(" ", "+"))
        return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


_READ: dict[str, Callable[[Any], Any]] = {
    "hour": _hour, "at": _instant, "window": _whole, "rows": _whole, "platforms": _platforms, "compare": _slugs,
}  # fmt: skip
"""How what the browser sent becomes a value, where it is not one already."""
