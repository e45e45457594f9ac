"""The demo: a simulated newsroom's weeks, with invented names, made by code, the same for the same seed.

:class:`DemoWorld` is the demo without an end: week after week from ``epoch`` on, each made when it is first asked
for, and each with other stories. Its sources stand where live ones would. :func:`simulate` is a stretch of it as one
frame.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import polars as pl

from pipelines.model import ITEMS, SOURCES, Outcome
from pipelines.recording import POLLS
from pipelines.replay import ReplaySource, between, thin
from pipelines.simulate_feeds import poll_frame, reddit_rows, tiktok_rows, trades_rows, trends_rows
from pipelines.simulate_names import World, world
from pipelines.simulate_stories import WEEK, Story
from pipelines.simulate_week import WeekThings, week_things

WARM_UP = WEEK
"""How much of the demo lies behind its first moment, so that every baseline is full."""

POLL_SECONDS: Mapping[str, int] = {"reddit": 600, "trends": 900, "tiktok": 3600, "trades": 900}
OFFSETS: Mapping[str, int] = {"reddit": 20, "trends": 45, "tiktok": 80, "trades": 110}
"""Seconds after the full step at which a source is polled."""

WEEKS_KEPT = 3


@dataclass(frozen=True, slots=True)
class Outage:
    """A time in which some sources give no answer; hours count from the start of a week."""

    sources: frozenset[str]
    begin_h: float
    hours: float


OUTAGES = (
    Outage(frozenset({"reddit"}), 47.0, 5.0),
    Outage(frozenset({"tiktok"}), 98.0, 9.0),
    Outage(frozenset(SOURCES), 139.0, 3.0),
)


def demo_epoch(now: datetime) -> datetime:
    """Where to let a demo begin so that ``now`` is its present: a week before the full hour, so that a story is about
    to break."""
    return now.astimezone(UTC).replace(minute=0, second=0, microsecond=0) - WARM_UP


@dataclass(frozen=True, slots=True)
class _Week:
    items: Mapping[str, pl.DataFrame]
    polls: Mapping[str, pl.DataFrame]


class DemoWorld:
    """The demo from ``epoch`` (UTC) on: what each source shows at any time after it.

    The same ``seed`` and ``epoch`` give the same rows, asked in any order. ``sources`` are all of the product's.
    """

    sources = SOURCES

    def __init__(self, seed: int, epoch: datetime) -> None:
        self.seed, self.epoch = seed, epoch.astimezone(UTC)
        self.cast: World = world(seed)
        self._things: dict[int, WeekThings] = {}
        self._weeks: dict[int, _Week] = {}
        self._lock = threading.RLock()

    def stories(self, week: int) -> tuple[Story, ...]:
        """The stories of week number ``week``, from 0 on, by time."""
        return self._thing(week).stories

    def source(self, name: str, since: datetime | None = None) -> ReplaySource:
        """The source ``name``; its first fetch brings everything after ``since`` (default: after the epoch)."""
        return ReplaySource(self, name, poll_seconds=POLL_SECONDS[name], since=since)

    def all_sources(self, since: datetime | None = None) -> dict[str, ReplaySource]:
        """Every source, by name."""
        return {name: self.source(name, since) for name in self.sources}

    def polls(self, source: str, after: datetime | None, until: datetime) -> pl.DataFrame:
        """See :class:`pipelines.replay.Polls`."""
        weeks = [self._week(week).polls[source] for week in self._span(after, until)]
        return between(pl.concat([pl.DataFrame(schema=POLLS), *weeks]), after, until)

    def items(self, source: str, after: datetime | None, until: datetime) -> pl.DataFrame:
        """See :class:`pipelines.replay.Polls`."""
        weeks = [self._week(week).items[source] for week in self._span(after, until)]
        return between(pl.concat([pl.DataFrame(schema=ITEMS), *weeks]), after, until)

    def silence(self, source: str, now: datetime) -> tuple[Outcome, str]:
        """In an outage a fetch fails; else it came too early."""
        if self.is_out(source, now):
            return Outcome.FAILED, "simulated outage: no answer"
        return Outcome.SKIPPED, "nothing new since the last poll"

    def is_out(self, source: str, now: datetime) -> bool:
        """Whether ``source`` gives no answer at ``now``."""
        hour = ((now - self.epoch) % WEEK) / timedelta(hours=1)
        return any(source in out.sources and out.begin_h <= hour < out.begin_h + out.hours for out in OUTAGES)

    def ticks(self, start: datetime, end: datetime, score_seconds: int) -> list[datetime]:
        """When to score in ``start <= t <= end``: as :func:`pipelines.replay.ticks`."""
        after = start - timedelta(microseconds=1)
        return thin((at for name in self.sources for at in self.polls(name, after, end)["poll_at"]), score_seconds)

    def _span(self, after: datetime | None, until: datetime) -> range:
        first = max((after - self.epoch) // WEEK, 0) if after else 0
        return range(first, (until - self.epoch) // WEEK + 1)

    def _thing(self, week: int) -> WeekThings:
        with self._lock:  # sources are asked side by side, from threads
            if week not in self._things:
                self._things[week] = week_things(self.cast, self.seed, week, self.epoch + week * WEEK)
                while len(self._things) > WEEKS_KEPT + 1:
                    del self._things[next(iter(self._things))]
            return self._things[week]

    def _week(self, week: int) -> _Week:
        with self._lock:
            if week not in self._weeks:
                self._weeks[week] = self._make(week)
                while len(self._weeks) > WEEKS_KEPT:
                    del self._weeks[next(iter(self._weeks))]
            return self._weeks[week]

    def _make(self, week: int) -> _Week:
        """What the sources show in a week: of its own things, and of those still running from the week before."""
        before, this = self._thing(week - 1), self._thing(week)
        times = {name: self._poll_times(name, week) for name in self.sources}
        at = {name: poll_frame(found) for name, found in times.items()}
        items = {
            "reddit": reddit_rows(pl.concat([before.posts, this.posts]), at["reddit"]),
            "trends": trends_rows(pl.concat([before.episodes, this.episodes]), at["trends"]),
            "tiktok": tiktok_rows(pl.concat([before.entries, this.entries]), at["tiktok"]),
            "trades": trades_rows(pl.concat([before.trades, this.trades]), at["trades"]),
        }
        return _Week(items, {name: _polls(name, frame) for name, frame in at.items()})

    def _poll_times(self, source: str, week: int) -> list[datetime]:
        begin = self.epoch + week * WEEK + timedelta(seconds=OFFSETS[source])
        step = timedelta(seconds=POLL_SECONDS[source])
        times = (begin + n * step for n in range(WEEK // step))
        return [instant for instant in times if not self.is_out(source, instant)]


def _polls(source: str, at: pl.DataFrame) -> pl.DataFrame:
    return at.select(
        "poll_at",
        source=pl.lit(source),
        outcome=pl.lit(Outcome.OK.value),
        covered_from=pl.lit(None, dtype=POLLS["covered_from"]),
    )


def simulate(seed: int, start: datetime, days: float = 7.0) -> pl.DataFrame:
    """The polls of ``days`` days from ``start`` (UTC) on, as :data:`~pipelines.model.ITEMS`, by poll."""
    demo = DemoWorld(seed, start)
    end = demo.epoch + timedelta(days=days) - timedelta(microseconds=1)
    return pl.concat([demo.items(name, None, end) for name in demo.sources]).sort(
        "poll_at", "source", maintain_order=True
    )
