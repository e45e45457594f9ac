"""Settings: TOML defaults under ``config/``, overridden by ``.env`` and ``HEATMAP_`` variables (PRODUCT 4).

:func:`load_settings` is the only way in. A wrong or unknown key raises :class:`SettingsError` with one line that names
the key and where it was read; values are never echoed, so no secret can leak through an error.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource
from pydantic_settings.exceptions import SettingsError as SettingsReadError

from pipelines.errors import SettingsError
from pipelines.outgoing import fault_of
from pipelines.section import Section
from pipelines.settings_auth import AUTH_LISTS, Auth, Outgoing
from pipelines.settings_kpis import Kpis
from pipelines.settings_methods import Methods
from pipelines.settings_sections import (
    Affect,
    Confidence,
    Discovery,
    Episode,
    Gates,
    Heat,
    Poll,
    Reddit,
    Replay,
    Retention,
    Slack,
    TikTok,
    Trades,
    Trends,
    Velocity,
    Writer,
)

ROOT = Path(__file__).resolve().parent.parent
"""The checkout: ``config/`` and ``assets/`` lie here."""

CONFIG_DIR = ROOT / "config"
LISTS = ("HEATMAP_REDDIT__FEEDS", "HEATMAP_TRADES__FEEDS", "HEATMAP_METHODS__MULTI_HOURS", *AUTH_LISTS)
"""Settings whose value is a JSON list."""

LOCAL_FILE = CONFIG_DIR / "local.toml"
"""This desk's own choices, written by the page ``/tuning``; between the shipped files and the environment. Not shipped."""

CONFIG_FILES = ("defaults.toml", "sources.toml", "scoring.toml", "alerts.toml")
PREFIX = "HEATMAP_"


class Settings(BaseSettings):
    """Every setting of the product, validated and frozen. See the comments in ``config/*.toml``."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", hide_input_in_errors=True, frozen=True,
        env_file_encoding="utf-8",
    )  # fmt: skip

    mode: Literal["auto", "live", "demo", "replay"]
    host: str
    port: int = Field(ge=0, le=65_535)
    public_url: str
    database_url: SecretStr
    redis_url: SecretStr
    var_dir: Path
    log_level: Literal["warning", "info", "debug"]
    auth: Auth
    outgoing: Outgoing
    retention: Retention
    replay: Replay
    reddit: Reddit
    trends: Trends
    tiktok: TikTok
    trades: Trades
    slack: Slack
    writer: Writer
    velocity: Velocity
    methods: Methods
    affect: Affect
    heat: Heat
    confidence: Confidence
    discovery: Discovery
    poll: Poll
    gates: Gates
    episode: Episode
    kpis: Kpis

    @property
    def var_path(self) -> Path:
        """``var_dir``, absolute."""
        return self.var_dir if self.var_dir.is_absolute() else ROOT / self.var_dir

    @property
    def has_platform_credential(self) -> bool:
        """Whether a platform that needs a credential has one: what ``auto`` looks at."""
        reddit = bool(self.reddit.client_id and self.reddit.client_secret.get_secret_value())
        return reddit or bool(self.tiktok.token.get_secret_value())

    @property
    def effective_mode(self) -> Literal["live", "demo", "replay"]:
        """The mode after ``auto`` is decided."""
        if self.mode == "auto":
            return "live" if self.has_platform_credential else "demo"
        return self.mode

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then environment, then ``.env``, then the desk's own file, then the shipped TOML files."""
        files = TomlConfigSettingsSource(settings_cls, toml_file=[CONFIG_DIR / name for name in CONFIG_FILES])
        local = TomlConfigSettingsSource(settings_cls, toml_file=LOCAL_FILE)
        return init_settings, env_settings, dotenv_settings, local, files


def load_settings(env_file: Path | None = None, **overrides: Any) -> Settings:
    """Read and check all settings; ``overrides`` win over everything (keys as in :class:`Settings`).

    ``env_file`` is the ``.env`` to read, by default the one in the checkout. Raises :class:`SettingsError`.
    """
    env_path = env_file or ROOT / ".env"
    _refuse_unknown_variables(env_path)
    try:
        settings = Settings(_env_file=env_path, **overrides)  # type: ignore[call-arg]  # pydantic-settings' own argument
    except ValidationError as error:
        raise SettingsError(_first_line(error, env_path)) from None
    except SettingsReadError:
        raise SettingsError(_not_json(env_path)) from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"config: not valid TOML: {error}") from None
    for key, url in outgoing(settings):
        fault = fault_of(url, settings.outgoing.http_hosts)
        if fault:
            raise SettingsError(f"{key}: {fault} (read from {_where(key, env_path)})")
    return settings


def outgoing(settings: Settings) -> Iterator[tuple[str, str]]:
    """Every address that is set and connected to, with its key."""
    slack = settings.slack
    found = {
        "reddit.url": settings.reddit.url, "trends.url": settings.trends.url, "tiktok.url": settings.tiktok.url,
        "slack.url": slack.url, "slack.webhook_url": slack.webhook_url.get_secret_value(),
        "slack.rundown_url": slack.rundown_url, "writer.url": settings.writer.url,
        "auth.oidc_issuer": settings.auth.oidc_issuer,
    }  # fmt: skip
    yield from ((key, url) for key, url in found.items() if url)
    yield from (("trades.feeds", url) for url in settings.trades.feeds)


def _not_json(env_path: Path) -> str:
    """The list that is not one: pydantic-settings names the section only."""
    for place, values in (("environment", dict(os.environ)), (env_path.name, _dotenv(env_path))):
        for name, value in values.items():
            if name.upper() in LISTS and not _is_json_list(value):
                return f'{name}: must be a JSON list of texts, for example ["all"] (read from {place})'
    return "a setting that should be JSON is not"


def _is_json_list(value: str | None) -> bool:
    try:
        return isinstance(json.loads(value or ""), list)
    except ValueError:
        return False


def _first_line(error: ValidationError, env_path: Path) -> str:
    problem = error.errors(include_input=False, include_url=False)[0]
    key = ".".join(str(part) for part in problem["loc"] if not isinstance(part, int))
    return f"{key}: {problem['msg']} (read from {_where(key, env_path)})"


def set_outside(key: str) -> str:
    """The environment variable that sets ``key`` and so wins over every file; empty where there is none."""
    variable = PREFIX + key.upper().replace(".", "__")
    found = {name.upper() for name in (*os.environ, *_dotenv(ROOT / ".env"))}
    return variable if variable in found else ""


def _where(key: str, env_path: Path) -> str:
    variable = PREFIX + key.upper().replace(".", "__")
    if variable in {name.upper() for name in os.environ}:
        return f"environment variable {variable}"
    if variable in {name.upper() for name in _dotenv(env_path)}:
        return f"{variable} in {env_path.name}"
    for path in (LOCAL_FILE, *(CONFIG_DIR / name for name in CONFIG_FILES)):
        if _has_key(_toml(path), key.split(".")):
            return f"config/{path.name}"
    return "nowhere: the key is missing from config/"


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError):
        return {}


def _has_key(table: Mapping[str, Any], path: list[str]) -> bool:
    head, *rest = path
    if head not in table:
        return False
    return not rest or (isinstance(table[head], Mapping) and _has_key(table[head], rest))


def _dotenv(path: Path) -> dict[str, str | None]:
    return dotenv_values(path) if path.is_file() else {}


def known_variables() -> Iterator[str]:
    """Every ``HEATMAP_`` variable there is, for checks and for the docs."""
    for name, info in Settings.model_fields.items():
        section = info.annotation
        if isinstance(section, type) and issubclass(section, Section):
            yield from (f"{PREFIX}{name}__{key}".upper() for key in section.model_fields)
        else:
            yield f"{PREFIX}{name}".upper()


def _refuse_unknown_variables(env_path: Path) -> None:
    known = set(known_variables())
    sections = {f"{PREFIX}{name}".upper() for name in Settings.model_fields}
    for place, names in (("environment", list(os.environ)), (env_path.name, list(_dotenv(env_path)))):
        for name in names:
            if name.upper().startswith(PREFIX) and name.upper() not in known | sections:
                raise SettingsError(f"{name}: unknown setting (read from {place}); see config/ for all of them")
