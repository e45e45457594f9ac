"""What PRAW raises, as our errors with a plain line each.

PRAW's own exceptions lose the ``Retry-After`` date, and a header it does not expect comes out as ``KeyError`` or
``ValueError``; so the answer itself, which our session kept, is looked at before the exception.
"""

from __future__ import annotations

from datetime import datetime

import prawcore
import requests

from pipelines.errors import PermanentError, RateLimitedError, ShapeChangedError, SourceError, TransientError
from pipelines.ingest.bounded import DeadlineError, Last, RefusedBodyError
from pipelines.ingest.guard import looks_like
from pipelines.retry_after import retry_after_seconds

SOURCE = "reddit"
TOKEN_PATH = "/api/v1/access_token"  # noqa: S105 # a path, not a secret
CHECK_CREDENTIALS = "check HEATMAP_REDDIT__CLIENT_ID and HEATMAP_REDDIT__CLIENT_SECRET"
FEED_GONE = {
    301: "there is no such subreddit",
    302: "there is no such subreddit",
    403: "private, quarantined or blocked",
    404: "not found or banned",
    451: "withheld for legal reasons",
}


class SignInError(PermanentError):
    """Reddit refuses the credentials; no feed can be read."""


def sign_in_failed(error: SourceError) -> bool:
    """Whether ``error`` concerns the whole source and not one feed."""
    return isinstance(error, SignInError)


def translate(error: Exception, last: Last | None, feed: str, now: datetime) -> SourceError:
    """Our error for what PRAW raised reading ``feed``; ``last`` is the answer it raised over, if there was one."""
    if isinstance(error, prawcore.OAuthException):
        return SignInError(SOURCE, f"credentials rejected: {CHECK_CREDENTIALS}", status=401)
    if last is None:
        return _unanswered(error, feed)
    if last.status == 429:
        wait = retry_after_seconds(last.headers.get("retry-after"), now)
        return RateLimitedError(SOURCE, f"Reddit asks to wait {wait:.0f} s", retry_after_s=wait)
    if last.status >= 500 or last.status == 408:
        return TransientError(SOURCE, f"Reddit answered {last.status}", status=last.status)
    if last.url.split("?")[0].endswith(TOKEN_PATH):
        return _sign_in(last)
    if last.status == 401:
        return SignInError(SOURCE, f"credentials rejected: {CHECK_CREDENTIALS}", status=401)
    if last.status in FEED_GONE:
        return PermanentError(SOURCE, f"r/{feed} unavailable: {FEED_GONE[last.status]}", status=last.status)
    if 200 <= last.status < 300:
        return _unreadable(last, feed)
    return PermanentError(SOURCE, f"r/{feed} answered {last.status}", status=last.status)


def _unanswered(error: Exception, feed: str) -> SourceError:
    cause = getattr(error, "original_exception", error)
    if isinstance(cause, DeadlineError):
        return TransientError(SOURCE, f"r/{feed} gave no complete answer in time")
    if isinstance(cause, RefusedBodyError):
        return ShapeChangedError(SOURCE, f"r/{feed} sent {cause}")
    if isinstance(cause, requests.exceptions.SSLError):
        return TransientError(SOURCE, "TLS certificate problem")
    if isinstance(cause, requests.exceptions.ConnectTimeout):
        return TransientError(SOURCE, "cannot connect to Reddit")
    if isinstance(cause, requests.exceptions.RequestException):
        return TransientError(SOURCE, f"the connection broke while reading r/{feed}")
    return PermanentError(
        SOURCE, f"PRAW refused before asking ({type(cause).__name__}); check HEATMAP_REDDIT__ settings"
    )


def _sign_in(last: Last) -> SourceError:
    if last.status in (400, 401):
        return SignInError(SOURCE, f"credentials rejected: {CHECK_CREDENTIALS}", status=last.status)
    if last.status == 403:
        return SignInError(SOURCE, "Reddit refuses this machine or app the sign-in (403)", status=403)
    looks = looks_like(last.body).upper()
    message = f"unexpected page at sign-in ({last.status}, {looks})"
    return ShapeChangedError(SOURCE, message, sample=_sample(last), status=last.status)


def _unreadable(last: Last, feed: str) -> SourceError:
    looks = looks_like(last.body)
    if looks == "html":
        message = f"unexpected page: r/{feed} sent HTML where JSON was expected"
        return ShapeChangedError(SOURCE, message, sample=_sample(last), status=last.status)
    what = "an empty reply" if looks == "empty" else "broken or cut-off JSON"
    return TransientError(SOURCE, f"r/{feed} sent {what}", status=last.status, bytes_read=len(last.body))


def _sample(last: Last) -> str:
    return last.body[:2000].decode("utf-8", "replace")
