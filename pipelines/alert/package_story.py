"""What happened, told from the words in the receipts: the angle, how sure it is, and whether it needs care. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipelines.alert.package_chars import inside_quotes, plain_name
from pipelines.alert.package_model import Story
from pipelines.alert.package_words import UNKNOWN, Angle, PackageWords, Token, find, tokens, without
from pipelines.view import Receipt

WORKS = frozenset({"film", "show", "song", "franchise", "award", "event", "company", "team"})
"""Kinds that cannot die or be accused, about which such words are everyday."""

MAX_WORDS = 6


@dataclass(frozen=True, slots=True)
class Reading:
    """One receipt read: its words without any name, and the terms each angle found, as (topic, words shown)."""

    receipt: Receipt
    text: str
    words: tuple[Token | None, ...]
    strong: Mapping[str, tuple[tuple[str, str], ...]]
    hints: Mapping[str, tuple[tuple[str, str], ...]]
    votes: frozenset[str]

    def told(self, angle: str) -> tuple[tuple[str, str], ...]:
        """What this receipt has of ``angle``'s words, strong ones first."""
        return (*self.strong.get(angle, ()), *self.hints.get(angle, ()))


@dataclass(frozen=True, slots=True)
class Told:
    """What happened. ``topic`` is how to call it; None while unknown, and for a careful angle, whose
    receipts are quoted and not summed up. ``confirming`` are
    the trade items that say the same, oldest first. ``doubts`` are words of doubt in the receipts."""

    angle: str
    words: tuple[str, ...]
    topic: str | None
    topic_receipts: tuple[Receipt, ...]
    careful: bool
    confirming: tuple[Receipt, ...]
    doubts: tuple[tuple[str, Receipt], ...]
    readings: tuple[Reading, ...]
    notes: tuple[str, ...]

    @property
    def confirmed_by(self) -> Receipt | None:
        """The first trade item that says the same."""
        return self.confirming[0] if self.confirming else None

    @property
    def trades_doubt(self) -> tuple[str, Receipt] | None:
        """A trade item that doubts it, while none confirms it, and its word."""
        doubted = self.doubts and not self.confirming and self.doubts[0][1].source == "trades"
        return self.doubts[0] if doubted else None

    def tells(self, receipt: Receipt) -> bool:
        """Whether ``receipt`` is one of those that told the angle."""
        return any(read.receipt is receipt and self.angle in read.votes for read in self.readings)


def tell(story: Story, words: PackageWords) -> Told:
    """What happened to ``story.name``, by ``words``. Ties and thin evidence are "unknown"."""
    readings = tuple(_read(story, receipt, words) for receipt in story.receipts)
    angle, why = _decide(readings, words)
    careful, care_note = _careful(story, angle, readings, words)
    topic, topic_receipts = _topic(angle, readings)
    if angle in words.careful:
        topic = None
    return Told(
        angle=angle,
        words=_shown(angle, readings),
        topic=topic,
        topic_receipts=topic_receipts,
        careful=careful,
        confirming=_confirming(angle, careful, readings, words),
        doubts=_doubts(angle, readings, words),
        readings=readings,
        notes=(*why, *care_note),
    )


def _read(story: Story, receipt: Receipt, words: PackageWords) -> Reading:
    text = inside_quotes(receipt.title)
    left: list[Token | None] = list(tokens(text))
    for own in {plain_name(story.name), plain_name(receipt.matched)}:
        left = _without(left, [token.key for token in tokens(own)])
    bare = left  # a work called "Arrested Development" is no arrest, though awards are told by their names
    for related in story.related:
        bare = _without(bare, [token.key for token in tokens(plain_name(related))])
    strong: dict[str, tuple[tuple[str, str], ...]] = {}
    hints: dict[str, tuple[tuple[str, str], ...]] = {}
    for angle in words.angles:
        among = bare if angle.careful else left
        if found := tuple((term.topic, shown) for term, shown in find(angle.strong, among, text)):
            strong[angle.name] = found
        if found := tuple((term.topic, shown) for term, shown in find(angle.hints, among, text)):
            hints[angle.name] = found
    return Reading(receipt, text, tuple(bare), strong, hints, _votes(story.kind, strong, hints, words.angles))


def _without(words: Sequence[Token | None], name: Sequence[str]) -> list[Token | None]:
    """As :func:`without`, between the gaps an earlier name left."""
    out: list[Token | None] = []
    run: list[Token] = []
    for word in [*words, None]:
        if word is not None:
            run.append(word)
            continue
        out += [*without(run, name), None]
        run = []
    return out[:-1]


def _votes(
    kind: str, strong: Mapping[str, object], hints: Mapping[str, object], angles: Sequence[Angle]
) -> frozenset[str]:
    """The angles one receipt speaks for: a careful one alone, else those with strong words, else those hinted at."""
    open_to = [angle for angle in angles if kind not in angle.not_kinds]
    for angle in open_to:
        if angle.careful and angle.name in strong:
            return frozenset({angle.name})
    by_strong = frozenset(angle.name for angle in open_to if angle.name in strong)
    return by_strong or frozenset(angle.name for angle in open_to if angle.name in hints)


def _decide(readings: Sequence[Reading], words: PackageWords) -> tuple[str, tuple[str, ...]]:
    counts = Counter(angle for read in readings for angle in read.votes)
    if not counts:
        return UNKNOWN, ("What happened is unknown: no word of the table stands in the receipts.",)
    (best, most), *rest = counts.most_common()
    by_trades = any(best in read.votes and read.receipt.source == "trades" for read in readings)
    if not any(best in read.votes and best in read.strong for read in readings):
        return UNKNOWN, (f"What happened is unknown: {_label(best)} is only hinted at.",)
    if rest and rest[0][1] == most:
        tied = sorted(angle for angle, count in counts.items() if count == most)
        return UNKNOWN, (f"What happened is unknown: {_spoken(tied)} are told by {most} each.",)
    if most < words.rules.least and not by_trades:
        return UNKNOWN, (
            f"What happened is unknown: only {most} of {len(readings)} receipts speaks of {_label(best)}.",
        )
    if most < math.ceil(words.rules.share * len(readings)):
        return UNKNOWN, (f"What happened is unknown: only {most} of {len(readings)} receipts speak of {_label(best)}.",)
    return best, ()


def _label(angle: str) -> str:
    return angle.replace("_", " ")


def _spoken(angles: Sequence[str]) -> str:
    return " and ".join(_label(angle) for angle in angles)


def _careful(
    story: Story, angle: str, readings: Sequence[Reading], words: PackageWords
) -> tuple[bool, tuple[str, ...]]:
    """A careful angle, or receipts that speak of one or accuse somebody though another angle won."""
    if angle in words.careful:
        return True, ()
    grave = [word for read in readings if (word := _grave_word(read, words))]
    hinted = [read.hints[name][0][1] for read in readings for name in sorted(words.careful & set(read.hints))]
    if (grave and story.kind not in WORKS) or len(grave) + len(hinted) >= words.rules.careful_least:
        return True, (f"Worded with care: a receipt says “{(grave + hinted)[0]}”.",)
    return False, ()


def _grave_word(read: Reading, words: PackageWords) -> str | None:
    """The word of one receipt that asks for care."""
    for angle in words.angles:
        if angle.careful and angle.name in read.strong:
            return read.strong[angle.name][0][1]
    return next((shown for _, shown in find(words.care, read.words, read.text)), None)


def _topic(angle: str, readings: Sequence[Reading]) -> tuple[str | None, tuple[Receipt, ...]]:
    """The topic most receipts have a word for; strong words before hints, then the order of the table."""
    for part in ("strong", "hints"):
        holders: dict[str, list[Receipt]] = {}
        for read in readings:
            found: Mapping[str, tuple[tuple[str, str], ...]] = getattr(read, part)
            if angle in read.votes:
                for topic in dict.fromkeys(topic for topic, _ in found.get(angle, ())):
                    holders.setdefault(topic, []).append(read.receipt)
        if holders:
            best = max(holders, key=lambda topic: len(holders[topic]))
            return best, tuple(holders[best])
    return None, ()


def _shown(angle: str, readings: Sequence[Reading]) -> tuple[str, ...]:
    """The words that told ``angle``, by how many receipts have them."""
    counts = Counter(
        shown for read in readings if angle in read.votes for shown in dict.fromkeys(s for _, s in read.told(angle))
    )
    return tuple(word for word, _ in counts.most_common(MAX_WORDS))


def _confirming(angle: str, careful: bool, readings: Sequence[Reading], words: PackageWords) -> tuple[Receipt, ...]:
    """The trade items that say the same, oldest first; where care is needed, without doubt or a question."""
    if careful and angle == UNKNOWN:
        return ()
    entry = next((known for known in words.angles if known.name == angle), None)
    said = []
    for read in readings:
        doubtful = entry is not None and any(find(entry.hedges, read.words, read.text))
        sure = not (careful and (doubtful or "?" in read.receipt.title))
        if read.receipt.source == "trades" and sure and (entry is None or angle in read.votes):
            said.append(read.receipt)
    return tuple(sorted(said, key=lambda receipt: receipt.published_at or receipt.observed_at))


def _doubts(angle: str, readings: Sequence[Reading], words: PackageWords) -> tuple[tuple[str, Receipt], ...]:
    """Words of doubt about a careful angle, the trades' first."""
    hedges = [term for entry in words.angles if entry.careful and entry.name == angle for term in entry.hedges]
    found = [(shown, read.receipt) for read in readings for _, shown in find(hedges, read.words, read.text)]
    found.sort(key=lambda doubt: doubt[1].source != "trades")
    return tuple({shown: (shown, receipt) for shown, receipt in reversed(found)}.values())[::-1]
