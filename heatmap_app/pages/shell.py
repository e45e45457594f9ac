"""The page around the content: head, fonts, script, layout, and the first HTML, painted before any socket opens."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import panel as pn
from panel.io.resources import _env

from heatmap_app.auth.headers import mark
from heatmap_app.escape import Html
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


_UNUSED_SCRIPTS = re.compile(r"<script[^>]*/(?:bokeh-(?:gl|mathjax)|es-module-shims)\.[^>]*></script>")


def lean(scripts: str) -> str:
    """``scripts`` without the two megabytes of WebGL, formulas and module shims that this page does not use, the inline
    ones marked as ours."""
    return mark(_UNUSED_SCRIPTS.sub("", scripts))


def page(panes: Mapping[str, Any], regions: Mapping[str, Html], theme: Theme = SYSTEM, **variables: Any) -> pn.Template:
    """The dashboard's template with ``panes`` as roots and ``regions`` as its first HTML (already escaped)."""
    template = pn.Template(_source(TEMPLATE))
    for name, pane in panes.items():
        template.add_panel(name, pane)
    template.add_variable("regions", dict(regions))
    template.add_variable("theme", theme)
    template.add_variable("asset", asset)
    template.add_variable("lean", lean)
    for name, value in variables.items():
        template.add_variable(name, value)
    return template


@cache
def _source(path: Path) -> Any:
    return _env.from_string(path.read_text(encoding="utf-8"))
