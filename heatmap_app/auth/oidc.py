"""Sign-in at an OpenID Connect provider: authorization code with PKCE, an ID token that is verified in full."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from heatmap_app.auth.door import role_of
from heatmap_app.users import User
from pipelines.errors import HeatmapError
from pipelines.ingest.http_guard import peer_trace
from pipelines.outgoing import AddressRefusedError, fault_of
from pipelines.settings import Settings
from pipelines.settings_auth import Auth

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA")
"""Signatures by a key pair only: never "none", never one by the client's secret."""

TIMEOUT_S = 10.0
MAX_BYTES = 1_000_000


class SignInError(HeatmapError):
    """The sign-in did not work; the message is fit for the sign-in page."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A sign-in under way: where to send the browser, and what to remember until it is back."""

    url: str
    state: str
    nonce: str
    verifier: str


class Provider:
    """The configured provider. Its description and keys are read once, and again when a key is not known."""

    def __init__(self, settings: Settings, redirect_uri: str) -> None:
        self._auth, self._http_hosts, self._redirect_uri = settings.auth, settings.outgoing.http_hosts, redirect_uri
        self._issuer = settings.auth.oidc_issuer.rstrip("/")
        self._about: dict[str, Any] = {}
        self._keys: KeySet | None = None

    async def begin(self) -> Begun:
        """Start. Raises :class:`SignInError`."""
        about = await self._description()
        begun = Begun("", secrets.token_urlsafe(24), secrets.token_urlsafe(24), secrets.token_urlsafe(48))
        digest = hashlib.sha256(begun.verifier.encode()).digest()
        query = urlencode({
            "response_type": "code", "client_id": self._auth.oidc_client_id, "redirect_uri": self._redirect_uri,
            "scope": "openid email profile groups" if self._auth.oidc_groups else "openid email profile",
            "state": begun.state, "nonce": begun.nonce, "code_challenge_method": "S256",
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
        })  # fmt: skip
        address = str(about["authorization_endpoint"])
        joint = "&" if urlsplit(address).query else "?"
        return Begun(f"{address}{joint}{query}", begun.state, begun.nonce, begun.verifier)

    async def finish(self, code: str, verifier: str, nonce: str) -> User:
        """The user a ``code`` stands for. Raises :class:`SignInError`."""
        about = await self._description()
        answer = await self._ask(
            "POST", str(about["token_endpoint"]),
            data={"grant_type": "authorization_code", "code": code, "redirect_uri": self._redirect_uri,
                  "code_verifier": verifier, "client_id": self._auth.oidc_client_id},
            auth=(self._auth.oidc_client_id, self._auth.oidc_client_secret.get_secret_value()),
        )  # fmt: skip
        claims = await self._claims(str(answer.get("id_token", "")), nonce)
        return user_of_claims(self._auth, claims)

    async def _claims(self, token: str, nonce: str) -> Mapping[str, Any]:
        registry = jwt.JWTClaimsRegistry(
            leeway=60, iss={"essential": True, "value": str(self._about["issuer"])}, exp={"essential": True},
            aud={"essential": True, "value": self._auth.oidc_client_id}, sub={"essential": True},
            nonce={"essential": True, "value": nonce},
        )  # fmt: skip
        for fresh in (False, True):
            try:
                found = jwt.decode(token, await self._key_set(fresh), algorithms=ALGORITHMS)
                registry.validate(found.claims)
            except (JoseError, ValueError, KeyError):
                if fresh:
                    break
                continue
            claims: Mapping[str, Any] = found.claims
            return claims
        raise SignInError(
            "The provider's answer could not be verified. Try again; if it stays so, tell whoever runs this."
        )

    async def _description(self) -> dict[str, Any]:
        if not self._about:
            about = await self._ask("GET", f"{self._issuer}/.well-known/openid-configuration")
            wanted = ("issuer", "authorization_endpoint", "token_endpoint", "jwks_uri")
            if any(not isinstance(about.get(name), str) for name in wanted):
                raise SignInError("The provider's description is incomplete; check HEATMAP_AUTH__OIDC_ISSUER.")
            if about["issuer"].rstrip("/") != self._issuer:
                raise SignInError("The provider describes another issuer; check HEATMAP_AUTH__OIDC_ISSUER.")
            if any(fault_of(about[name], self._http_hosts) for name in wanted):
                raise SignInError("The provider names an address that must not be asked.")
            self._about = about
        return self._about

    async def _key_set(self, fresh: bool) -> KeySet:
        if self._keys is None or fresh:
            self._keys = KeySet.import_key_set(await self._ask("GET", str(self._about["jwks_uri"])))  # type: ignore[arg-type]  # checked there
        return self._keys

    async def _ask(self, method: str, url: str, **more: Any) -> dict[str, Any]:
        trace = peer_trace(urlsplit(url).hostname or "", private=True)
        try:
            async with (
                httpx.AsyncClient(timeout=TIMEOUT_S, follow_redirects=False) as client,
                client.stream(method, url, extensions={"trace": trace}, **more) as reply,
            ):
                body = bytearray()
                async for chunk in reply.aiter_bytes():
                    body += chunk
                    if len(body) > MAX_BYTES:
                        raise SignInError("The provider sent more than it should.")
                answer = httpx.Response(reply.status_code, content=bytes(body))
        except (httpx.HTTPError, AddressRefusedError) as error:
            raise SignInError("The provider cannot be reached. Try again in a minute.") from error
        if answer.status_code in (400, 401, 403):
            raise SignInError("The provider refused this server; check HEATMAP_AUTH__OIDC_CLIENT_ID and its secret.")
        try:
            found = answer.json()
        except (ValueError, RecursionError):
            found = None
        if answer.status_code != 200 or not isinstance(found, dict):
            raise SignInError("The provider gave no usable answer. Try again in a minute.")
        return found


def user_of_claims(auth: Auth, claims: Mapping[str, Any]) -> User:
    """The user of verified claims. Raises :class:`SignInError` for one whom domains, groups or lists leave out."""
    email = str(claims.get("email") or "").lower()
    trusted = email if claims.get("email_verified") is True else ""
    raw = claims.get("groups")
    groups = [str(group) for group in raw] if isinstance(raw, list) else []
    domains = {domain.lower().lstrip("@") for domain in auth.oidc_domains}
    if domains and trusted.rpartition("@")[2] not in domains:
        raise SignInError("This account is not of an allowed domain, or its e-mail address is not verified.")
    if auth.oidc_groups and not {g.lower() for g in groups} & {g.lower() for g in auth.oidc_groups}:
        raise SignInError("This account is in none of the groups that may come in.")
    role = role_of(auth, (trusted,), groups)
    if role is None:
        raise SignInError("This account has no role here; ask whoever runs this server.")
    name = str(claims.get("name") or trusted or "somebody").strip()[:80]
    return User(f"oidc:{str(claims['sub'])[:200]}", name, role)
