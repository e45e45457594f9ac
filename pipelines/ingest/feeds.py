"""What sources made of several feeds share: how far back they reach, what to say when none answered. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pipelines.errors import FieldsMissingError, PermanentError, RateLimitedError, SourceError, TransientError


def covered_from(oldest: Sequence[datetime], now: datetime) -> datetime | None:
    """How far back all feeds together could still list: the latest of their oldest items, at most ``now``.

    Before that moment at least one feed has already dropped items, so that hour cannot be called looked at.
    ``None`` when no feed had an item.
    """
    return min(max(oldest), now) if oldest else None


def none_read(source: str, errors: Sequence[SourceError]) -> SourceError:
    """The one error to raise when every feed failed with ``errors``.

    What may pass by itself outweighs what needs a person: the next poll finds out.
    """
    if not errors:
        return TransientError(source, "no feed was read")
    first = next((error for error in errors if not isinstance(error, PermanentError)), errors[0])
    if len(errors) == 1 or isinstance(first, RateLimitedError | FieldsMissingError):
        return first
    kind = TransientError if isinstance(first, TransientError) else PermanentError
    message = f"none of {len(errors)} feeds could be read; first: {first.message}"
    whole = kind(source, message, status=first.status, bytes_read=sum(error.bytes_read for error in errors))
    whole.request_id = first.request_id
    return whole
