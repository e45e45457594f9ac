"""Where a redirect may lead: out of http(s), out of TLS, or into a private network it may not.

Addresses are resolved and looked at before the request; the request resolves the name once more by itself, and its
connection is looked at too (``http_guard``).
"""

from __future__ import annotations

import asyncio
import socket
from urllib.parse import urljoin, urlsplit

from pipelines.errors import PermanentError, ShapeChangedError
from pipelines.ingest.guard import place
from pipelines.outgoing import is_forbidden, is_private

REDIRECTS = (301, 302, 303, 307, 308)


def check_scheme(source: str, url: str) -> None:
    """Raise :class:`PermanentError` unless ``url`` is an http or https address with a host."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        good = False
    if not good:
        raise PermanentError(source, f"{place(url)} is not an http or https address")


def redirect_target(source: str, url: str, status: int, location: str) -> str | None:
    """Where an answer to a request for ``url`` points to, absolute; ``None`` when it is no redirect."""
    if status not in REDIRECTS:
        return None
    if not location:
        message = f"{place(url)} answered {status} without saying where to go"
        raise ShapeChangedError(source, message, status=status)
    try:
        return urljoin(url, location)
    except ValueError:
        raise PermanentError(source, f"unsafe redirect refused: {place(url)} points to no address") from None


async def check_redirect(source: str, start: str, here: str, target: str) -> bool:
    """Refuse a hop that leaves http(s), drops TLS, carries a sign-in, or reaches into a private network.

    A source whose own address is private (a gateway, a stand-in) may redirect inside private networks, except to
    link-local addresses, where clouds keep their metadata. Returns whether the hop may reach a private machine, which
    the connection is then held to. Raises :class:`PermanentError`.
    """
    refused = PermanentError(source, f"unsafe redirect refused: from {place(here)} to {place(target)}")
    try:
        parts, before = urlsplit(target), urlsplit(here)
        port = parts.port
    except ValueError:
        raise refused from None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
        raise refused
    if before.scheme == "https" and parts.scheme == "http":
        raise refused
    addresses = await _addresses(parts.hostname, port)
    if not any(map(is_private, addresses)):
        return False
    home = await _addresses(urlsplit(start).hostname or "", None)
    if any(map(is_forbidden, addresses)) or not home or not all(map(is_private, home)):
        raise refused
    return True


async def _addresses(host: str, port: int | None) -> list[str]:
    """Every IP address of ``host``; empty where it cannot be resolved (the request then fails by itself)."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return [str(entry[4][0]) for entry in found]


def origin(url: str) -> tuple[str, str]:
    """Scheme and authority: what a sign-in is good for."""
    parts = urlsplit(url)
    return parts.scheme, parts.netloc
