"""The receipts put in order: what to show, what to quote, which names stand in them. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from pipelines.alert.package_chars import inside_quotes, isolated, plain, plain_name
from pipelines.alert.package_clock import age, utc
from pipelines.alert.package_model import Story, TopReceipt, receipt_id
from pipelines.alert.package_story import Told
from pipelines.alert.package_words import PackageWords, key_of, tokens
from pipelines.model import PLATFORMS
from pipelines.view import Receipt

LABELS = {"reddit": "Reddit", "trends": "Trends", "tiktok": "TikTok", "trades": "Trades"}
NAMELESS = "this name"
TOP = 3
MAX_RELATED = 5
MAX_HEADLINES = 5
SMALL_TALK = frozenset(
    {"i", "im", "ive", "me", "my", "mine", "we", "us", "our", "you", "your", "lol", "omg", "this", "so"}
)


@dataclass(frozen=True, slots=True)
class Headline:
    """A receipt's title as it is quoted. ``whole_only``: it must not be shortened."""

    text: str
    receipt: str
    told: str
    quotable: bool
    whole_only: bool


def shown_name(story: Story) -> str:
    """The story's name, cleaned; never empty, and never a full stop."""
    name = plain_name(story.name)
    return name if name.strip(" .,:;?") else NAMELESS


def at_of(receipt: Receipt) -> datetime:
    """When a receipt was published, or first seen where it does not say."""
    return utc(receipt.published_at or receipt.observed_at)


def outlet(receipt: Receipt, words: PackageWords) -> str:
    """What a trade feed is called."""
    feed = plain_name(receipt.feed)[:60].strip()
    return words.outlets.get(feed.lower(), feed) if tokens(feed) else "a trade title"


def ranked(story: Story, told: Told) -> list[Receipt]:
    """Receipts, best first: those that tell what happened, that name it, that are large, that are new."""
    name = _keys(shown_name(story))

    def worth(receipt: Receipt) -> tuple[bool, bool, float, datetime, str]:
        size = receipt.engagement
        number = size if size is not None and math.isfinite(size) else 0.0
        return told.tells(receipt), names_it(receipt, name), number, at_of(receipt), receipt.item_id

    return sorted(story.receipts, key=worth, reverse=True)


def _keys(text: str) -> tuple[str, ...]:
    return tuple(token.key for token in tokens(text))


def names_it(receipt: Receipt, name: tuple[str, ...]) -> bool:
    """Whether the title spells the name."""
    return _holds(_keys(plain(receipt.title)), name)


def _holds(words: tuple[str, ...], part: tuple[str, ...]) -> bool:
    size = len(part)
    return bool(part) and any(words[at : at + size] == part for at in range(len(words) - size + 1))


def related_names(story: Story) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The related names that stand in a receipt, each with those receipts; at most five."""
    own = key_of(shown_name(story))
    titles = [(receipt_id(receipt), _keys(plain(receipt.title))) for receipt in story.receipts]
    found: dict[str, tuple[str, tuple[str, ...]]] = {}
    for related in story.related:
        name = plain_name(related)
        holders = tuple(id_ for id_, words in titles if _holds(words, _keys(name)))
        if holders and key_of(name) != own and len(found) < MAX_RELATED:
            found.setdefault(key_of(name), (name, holders))
    return tuple(found.values())


def top_receipts(story: Story, told: Told, words: PackageWords) -> tuple[TopReceipt, ...]:
    """The three receipts to show: one per platform, then a trade story, then the next best."""
    best = ranked(story, told)
    order = [next((r for r in best if r.source == source), None) for source in (*PLATFORMS, "trades")]
    chosen: dict[str, Receipt] = {}
    titles: set[str] = set()
    for receipt in [*(r for r in order if r), *best]:
        title = plain(receipt.title).casefold()
        if len(chosen) < TOP and (title not in titles or receipt in order) and receipt_id(receipt) not in chosen:
            chosen[receipt_id(receipt)] = receipt
            titles.add(title)
    return tuple(_top(receipt, story.now, words) for receipt in chosen.values())


def _top(receipt: Receipt, now: datetime, words: PackageWords) -> TopReceipt:
    at = at_of(receipt)
    published = receipt.published_at is not None
    label = outlet(receipt, words) if receipt.source == "trades" else LABELS.get(receipt.source, plain(receipt.source))
    return TopReceipt(
        id=receipt_id(receipt),
        title=plain(receipt.title) or "(no title)",
        platform=label,
        feed=plain(receipt.feed, 60),
        age=age(at, now) if published else f"seen {age(at, now)}",
        at=at,
        published=published,
        link=_link(receipt.url),
    )


def _link(url: str | None) -> str | None:
    """``url`` where it is a web address and nothing else."""
    if not url or not url.isascii() or any(c.isspace() or c in '<>"|' or not c.isprintable() for c in url):
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return url if parts.scheme in ("http", "https") and parts.netloc else None


def headlines(story: Story, told: Told, words: PackageWords) -> list[Headline]:
    """The titles worth quoting, best first: what confirmed the story, then what reads like a headline.

    ``quotable`` ones may go out: they name the name and tell what happened, and once the trades have it, are theirs.
    """
    name = _keys(shown_name(story))
    lines: dict[str, tuple[tuple[bool, int], Headline]] = {}
    for receipt in ranked(story, told):
        text = inside_quotes(receipt.title)
        if not tokens(text):
            continue
        quotable = _may_go_out(receipt, told) and names_it(receipt, name)
        line = Headline(isolated(text), receipt_id(receipt), _told(receipt, words), quotable, told.careful)
        order = (not quotable, _unlike_a_headline(receipt, told, name))
        lines.setdefault(text.casefold(), (order, line))
    return [line for _, line in sorted(lines.values(), key=lambda pair: pair[0])][:MAX_HEADLINES]


def _may_go_out(receipt: Receipt, told: Told) -> bool:
    """Once the trades confirm or doubt a story, only they are quoted to the audience."""
    if told.confirming:
        return receipt in told.confirming
    return receipt is told.trades_doubt[1] if told.trades_doubt else told.tells(receipt)


def _unlike_a_headline(receipt: Receipt, told: Told, name: tuple[str, ...]) -> int:
    """How little a title reads like a headline: queries and tags, questions, small talk, the name far in."""
    words = _keys(plain(receipt.title))
    points = 8 * (receipt.source not in ("reddit", "trades"))
    points += 4 * (receipt not in told.topic_receipts)
    points += 2 * bool(SMALL_TALK & set(words)) + 2 * ("?" in receipt.title)
    return points + (words[: len(name)] != name)


def _told(receipt: Receipt, words: PackageWords) -> str:
    if receipt.source == "trades":
        return f"{outlet(receipt, words)} reports"
    spoken = {"reddit": "a post on Reddit says", "trends": "a search on Trends reads", "tiktok": "a TikTok entry reads"}
    return spoken.get(receipt.source, "a receipt says")
