"""The headers every answer carries, and the nonce of the few inline scripts Bokeh writes into its pages."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets

NONCE = secrets.token_hex(16)
"""Stands in pages for the answer's own nonce, which replaces it on the way out; new with every process."""

_ELEMENT = re.compile(r"<script([^>]*)>(.*?)</script>", re.DOTALL)
_DATA = re.compile(r"type=.application/(ld\+)?json")
_INLINE = re.compile(rb"<script>(.*?)</script>", re.DOTALL)

PLAIN = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=(), payment=(), usb=(), interest-cohort=()"),
)
HSTS = (b"strict-transport-security", b"max-age=31536000")
DENIED = (b"server", b"x-powered-by", b"access-control-allow-credentials", b"access-control-allow-origin")
"""Headers taken away: nothing here is for other origins."""


def mark(markup: str) -> str:
    """``markup`` that Bokeh generated, its scripts marked with the nonce's stand-in; blocks of data stay as they are."""

    def marked(found: re.Match[str]) -> str:
        attributes, body = found.groups()
        nonce = "" if _DATA.search(attributes) else f' nonce="{NONCE}"'
        return f"<script{nonce}{attributes}>{body}</script>"

    return _ELEMENT.sub(marked, markup)


def with_nonce(body: bytes, nonce: str) -> bytes:
    """A page with its own nonce in place of the stand-in, of the same length."""
    return body.replace(NONCE.encode(), nonce.encode())


def hashes(body: bytes) -> str:
    """CSP sources that allow exactly the inline scripts of a page nobody but the product writes."""
    digests = (hashlib.sha256(script).digest() for script in _INLINE.findall(body))
    return " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)


def policy(scripts: str, host: str, *, evaluates: bool) -> bytes:
    """The Content-Security-Policy. ``scripts`` are sources beside our own files.

    ``evaluates`` allows compiling texts to functions, which Bokeh's callbacks need on the heatmap only.
    Inline styles are allowed: Bokeh sizes its elements by them.
    """
    script = " ".join(part for part in ("'self'", scripts, "'unsafe-eval'" if evaluates else "") if part)
    return (
        f"default-src 'none'; script-src {script}; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
        f"font-src 'self' data:; connect-src 'self' ws://{host} wss://{host}; worker-src 'none'; manifest-src 'self'; "
        "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ).encode("latin-1", "replace")
