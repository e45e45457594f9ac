"""Reaches the optional writer of action packages: one bounded POST to an OpenAI-compatible address.

The session has one deadline for the whole answer, a cap on its bytes, and follows no redirect (``ingest.bounded``). It
blocks: call it from a thread. What comes back is checked by ``pipelines.alert.package_writer``.
"""

from __future__ import annotations

import json
from typing import Any

import requests
from requests.auth import AuthBase

from pipelines.clock import SystemClock
from pipelines.errors import PermanentError, RateLimitedError, ShapeChangedError, SourceError, TransientError
from pipelines.ingest.bounded import BoundedSession, DeadlineError, RefusedBodyError
from pipelines.retry_after import retry_after_seconds
from pipelines.settings import Settings

SOURCE = "writer"
MAX_BYTES = 1_000_000


class _Bearer(AuthBase):
    """The key, if there is one; and never what a ``.netrc`` happens to hold for that host."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._key:
            request.headers["Authorization"] = f"Bearer {self._key}"
        return request


class HttpWriter:
    """A writer at ``url`` (the base address, without ``/chat/completions``); a callable from a prompt to a reply."""

    def __init__(self, url: str, model: str, key: str, timeout_s: float) -> None:
        self._address = url.rstrip("/") + "/chat/completions"
        self._model, self._key, self._timeout_s = model, key, timeout_s

    def __call__(self, prompt: str) -> str:
        """The reply to ``prompt``. Raises :class:`SourceError`: transient, rate-limited, permanent or shape-changed."""
        body = {"model": self._model, "messages": [{"role": "user", "content": prompt}]}
        try:
            with BoundedSession(self._timeout_s, MAX_BYTES) as session:
                response = session.post(self._address, json=body, auth=_Bearer(self._key))
        except DeadlineError:
            raise TransientError(SOURCE, f"no complete answer within {self._timeout_s:g} s") from None
        except RefusedBodyError as error:
            raise ShapeChangedError(SOURCE, f"its answer was refused: {error}") from None
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, requests.exceptions.MissingSchema):
            raise PermanentError(SOURCE, "HEATMAP_WRITER__URL is not a web address") from None
        except requests.exceptions.RequestException:
            raise TransientError(SOURCE, "cannot be reached; check HEATMAP_WRITER__URL") from None
        if response.status_code != 200:
            raise _refusal(response)
        return _reply(response.content)


def build_writer(settings: Settings) -> HttpWriter | None:
    """The configured writer; None where there is none."""
    writer = settings.writer
    if not writer.url:
        return None
    return HttpWriter(writer.url, writer.model, writer.key.get_secret_value(), writer.timeout_seconds)


def _refusal(response: requests.Response) -> SourceError:
    status = response.status_code
    if status in (401, 403):
        return PermanentError(SOURCE, "refused the key; set HEATMAP_WRITER__KEY", status=status)
    if status == 429:
        wait = retry_after_seconds(response.headers.get("Retry-After"), SystemClock().now())
        return RateLimitedError(SOURCE, f"asked to wait {wait:g} s", retry_after_s=wait)
    if status >= 500:
        return TransientError(SOURCE, f"answered HTTP {status}", status=status)
    message = f"answered HTTP {status}; check HEATMAP_WRITER__URL and HEATMAP_WRITER__MODEL"
    return PermanentError(SOURCE, message, status=status)


def _reply(body: bytes) -> str:
    try:
        answer: Any = json.loads(body)
        text = answer["choices"][0]["message"]["content"]
    except (ValueError, KeyError, IndexError, TypeError, RecursionError):
        text = None
    if not isinstance(text, str):
        raise ShapeChangedError(
            SOURCE, "its answer is not a chat completion", sample=body[:2000].decode(errors="replace")
        )
    return text
