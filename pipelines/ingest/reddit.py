"""Reddit through PRAW: app-only sign-in, one listing request a feed and poll, nothing hidden, no author names.

Listings are read as plain data through ``praw.Reddit.request``: PRAW keeps the token, the pace and the retries, but
builds no objects from the posts. A ``Submission`` fetches ``/comments/{id}`` for every attribute it lacks, and one post
without an id makes PRAW refuse its whole listing; plain rows do neither, and the author's name is never looked at.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import praw

from pipelines.errors import FieldsMissingError, PermanentError, RateLimitedError, ShapeChangedError, SourceError
from pipelines.ingest.bounded import BoundedSession
from pipelines.ingest.clean import clean_time, items_frame
from pipelines.ingest.feeds import covered_from, none_read
from pipelines.ingest.guard import answered, quota_left, request_id
from pipelines.ingest.reddit_errors import SOURCE, sign_in_failed, translate
from pipelines.ingest.reddit_rows import SITE_URL, is_removed, is_whole, item_row, post_of
from pipelines.model import FeedReport, FetchResult, Outcome
from pipelines.settings_sections import Reddit

OAUTH_URL = "https://oauth.reddit.com/"
MAX_BYTES = 15_000_000
MAX_PAGES = 4
LONGEST_PAUSE_S = 10.0
"""PRAW may pace itself this long inside a poll; a longer wait is reported instead of slept."""

FEED_NAME = re.compile(r"[A-Za-z0-9_]{1,60}(?:[+-][A-Za-z0-9_]{1,60}){0,99}")
MAX_BAD_SHARE, MIN_ROWS_TO_JUDGE = 0.2, 5


@dataclass
class _Gathered:
    """What one poll has so far."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    rejected: int = 0
    reports: list[FeedReport] = field(default_factory=list)
    errors: list[SourceError] = field(default_factory=list)
    oldest: list[datetime] = field(default_factory=list)


class RedditSource:
    """The configured feeds (subreddits, ``+``-joined groups, ``all``, ``popular``) as one event source.

    PRAW blocks and is not thread-safe: it lives in one thread of its own, one ``praw.Reddit`` that keeps its token, on
    a session whose deadline counts (``timeout=`` of PRAW does not reach its listing requests).
    """

    name = SOURCE

    def __init__(self, settings: Reddit) -> None:
        self._settings = settings
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="reddit")
        self._session = BoundedSession(settings.timeout_seconds, MAX_BYTES)
        self._reddit: praw.Reddit | None = None

    @property
    def poll_seconds(self) -> int:
        """Seconds between polls."""
        return self._settings.poll_seconds

    def missing(self) -> tuple[str, ...]:
        """The credential variables that are empty."""
        values = {
            "HEATMAP_REDDIT__CLIENT_ID": self._settings.client_id,
            "HEATMAP_REDDIT__CLIENT_SECRET": self._settings.client_secret.get_secret_value(),
        }
        return tuple(name for name, value in values.items() if not value.strip())

    async def fetch(self, now: datetime) -> FetchResult:
        """Read every feed once.

        A feed that is gone or private is a :class:`FeedReport` and the others go on. A "too many requests" ends the
        poll at once: what was read is kept, ``retry_after_s`` says how long to stay away; with nothing read it raises
        :class:`RateLimitedError`. Raises :class:`PermanentError` when the credentials are refused, and what the feeds
        failed of when none was read.
        """
        stop = threading.Event()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._worker, self._poll, now, stop)
        except asyncio.CancelledError:
            stop.set()
            raise

    def _poll(self, now: datetime, stop: threading.Event) -> FetchResult:
        self._session.restart()
        got = _Gathered()
        wait: RateLimitedError | None = None
        for feed in self._settings.feeds:
            if wait is not None or stop.is_set():
                got.reports.append(FeedReport(feed, Outcome.SKIPPED))
                continue
            try:
                self._take(feed, now, got)
            except RateLimitedError as error:
                wait = error
                got.errors.append(error)
                got.reports.append(FeedReport(feed, Outcome.THROTTLED, detail=error.message))
            except SourceError as error:
                # the feeds share one API: a changed shape in one of them is a changed shape
                if sign_in_failed(error) or isinstance(error, FieldsMissingError):
                    raise
                got.errors.append(error)
                got.reports.append(FeedReport(feed, Outcome.FAILED, detail=error.message))
        return self._result(now, got, wait)

    def _take(self, feed: str, now: datetime, got: _Gathered) -> None:
        posts = self._listing(feed, now)
        good = [post for post in posts if is_whole(post)]
        bad = len(posts) - len(good)
        if len(posts) >= MIN_ROWS_TO_JUDGE and bad > MAX_BAD_SHARE * len(posts):
            message = f"shape changed: {bad} of {len(posts)} posts of r/{feed} lack what every post has"
            with self._about():
                raise FieldsMissingError(SOURCE, message, sample=str(sorted(posts[0]))[:2000] if posts else "")
        listed = [post for post in good if not post.get("stickied")]
        rows = [item_row(post) for post in listed if not post.get("over_18") and not is_removed(post)]
        # stickied posts stay on top for months and say nothing about how deep the listing goes
        times = [moment for post in listed if (moment := clean_time(post["created_utc"], now)[0])]
        if times:
            got.oldest.append(min(times))
        got.rows += rows
        got.rejected += bad + sum(map(is_removed, listed))
        got.reports.append(FeedReport(feed, Outcome.OK if posts else Outcome.EMPTY, len(rows)))

    def _listing(self, feed: str, now: datetime) -> list[dict[str, Any]]:
        """The posts of one feed as Reddit sent them, page after page up to the limit. Raises :class:`SourceError`."""
        if not FEED_NAME.fullmatch(feed):
            raise PermanentError(SOURCE, f"'{feed[:60]}' is no subreddit name; check HEATMAP_REDDIT__FEEDS")
        posts: list[dict[str, Any]] = []
        params: dict[str, str | int] = {"limit": self._settings.limit}
        for _ in range(MAX_PAGES):
            data = self._ask(f"r/{feed}/{self._settings.listing}", params, feed, now)
            posts += [post_of(child) for child in data["children"]]
            after = data.get("after")
            if not isinstance(after, str) or not data["children"] or len(posts) >= self._settings.limit:
                break
            params |= {"after": after}
        return posts[: self._settings.limit]

    async def ask(self, path: str, params: Mapping[str, str | int], about: str, now: datetime) -> list[dict[str, Any]]:
        """The posts of one listing at ``path``, as plain data; ``about`` names it in errors. Raises :class:`SourceError`."""

        def work() -> list[dict[str, Any]]:
            self._session.restart()
            return [post_of(child) for child in self._ask(path, params, about, now)["children"]]

        return await asyncio.get_running_loop().run_in_executor(self._worker, work)

    def _ask(self, path: str, params: Mapping[str, str | int], feed: str, now: datetime) -> dict[str, Any]:
        wait = self._session.wait_s
        if wait > LONGEST_PAUSE_S:
            raise RateLimitedError(SOURCE, "Reddit's own window is spent", retry_after_s=min(wait, 3600.0), status=None)
        try:
            reply = self._client().request(method="GET", path=path, params=dict(params))
        # PRAW lets KeyError, ValueError, RecursionError and requests' own errors through besides its own
        except Exception as error:  # noqa: BLE001
            with self._about():
                raise translate(error, self._session.last, feed, now) from None
        data = reply.get("data") if isinstance(reply, dict) else None
        if not isinstance(data, dict) or not isinstance(data.get("children"), list):
            with self._about():
                raise ShapeChangedError(SOURCE, f"r/{feed} did not answer with a listing", sample=str(reply)[:500])
        return data

    def _about(self) -> AbstractContextManager[None]:
        """Errors raised within are about the last answer."""
        last = self._session.last
        return answered(last.status, last.headers, len(last.body)) if last else nullcontext()

    def _client(self) -> praw.Reddit:
        if self._reddit is None:
            site, oauth = SITE_URL, OAUTH_URL
            if self._settings.url:
                site = self._settings.url.rstrip("/")
                oauth = site + "/"  # PRAW joins paths to it: without the slash a base path would be lost
            self._reddit = praw.Reddit(
                "DEFAULT",
                client_id=self._settings.client_id,
                client_secret=self._settings.client_secret.get_secret_value(),
                user_agent=self._settings.user_agent,
                oauth_url=oauth,
                reddit_url=site,
                username=None,
                password=None,
                refresh_token=None,
                check_for_updates=False,
                check_for_async=False,
                requestor_kwargs={"session": self._session},
            )
        return self._reddit

    def _result(self, now: datetime, got: _Gathered, wait: RateLimitedError | None) -> FetchResult:
        read = [report for report in got.reports if report.outcome in (Outcome.OK, Outcome.EMPTY)]
        if not read:
            raise none_read(SOURCE, got.errors)
        items, rejected = items_frame(got.rows, now, SOURCE, drop_old=True)
        return FetchResult(
            source=SOURCE,
            at=now,
            outcome=Outcome.OK if items.height else Outcome.EMPTY,
            items=items,
            covered_from=covered_from(got.oldest, now),
            rejected=rejected + got.rejected,
            detail=_detail(got, items.height, wait),
            retry_after_s=wait.retry_after_s if wait else None,
            http_status=self._session.last.status if self._session.last else None,
            bytes_read=self._session.bytes_read,
            requests=self._session.count,
            request_id=request_id(self._session.last.headers) if self._session.last else "",
            quota_left=quota_left(self._session.last.headers) if self._session.last else None,
            feeds=tuple(got.reports),
        )


def _detail(got: _Gathered, kept: int, wait: RateLimitedError | None) -> str:
    failed = [report for report in got.reports if report.outcome == Outcome.FAILED]
    parts = [f"{kept} posts" if kept else "0 posts: the listings are valid but empty"]
    if wait:
        parts.append(f"throttled by Reddit for {wait.retry_after_s:.0f} s; the other feeds wait")
    if failed:
        parts.append(f"unavailable: {'; '.join(report.detail for report in failed)}"[:400])
    return ". ".join(parts)
