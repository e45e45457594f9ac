"""Apify's own client behind bounds: a cap on every reply, no redirects, plain errors, nothing started twice.

Importing the client takes about a second, so this module is imported by the first poll that has a token.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import impit
from apify_client import ApifyClientAsync
from apify_client.errors import (
    ApifyApiError,
    ApifyClientError,
    ForbiddenError,
    InvalidRequestError,
    InvalidResponseBodyError,
    NotFoundError,
    RateLimitError,
    ServerError,
    UnauthorizedError,
)
from apify_client.http_clients import ImpitHttpClientAsync

from pipelines.errors import PermanentError, RateLimitedError, ShapeChangedError, SourceError, TransientError
from pipelines.ingest.clean import clean_text
from pipelines.ingest.guard import looks_like, request_id
from pipelines.ingest.tiktok_errors import NotThereError, QuotaError
from pipelines.outgoing import refuse_host
from pipelines.retry_after import retry_after_seconds
from pipelines.settings_sections import TikTok

SOURCE = "tiktok"
MAX_BYTES = 20_000_000
"""A dataset of 1,000 rows with histograms and creators is about 3 MB."""
LONG_POLL_SECONDS = 60.0
"""How long Apify keeps one request waiting for a run at the most."""
QUOTA_TYPES = ("platform-feature-disabled", "not-enough-usage-to-run-paid-actor", "monthly-usage-hard-limit-exceeded")


def prepare() -> None:
    """Read the certificate authorities: the first transport of a process does, and holds the interpreter meanwhile."""
    impit.AsyncClient(follow_redirects=False)


class BoundedHttpClient(ImpitHttpClientAsync):
    """The client's own transport with a cap on decoded bytes, a deadline for the whole body, and no redirects.

    ``requests``, ``bytes_read``, the last ``retry_after`` header and what the last answer is called (``request_id``, of the
    request sent at ``asked_at``) are there to be read.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._transport = impit.AsyncClient(follow_redirects=False)
        self.requests = 0
        self.bytes_read = 0
        self.retry_after: str | None = None
        self.request_id, self.asked_at = "", 0.0

    async def send_request(
        self,
        *,
        method: str,
        url: str,
        headers: dict[str, str],
        content: bytes | AsyncIterator[bytes] | None,
        timeout: float | None,  # noqa: ASYNC109 # the client's own signature
        stream: bool,  # not looked at: bodies are always read here, within the cap
    ) -> impit.Response:
        """One request, its body read whole. Raises :class:`ShapeChangedError` past the cap."""
        seconds = timeout or LONG_POLL_SECONDS
        await asyncio.to_thread(refuse_host, url)
        self.requests += 1
        self.request_id, self.asked_at = "", time.monotonic()
        async with asyncio.timeout(seconds):
            response = await self._transport.request(
                method=method, url=url, headers=headers, content=content, timeout=seconds, stream=True
            )
            self.request_id = request_id({k.lower(): v for k, v in response.headers.items()})
            body = await self._read(response)
        self.retry_after = response.headers.get("retry-after")
        # the body is decoded already: its old framing must not be read again
        kept = {k: v for k, v in response.headers.items() if k.lower() not in ("content-encoding", "content-length")}
        return impit.Response(response.status_code, content=body, headers=kept, url=url)

    async def _read(self, response: impit.Response) -> bytes:
        body = bytearray()
        try:
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MAX_BYTES:
                    raise ShapeChangedError(SOURCE, f"a reply of more than {MAX_BYTES // 1_000_000} MB was refused")
        finally:
            self.bytes_read += len(body)
            with suppress(Exception):
                await response.aclose()
        return bytes(body)


class Apify:
    """What this product asks of Apify, for one poll inside one event loop.

    Runs are started without retries: a start whose answer is lost may have been billed. Everything else is only read
    and may be asked again. Raises :class:`~pipelines.errors.SourceError` subclasses only.
    """

    def __init__(self, settings: TikTok) -> None:
        self._settings = settings
        self._transports: list[BoundedHttpClient] = []
        self._starter, self._reader = self._client(retries=0), self._client(retries=1)

    @property
    def requests(self) -> int:
        """Requests sent so far, retries included."""
        return sum(transport.requests for transport in self._transports)

    @property
    def bytes_read(self) -> int:
        """Decoded bytes received so far."""
        return sum(transport.bytes_read for transport in self._transports)

    @property
    def request_id(self) -> str:
        """Apify's name for its answer to the last request; empty where it gave none."""
        return max(self._transports, key=lambda transport: transport.asked_at).request_id

    async def start(self, run_input: dict[str, Any]) -> Any:
        """Start the actor under all three budget guards; the run as Apify describes it, usually not finished."""
        with self._plain_errors():
            return await self._starter.actor(self._settings.actor).start(
                run_input=run_input,
                max_items=self._settings.max_items,
                max_total_charge_usd=Decimal(str(self._settings.max_charge_usd)),
                run_timeout=timedelta(seconds=self._settings.run_seconds),
            )

    async def wait(self, run_id: str, seconds: float) -> Any | None:
        """The run once it is final or ``seconds`` have passed; None when there is no such run."""
        request_limit = min(LONG_POLL_SECONDS, seconds) + self._settings.timeout_seconds
        with self._plain_errors():
            return await self._reader.run(run_id).wait_for_finish(
                wait_duration=timedelta(seconds=seconds), timeout=timedelta(seconds=request_limit)
            )

    async def last_run(self) -> Any | None:
        """The newest run of the actor by this account, whatever its status; None when there is none."""
        with self._plain_errors():
            try:
                return await self._reader.actor(self._settings.actor).last_run().get()
            except NotFoundError:
                return None

    async def abort(self, run_id: str) -> None:
        """Stop a run."""
        with self._plain_errors():
            await self._reader.run(run_id).abort()

    async def rows(self, dataset_id: str) -> list[Any]:
        """The rows of a dataset, at most ``max_items``."""
        with self._plain_errors():
            page = await self._reader.dataset(dataset_id).list_items(
                limit=self._settings.max_items,
                clean=True,
                timeout=timedelta(seconds=self._settings.timeout_seconds),
            )
        return list(page.items)

    async def quota_resets(self) -> datetime | None:
        """When the account's billing cycle ends, or None when that cannot be told."""
        with suppress(SourceError):
            return await self.account()
        return None

    async def account(self) -> datetime:
        """When the account's billing cycle ends: a question that costs nothing and shows whether the token is taken."""
        with self._plain_errors():
            limits = await self._starter.user().limits()
            end: datetime = limits.monthly_usage_cycle.end_at
            return end.astimezone(UTC)

    def _client(self, retries: int) -> ApifyClientAsync:
        limit = timedelta(seconds=self._settings.timeout_seconds)
        transport = BoundedHttpClient(
            timeout_short=limit,
            timeout_medium=limit,
            timeout_long=limit,
            timeout_max=limit + timedelta(seconds=LONG_POLL_SECONDS),
            max_retries=retries,
            min_delay_between_retries=timedelta(milliseconds=300),
            user_agent_suffix="et-heatmap/0.1",
        )
        self._transports.append(transport)
        return ApifyClientAsync.with_custom_http_client(
            token=self._settings.token.get_secret_value(), api_url=self._settings.url, http_client=transport
        )

    @contextmanager
    def _plain_errors(self) -> Iterator[None]:
        try:
            yield
        except ApifyApiError as error:
            raise self._refusal(error) from None
        except InvalidResponseBodyError as error:
            raise _unreadable(error) from None
        except (impit.TimeoutException, TimeoutError):
            raise TransientError(SOURCE, "Apify gave no complete answer in time") from None
        except (impit.ConnectError, impit.ProxyError):
            raise TransientError(SOURCE, "cannot connect to Apify") from None
        except impit.HTTPError:
            raise TransientError(SOURCE, "the connection to Apify broke off") from None
        except impit.InvalidURL:
            raise PermanentError(SOURCE, "HEATMAP_TIKTOK__URL is not an http or https address") from None
        except (ApifyClientError, LookupError, ValueError, TypeError, AttributeError, RecursionError) as error:
            # pydantic's complaint about a field is a ValueError; a missing header is a KeyError
            raise ShapeChangedError(SOURCE, f"Apify's reply has changed its shape ({type(error).__name__})") from None

    def _refusal(self, error: ApifyApiError) -> SourceError:
        status, kind = error.status_code, clean_text(error.type, 80) or "no reason given"
        if isinstance(error, UnauthorizedError):
            return PermanentError(SOURCE, "token rejected: check HEATMAP_TIKTOK__TOKEN", status=status)
        if status == 402 or error.type in QUOTA_TYPES:
            return QuotaError(SOURCE, "paused: Apify's usage quota is spent", status=status)
        if isinstance(error, RateLimitError):
            header = next((t.retry_after for t in reversed(self._transports) if t.retry_after), None)
            wait = retry_after_seconds(header, datetime.now(UTC))
            return RateLimitedError(SOURCE, f"Apify asks to wait {wait:.0f} s", retry_after_s=wait)
        if isinstance(error, NotFoundError):
            return NotThereError(SOURCE, f"Apify does not know it: {kind}", status=status)
        if isinstance(error, ServerError) or status == 408:
            return TransientError(SOURCE, f"Apify answered {status}", status=status)
        if isinstance(error, InvalidRequestError):
            return PermanentError(SOURCE, f"the actor refused its input: {kind}", status=status)
        if isinstance(error, ForbiddenError):
            return PermanentError(SOURCE, f"the token may not run this actor: {kind}", status=status)
        if 300 <= status < 400:
            return PermanentError(SOURCE, "unsafe redirect refused", status=status)
        return PermanentError(SOURCE, f"Apify answered {status}: {kind}", status=status)


def _unreadable(error: InvalidResponseBodyError) -> SourceError:
    body = error.response.content
    if looks_like(body) in ("html", "xml"):
        sample = body[:500].decode("utf-8", "replace")
        return ShapeChangedError(SOURCE, "unexpected page instead of Apify's JSON", sample=sample)
    return TransientError(SOURCE, "Apify's reply was cut short or is not JSON", bytes_read=len(body))
