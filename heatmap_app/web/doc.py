"""A document as values: what a research pack says, before any format. Texts are plain; each format escapes for itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Text:
    """A run of text. ``url`` makes it a link where that is a safe address; ``quiet`` is less than the rest."""

    text: str
    url: str | None = None
    strong: bool = False
    quiet: bool = False


type Line = tuple[Text, ...]


@dataclass(frozen=True, slots=True)
class Para:
    """A paragraph; ``tone``: warn for what must be seen."""

    line: Line
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading inside a section."""

    text: str
    count: str = ""


@dataclass(frozen=True, slots=True)
class Bullets:
    """A list."""

    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """A table. ``shares`` are the columns' widths (they sum to 1), ``numeric`` the columns set to the right."""

    head: tuple[str, ...]
    rows: tuple[tuple[Line, ...], ...]
    shares: tuple[float, ...]
    numeric: frozenset[int] = frozenset()
    name: str = ""


@dataclass(frozen=True, slots=True)
class Copy:
    """A text to be used as it stands, with what it is called and its length."""

    label: str
    text: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Figure:
    """Where the timeline stands."""

    title: str


type Block = Para | Heading | Bullets | Grid | Copy | Figure


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the document; ``key`` names it in links."""

    key: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Doc:
    """The document. ``marks`` stand by the title: (word, tone)."""

    title: str
    subtitle: str
    marks: tuple[tuple[str, str], ...]
    facts: tuple[tuple[str, str], ...]
    """The head's figures: (value, what it is)."""
    sections: tuple[Section, ...]


def line(*parts: str | Text | None) -> Line:
    """Parts as one line; empty ones are left out."""
    return tuple(part if isinstance(part, Text) else Text(part) for part in parts if part)


def texts(doc: Doc) -> Iterator[str]:
    """Every text of the document."""
    yield from (
        doc.title,
        doc.subtitle,
        *(word for word, _ in doc.marks),
        *(word for fact in doc.facts for word in fact),
    )
    for section in doc.sections:
        yield section.title
        for block in section.blocks:
            yield from _texts(block)


def _texts(block: Block) -> Iterator[str]:
    match block:
        case Para(line=parts):
            yield from (part.text for part in parts)
        case Heading(text=text, count=count):
            yield from (text, count)
        case Bullets(lines=lines):
            yield from (part.text for parts in lines for part in parts)
        case Grid(head=head, rows=rows):
            yield from head
            yield from (part.text for row in rows for cell in row for part in cell)
        case Copy(label=label, text=text, note=note):
            yield from (label, text, note)
        case Figure(title=title):
            yield title
