"""Who is asking: a session cookie, a trusted proxy's word, the wall screen's guest cookie, or nobody."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import cookie_parser

from heatmap_app.auth.leash import Presence
from heatmap_app.auth.passwords import Accounts
from heatmap_app.auth.place import Place
from heatmap_app.auth.sessions import Sealed, Session, Sessions
from heatmap_app.users import DESK, Role, User
from pipelines.settings import Settings
from pipelines.settings_auth import Auth

WALL_USER = User("wall", "the wall screen", "viewer")
WALL_S = 400 * 86_400
"""As long as browsers keep a cookie."""

SIGN_IN_S = 600


@dataclass(frozen=True, slots=True)
class Cookie:
    """A cookie's name and attributes, for the place people reach this server at."""

    name: str
    secure: bool

    def text(self, value: str, seconds: int) -> str:
        """The Set-Cookie header; ``seconds`` 0 removes it."""
        secure = "; Secure" if self.secure else ""
        return f"{self.name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}"


class Door:
    """Finds the user of a request. Raises :class:`SettingsError` when made from settings that do not fit together."""

    def __init__(self, settings: Settings, place: Place) -> None:
        auth = settings.auth
        self.auth, self.method, self.place = auth, auth.method, place
        secret = auth.cookie_secret.get_secret_value()
        folder = settings.var_path / "auth"
        self.sessions = Sessions(secret, auth.session_hours * 3600, folder / "signed_out")
        self.wall_seal, self.state_seal = Sealed(secret, "et-wall", WALL_S), Sealed(secret, "et-sign-in", SIGN_IN_S)
        self.accounts = Accounts.of(settings) if auth.method == "password" else None
        prefix = "__Host-et" if place.https else "et"
        self.cookie, self.wall_cookie, self.state_cookie = (
            Cookie(f"{prefix}_{name}", place.https) for name in ("session", "wall", "signin")
        )
        self._trusted = networks(auth.trusted_proxies)
        self.presence = Presence()

    def user_of_page(self, session_id: str) -> User | None:
        """The user whose browser holds the websocket of a Panel session; without sign-in the desk, else perhaps None."""
        return DESK if self.method == "none" else self.presence.pages.get(session_id)

    def sign_out(self, session: Session) -> None:
        """End ``session``: its cookie is void, its open pages are cut."""
        self.sessions.end(session)
        self.presence.end(session.sid)

    def session(self, headers: Mapping[str, str]) -> Session | None:
        """The signed-in session of the request's cookie, with the role the user has now."""
        if self.method not in ("password", "oidc"):
            return None
        value = cookie_parser(headers.get("cookie", "")).get(self.cookie.name)
        session = self.sessions.read(value) if value else None
        if session is None or self.accounts is None:
            return session
        account = self.accounts.all().get(session.user.id)
        return Session(account.user, session.sid, session.until) if account else None

    def user(self, scope: Mapping[str, Any], headers: Mapping[str, str]) -> User | None:
        """Who asks; None for nobody we know."""
        if self.method == "none":
            return DESK
        if self.method == "proxy":
            found = self._proxied(scope, headers)
        else:
            session = self.session(headers)
            found = session.user if session else None
        return found or (WALL_USER if self._is_wall(headers) else None)

    def wall_value(self, token: str) -> str | None:
        """The wall screen's cookie for the right ``token``; None for another, or where none is set."""
        wanted = self.auth.wall_token.get_secret_value()
        right = hmac.compare_digest(token.encode(), wanted.encode())
        return self.wall_seal.seal(_digest(wanted)) if wanted and right and self.method != "none" else None

    def metrics_token_is(self, headers: Mapping[str, str]) -> bool:
        """Whether the request carries the collector's token."""
        wanted = self.auth.metrics_token.get_secret_value()
        given = headers.get("authorization", "").removeprefix("Bearer ")
        return bool(wanted) and hmac.compare_digest(given.encode(), wanted.encode())

    def trusts(self, address: str) -> bool:
        """Whether ``address`` is a trusted proxy's."""
        try:
            ip = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return False
        ip = getattr(ip, "ipv4_mapped", None) or ip
        return any(ip in network for network in self._trusted)

    def client(self, scope: Mapping[str, Any], headers: Mapping[str, str]) -> str:
        """The address that asks: the last one a trusted proxy names, else the connection's."""
        peer = str((scope.get("client") or ("", 0))[0])
        hops = [part.strip() for part in headers.get("x-forwarded-for", "").split(",") if part.strip()]
        while hops and self.trusts(peer):
            peer = hops.pop()
        return peer[:64]

    def _proxied(self, scope: Mapping[str, Any], headers: Mapping[str, str]) -> User | None:
        if not self.trusts(str((scope.get("client") or ("", 0))[0])):
            return None
        name = headers.get(self.auth.proxy_user_header.lower(), "").strip()
        if not name or len(name) > 200 or not name.isprintable():
            return None
        groups = headers.get(self.auth.proxy_groups_header.lower(), "") if self.auth.proxy_groups_header else ""
        role = role_of(self.auth, (name,), (group.strip() for group in groups.split(",")))
        return User(f"proxy:{name.lower()}", name, role) if role else None

    def _is_wall(self, headers: Mapping[str, str]) -> bool:
        wanted = self.auth.wall_token.get_secret_value()
        value = cookie_parser(headers.get("cookie", "")).get(self.wall_cookie.name)
        return bool(wanted and value) and self.wall_seal.open(str(value)) == _digest(wanted)


def role_of(auth: Auth, names: Iterable[str], groups: Iterable[str]) -> Role | None:
    """The highest role the lists give to one of ``names`` or ``groups``, else the default; None where that is none."""
    keys = {name.lower() for name in names if name} | {f"group:{group.lower()}" for group in groups if group}
    if keys & {entry.lower() for entry in auth.admins}:
        return "admin"
    if keys & {entry.lower() for entry in auth.editors}:
        return "editor"
    return None if auth.default_role == "none" else auth.default_role


def networks(texts: Iterable[str]) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    """Addresses and networks of a list. Raises ``ValueError`` for what is neither."""
    return [ipaddress.ip_network(text.strip()) for text in texts]


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
