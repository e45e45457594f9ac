"""One week of the demo as things to see: small talk, sport, politics, noise, and the stories among it.

Everything is drawn from ``numpy.random.default_rng([seed, week, ...])``, so that a week is the same whenever it is
made.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from pipelines.simulate_feeds import ENTRIES, EPISODES, POSTS, TRADES
from pipelines.simulate_names import Name, World
from pipelines.simulate_stories import WEEK, Story, week_stories

SITE = "https://demo.invalid"
OUTLETS = ("Harbor City Ledger", "The Lakeport Post", "Port Ellery Today", "Grand Mesa Wire")
TRADE_FEEDS = ("The Daily Reel", "Backlot Wire")
EVENING_UTC = 1.5
"""The hour at which most is written: evening in the Americas."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class WeekThings:
    """What there is to see of one week: frames as in :mod:`pipelines.simulate_feeds`, and the stories behind them."""

    posts: pl.DataFrame
    episodes: pl.DataFrame
    entries: pl.DataFrame
    trades: pl.DataFrame
    stories: tuple[Story, ...]


def week_things(world: World, seed: int, week: int, start: datetime) -> WeekThings:
    """Everything of week number ``week`` (from -1 on) that begins at ``start``, UTC."""
    maker = _Maker(world, np.random.default_rng([seed, week + 100, 2]), week, start)
    stories = week_stories(world, seed, week, start)
    posts = [*maker.chatter(), *maker.small_talk(), *maker.matches(), *maker.affairs()]
    episodes, entries = [*maker.queries()], [*maker.lists()]
    trades = [*maker.trade_small()]
    for story in stories:
        posts += maker.story_posts(story)
        episodes += maker.story_episodes(story)
        entries += maker.story_entries(story)
        trades += maker.story_trades(story)
    return WeekThings(
        pl.DataFrame(posts, schema=POSTS),
        pl.DataFrame(episodes + maker.match_episodes, schema=EPISODES),
        pl.DataFrame(entries, schema=ENTRIES),
        pl.DataFrame(trades, schema=TRADES),
        tuple(stories),
    )


def one_article(title: str) -> str:
    """``title`` without the second article of "the The Lantern Keepers trailer"."""
    return title.replace("the The ", "The ").replace("The The ", "The ")


def slug(text: str) -> str:
    """``text`` as a part of an address."""
    return re.sub(r"\W+", "-", text.lower()).strip("-")[:60]


class _Maker:
    """Makes the rows of one week; keeps the week's random numbers and a count for ids."""

    def __init__(self, world: World, rng: np.random.Generator, week: int, start: datetime) -> None:
        self.world, self.rng, self.week, self.start = world, rng, week, start
        self.texts = world.texts
        self.count = 0
        self.match_episodes: list[Row] = []
        hours = np.array([(start + timedelta(hours=hour)).hour for hour in range(168)])
        weights = 1.0 + 0.45 * np.cos((hours - EVENING_UTC) / 24.0 * 2.0 * np.pi)
        self.diurnal = weights / weights.sum()

    def pick(self, options: Sequence[Any]) -> Any:
        return options[int(self.rng.integers(len(options)))]

    def moments(self, number: int) -> list[datetime]:
        """``number`` times of the week, more of them in the evening."""
        hours = self.rng.choice(168, size=number, p=self.diurnal) + self.rng.random(number)
        return [self.start + timedelta(seconds=round(float(hour) * 3600)) for hour in hours]

    def post(self, feed: str, title: str, at: datetime, middle: float, spread: float = 1.0) -> Row:
        title = one_article(title)
        self.count += 1
        item_id = f"d{self.week + 1:02x}{self.count:04x}"
        return {
            "item_id": item_id, "feed": feed, "title": title, "url": f"{SITE}/r/{feed}/{item_id}/{slug(title)}",
            "published_at": at, "peak": min(middle * float(np.exp(self.rng.normal(0.0, spread))), 60_000.0),
            "rise_h": float(self.rng.uniform(2.0, 5.0)),
        }  # fmt: skip

    def chatter(self) -> Iterator[Row]:
        """The steady talk about known names."""
        for name, rate in zip(self.world.regulars, self.world.rates, strict=True):
            titles = _Deck(self.texts["chatter"].get(name.kind, self.texts["chatter"]["person"]), self.rng)
            for at in self.moments(int(self.rng.poisson(rate * 7.0))):
                text = titles.draw().format(n=name.text, place=self.pick(self.texts["places"]))
                yield self.post(self.pick(self.world.feeds(name.kind)), text, at, 320.0)

    def small_talk(self) -> Iterator[Row]:
        """What the rest of r/all is about."""
        pairs = [(feed, text) for feed, texts in self.texts["small_talk"].items() for text in texts]
        for at in self.moments(420):
            feed, text = self.pick(pairs)
            yield self.post(feed, text, at, 900.0, 1.3)

    def matches(self) -> Iterator[Row]:
        """Two matches each evening, on Reddit and in searches."""
        teams = [name for name in self.world.others["sport"] if name.kind == "team"]
        for day in range(7):
            order = self.rng.permutation(len(teams))
            for game in range(2):
                home, away = teams[order[2 * game]], teams[order[2 * game + 1]]
                begin = self.start + timedelta(days=day, hours=float(self.rng.uniform(0, 3)) + 3 * game)
                yield from self._about("sport", home, away, begin, int(self.rng.integers(3, 7)))

    def affairs(self) -> Iterator[Row]:
        """Politics and business, now and then."""
        for domain, times in (("politics", 8), ("business", 4)):
            for at in self.moments(times):
                name = self.pick(self.world.others[domain])
                yield from self._about(domain, name, name, at, int(self.rng.integers(2, 6)))

    def _about(self, domain: str, name: Name, other: Name, begin: datetime, posts: int) -> Iterator[Row]:
        texts = self.texts[domain]
        place, number = self.pick(self.texts["places"]), int(self.rng.integers(2, 30))
        words = {"n": name.text, "c": other.text, "place": place, "num": number}
        feed = self.pick(texts["feeds"])
        titles = _Deck(texts["reddit"], self.rng)
        for _ in range(posts):
            at = begin + timedelta(hours=float(self.rng.uniform(0, 4)))
            yield self.post(feed, titles.draw().format(**words), at, 900.0)
        query = self.pick(texts["queries"]).format(**words).lower()
        hours = float(self.rng.uniform(2, 6))
        news = [f"What to know: {query}"]
        self.match_episodes.append(self.episode(query, begin + timedelta(hours=1), hours, 10_000, news))

    def episode(self, query: str, begin: datetime, hours: float, traffic: float, news: Sequence[str]) -> Row:
        items = [
            {"title": title, "url": f"{SITE}/news/{slug(outlet)}/{slug(title)}", "source": outlet}
            for title, outlet in zip(news, self.rng.permutation(OUTLETS), strict=False)
        ]
        return {
            "query": query, "begin": begin, "end": begin + timedelta(hours=hours), "peak": traffic,
            "rise_h": max(1.0, hours / 3.0), "context": json.dumps(items, ensure_ascii=False),
        }  # fmt: skip

    def queries(self) -> Iterator[Row]:
        """What else is searched: weather, tickets, lost papers; and a known name for an hour."""
        for at in self.moments(380):
            query = self.pick(self.texts["noise"]["queries"])
            traffic = self.pick((200, 500, 500, 1000, 2000, 5000))
            yield self.episode(query, at, float(self.rng.uniform(2, 7)), traffic, [f"What to know: {query}"])
        for at in self.moments(10):
            name = self.pick(self.world.headliners)
            yield self.episode(name.text.lower(), at, 1.0, 500, [f"{name.text}: five things to know"])

    def lists(self) -> Iterator[Row]:
        """TikTok's everyday lists. The acts whose songs are there all the time are the same every week."""
        noise = self.texts["noise"]
        end = self.start + WEEK
        steady = len(noise["hashtags"]) - 4
        for number, tag in enumerate(noise["hashtags"][:steady]):
            yield self.entry("hashtag", f"#{tag}", [tag], self.start, end, 90_000 * 1.19**number, 60.0)
        for tag in noise["hashtags"][steady:]:
            at = self.start + timedelta(hours=float(self.rng.uniform(0, 120)))
            yield self.entry("hashtag", f"#{tag}", [tag], at, at + timedelta(hours=30), 60_000, 40.0)
        songs = [(song, act.text) for song, act in zip(noise["songs"], self.world.sounds, strict=False)]
        for number, (song, author) in enumerate([*songs, *noise["sounds"]]):
            title = f"{song} - {author}"
            yield self.entry("sound", title, [song, author], self.start, end, 64_000 * 1.31**number, 55.0)

    def entry(
        self, feed: str, title: str, names: list[str], begin: datetime, end: datetime, peak: float, weight: float
    ) -> Row:
        key = title.lstrip("#").lower()
        rise_h = 1.0 if end - begin >= WEEK else (end - begin) / timedelta(hours=2)
        return {
            "item_id": f"{feed}:{key}", "feed": feed, "title": title, "url": f"{SITE}/tiktok/{feed}/{slug(key) or 'x'}",
            "begin": begin, "end": end, "peak": peak, "rise_h": rise_h,
            "weight": weight + float(self.rng.uniform(-9, 9)), "names": names,
        }  # fmt: skip

    def trade_small(self) -> Iterator[Row]:
        """The trades' daily deals, about names nothing else happens to."""
        names = self.world.headliners
        people = [name for name in names if name.kind == "person"]
        works = [name for name in names if name.kind in ("film", "show")]
        for at in self.moments(110):
            words = {"n": self.pick(people).text, "p": self.pick(works).text, "place": self.pick(self.texts["places"])}
            words["c"] = self.pick([name.text for name in self.world.others["business"]] + ["Northgale Pictures"])
            yield self.trade(self.pick(self.texts["trade_small"]["headlines"]).format(**words), at)

    def trade(self, title: str, at: datetime) -> Row:
        title = one_article(title)
        feed = self.pick(TRADE_FEEDS)
        self.count += 1
        url = f"{SITE}/{slug(feed)}/{self.week + 1}-{self.count}-{slug(title)}"
        return {"item_id": url, "feed": feed, "title": title, "url": url, "published_at": at}

    def story_posts(self, story: Story) -> Iterator[Row]:
        """Posts about a story: the first a large one, then many, then fewer; a slow burner spreads evenly."""
        if "reddit" not in story.onsets:
            return
        begin, shape = story.onsets["reddit"], story.shape
        titles = _Deck(self.texts["events"][story.event]["reddit"], self.rng, ordered=True)
        early = 1.0 if shape.key == "slow_burner" else 2.6
        parts = np.sort(self.rng.beta(1.1, early, shape.posts))
        parts[0] = 0.0
        middle = 150.0 if shape.key in ("fizzled", "slow_burner") else 1400.0
        for number, part in enumerate(parts):
            at = begin + timedelta(seconds=round(float(part) * shape.hours * 3600))
            text = titles.draw().format(**story.words, reaction=self.pick(self.texts["reactions"]))
            boost = 5.0 if number == 0 and middle > 1000.0 else 1.0
            yield self.post(self.pick(self.world.feeds(story.name.kind)), text, at, middle * boost)

    def story_episodes(self, story: Story) -> Iterator[Row]:
        """The name itself trends, and three hours later a longer query about it."""
        if "trends" not in story.onsets:
            return
        texts, begin = self.texts["events"][story.event], story.onsets["trends"]
        news = [title.format(**story.words) for title in texts["news"]]
        small = story.shape.key == "fizzled"
        yield self.episode(
            story.name.text.lower(), begin, 1.0 if small else story.shape.hours, story.shape.traffic, news
        )
        if not small:
            query = texts["query"][0].format(**story.words).lower()
            yield self.episode(
                query, begin + timedelta(hours=3), story.shape.hours * 0.5, story.shape.traffic / 4, news[:2]
            )

    def story_entries(self, story: Story) -> Iterator[Row]:
        """The name's hashtag climbs; an act's new song becomes a sound."""
        if "tiktok" not in story.onsets:
            return
        begin, name = story.onsets["tiktok"], story.name
        end = begin + timedelta(hours=story.shape.hours * 1.6)
        yield self.entry("hashtag", f"#{name.hashtag}", [name.hashtag], begin, end, story.shape.plays, 75.0)
        if name.kind == "music":
            song = story.words["p"]
            late = begin + timedelta(hours=1.5)
            yield self.entry(
                "sound", f"{song} - {name.text}", [song, name.text], late, end, story.shape.plays / 3, 70.0
            )

    def story_trades(self, story: Story) -> Iterator[Row]:
        """What the trades write about a story, each time another headline."""
        headlines: Sequence[str] = self.texts["events"][story.event]["trade"]
        for at, headline in zip(story.trades_at, headlines, strict=False):
            yield self.trade(headline.format(**story.words), at)


class _Deck:
    """Sentences drawn without repeating one before all were used. ``ordered``: the first ones first, as news breaks."""

    def __init__(self, texts: Sequence[str], rng: np.random.Generator, *, ordered: bool = False) -> None:
        self._texts, self._rng, self._left = list(texts), rng, list(texts)[::-1] if ordered else []

    def draw(self) -> str:
        if not self._left:
            self._left = [self._texts[i] for i in self._rng.permutation(len(self._texts))]
        return self._left.pop()
