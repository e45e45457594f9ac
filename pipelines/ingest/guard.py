"""Rules for replies nobody here controls: how large, what kind, which addresses.

Pure or nearly so; used by our own client (``http``) and by the session under PRAW (``bounded``).
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal
from urllib.parse import urlsplit

from pipelines.errors import SourceError

ENCODINGS = ("", "identity", "gzip", "x-gzip", "deflate")
SLACK_BYTES = 65_536
REQUEST_IDS = ("x-request-id", "x-amzn-requestid", "x-amz-request-id", "cf-ray")
REQUEST_ID = re.compile(r"[A-Za-z0-9._:=/+-]{1,100}")

Looks = Literal["html", "xml", "json", "text", "empty"]


class BodyTooLargeError(ValueError):
    """The body passed its byte cap."""


class BodyBrokenError(ValueError):
    """The body cannot be decoded: an unknown encoding, damaged or cut-off compression."""


class Inflater:
    """Collects a body chunk by chunk and never holds more than ``max_bytes`` decoded bytes.

    ``encoding`` is the ``Content-Encoding``. Raises :class:`BodyBrokenError` for one it does not know.
    """

    def __init__(self, encoding: str, max_bytes: int) -> None:
        self._encoding = encoding.strip().lower()
        if self._encoding not in ENCODINGS:
            raise BodyBrokenError("unknown content encoding")
        self._max = max_bytes
        self._body = bytearray()
        self._taken = 0
        self._zlib: zlib._Decompress | None = None
        self._ended = False

    @property
    def size(self) -> int:
        """Decoded bytes held so far."""
        return len(self._body)

    def feed(self, data: bytes) -> None:
        """Take the next chunk as it came from the wire. Raises :class:`BodyTooLargeError`, :class:`BodyBrokenError`."""
        self._taken += len(data)
        if self._taken > self._max + SLACK_BYTES:
            raise BodyTooLargeError
        if self._encoding in ("", "identity"):
            self._keep(data)
            return
        try:
            self._inflate(data)
        except zlib.error:
            raise BodyBrokenError("damaged compression") from None

    def finish(self) -> bytes:
        """The whole body. Raises :class:`BodyBrokenError` when compression was cut off."""
        if self._zlib is not None and not self._zlib.eof:
            raise BodyBrokenError("cut off")
        return bytes(self._body)

    def _inflate(self, data: bytes) -> None:
        while data and not self._ended:
            if self._zlib is None:
                self._zlib = zlib.decompressobj(self._window(data))
            self._keep(self._zlib.decompress(data, self._max - len(self._body) + 1))
            data = self._zlib.unconsumed_tail
            if self._zlib.eof:
                data = self._zlib.unused_data
                # a gzip body may be several members in a row; anything else after the end is padding
                if data.startswith(b"\x1f\x8b"):
                    self._zlib = None
                else:
                    self._ended = True

    def _window(self, first: bytes) -> int:
        if self._encoding != "deflate":
            return 16 + zlib.MAX_WBITS
        # "deflate" is zlib by the book and raw in the wild; a zlib header has 8 in its low nibble
        return zlib.MAX_WBITS if first[0] & 0x0F == 8 else -zlib.MAX_WBITS

    def _keep(self, data: bytes) -> None:
        self._body += data
        if len(self._body) > self._max:
            raise BodyTooLargeError


def looks_like(body: bytes) -> Looks:
    """What kind of document ``body`` is by its first bytes; the Content-Type header often lies."""
    head = body[:2048]
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        head = head.decode("utf-16", "replace").encode("utf-8", "replace")
    head = head.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n\x00").lower()
    if not head:
        return "empty"
    if head.startswith((b"<!doctype html", b"<html", b"<head", b"<body", b"<script", b"<meta", b"<title")):
        return "html"
    if head.startswith(b"<"):
        return "html" if b"<html" in head or b"<!doctype html" in head else "xml"
    return "json" if head.startswith((b"{", b"[", b")]}'")) else "text"


def request_id(headers: Mapping[str, str]) -> str:
    """The upstream's own name for an answer, for asking it about one; empty where it gives none."""
    given = next((headers[name] for name in REQUEST_IDS if name in headers), "")
    return given[:100] if REQUEST_ID.fullmatch(given[:100]) else ""


@contextmanager
def answered(status: int, headers: Mapping[str, str], size: int = 0) -> Iterator[None]:
    """An error about an answer says which one it was: its status, size in bytes and the upstream's name for it."""
    try:
        yield
    except SourceError as error:
        error.status = status if error.status is None else error.status
        error.bytes_read = error.bytes_read or size
        error.request_id = error.request_id or request_id(headers)
        raise


def quota_left(headers: Mapping[str, str]) -> float | None:
    """How many more requests ``X-Ratelimit-Remaining`` allows, where it is there and readable."""
    try:
        left = float(headers.get("x-ratelimit-remaining", ""))
    except ValueError:
        return None
    return max(left, 0.0) if math.isfinite(left) else None


def place(url: str) -> str:
    """``url`` as it may be shown: host and path, without credentials, query or fragment."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return "an unreadable address"
    return f"{host}{parts.path}"[:200]
