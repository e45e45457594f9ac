"""Everything a sentence of the package may say, as values that know which receipts they rest on. Pure.

What is not in :func:`facts`, in a headline (``package_receipts``) or in a template's own words cannot get into a text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipelines.alert.package_chars import isolated, listed
from pipelines.alert.package_clock import clock, clock_after, utc
from pipelines.alert.package_model import Story, receipt_id
from pipelines.alert.package_receipts import (
    LABELS,
    TOP,
    at_of,
    outlet,
    related_names,
    shown_name,
    top_receipts,
)
from pipelines.alert.package_story import Told
from pipelines.alert.package_words import PackageWords
from pipelines.model import PLATFORMS
from pipelines.view import Receipt

_SUBREDDIT = re.compile("[A-Za-z0-9_]{2,30}")


@dataclass(frozen=True, slots=True)
class Value:
    """A piece of text and the receipts it rests on."""

    text: str
    receipts: tuple[str, ...] = ()


def shots(story: Story, told: Told, words: PackageWords) -> list[Value]:
    """What there is to take a screenshot of, for each of the top receipts."""
    by_id = {receipt_id(receipt): receipt for receipt in story.receipts}
    values: dict[str, Value] = {}
    for top in top_receipts(story, told, words):
        receipt = by_id[top.id]
        text = {
            "reddit": f"the Reddit post in r/{top.feed}" if _SUBREDDIT.fullmatch(top.feed) else "the Reddit post",
            "trends": "the search on Trends",
            "tiktok": "the TikTok entry",
            "trades": f"the story at {top.platform}",
        }.get(receipt.source, "the receipt")
        values.setdefault(text, Value(text, (top.id,)))
    return list(values.values())


def facts(story: Story, told: Told, words: PackageWords) -> dict[str, Value]:
    """The values a template may name, by name; a value there is nothing to say for is absent."""
    everything = tuple(top.id for top in top_receipts(story, told, words))
    name = shown_name(story)
    shown = [r for r in story.receipts if r.source in PLATFORMS]
    sources = tuple(source for source in PLATFORMS if any(r.source == source for r in shown))
    climbing = math.isfinite(story.velocity_z) and story.velocity_z >= words.rules.climbing
    values = {
        "name": Value(isolated(name), everything),
        "short": Value(name, everything),
        "climbed": Value("have climbed" if climbing else "have appeared"),
        "rising": Value("is climbing" if climbing else "is being mentioned"),
        "subject": Value(_by_source(sources, "Posts about", "Searches for", "Mentions of")),
        "saying": Value(_by_source(sources, "Posts that say", "Searches that say", "Mentions that say")),
        "status": _status(story, told, words),
        "mark": Value("unconfirmed" if has_trades(story) or told.careful else "no trade story yet"),
    }
    if climbing:
        values["climbing"] = Value("climbing")
    values |= _spread(story, shown, sources, words)
    values |= _happened(told)
    if told.confirmed_by is not None:
        values["outlet"] = Value(outlet(told.confirmed_by, words), (receipt_id(told.confirmed_by),))
    if related := related_names(story)[:TOP]:
        ids = tuple(dict.fromkeys(id_ for _, holders in related for id_ in holders))
        values["related"] = Value(listed(tuple(isolated(name) for name, _ in related)), ids)
    for upper in ("topic", "mark", "count"):
        if upper in values:
            values[upper.capitalize()] = Value(upper_first(values[upper].text), values[upper].receipts)
    return values


def upper_first(text: str) -> str:
    """``text`` as a sentence begins."""
    return text[:1].upper() + text[1:]


def _by_source(sources: tuple[str, ...], posts: str, searches: str, mentions: str) -> str:
    if "reddit" in sources:
        return posts
    return searches if sources == ("trends",) else mentions


def _spread(story: Story, shown: Sequence[Receipt], sources: tuple[str, ...], words: PackageWords) -> dict[str, Value]:
    """Where it stands, since when, and how often."""
    if not shown:
        return {}
    firsts = tuple(receipt_id(next(r for r in shown if r.source == source)) for source in sources)
    values = {"platforms": Value(listed(tuple(LABELS[source] for source in sources)), firsts)}
    begin = since(story, words)
    counted = [r for r in shown if begin is None or at_of(r) >= begin]
    if begin is not None:
        early = min(counted or shown, key=at_of)
        values["since"] = Value(clock(begin, story.now), (receipt_id(early),))
    if counted:
        number = len({receipt_id(receipt) for receipt in counted})
        text = f"{number} mention" if number == 1 else f"{number} mentions"
        text = f"at least {text}" if story.cut_short else text
        values["count"] = Value(text, tuple(dict.fromkeys(receipt_id(receipt) for receipt in counted)))
    return values


def since(story: Story, words: PackageWords) -> datetime | None:
    """From when it climbs: its first sight if that is recent, else the earliest recent receipt on a platform."""
    now = utc(story.now)
    earliest = now - timedelta(hours=words.rules.since_hours)
    times = [at_of(r) for r in story.receipts if r.source in PLATFORMS]
    recent = [at for at in times if earliest <= at <= now]
    if story.first_seen is not None and earliest <= utc(story.first_seen) <= now and recent:
        return utc(story.first_seen)
    return min(recent, default=None)


def _happened(told: Told) -> dict[str, Value]:
    values = {}
    ids = tuple(dict.fromkeys(receipt_id(receipt) for receipt in told.topic_receipts))
    if told.topic is not None:
        values["topic"] = Value(told.topic, ids)
    if told.words:
        word = told.words[0]
        holders = [r for r in told.readings if any(word == shown for _, shown in r.told(told.angle))]
        values["word"] = Value(f"“{word}”", tuple(dict.fromkeys(receipt_id(read.receipt) for read in holders)))
    if told.doubts:
        values["doubt"] = Value(f"“{told.doubts[0][0]}”", (receipt_id(told.doubts[0][1]),))
    return values


def has_trades(story: Story) -> bool:
    """Whether the trades have anything about it, whatever it says."""
    return story.trades_first_at is not None or any(r.source == "trades" for r in story.receipts)


def _status(story: Story, told: Told, words: PackageWords) -> Value:
    """What the trades have, as a clause."""
    if told.confirmed_by is not None:
        by = told.confirmed_by
        at = f" published {clock_after(at_of(by), story.now)}" if by.published_at else " has it"
        return Value(outlet(by, words) + at, (receipt_id(by),))
    if told.trades_doubt:
        word, doubter = told.trades_doubt
        return Value(f"unconfirmed, and {outlet(doubter, words)} says “{word}”", (receipt_id(doubter),))
    if has_trades(story):
        ids = tuple(receipt_id(r) for r in story.receipts if r.source == "trades")
        return Value("a trade story is out, but this is unconfirmed", ids)
    return Value("unconfirmed, no trade story yet" if told.careful else "no trade story yet")


def computed(story: Story, told: Told, words: PackageWords) -> tuple[str, ...]:
    """The figures worked out from the story rather than read in a receipt, as whole phrases; longest first."""
    values = facts(story, told, words)
    phrases = {values[key].text for key in ("since", "count") if key in values}
    phrases |= {clock(at_of(receipt), story.now) for receipt in story.receipts if receipt.source == "trades"}
    return tuple(sorted(phrases, key=len, reverse=True))
