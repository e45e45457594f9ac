"""The action package in the entity panel: every text with its length, a way to copy it, and the receipts it rests on.
Pure markup: the view's package in, HTML out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from heatmap_app.escape import Html, join, safe_url, tag
from heatmap_app.pages.words import Times
from pipelines.view import EntityView

MOST_RECEIPTS = 8
"""How many receipts are listed under one sentence."""


def package_section(view: EntityView, times: Times, now: datetime) -> Html:
    """The package, folded, and the way to the research pack."""
    address = f"/research/{quote(view.entity.slug, safe='')}"
    link = tag("a", "Open research pack", href=address, target="_blank", rel="noopener", class_="pack-link")
    return tag(
        "section",
        tag("h3", "Package"),
        _since_then(view, times, now),
        _body(view.package, times, now),
        link,
        class_="block package",
        data_key="Package",
    )


def _since_then(view: EntityView, times: Times, now: datetime) -> Html | None:
    """What the texts do not know: a trade story that came after them."""
    first = view.item.trades.first_at if view.item else None
    package = view.package
    if not package or not package.get("unconfirmed") or not first or first <= datetime.fromisoformat(package["at"]):
        return None
    words = f"A trade story came after these texts, at {times.near(first, now)}. Read it before you use them."
    return tag("p", words, class_="since-then")


def _body(package: Mapping[str, Any] | None, times: Times, now: datetime) -> Html:
    if package is None:
        return tag("p", "No package: nothing was said about it in the last 12 h.", class_="quiet")
    if package.get("problem"):
        return tag("p", str(package["problem"]), class_="quiet")
    return tag(
        "details",
        tag("summary", _mark(package), " ", tag("bdi", package["hook"])),
        tag("p", _origin(package, times, now), class_="quiet"),
        _texts(package),
        _lines("Asset cues", package["asset_cues"]),
        _lines("Notes", package["notes"]),
        data_key="package-fold",
    )


def _mark(package: Mapping[str, Any]) -> Html:
    chips = []
    if package["unconfirmed"]:
        chips.append(tag("b", "unconfirmed", class_="mark-warn"))
    if package["careful"]:
        chips.append(tag("b", "with care", class_="mark-warn", title="A death or an accusation is in play"))
    if package["preview"]:
        chips.append(tag("b", "preview", class_="mark-quiet", title="Made now; nothing has alerted"))
    return join(chips)


def _origin(package: Mapping[str, Any], times: Times, now: datetime) -> str:
    at = times.near(datetime.fromisoformat(package["at"]), now)
    made = f"Made at {at}; nothing has alerted." if package["preview"] else f"Of the alert at {at}."
    words = ", ".join(f"“{word}”" for word in package["angle_words"])
    told = f", told by {words}" if words else ""
    writer = package.get("writer") or {}
    used = f" The writer's: {', '.join(writer['used']).replace('_', ' ')}." if writer.get("used") else ""
    return f"{made} Angle: {str(package['angle']).replace('_', ' ')}{told}.{used}"


def _texts(package: Mapping[str, Any]) -> Html:
    brief = package["booking_brief"]
    titles = {row["id"]: row for row in package["receipts"]}
    rests = _rests(package["provenance"])

    def rows() -> Iterator[Html]:
        yield _row("Hook", package["hook"], "", rests, titles)
        for number, text in enumerate(brief["angles"], start=1):
            yield _row(f"Angle {number}", text, "", rests, titles)
        yield _row("Likely hook", brief["hook"], "", rests, titles)
        for number, text in enumerate(package["teases"], start=1):
            yield _row(f"Tease {number}", text, f"{len(text.split())} words", rests, titles)
        yield _row("Push", package["push"], f"{len(package['push'])} characters", rests, titles)
        yield _row("Social", package["social"], f"{len(package['social'])} characters", rests, titles)
        yield _row("Lower third", "\n".join(package["lower_third"]), "", rests, titles)
        if brief["related"]:
            yield _row("Related names", ", ".join(brief["related"]), "", {}, titles)

    return tag("ol", rows(), class_="texts")


def _row(
    label: str, text: str, note: str, rests: Mapping[str, Sequence[str]], titles: Mapping[str, Mapping[str, Any]]
) -> Html:  # fmt: skip
    ids = [id_ for sentence, found in rests.items() if sentence in text for id_ in found]
    button = tag("button", "Copy", type="button", class_="copy-text", data_copy=text, aria_label=f"Copy: {label}")
    return tag(
        "li",
        tag("span", label, tag("small", f" {note}") if note else None, class_="label"),
        tag("p", [tag("bdi", part) if not place else [tag("br"), tag("bdi", part)]
                  for place, part in enumerate(text.split("\n"))]),
        button,
        _evidence(list(dict.fromkeys(ids)), titles),
        data_key=label,
    )  # fmt: skip


def _evidence(ids: Sequence[str], titles: Mapping[str, Mapping[str, Any]]) -> Html | None:
    """The receipts a text rests on; those shown with the alert with their title and link."""
    if not ids:
        return None
    entries = [tag("li", _receipt(id_, titles.get(id_))) for id_ in ids[:MOST_RECEIPTS]]
    if len(ids) > MOST_RECEIPTS:
        entries.append(tag("li", f"and {len(ids) - MOST_RECEIPTS} more"))
    count = f"Rests on {len(ids)} receipt{'' if len(ids) == 1 else 's'}"
    return tag("details", tag("summary", count), tag("ul", entries), class_="rests")


def _receipt(id_: str, row: Mapping[str, Any] | None) -> Html:
    if row is None:
        return tag("bdi", id_)
    url = safe_url(row.get("link"))
    title = tag("bdi", row["title"])
    shown = tag("a", title, href=url, target="_blank", rel="noopener noreferrer") if url else title
    return join(shown, tag("small", f" {row['platform']}, {row['age']}"))


def _rests(provenance: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Each sentence and the receipts it rests on."""
    found: dict[str, list[str]] = {}
    for sentence in provenance:
        found.setdefault(sentence["text"], []).extend(sentence["receipts"])
    return found


def _lines(title: str, lines: Sequence[str]) -> Html | None:
    if not lines:
        return None
    return join(tag("h4", title), tag("ul", [tag("li", tag("bdi", text)) for text in lines], class_="plain-list"))
