"""Reddit's posts as plain rows: which count, what is kept of each. Pure; the author's name is never read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipelines.ingest.clean import clean_number, read_time

SITE_URL = "https://www.reddit.com"
REMOVED_TITLES = ("[deleted]", "[removed]", "[ removed by reddit ]", "[deleted by user]")
TEXT_FIELDS = ("name", "title", "subreddit", "permalink")


def post_of(child: object) -> dict[str, Any]:
    """The post inside one child of a listing; empty for anything that is no post."""
    data = child.get("data") if isinstance(child, dict) and child.get("kind") == "t3" else None
    return data if isinstance(data, dict) else {}


def is_whole(post: Mapping[str, Any]) -> bool:
    """Whether ``post`` has what every post has."""
    text = all(isinstance(post.get(name), str) and post[name] for name in TEXT_FIELDS)
    return text and read_time(post.get("created_utc")) is not None


def is_removed(post: Mapping[str, Any]) -> bool:
    """Whether a moderator, Reddit or the author took the post away."""
    return bool(post.get("removed_by_category")) or post["title"].strip().lower() in REMOVED_TITLES


def item_row(post: Mapping[str, Any]) -> dict[str, Any]:
    """A whole post as a row for :func:`pipelines.ingest.clean.items_frame`; engagement is score plus comments."""
    link = post["permalink"]
    return {
        "item_id": post["name"],
        "feed": post["subreddit"],
        "title": post["title"],
        "url": SITE_URL + link if link.startswith("/") else link,
        "published_at": post["created_utc"],
        "engagement": _engagement(post),
        "rank": None,
        "names": [],
    }


def _engagement(post: Mapping[str, Any]) -> float | None:
    score, comments = clean_number(post.get("score")), clean_number(post.get("num_comments"))
    return None if score is None and comments is None else (score or 0.0) + (comments or 0.0)
