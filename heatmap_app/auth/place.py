"""Where this server is: the names it answers to and the origins its own pages have. Settled once, at start."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import psutil

from pipelines.outgoing import is_loopback_host
from pipelines.settings import Settings

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


@dataclass(frozen=True, slots=True)
class Place:
    """``names`` are host names without port, ``public`` the one others use (empty when that is this machine only),
    ``origin`` its origin, ``https`` whether people reach it by TLS, ``open`` whether others can reach it at all."""

    port: int
    names: frozenset[str]
    public: str
    origin: str
    https: bool
    open: bool

    def knows(self, host: str) -> bool:
        """Whether ``host`` (a Host header) is a name of this server. A page that rebinds its own name to us has another."""
        return bare(host) in self.names

    def is_public(self, host: str) -> bool:
        """Whether ``host`` is the name others use."""
        return bool(self.public) and bare(host) == self.public

    def is_ours(self, origin: str, host: str) -> bool:
        """Whether ``origin`` (an Origin header) is a page of this server, asked for as ``host``: exact, port included."""
        return bool(self.origin and origin == self.origin) or origin in (f"http://{host}", f"https://{host}")

    def websocket_origins(self) -> list[str]:
        """Every host and port a page of ours may have, for Panel's own check behind the gate."""
        public = [urlsplit(self.origin).netloc] if self.origin else []
        return sorted({f"{name}:{self.port}" for name in self.names} | self.names | set(public))


def place_of(settings: Settings, port: int) -> Place:
    """The place that follows from address, port and public address."""
    parts = urlsplit(settings.public_url)
    host = (parts.hostname or "").lower()
    public = "" if not host or is_loopback_host(host) else _bracketed(host)
    beyond = not is_loopback_host(settings.host)
    names = {*LOOPBACK, *(bare(name) for name in settings.auth.hosts), *(_bound(settings.host) if beyond else ())}
    origin = f"{parts.scheme}://{parts.netloc.lower()}" if host else ""
    return Place(
        port, frozenset(names | ({_bracketed(host)} if host else set())), public, origin,
        parts.scheme == "https", beyond or bool(public),
    )  # fmt: skip


def bare(host: str) -> str:
    """A Host header without its port, in lower case."""
    host = host.strip().lower()
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0].rstrip(".")


def _bound(host: str) -> Iterator[str]:
    """The bound address, or all of this machine's where it is bound to all."""
    try:
        everywhere = ipaddress.ip_address(host).is_unspecified
    except ValueError:
        everywhere = False
    if not everywhere:
        yield _bracketed(host.lower())
        return
    yield socket.gethostname().lower()
    for addresses in psutil.net_if_addrs().values():
        for found in addresses:
            if found.family in (socket.AF_INET, socket.AF_INET6):
                yield _bracketed(found.address.partition("%")[0])


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
