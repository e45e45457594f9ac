"""The word table behind the action package: ``config/package_words.toml``, read once, and how a word is found in a text."""

from __future__ import annotations

import functools
import re
import tomllib
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.errors import InputError
from pipelines.model import Kind

WORDS_FILE = "package_words.toml"
UNKNOWN = "unknown"
GAP = "\ue000"
_TOKEN = re.compile(r"[^\W_]+(?:['’‘ʼ][^\W_]+)*", re.UNICODE)
_POSSESSIVE = re.compile("['’‘ʼ]s$")
_APOSTROPHES = str.maketrans("", "", "'’‘ʼ")


@dataclass(frozen=True, slots=True)
class Token:
    """A word of a text: ``key`` to compare by, ``shown`` as it stands there, and where."""

    key: str
    shown: str
    start: int


@dataclass(frozen=True, slots=True)
class Term:
    """A word or phrase of the table. ``topic`` is how a sentence calls it.

    ``needle`` is what is looked for among the keys of a text, each with a space before it and one at the end; without
    a space at its own end its last word may go on.
    """

    keys: tuple[str, ...]
    needle: str
    topic: str


@dataclass(frozen=True, slots=True)
class Angle:
    """What can have happened, and the words that tell it."""

    name: str
    careful: bool
    not_kinds: tuple[str, ...]
    strong: tuple[Term, ...]
    hints: tuple[Term, ...]
    hedges: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Rules:
    """The numbers of the table; its comments say what they mean."""

    least: int
    share: float
    careful_least: int
    climbing: float
    since_hours: float


@dataclass(frozen=True, slots=True)
class Held:
    """What the checks hold a text to, apart from the receipts."""

    starters: frozenset[str]
    attributions: frozenset[str]
    marks: tuple[str, ...]
    dangling: frozenset[str]
    numbers: frozenset[str]


@dataclass(frozen=True, slots=True)
class PackageWords:
    """The whole table."""

    rules: Rules
    care: tuple[Term, ...]
    outlets: Mapping[str, str]
    angles: tuple[Angle, ...]
    held: Held

    @property
    def careful(self) -> frozenset[str]:
        """The angles that need care."""
        return frozenset(angle.name for angle in self.angles if angle.careful)


def load_package_words(config_dir: Path) -> PackageWords:
    """The table under ``config_dir``. Raises :class:`InputError` naming the file and what is wrong."""
    path = config_dir / WORDS_FILE
    try:
        with path.open("rb") as file:
            table = tomllib.load(file)
        return PackageWords(
            rules=Rules(**table["rules"]),
            care=_terms(dict.fromkeys(table["care"]["words"], "")),
            outlets={str(host): str(name) for host, name in table["outlets"].items()},
            angles=tuple(_angle(name, entry) for name, entry in table["angles"].items()),
            held=_held(table["checks"]),
        )
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path}: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path}: not a package word table: {error}") from error


def _angle(name: str, entry: dict[str, Any]) -> Angle:
    if name == UNKNOWN:
        raise ValueError(f"an angle cannot be called {UNKNOWN}")
    strong, hints = (_terms(entry[part]) for part in ("strong", "hints"))
    twice = {term.keys for term in strong} & {term.keys for term in hints}
    if twice:
        raise ValueError(f"{' '.join(twice.pop())!r} of {name} is both strong and a hint")
    kinds = tuple(Kind(kind).value for kind in entry["not_kinds"])
    return Angle(name, bool(entry["careful"]), kinds, strong, hints, _terms(dict.fromkeys(entry["hedges"], "")))


def _terms(table: Mapping[str, str]) -> tuple[Term, ...]:
    terms = []
    for text, topic in table.items():
        keys = tuple(token.key for token in tokens(text))
        if not keys or not isinstance(topic, str):
            raise ValueError(f"{text!r} is not a word with its topic")
        end = "" if text.endswith("*") else " "
        terms.append(Term(keys, f" {' '.join(keys)}{end}", topic))
    return tuple(terms)


def _held(table: dict[str, list[str]]) -> Held:
    return Held(
        starters=frozenset(table["starters"]),
        attributions=frozenset(table["attributions"]),
        marks=tuple(table["marks"]),
        dangling=frozenset(table["dangling"]),
        numbers=frozenset(table["numbers"]),
    )


def key_of(word: str) -> str:
    """A word to compare by: case, accents, compatibility forms and a possessive ending aside."""
    bare = _POSSESSIVE.sub("", word.casefold())
    if bare.isascii():
        return bare.translate(_APOSTROPHES)
    spread = unicodedata.normalize("NFKD", bare.translate(_APOSTROPHES))
    return "".join(char for char in spread.casefold() if char.isalnum())


@functools.lru_cache(maxsize=4096)  # the same few headlines are read many times over
def tokens(text: str) -> tuple[Token, ...]:
    """The words of ``text`` in order."""
    found = ((match, key_of(match.group())) for match in _TOKEN.finditer(text))
    return tuple(Token(key, match.group(), match.start()) for match, key in found if key)


def without(words: Sequence[Token], name: Sequence[str]) -> list[Token | None]:
    """``words`` with None in place of each run that spells ``name``, so that no phrase reaches across."""
    out: list[Token | None] = []
    size, at = len(name), 0
    while at < len(words):
        if size and [word.key for word in words[at : at + size]] == list(name):
            out.append(None)
            at += size
        else:
            out.append(words[at])
            at += 1
    return out


def find(terms: Sequence[Term], words: Sequence[Token | None], text: str) -> Iterator[tuple[Term, str]]:
    """Each term that stands in ``words`` of ``text``, in the order of ``terms``, with how it is written there."""
    spelled = "".join(f" {word.key if word else GAP}" for word in words) + " "
    for term in terms:
        place = spelled.find(term.needle)
        if place >= 0:
            at = spelled.count(" ", 0, place)
            first, last = words[at], words[at + len(term.keys) - 1]
            if first is not None and last is not None:
                yield term, text[first.start : last.start + len(last.shown)].casefold()
