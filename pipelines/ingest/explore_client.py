"""pytrends behind bounds: redirected to a configurable address, with a total deadline and a cap on every reply.

pytrends keeps its addresses in module and class attributes and makes its own sessions, so both are reached from
outside: the attributes are rewritten under a lock, and a ``response`` hook of requests reads each body with limits.
It is imported by the first round, as it brings pandas along, which takes seconds.
"""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NoReturn
from urllib.parse import urlsplit

import requests
import urllib3

from pipelines.errors import RateLimitedError, ShapeChangedError, TransientError

SOURCE = "explore"
MAX_BYTES = 4_000_000
"""An Explore reply of five keywords over seven days is about 100 kB."""
KEYWORDS = 5
"""Upstream refuses more in one request."""
BREAK_SECONDS = 1800.0
"""How long to stay away after a refusal."""
TIMEFRAME = "now 7-d"
ARTS_AND_ENTERTAINMENT = 3
"""Google's id of the category."""

_pytrends_in_use = threading.Lock()


@dataclass(frozen=True, slots=True)
class Point:
    """Interest in one keyword in one hour: 0-100, relative to the request it came with."""

    keyword: str
    at: datetime
    value: float
    is_partial: bool


class ExploreClient:
    """One sitting with Explore: a cookie first, then paced requests. Blocking; for a worker thread.

    ``gap`` waits before each request. Raises :class:`~pipelines.errors.SourceError` subclasses only.
    """

    def __init__(self, base_url: str, geo: str, timeout_s: float, user_agent: str, gap: Callable[[], None]) -> None:
        self._base = base_url.rstrip("/") + "/trends"
        self._geo, self._timeout_s, self._gap = geo, timeout_s, gap
        self._user_agent = user_agent
        self._client: Any = None
        self.requests = 0
        self.bytes_read = 0

    def interest(self, keywords: list[str], category: int = 0) -> list[Point]:
        """Hourly interest of at most five keywords over seven days; empty when there is none."""
        with _pointed_at(self._base), _plain_errors():
            if self._client is None:
                self._client = self._open()
            self._before_request()
            self._client.build_payload(keywords, cat=category, timeframe=TIMEFRAME, geo=self._geo)
            self._before_request()
            return list(_points(self._client.interest_over_time(), keywords))

    def _open(self) -> Any:
        from pytrends.request import TrendReq

        self._before_request()
        return TrendReq(
            hl="en-US",
            tz=0,
            geo=self._geo,
            timeout=(min(5.0, self._timeout_s), self._timeout_s),
            retries=0,  # anything else dies in pytrends on urllib3 2, and trying again is for the next round
            backoff_factor=0,
            requests_args={"hooks": {"response": self._bounded}, "headers": {"User-Agent": self._user_agent}},
        )

    def _before_request(self) -> None:
        self._gap()
        self.requests += 1

    def _bounded(self, response: requests.Response, **_: object) -> requests.Response:
        """The response with its body read whole, within the limits; a hook of requests."""
        try:
            _refuse_strange_redirect(response)
            body = self._read(response)
        finally:
            response.close()
        self.bytes_read += len(body)
        response.raw = io.BytesIO(body)
        # pytrends looks this header up without asking whether it is there
        response.headers.setdefault("Content-Type", "application/octet-stream")
        return response

    def _read(self, response: requests.Response) -> bytes:
        deadline = time.monotonic() + self._timeout_s
        body = bytearray()
        # read1 comes back with what there is, so the deadline is looked at while bytes drip
        while chunk := response.raw.read1(65_536, decode_content=True):
            body += chunk
            if len(body) > MAX_BYTES:
                raise ShapeChangedError(SOURCE, f"a reply of more than {MAX_BYTES // 1_000_000} MB was refused")
            if time.monotonic() > deadline:
                raise TransientError(SOURCE, f"no whole reply within {self._timeout_s:g} s", bytes_read=len(body))
        return bytes(body)


@contextmanager
def _pointed_at(base: str) -> Iterator[None]:
    """pytrends with every address under ``base``. One sitting at a time, as the addresses are global."""
    import pytrends.request as pytrends_request

    with _pytrends_in_use:
        current = pytrends_request.BASE_TRENDS_URL
        if current != base:
            pytrends_request.BASE_TRENDS_URL = base
            for name, value in list(vars(pytrends_request.TrendReq).items()):
                if name.endswith("_URL") and isinstance(value, str) and value.startswith(current):
                    setattr(pytrends_request.TrendReq, name, base + value.removeprefix(current))
        yield


def _refuse_strange_redirect(response: requests.Response) -> None:
    if not response.is_redirect:
        return
    target = urlsplit(response.headers.get("Location", ""))
    if target.path.startswith("/sorry"):
        raise RateLimitedError(SOURCE, "Google asks for a captcha", retry_after_s=BREAK_SECONDS, status=302)
    if target.netloc and target.netloc != urlsplit(response.url).netloc:
        raise ShapeChangedError(SOURCE, "unsafe redirect refused", status=response.status_code)


@contextmanager
def _plain_errors() -> Iterator[None]:
    """pytrends lets anything escape, from its own errors to KeyError; all of it becomes ours."""
    from pytrends.exceptions import ResponseError, TooManyRequestsError

    try:
        yield
    except TooManyRequestsError:
        raise RateLimitedError(SOURCE, "too many requests", retry_after_s=BREAK_SECONDS) from None
    except ResponseError as error:
        _raise_for(error.response)
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise TransientError(SOURCE, _reason(error)) from None
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, RecursionError) as error:
        if _is_json_error(error):
            raise TransientError(SOURCE, "a reply was cut short or is not JSON") from None
        raise ShapeChangedError(
            SOURCE, f"the reply has changed its shape ({type(error).__name__})", sample=str(error)[:200]
        ) from None


def _raise_for(response: requests.Response) -> NoReturn:
    status = response.status_code
    if status >= 500:
        raise TransientError(SOURCE, f"Google answered {status}", status=status) from None
    if status == 200:
        raise ShapeChangedError(SOURCE, "unexpected page", sample=response.text[:500], status=status) from None
    raise ShapeChangedError(SOURCE, f"Google answered {status}", sample=response.text[:500], status=status) from None


def _is_json_error(error: Exception) -> bool:
    return type(error).__name__ == "JSONDecodeError"


def _reason(error: Exception) -> str:
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError):
        return "no answer in time"
    if isinstance(error, requests.exceptions.SSLError):
        return "the certificate was not accepted"
    return "the connection failed or broke off"


def _points(frame: Any, keywords: list[str]) -> Iterator[Point]:
    """The rows of pytrends' (pandas) frame; its index is naive UTC."""
    for keyword in keywords:
        if keyword not in frame.columns:
            continue
        for at, value, partial in zip(frame.index, frame[keyword], frame["isPartial"], strict=True):
            if at != at:  # pandas' "not a time" is the one that differs from itself
                raise ValueError("a point without a time")
            yield Point(keyword, at.to_pydatetime().replace(tzinfo=UTC), float(value), bool(partial))
