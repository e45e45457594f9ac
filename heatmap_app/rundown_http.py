"""Reaches the rundown address: one bounded POST a card, with the key by which a repeat is told.

One deadline for the whole answer, a cap on its bytes, no redirects (``ingest.bounded``). It blocks: call it from a
thread. The address may hold a secret, so no message repeats it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import requests
from requests.auth import AuthBase

from pipelines.clock import SystemClock
from pipelines.errors import PermanentError, RateLimitedError, SourceError, TransientError
from pipelines.ingest.bounded import BoundedSession, DeadlineError, RefusedBodyError
from pipelines.outgoing import fault_of
from pipelines.retry_after import retry_after_seconds
from pipelines.settings import Settings

SOURCE = "rundown"
DEADLINE_S = 10.0
MAX_BYTES = 100_000
SETTING = "HEATMAP_SLACK__RUNDOWN_URL"
AGAIN = frozenset({408, 425})


class _NoAuth(AuthBase):
    """Never what a ``.netrc`` happens to hold for that host."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


class HttpRundown:
    """A callable that posts a card's body under its key. ``refused``: why the address is not asked at all."""

    def __init__(self, url: str, deadline_s: float = DEADLINE_S, refused: str | None = None) -> None:
        self._url, self._deadline_s, self._refused = url, deadline_s, refused

    def __call__(self, key: str, body: Mapping[str, Any]) -> None:
        """Post. Raises :class:`SourceError`: transient (it may have arrived), rate-limited or permanent."""
        if self._refused:
            raise PermanentError(SOURCE, f"{SETTING} {self._refused}")
        try:
            with BoundedSession(self._deadline_s, MAX_BYTES) as session:
                answer = session.post(
                    self._url, json=dict(body), headers={"Idempotency-Key": key}, auth=_NoAuth()
                )  # fmt: skip
        except DeadlineError:
            raise TransientError(SOURCE, f"no complete answer within {self._deadline_s:g} s") from None
        except RefusedBodyError:
            # what it says beside its status is of no use to us, but whether it took the card is not known
            raise TransientError(SOURCE, "its answer cannot be read") from None
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, requests.exceptions.MissingSchema):
            raise PermanentError(SOURCE, f"{SETTING} is not a web address") from None
        except requests.exceptions.RequestException:
            raise TransientError(SOURCE, f"cannot be reached; check {SETTING}") from None
        if (problem := _problem(answer)) is not None:
            raise problem


def build_rundown(settings: Settings) -> HttpRundown | None:
    """The configured address; None where there is none."""
    url = settings.slack.rundown_url
    return HttpRundown(url, refused=fault_of(url, settings.outgoing.http_hosts)) if url else None


def _problem(answer: requests.Response) -> SourceError | None:
    status = answer.status_code
    if 200 <= status < 300:
        return None
    if status == 429:
        wait = retry_after_seconds(answer.headers.get("Retry-After"), SystemClock().now())
        return RateLimitedError(SOURCE, f"asked to wait {wait:g} s", retry_after_s=wait)
    if status >= 500 or status in AGAIN:
        return TransientError(SOURCE, f"answered HTTP {status}", status=status)
    if 300 <= status < 400:
        return PermanentError(SOURCE, f"answered HTTP {status}: set {SETTING} to where it leads", status=status)
    return PermanentError(SOURCE, f"answered HTTP {status}; check {SETTING} and what it takes", status=status)
