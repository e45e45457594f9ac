"""Google Trends, Trending Now: the RSS feed of what a country searches for, with traffic and headlines.

The feed is a *level* source: a trend belongs to every hour in which the list is seen to hold it. So when the upstream
answers 304, the list still stands and the last one is handed out again as seen now. As a validator can lie, a whole
fetch is forced once an hour; a 304 is never trusted for longer.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode
from xml.etree.ElementTree import Element, ParseError

import polars as pl
from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from pipelines.errors import FieldsMissingError, ShapeChangedError, TransientError
from pipelines.ingest.amounts import amount
from pipelines.ingest.clean import clean_url, items_frame
from pipelines.ingest.guard import answered, request_id
from pipelines.ingest.http import Http, Reply
from pipelines.ingest.state import SourceState
from pipelines.model import ITEMS, FeedReport, FetchResult, Outcome, conform
from pipelines.settings_sections import Trends

MAX_BYTES = 3_000_000
"""The feed is about 30 kB."""
MAX_ITEMS = 200
FULL_FETCH = timedelta(hours=1)
"""How long validators are believed before the whole list is fetched again."""
MISSING_SHARE = 0.2
"""More rows than this without a field that matters: the shape has changed."""

_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")


class TrendsSource:
    """Reads ``{url}/trending/rss?geo=XX``. ``http`` is shared; ``state`` keeps validators and the last list."""

    name = "trends"

    def __init__(self, settings: Trends, http: Http, state: SourceState) -> None:
        self._settings, self._http, self._state = settings, http, state
        self._url = f"{settings.url.rstrip('/')}/trending/rss?{urlencode({'geo': settings.geo})}"
        self._key = f"trends:{settings.geo}"

    @property
    def poll_seconds(self) -> int:
        """Seconds between polls."""
        return self._settings.poll_seconds

    def missing(self) -> tuple[str, ...]:
        """Nothing to configure."""
        return ()

    async def fetch(self, now: datetime) -> FetchResult:
        """The list as it stands at ``now``, best rank first. An empty list is ``EMPTY``, never a zero.

        Raises :class:`~pipelines.errors.SourceError` subclasses; nothing kept in ``state`` is lost by that.
        """
        kept = await asyncio.to_thread(self._state.get, self._key) or {}
        before = self._last_list(kept)
        fresh = bool(before.height) and _is_recent(kept.get("fetched_at"), now)
        reply = await self._http.get(
            self.name,
            self._url,
            etag=kept.get("etag") if fresh else None,
            last_modified=kept.get("last_modified") if fresh else None,
            max_bytes=MAX_BYTES,
            deadline_s=self._settings.timeout_seconds,
        )
        if reply.not_modified:
            again = before.with_columns(pl.lit(now, dtype=ITEMS["poll_at"]).alias("poll_at"))
            return self._result(now, reply, Outcome.NOT_MODIFIED, again, 0, "unchanged")
        with answered(reply.status, reply.headers, len(reply.body)):
            had_traffic = bool(before["engagement"].count())
            return await asyncio.to_thread(self._read, now, reply, had_traffic=had_traffic)

    def _read(self, now: datetime, reply: Reply, *, had_traffic: bool) -> FetchResult:
        elements = _items(reply.body)
        if not elements:
            return self._result(now, reply, Outcome.EMPTY, pl.DataFrame(schema=ITEMS), 0, "the list is empty")
        rows = [row for rank, item in enumerate(elements[:MAX_ITEMS], 1) if (row := self._row(item, rank))]
        _check_shape(elements, rows, had_traffic=had_traffic)
        # of two rows for one search the better placed counts
        frame, rejected = items_frame(reversed(rows), now, self.name)
        frame = frame.sort("rank")
        self._remember(now, reply, frame)
        detail = f"{frame.height} trends, {sum(len(row['context']) for row in rows)} headlines"
        return self._result(now, reply, Outcome.OK, frame, rejected + len(elements) - len(rows), detail)

    def _row(self, item: Element, rank: int) -> dict[str, Any] | None:
        query = " ".join((_text(item, "title") or "").split())
        if not query:
            return None
        news = [_headline(entry) for entry in _children(item, "news_item")]
        links = (clean_url(entry["url"]) for entry in news)
        return {
            "item_id": query.casefold(),
            "feed": self._settings.geo,
            "title": query,
            "names": [query],
            "url": next((link for link in links if link), None) or self._explore_link(query),
            "published_at": _rfc822(_text(item, "pubDate")),
            "engagement": amount(_text(item, "approx_traffic")),
            "rank": rank,
            "context": news,
        }

    def _explore_link(self, query: str) -> str:
        return f"{self._settings.url.rstrip('/')}/trends/explore?{urlencode({'q': query, 'geo': self._settings.geo})}"

    def _remember(self, now: datetime, reply: Reply, frame: pl.DataFrame) -> None:
        rows = frame.select(pl.exclude("poll_at")).with_columns(pl.col("published_at").dt.epoch("us"))
        self._state.put(
            self._key,
            {
                "etag": reply.headers.get("etag"),
                "last_modified": reply.headers.get("last-modified"),
                "fetched_at": now.isoformat(),
                "rows": rows.to_dicts(),
            },
        )

    def _last_list(self, kept: dict[str, Any]) -> pl.DataFrame:
        rows = kept.get("rows") or []
        schema = {name: pl.Int64() if name == "published_at" else dtype for name, dtype in ITEMS.items()}
        frame = pl.DataFrame(rows, schema=schema)
        return conform(frame.with_columns(pl.from_epoch("published_at", "us").dt.replace_time_zone("UTC")), ITEMS)

    def _result(
        self, now: datetime, reply: Reply, outcome: Outcome, items: pl.DataFrame, rejected: int, detail: str
    ) -> FetchResult:
        return FetchResult(
            source=self.name, at=now, outcome=outcome, items=items, rejected=rejected, detail=detail,
            http_status=reply.status, bytes_read=len(reply.body), requests=reply.requests, ms=reply.ms,
            request_id=request_id(reply.headers),
            feeds=(FeedReport(self._settings.geo, outcome, items.height, detail),),
        )  # fmt: skip


def _is_recent(fetched_at: object, now: datetime) -> bool:
    try:
        return now - datetime.fromisoformat(str(fetched_at)) < FULL_FETCH
    except ValueError:
        return False


def _items(body: bytes) -> list[Element]:
    """The ``item`` elements of an RSS document; one that is whole but badly encoded is read with replacements."""
    try:
        root = _parse(body)
    except (DefusedXmlException, RecursionError):
        raise ShapeChangedError("trends", "unsafe XML refused", sample=_sample(body)) from None
    except ParseError as error:
        message = f"the feed is cut short or is not XML (line {error.position[0]})"
        raise TransientError("trends", message, bytes_read=len(body)) from None
    channel = next((child for child in root if _local(child) == "channel"), None)
    if _local(root) != "rss" or channel is None:
        raise ShapeChangedError("trends", "unexpected page: not an RSS feed", sample=_sample(body))
    return [child for child in channel if _local(child) == "item"]


def _parse(body: bytes) -> Element:
    try:
        root: Element = fromstring(body)
    except (ParseError, LookupError, ValueError) as error:
        if isinstance(error, DefusedXmlException):
            raise
        text = _DECLARATION.sub("", body.decode("utf-8", "replace").lstrip("\ufeff"))
        root = fromstring(_ILLEGAL.sub("", text))
    return root


def _check_shape(elements: list[Element], rows: list[dict[str, Any]], *, had_traffic: bool) -> None:
    checked = elements[:MAX_ITEMS]
    untitled = len(checked) - len(rows)
    silent = sum(row["engagement"] is None for row in rows)
    for missing, field, matters in ((untitled, "title", True), (silent, "approx_traffic", had_traffic)):
        if matters and missing > MISSING_SHARE * len(checked):
            sample = " | ".join(" ".join(child.tag for child in item) for item in checked[:3])
            raise FieldsMissingError(
                "trends", f"shape changed: {missing} of {len(checked)} rows have no {field}", sample=sample
            )


def _headline(entry: Element) -> dict[str, str | None]:
    return {key: _text(entry, f"news_item_{key}") for key in ("title", "url", "source")}


def _local(element: Element) -> str:
    """The tag without its namespace: Google has moved the ``ht`` namespace before."""
    return str(element.tag).rsplit("}", 1)[-1]


def _children(element: Element, name: str) -> Iterator[Element]:
    return (child for child in element if _local(child) == name)


def _text(element: Element, name: str) -> str | None:
    return next((child.text for child in _children(element, name)), None)


def _rfc822(text: str | None) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text or "")
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        return None


def _sample(body: bytes) -> str:
    return body[:500].decode("utf-8", "replace")
