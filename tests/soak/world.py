"""What the stand-ins show during a soak: forty invented names, and a story every two hours. A pure function of
(seed, virtual time), so that the harness knows at any moment what is true.

Every answer also carries rows that no other answer carries: a poll that got lost cannot be made good by the next.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import polars as pl

from pipelines.model import ITEMS, FetchResult, Outcome, conform
from tests.upstreams import apify, reddit, trades, trends

SLOT = timedelta(minutes=10)
LISTED = timedelta(hours=4)
STORY_EVERY, STORY_LASTS = timedelta(hours=2), timedelta(hours=5)
STILL_TOLD = timedelta(hours=18)
"""After a story's beginning its name may alert: the window of the velocity is 12 h, and an outage may come in between."""
FIRST = ("Odalys", "Tamsin", "Jory", "Ines", "Mirelle", "Davit", "Pell", "Ysolde", "Cato", "Brisa")
LAST = ("Brightwater", "Valdemarre", "Kallowick", "Sorrowgate")
FEEDS = ("movies", "television")
USUAL, LOUD = 0.05, 1.3
"""Posts a slot about a name without a story, and with one."""
EVERYDAY = (
    "weather tomorrow", "lottery numbers", "gas prices", "time zone map", "tax refund", "bank holiday", "pollen count",
    "train times", "exchange rate", "sunset time",
)  # fmt: skip
SAYS = ("{who} walks off the set mid-scene", "First look at {who} in the new season", "{who} answers the critics at last",
        "Why everyone is talking about {who}")  # fmt: skip


@dataclass(frozen=True)
class Story:
    """One name that is suddenly everywhere from ``start`` on."""

    who: str
    start: datetime

    def runs(self, now: datetime) -> bool:
        return self.start <= now < self.start + STORY_LASTS


class World:
    """``start`` (UTC) is the first moment with stories; without ``stories`` there are none, ever."""

    def __init__(self, seed: int, start: datetime, *, stories: bool = True) -> None:
        self.seed, self.start, self.with_stories = seed, start, stories
        # surnames in an order of their own, so that no two names share both neighbours
        self.names = [f"{first} {last}" for last in LAST for first in FIRST]
        random.Random(seed).shuffle(self.names)
        self.slot_posts = lru_cache(maxsize=64)(self._slot_posts)

    def stories(self, now: datetime) -> list[Story]:
        """Those that run at ``now``."""
        return [story for story in self.begun(now) if story.runs(now)]

    def begun(self, now: datetime) -> list[Story]:
        """Those that have begun in the last day."""
        if not self.with_stories or now < self.start:
            return []
        last = (now - self.start) // STORY_EVERY
        numbers = range(max(last - 12, 0), last + 1)
        return [Story(self.names[n % len(self.names)], self.start + n * STORY_EVERY) for n in numbers]

    def may_alert(self, who: str, now: datetime) -> bool:
        """Whether an alert on ``who`` at ``now`` is about something that happened."""
        return any(story.who == who and now - story.start <= STILL_TOLD for story in self.begun(now))

    def posts(self, feed: str, now: datetime) -> list[dict[str, Any]]:
        """A subreddit's listing at ``now``: two posts of this moment alone, and the last four hours."""
        stamp = f"{int(now.timestamp()):x}{feed[0]}"
        once = [reddit.post(f"o{stamp}{n}", f"Thread {stamp}{n} about nothing much", now, feed) for n in range(2)]
        slots = [slot_of(now) - n * SLOT for n in range(LISTED // SLOT)]
        listed = [post for slot in slots for post in self.slot_posts(slot) if post["subreddit"] == feed]
        return [*once, *(post for post in listed if post["created_utc"] <= now.timestamp())][:100]

    def _slot_posts(self, slot: datetime) -> list[dict[str, Any]]:
        loud = {story.who for story in self.stories(slot)}
        dice = random.Random(f"{self.seed}{slot.isoformat()}")
        found = []
        for number, who in enumerate(self.names):
            rate = LOUD if who in loud else USUAL
            for n in range(int(rate) + (dice.random() < rate % 1)):
                code = f"p{int(slot.timestamp()):x}x{number:02d}{n}"
                at = slot + timedelta(seconds=dice.randrange(600))
                title = dice.choice(SAYS).format(who=who)
                found.append(reddit.post(code, title, at, FEEDS[number % 2], score=dice.randrange(20, 400)))
        return found

    def trends(self, now: datetime) -> list[trends.Trend]:
        """The list: everyday searches, one of this third of an hour alone, and the names of stories on top."""
        began = slot_of(now) - timedelta(hours=1)
        top = [trends.Trend(story.who.lower(), "200K+", story.start) for story in self.stories(now)]
        alone = f"search number {int(now.timestamp()) // 1200:x}"
        usual = [trends.Trend(query, "2000+", now.replace(hour=0, minute=0, second=0, microsecond=0))
                 for query in EVERYDAY]  # fmt: skip
        return [*top, *usual, trends.Trend(alone, "500+", began.replace(minute=0))]

    def tags(self, now: datetime) -> list[dict[str, Any]]:
        """TikTok's list: everyday tags, one of this hour alone, and the names of stories on top."""
        names = [story.who.replace(" ", "").lower() for story in self.stories(now)]
        alone = f"onlynow{int(now.timestamp()) // 3600:x}"
        return [apify.hashtag(rank, tag, 250_000 if tag in names else 9_000, 9_000_000)
                for rank, tag in enumerate([*names, *apify.TAGS, alone], 1)]  # fmt: skip

    def articles(self, now: datetime) -> list[trades.Article]:
        """The trades: one story of this moment alone, and those of the last day about names, six hours late."""
        stamp = f"{int(now.timestamp()):x}"
        once = [trades.Article(f"Quarterly notes {stamp}", f"https://trade-paper.example/{stamp}/", now, f"n{stamp}")]
        late = [story for story in self.begun(now) if story.start + timedelta(hours=6) <= now]
        return once + [
            trades.Article(f"{story.who} signs on", f"https://trade-paper.example/s{int(story.start.timestamp())}/",
                           story.start + timedelta(hours=6), f"s{int(story.start.timestamp())}")
            for story in late
        ]  # fmt: skip

    def past(self, days: float, end: datetime, every: timedelta) -> list[FetchResult]:
        """What polls would have brought in the ``days`` before ``end``: a baseline, to be read in at once."""
        count = round(timedelta(days=days) / every)
        return [result for n in range(count, 0, -1) for result in self._poll(end - n * every, every)]

    def _poll(self, at: datetime, every: timedelta) -> list[FetchResult]:
        slots = [slot_of(at) - n * SLOT for n in range(1, every // SLOT + 1)]
        posts = [_row(at, "reddit", "t3_" + post["id"], post["title"], post["created_utc"], post["score"])
                 for slot in slots for post in self._slot_posts(slot)]  # fmt: skip
        listed = [_row(at, "trends", str(trend.query), str(trend.query), None, 2000.0, rank, [str(trend.query)])
                  for rank, trend in enumerate(self.trends(at), 1)]  # fmt: skip
        results = [_result("reddit", at, posts, at - LISTED), _result("trends", at, listed)]
        if at.minute == 0:
            tags = [_row(at, "tiktok", f"hashtag:{tag['name']}", f"#{tag['name']}", None, 9_000_000.0, tag["rank"],
                         [tag["name"]]) for tag in self.tags(at)]  # fmt: skip
            results.append(_result("tiktok", at, tags))
        return results


def slot_of(now: datetime) -> datetime:
    """The beginning of the ten minutes that ``now`` is in."""
    return datetime.fromtimestamp(now.timestamp() // SLOT.total_seconds() * SLOT.total_seconds(), UTC)


def _row(
    at: datetime, source: str, item_id: str, title: str, published: float | None, engagement: float,
    rank: int | None = None, names: list[str] | None = None,
) -> dict[str, Any]:  # fmt: skip
    moment = None if published is None else datetime.fromtimestamp(published, UTC)
    return {"poll_at": at, "source": source, "feed": "past", "item_id": item_id, "title": title, "url": None,
            "published_at": moment, "engagement": float(engagement), "rank": rank, "names": names or [],
            "context": None}  # fmt: skip


def _result(source: str, at: datetime, rows: list[dict[str, Any]], covered: datetime | None = None) -> FetchResult:
    items = conform(pl.DataFrame(rows, schema=ITEMS), ITEMS)
    return FetchResult(source, at, Outcome.OK, items, covered)
