"""Who is named together with a name: a small graph, and the same as a list that the keyboard reaches. Pure markup."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from heatmap_app.escape import Html, join, tag
from heatmap_app.pages.words import shortened

HEIGHT, AROUND = 188, 8
LETTERS = 20


def together(name: str, related: Sequence[Mapping[str, Any]]) -> Html:
    """The graph and the list. ``related``: name, slug and count, most first."""
    entries = [_entry(found) for found in related]
    graph = _graph(name, related[:AROUND]) if len(related) > 2 else None
    return join(graph, tag("ul", entries, class_="names together"))


def _entry(found: Mapping[str, Any]) -> Html:
    name, count = str(found["name"]), int(found["count"])
    opens = tag(
        "button",
        tag("bdi", name),
        type="button",
        class_="link",
        data_act="open",
        data_slug=str(found["slug"]),
        data_name=name,
    )
    return tag(
        "li", opens, tag("small", f" {count} {'receipt' if count == 1 else 'receipts'}"), data_key=str(found["slug"])
    )


def _graph(name: str, related: Sequence[Mapping[str, Any]]) -> Html:
    """The name in the middle, the others around it; a thicker line is more receipts that name both."""
    most = max(int(found["count"]) for found in related)
    lines, words = [], []
    for place, found in enumerate(related):
        turn = 2 * math.pi * (place + 0.5) / len(related) - math.pi / 2
        across, down = 50 + 13 * math.cos(turn), HEIGHT / 2 + (HEIGHT / 2 - 16) * math.sin(turn)
        weight = 1 + 6 * int(found["count"]) / most
        anchor = "middle" if abs(math.cos(turn)) < 0.4 else "start" if math.cos(turn) > 0 else "end"
        lines.append(
            tag(
                "line",
                x1="50%",
                y1=f"{HEIGHT / 2:g}",
                x2=f"{across:.1f}%",
                y2=f"{down:.1f}",
                class_="tie",
                stroke_width=f"{weight:.1f}",
            )
        )
        lines.append(tag("circle", cx=f"{across:.1f}%", cy=f"{down:.1f}", r="4", class_="other"))
        beside = {"middle": 0, "start": 8, "end": -8}[anchor]
        above = 4 if anchor != "middle" else 16 if math.sin(turn) > 0 else -8
        words.append(
            tag(
                "text", f"{shortened(str(found['name']), LETTERS)} {found['count']}", tag("title", str(found["name"])),
                x=f"{across:.1f}%", y=f"{min(max(down + above, 10), HEIGHT - 2):.1f}", dx=beside, text_anchor=anchor,
                class_="ego-name",
            )
        )  # fmt: skip
    middle = tag("circle", cx="50%", cy=f"{HEIGHT / 2:g}", r="7", class_="self")
    label = f"{name} and the {len(related)} names met most in the same receipts; the list below has them all."
    own = tag(
        "text",
        shortened(name, LETTERS),
        x="50%",
        y=f"{HEIGHT / 2 + 22:g}",
        text_anchor="middle",
        class_="ego-name self-name",
    )
    return tag(
        "svg", lines, middle, words, own,
        width="100%", height=HEIGHT, role="img", aria_label=label, class_="ego", data_key="ego",
    )  # fmt: skip
