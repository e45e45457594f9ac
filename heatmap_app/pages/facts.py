"""Where an entity and its domain come from, in words: provenance, domain evidence, and other loose records. Pure markup."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from heatmap_app.escape import Html, join, safe_url, tag
from heatmap_app.pages.words import Times, listed, plain, platform, signed
from pipelines.view import EntityView

LIST_LIMIT = 30
"""How many entries of an unbounded list are shown."""

ORIGINS = {
    "catalogue": "Known from the catalogue.",
    "import": "Imported.",
    "demo": "Invented for the demo.",
    "discovered": "Discovered: no list had it.",
    "editor": "Added by an editor.",
}


def origin(view: EntityView, times: Times, now: datetime) -> Html:
    """How the entity got here, its first mention, and for a discovered one the case that was made and its items."""
    made = view.provenance
    first = f"First mention {times.near(view.first_seen, now)}." if view.first_seen else "Not mentioned yet."
    words = [ORIGINS.get(view.origin, f"Origin: {view.origin}."), first]
    if isinstance(made.get("velocity_z"), int | float):
        words.append(_case(made, times, now))
    items = [item for item in _list(made.get("items")) if isinstance(item, Mapping)]
    lines = [tag("li", _item(item, times, now)) for item in items[:LIST_LIMIT]]
    rest = {key: value for key, value in made.items() if key not in {"velocity_z", "poll", "platforms", "items"}}
    return join(
        tag("p", " ".join(words)),
        tag("p", "The items that made the case:", class_="quiet") if lines else None,
        tag("ul", lines, class_="entries") if lines else None,
        entries([rest], times, now) if rest else None,
    )


def domain_evidence(evidence: Sequence[Mapping[str, Any]]) -> Html:
    """What speaks for which domain: ``r/popculturechat: entertainment, 2.00``."""
    if not evidence:
        return tag("p", "No evidence yet.", class_="quiet")
    lines = [
        tag(
            "li",
            tag("small", str(entry.get("kind") or "")),
            tag("bdi", str(entry.get("detail") or "")),
            tag("b", f"{entry.get('domain') or ''} {_weight(entry.get('weight'))}"),
        )
        for entry in evidence[:LIST_LIMIT]
    ]
    return tag("ul", lines, class_="evidence")


def _case(made: Mapping[str, Any], times: Times, now: datetime) -> str:
    """``Became a name at 11:20 with +2.4σ: Reddit +1.9σ, Trends +1.5σ.``"""
    platforms = made.get("platforms")
    parts = [
        f"{platform(str(name))} {signed(score['z'])}σ"
        for name, score in (platforms.items() if isinstance(platforms, Mapping) else ())
        if isinstance(score, Mapping) and isinstance(score.get("z"), int | float)
    ]
    when = f" at {_moment(str(made['poll']), times, now)}" if made.get("poll") else ""
    which = f": {listed(parts)}" if parts else ""
    return f"Became a name of its own{when} with {signed(made['velocity_z'])}σ{which}."


def _item(item: Mapping[str, Any], times: Times, now: datetime) -> Html:
    if item.get("title"):
        return _entry(item, times, now)
    at = _moment(str(item["at"]), times, now) if item.get("at") else ""
    return join(
        tag("span", f"{platform(str(item.get('source') or ''))} {at}"),
        tag("bdi", str(item.get("item_id") or ""), class_="quiet"),
    )


def _weight(weight: object) -> str:
    return plain(float(weight)) if isinstance(weight, int | float) else ""


def _list(value: object) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else ()


def entries(entries: Sequence[Mapping[str, Any]], times: Times, now: datetime) -> Html:
    """Loose records as a list, the first few."""
    return tag("ul", [tag("li", _entry(entry, times, now)) for entry in entries[:LIST_LIMIT]], class_="entries")


def _entry(entry: Mapping[str, Any], times: Times, now: datetime) -> Html:
    """One loose record: its link or title first, then the rest as ``key value``."""
    title = entry.get("title") or entry.get("name")
    url = safe_url(entry.get("url")) if isinstance(entry.get("url"), str) else None
    head = None
    if title:
        head = (
            tag("a", tag("bdi", title), href=url, target="_blank", rel="noopener noreferrer")
            if url
            else tag("bdi", str(title))
        )
    skipped = {"title", "name", "url", "item_id", "slug", "id"}
    rest = [
        tag("span", tag("small", key.replace("_", " ")), " ", _value(value, times, now))
        for key, value in entry.items()
        if key not in skipped and value not in (None, "")
    ]
    return join(head, tag("span", rest, class_="rest") if rest else None)


def _value(value: object, times: Times, now: datetime) -> str:
    match value:
        case datetime():
            return times.near(value, now)
        case bool():
            return "yes" if value else "no"
        case float():
            return plain(value)
        case str():
            return _moment(value, times, now)
        case list() | tuple():
            return ", ".join(_value(part, times, now) for part in value[:LIST_LIMIT])
        case _:
            return str(value)


def _moment(text: str, times: Times, now: datetime) -> str:
    """A stored instant reads as a time, any other text as it is."""
    if len(text) < 19 or text[4:5] != "-" or text[10:11] not in {"T", " "}:
        return text
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return text
    return times.near(instant, now) if instant.tzinfo else text
