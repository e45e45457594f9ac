"""A new text told as a change of the one before, so that an update costs what changed. Pure.

Markup that is made anew at every poll is mostly the markup of the poll before: the same elements with other numbers.
:func:`change` looks for those by position, element by element, and lets elements that carry a ``data-key`` as their first
attribute be found wherever they have moved to. ``ET.changed`` in ``assets/static/morph.js`` puts the text together again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

type Change = list[int | str]
"""``[length, skip, keep, put, skip, keep, put, ...]``: go ``skip`` characters on in the old text from where the last copy
ended (back where negative), copy ``keep``, then put ``put``. ``length`` is the new text's, to be checked. Characters are
counted as JavaScript counts them."""

SHORT = 6
"""A copy of fewer characters costs more than the characters."""
BEGINNING = 64
"""So many characters tell a text between two lists from others."""
NEAR = 12
"""How many pieces away the same pieces are looked for."""
SENTENCE = 4
"""A text of more words is told word by word."""
WORTH = 0.7
"""A change longer than this share of the text is no better than the text."""

_KEYED = re.compile(r'(?=<[a-z]+ data-key="|</[ou]l>)')
_KEY = re.compile(r'<[a-z]+ data-key="([^"]*)"')
_PIECES = re.compile(r'[^<>"]*[<>"]|[^<>"]+')
_BEYOND = re.compile("[\U00010000-\U0010ffff]")


def counted(text: str) -> str:
    """``text`` (markup) without characters that JavaScript counts twice: they become references, which read the same."""
    if text.isascii() or not _BEYOND.search(text):
        return text
    return _BEYOND.sub(lambda found: f"&#{ord(found[0])};", text)


def change(old: str, new: str) -> Change:
    """How ``new`` is made of ``old``; both :func:`counted`."""
    places = _places(old)
    made = _Made(old)
    for names, block in _blocks(new):
        start, before = next((places[name] for name in names if name in places), (0, ""))
        _compare(made, start, before, block)
    return made.told(len(new))


def put_together(old: str, said: Change) -> str:
    """The new text. Raises ``ValueError`` where ``said`` belongs to another text than ``old``."""
    parts, at = [], 0
    for skip, keep, put in zip(said[1::3], said[2::3], said[3::3], strict=True):
        start = at + int(skip)
        at = start + int(keep)
        parts += [old[start:at], str(put)]
    text = "".join(parts)
    if len(text) != said[0]:
        raise ValueError("a change of another text")
    return text


def as_json(old: str | None, new: str) -> str:
    """What is sent of ``new`` to a page that has ``old`` (None: nothing), as JSON: a :data:`Change`, or the text itself
    where that is shorter."""
    new = counted(new)
    whole = json.dumps(new, ensure_ascii=False)
    if old is None:
        return whole
    said = json.dumps(change(counted(old), new), ensure_ascii=False, separators=(",", ":"))
    return said if len(said) < WORTH * len(whole) else whole


type _Name = tuple[str, str | int]


def _blocks(text: str) -> Iterator[tuple[tuple[_Name, ...], str]]:
    """The text in blocks with their names, the most telling first. A keyed element goes up to the next or to the end of
    its list; what stands between lists is known by how it begins, else by its place."""
    between = 0
    for block in filter(None, _KEYED.split(text)):
        found = _KEY.match(block)
        if found:
            yield (("key", found[1]),), block
        else:
            yield (("begins", block[:BEGINNING]), ("place", between)), block
            between += 1


def _places(text: str) -> dict[_Name, tuple[int, str]]:
    """Where each block stands, by each of its names."""
    found: dict[_Name, tuple[int, str]] = {}
    at = 0
    for names, block in _blocks(text):
        for name in names:
            found.setdefault(name, (at, block))
        at += len(block)
    return found


class _Made:
    """The change as it grows: copies that continue each other become one, short ones are put as text."""

    def __init__(self, old: str) -> None:
        self._old = old
        self._steps: list[tuple[int, int, list[str]]] = []

    def copy(self, start: int, count: int) -> None:
        """The next ``count`` characters are those of the old text from ``start`` on."""
        if not count:
            return
        if self._steps:
            begun, kept, put = self._steps[-1]
            if not put and begun + kept == start:
                self._steps[-1] = (begun, kept + count, put)
                return
        self._steps.append((start, count, []))

    def put(self, text: str) -> None:
        """The next characters are these."""
        if not text:
            return
        if not self._steps:
            self._steps.append((0, 0, []))
        start, count, before = self._steps[-1]
        if len(self._steps) > 1 and not before and count < SHORT:
            self._steps.pop()
            self._steps[-1][2].append(self._old[start : start + count])
        self._steps[-1][2].append(text)

    def told(self, length: int) -> Change:
        """All of it."""
        said: Change = [length]
        at = 0
        for start, count, put in self._steps:
            said += [start - at, count, "".join(put)]
            at = start + count
        return said


def _compare(made: _Made, start: int, old: str, new: str) -> None:
    """Tell ``new`` by ``old``, which stands at ``start``: piece by piece, and where they differ up to the next two pieces
    that are alike."""
    if old == new:
        made.copy(start, len(new))
        return
    before, after = _PIECES.findall(old), _PIECES.findall(new)
    one = other = same = 0
    while one < len(before) and other < len(after):
        if before[one] == after[other]:
            same += len(before[one])
            one, other = one + 1, other + 1
            continue
        made.copy(start, same)
        start, same = start + same, 0
        less, more = _next_alike(before, one, after, other)
        gone = "".join(before[one : one + less])
        _trimmed(made, start, gone, "".join(after[other : other + more]))
        start, one, other = start + len(gone), one + less, other + more
    made.copy(start, same)
    made.put("".join(after[other:]))


def _next_alike(before: list[str], one: int, after: list[str], other: int) -> tuple[int, int]:
    """How many pieces to leave out and to put in until they are alike again: one for another where the next are, else
    until two in a row are; all where none are near."""
    if before[one + 1 : one + 2] == after[other + 1 : other + 2] != []:
        return 1, 1
    for apart in range(1, 2 * NEAR):
        for less in range(max(0, apart - NEAR), min(apart, NEAR) + 1):
            here, there = one + less, other + apart - less
            if here < len(before) and before[here : here + 2] == after[there : there + 2]:
                return less, apart - less
    return len(before) - one, len(after) - other


def _trimmed(made: _Made, start: int, old: str, new: str) -> None:
    """Tell ``new`` by what it has in common with ``old`` at both ends, a sentence word by word."""
    before, after = old.split(" "), new.split(" ")
    others = sum(map(str.__ne__, before, after)) if len(before) == len(after) > SENTENCE else len(before)
    if 2 * others >= len(before):
        _ends(made, start, old, new)
        return
    for place, (one, other) in enumerate(zip(before, after, strict=True)):
        made.copy(start - 1, 1 if place else 0)
        _ends(made, start, one, other)
        start += len(one) + 1


def _ends(made: _Made, start: int, old: str, new: str) -> None:
    if old == new:
        made.copy(start, len(old))
        return
    head = _alike(old, new)
    tail = _alike(old[head:][::-1], new[head:][::-1])
    made.copy(start, head)
    made.put(new[head : len(new) - tail])
    made.copy(start + len(old) - tail, tail)


def _alike(one: str, other: str) -> int:
    """How many characters two texts begin with alike, found by halves."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
