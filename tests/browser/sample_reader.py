"""A reader with invented names whose board moves a step at a time: what the page is developed and tested against."""

from __future__ import annotations

import math
import random
import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from heatmap_app.pages.reader import Filters
from pipelines.errors import InputError, StoreError
from pipelines.people import Activity
from pipelines.view import (
    EntityRef,
    EntityView,
    Gates,
    HeatItem,
    HeatView,
    HistoryPoint,
    NameLine,
    NameRow,
    PlatformScore,
    Receipt,
    ReceiptOrder,
    ReceiptPage,
    SourceHealth,
    TimelinePoint,
    TradesStatus,
)

START = datetime(2026, 3, 14, 14, 32, 5, tzinfo=UTC)
NAMES = tuple(
    line.rsplit(" : ", 1)
    for line in """Odalys Brightwater : person
The Lantern Keepers : show
Saint Ferro : music
Marrow & Vine : film
Golden Heron Awards : award
Tamsin Okoro-Vale : person
Neon Orchard : music
Saltwater Kings : show
Juno Castellane : person
The Ninth Cartographer of the Unreasonably Long Northern Sea : film
Velvet Static : music
Ashgrove High : show
Ilse Marchetti : person
Kite Season : song
Dune Parade : event
Orsolya Finch : person
Paper Moons : show
The Copper Saga : franchise
Rook & Daughters : show
燈火守護者 : show
Bexley Stone : person
Midnight Cartel : film
Harlow Quist : person
Glass Meridian : music""".splitlines()
)
HOURS = 24
BASELINE = tuple(6.0 if place != 4 else 12.0 for place in range(13))


class SampleReader:
    """Answers like the store would. ``step`` moves the board on; ``names`` may be replaced, for hostile ones."""

    def __init__(self, names: Sequence[Sequence[str]] = NAMES, mode: str = "demo") -> None:
        self.names, self.mode = tuple(names), mode
        self.step, self.stale, self.failing, self.empty = 0, False, False, False
        self.baseline_hours, self.seen_from = 72, -48  # hours before the last day's first one
        self.domains: dict[int, str] = {}
        self.watching: set[int] = set()
        self.corrections: list[tuple[int, str, str]] = []
        self.calls: list[str] = []
        self.threads: set[str] = set()

    @property
    def now(self) -> datetime:
        """The instant of the current step."""
        return self._at(self.step)

    def _at(self, step: int) -> datetime:
        return START + timedelta(minutes=10 * step)

    def _scored_at(self, step: int) -> datetime:
        """When the board of ``step`` was scored; steps below 0 never were."""
        return self._at(step) - timedelta(seconds=40)

    def _step(self, at: datetime | None) -> int:
        """The step a board is asked for: the newest, or the last one scored up to ``at``."""
        if at is None:
            return self.step
        return min(self.step, int((at - self._scored_at(0)) // timedelta(minutes=10)))

    def heat(self, filters: Filters) -> HeatView:
        self._called("heat")
        step = self._step(filters.at)
        if step < 0:
            return HeatView(None, self.mode, False, (), self._hours(0, filters.hours))
        items = [] if self.empty else self._ranked(step, filters.hours)
        kept = [
            item
            for item in items
            if (filters.min_velocity is None or item.velocity_z >= filters.min_velocity)
            and (filters.min_spread is None or item.spread_count >= filters.min_spread)
            and (filters.domains is None or item.entity.domain in filters.domains)
            and (not filters.watched or item.watched)
            and (filters.platforms is None or set(filters.platforms) & set(item.platforms))
        ]
        shown = tuple(replace(item, rank=place) for place, item in enumerate(kept[: filters.limit], start=1))
        return HeatView(
            as_of=self._scored_at(step),
            mode=self.mode,
            stale=self.stale and filters.at is None,
            items=shown,
            hours=self._hours(step, filters.hours),
            hidden=len(items) - len(kept),
            baseline_hours=self.baseline_hours,
            sources=self._sources(step),
        )

    def polls(self, since: datetime, until: datetime) -> Sequence[datetime]:
        self._called("polls")
        times = [self._scored_at(step) for step in range(self.step + 1)]
        return [at for at in times if since <= at <= until]

    def entity(self, slug: str, at: datetime | None = None) -> EntityView | None:
        self._called("entity")
        step = max(0, self._step(at))
        item = next((item for item in self._ranked(step) if item.entity.slug == slug), None)
        if item is None:
            return None
        return EntityView(
            entity=item.entity,
            first_seen=item.first_seen,
            origin="discovered",
            muted=False,
            provenance={
                "poll": (self.now - timedelta(hours=3)).isoformat(),
                "velocity_z": 2.4,
                "platforms": {"reddit": {"z": 1.9}, "trends": {"z": 1.5}},
                "items": [
                    {
                        "source": "reddit",
                        "title": f"{item.entity.name} walks off set mid-scene",
                        "url": "https://example.com/r/1",
                    }
                ],
            },
            domain_evidence=(
                {"kind": "feed", "domain": "entertainment", "weight": 2.0, "detail": "r/popculturechat"},
                {"kind": "words", "domain": "entertainment", "weight": 0.7, "detail": "set, scene, film"},
            ),
            item=item,
            timeline=self._timeline(item.entity.id),
            related=(
                {"name": self.names[1][0], "slug": "n2", "count": 7},
                {"name": self.names[2][0], "slug": "n3", "count": 3},
                {"name": self.names[3][0], "slug": "n4", "count": 2},
            ),
            scored_at=self._scored_at(step),
            watched=item.watched,
            history=self._history(item.entity.id, step, 168),
            names=tuple(
                NameRow(name.lower(), name, 12 - 3 * place)
                for place, name in enumerate((item.entity.name, *item.entity.aliases))
            ),
        )

    def receipts(
        self,
        slug: str,
        source: str | None,
        hour: datetime | None,
        limit: int,
        cursor: str | None,
        at: datetime | None = None,
        order: ReceiptOrder = "newest",
    ) -> ReceiptPage:
        self._called("receipts")
        found = [
            receipt
            for receipt in self._receipts(int(slug[1:]))
            if (source is None or receipt.source == source)
            and (hour is None or hour <= receipt.observed_at < hour + timedelta(hours=1))
            and (at is None or receipt.observed_at <= at)
        ]
        if order == "engagement":
            found.sort(key=lambda receipt: -(receipt.engagement or 0.0))
        first = int(cursor or 0)
        rest = first + limit
        found = found[::-1] if order == "oldest" else found
        return ReceiptPage(tuple(found[first:rest]), str(rest) if len(found) > rest else None, len(found))

    def lines(self, slugs: Sequence[str], hours: int, at: datetime | None = None) -> Sequence[NameLine]:
        self._called("lines")
        step = max(0, self._step(at))
        numbers = [int(slug[1:]) for slug in slugs if slug[1:].isdigit() and 0 < int(slug[1:]) <= len(self.names)]
        return [NameLine(self._ref(number), self._history(number, step, hours)) for number in numbers]

    def search(self, text: str, limit: int) -> Sequence[EntityRef]:
        self._called("search")
        refs = [self._ref(number) for number in range(1, len(self.names) + 1)]
        return [ref for ref in refs if text.casefold() in ref.name.casefold()][:limit]

    def activity(self, alert_id: int) -> Activity | None:
        self._called("activity")
        return None

    def set_domain(self, entity_id: int, domain: str, actor: str, was: str | None = None) -> None:
        self._called("set_domain")
        now = self._ref(entity_id).domain
        if was is not None and now not in (was, domain):
            raise InputError(f"somebody has made it {now} meanwhile; choose again to make it {domain}")
        self.domains[entity_id] = domain
        self.corrections.append((entity_id, domain, actor))

    def _called(self, name: str) -> None:
        self.calls.append(name)
        self.threads.add(threading.current_thread().name)
        if self.failing:
            raise StoreError("the sample database is switched off")

    def _ref(self, number: int) -> EntityRef:
        name, kind = self.names[number - 1]
        domain = self.domains.get(number, "unclassified" if number % 7 == 0 else "entertainment")
        return EntityRef(number, f"n{number}", name, kind, domain, (name.upper(), f"#{name.replace(' ', '').lower()}"))

    def _hours(self, step: int, hours: int) -> tuple[datetime, ...]:
        last = self._at(step).replace(minute=0, second=0, microsecond=0)
        return tuple(last - timedelta(hours=back) for back in range(hours - 1, -1, -1))

    def _ranked(self, step: int, hours: int = HOURS) -> list[HeatItem]:
        before = (
            {item.entity.id: place for place, item in enumerate(self._scored(step - 1), start=1)} if step > 0 else {}
        )
        ranked = self._scored(step, hours)
        first = {item.entity.id: place for place, item in enumerate(self._scored(0), start=1)}
        old = before or {key: place + (1 if place % 3 == 0 else 0) for key, place in first.items() if place != 2}
        return [
            replace(item, rank=place, previous_rank=old.get(item.entity.id))
            for place, item in enumerate(ranked, start=1)
        ]

    def _scored(self, step: int, hours: int = HOURS) -> list[HeatItem]:
        items = [self._item(number, step, hours) for number in range(1, len(self.names) + 1)]
        return sorted(items, key=lambda item: -item.heat)

    def _item(self, number: int, step: int, hours: int) -> HeatItem:
        history = self._history(number, step, hours)
        spread = 3 if number <= 2 else 2 if number % 3 == 0 else 1
        last = history[-1]
        velocity, affect = last.velocity_z or 0.0, last.affect or 0.0
        raw = 0.5 * velocity + 0.3 * spread / 3 + 0.2 * affect
        since = (number % 5) * 0.8
        passes = velocity >= 2.5 and spread >= 2
        z = min(4.0, velocity)
        names = ("reddit", "trends", "tiktok")[:spread]
        scores = {
            name: PlatformScore(
                z=z,
                x=24.0,
                mu=6.4615,
                s=1.6641,
                windows=13,
                baseline_hours=156.0,
                mentions=9,
                noise_unit=3.0 if name == "reddit" else 4.0,
                window_values=BASELINE,
            )
            for name in names
        }
        return HeatItem(
            rank=0,
            entity=self._ref(number),
            heat=raw * math.exp(-since / 24),
            raw=raw,
            velocity_z=velocity,
            spread=spread / 3,
            spread_count=spread,
            affect=affect,
            confidence=0.82,
            confidence_parts={"evidence": 0.79, "baseline": 1.0, "health": 0.667, "agreement": spread / 3},
            affect_parts={"m": -affect, "bonus": 0.02, "n_text": 21, "positive": 0.2, "negative": 0.5},
            peak_at=self.now - timedelta(hours=since),
            hours_since_peak=since,
            eligible=passes and number != 2,
            passes=passes,
            gates=Gates(velocity >= 2.5, spread >= 2, passes and number != 2),
            first_seen=self.now - timedelta(hours=3.2),
            platforms=scores,
            trades=TradesStatus(self.now - timedelta(hours=1), 2.4) if number % 4 == 0 else TradesStatus(),
            history=history,
            watched=number in self.watching,
        )

    def _history(self, number: int, step: int, hours: int) -> tuple[HistoryPoint, ...]:
        noise = random.Random(number)
        level = 3.9 - 0.19 * number + 1.2 * math.sin(step * 0.9 + number * 1.7) * (step > 0)
        points = []
        for place, hour in enumerate(self._hours(step, hours), start=HOURS - hours):
            if (number % 6 == 4 and 8 <= place <= 10) or place == 5 or place < self.seen_from:
                points.append(HistoryPoint(hour, None, None, None, None))
                continue
            rise = 1 / (1 + math.exp(-(place - 16 - number % 5) / 2.2))
            velocity = max(-1.5, min(4.0, -0.4 + level * rise + noise.uniform(-0.5, 0.5)))
            spread = (
                (3 if number <= 2 else 2 if number % 3 == 0 else 1) / 3
                if rise > 0.3
                else (1 / 3 if rise > 0.1 else 0.0)
            )
            affect = min(1.0, abs(noise.gauss(0.3, 0.2)))
            points.append(HistoryPoint(hour, 0.5 * velocity + 0.3 * spread + 0.2 * affect, velocity, spread, affect))
        return tuple(points)

    def _timeline(self, number: int) -> tuple[TimelinePoint, ...]:
        noise = random.Random(number)
        last = self.now.replace(minute=0, second=0, microsecond=0)
        points = []
        for back in range(167, -1, -1):
            hour = last - timedelta(hours=back)
            for source in ("reddit", "trends", "tiktok", "trades"):
                missing = 60 <= back <= 75 or (source == "tiktok" and back > 72)
                heat = 6 * math.exp(-back / 6) if source != "trades" or back < 2 else 0.0
                volume = max(0.0, noise.gauss(0.5, 0.6) + heat) if source != "trades" else heat
                points.append(TimelinePoint(hour, source, None if missing else volume, 0 if missing else round(volume)))
        return tuple(points)

    def _receipts(self, number: int) -> list[Receipt]:
        name = self.names[number - 1][0]
        texts = (
            (
                "reddit",
                "r/popculturechat",
                f"{name} walks off set mid-scene and nobody will say why, according to three people there",
                22_100.0,
            ),
            ("trends", "US", name.lower(), 50_000.0),
            ("tiktok", "hashtag", f"#{name.replace(' ', '').lower()}", 1_300_000.0),
            ("reddit", "r/movies", f"What we know about {name} so far", 840.0),
            ("trades", "The Invented Reporter", f"{name}: a source confirms talks", None),
        )
        found = []
        for place in range(34):
            source, feed, title, engagement = texts[place % len(texts)]
            at = self.now - timedelta(minutes=24 + 37 * place)
            url = f"https://example.com/{source}/{number}/{place}" if place % 11 != 10 else None
            found.append(Receipt(source, feed, f"{source}-{place}", title, url, at, at, engagement, -0.3))
        return found

    def _sources(self, step: int) -> tuple[SourceHealth, ...]:
        now = self._at(step)
        return (
            SourceHealth(
                "reddit",
                "live",
                "Reddit: live. 212 posts in the last poll.",
                now - timedelta(seconds=40),
                now,
                now + timedelta(seconds=20),
            ),
            SourceHealth(
                "trends", "live", "Trends: live.", now - timedelta(minutes=6), now, now + timedelta(minutes=4)
            ),
            SourceHealth(
                "tiktok",
                "throttled",
                "TikTok: throttled until 14:40 UTC. Showing hashtags up to 14:21 UTC.",
                now - timedelta(minutes=11),
                now,
                None,
                now + timedelta(minutes=8),
            ),
            SourceHealth(
                "trades", "live", "Trades: live, 6 feeds.", now - timedelta(minutes=9), now, now + timedelta(minutes=1)
            ),
        )
