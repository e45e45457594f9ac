"""Which stored posts their authors, moderators or Reddit took away since: ``/api/info``, a hundred ids a request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pipelines.errors import ShapeChangedError
from pipelines.ingest.reddit import RedditSource
from pipelines.ingest.reddit_errors import SOURCE
from pipelines.ingest.reddit_rows import REMOVED_TITLES

PER_REQUEST = 100
ENOUGH_TO_DOUBT = 10
"""A batch of at least this many posts of which none is there says more about the answer than about the posts."""


async def gone(reddit: RedditSource, ids: Sequence[str], now: datetime) -> list[str]:
    """Those of ``ids`` (fullnames, at most 100) that are not there any more. Author names are never looked at.

    Raises :class:`SourceError`; :class:`ShapeChangedError` where all of a large batch would be gone at once.
    """
    posts = await reddit.ask("api/info", {"id": ",".join(ids[:PER_REQUEST]), "raw_json": 1}, "all", now)
    there = {str(post.get("name")) for post in posts if not _taken_back(post)}
    missing = [name for name in ids[:PER_REQUEST] if name not in there]
    if len(missing) == len(ids) >= ENOUGH_TO_DOUBT and not posts:
        raise ShapeChangedError(
            SOURCE, "Reddit showed none of the posts it was asked about; nothing is forgotten on that"
        )
    return missing


def _taken_back(post: Mapping[str, Any]) -> bool:
    title = str(post.get("title") or "").strip().lower()
    return bool(post.get("removed_by_category")) or title in REMOVED_TITLES or post.get("author") == "[deleted]"
