"""The one way text becomes HTML: every string is escaped unless it already is :class:`Html`.

Pages build markup with :func:`tag`, never by pasting strings, so a name like ``<img onerror=...>`` can only be text.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from functools import cache
from urllib.parse import urlsplit

_VOID = frozenset({"br", "hr", "img", "input", "meta", "link"})
_NAME = re.compile(r"[a-z][a-z0-9-]*")
_URL_ATTRIBUTES = frozenset({"href", "src", "action", "formaction"})
# Controls are invisible, and the bidi overrides among the format characters let a name reverse the text around it.
_UNSEEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")


# most texts are plain, and a page has thousands
_SPECIAL = re.compile("[&<>\"'" + _UNSEEN.pattern[1:])


class Html(str):
    """Markup that is safe as it stands: made by this module only."""

    __slots__ = ()

    def __html__(self) -> str:
        """Tells template engines that this is already escaped."""
        return str(self)


type Child = str | int | Iterable[Child] | None
"""What may stand inside an element: text (escaped), :class:`Html`, a number, nothing, or several of them."""


def escape(text: str) -> Html:
    """``text`` as inert HTML, for element content and quoted attributes alike; :class:`Html` passes unchanged."""
    if isinstance(text, Html):
        return text
    if not _SPECIAL.search(text):
        return Html(text)
    return Html(html.escape(_UNSEEN.sub("", text), quote=True))


def safe_url(url: str | None) -> str | None:
    """``url`` if it is an absolute http(s) address with a host, else None: ``javascript:`` and friends never link, nor
    does an address that hides its host behind a user name."""
    if not url:
        return None
    cleaned = _UNSEEN.sub("", url).strip()
    try:
        parts = urlsplit(cleaned)
    except ValueError:
        return None
    good = parts.scheme.lower() in {"http", "https"} and parts.netloc and parts.username is None
    return cleaned if good else None


def join(*children: Child) -> Html:
    """``children`` one after the other, each escaped."""
    return Html("".join(_pieces(children)))


def tag(name: str, /, *children: Child, **attributes: str | float | bool | None) -> Html:
    """One element. ``class_`` is ``class`` and ``data_key`` is ``data-key``; None and False leave an attribute out.

    Raises ``ValueError`` for an attribute that would run script (``on...``) or a link that is not http(s) or local.
    """
    opening = f"<{_checked(name)}{''.join(_attribute(key, value) for key, value in attributes.items())}>"
    if name in _VOID:
        return Html(opening)
    return Html(f"{opening}{join(*children)}</{name}>")


def _pieces(children: Iterable[Child]) -> Iterable[str]:
    for child in children:
        if child is None:
            continue
        if isinstance(child, str):
            yield escape(child)
        elif isinstance(child, int):
            yield str(child)
        else:
            yield from _pieces(child)


def _attribute(key: str, value: str | float | bool | None) -> str:
    if value is None or value is False:
        return ""
    name = _attribute_name(key)
    if value is True:
        return f" {name}"
    if name in _URL_ATTRIBUTES and not _local(str(value)) and safe_url(str(value)) is None:
        raise ValueError(f"attribute {name} must be an http(s) or a local address")
    return f' {name}="{escape(str(value))}"'


@cache
def _attribute_name(key: str) -> str:
    name = _checked(key.rstrip("_").replace("_", "-"))
    if name.startswith("on") or name == "style":
        raise ValueError(f"attribute {name} is not allowed: behaviour lives in the script, looks in the stylesheet")
    return name


def _local(url: str) -> bool:
    return url.startswith(("#", "?")) or (url.startswith("/") and not url.startswith(("//", "/\\")))


@cache
def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"not a plain element or attribute name: {name!r}")
    return name
