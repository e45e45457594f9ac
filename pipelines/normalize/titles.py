"""Names inside headlines, without a model: quoted titles, and runs of capitalised words. Pure, one title at a time."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pipelines.normalize.signs import capitals

_QUOTED = re.compile(
    r"“([^“”]{2,80})”|(?<!\w)\"([^\"]{2,80})\"(?!\w)|‘([^‘’]{2,80})’(?!\w)|(?<!\w)'([^']{2,80})'(?!\w)"
    r"|«([^«»]{2,80})»|《([^《》]{1,60})》|〈([^〈〉]{1,60})〉|「([^「」]{2,40})」|『([^『』]{2,40})』"
)
_CURLY_WITH_APOSTROPHE = re.compile(r"‘((?:[^‘’]|’(?=\w)){2,80})’(?!\w)")
_TOKEN = re.compile(r"[^\W_](?:[\w&]|['’.\-](?=[^\W_]))*\.?")
_INSIDE = frozenset(
    {
        "of",
        "the",
        "de",
        "da",
        "del",
        "della",
        "der",
        "di",
        "du",
        "la",
        "le",
        "van",
        "von",
        "and",
        "bin",
        "el",
        "al",
        "y",
    }
)
_MAX_WORDS_QUOTED = 8
_MAX_WORDS_RUN = 6
_TITLE_CASE = 0.75
_ALL_CAPS = 0.6


def quoted(title: str) -> Iterator[str]:
    """What stands in quotation marks in ``title`` and could be the title of a work: short, and not a sentence.

    In straight or curly quotes it must start with a capital, a digit or a letter without case.
    """
    for pattern in (_QUOTED, _CURLY_WITH_APOSTROPHE):
        for found in pattern.finditer(title):
            inner = next(group for group in found.groups() if group).strip(" ,.;:")
            words = inner.split()
            if not inner or len(words) > _MAX_WORDS_QUOTED or inner[0].islower():
                continue
            if _is_speech(words):
                continue
            yield inner


def _is_speech(words: list[str]) -> bool:
    """Whether quoted words read like something said: from three words on, most of the longer ones in small letters."""
    longer = [word for word in words[1:] if len(word) >= 4]
    return len(words) >= 3 and bool(longer) and sum(word[0].islower() for word in longer) * 2 >= len(longer)


def runs(title: str, edges: frozenset[str]) -> Iterator[str]:
    """Runs of two to six capitalised words in ``title``, small words like "of the" allowed inside, ``edges`` cut off.

    Nothing from a title in Title Case or in capitals, where capitals say nothing.
    """
    letters = [c for c in title if c.isalpha()]
    if not letters or sum(c.isupper() for c in letters) > _ALL_CAPS * len(letters) or capitals(title) > _TITLE_CASE:
        return
    run: list[str] = []
    end = 0
    for found in _TOKEN.finditer(title):
        word = found.group()
        if run and title[end : found.start()].strip():
            yield from _settled(run, edges)
            run = []
        if word[0].isupper() or (run and (word in _INSIDE or word.isdigit())):
            run.append(word)
        else:
            yield from _settled(run, edges)
            run = []
        end = found.end()
        if word.endswith(".") and len(word) > 3 and run and word not in ("Jr.", "Sr."):
            yield from _settled(run, edges)
            run = []
    yield from _settled(run, edges)


def _settled(run: list[str], edges: frozenset[str]) -> Iterator[str]:
    """The run without words at its edges that belong to no name, if two capitalised words or more are left."""
    first, last = 0, len(run)
    while first < last and _plain(run[first]) in edges:
        first += 1
    while last > first and (
        (not run[last - 1][0].isupper() and not run[last - 1].isdigit()) or _plain(run[last - 1]) in edges
    ):
        last -= 1
    words = run[first:last]
    named = sum(word[0].isupper() for word in words)
    if named >= 2 and len(words) <= _MAX_WORDS_RUN and not all(word.isupper() and len(word) > 3 for word in words):
        words[-1] = re.sub(r"['’]s$|['’]$", "", words[-1])
        if words[-1] not in ("Jr.", "Sr.") and not re.search(r"\w\.\w", words[-1]):
            words[-1] = words[-1].rstrip(".")
        yield " ".join(words)


def _plain(word: str) -> str:
    return word.lower().replace("’", "").replace("'", "").rstrip(".")
