"""The one canonical form of a name (RELIABILITY 3), and what is derived from it.

:func:`canonical` is the key under which names meet; :func:`display` is what a person sees. A frame's worth goes through
:func:`canonical_column`, which runs the very same steps over many rows at once: rows are joined by newlines, which no
step touches, so both agree by construction.
"""

from __future__ import annotations

import re
import unicodedata

import polars as pl

from pipelines.normalize.characters import APOSTROPHES, BASIC_MARKS, FOLD, KEPT, MARKS, SPACELESS, is_ignorable

MAX_NAME = 200
"""Longest canonical name, in characters."""

MAX_MARKS = 8
"""Combining marks kept on one base character."""

MAX_SLUG = 80
_ROWS_AT_ONCE = 20_000
_FEW = 32
"""Rows up to which one by one is faster than all at once: a dozen column operations cost more than the names."""
_MAX_RAW = 4_000

_INVISIBLE = re.compile(
    "[\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U0001bca0-\U0001bca3\U000e0000-\U000e0fff]"
)
_EARLY = (("™", " "), ("℠", " "), ("´", "'"), ("\u1fbf", "'"))
_ASCII_FOLD = bytes(ord((chr(code).translate(FOLD) or " ")[0]) if code < 128 else 32 for code in range(256))
_PERHAPS_STACKED = re.compile(f"[{BASIC_MARKS}]{{{MAX_MARKS + 1}}}|[\U00010000-\U0001efff]{{{MAX_MARKS + 1}}}")
_STACKED = re.compile(f"([{MARKS}]{{{MAX_MARKS}}})[{MARKS}]+")
_CONTRACTIONS = (
    ("it", "he"),
    ("let", "she", "who", "how", "why"),
    ("that", "what", "here", "when"),
    ("there", "where"),
)
_CONTRACTION = re.compile("|".join(rf"'s(?<=\b(?:{'|'.join(words)})'s)\b" for words in _CONTRACTIONS))
_POSSESSIVE = re.compile(r"'s(?<=\w's)(?![\w'])")
_INNER_APOSTROPHE = re.compile(r"'(?<=\w')(?=\w)")
_DOLLAR = re.compile(r"\$(?=[^\W\d_])")
_PLUS = re.compile(r"\+(?<=[^\W_]\+)(?![\w+])")
_INITIALS = re.compile(r"\.(?<=[^\W\d_]\.)(?<!\w\w\.) *(?=[^\W\d_]\.)")
_INNER_DOT = re.compile(f"·(?<=[{SPACELESS}]·)(?=[{SPACELESS}])")
_SPACELESS_RUN = re.compile(f"[{SPACELESS}]++")
_SPACES = re.compile(" {2,}")
_ANY_SPACELESS = re.compile(f"[{SPACELESS}]")
_WORD_SPACED = re.compile(f"(?![{SPACELESS}])[^\\W_]")


def canonical(text: str, cap: int = MAX_NAME) -> str:
    """The canonical form of ``text``: equal names have equal forms; at most ``cap`` characters; may be empty.

    Compatibility forms, case, Latin/Greek/Cyrillic diacritics, invisible characters, possessives and punctuation are
    levelled; words are separated by one space, and so are a script without spaces and one with them ("steam特價").
    """
    return _lines(_usable(text).replace("\n", " "))[:cap].strip()


def canonical_column(texts: pl.Series, cap: int = MAX_NAME) -> pl.Series:
    """:func:`canonical` of every row of a string column; null becomes "". Same length, same name."""
    if len(texts) <= _FEW:
        return pl.Series(texts.name, [canonical(text or "", cap) for text in texts], dtype=pl.String)
    flat = texts.fill_null("").str.slice(0, _MAX_RAW).str.replace_all("\n", " ", literal=True)
    ascii_rows = flat.str.len_bytes() == flat.str.len_chars()
    if ascii_rows.all() or not ascii_rows.any():
        done = _column(flat)
    else:
        places = pl.Series(range(len(flat)), dtype=pl.UInt32)
        order = pl.concat([places.filter(ascii_rows), places.filter(~ascii_rows)])
        parts = pl.concat([_column(flat.filter(ascii_rows)), _column(flat.filter(~ascii_rows))])
        done = parts.gather(order.arg_sort())
    return done.str.slice(0, cap).str.strip_chars(" ").alias(texts.name)


def canonical_expr(column: str | pl.Expr, cap: int = MAX_NAME) -> pl.Expr:
    """:func:`canonical_column` as an expression over a string column."""
    source = pl.col(column) if isinstance(column, str) else column
    return source.map_batches(lambda texts: canonical_column(texts, cap), return_dtype=pl.String, is_elementwise=True)


def _usable(text: str) -> str:
    """``text`` cut to what is worth reading and without lone surrogates."""
    return text[:_MAX_RAW].encode("utf-8", "ignore").decode("utf-8")


def _column(texts: pl.Series) -> pl.Series:
    parts = []
    for start in range(0, len(texts), _ROWS_AT_ONCE):
        rows = texts.slice(start, _ROWS_AT_ONCE).to_list()
        parts.append(pl.Series(_lines("\n".join(rows)).split("\n"), dtype=pl.String))
    return pl.concat(parts) if parts else pl.Series(dtype=pl.String)


def _lines(text: str) -> str:
    """Every line of ``text`` in canonical form, uncapped, perhaps with a space at either end."""
    if text.isascii():
        text = text.lower().replace("&", " and ").encode().translate(_ASCII_FOLD).decode()
    else:
        text = _INVISIBLE.sub("", text)
        for char, instead in _EARLY:  # before decomposition turns them into letters or into a space with an accent
            text = text.replace(char, instead)
        text = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold()).translate(FOLD)
        text = unicodedata.normalize("NFC", _unstacked(text))
    return _SPACES.sub(" ", _words(text))


def _unstacked(text: str) -> str:
    """``text`` with at most eight marks on a base; the first pattern is cheap and rarely matches."""
    return _STACKED.sub(r"\1", text) if _PERHAPS_STACKED.search(text) else text


def _words(text: str) -> str:
    """Settle the characters that mean something between letters: apostrophes, initials, dots, ``$`` and ``+``."""
    if "'" in text:
        text = _CONTRACTION.sub("s", text)
        text = _POSSESSIVE.sub("", text)
        text = _INNER_APOSTROPHE.sub("", text)
    if "." in text:
        text = _INITIALS.sub("", text)
    if "$" in text:
        text = _DOLLAR.sub("s", text)
    if "+" in text:
        text = _PLUS.sub(" plus", text)
    if not text.isascii():
        text = _SPACELESS_RUN.sub(r" \g<0> ", _INNER_DOT.sub("", text))
    for char in KEPT:
        text = text.replace(char, " ")
    return text


def spaceless(name: str) -> str:
    """A canonical name without its spaces: the form in which a hashtag and a name meet."""
    return name.replace(" ", "")


def is_spaceless_script(text: str) -> bool:
    """Whether ``text`` is written wholly in scripts without spaces (Chinese, Japanese, Thai, ...)."""
    return bool(_ANY_SPACELESS.search(text)) and not _WORD_SPACED.search(text)


def has_spaceless_script(text: str) -> bool:
    """Whether any character of ``text`` belongs to a script without spaces."""
    return bool(_ANY_SPACELESS.search(text))


def clean(text: str) -> str:
    """``text`` as one clean line: no control, direction or other invisible characters; at most 200 characters.

    Emoji keep their joiners.
    """
    if text.isascii() and text.isprintable():
        return " ".join(text[:_MAX_RAW].split())[:MAX_NAME].strip()
    kept = "".join(c for c in _usable(text) if c in "\u200d\ufe0f" or not is_ignorable(c))
    kept = "".join(" " if unicodedata.category(c) == "Cc" else c for c in kept)
    kept = unicodedata.normalize("NFC", _unstacked(unicodedata.normalize("NFD", kept)))
    return " ".join(kept.split())[:MAX_NAME].strip(" \u200d").lstrip("\ufe0f")


def display(text: str) -> str:
    """A structured name as a person should see it: :func:`clean`, and a hashtag without its sign and in words."""
    kept = clean(text)
    return split_camel(kept.lstrip("#＃ ")) if kept.startswith(("#", "＃")) else kept


def split_camel(tag: str) -> str:
    """``TaylorSwift`` as ``Taylor Swift``, ``MCUPhase`` as ``MCU Phase``, ``Oscars2025`` as ``Oscars 2025``."""
    out: list[str] = []
    for i, char in enumerate(tag):
        if i and _breaks_before(tag, i, "".join(out).rsplit(" ", 1)[-1]):
            out.append(" ")
        out.append(char)
    return "".join(out)


def _breaks_before(tag: str, i: int, word: str) -> bool:
    before, char, after = tag[i - 1], tag[i], tag[i + 1 : i + 2]
    if char.isupper():
        if before.islower():
            return len(word) > 1 and word not in ("Mc", "Mac")
        return before.isupper() and bool(after) and after.islower()
    return char.isdigit() and before.isalpha() and len(word) > 2 and tag[i : i + 3].isdigit()


def slugify(name: str) -> str:
    """``name`` for an address: canonical words joined by hyphens, letters of any script kept, at most 80 characters.

    Two names can share a slug: whoever stores it makes it unique. A name with no letter or digit gives "name".
    """
    return canonical(name)[:MAX_SLUG].strip().replace(" ", "-") or "name"


def possessive_variant(shown: str) -> str:
    """Canonical form of ``shown`` typed without apostrophes ("greys anatomy"); "" where there is no difference."""
    if not any(c in shown for c in APOSTROPHES):
        return ""
    variant = canonical("".join(c for c in shown if c not in APOSTROPHES))
    return "" if variant == canonical(shown) else variant
