"""The way out: every answer leaves with the same headers, and a page with a nonce of its own."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence

from starlette.types import Message, Scope, Send

from heatmap_app.auth.headers import DENIED, HSTS, PLAIN, hashes, policy, with_nonce
from heatmap_app.auth.place import Place

_HOST = re.compile(r"[a-z0-9.\-\[\]:]+")
DOCS = ("/docs",)
"""Pages with inline scripts of a library, which nobody's text reaches."""

CACHED = ("/assets/", "/static/", "/components/", "/static-offline-docs/")
KEPT = b"private, max-age=31536000, immutable"
"""For files asked for by an address that names their content or version (``?v=``): another content has another address."""


class Outside:
    """A ``send`` for one request."""

    def __init__(self, send: Send, scope: Scope, host: str, place: Place, evaluates: Sequence[str]) -> None:
        self._send, self._path, self._https = send, scope["path"], scope.get("scheme") == "https"
        self._versioned = self._path.startswith(CACHED) and scope.get("query_string", b"").startswith(b"v=")
        self._host = host if _HOST.fullmatch(host.lower()) else "localhost"
        self._evaluates = self._path in evaluates
        self._start: Message | None = None
        self._body = bytearray()
        self.started = False

    async def send(self, message: Message) -> None:
        """Pass on, with headers; a page is held until it is complete."""
        if message["type"] == "http.response.start":
            self.started = True
            if self._is_page(message):
                self._start = message
            else:
                await self._send({**message, "headers": self._headers(message, "")})
        elif message["type"] == "http.response.body" and self._start is not None:
            self._body += message.get("body", b"")
            if not message.get("more_body"):
                await self._finish(self._start)
        else:
            await self._send(message)

    async def _finish(self, start: Message) -> None:
        nonce = secrets.token_hex(16)
        sources = hashes(bytes(self._body)) if self._path in DOCS else f"'nonce-{nonce}'"
        await self._send({**start, "headers": self._headers(start, sources)})
        await self._send({"type": "http.response.body", "body": with_nonce(bytes(self._body), nonce)})

    def _is_page(self, start: Message) -> bool:
        return any(name.lower() == b"content-type" and b"text/html" in value for name, value in start["headers"])

    def _headers(self, start: Message, scripts: str) -> list[tuple[bytes, bytes]]:
        kept = [(name.lower(), value) for name, value in start["headers"] if name.lower() not in DENIED]
        names = {name for name, _ in kept}
        added = [*PLAIN, (b"content-security-policy", policy(scripts, self._host, evaluates=self._evaluates))]
        # a form on a page without referrers has no Origin to show: the sign-in page says where it is to itself only
        own = self._path in ("/login", "/logout") or self._path.startswith("/auth/")
        added.append((b"referrer-policy", b"same-origin" if own else b"no-referrer"))
        if self._https:
            added.append(HSTS)
        if not self._path.startswith(CACHED):
            added.append((b"cache-control", b"no-store"))
        elif self._versioned and start["status"] == 200:
            added.append((b"cache-control", KEPT))
        return kept + [(name, value) for name, value in added if name not in names]
