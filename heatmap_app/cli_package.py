"""An action package as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def package_lines(payload: Mapping[str, Any]) -> Iterator[str]:
    """The package of an alert's payload, each text on a line of its own; why there is none, where there is none."""
    package = payload.get("package")
    if not isinstance(package, Mapping):
        if payload.get("package_note"):
            yield str(payload["package_note"])
        return
    told = ", ".join(f'"{word}"' for word in package["angle_words"])
    marks = [mark for mark in ("unconfirmed", "careful") if package[mark]]
    yield f"package: {package['angle'].replace('_', ' ')}{f' (told by {told})' if told else ''}" + "".join(
        f", {mark}" for mark in marks
    )
    brief = package["booking_brief"]
    for label, lines in (
        ("angle", brief["angles"]), ("likely hook", [brief["hook"]]), ("tease", package["teases"]),
        ("push", [package["push"]]), ("social", [package["social"]]),
        ("lower third", [" / ".join(package["lower_third"])]), ("cue", package["asset_cues"]),
        ("related", [", ".join(brief["related"])]), ("note", package["notes"]),
    ):  # fmt: skip
        yield from (f"  {label}: {line}" for line in lines if line)
