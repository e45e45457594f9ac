"""Finding a name: what somebody types, and the list of names under the field."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import structlog

from heatmap_app.escape import Html, tag
from heatmap_app.pages.site import Handler, Page
from heatmap_app.pages.state import COMPARED
from pipelines.view import EntityRef

log = structlog.get_logger(__name__)

SEARCH_LIMIT = 8
TEXT_LIMIT = 100


def _search(page: Page, value: Any) -> None:
    text = str(value or "").strip()[:TEXT_LIMIT]
    try:
        entities = page.site.reader.search(text, SEARCH_LIMIT) if text else ()
    except Exception:  # a page outlives its database
        log.exception("page: search failed")
        page.send({"found": _answer(tag("li", "Search did not answer. Type again in a moment.", class_="quiet"))})
        return
    page.send({"found": found(entities, text, page.state.compare)})


def _add(entity: EntityRef, compared: Collection[str]) -> Html | None:
    """``+`` puts the name on the timeline of several, while there is room."""
    if entity.slug in compared or len(compared) >= COMPARED:
        return None
    words = f"Compare {entity.name}"
    return tag(
        "button",
        "+ compare",
        type="button",
        class_="add",
        data_act="compare-on",
        data_slug=entity.slug,
        aria_label=words,
    )


def found(entities: Iterable[EntityRef], text: str, compared: Collection[str] = ()) -> Html:
    """The search's answer as a list of buttons; nothing for an empty ``text``. ``compared``: slugs compared already."""
    if not text:
        return Html()
    items = [
        tag(
            "li",
            tag(
                "button", tag("bdi", entity.name), tag("small", f" {entity.kind} · {entity.domain}"), type="button",
                data_act="open", data_slug=entity.slug, data_name=entity.name,
            ),
            _add(entity, compared),
            data_key=entity.slug,
        )
        for entity in entities
    ]  # fmt: skip
    return _answer(*(items or [tag("li", f"No name like “{text}”.", class_="quiet")]))


def _answer(*items: Html) -> Html:
    return tag("ul", items, class_="found")


EVENTS: Mapping[str, Handler] = {"search": _search}
