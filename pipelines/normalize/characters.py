"""Tables about characters that the canonical form and the matcher share."""

from __future__ import annotations

import unicodedata

SPACELESS = (
    "\u0e00-\u0e7f\u0e80-\u0eff\u1000-\u109f\u1780-\u17ff\ua9e0-\ua9ff\uaa60-\uaa7f"  # Thai, Lao, Burmese, Khmer
    "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3031-\u3035\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff"  # CJK marks, kana
    "\u3105-\u312f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00016fe0-\U00018cff"
    "\U0001aff0-\U0001b16f\U00020000-\U0003ffff"
)
"""Ranges (for a regular expression's set) of scripts written without spaces between words."""

HANGUL = "\u1100-\u11ff\ua960-\ua97f\uac00-\ud7ff"
"""Ranges of Korean, written with spaces but with particles stuck to the end of a name."""

APOSTROPHES = "'’‘‛′ʼʹˈꞌ`´＇\u055a\u05f3"
"""What people type where an apostrophe is meant."""

MIDDLE_DOTS = "·・‧•∙⋅ᐧ"
"""What stands between the parts of a foreign name in Chinese and Japanese."""

IGNORABLE = "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u3164\uffa0"
"""Invisible characters that Unicode does not class as format characters."""

_STROKES = {"ø": "o", "ł": "l", "đ": "d", "ħ": "h", "ŧ": "t", "ı": "i", "æ": "ae", "œ": "oe", "ð": "d", "þ": "th"}
_GENERIC_MARKS = (
    (0x300, 0x36F),
    (0x483, 0x487),
    (0x1AB0, 0x1AFF),
    (0x1DC0, 0x1DFF),
    (0x20D0, 0x20FF),
    (0xFE20, 0xFE2F),
)
KEPT = "'.$+·"
"""What :data:`FOLD` lets pass because it can mean something between letters."""


def is_ignorable(char: str) -> bool:
    """Whether ``char`` has no meaning in a name: format characters, variation selectors, tags, fillers, surrogates."""
    code = ord(char)
    return (
        unicodedata.category(char) in ("Cf", "Cs")
        or char in IGNORABLE
        or 0xFE00 <= code <= 0xFE0F
        or 0xE0000 <= code <= 0xE0FFF
    )


def _folded(char: str) -> str | None:
    """What one decomposed, casefolded character becomes: itself, another, a space, or nothing."""
    if char == "\n" or char in KEPT:
        return char
    if is_ignorable(char) or any(low <= ord(char) <= high for low, high in _GENERIC_MARKS):
        return None
    if char in APOSTROPHES:
        return "'"
    if char in MIDDLE_DOTS:
        return "·"
    if char == "&":
        return " and "
    if char in _STROKES:
        return _STROKES[char]
    return char if unicodedata.category(char)[0] in "LMN" else " "


class _Table(dict[int, str | int | None]):
    """A translation table that works out each character the first time it meets it."""

    def __missing__(self, code: int) -> str | int | None:
        value = _folded(chr(code))
        self[code] = value
        return value


FOLD = _Table()
"""For ``str.translate`` on decomposed, casefolded text. Newlines and ``' . $ + ·`` pass through."""


def _mark_ranges(start: int, stop: int) -> str:
    """Combining marks among the code points, as ranges for a regular expression's set."""
    marks = [code for code in range(start, stop) if unicodedata.category(chr(code))[0] == "M"]
    firsts = [code for i, code in enumerate(marks) if i == 0 or marks[i - 1] != code - 1]
    lasts = [code for i, code in enumerate(marks) if i + 1 == len(marks) or marks[i + 1] != code + 1]
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in zip(firsts, lasts, strict=True))


BASIC_MARKS = _mark_ranges(0x300, 0x10000)
"""Ranges of the combining marks of the basic plane."""

MARKS = BASIC_MARKS + _mark_ranges(0x10000, 0x1F000)
"""Ranges of all combining marks (beyond these there are only variation selectors, which never stay)."""
