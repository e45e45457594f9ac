"""What must fit together before a server may start; each fault is one line that names the variable to set."""

from __future__ import annotations

from heatmap_app.auth.door import networks
from heatmap_app.auth.passwords import Accounts, users_path
from heatmap_app.auth.place import Place
from pipelines.errors import SettingsError
from pipelines.outgoing import fault_of, is_loopback_host
from pipelines.settings import Settings
from pipelines.settings_auth import Auth

MIN_SECRET, MIN_TOKEN = 32, 20


def check_auth(settings: Settings) -> None:
    """Refuse a server that others can reach without sign-in, or a sign-in that cannot work. :class:`SettingsError`."""
    auth = settings.auth
    if auth.method == "none":
        if not is_loopback_host(settings.host):
            raise SettingsError(
                f"host: {settings.host} is beyond loopback and there is no sign-in; set HEATMAP_AUTH__METHOD to password, "
                "oidc or proxy (docs/security.md), or HEATMAP_HOST to 127.0.0.1"
            )
        return
    if len(auth.cookie_secret.get_secret_value()) < MIN_SECRET:
        raise SettingsError(
            f"auth.cookie_secret: must have at least {MIN_SECRET} characters; set HEATMAP_AUTH__COOKIE_SECRET, for example "
            "to the output of `openssl rand -hex 32`"
        )
    for name in ("wall_token", "metrics_token"):
        if 0 < len(getattr(auth, name).get_secret_value()) < MIN_TOKEN:
            raise SettingsError(
                f"auth.{name}: must have at least {MIN_TOKEN} characters; set HEATMAP_AUTH__{name.upper()}"
            )
    _check_proxies(auth)
    if auth.method == "password":
        _check_users(settings)
    if auth.method == "oidc":
        _check_oidc(settings)


def notice(settings: Settings, place: Place) -> str:
    """What the person who starts the server should know; empty when there is nothing."""
    if settings.auth.method == "none" and place.public:
        return (
            f"No sign-in is set up, so {place.public} (HEATMAP_PUBLIC_URL) answers to Slack only; pages and API answer on "
            "this machine. Set HEATMAP_AUTH__METHOD to open them (docs/security.md)."
        )
    if settings.auth.method != "none" and place.open and not place.https:
        return (
            "People sign in over plain http, which others on the network can read: put TLS in front (docs/security.md)."
        )
    return ""


def _check_proxies(auth: Auth) -> None:
    try:
        found = networks(auth.trusted_proxies)
    except ValueError:
        raise SettingsError(
            "auth.trusted_proxies: not a list of addresses; set HEATMAP_AUTH__TRUSTED_PROXIES"
        ) from None
    if any(network.prefixlen == 0 for network in found) or (auth.method == "proxy" and not found):
        raise SettingsError(
            "auth.trusted_proxies: must name the proxy's own addresses, not everybody's; set HEATMAP_AUTH__TRUSTED_PROXIES"
        )


def _check_users(settings: Settings) -> None:
    if not Accounts.of(settings).all():
        raise SettingsError(
            f"auth.users: nobody could sign in, as {users_path(settings).name} is missing or empty; make a user with "
            "`heatmap users add NAME --role admin`, or set HEATMAP_AUTH__USERS"
        )


def _check_oidc(settings: Settings) -> None:
    auth = settings.auth
    for name in ("oidc_issuer", "oidc_client_id", "oidc_client_secret"):
        value = getattr(auth, name)
        if not (value if isinstance(value, str) else value.get_secret_value()):
            raise SettingsError(f"auth.{name}: empty; sign-in by OIDC needs HEATMAP_AUTH__{name.upper()}")
    fault = fault_of(auth.oidc_issuer, settings.outgoing.http_hosts)
    if fault:
        raise SettingsError(f"auth.oidc_issuer: {fault} (HEATMAP_AUTH__OIDC_ISSUER)")
    if not is_loopback_host(settings.host) and not settings.public_url:
        raise SettingsError(
            "public_url: empty; the OIDC provider sends people back to it, so set HEATMAP_PUBLIC_URL to this server's address"
        )
