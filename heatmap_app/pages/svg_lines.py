"""What the timelines are drawn with: SVG made on the server, at any width without distortion. Pure.

The outer element has no view box, so its texts and marks keep their size and stand at percentages; lines lie in an inner one
that is stretched (``vector-effect`` keeps their weight). Colours and dashes are classes of ``assets/static/entity.css``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from heatmap_app.escape import Html, tag
from heatmap_app.pages.words import Times

HATCH_ID = "unwatched"
HOUR = timedelta(hours=1)


def percent(part: float, whole: float) -> str:
    """``part`` of ``whole`` as SVG writes it."""
    return f"{100 * part / whole:.3f}%"


def steps(values: Sequence[float | None], low: float, high: float, height: float) -> str:
    """The path of a line through ``values`` at x = 1, 2, ...; it breaks where one is missing, and a lone one is a dash."""
    pieces, drawing = [], False
    for place, value in enumerate(values, start=1):
        if value is None:
            drawing = False
            continue
        at = f"{place} {level(value, low, high, height):.2f}"
        lone = not drawing and (place == len(values) or values[place] is None)
        pieces.append(f"M{place - 0.6:.1f} {at.split()[1]}H{place}" if lone else f"{'L' if drawing else 'M'}{at}")
        drawing = True
    return "".join(pieces)


def level(value: float, low: float, high: float, height: float) -> float:
    """Where ``value`` lies in a lane ``height`` px high, from the top; what is out of range lies on its edge."""
    share = (min(max(value, low), high) - low) / (high - low)
    return height * (1 - share)


def stretched(count: int, top: float, height: float, *children: Html | None) -> Html:
    """Lines over ``count`` hours, as wide as there is room, ``top`` px down."""
    return tag(
        "svg", *children, x="0", y=f"{top:g}", width="100%", height=f"{height:g}", viewbox=f"0 0 {count} {height:g}",
        preserveaspectratio="none", class_="stretch",
    )  # fmt: skip


def path(points: str, looks: str) -> Html:
    """One line."""
    return tag("path", d=points, class_=looks, fill="none")


def hatch() -> Html:
    """The pattern for hours nobody looked."""
    lines = tag("path", d="M0 6L6 0", class_="hatch-line")
    pattern = tag("pattern", lines, id=HATCH_ID, width="6", height="6", patternunits="userSpaceOnUse")
    return tag("defs", pattern)


def gaps(missing: Iterable[tuple[int, int]], count: int, top: float, height: float) -> list[Html]:
    """Runs of hours nobody looked, as (first place, length)."""
    return [
        tag("rect", x=percent(first, count), y=f"{top:g}", width=percent(length, count), height=f"{height:g}",
            class_="unwatched", fill=f"url(#{HATCH_ID})")
        for first, length in missing
    ]  # fmt: skip


def runs(flags: Sequence[bool]) -> list[tuple[int, int]]:
    """Where ``flags`` are true in a row: (first place, how many)."""
    found: list[tuple[int, int]] = []
    for place, flag in enumerate(flags):
        if flag and found and sum(found[-1]) == place:
            found[-1] = (found[-1][0], found[-1][1] + 1)
        elif flag:
            found.append((place, 1))
    return found


def axis(hours: Sequence[datetime], y: float, times: Times) -> list[Html]:
    """Labels under the hours: days where there are many, full hours else, and "now" (the last poll) at the end."""
    count, marks = len(hours), []
    every = 24 if count > 72 else 12 if count > 36 else 6 if count > 18 else 3
    for place, start in enumerate(hours):
        local = times.local(start)
        if local.hour % every or place < count * 0.03 or place > count * 0.9:
            continue
        text = local.strftime("%a %d") if every == 24 else local.strftime("%a %H:%M" if local.hour == 0 else "%H:%M")
        x = percent(place, count)
        marks.append(tag("line", x1=x, x2=x, y1="0", y2=f"{y:g}", class_="hour-line"))
        marks.append(tag("text", text, x=x, y=f"{y + 13:g}", class_="tick", text_anchor="middle"))
    return marks


def table(caption: str, heads: Sequence[str], rows: Sequence[Sequence[str]], key: str) -> Html:
    """The same in figures, newest hour first; it is also what the readout under the pointer is read from."""
    body = [
        tag("tr", tag("th", row[0], scope="row"), [tag("td", cell) for cell in row[1:]]) for row in reversed(rows)
    ]  # fmt: skip
    head = tag("tr", [tag("th", text, scope="col") for text in heads])
    inner = tag(
        "table", tag("caption", caption, class_="unseen"), tag("thead", head), tag("tbody", body), class_="figures"
    )
    return tag(
        "details", tag("summary", "As a table"), tag("div", inner, class_="scroll"), class_="as-table", data_key=key
    )


def plot(body: Sequence[Html | None], height: float, label: str, count: int) -> Html:
    """The figure: reached by Tab, read hour by hour with the arrow keys or the pointer (``names.js``)."""
    cursor = tag("line", x1="0", x2="0", y1="0", y2=f"{height - 18:g}", visibility="hidden", class_="cursor")
    drawing = tag(
        "svg", hatch(), *body, cursor, width="100%", height=f"{height:g}", aria_hidden="true", focusable="false"
    )
    readout = tag("p", "", class_="readout", role="status")
    return tag(
        "div", drawing, readout, class_="plot", tabindex="0", role="group", data_hours=count,
        aria_label=f"{label} Left and right arrow keys read it hour by hour; the table below has the same figures.",
    )  # fmt: skip
