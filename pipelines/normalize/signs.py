"""The second sign: when a name that is also a common word ("It", "Dune") counts as the name.

The words are in ``config/second_signs.toml``; the rules are these. In one text a name is confirmed when its exact
display form stands in quotes, or when an entertainment cue word is near it: directly beside it, or a few words away
where the name is capitalised in running text, so that its capital means something.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pipelines.errors import InputError
from pipelines.normalize.names import has_spaceless_script
from pipelines.settings import CONFIG_DIR

QUOTES = (
    ("“", "”"),
    ('"', '"'),
    ("‘", "’"),
    ("'", "'"),
    ("«", "»"),
    ("„", "“"),
    ("《", "》"),
    ("〈", "〉"),
    ("「", "」"),
    ("『", "』"),
)
"""Opening and closing quotation marks; the last four kinds mark titles in Chinese and Japanese."""

_KEYS = ("cues", "function_words", "connectors", "max_distance", "max_characters")
_QUERY_WORDS = 4
_ENDINGS = ("", ",", ".", "!", "?", ":")


@dataclass(frozen=True, slots=True)
class Signs:
    """The word lists and distances; see the comments in ``config/second_signs.toml``."""

    cues: frozenset[str]
    function_words: frozenset[str]
    connectors: frozenset[str]
    max_distance: int
    max_characters: int

    def confirms(self, title: str, text: str, form: str, shown: tuple[str, ...]) -> bool:
        """Whether ``title`` (as written; ``text`` is its canonical form) shows that the name ``form`` is meant.

        ``shown`` are the display forms of the name.
        """
        return any(is_quoted(title, name) for name in shown) or self._cue_near(title, text, form, shown)

    def _cue_near(self, title: str, text: str, form: str, shown: tuple[str, ...]) -> bool:
        if has_spaceless_script(form):
            return self._cue_in_characters(text, form)
        words, name = text.split(" "), form.split(" ")
        if all(word in self.function_words for word in name):
            return any(self._cue_beside(title, one) for one in shown)
        if not any(_may_be_written(title, one) for one in shown):
            return False
        reach = self.max_distance if any(stands_out(title, one) for one in shown) else 1
        for at in range(len(words) - len(name) + 1):
            if words[at : at + len(name)] == name:
                after, before = words[at + len(name) :], words[:at][::-1]
                if self._cue_within(after, reach) or self._cue_within(before, reach, reverse=True):
                    return True
        return False

    def _cue_beside(self, title: str, shown: str) -> bool:
        """Whether a cue stands right beside the name as written, nothing but a space or a quotation mark between them.

        The name must be in its own letter case, unless the title is like a typed query: a few words, no capital at all.
        """
        typed = title.islower() and len(title.split()) <= _QUERY_WORDS
        name = re.escape(shown.lower() if typed else shown)
        after = rf"(?<!\w){name}['\"’”]?\s+([\w-]+)"
        before = rf"([\w-]+)\s+['\"‘“]?{name}(?!\w|['’]\w)"
        return any(found.lower() in self.cues for pattern in (after, before) for found in re.findall(pattern, title))

    def _cue_within(self, words: list[str], reach: int, *, reverse: bool = False) -> bool:
        """Whether one of the next ``reach`` words (or a pair of them) is a cue; connectors do not count."""
        counted = 0
        for i, word in enumerate(words):
            pair = " ".join(words[i : i + 2][:: -1 if reverse else 1])
            if word in self.cues or pair in self.cues:
                return True
            counted += word not in self.connectors
            if counted >= reach:
                return False
        return False

    def _cue_in_characters(self, text: str, form: str) -> bool:
        at = text.find(form)
        while at >= 0:
            window = text[max(0, at - self.max_characters) : at] + "\n" + text[at + len(form) :][: self.max_characters]
            if any(cue in window for cue in self.cues if has_spaceless_script(cue)):
                return True
            if any(word in self.cues for word in window.split()):
                return True
            at = text.find(form, at + 1)
        return False


def is_quoted(title: str, shown: str) -> bool:
    """Whether ``shown`` stands in quotation marks in ``title``, letter for letter."""
    return any(f"{left}{shown}{end}{right}" in title for left, right in QUOTES for end in _ENDINGS)


def stands_out(title: str, shown: str) -> bool:
    """Whether ``shown`` is capitalised in ``title`` where a capital means something.

    That is: not as the first word, not beside another capitalised word (a longer name), not in a headline that
    capitalises every word, not in one all in capitals.
    """
    if not shown[:1].isupper() or capitals(title) > 0.6:
        return False
    places = re.finditer(rf"(?<!\w){re.escape(shown)}(?!\w)", title)
    return any(_inside(title, found.start()) and not _in_longer_name(title, *found.span()) for found in places)


def _inside(title: str, at: int) -> bool:
    """Whether something other than the start of a sentence comes right before position ``at``."""
    before = title[:at].rstrip(" \"'“‘«([")
    return bool(before) and before[-1] not in ".!?:;|…—–-]"


def _in_longer_name(title: str, start: int, end: int) -> bool:
    """Whether a capitalised word stands right beside the name, a first word of the title aside."""
    after = re.match(r"(?:['’]s)? (\w)", title[end:])
    before = re.search(r"\s(\w)[\w'’]* $", title[:start])
    return any(found is not None and found.group(1).isupper() for found in (after, before))


def _may_be_written(title: str, shown: str) -> bool:
    """Whether ``title`` has a plain name as it is written, letter case aside: "I've" is not the name IVE."""
    plain = shown.isascii() and shown.replace(" ", "").isalnum()
    return not plain or bool(written_forms(title, shown))


def written_forms(title: str, name: str) -> list[str]:
    """How ``name`` is written in ``title``, letter case aside, at word boundaries."""
    return sorted(set(re.findall(rf"(?<![^\W_]){re.escape(name)}(?![^\W_])", title, re.IGNORECASE)))


def capitals(title: str) -> float:
    """Share of the longer words (4 letters or more) of ``title`` with a first capital; 0 for fewer than 3 of them."""
    longer = [word for word in _words(title) if len(word) >= 4]
    return sum(word[0].isupper() for word in longer) / len(longer) if len(longer) >= 3 else 0.0


def _words(title: str) -> Iterator[str]:
    return (found.group() for found in re.finditer(r"[^\W\d_][\w'’]*", title))


@cache
def load_signs(path: Path = CONFIG_DIR / "second_signs.toml") -> Signs:
    """Read the table. Raises :class:`InputError` naming the file and the key that is wrong."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path.name}: cannot be read: {error}") from None
    wrong = sorted(set(table) ^ set(_KEYS))
    if wrong:
        raise InputError(f"{path.name}: unknown or missing key {wrong[0]}")
    for key in _KEYS:
        value = table[key]
        fits = (
            isinstance(value, int)
            if key.startswith("max")
            else isinstance(value, list) and all(isinstance(v, str) for v in value)
        )
        if not fits:
            raise InputError(
                f"{path.name}: {key} must be {'a whole number' if key.startswith('max') else 'a list of words'}"
            )
    lists = {key: frozenset(table[key]) for key in _KEYS[:3]}
    return Signs(**lists, max_distance=table["max_distance"], max_characters=table["max_characters"])
