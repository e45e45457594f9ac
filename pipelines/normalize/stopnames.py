"""Names and words that are never worth discovering: ``config/stop_names.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from pipelines.errors import InputError
from pipelines.normalize.names import canonical
from pipelines.settings import CONFIG_DIR

_KEYS = {"names", "edges", "common"}


@cache
def stop_words(path: Path = CONFIG_DIR / "stop_names.toml") -> dict[str, frozenset[str]]:
    """The lists ``names``, ``edges`` and ``common``, canonical. Raises :class:`InputError` naming what is wrong."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path.name}: cannot be read: {error}") from None
    if set(table) != _KEYS or not all(_is_words(value) for value in table.values()):
        raise InputError(f"{path.name}: needs exactly three lists of words: names, edges and common")
    return {key: frozenset(_canonical_all(values)) for key, values in table.items()}


def _is_words(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(word, str) for word in value)


def _canonical_all(words: list[str]) -> Iterator[str]:
    return (form for form in map(canonical, words) if form)
