"""Errors that say what to do next: try again, try again later, or tell a person.

The message names the thing that failed and never carries a secret.
"""

from __future__ import annotations

from datetime import datetime


class HeatmapError(Exception):
    """Root of every error this product raises on purpose. ``str()`` is fit to show to a person."""


class SettingsError(HeatmapError):
    """A setting is wrong or unknown; the message names the key and where it was read."""


class StoreError(HeatmapError):
    """The database refused or cannot be reached; the message says which step and what to do."""


class InputError(HeatmapError):
    """A file or argument a person gave is unusable; the message says what, where, and what to do."""


class NotFoundError(InputError):
    """What a person named is not there: an alert that does not exist, a slug nobody has."""


class SourceError(HeatmapError):
    """A fetch from an upstream did not deliver.

    ``source`` names it; ``status`` is the HTTP status where there was one; ``bytes_read`` what had arrived;
    ``request_id`` is the upstream's own name for its answer, put in by whoever holds the answer.
    """

    def __init__(self, source: str, message: str, *, status: int | None = None, bytes_read: int = 0) -> None:
        super().__init__(f"{source}: {message}")
        self.source = source
        self.message = message
        self.status = status
        self.bytes_read = bytes_read
        self.request_id = ""


class TransientError(SourceError):
    """May work next time: a timeout, a reset, a 5xx, a truncated body."""


class RateLimitedError(SourceError):
    """The upstream asked us to wait ``retry_after_s`` seconds (already clamped to 1 s .. 1 h)."""

    def __init__(self, source: str, message: str, *, retry_after_s: float, status: int | None = 429) -> None:
        super().__init__(source, message, status=status)
        self.retry_after_s = retry_after_s


class PermanentError(SourceError):
    """Will not work until a person changes something: credentials, a feed that is gone, a spent budget."""


class ShapeChangedError(PermanentError):
    """The reply is not what this adapter understands; ``sample`` is a short excerpt kept for a person."""

    def __init__(self, source: str, message: str, *, sample: str = "", status: int | None = None) -> None:
        super().__init__(source, message, status=status)
        self.sample = sample[:2000]


class FieldsMissingError(ShapeChangedError):
    """Too many rows lack a field every row has: nothing of the reply is to be believed, the source is quarantined."""


class PausedError(PermanentError):
    """A limit we set or bought is used up; nothing to try before ``until`` (UTC; None where nobody said)."""

    def __init__(self, source: str, message: str, *, until: datetime | None = None, status: int | None = None) -> None:
        super().__init__(source, message, status=status)
        self.until = until
