"""Logs: one line an event on stderr, no query strings, no secrets."""

from __future__ import annotations

import logging
import re
import sys
import threading
import traceback
from collections.abc import Iterator, MutableMapping
from typing import Any
from urllib.parse import quote, quote_plus, unquote

import structlog
from pydantic import BaseModel, SecretStr

from pipelines.settings import Settings

QUIET = ("httpx", "httpcore", "prawcore", "praw", "apify_client", "slack_sdk", "slack_bolt", "asyncio", "alembic")
"""Libraries whose chatter names addresses and tokens; only their warnings are kept."""

TOKEN_SHAPES = re.compile(
    r"xox[a-z]-[\w-]+|xapp-[\w-]+|hooks\.slack\.com/services/\S+|(?<=[?&]token=)[^&\s]+"
    r"|\$argon2\w*\$[^\s\"']+|(?i:(?<=bearer )|(?<=basic ))[\w.~+/=-]{8,}|(?<=://)[^/\s:@]*:[^/\s@]+(?=@)"
)
"""Tokens, webhooks, password hashes, Authorization values and passwords in addresses, whoever they belong to."""


def secrets(settings: BaseModel) -> Iterator[str]:
    """Every secret value that is set, and what libraries make of it: quoted, or the parts of an address."""
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, BaseModel):
            yield from secrets(value)
            continue
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(one, SecretStr):
                yield from _forms(one.get_secret_value())


def _forms(secret: str) -> Iterator[str]:
    parts = [secret, *(secret.partition("://")[2].partition("@")[0].partition(":")[2:] if "@" in secret else ())]
    if secret.startswith(("http://", "https://")):  # a webhook: its path is the secret
        parts.append(secret.partition("://")[2].partition("/")[2])
    for part in parts:
        if len(part) > 3:
            yield from {part, unquote(part), quote(part, safe=""), quote_plus(part)}


class Redact:
    """A structlog processor and logging filter that blanks secrets by value and by shape."""

    def __init__(self, values: Iterator[str]) -> None:
        self._values = tuple(sorted(set(values), key=len, reverse=True))

    def text(self, text: str) -> str:
        """``text`` without secrets."""
        for value in self._values:
            text = text.replace(value, "***")
        return TOKEN_SHAPES.sub("***", text)

    def __call__(self, _logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Blank every value of a structlog event, whatever it is made of."""
        return {key: self._value(value) for key, value in event.items()}

    def _value(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if value is None or isinstance(value, int | float):
            return value
        shown = str(value)
        clean = self.text(shown)
        return value if clean == shown else clean


class RedactingFormatter(logging.Formatter):
    """Formats a record, traceback included, and blanks secrets in the result."""

    def __init__(self, redact: Redact) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        """The line, without secrets."""
        return self._redact.text(super().format(record))


def configure(settings: Settings | None = None) -> None:
    """Send structlog, the libraries' logs and uncaught errors to stderr, without the secrets of ``settings``."""
    redact = Redact(secrets(settings) if settings is not None else iter(()))
    level = logging.getLevelNamesMapping()[(settings.log_level if settings is not None else "warning").upper()]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(RedactingFormatter(redact))
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.DEBUG if level == logging.DEBUG else logging.WARNING)
    _hook_uncaught(redact)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            redact,
            structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(min(level, logging.INFO)),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def _hook_uncaught(redact: Redact) -> None:
    """Tracebacks nobody catches go through the same net."""

    def show(error: BaseException | None) -> None:
        if error is not None:
            sys.stderr.write(redact.text("".join(traceback.format_exception(error))))

    sys.excepthook = lambda _kind, error, _trace: show(error)
    threading.excepthook = lambda found: show(found.exc_value)
