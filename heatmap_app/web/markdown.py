"""A document as Markdown in which outside text can only be text: no link, image, HTML, mention or formatting of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import quote

from heatmap_app.escape import safe_url
from heatmap_app.web.doc import Block, Bullets, Copy, Doc, Figure, Grid, Heading, Line, Para, Text

_UNSEEN = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]+"
)
_SPECIAL = re.compile(r"([\\`*_\[\]<>#|~&$]|:(?=/)|^[-+=])")
_WWW = re.compile(r"(?i)(www)\.")
_NUMBERED = re.compile(r"^(\d+)([.)])")
WORD_JOINER = "\u2060"


def escape(text: str) -> str:
    """``text`` as one line that every Markdown reader shows as it is. Addresses in it do not become links: the joiner
    after an ``@`` is invisible."""
    flat = " ".join(_UNSEEN.sub(" ", text).split())
    flat = _SPECIAL.sub(r"\\\1", flat).replace("@", f"@{WORD_JOINER}")
    return _NUMBERED.sub(r"\1\\\2", _WWW.sub(r"\1\\.", flat))


def link(text: str, url: str | None) -> str:
    """``text``, linked where ``url`` is a safe address."""
    address = safe_url(url)
    shown = escape(text) or "(no title)"
    return f"[{shown}](<{quote(address, safe='%/:=&?~#+,;@-._')}>)" if address else shown


def markdown(doc: Doc) -> str:
    """``doc`` as Markdown."""
    lines = [f"# {escape(doc.title)}", "", escape(doc.subtitle), ""]
    if doc.marks:
        lines += [" · ".join(f"**{escape(word)}**" for word, _ in doc.marks), ""]
    if doc.facts:
        lines += [" · ".join(f"**{escape(value)}** {escape(what)}" for value, what in doc.facts), ""]
    for section in doc.sections:
        lines += [f"## {escape(section.title)}", ""]
        for block in section.blocks:
            lines += [*_block(block), ""]
    return "\n".join(lines).rstrip() + "\n"


def _block(block: Block) -> Iterator[str]:
    match block:
        case Para(line=parts, tone=tone):
            yield f"**{_plain(parts)}**" if tone else _line(parts)
        case Heading(text=text, count=count):
            yield f"### {escape(text)}{f' ({escape(count)})' if count else ''}"
        case Bullets(lines=lines):
            yield from (f"- {_line(parts)}" for parts in lines)
        case Copy(label=label, text=text, note=note):
            yield f"- **{escape(label)}**{f' ({escape(note)})' if note else ''}: {escape(text)}"
        case Grid(head=head, rows=rows, numeric=numeric):
            yield f"| {' | '.join(escape(name) for name in head)} |"
            yield f"|{'|'.join('---:' if place in numeric else '---' for place in range(len(head)))}|"
            yield from (f"| {' | '.join(_line(cell) for cell in row)} |" for row in rows)
        case Figure():
            yield "*The page beside this file draws the timeline.*"


def _plain(parts: Line) -> str:
    return escape("".join(part.text for part in parts))


def _line(parts: Line) -> str:
    return "".join(_run(part) for part in parts).strip()


def _run(part: Text) -> str:
    if part.url:
        return link(part.text, part.url)
    shown = escape(part.text)
    if not shown:
        return " "
    before = " " if part.text[0] == " " else ""
    after = " " if part.text[-1] == " " else ""
    return f"{before}**{shown}**{after}" if part.strong else f"{before}{shown}{after}"
