"""The page around the content: head, fonts, script, layout, and the first HTML, painted before any socket opens."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import bokeh
from bokeh.document import Document
from panel.io.resources import _env

from heatmap_app.auth.headers import mark
from heatmap_app.escape import Html
from heatmap_app.figure import figure
from heatmap_app.themes import Theme
from pipelines.settings import ROOT

STATIC_DIR = ROOT / "assets" / "static"
"""To be served at :data:`STATIC_PATH` (see :func:`static_dirs`)."""

STATIC_PATH = "/assets"
SYSTEM = Theme()
TEMPLATE = ROOT / "assets" / "templates" / "dashboard.html"


def static_dirs() -> dict[str, str]:
    """Path to folder, as Panel's ``add_applications(static_dirs=...)`` takes it."""
    return {STATIC_PATH: str(STATIC_DIR)}


@cache
def asset(name: str) -> str:
    """The address of a static file, with its content's hash so that browsers may keep it."""
    digest = sha256((STATIC_DIR / name).read_bytes()).hexdigest()[:12]
    return f"{STATIC_PATH}/{name}?v={digest}"


_BOKEH = re.compile(r"<script[^>]*/bokeh\.min\.js[^>]*></script>")


def lean(scripts: str) -> str:
    """Of the ``scripts`` Panel wants in a page that which draws figures, with an address browsers may keep: this page has
    no widget, table, formula or model of Panel's, and those are another megabyte to read."""
    found = _BOKEH.search(scripts)
    if found is None:
        raise RuntimeError("the page's scripts do not name bokeh.min.js")
    return mark(found[0].replace("bokeh.min.js", f"bokeh.min.js?v={bokeh.__version__}"))


def page(doc: Document, regions: Mapping[str, Html], theme: Theme = SYSTEM, **variables: Any) -> None:
    """Makes ``doc`` the desk's page with ``regions`` as its first HTML (already escaped). Call :func:`painted` once it is
    out."""
    doc.template = _source(TEMPLATE)
    doc.template_variables.update(
        regions=dict(regions), theme=theme, asset=asset, lean=lean, mark=mark, figure=figure(), **variables
    )


def painted(doc: Document) -> None:
    """The page is with its browser: its first HTML need not stay in the session."""
    doc.template_variables.clear()


@cache
def _source(path: Path) -> Any:
    return _env.from_string(path.read_text(encoding="utf-8"))
