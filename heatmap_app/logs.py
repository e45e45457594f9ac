"""Logs: one line an event on stderr, no query strings, no secrets."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator, MutableMapping
from typing import Any

import structlog
from pydantic import BaseModel, SecretStr

from pipelines.settings import Settings

QUIET = ("httpx", "httpcore", "prawcore", "praw", "apify_client", "slack_sdk", "slack_bolt", "asyncio", "alembic")
"""Libraries whose chatter names addresses and tokens; only their warnings are kept."""

TOKEN_SHAPES = re.compile(r"xox[a-z]-[\w-]+|xapp-[\w-]+|hooks\.slack\.com/services/\S+|(?<=[?&]token=)[^&\s]+")


def secrets(settings: BaseModel) -> Iterator[str]:
    """Every secret value that is set."""
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, SecretStr):
            if len(value.get_secret_value()) > 3:
                yield value.get_secret_value()
        elif isinstance(value, BaseModel):
            yield from secrets(value)


class Redact:
    """A structlog processor and logging filter that blanks secrets by value and by shape."""

    def __init__(self, values: Iterator[str]) -> None:
        self._values = tuple(values)

    def text(self, text: str) -> str:
        """``text`` without secrets."""
        for value in self._values:
            text = text.replace(value, "***")
        return TOKEN_SHAPES.sub("***", text)

    def __call__(self, _logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Blank every text in a structlog event."""
        return {key: self.text(value) if isinstance(value, str) else value for key, value in event.items()}


class RedactingFormatter(logging.Formatter):
    """Formats a record, traceback included, and blanks secrets in the result."""

    def __init__(self, redact: Redact) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        """The line, without secrets."""
        return self._redact.text(super().format(record))


def configure(settings: Settings | None = None) -> None:
    """Send structlog and the libraries' logs to stderr, without the secrets of ``settings``."""
    redact = Redact(secrets(settings) if settings is not None else iter(()))
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(RedactingFormatter(redact))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            redact,
            structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"]),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
