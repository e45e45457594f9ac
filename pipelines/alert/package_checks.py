"""Holds the texts of a package to its story: limits, names, figures, quotes, attribution, grammar around gaps. Pure.

The templates pass by construction and are tested to; a writer's text is checked at run time (``package_writer``).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pipelines.alert.package_chars import (
    ELLIPSIS,
    count_words,
    inside_quotes,
    plain,
    plain_name,
    without_isolates,
)
from pipelines.alert.package_facts import computed
from pipelines.alert.package_model import (
    LOWER_LINES,
    MAX_ANGLE,
    MAX_CUE,
    MAX_HOOK,
    MAX_LOWER,
    MAX_PUSH,
    MAX_SOCIAL,
    MAX_TEASE,
    MAX_TEASE_WORDS,
    Story,
    Texts,
)
from pipelines.alert.package_receipts import LABELS, outlet, shown_name
from pipelines.alert.package_story import Told, tell
from pipelines.alert.package_words import PackageWords, Token, find, key_of, tokens

QUOTE, NAME, FIGURE = "\ue001", "\ue002", "\ue003"
"""Stand in a text for what was already held to the receipts; cleaned text never has them."""

COUNTS = {"hook": 1, "angles": 3, "brief_hook": 1, "teases": 3, "push": 1, "social": 1, "lower_third": LOWER_LINES}
CHARS = {
    "hook": MAX_HOOK,
    "angles": MAX_ANGLE,
    "brief_hook": MAX_SOCIAL,
    "teases": MAX_TEASE,
    "push": MAX_PUSH,
    "social": MAX_SOCIAL,
    "lower_third": MAX_LOWER,
    "asset_cues": MAX_CUE,
}
PUBLIC = frozenset({"teases", "push", "social"})
"""What may reach the audience as it stands: each of these is marked while unconfirmed (so is the lower third)."""

FIXED_NAMES = (*LABELS.values(), "Google", "UTC")
_QUOTED = re.compile("“([^“”]*)”")
_DIGITS = re.compile(
    r"[$€£¥]?\d[\d.,:]*(?:\s?(?:%|percent\b|[kmb]n?\b|thousand\b|million\b|billion\b))?", re.IGNORECASE
)
_EMPTY = re.compile(r"“\s*”|\(\s*\)|\[\s*\]|\{|\}|\b(?:none|nan|null|undefined)\b", re.IGNORECASE)
_DOUBLED = re.compile(r"  |[,;:.!?]\s*[,;:.!?]|\s[,;:.!?)]|\(\s|^[\s,;:.!?]|\s$")
_LINK = re.compile(r"https?:|www\.|[<>|@#\\]", re.IGNORECASE)
_SENTENCE = re.compile(r"(?<=[.?!])\s+")
_STRAIGHT = re.compile('"')


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a text may draw on, made once per story."""

    told: Told
    titles: tuple[str, ...]
    names: tuple[str, ...]
    name: str
    figures: tuple[str, ...]
    numbers: frozenset[str]
    words: frozenset[str]
    pairs: frozenset[tuple[str, str]]
    angles: frozenset[str]
    table: PackageWords
    own_words: frozenset[str]


def evidence(story: Story, table: PackageWords, own_words: Iterable[str] = ()) -> Evidence:
    """What texts about ``story`` may draw on. ``own_words`` may begin a sentence besides the table's starters."""
    told = tell(story, table)
    name = shown_name(story)
    titles = [inside_quotes(receipt.title) for receipt in story.receipts]
    feeds = [plain(receipt.feed, 60) for receipt in story.receipts]
    outlets = [outlet(receipt, table) for receipt in story.receipts if receipt.source == "trades"]
    related = [one for one in map(plain_name, story.related) if tokens(one)]
    sources = [*titles, name, *related, *feeds, *outlets, *FIXED_NAMES, told.topic or ""]
    spoken = [[token.key for token in tokens(text)] for text in sources]
    told_angles = {angle for read in told.readings for angle in (*read.strong, *read.hints)}
    in_titles = frozenset(angle for text in titles for angle in _angles(text, table))
    return Evidence(
        told=told,
        titles=tuple(title.casefold() for title in titles),
        names=tuple(sorted({name, inside_quotes(name), *related, *outlets}, key=len, reverse=True)),
        name=name,
        figures=computed(story, told, table),
        numbers=frozenset(_figure(match) for text in sources for match in _DIGITS.findall(text)),
        words=frozenset(key for keys in spoken for key in keys),
        pairs=frozenset(pair for keys in spoken for pair in itertools.pairwise(keys)),
        angles=in_titles | told_angles,
        table=table,
        own_words=frozenset(own_words),
    )


def problems(texts: Texts, story: Story, table: PackageWords, own_words: Iterable[str] = ()) -> tuple[str, ...]:
    """What is wrong with ``texts`` (fields as in ``Package.texts``), one line each; () where all is well."""
    held = evidence(story, table, own_words)
    found: list[str] = []
    for field, lines in texts.items():
        found += [f"{field}: {problem}" for problem in _field_problems(field, lines, held)]
    return tuple(dict.fromkeys(found))


def _field_problems(field: str, lines: Sequence[str], held: Evidence) -> Iterator[str]:
    if field not in CHARS:
        yield "there is no such field"
        return
    if field in COUNTS and len(lines) != COUNTS[field]:
        yield f"{len(lines)} texts, not {COUNTS[field]}"
    if len(set(lines)) != len(lines) and field != "lower_third":
        yield "the same text twice"
    for line in lines:
        yield from _length(field, line)
        masked, wrong_quotes = _mask(line, held)
        yield from wrong_quotes
        yield from _grammar(masked, held)
        yield from _names(masked, held)
        yield from _figures(masked, held)
        yield from _claims(masked, held)
        yield from _marks(field, line, masked, held)
    unmarked = field == "lower_third" and not any(_marked(line, held) for line in lines)
    if unmarked and held.told.confirmed_by is None:
        yield "does not say that it is unconfirmed"


def _length(field: str, line: str) -> Iterator[str]:
    if not line.strip():
        yield "an empty text"
    if len(line) > CHARS[field]:
        yield f"{len(line)} characters, more than {CHARS[field]}"
    if field == "teases" and count_words(line) > MAX_TEASE_WORDS:
        yield f"{count_words(line)} words, more than {MAX_TEASE_WORDS}"


def _mask(line: str, held: Evidence) -> tuple[str, list[str]]:
    """``line`` with quotes, names and worked-out figures replaced by stand-ins; and quotes no receipt has."""
    wrong = []
    text = without_isolates(line)
    for inner in _QUOTED.findall(text):
        body = inner.removesuffix(ELLIPSIS).casefold()
        if not body.strip() or not any(body in title for title in held.titles):
            wrong.append(f"quotes what no receipt says: “{inner}”")
    text = _QUOTED.sub(QUOTE, text)
    cuts = [held.name[:size] + ELLIPSIS for size in range(len(held.name))] if ELLIPSIS in text else []
    text = _replaced(text, {**dict.fromkeys((*held.names, *cuts), NAME), **dict.fromkeys(held.figures, FIGURE)})
    if "“" in text or "”" in text or _STRAIGHT.search(text):
        wrong.append("a quotation mark without its other half, or a straight one")
    return text, wrong


def _replaced(text: str, stand_ins: dict[str, str]) -> str:
    """``text`` with its longest known phrases replaced, in one pass: one may be a part of another."""
    present = sorted((phrase for phrase in stand_ins if phrase in text), key=len, reverse=True)
    if not present:
        return text
    return re.sub("|".join(_bounded(phrase) for phrase in present), lambda match: stand_ins[match.group()], text)


def _bounded(phrase: str) -> str:
    before = r"(?<!\w)" if phrase[0].isalnum() else ""
    after = r"(?!\w)" if phrase[-1].isalnum() else ""
    return before + re.escape(phrase) + after


def _grammar(masked: str, held: Evidence) -> Iterator[str]:
    if match := _EMPTY.search(masked):
        yield f"an empty place: {match.group()!r}"
    if match := _DOUBLED.search(masked):
        yield f"doubled or stray spaces or punctuation: {match.group()!r}"
    if match := _LINK.search(masked):
        yield f"a link, tag or markup: {match.group()!r}"
    if "!" in masked:
        yield "an exclamation mark"
    for clause in re.split(r"[,;:.?]+(?:\s|$)|$", masked):
        last = clause.rstrip().rpartition(" ")[2]
        if last.casefold() in held.table.held.dangling:
            yield f"a loose end: {last!r}"


def _names(masked: str, held: Evidence) -> Iterator[str]:
    """Capitalised words, and words of other scripts, that stand in no receipt."""
    starters = held.table.held.starters | held.own_words
    before: Token | None = None
    for token in tokens(masked):
        adjacent = before is not None and masked[before.start + len(before.shown) : token.start] == " "
        capital = token.shown[0].isupper()
        if capital or not token.key.isascii():
            opens = _opens_sentence(masked, token.start)
            known = token.key in held.words or (opens and token.key in starters)
            pair_known = not adjacent or before is None or not before.shown[0].isupper() or (
                (before.key, token.key) in held.pairs or (_opens_sentence(masked, before.start) and before.key in starters)
            )  # fmt: skip
            if not known:
                yield f"a name in no receipt: {token.shown}"
            elif capital and not opens and not pair_known and before is not None:
                yield f"a name in no receipt: {before.shown} {token.shown}"
        before = token


def _opens_sentence(masked: str, at: int) -> bool:
    left = masked[:at].rstrip(" ‘'(")
    return not left or left[-1] in ".?!:"


def _figures(masked: str, held: Evidence) -> Iterator[str]:
    for match in _DIGITS.findall(masked):
        if _figure(match) not in held.numbers:
            yield f"a figure in no receipt: {match.strip()}"
    for token in tokens(masked):
        for key in token.key.split("-"):
            if key in held.table.held.numbers and key not in held.words:
                yield f"a figure in no receipt: {token.shown}"


def _figure(text: str) -> str:
    bare = re.sub(r"\s", "", text.casefold()).replace("percent", "%")
    return re.sub(r"[.,:]+(?=$|\D*$)", "", bare)


def _angles(text: str, table: PackageWords) -> Iterator[str]:
    words = tokens(text)
    for angle in table.angles:
        if any(find(angle.strong, words, text)):
            yield angle.name


def _claims(masked: str, held: Evidence) -> Iterator[str]:
    """Words that tell of something no receipt tells of; grave ones without saying who says so."""
    for sentence in _SENTENCE.split(masked):
        words = tokens(sentence)
        for angle in _angles(sentence, held.table):
            if angle not in held.angles:
                yield f"speaks of {angle.replace('_', ' ')}, which no receipt does"
            elif angle in held.table.careful and not {word.key for word in words} & held.table.held.attributions:
                yield f"states {angle} without saying who says so"
        for _, shown in find(held.table.care, words, sentence):
            if key_of(shown) not in held.words:
                yield f"accuses (“{shown}”) as no receipt does"


def _marks(field: str, line: str, masked: str, held: Evidence) -> Iterator[str]:
    if field not in PUBLIC:
        return
    if held.told.confirmed_by is None and not _marked(line, held):
        yield "does not say that it is unconfirmed"
    if held.told.careful and "?" in masked:
        yield "teases with a question where care is needed"


def _marked(line: str, held: Evidence) -> bool:
    outside = _QUOTED.sub("", line).casefold()
    return any(mark in outside for mark in held.table.held.marks)
