"""The wire between one session and its page: markup regions out, events in.

Regions go out as messages over Bokeh's socket, each as a change of what the page has of it (``changes.py``): Bokeh orders
and locks them, and nothing of them is kept in the session's document. Events come in by a column data source. The page's
script (``assets/static/page.js``) morphs a region in place, so focus, scroll positions and open folds survive an update.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import structlog
from bokeh.document import Document
from bokeh.document.events import MessageSentEvent
from bokeh.models import ColumnDataSource, CustomJS

from heatmap_app.pages.changes import as_json
from heatmap_app.pages.sharing import Once

log = structlog.get_logger(__name__)

EVENT_BYTES = 16_000
"""Longest event taken from a browser."""
MESSAGE = "et-regions"
AGAIN = "regions-again"
"""What a page says that could not make sense of a change."""


def message(*steps: str | None) -> str:
    """What is sent: ``steps`` are each region's name, the text the page has of it (None: none) and the new one."""
    told = zip(steps[::3], steps[1::3], steps[2::3], strict=True)
    return "{" + ",".join(f"{json.dumps(name)}:{as_json(old, new or '')}" for name, old, new in told) + "}"


class Bridge:
    """Sends regions that changed and hands events to ``on_event(kind, event)``, run under the document's lock.

    Until the page's script has spoken nothing is sent, as nobody would hear it: the difference to the page's first HTML
    waits for it. ``once`` makes a change once for all pages that need it.
    """

    def __init__(
        self, doc: Document, on_event: Callable[[str, Mapping[str, Any]], None], once: Once | None = None
    ) -> None:
        self._doc, self._on_event, self._once = doc, on_event, once or Once()
        self._shown: dict[str, str] = {}
        self._told: set[str] = set()
        self._heard = False
        self._in = ColumnDataSource(data={"event": []}, name="et-in")
        self._in.on_change("data", self._arrived)
        code = f'events.document.on_message("{MESSAGE}", window.ET.receive); window.ET.connect(events)'
        doc.js_on_event("document_ready", CustomJS(args={"events": self._in}, code=code))
        doc.js_on_event("connection_lost", CustomJS(code="window.ET.lost()"))
        doc.add_root(self._in)

    def painted(self, regions: Mapping[str, str]) -> None:
        """These regions are in the page already: its first HTML carries them."""
        self._shown.update(regions)

    def send(self, regions: Mapping[str, str]) -> int:
        """Send those of ``regions`` that differ from what the page shows; returns how many."""
        if not self._heard:
            return 0
        changed = {name: html for name, html in regions.items() if self._shown.get(name) != html}
        if changed:
            steps = [part for name, html in changed.items() for part in (name, self._text(name), html)]
            self._say(self._once(message, *steps), changed)
            self._shown.update(changed)
        return len(changed)

    def _text(self, name: str) -> str | None:
        """The region's text as the page's script has it; None while it has only seen the element."""
        return self._shown[name] if name in self._told else None

    def _say(self, text: str, told: Iterable[str]) -> None:
        self._doc.callbacks.trigger_on_change(MessageSentEvent(self._doc, MESSAGE, text))
        self._told.update(told)

    def _arrived(self, _attribute: str, _old: object, new: Mapping[str, Any]) -> None:
        self._heard = True
        for text in list(new.get("event", []))[:20]:
            try:
                event = json.loads(text) if isinstance(text, str) and len(text) <= EVENT_BYTES else None
            except (ValueError, RecursionError):
                event = None
            if not isinstance(event, dict) or not isinstance(event.get("type"), str):
                log.warning("an event from a page was not understood", size=len(str(text)))
            elif event["type"] == AGAIN:
                self._say(
                    message(*(part for name, html in self._shown.items() for part in (name, None, html))), self._shown
                )
            else:
                self._on_event(event["type"], event)
