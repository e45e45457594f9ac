"""The settings of sign-in and of outgoing connections; a part of :mod:`pipelines.settings`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr

from pipelines.section import Section

AUTH_LISTS = (
    "HEATMAP_OUTGOING__HTTP_HOSTS",
    *(
        f"HEATMAP_AUTH__{name}"
        for name in ("USERS", "HOSTS", "TRUSTED_PROXIES", "EDITORS", "ADMINS", "OIDC_DOMAINS", "OIDC_GROUPS")
    ),
)
"""Those whose value is a JSON list."""


class Auth(Section):
    """Who may come in (docs/security.md). What belongs together is checked when a server starts."""

    method: Literal["none", "password", "proxy", "oidc"]
    cookie_secret: SecretStr
    session_hours: float = Field(gt=0, le=720)
    hosts: tuple[str, ...]
    default_role: Literal["none", "viewer", "editor", "admin"]
    editors: tuple[str, ...]
    admins: tuple[str, ...]
    users_file: Path
    users: tuple[SecretStr, ...]
    trusted_proxies: tuple[str, ...]
    proxy_user_header: str = Field(pattern=r"^[A-Za-z0-9-]+$")
    proxy_groups_header: str = Field(pattern=r"^[A-Za-z0-9-]*$")
    oidc_issuer: str
    oidc_client_id: str
    oidc_client_secret: SecretStr
    oidc_domains: tuple[str, ...]
    oidc_groups: tuple[str, ...]
    wall_token: SecretStr
    metrics_token: SecretStr


class Outgoing(Section):
    """Where this product may connect to."""

    http_hosts: tuple[str, ...]
