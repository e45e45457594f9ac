"""A document as PDF: A4, Inter for Latin, the Noto fonts for other scripts and emoji. The same document makes the same
bytes. Text is only ever drawn; nothing in it can act. What no font has is marked and listed, never drawn as a box."""

from __future__ import annotations

import math
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cache
from pathlib import Path

import manimgx_fonts
from fontTools.ttLib import TTFont
from fpdf import FPDF
from fpdf.enums import XPos, YPos

from heatmap_app.escape import safe_url
from heatmap_app.web.chart import Chart
from heatmap_app.web.doc import Block, Bullets, Copy, Doc, Figure, Grid, Heading, Line, Para, Text, texts
from pipelines.settings import ROOT

INTER = ROOT / "assets" / "fonts"
NOTO = Path(manimgx_fonts.__file__).parent
FIRST = "NotoSans[wght].ttf"
UNSHAPED = (FIRST, "NotoEmoji[wght].ttf", "NotoSansSymbols[wght].ttf")
MISSING = "(?)"
MAX_TEXT = 1_000
MARGIN, BOTTOM = 15.0, 18.0
INK, SECOND, RULE = (20, 24, 29), (74, 86, 99), (216, 222, 230)
TONES = {"warn": (140, 80, 0), "bad": (160, 20, 20)}
FILLS = {"lane": RULE, "gap": (228, 232, 238), "usual": (190, 198, 207), "alert": (160, 20, 20), "trade": (91, 58, 150)}
BARS = {"reddit": (179, 57, 11), "trends": (28, 79, 160), "tiktok": (11, 107, 93), "trades": (91, 58, 150)}
SPELT = str.maketrans({"√": "sqrt", "←": "from", "→": "to", "✓": "yes", "☐": "no"})
"""Signs of ours that only fonts of other scripts have."""
JOINING = frozenset("\u200c\u200d\ufe0e\ufe0f\u2060")


def pdf(doc: Doc, chart: Chart | None, *, as_of: datetime, page_url: str = "") -> bytes:
    """``doc`` with its figure. ``as_of`` is the file's date; ``page_url`` is where the whole of it can be seen."""
    lost: Counter[str] = Counter()
    paper = _Paper(doc, as_of, lost)
    paper.head(doc)
    for section in doc.sections:
        paper.section(section.title)
        for block in section.blocks:
            paper.block(block, chart)
    paper.lost_note(page_url)
    return bytes(paper.out.output())


@cache
def known(path: Path) -> frozenset[int]:
    """The characters a font has."""
    with TTFont(path, lazy=True) as font:
        return frozenset(font.getBestCmap())


@cache
def _others() -> tuple[Path, ...]:
    rest = sorted(path for path in NOTO.glob("*.ttf") if path.name != FIRST and "Italic" not in path.name)
    return (NOTO / FIRST, *rest)


def needed(chars: Iterable[str]) -> tuple[list[Path], frozenset[int]]:
    """The fonts beside Inter that ``chars`` need, and those of ``chars`` whose script must be shaped."""
    wanted = {ord(char) for char in chars} - known(INTER / "Inter-Regular.ttf")
    fonts: list[Path] = []
    shaped: set[int] = set()
    for path in _others():
        if found := wanted & known(path):
            fonts.append(path)
            wanted -= found
            if path.name not in UNSHAPED:
                shaped |= found
    return fonts, frozenset(shaped)


class _File(FPDF):
    """An A4 file with its page numbers."""

    foot = ""

    def footer(self) -> None:
        """What fpdf2 asks for at each page's end."""
        self.set_y(-12)
        self.set_font("Inter", "", 8)
        self.set_text_color(*SECOND)
        self.cell(0, 5, f"{self.foot}page {self.page_no()} of {{nb}}", align="R")


class _Paper:
    """One PDF being written. ``lost`` counts the characters no font has."""

    def __init__(self, doc: Doc, as_of: datetime, lost: Counter[str]) -> None:
        self.lost = lost
        self.out = _File(format="A4")
        self.out.set_creation_date(as_of)
        self.out.set_margins(MARGIN, MARGIN)
        self.out.set_auto_page_break(True, BOTTOM)
        chars = {char for text in texts(doc) for char in text[:MAX_TEXT].translate(SPELT)} | set("…·–σ")
        fonts, self.shaped = needed(chars)
        self.out.add_font("Inter", "", INTER / "Inter-Regular.ttf")
        self.out.add_font("Inter", "B", INTER / "Inter-SemiBold.ttf")
        for path in fonts:
            self.out.add_font(path.stem, "", path)
        self.out.set_fallback_fonts([path.stem for path in fonts], exact_match=False)
        self.have = known(INTER / "Inter-Regular.ttf").union(*(known(path) for path in fonts))
        self.out.set_title(self.clean(doc.title))
        self.out.set_creator("ET Heatmap")
        marks = "".join(f"{word} · " for word, tone in doc.marks if tone == "warn")
        self.out.foot = f"{self.clean(marks)} {self.clean(doc.title)[:60]} · as of {as_of:%Y-%m-%d %H:%M} UTC · "
        self.out.set_lang("en")
        self.out.add_page()

    def clean(self, text: str) -> str:
        """``text`` in one line of characters there are fonts for; the others are counted and marked."""
        found: list[str] = []
        for char in unicodedata.normalize("NFC", text[:MAX_TEXT].translate(SPELT)):
            kind = unicodedata.category(char)
            if char in JOINING or kind in ("Cf", "Cs", "Co", "Cn"):
                continue
            if kind in ("Cc", "Zl", "Zp", "Zs"):
                found.append(" ")
            elif ord(char) in self.have:
                found.append(char)
            else:
                self.lost[char] += 1
                found.append(MISSING if found[-1:] != [MISSING] else "")
        line = "".join(found)
        return line + "…" if len(text) > MAX_TEXT else line

    def ready(self, text: str) -> str:
        """``text`` as :meth:`clean` gives it; shaping, which is slow, is on where its script needs it."""
        shown = self.clean(text)
        self.out.set_text_shaping(any(ord(char) in self.shaped for char in shown))
        return shown

    def head(self, doc: Doc) -> None:
        """Title, what it is, marks and figures."""
        self.put(doc.title, 20, bold=True, height=9)
        self.put(doc.subtitle, 9, colour=SECOND)
        for word, tone in doc.marks:
            self.put(word, 10, bold=True, colour=TONES.get(tone, INK))
        if doc.facts:
            self.out.ln(2)
            self.put("   ".join(f"{value} {what}" for value, what in doc.facts), 11, bold=True, height=6)

    def section(self, title: str) -> None:
        """A heading that does not stay behind alone at a page's end."""
        if self.out.will_page_break(24):
            self.out.add_page()
        self.out.ln(5)
        self.out.set_draw_color(*RULE)
        self.out.line(MARGIN, self.out.get_y(), self.out.w - MARGIN, self.out.get_y())
        self.out.ln(2)
        self.put(title, 13, bold=True, height=7)

    def block(self, block: Block, chart: Chart | None) -> None:
        """One block."""
        match block:
            case Para(line=parts, tone=tone):
                self.line(parts, 10, TONES.get(tone, INK))
            case Heading(text=text, count=count):
                self.out.ln(2)
                self.put(f"{text}  {count}".strip(), 10.5, bold=True, height=6)
            case Bullets(lines=lines):
                for parts in lines:
                    self.line((Text("·  ", quiet=True), *parts), 9.5)
            case Copy(label=label, text=text, note=note):
                self.put(f"{label}{f', {note}' if note else ''}", 8.5, colour=SECOND, height=4.6)
                self.put(text, 10.5, height=5.4)
            case Grid():
                self.grid(block)
            case Figure():
                if chart is not None:
                    self.figure(chart)

    def put(
        self, text: str, size: float, *, bold: bool = False, colour: tuple[int, int, int] = INK, height: float = 5.0
    ) -> None:  # fmt: skip
        """A paragraph of one look."""
        self.out.set_font("Inter", "B" if bold else "", size)
        self.out.set_text_color(*colour)
        self.out.multi_cell(0, height, self.ready(text), align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def line(self, parts: Line, size: float, colour: tuple[int, int, int] = INK) -> None:
        """Runs of text one after the other."""
        height = size * 0.52
        for part in parts:
            self.out.set_font("Inter", "B" if part.strong else "", size)
            self.out.set_text_color(*(SECOND if part.quiet else colour))
            self.out.write(height, self.ready(part.text), link=safe_url(part.url) or "")
        self.out.ln(height + 1)

    def grid(self, grid: Grid) -> None:
        """A table: each row as high as its fullest cell, the head again on every page."""
        width = self.out.w - 2 * MARGIN
        widths = [share * width for share in grid.shares]
        head = tuple((Text(name, strong=True),) for name in grid.head)
        if self.out.get_y() + 16 > self.out.h - BOTTOM:
            self.out.add_page()
        self._row(head, widths, grid, SECOND)
        for row in grid.rows:
            height = 4.4 * max(self._lines(cell, widths[place]) for place, cell in enumerate(row))
            if self.out.get_y() + height + 1.6 > self.out.h - BOTTOM:
                self.out.add_page()
                self._row(head, widths, grid, SECOND)
            self._row(row, widths, grid, INK)

    def _lines(self, cell: Line, width: float) -> int:
        """At most how many lines the cell takes: words leave room at a line's end."""
        self.out.set_font("Inter", "", 8.5)
        self.out.set_text_shaping(False)
        needs = self.out.get_string_width(self.clean_quietly("".join(part.text for part in cell))) / (width - 3)
        return 1 if needs <= 1 else math.ceil(needs * 1.2)

    def clean_quietly(self, text: str) -> str:
        """As :meth:`clean`, without counting again what it counts when it is drawn."""
        before = self.lost.copy()
        shown = self.clean(text)
        self.lost.clear()
        self.lost.update(before)
        return shown

    def _row(self, row: tuple[Line, ...], widths: list[float], grid: Grid, colour: tuple[int, int, int]) -> None:
        top, left, bottom = self.out.get_y(), MARGIN, self.out.get_y()
        for place, cell in enumerate(row):
            strong, quiet = bool(cell) and cell[0].strong, bool(cell) and cell[0].quiet
            url = next((found for part in cell if (found := safe_url(part.url))), "")
            self.out.set_font("Inter", "B" if strong else "", 8.5)
            self.out.set_text_color(*(SECOND if quiet else colour))
            self.out.set_xy(left, top)
            text = self.ready("".join(part.text for part in cell))
            align = "R" if place in grid.numeric else "L"
            if self.out.get_string_width(text) <= widths[place] - 3.2:
                self.out.cell(widths[place] - 1, 4.4, text, align=align, link=url)
                bottom = max(bottom, top + 4.4)
            else:
                self.out.multi_cell(widths[place] - 1, 4.4, text, align=align, link=url, new_y=YPos.NEXT)
                bottom = max(bottom, self.out.get_y())
            left += widths[place]
        self.out.set_draw_color(*RULE)
        self.out.line(MARGIN, bottom + 0.6, self.out.w - MARGIN, bottom + 0.6)
        self.out.set_xy(MARGIN, bottom + 1.2)

    def figure(self, chart: Chart) -> None:
        """The chart's shapes, as wide as the page."""
        scale = (self.out.w - 2 * MARGIN) / chart.width
        if self.out.get_y() + chart.height * scale > self.out.h - BOTTOM:
            self.out.add_page()
        top = self.out.get_y() + 1
        for shape in chart.shapes:
            fill: Mapping[str, tuple[int, int, int]] = BARS if shape.kind == "bar" else FILLS
            self.out.set_fill_color(*fill.get(shape.source if shape.kind == "bar" else shape.kind, SECOND))
            self.out.rect(MARGIN + shape.x * scale, top + shape.y * scale, max(shape.width * scale, 0.15),
                          max(shape.height * scale, 0.15), style="F")  # fmt: skip
        for label in chart.labels:
            self.out.set_font("Inter", "B" if label.strong else "", 7)
            self.out.set_text_color(*(INK if label.strong else SECOND))
            text = self.ready(label.text)
            back = {"start": 0.0, "middle": 0.5, "end": 1.0}[label.anchor] * self.out.get_string_width(text)
            self.out.set_xy(MARGIN + label.x * scale - back, top + label.y * scale - 2.4)
            self.out.cell(text=text, h=3)
        self.out.set_y(top + chart.height * scale + 1)
        key = "Grey band: usual. Light grey: nobody looked. Red line: our alert. Violet line: a trade story."
        self.put(key, 8, colour=SECOND)

    def lost_note(self, page_url: str) -> None:
        """Which characters could not be drawn, in words."""
        if not self.lost:
            return
        self.section("Characters this file cannot show")
        names = ", ".join(
            f"U+{ord(char):04X} {unicodedata.name(char, 'unnamed').lower()}" for char in sorted(self.lost)[:20]
        )
        more = f" and {len(self.lost) - 20} more" if len(self.lost) > 20 else ""
        where = f" See the HTML page, {page_url}." if page_url else " See the HTML page."
        self.put(f"No font here has these characters, so they stand as {MISSING}: {names}{more}.{where}", 9.5)
