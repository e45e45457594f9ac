"""The timeline as inline SVG, made on the server. Looks are classes of the page's stylesheet; every text is escaped."""

from __future__ import annotations

from heatmap_app.escape import Html, escape
from heatmap_app.web.chart import Chart, Label, Shape

PATTERN = (
    '<defs><pattern id="unseen" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<rect width="6" height="6" class="c-gap"/><line x1="0" y1="0" x2="0" y2="6" class="c-hatch"/></pattern></defs>'
)


def svg(chart: Chart, title: str) -> Html:
    """``chart`` as an SVG element; ``title`` says what it shows to whoever cannot see it."""
    body = "".join(_shape(shape) for shape in chart.shapes) + "".join(_label(label) for label in chart.labels)
    return Html(
        f'<svg class="chart" viewBox="0 0 {chart.width:g} {chart.height:g}" role="img" '
        f'aria-label="{escape(title)}" xmlns="http://www.w3.org/2000/svg">{PATTERN}{body}</svg>'
    )


def _shape(shape: Shape) -> str:
    looks = f"c-bar {escape(shape.source)}" if shape.kind == "bar" else f"c-{shape.kind}"
    fill = ' fill="url(#unseen)"' if shape.kind == "gap" else ""
    looks = "c-unseen" if shape.kind == "gap" else looks
    box = f'x="{shape.x:g}" y="{shape.y:g}" width="{shape.width:g}" height="{shape.height:g}"'
    if not shape.words:
        return f'<rect class="{looks}" {box}{fill}/>'
    return f'<rect class="{looks}" {box}{fill}><title>{escape(shape.words)}</title></rect>'


def _label(label: Label) -> str:
    looks = "c-strong" if label.strong else "c-text"
    return f'<text class="{looks}" x="{label.x:g}" y="{label.y:g}" text-anchor="{label.anchor}">{escape(label.text)}</text>'
