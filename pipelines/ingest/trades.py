"""Trade feeds (RSS or Atom): headline, link, time. They confirm a story; they never score.

Our own client fetches (conditionally); feedparser only parses bytes. Kept per feed in the source's state: the
validators, and when the whole feed was last read, because a server whose ETag lies would freeze the feed for good.
"""

from __future__ import annotations

import asyncio
import calendar
import hashlib
import html
import io
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import defusedxml
import feedparser
import nh3
from defusedxml.ElementTree import fromstring

from pipelines.errors import (
    FieldsMissingError,
    PermanentError,
    RateLimitedError,
    ShapeChangedError,
    SourceError,
    TransientError,
)
from pipelines.ingest.apart import parsed
from pipelines.ingest.clean import clean_time, items_frame, read_time
from pipelines.ingest.feeds import covered_from, none_read
from pipelines.ingest.guard import answered, place, request_id
from pipelines.ingest.http import Http, Reply
from pipelines.ingest.state import SourceState
from pipelines.model import FeedReport, FetchResult, Outcome
from pipelines.settings_sections import Trades

SOURCE = "trades"
FULL_EVERY = timedelta(hours=6)
"""A conditional request is answered "unchanged" at most this long before the whole feed is read again."""

MAX_BAD_SHARE, MIN_ROWS_TO_JUDGE = 0.2, 5


@dataclass(frozen=True)
class _Read:
    """One feed's answer; with ``outcome`` NOT_MODIFIED the rows are empty and nothing is wrong."""

    report: FeedReport
    rows: list[dict[str, Any]] = field(default_factory=list)
    oldest: datetime | None = None
    cut: int = 0
    bytes_read: int = 0
    requests: int = 0
    error: SourceError | None = None
    status: int | None = None
    request_id: str = ""


class TradesSource:
    """All trade feeds as one event source; one feed's failure leaves the others alone."""

    name = SOURCE

    def __init__(self, settings: Trades, http: Http, state: SourceState) -> None:
        self._settings, self._http, self._state = settings, http, state

    @property
    def poll_seconds(self) -> int:
        """Seconds between polls."""
        return self._settings.poll_seconds

    def missing(self) -> tuple[str, ...]:
        """Trade feeds need no credentials, only a list."""
        return () if self._settings.feeds else ("HEATMAP_TRADES__FEEDS",)

    async def fetch(self, now: datetime) -> FetchResult:
        """Read every feed once, at the same time. Raises the :class:`SourceError` of the first when none answered."""
        reads = await asyncio.gather(*(self._feed(url, now) for url in self._settings.feeds))
        errors = [read.error for read in reads if read.error]
        if len(errors) == len(reads):
            raise none_read(SOURCE, errors)
        rows = [row for read in reads for row in read.rows]
        cap = self._settings.max_items * len(reads)
        items, rejected = items_frame(rows, now, SOURCE, cap=cap, drop_old=True)
        waits = [error.retry_after_s for error in errors if isinstance(error, RateLimitedError)]
        return FetchResult(
            source=SOURCE,
            at=now,
            outcome=_outcome(items.height, [read.report for read in reads]),
            items=items,
            covered_from=covered_from([read.oldest for read in reads if read.oldest], now),
            rejected=rejected + sum(read.cut for read in reads),
            detail=". ".join([_summary(items.height, reads), *(error.message for error in errors)])[:500],
            retry_after_s=max(waits) if waits else None,
            bytes_read=sum(read.bytes_read for read in reads),
            requests=sum(read.requests for read in reads),
            feeds=tuple(read.report for read in reads),
            http_status=next((read.status for read in reads if not read.error), None),
            request_id=next((read.request_id for read in reads if read.request_id), ""),
        )

    async def _feed(self, url: str, now: datetime) -> _Read:
        name = feed_name(url)
        try:
            return await self._read(url, name, now)
        except SourceError as error:
            outcome = Outcome.THROTTLED if isinstance(error, RateLimitedError) else Outcome.FAILED
            report = FeedReport(name, outcome, detail=error.message)
            return _Read(report, requests=1, bytes_read=error.bytes_read, error=error, request_id=error.request_id)

    async def _read(self, url: str, name: str, now: datetime) -> _Read:
        key = f"{SOURCE}:{url}"
        kept = await asyncio.to_thread(self._state.get, key) or {}
        full_at = read_time(kept.get("full_at"))
        due = full_at is None or now - full_at >= FULL_EVERY or now < full_at
        started = time.monotonic()
        reply = await self._http.get(
            SOURCE,
            url,
            headers={"Accept": "application/rss+xml, application/atom+xml, application/xml;q=0.9, */*;q=0.5"},
            etag=None if due else kept.get("etag"),
            last_modified=None if due else kept.get("last_modified"),
            max_bytes=self._settings.max_bytes,
            deadline_s=self._settings.timeout_seconds,
        )
        if reply.not_modified:
            report = FeedReport(name, Outcome.NOT_MODIFIED, detail="unchanged")
            return _Read(
                report, oldest=read_time(kept.get("oldest")), requests=reply.requests, status=reply.status,
                request_id=request_id(reply.headers),
            )  # fmt: skip
        left = max(self._settings.timeout_seconds - (time.monotonic() - started), 1.0)
        with answered(reply.status, reply.headers, len(reply.body)):
            read = await self._parse(reply, name, now, left)
        validators = {"etag": reply.headers.get("etag"), "last_modified": reply.headers.get("last-modified")}
        oldest = read.oldest.isoformat() if read.oldest else None
        await asyncio.to_thread(self._state.put, key, {**validators, "full_at": now.isoformat(), "oldest": oldest})
        return read

    async def _parse(self, reply: Reply, name: str, now: datetime, deadline_s: float) -> _Read:
        content_type = reply.headers.get("content-type", "")
        try:
            rows = await parsed(
                len(reply.body),
                deadline_s,
                parse_feed,
                reply.body,
                content_type,
                reply.url,
                name,
            )
        except TimeoutError:
            raise TransientError(SOURCE, f"{name}: the feed takes too long to read; refused") from None
        except MemoryError:
            raise PermanentError(SOURCE, f"{name}: the feed takes too much memory to read; refused") from None
        cut = max(len(rows) - self._settings.max_items, 0)
        times = [moment for row in rows if (moment := clean_time(row["published_at"], now)[0])]
        rows = rows[: self._settings.max_items]
        report = FeedReport(name, Outcome.OK if rows else Outcome.EMPTY, len(rows))
        return _Read(
            report, rows, min(times, default=None), cut, len(reply.body), reply.requests, status=reply.status,
            request_id=request_id(reply.headers),
        )  # fmt: skip


def parse_feed(body: bytes, content_type: str, url: str, name: str) -> list[dict[str, Any]]:
    """The entries of a feed as rows for :func:`pipelines.ingest.clean.items_frame`, in the feed's order.

    Malformed XML gives what can still be read. Raises :class:`ShapeChangedError` for a document with entity
    declarations, or with neither a channel nor an entry, :class:`FieldsMissingError` where too many entries lack
    their title or link.
    """
    _refuse_entities(body, name)
    headers = {"content-type": content_type, "content-location": url}
    try:
        # a file object, never text: feedparser would fetch or open a string that looks like an address or a path
        read = feedparser.parse(io.BytesIO(body), response_headers=headers)
    # it lets ValueError, UnicodeDecodeError and others of its parsers through
    except Exception as error:  # noqa: BLE001
        message = f"unexpected page: {name} sent what no feed reader understands ({type(error).__name__})"
        raise ShapeChangedError(SOURCE, message, sample=body[:2000].decode("utf-8", "replace")) from None
    entries: Sequence[Mapping[str, Any]] = read.get("entries") or []
    if not entries and not read.get("version"):
        message = f"unexpected page: {name} sent no feed"
        raise ShapeChangedError(SOURCE, message, sample=body[:2000].decode("utf-8", "replace"))
    rows = [_row(entry, name) for entry in entries]
    bare = sum(not row["title"] or not row["url"] for row in rows)
    if len(rows) >= MIN_ROWS_TO_JUDGE and bare > MAX_BAD_SHARE * len(rows):
        message = f"shape changed: {bare} of {len(rows)} entries of {name} have no title or no link"
        raise FieldsMissingError(SOURCE, message, sample=" | ".join(str(sorted(entry)) for entry in entries[:3]))
    return rows


def _refuse_entities(body: bytes, name: str) -> None:
    try:
        fromstring(body)
    except (defusedxml.EntitiesForbidden, defusedxml.ExternalReferenceForbidden, defusedxml.DTDForbidden):
        message = f"{name} declares XML entities; refused"
        raise ShapeChangedError(SOURCE, message, sample=body[:500].decode("utf-8", "replace")) from None
    except Exception:  # noqa: BLE001 # not well-formed, odd charset: feedparser reads what can be read
        return


def _row(entry: Mapping[str, Any], name: str) -> dict[str, Any]:
    title, link = plain_text(entry.get("title")), entry.get("link")
    # as plain dict: feedparser's own lookup answers "updated" with what "published" holds, and warns
    moment = dict(entry).get("published_parsed") or dict(entry).get("updated_parsed")
    return {
        "item_id": entry.get("id") or _digest(link, title),
        "feed": name,
        "title": title,
        "url": link,
        "published_at": _seconds(moment),
        "engagement": None,
        "rank": None,
        "names": [],
    }


def plain_text(value: object) -> str | None:
    """``value`` without markup and with entities resolved, or ``None``. Not escaped: that is each sink's business."""
    return html.unescape(nh3.clean(value, tags=set())) if isinstance(value, str) else None


def _digest(link: object, title: str | None) -> str | None:
    if not isinstance(link, str) and not title:
        return None
    return "sha256:" + hashlib.sha256(f"{link}\n{title}".encode("utf-8", "replace")).hexdigest()[:32]


def _seconds(moment: object) -> int | None:
    if not isinstance(moment, time.struct_time):
        return None
    try:
        return calendar.timegm(moment)  # feedparser's times are UTC
    except (ValueError, OverflowError):
        return None


def feed_name(url: str) -> str:
    """The channel's host without ``www.``: what receipts and reports call a feed."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        host = ""
    return host.removeprefix("www.") or place(url)


def _summary(kept: int, reads: Sequence[_Read]) -> str:
    unchanged = sum(read.report.outcome == Outcome.NOT_MODIFIED for read in reads)
    if unchanged == len(reads):
        return "unchanged"
    return f"{kept} stories" + (f", {unchanged} of {len(reads)} feeds unchanged" if unchanged else "")


def _outcome(kept: int, reports: Sequence[FeedReport]) -> Outcome:
    if kept:
        return Outcome.OK
    unchanged = any(report.outcome == Outcome.NOT_MODIFIED for report in reports)
    return Outcome.NOT_MODIFIED if unchanged else Outcome.EMPTY
