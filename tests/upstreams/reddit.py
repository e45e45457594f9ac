"""A stand-in for Reddit's sign-in and listings (UPSTREAMS 1 and 7.1).

Faithful in what PRAW looks at: Basic sign-in, bearer tokens that expire with ``www-authenticate``, rate headers
(remaining as a float, used and reset whole), ``after`` paging, 302 for unknown subreddits, 403 and 404 for private and
banned ones. ``/comments/{id}/`` is served only so that a hidden request per post shows in the log.
"""

from __future__ import annotations

import base64
import random
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from tests.upstreams.stories import headline, stories

CLIENT_ID, CLIENT_SECRET = "stand-in-id", "stand-in-secret"
SUBREDDITS = ("movies", "television", "popculturechat", "Music", "entertainment", "kpop", "boxoffice")
Posts = Callable[[str, datetime], list[dict[str, Any]]]


def post(name: str, title: str, created: datetime, subreddit: str = "movies", **more: Any) -> dict[str, Any]:
    """One ``t3`` as a listing carries it; ``name`` is the id without ``t3_``; ``more`` overrides any field."""
    link = f"/r/{subreddit}/comments/{name}/x/"
    return {
        "id": name, "name": f"t3_{name}", "title": title, "subreddit": subreddit, "subreddit_id": "t5_2qh3s",
        "subreddit_name_prefixed": f"r/{subreddit}", "author": "someone_private", "author_fullname": "t2_abc",
        "score": 100, "ups": 100, "upvote_ratio": 0.93, "num_comments": 20, "created_utc": created.timestamp(),
        "permalink": link, "url": f"https://www.reddit.com{link}", "domain": f"self.{subreddit}", "is_self": True,
        "selftext": "", "over_18": False, "stickied": False, "link_flair_text": None, "removed_by_category": None,
    } | more  # fmt: skip


def listing(posts: Iterable[dict[str, Any]], after: str | None = None) -> dict[str, Any]:
    """The body of a listing."""
    children = [{"kind": "t3", "data": data} for data in posts]
    data = {
        "after": after,
        "before": None,
        "dist": len(children),
        "modhash": None,
        "geo_filter": "",
        "children": children,
    }
    return {"kind": "Listing", "data": data}


@dataclass
class World:
    """What this Reddit holds and how it behaves; change it while it runs.

    ``posts`` makes the posts of a feed. ``page`` is the largest page it hands out. ``reject`` refuses all credentials,
    ``stale`` every token (an app that was revoked).
    """

    posts: Posts
    page: int = 100
    reject: bool = False
    stale: bool = False
    private: tuple[str, ...] = ("secretclub",)
    banned: tuple[str, ...] = ("bannedsub",)
    unknown: tuple[str, ...] = ("nosuchsub",)
    remaining: float = 95.0
    used: int = 5
    window_s: int = 1
    tokens: set[str] = field(default_factory=set)

    def expire(self) -> None:
        """Make all tokens handed out so far invalid."""
        self.tokens.clear()

    @property
    def rate_headers(self) -> dict[str, str]:
        """As Reddit sends them: remaining with a fraction, the others whole."""
        return {
            "x-ratelimit-remaining": str(self.remaining),
            "x-ratelimit-used": str(self.used),
            "x-ratelimit-reset": str(self.window_s),
        }


def fixed(posts: Iterable[dict[str, Any]]) -> World:
    """A world whose every feed holds ``posts``."""
    kept = list(posts)
    return World(lambda feed, now: kept)


def reddit_app(world: World) -> Starlette:
    """The stand-in; token and API on one address, as ``HEATMAP_REDDIT__URL`` expects."""

    async def token(request: Request) -> Response:
        expected = "Basic " + base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        form = dict(parse_qsl((await request.body()).decode()))
        if world.reject or request.headers.get("authorization") != expected:
            return JSONResponse({"message": "Unauthorized", "error": 401}, 401)
        if form.get("grant_type") != "client_credentials":
            return JSONResponse({"error": "unsupported_grant_type"})
        issued = secrets.token_urlsafe(24)
        world.tokens.add(issued)
        return JSONResponse({"access_token": issued, "token_type": "bearer", "expires_in": 86400, "scope": "*"})

    async def page(request: Request) -> Response:
        return _unauthorized(world, request) or _listing_page(world, request)

    async def comments(request: Request) -> Response:
        refused = _unauthorized(world, request)
        return refused or JSONResponse([listing([]), listing([])], headers=world.rate_headers)

    async def info(request: Request) -> Response:
        wanted = request.query_params.get("id", "").split(",")[:100]
        found = [data for data in world.posts("all", datetime.now(UTC)) if data.get("name") in wanted]
        return _unauthorized(world, request) or JSONResponse(listing(found), headers=world.rate_headers)

    return Starlette(
        routes=[
            Route("/api/v1/access_token", token, methods=["POST"]),
            Route("/api/info", info),
            Route("/r/{feed}/{sort}", page),
            Route("/comments/{id}/", comments),
        ]
    )


def _unauthorized(world: World, request: Request) -> Response | None:
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme == "bearer" and value in world.tokens and not world.stale:
        return None
    headers = {"www-authenticate": 'Bearer realm="reddit", error="invalid_token"'}
    return JSONResponse({"message": "Unauthorized", "error": 401}, 401, headers)


def _listing_page(world: World, request: Request) -> Response:
    feed = request.path_params["feed"]
    if feed in world.unknown:
        return RedirectResponse(f"/subreddits/search?q={feed}", 302)
    if feed in world.private:
        return JSONResponse({"reason": "private", "message": "Forbidden", "error": 403}, 403)
    if feed in world.banned:
        return JSONResponse({"reason": "banned", "message": "Not Found", "error": 404}, 404)
    if feed == "blocked":
        return HTMLResponse("<html><body>blocked by network security</body></html>", 403)
    posts = world.posts(feed, datetime.now(UTC))
    names = [data.get("name") for data in posts]
    after = request.query_params.get("after", "")
    start = names.index(after) + 1 if after in names else 0
    size = min(int(request.query_params.get("limit", 25)), world.page)
    part = posts[start : start + size]
    more = start + size < len(posts)
    return JSONResponse(listing(part, names[start + size - 1] if more else None), headers=world.rate_headers)


def moving_posts(feed: str, now: datetime) -> list[dict[str, Any]]:
    """Plausible posts of the last day: more of them, and bigger, while a story is loud."""
    found = []
    for hour in range(24):
        slot = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=hour)
        for rank, story in enumerate(stories(slot)):
            dice = random.Random(f"{slot.isoformat()}{story.who}{feed}")
            for number in range(round(story.loudness * 4 + dice.random() * 0.7)):
                at = slot + timedelta(minutes=dice.uniform(0, 59))
                if at > now:
                    continue
                score = round(10 ** (1 + 3 * story.loudness * dice.random()))
                subreddit = dice.choice(SUBREDDITS) if feed in ("all", "popular") else dice.choice(feed.split("+"))
                code = f"{int(slot.timestamp()):x}{rank}{number}{abs(hash_text(feed)) % 9973:x}"
                found.append(
                    post(code, headline(story, dice), at, subreddit, score=score, ups=score, num_comments=score // 6)
                )  # fmt: skip
    return sorted(found, key=lambda data: -data["score"])


def hash_text(text: str) -> int:
    """A small hash that is the same in every process."""
    return sum(ord(char) * 31**index for index, char in enumerate(text))


def moving_app() -> Starlette:
    """Reddit with moving data, for trying the product by hand."""
    return reddit_app(World(moving_posts))
