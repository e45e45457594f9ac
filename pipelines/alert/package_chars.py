"""Text as people see it: cleaned, cut without breaking a letter or an emoji, counted."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

ELLIPSIS = "…"
FIRST_ISOLATE, POP_ISOLATE = "\u2068", "\u2069"
MAX_RAW = 2_000
MAX_MARKS = 4
MAX_PIECE = 16
"""The longest emoji sequence there is has ten code points; a longer chain is not worth keeping whole."""

JOINERS = "\u200c\u200d"
_DOUBLE_OPEN, _DOUBLE_CLOSE = "“„«‟〝", "”»〞"
_EXTENDS = "\u200c\u200d\ufe0e\ufe0f\u0e33\u0eb3"
_TRAILING = " ,;:-–—/&+|([{<‘'\"#@$€£*_~"
_DANGLING = {"a", "an", "and", "as", "at", "by", "for", "from", "in", "of", "on", "or", "the", "to", "with", "but"}
_WORD = re.compile(r"[^\W_]+(?:['’.-][^\W_]+)*")


def plain(text: str, cap: int = MAX_RAW) -> str:
    """``text`` as one line of visible characters: no controls, direction marks, surrogates or stacked marks."""
    if text.isascii() and text.isprintable():
        return " ".join(text[:cap].split())
    kept: list[str] = []
    marks = 0
    for char in unicodedata.normalize("NFC", text[:cap].encode("utf-8", "ignore").decode("utf-8")):
        category = unicodedata.category(char)
        if category in ("Cs", "Co") or _is_nothing(char, category):
            continue
        marks = marks + 1 if category[0] == "M" else 0
        if marks <= MAX_MARKS:
            kept.append(" " if category in ("Cc", "Zl", "Zp", "Zs") else char)
    line = " ".join("".join(kept).split())
    return line.strip(" " + JOINERS).lstrip("\ufe0e\ufe0f")


def _is_nothing(char: str, category: str) -> bool:
    """Format characters other than those that make up letters and emoji, and code points that are no characters."""
    if category == "Cf":
        return char not in JOINERS and not _is_tag(char)
    return category == "Cn" and (ord(char) & 0xFFFE == 0xFFFE or 0xFDD0 <= ord(char) <= 0xFDEF)


def _is_tag(char: str) -> bool:
    """Tag characters spell the flags of England and the like."""
    return "\U000e0020" <= char <= "\U000e007f"


def plain_name(name: str) -> str:
    """A name, cleaned; its double quotes straight, so that curly ones are always a quotation of ours."""
    return "".join('"' if c in _DOUBLE_OPEN + _DOUBLE_CLOSE else c for c in plain(name, 300))


def inside_quotes(text: str) -> str:
    """``text`` fit to stand between “ and ”: cleaned, and its own double quotes become single ones."""
    out: list[str] = []
    for char in plain(text):
        if char in _DOUBLE_OPEN:
            out.append("‘")
        elif char in _DOUBLE_CLOSE:
            out.append("’")
        elif char in '"＂':
            out.append("‘" if not out or out[-1] in " ([{‘" else "’")
        else:
            out.append(char)
    return "".join(out)


def clusters(text: str) -> Iterator[str]:
    """The pieces of ``text`` that must stay whole: letters with their marks, emoji sequences, flags.

    Follows the rules of UAX 29 that matter here, without its tables.
    """
    piece = ""
    flags = 0
    for char in text:
        flag = "\U0001f1e6" <= char <= "\U0001f1ff"
        joins = _extends(char) or piece[-1:] == "\u200d" or (flag and flags % 2 == 1)
        joined = 0 < len(piece) < MAX_PIECE and joins
        if piece and not joined:
            yield piece
            piece = ""
        flags = flags + 1 if flag else 0
        piece += char
    if piece:
        yield piece


def _extends(char: str) -> bool:
    return (
        char in _EXTENDS
        or unicodedata.category(char)[0] == "M"
        or "\U0001f3fb" <= char <= "\U0001f3ff"
        or _is_tag(char)
        or "\u1160" <= char <= "\u11ff"
    )


def cut(text: str, room: int, words: int | None = None) -> str:
    """``text`` within ``room`` characters (and ``words`` words), shortened with "…" at a word's end where it must be.

    A text whose first word alone is too long is cut between two letters. "" where not even one piece fits.
    """
    if len(text) <= room and (words is None or count_words(text) <= words):
        return text
    kept = ""
    for piece in clusters(text):
        if len(kept) + len(piece) > room - 1:
            break
        kept += piece
    if len(kept) < len(text) and text[len(kept)] != " " and kept.rfind(" ") * 3 >= len(kept):
        kept = kept[: kept.rfind(" ")]
    while words is not None and kept and count_words(kept) > words:
        kept = kept[: kept.rfind(" ")] if " " in kept else _without_last_word(kept)
    kept = _without_loose_end(kept)
    return kept + ELLIPSIS if kept else ""


def _without_last_word(text: str) -> str:
    *_, last = _WORD.finditer(text)
    return text[: last.start()]


def _without_loose_end(text: str) -> str:
    while True:
        text = text.rstrip(_TRAILING)
        head, space, last = text.rpartition(" ")
        if not space or last.casefold() not in _DANGLING:
            return text
        text = head


def count_words(text: str) -> int:
    """How many words a speaker would count; the larger of two ways to count them."""
    return max(len(text.split()), len(_WORD.findall(text)))


def isolated(text: str) -> str:
    """``text``, wrapped in isolates when it has right-to-left letters."""
    if any(unicodedata.bidirectional(char) in ("R", "AL") for char in text):
        return FIRST_ISOLATE + text + POP_ISOLATE
    return text


def without_isolates(text: str) -> str:
    """``text`` without the isolates :func:`isolated` put there."""
    return text.replace(FIRST_ISOLATE, "").replace(POP_ISOLATE, "")


def listed(parts: tuple[str, ...]) -> str:
    """``a``, ``a and b``, ``a, b and c``; "" for none."""
    return parts[0] if len(parts) == 1 else " and ".join(filter(None, (", ".join(parts[:-1]), *parts[-1:])))
