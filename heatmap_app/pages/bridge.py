"""The wire between one session and its page: markup regions out, events in.

Two column data sources, nothing private: Bokeh already orders, batches and locks their changes. The page's script
(``assets/static/page.js``) morphs a region in place, so focus, scroll positions and open folds survive an update.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import structlog
from bokeh.document import Document
from bokeh.models import ColumnDataSource, CustomJS

log = structlog.get_logger(__name__)

EVENT_BYTES = 16_000
"""Longest event taken from a browser."""


class Bridge:
    """Sends regions that changed and hands events to ``on_event(kind, event)``, run under the document's lock."""

    def __init__(self, doc: Document, on_event: Callable[[str, Mapping[str, Any]], None]) -> None:
        self._on_event = on_event
        self._shown: dict[str, str] = {}
        self._out = ColumnDataSource(data={"region": [], "html": []}, name="et-out")
        self._in = ColumnDataSource(data={"event": []}, name="et-in")
        self._in.on_change("data", self._arrived)
        wires = {"out": self._out, "events": self._in}
        doc.js_on_event("document_ready", CustomJS(args=wires, code="window.ET.connect(out, events)"))
        doc.js_on_event("connection_lost", CustomJS(code="window.ET.lost()"))
        self._out.js_on_change("data", CustomJS(code="window.ET.receive(cb_obj.data)"))
        doc.add_root(self._out)
        doc.add_root(self._in)

    def painted(self, regions: Mapping[str, str]) -> None:
        """These regions are in the page already: its first HTML carries them."""
        self._shown.update(regions)

    def send(self, regions: Mapping[str, str]) -> int:
        """Send those of ``regions`` that differ from what the page shows; returns how many."""
        changed = {name: html for name, html in regions.items() if self._shown.get(name) != html}
        if changed:
            self._shown.update(changed)
            self._out.data = {"region": list(changed), "html": list(changed.values())}
        return len(changed)

    def _arrived(self, _attribute: str, _old: object, new: Mapping[str, Any]) -> None:
        for text in list(new.get("event", []))[:20]:
            try:
                event = json.loads(text) if isinstance(text, str) and len(text) <= EVENT_BYTES else None
            except (ValueError, RecursionError):
                event = None
            if isinstance(event, dict) and isinstance(event.get("type"), str):
                self._on_event(event["type"], event)
            else:
                log.warning("an event from a page was not understood", size=len(str(text)))
