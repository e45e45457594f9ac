"""Where this product may connect to: one rule for every configured or followed address.

Addresses are judged twice: as they are written (:func:`fault_of`), and by the machine that answered
(:func:`refuse_peer`), so that a name which resolves to something else at the second look gains nothing.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Collection
from urllib.parse import urlsplit

from pipelines.errors import HeatmapError

METADATA = frozenset(ipaddress.ip_address(text) for text in ("fd00:ec2::254", "100.100.100.200"))
"""Where clouds answer with their machines' credentials, beside the link-local range."""

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


class AddressRefusedError(HeatmapError):
    """A connection reached a machine that must not be asked."""


def _ip(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        ip = ipaddress.ip_address(address.split("%", 1)[0])
    except ValueError:
        return None
    return getattr(ip, "ipv4_mapped", None) or ip


def is_private(address: str) -> bool:
    """Whether an IP address is anything but a public one: loopback, private, link-local, metadata, reserved."""
    ip = _ip(address)
    return ip is None or not ip.is_global


def is_forbidden(address: str) -> bool:
    """Whether an IP address is never asked, whatever is configured: link-local, metadata, multicast, unspecified."""
    ip = _ip(address)
    return ip is None or ip.is_link_local or ip.is_multicast or ip.is_unspecified or ip in METADATA


def is_loopback_host(host: str) -> bool:
    """Whether ``host`` (a name or an IP address) is this machine."""
    ip = _ip(host)
    return ip.is_loopback if ip else host.lower().rstrip(".") == "localhost" or host.lower().endswith(".localhost")


def fault_of(url: str, http_hosts: Collection[str] = ()) -> str | None:
    """Why ``url`` is not an address to connect to, in words that do not repeat it; None where it is fine.

    ``http_hosts`` are the hosts the operator lets be asked without TLS; this machine always may be.
    """
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname or "", parts.port
    except ValueError:
        return "is not a web address"
    if parts.scheme not in ("http", "https") or not host:
        return "must be an http or https address"
    if parts.username or parts.password:
        return "must not carry a user name or password"
    if _ip(host) is not None and is_forbidden(host):
        return "is a link-local, metadata or multicast address, which is never asked"
    if parts.scheme == "http" and not is_loopback_host(host) and host.lower() not in {h.lower() for h in http_hosts}:
        return "is not encrypted; use https, or name its host in HEATMAP_OUTGOING__HTTP_HOSTS"
    return None


def refuse_peer(peer: str, *, private: bool) -> None:
    """Raise :class:`AddressRefusedError` when the machine a connection reached must not be asked.

    ``peer`` is its IP address; ``private`` allows loopback and private networks, as for a host the operator configured.
    """
    if is_forbidden(peer):
        raise AddressRefusedError("the address leads to a link-local or metadata service, which is never asked")
    if not private and is_private(peer):
        raise AddressRefusedError("the address leads into a private network")


def refuse_host(url: str) -> None:
    """Raise :class:`AddressRefusedError` when the host of ``url`` resolves to a machine that is never asked.

    For clients whose connections cannot be looked at. Blocks while the name is resolved; a name that cannot be is the
    client's to report.
    """
    parts = urlsplit(url)
    try:
        found = socket.getaddrinfo(parts.hostname, parts.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return
    for entry in found:
        refuse_peer(str(entry[4][0]), private=True)


def refuse_socket(sock: socket.socket) -> None:
    """Raise ``ConnectionRefusedError`` when a connected socket reached a machine that is never asked.

    An ``OSError``, so that every client library reports it as a connection that could not be made.
    """
    try:
        refuse_peer(str(sock.getpeername()[0]), private=True)
    except AddressRefusedError as error:
        raise ConnectionRefusedError(str(error)) from None
