"""What may pass without a sign-in, and what a changing request must show. Pure: paths and headers in, verdicts out.

Everything not listed here is denied to those who are not signed in; ``tests/contract/test_security_routes.py`` walks
every route of the running application against these lists.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from heatmap_app.auth.place import Place
from heatmap_app.users import Role

OPEN_PATHS = frozenset({"/healthz", "/readyz", "/login", "/logout", "/favicon.ico"})
"""Open to everybody."""

OPEN_PREFIXES = ("/auth/", "/assets/")
"""Open to everybody: the sign-in itself, and the product's own style, script and fonts."""

SIGNED_PATHS = frozenset({"/slack/events"})
"""They prove themselves by a signature of their own, on every request."""

ANY_HOST = frozenset({"/healthz", "/readyz", "/slack/events"})
"""Answered under any host name: a load balancer or a tunnel asks by one of its own."""

WALL = re.compile(r"/wall(/.*)?|/api/v1/(heat|stream)")
"""What the wall screen's guest may read."""

CLOSED = re.compile(r".*/(autoload\.js|metadata)|/session_info/?")
"""Doors of Panel for embedding elsewhere, which this product does not use."""

VIEWER_WRITES = re.compile(r"/api/v1/alerts/\d+/votes?")
"""The only changes a viewer may make; every other needs an editor at least, whatever its route says."""

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
DATA = ("/api/", "/static", "/openapi.json", "/metrics", "/slack/", "/wall/state")
"""Paths that programs ask for: they get 401, people are sent to the sign-in page."""

FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "cf-connecting-ip", "via")


def is_open(path: str) -> bool:
    """Whether ``path`` needs no sign-in."""
    return path in OPEN_PATHS or path in SIGNED_PATHS or path.startswith(OPEN_PREFIXES)


def is_plain(path: str) -> bool:
    """Whether ``path`` means what it says: no dot segments, backslashes, doubled slashes or control characters."""
    segments = path.split("/")
    return path.startswith("/") and not ({".", ".."} & set(segments)) and "//" not in path and not _ODD.search(path)


_ODD = re.compile(r"[\x00-\x1f\x7f\\]")


def wants_page(method: str, path: str) -> bool:
    """Whether a person's browser asks, who is better sent to the sign-in page than told 401."""
    return method in ("GET", "HEAD") and not path.startswith(DATA)


def local_path(target: str) -> str:
    """``target`` if it leads to this server's own pages, else ``/``: where to go after a sign-in."""
    good = len(target) <= 2000 and is_plain(target.partition("?")[0]) and target.isprintable() and "\\" not in target
    return target if good and not target.startswith(("/login", "/logout", "/auth/")) else "/"


def write_fault(path: str, headers: Mapping[str, str], host: str, place: Place) -> str | None:
    """Why a changing request may be a foreign page's doing; None when it is our own.

    A browser says where it comes from (Origin, Sec-Fetch-Site); what says nothing of the kind is no browser, or an old
    one, and must then show the header that no foreign page can send without asking first.
    """
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None and site not in ("same-origin", "none"):
        return "it comes from another site"
    own = origin is not None and place.is_ours(origin, host)
    if origin is not None and not own and not (origin == "null" and site == "same-origin"):
        return "it comes from a page of another origin"
    if headers.get("x-et-write") == "1" or (path.startswith("/auth/") and (own or site == "same-origin")):
        return None
    return "it lacks the header X-ET-Write: 1"


def least_role(method: str, path: str) -> Role:
    """The least role a request needs, before its own route is asked."""
    if method in SAFE_METHODS or path.startswith("/auth/") or VIEWER_WRITES.fullmatch(path):
        return "viewer"
    return "editor"
