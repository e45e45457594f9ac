"""A stand-in for the trade feeds: WordPress RSS with validators (UPSTREAMS 4 and 7.4)."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from html import escape

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from tests.upstreams.stories import headline, stories

XML = "application/rss+xml; charset=UTF-8"


@dataclass(frozen=True)
class Article:
    """One entry of a feed; ``guid`` and ``published`` may be missing, as in some feeds. ``title`` is put in as is."""

    title: str
    link: str
    published: datetime | None = None
    guid: str | None = None

    def xml(self) -> str:
        """As WordPress writes it."""
        parts = [f"<title>{self.title}</title>", f"<link>{escape(self.link)}</link>"]
        if self.published:
            parts.append(f"<pubDate>{format_datetime(self.published)}</pubDate>")
        if self.guid:
            parts.append(f'<guid isPermaLink="false">{escape(self.guid)}</guid>')
        body = "<dc:creator><![CDATA[Staff]]></dc:creator><category><![CDATA[News]]></category>"
        body += "<description><![CDATA[<p>Short.</p>]]></description>"
        body += "<content:encoded><![CDATA[<p>Long.</p>]]></content:encoded>"
        return f"<item>{''.join(parts)}{body}</item>"


def rss(articles: Iterable[Article], channel: str = "Trade Paper") -> bytes:
    """A whole feed."""
    items = "".join(article.xml() for article in articles)
    head = (
        '<?xml version="1.0" encoding="UTF-8"?><rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/" '
        'xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:sy="http://purl.org/rss/1.0/modules/syndication/">'
    )
    body = f"<channel><title>{channel}</title><sy:updatePeriod>hourly</sy:updatePeriod>{items}</channel>"
    return f"{head}{body}</rss>".encode()


@dataclass
class Paper:
    """What the feeds show; change it while it runs.

    ``etag`` overrides the honest one (a server whose ETag lies); ``validators`` off sends none.
    """

    articles: Callable[[], Iterable[Article]]
    etag: str | None = None
    validators: bool = True
    modified: datetime | None = None


def trades_app(paper: Paper) -> Starlette:
    """``/feed/`` with the articles, ``/moved/`` that redirects to it, ``/away/`` that points at a metadata address."""

    async def feed(request: Request) -> Response:
        body = rss(paper.articles())
        etag = paper.etag or f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        modified = paper.modified or datetime.now(UTC).replace(microsecond=0)
        headers = {"etag": etag, "last-modified": format_datetime(modified, usegmt=True)} if paper.validators else {}
        if paper.validators and _unchanged(request, etag, paper.modified):
            return Response(status_code=304, headers=headers)
        return Response(body, headers=headers, media_type=XML)

    async def moved(request: Request) -> Response:
        return RedirectResponse("../feed/", 301)

    async def away(request: Request) -> Response:
        return RedirectResponse("http://169.254.169.254/latest/meta-data/", 302)

    return Starlette(routes=[Route("/feed/", feed), Route("/moved/", moved), Route("/away/", away)])


def _unchanged(request: Request, etag: str, modified: datetime | None) -> bool:
    if "if-none-match" in request.headers:
        return request.headers["if-none-match"] == etag
    since = request.headers.get("if-modified-since")
    return bool(since and modified and parsedate_to_datetime(since) >= modified)


def moving_articles() -> list[Article]:
    """Articles of the last two days: the trades write about a story some hours after it is loud."""
    now = datetime.now(UTC)
    found: list[Article] = []
    for hour in range(48):
        slot = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=hour)
        loud = [story for story in stories(slot - timedelta(hours=4)) if story.loudness > 0.8]
        for story in loud:
            dice = random.Random(f"{slot.isoformat()}{story.who}")
            at = slot + timedelta(minutes=dice.uniform(0, 59))
            if at <= now:
                number = f"{int(slot.timestamp())}{len(found)}"
                link = f"https://trade-paper.example/{number}/"
                found.append(
                    Article(
                        escape(headline(story, dice)),
                        link,
                        at,
                        f"https://trade-paper.example/?p={slot:%Y%m%d%H}{story.who[:3]}",
                    )
                )
    return found


def moving_app() -> Starlette:
    """A trade paper with moving data, for trying the product by hand."""
    return trades_app(Paper(moving_articles))
