"""Discovery during a run: which unowned names may have earned an entity, and what becomes known when one has."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl

from pipelines.backtest.matching import Matching
from pipelines.backtest.memory import TRADES, Memory
from pipelines.backtest.nobodys import TRAILING, Nobodys
from pipelines.backtest.prepared import Prepared
from pipelines.discover import discover
from pipelines.model import PLATFORMS, Domain, Kind, SourceKind
from pipelines.normalize.names import slugify
from pipelines.refresh import LOOK_BACK
from pipelines.score_model import Scoring
from pipelines.score_now import Now
from pipelines.score_rows import HOUR, instant, micros
from pipelines.store.catalogue import unused
from pipelines.store.loading import CANDIDATE_MENTIONS

ALMOST = 1e-9
"""Velocities this far below the threshold are put to ``discover`` itself."""


@dataclass(frozen=True, slots=True)
class Entity:
    """Somebody known. ``since``: discovered then; None: of the catalogue."""

    id: int
    name: str
    slug: str
    kind: str
    domain: str
    since: datetime | None = None


class Discovery:
    """The names nobody owns, and the entities made of them."""

    def __init__(self, prepared: Prepared, memory: Memory, scoring: Scoring) -> None:
        self.memory = memory
        self.matching = Matching(prepared)
        self.nobodys = Nobodys(self.matching, memory.keys, prepared.alone, scoring.window_hours)
        texts = prepared.texts
        self.nobodys.know_texts(texts["item"].to_list(), (texts["title"] != "").to_list())
        self.cast = {row[0]: Entity(*row) for row in prepared.cast.iter_rows()}
        self._slugs = {entity.slug for entity in self.cast.values()}
        self._wordings: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for tick, item, text in prepared.wordings.iter_rows():
            self._wordings[tick].append((item, text))
        self._latest: dict[str, list[int]] = {}
        self._several: set[str] = set()
        self._matched: dict[int, int] = {}
        self.found = 0

    def ingest(self, tick: int) -> None:
        """Take in what the tick brought: known names in it, names nobody owns, and the items themselves."""
        memory = self.memory
        places = list(dict.fromkeys([*self._wordings.get(tick, ()), *memory.places(tick)]))
        on_platforms = [place for place in places if memory.source[place[0]] != TRADES]
        latest = memory.latest_on_platform(tick)
        found = (
            self.nobodys.find(on_platforms, latest, memory.text, memory.last_seen) if latest is not None else []
        )  # fmt: skip
        memory.take(tick)
        for item, text in places:
            version = self.matching.version.get(text, 0)
            if self._matched.get(text) != version:
                self._matched[text] = version
                for entity in self.matching.owned.get(text, ()):
                    memory.mention(item, entity)
        for canonical, item in self.nobodys.save(found, memory.last_seen):
            self._note(canonical, item)
        for item, _ in on_platforms:
            for canonical in self.nobodys.of_item.get(item, ()):
                self._note(canonical, item)

    def _note(self, canonical: str, item: int) -> None:
        """When each platform last named it."""
        source = self.memory.source[item]
        if source == TRADES:
            return
        latest = self._latest.setdefault(canonical, [0] * len(PLATFORMS))
        latest[source] = max(latest[source], self._time(item))
        self._several.add(canonical)

    def _time(self, item: int) -> int:
        memory = self.memory
        if memory.kinds[memory.source[item]] == SourceKind.EVENT:
            return int(memory.item_at[item])
        return int(memory.seen_at[memory.sightings[item][-1]])

    def wide(self, now: int, scoring: Scoring) -> dict[str, list[int]]:
        """The names that enough platforms named in the window, with their items."""
        edge, needed = now - scoring.window_hours * HOUR, scoring.discovery_platforms
        self._several = {
            name for name in self._several
            if sum(at > edge for at in self._latest[name]) >= needed
        }  # fmt: skip
        return {
            name: [item for item, row in self.nobodys.of_name[name].items() if row.last > now - TRAILING]
            for name in sorted(self._several)
        }

    def discover(
        self, wide: Mapping[str, list[int]], current: Now, first: int, coverage: pl.DataFrame, scoring: Scoring,
        now: datetime,
    ) -> bool:  # fmt: skip
        """Make entities of the names that earned it; whether there were any. Place ``first`` + i of ``current`` is the
        i-th of ``wide``."""
        # with weeks before the seven days this velocity is not discovery's own
        rest = scoring.within_a_week
        fast = (current.velocity[first:] >= scoring.discovery_velocity - ALMOST) | (
            rest.reach_hours < scoring.reach_hours
        )
        earned = [name for name, one in zip(wide, fast, strict=True) if one]
        if not earned:
            return False
        found = discover(self._frame({name: wide[name] for name in earned}, now), coverage, rest, now)
        if found.is_empty():
            return False
        self.found += found.height
        self._learn(list(found.iter_rows(named=True)), now)
        return True

    def _frame(self, names: Mapping[str, list[int]], now: datetime) -> pl.DataFrame:
        """What the store hands to discovery, for these names. Weights stand as the engagement that has them."""
        rows = []
        until = micros(now)
        for canonical, items in names.items():
            for item in items:
                kept = self.nobodys.of_name[canonical][item]
                source = self.memory.source[item]
                if source == TRADES:
                    continue
                for ref, at in self.memory.times(item, until - TRAILING, until):
                    weight = self.memory.weight_of(item, ref)
                    scale = 1.0 if self.memory.kinds[source] == SourceKind.EVENT else 10.0
                    rows.append((
                        canonical, kept.name, PLATFORMS[source], self.memory.keys[item][1], instant(at),
                        scale * (10.0 ** (weight - 1.0) - 1.0), None, None, None, kept.via,
                    ))  # fmt: skip
        return pl.DataFrame(rows, schema=CANDIDATE_MENTIONS, orient="row")

    def _learn(self, found: Iterable[Mapping[str, Any]], now: datetime) -> None:
        adopted: list[tuple[int, list[int]]] = []
        names: list[tuple[str, str, int]] = []
        for row in found:
            canonical, name = row["canonical"], " ".join(row["name"].split())
            entity = self.matching.owners.get(canonical)
            if entity is None:
                entity = max(self.cast, default=0) + 1
                slug = unused(slugify(row["name"]), self._slugs)
                self._slugs.add(slug)
                self.cast[entity] = Entity(entity, name, slug, Kind.OTHER, Domain.UNCLASSIFIED, now)
            names.append((canonical, name, entity))
            adopted.append((entity, self.nobodys.forget(canonical)))
            self._latest.pop(canonical, None)
            self._several.discard(canonical)
        rows = self.matching.learn(names)
        for entity, items in adopted:
            for item in items:
                self.memory.mention(item, entity)
        self._meet([entity for _, _, entity in names], rows, micros(now - LOOK_BACK))

    def _meet(self, entities: list[int], rows: pl.DataFrame, since: int) -> None:
        """Every stored text that names the new ones, seen lately."""
        memory = self.memory
        texts = [int(text) for text in rows["item_id"]]
        items = [self.nobodys.item_of(text) for text in texts]
        stored = [
            memory.text.get(item) == text and memory.last_seen[item] > since
            for item, text in zip(items, texts, strict=True)
        ]
        place = dict(zip(texts, items, strict=True))
        for text, entity in self.matching.matches_of(entities, rows.filter(pl.Series(stored, dtype=pl.Boolean))):
            memory.mention(place[text], entity)


def finite(value: float) -> float | None:
    """``value``, or None where it is no number."""
    return value if math.isfinite(value) else None


NOBODY = np.empty(0, dtype=np.int64)
