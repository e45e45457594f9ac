"""Names that look the same in other letters ("Tаylor" with a Cyrillic а): for a person to judge, never merged."""

from __future__ import annotations

import unicodedata
from functools import cache

from confusable_homoglyphs import confusables

from pipelines.normalize.names import canonical

_SCRIPTS = ("CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC", "LISU", "GEORGIAN", "LATIN")


def looks_like(a: str, b: str) -> bool:
    """Whether two different names look alike because letters of another alphabet stand in for Latin ones."""
    return canonical(a) != canonical(b) and skeleton(a) == skeleton(b) != ""


def skeleton(name: str) -> str:
    """``name`` with every letter that imitates a Latin one replaced by it, canonical otherwise; may be empty.

    Takes display and canonical forms alike: a small letter that imitates nothing is judged by its capital.
    """
    if name.isascii():
        return canonical(name)
    table = _table()
    return canonical("".join(table.get(char, char) for char in unicodedata.normalize("NFKC", name)))


@cache
def _table() -> dict[str, str]:
    """Letters of other alphabets to the Latin letters they imitate (Unicode's confusables), small letters first."""
    direct: dict[str, str] = {}
    for char, others in confusables.confusables_data.items():
        if len(char) != 1 or char.isascii() or not char.isalpha() or not _of_known_script(char):
            continue
        latin = [other["c"] for other in others if other["c"].isascii() and other["c"].isalpha()]
        if latin:
            direct[char] = latin[0].lower()
    by_capital = {
        char.lower(): latin
        for char, latin in direct.items()
        if len(char.lower()) == 1 and char.lower() != char and char.lower() not in direct
    }
    return direct | by_capital


def _of_known_script(char: str) -> bool:
    return unicodedata.name(char, "").startswith(_SCRIPTS)
