"""A stand-in for trends.google.com: the Trending Now feed, and Explore as pytrends asks for it.

Faithful in: the cookie page, both XSSI prefixes (4 and 5 characters before the JSON), ``ht:`` elements with several
headlines, every spelling of traffic, ETag and 304, the 429 page in HTML, retired addresses that are gone.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from hashlib import sha256
from typing import Any
from xml.sax.saxutils import escape

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from tests.upstreams.stories import stories

NS = "https://trends.google.com/trending/rss"
PAGE = "<!DOCTYPE html><html><head><title>Google Trends</title></head><body></body></html>"
TOO_MANY = "<!DOCTYPE html><html><head><title>Error 429 (Too Many Requests)!!1</title></head><body>429</body></html>"
CONSENT = "<!DOCTYPE html><html><head><title>Before you continue to Google</title></head><body></body></html>"
PACIFIC = timezone(timedelta(hours=-8))


@dataclass
class Trend:
    """One row of the list; ``news`` are (title, url, source)."""

    query: str | None
    traffic: str | None = "2000+"
    started: datetime = field(default_factory=lambda: datetime.now(UTC) - timedelta(hours=2))
    news: list[tuple[str, str, str]] = field(default_factory=list)


def trend(query: str, traffic: str = "2000+", headlines: int = 2) -> Trend:
    """A plausible row with ``headlines`` headlines."""
    slug = query.lower().replace(" ", "-")
    news = [
        (f"{query}: headline {n}", f"https://news{n}.example.com/{slug}", f"News {n}") for n in range(1, headlines + 1)
    ]
    return Trend(query, traffic, news=news)


def feed_xml(trends: list[Trend]) -> str:
    """The feed as Google writes it."""
    items = "".join(_item(row) for row in trends)
    return (
        f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?><rss xmlns:ht="{NS}" '
        'xmlns:atom="http://www.w3.org/2005/Atom" version="2.0"><channel><title>Daily Search Trends</title>'
        "<description>Recent searches</description><link>https://trends.google.com/trending?geo=US</link>"
        f"{items}</channel></rss>"
    )


def _item(row: Trend) -> str:
    news = "".join(
        f"<ht:news_item><ht:news_item_title>{escape(title)}</ht:news_item_title><ht:news_item_snippet/>"
        f"<ht:news_item_url>{escape(url)}</ht:news_item_url><ht:news_item_picture>https://example.com/p.jpg"
        f"</ht:news_item_picture><ht:news_item_source>{escape(source)}</ht:news_item_source></ht:news_item>"
        for title, url, source in row.news
    )
    title = "" if row.query is None else f"<title>{escape(row.query)}</title>"
    traffic = "" if row.traffic is None else f"<ht:approx_traffic>{escape(row.traffic)}</ht:approx_traffic>"
    published = format_datetime(row.started.astimezone(PACIFIC))
    return (
        f"<item>{title}{traffic}<description/><link>https://trends.google.com/trending/rss?geo=US</link>"
        f"<pubDate>{published}</pubDate><ht:picture>https://example.com/p.jpg</ht:picture>"
        f"<ht:picture_source>News 1</ht:picture_source>{news}</item>"
    )


def moving(now: datetime) -> list[Trend]:
    """The loudest invented stories of the moment, with traffic that follows how loud they are."""
    loud = [story for story in stories(now) if story.loudness > 0.02][:10]
    rows = [trend(story.who.lower(), _traffic(story.loudness), headlines=n % 4) for n, story in enumerate(loud)]
    started = now.replace(minute=0, second=0, microsecond=0)
    return [Trend(row.query, row.traffic, started, row.news) for row in rows]


def _traffic(loudness: float) -> str:
    steps = ((0.9, "500K+"), (0.7, "200K+"), (0.5, "100,000+"), (0.3, "20K+"), (0.15, "5000+"), (0.05, "1000+"))
    return next((text for least, text in steps if loudness >= least), "500+")


class FakeTrends:
    """The upstream's state; the test changes it while it runs.

    ``trends``: the list (None: one that moves with the clock). ``conditional``: whether 304 is answered.
    ``interest``: value 0-100 for (keyword, category, hour index 0..168), or None for "no data".
    """

    def __init__(self, trends: list[Trend] | None = None) -> None:
        self.trends = trends
        self.conditional = True
        self.cookie = True
        self.hours = 169
        self.end: datetime | None = None
        self.interest: Callable[[str, int, int], int | None] = wave
        self.app = Starlette(
            routes=[
                Route("/trending/rss", self._rss),
                Route("/trends/explore/", self._cookie_page),
                Route("/trends/explore", self._cookie_page),
                Route("/trends/api/explore", self._explore, methods=["GET", "POST"]),
                Route("/trends/api/widgetdata/multiline", self._multiline),
                Route("/trends/api/widgetdata/relatedsearches", self._related),
                Route("/trends/api/widgetdata/comparedgeo", self._geo),
                Route("/_/TrendsUi/data/batchexecute", self._batch, methods=["POST"]),
            ],
            exception_handlers={404: _gone},
        )

    async def _rss(self, request: Request) -> Response:
        if not request.query_params.get("geo"):
            return HTMLResponse(PAGE, 400)
        body = feed_xml(moving(datetime.now(UTC)) if self.trends is None else self.trends).encode()
        tag = f'"{sha256(body).hexdigest()[:16]}"'
        if self.conditional and request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers={"etag": tag})
        return Response(body, media_type="application/rss+xml", headers={"etag": tag, "cache-control": "max-age=600"})

    async def _cookie_page(self, request: Request) -> Response:
        response = HTMLResponse(PAGE)
        if self.cookie:
            response.set_cookie("NID", "511=stand-in", path="/")
        return response

    async def _explore(self, request: Request) -> Response:
        if request.method != "POST" or request.cookies.get("NID") is None:
            return HTMLResponse(TOO_MANY, 429)
        asked = json.loads(request.query_params["req"])
        items = asked["comparisonItem"]
        if not 1 <= len(items) <= 5:
            return HTMLResponse(PAGE, 400)
        common = {"keywords": [item["keyword"] for item in items], "category": asked["category"]}
        widgets = [{"id": "TIMESERIES", "token": "tok-time", "request": common}]
        widgets.append({"id": "GEO_MAP", "token": "tok-geo", "request": common})
        for item in items:
            word = {"complexKeywordsRestriction": {"keyword": [{"type": "BROAD", "value": item["keyword"]}]}}
            widgets += [
                {"id": f"RELATED_{kind}", "token": "tok-rel", "request": {"restriction": word, **common}}
                for kind in ("TOPICS", "QUERIES")
            ]
        return guarded({"widgets": widgets}, ")]}'\n")

    async def _multiline(self, request: Request) -> Response:
        if request.query_params.get("token") != "tok-time":
            return HTMLResponse(PAGE, 401)
        asked = json.loads(request.query_params["req"])
        end = (self.end or datetime.now(UTC)).replace(minute=0, second=0, microsecond=0)
        points = [
            point
            for hour in range(self.hours)
            if (point := self._point(asked, hour, end - timedelta(hours=self.hours - 1 - hour), self.hours))
        ]
        return guarded({"default": {"timelineData": points, "averages": []}}, ")]}',\n")

    def _point(self, asked: dict[str, Any], hour: int, at: datetime, hours: int) -> dict[str, Any] | None:
        values = [self.interest(word, asked["category"], hour) for word in asked["keywords"]]
        if all(value is None for value in values):
            return None
        point: dict[str, Any] = {
            "time": str(int(at.timestamp())),
            "formattedTime": at.strftime("%b %d, %Y at %H:%M"),
            "formattedAxisTime": at.strftime("%b %d at %H:%M"),
            "value": [value or 0 for value in values],
            "hasData": [value is not None for value in values],
            "formattedValue": [str(value or 0) for value in values],
        }
        return point | ({"isPartial": True} if hour == hours - 1 else {})

    async def _related(self, request: Request) -> Response:
        ranked = [
            {"query": "example", "value": 100, "formattedValue": "100", "hasData": True, "link": "/trends/explore"}
        ]
        rising = [{"query": "example film", "value": 9000, "formattedValue": "Breakout", "link": "/trends/explore"}]
        lists = [{"rankedKeyword": ranked}, {"rankedKeyword": rising}]
        return guarded({"default": {"rankedList": lists}}, ")]}',\n")

    async def _geo(self, request: Request) -> Response:
        rows = [{"geoCode": "US-CA", "geoName": "California", "value": [100], "formattedValue": ["100"],
                 "maxValueIndex": 0, "hasData": [True]}]  # fmt: skip
        return guarded({"default": {"geoMapData": rows}}, ")]}',\n")

    async def _batch(self, request: Request) -> Response:
        rows = self.trends if self.trends is not None else moving(datetime.now(UTC))
        starts = [[int(row.started.timestamp())] for row in rows]
        listed = [
            [row.query, None, "US", start, None, None, 1000, None, 100, [row.query], [4], [], row.query]
            for row, start in zip(rows, starts, strict=True)
        ]
        envelope = [["wrb.fr", "i0OFE", json.dumps([None, listed]), None, None, None, "generic"], ["di", 12]]
        return PlainTextResponse(")]}'\n\n" + json.dumps(envelope), media_type="application/json")


def guarded(payload: object, prefix: str) -> Response:
    """JSON behind Google's guard against being run as a script."""
    return PlainTextResponse(prefix + json.dumps(payload), media_type="application/json")


def wave(keyword: str, category: int, hour: int) -> int | None:
    """A day's rise and fall, the same for a keyword every time."""
    phase = sha256(keyword.encode()).digest()[0]
    return round(45 + 40 * math.sin((hour + phase) / 24 * 2 * math.pi))


async def _gone(request: Request, error: Exception) -> Response:
    # hottrends, dailytrends, realtimetrends and their like have been gone since early 2025
    return HTMLResponse(PAGE, 404)


def moving_app() -> Starlette:
    """The stand-in with data that moves with the clock."""
    return FakeTrends().app
