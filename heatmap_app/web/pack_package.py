"""The action package inside a research pack's document. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from heatmap_app.web.doc import Block, Bullets, Copy, Heading, Para, Text, line
from pipelines.read.pack import Pack

FIELDS = {"hook": "hook", "angles": "angle", "brief_hook": "likely hook", "teases": "tease", "push": "push",
          "social": "social", "lower_third": "lower third", "asset_cues": "asset cue"}  # fmt: skip


def package_blocks(pack: Pack) -> Iterator[Block]:
    """The package's texts with their lengths, what told the angle, the notes, and what each sentence rests on."""
    package = pack.package
    if package is None:
        yield Para(line("No package: nothing was said about it in the last 12 h."))
        return
    if package.get("problem"):
        yield Para(line(str(package["problem"])), "warn")
        return
    yield Para(line(*_head(package)))
    yield from _copies(package)
    yield Heading("Asset cues")
    yield Bullets(tuple(line(cue) for cue in package["asset_cues"]))
    if package["notes"]:
        yield Heading("Notes for the desk")
        yield Bullets(tuple(line(note) for note in package["notes"]))
    yield Heading("What each sentence rests on")
    yield Bullets(tuple(_rests(package)))


def _head(package: Mapping[str, Any]) -> Iterator[str | Text]:
    made = "A preview made now; nothing has alerted." if package["preview"] else f"Of alert {package['alert']}."
    words = ", ".join(f"“{word}”" for word in package["angle_words"])
    angle = str(package["angle"]).replace("_", " ")
    yield f"{made} Angle: {angle}{f', told by {words}' if words else ''}. "
    if package["unconfirmed"]:
        yield Text("Unconfirmed: no trade story says what happened. ", strong=True)
    if package["careful"]:
        yield Text("A death or an accusation is in play: worded with care.", strong=True)


def _copies(package: Mapping[str, Any]) -> Iterator[Copy]:
    brief = package["booking_brief"]
    yield Copy("Hook", package["hook"])
    for number, text in enumerate(brief["angles"], start=1):
        yield Copy(f"Angle {number}", text)
    yield Copy("Likely hook", brief["hook"])
    for number, text in enumerate(package["teases"], start=1):
        yield Copy(f"Tease {number}", text, f"{len(text.split())} words")
    yield Copy("Push", package["push"], f"{len(package['push'])} characters")
    yield Copy("Social", package["social"], f"{len(package['social'])} characters")
    yield Copy("Lower third", " / ".join(package["lower_third"]))
    if brief["related"]:
        yield Copy("Related names", ", ".join(brief["related"]))


def _rests(package: Mapping[str, Any]) -> Iterator[tuple[Text, ...]]:
    for sentence in package["provenance"]:
        ids = sentence["receipts"]
        more = f" and {len(ids) - 6} more" if len(ids) > 6 else ""
        rests = f"{', '.join(ids[:6])}{more}" if ids else "the score and the trades status only"
        where = FIELDS.get(sentence["where"].rstrip("_0123456789"), sentence["where"].replace("_", " "))
        yield line(Text(f"{where}: ", quiet=True), sentence["text"], Text(f" ← {rests}", quiet=True))
