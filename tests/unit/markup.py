"""Looks into the map's region of cells."""

from __future__ import annotations

from html.parser import HTMLParser


class _Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))


def _elements(markup: str) -> list[tuple[str, dict[str, str]]]:
    parser = _Elements()
    parser.feed(markup)
    return parser.found


def head_of(markup: str) -> dict[str, str]:
    """The attributes of the element that tells the hours."""
    return next(attributes for tag, attributes in _elements(markup) if tag == "p")


def rows_of(markup: str) -> list[dict[str, str]]:
    """The attributes of each row, best rank first."""
    return [attributes for tag, attributes in _elements(markup) if tag == "i"]
