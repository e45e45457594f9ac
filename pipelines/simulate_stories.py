"""What happens in a week of the demo: which name, on which platform first, how large, and when the trades notice.

An :class:`Archetype` is a shape a story can take; :func:`week_stories` deals the names of the world out to all of
them and spreads them over the week.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np

from pipelines.simulate_names import COMMON_WORD, Name, World

WEEK = timedelta(days=7)
FIRST_SLOT = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Archetype:
    """The shape of a story.

    ``start`` is when each platform takes it up, in hours after the first one; ``hours`` how long it is talked about;
    ``posts`` how many posts; ``traffic`` and ``plays`` what Trends and TikTok reach. ``trades`` is when the trades
    publish, in hours after the second platform took it up (negative: before); empty: never. ``cast`` says where the
    name comes from.
    """

    key: str
    start: Mapping[str, float]
    trades: tuple[float, ...] = ()
    cast: str = "lesser"
    hours: float = 10.0
    posts: int = 18
    traffic: int = 20_000
    plays: int = 400_000
    moods: tuple[str, ...] = ("good", "mixed", "bad")


@dataclass(frozen=True, slots=True)
class Story:
    """One story of one week: a shape, a name, an event, and the words every text about it shares.

    ``onsets`` are the platforms' first times; ``trades_at`` the publication times of trade items, oldest first.
    """

    key: str
    shape: Archetype
    name: Name
    event: str
    words: Mapping[str, str]
    onsets: Mapping[str, datetime]
    trades_at: tuple[datetime, ...] = field(default=())

    @property
    def broke_at(self) -> datetime | None:
        """When the second platform took it up: nothing can alert before. None for a story of one platform."""
        times = sorted(self.onsets.values())
        return times[1] if len(times) > 1 else None


ARCHETYPES = (
    Archetype("reddit_first", {"reddit": 0, "trends": 1.5, "tiktok": 5}, (3.4,), posts=24, traffic=50_000),
    Archetype("tiktok_first", {"tiktok": 0, "reddit": 2.5, "trends": 4}, (4.5, 7.0), posts=20),
    Archetype(
        "unknown_person",
        {"reddit": 0, "trends": 1.2, "tiktok": 4},
        (5.2,),
        cast="unknown",
        moods=("good",),
        posts=22,
        traffic=50_000,
    ),
    Archetype("reddit_only", {"reddit": 0}, cast="quiet", posts=12),
    Archetype("trends_first", {"trends": 0, "reddit": 1.4}, (3.6,), posts=18, traffic=100_000),
    Archetype("controversy", {"reddit": 0, "trends": 2, "tiktok": 6}, (4.0,), posts=30, hours=12, moods=("split",)),
    Archetype("never_covered", {"tiktok": 0, "reddit": 2}, posts=16, plays=900_000, moods=("good", "mixed")),
    Archetype("overlap_a", {"reddit": 0, "tiktok": 2.2, "trends": 6}, (5.6,), posts=16, traffic=10_000),
    Archetype("overlap_b", {"trends": 0, "tiktok": 1.8, "reddit": 2.6}, (3.9,), cast="quiet", posts=20),
    Archetype("fizzled", {"reddit": 0, "trends": 1.0}, posts=4, hours=2.5, traffic=500),
    Archetype(
        "unknown_two", {"trends": 0, "reddit": 0.8}, (4.2,), cast="unknown", moods=("good",), posts=16, traffic=50_000
    ),
    Archetype("trades_first", {"reddit": 0, "trends": 1.5}, (-2.8, 3.0), posts=18, moods=("good", "bad")),
    Archetype("tiktok_only", {"tiktok": 0}, cast="quiet", hours=16, plays=1_500_000),
    Archetype(
        "unknown_tiktok", {"tiktok": 0, "reddit": 3, "trends": 5}, (5.4,), cast="unknown", moods=("good",), posts=20
    ),
    Archetype("common_word", {"reddit": 0, "trends": 1, "tiktok": 2.5}, (5.5,), cast="common", posts=24),
    Archetype("slow_burner", {"reddit": 0, "tiktok": 14, "trends": 20}, (9.5,), cast="quiet", hours=40, posts=26),
    Archetype("late_trends", {"reddit": 0, "trends": 5}, (3.2,), posts=20, hours=12, traffic=200_000),
    Archetype("trends_only", {"trends": 0}, cast="quiet", hours=7, traffic=50_000),
    Archetype(
        "unknown_uncovered", {"reddit": 0, "tiktok": 2.4}, cast="unknown", moods=("good",), posts=18, plays=700_000
    ),
    Archetype("night_story", {"reddit": 0, "trends": 1.8, "tiktok": 4}, (5.9,), cast="quiet", posts=22),
)
"""Every shape comes once a week. The first opens the week, so that a demo started there shows an alert soon."""


def week_stories(world: World, seed: int, week: int, start: datetime) -> list[Story]:
    """The stories of week number ``week`` that begins at ``start`` (UTC), by time."""
    rng = np.random.default_rng([seed, week + 100, 1])
    later = [ARCHETYPES[1 + i] for i in rng.permutation(len(ARCHETYPES) - 1)]
    gap = _hours((WEEK - FIRST_SLOT) / timedelta(hours=1) / len(ARCHETYPES))
    taken: set[str] = set()
    stories = []
    for slot, shape in enumerate([ARCHETYPES[0], *later]):
        jitter = _hours(float(rng.uniform(-1.5, 1.5))) if slot else timedelta()
        stories.append(_story(world, shape, rng, week, start + FIRST_SLOT + slot * gap + jitter, taken))
    return sorted(stories, key=lambda story: min(story.onsets.values()))


def _hours(number: float) -> timedelta:
    return timedelta(seconds=round(number * 3600))


def _story(
    world: World, shape: Archetype, rng: np.random.Generator, week: int, begin: datetime, taken: set[str]
) -> Story:
    name, event = _cast(world, shape, rng, week, taken)
    taken.add(name.text)
    onsets = {source: begin + _hours(after) for source, after in shape.start.items()}
    second = sorted(onsets.values())[min(1, len(onsets) - 1)]
    trades = tuple(sorted(second + _hours(after + float(rng.uniform(-0.1, 0.3))) for after in shape.trades))
    return Story(f"w{week}-{shape.key}", shape, name, event, _words(world, rng, name), onsets, trades)


def _cast(world: World, shape: Archetype, rng: np.random.Generator, week: int, taken: set[str]) -> tuple[Name, str]:
    """A name this week has not used, and an event that fits what it is.

    Unknown names are dealt in turn, the others by odd and even weeks, so that nobody has a story two weeks running.
    """
    events: dict[str, dict[str, object]] = world.texts["events"]
    pool = _pool(world, shape.cast)
    if shape.cast == "unknown":
        begin = (week * len(ARCHETYPES) // 3) % len(pool)
        turn = [*pool[begin:], *pool[:begin]]
    else:
        share = pool if len(pool) == 1 else pool[week % 2 :: 2]
        turn = [share[i] for i in rng.permutation(len(share))]
    for name in turn:
        fitting = [
            key
            for key, event in events.items()
            if name.text not in taken and name.kind in _strings(event["kinds"]) and event["mood"] in shape.moods
        ]
        if fitting:
            return name, fitting[int(rng.integers(len(fitting)))]
    raise LookupError(f"demo: no name left for {shape.key}")


def _strings(value: object) -> Sequence[str]:
    return [str(item) for item in value] if isinstance(value, list) else []


def _pool(world: World, cast: str) -> Sequence[Name]:
    if cast == "common":
        return [name for name in world.regulars if name.text == COMMON_WORD]
    pools = {"unknown": world.unknown, "quiet": world.quiet, "lesser": world.lesser}
    return [name for name in pools[cast] if name.text != COMMON_WORD and name not in world.sounds]


def _words(world: World, rng: np.random.Generator, name: Name) -> dict[str, str]:
    """The words one story shares: a project, a second name, a place, a number, an award."""

    def pick(options: Sequence[str]) -> str:
        return options[int(rng.integers(len(options)))]

    people = [other.text for other in world.headliners if other.kind == "person" and other != name]
    acts = [other.text for other in world.headliners if other.kind == "music" and other != name]
    works = [other.text for other in world.headliners if other.kind in ("film", "show")]
    return {
        "n": name.text,
        "c": pick(acts or people) if name.kind == "music" else pick(people),
        "p": pick(world.texts["noise"]["albums"]) if name.kind == "music" else pick(works),
        "place": pick(world.texts["places"]),
        "num": str(int(rng.integers(12, 96))),
        "show": pick(["Golden Quill Awards", "Silver Lantern Awards", "Meridian Music Awards"]),
    }
