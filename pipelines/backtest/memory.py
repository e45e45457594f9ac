"""What the store would hold at each tick, in arrays: items as last seen, sightings, mentions. Grows tick by tick, and knows
nothing that was not out by then."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipelines.backtest.prepared import Prepared
from pipelines.model import PLATFORMS, SOURCES, SourceKind
from pipelines.score_rows import FOREVER, HOUR, Floats, Ints, Rows, instant

TRADES = SOURCES.index("trades")


def microseconds(column: pl.Series) -> Ints:
    """A column of times as microseconds since 1970, -1 for null."""
    return column.dt.timestamp("us").fill_null(-1).to_numpy().astype(np.int64)


class Log:
    """Rows (entity, item or sighting, time) of one platform, kept in time order."""

    def __init__(self) -> None:
        self.entity, self.ref, self.at = (np.empty(0, dtype=np.int64) for _ in range(3))
        self._waiting: list[tuple[int, int, int]] = []

    def add(self, entity: int, ref: int, at: int) -> None:
        """One row."""
        self._waiting.append((entity, ref, at))

    def between(self, after: int, until: int) -> tuple[Ints, Ints, Ints]:
        """Entity, ref and time of the rows with ``after < at <= until``."""
        self._settle()
        lo, hi = np.searchsorted(self.at, [after, until], side="right")
        return self.entity[lo:hi], self.ref[lo:hi], self.at[lo:hi]

    def trim(self, before: int) -> None:
        """Forget the rows up to ``before``."""
        self._settle()
        lo = int(np.searchsorted(self.at, before, side="right"))
        self.entity, self.ref, self.at = self.entity[lo:].copy(), self.ref[lo:].copy(), self.at[lo:].copy()

    def _settle(self) -> None:
        if not self._waiting:
            return
        new = np.array(self._waiting, dtype=np.int64)
        self._waiting.clear()
        parts = ((self.entity, new[:, 0]), (self.ref, new[:, 1]), (self.at, new[:, 2]))
        entity, ref, at = (np.concatenate(pair) for pair in parts)
        if (at[1:] < at[:-1]).any():
            order = np.argsort(at, kind="stable")
            entity, ref, at = entity[order], ref[order], at[order]
        self.entity, self.ref, self.at = entity, ref, at


class Memory:
    """Items, sightings and mentions as known after the ticks that were taken in."""

    def __init__(self, prepared: Prepared) -> None:
        items, seen = prepared.items, prepared.seen
        kinds = prepared.basis["kinds"]
        self.kinds = [SourceKind(kinds[name]) for name in SOURCES]
        self.source: list[int] = items["source"].replace_strict(list(SOURCES), range(len(SOURCES))).to_list()
        self.keys: list[tuple[str, str]] = list(items.select("source", "item_id").iter_rows())
        self.item_at = microseconds(items["at"])
        self._published: list[datetime | None] = items["published_at"].to_list()
        self._offsets = np.searchsorted(seen["tick"].to_numpy(), np.arange(prepared.ticks.height + 1))
        self._item, self._text = seen["item"].to_numpy(), seen["text"].to_numpy()
        self.seen_at, self._weight = microseconds(seen["at"]), seen["weight"].to_numpy()
        self._shown: Floats = seen["engagement"].fill_null(np.nan).to_numpy()
        self._new_mood: Floats = seen["mood"].fill_null(np.nan).to_numpy()
        self._until = np.full(seen.height, FOREVER)
        count = items.height
        self.last_seen = np.zeros(count, dtype=np.int64)
        self.weight, self.shown = np.ones(count), np.full(count, np.nan)
        self.mood = np.full(count, np.nan)
        self.text: dict[int, int] = {}
        self.sightings: dict[int, list[int]] = defaultdict(list)
        self.entities: dict[int, set[int]] = defaultdict(set)
        self.items: dict[int, list[int]] = defaultdict(list)
        self.trades: dict[int, list[tuple[datetime, datetime | None]]] = defaultdict(list)
        self.logs = [Log() for _ in PLATFORMS]

    def places(self, tick: int) -> list[tuple[int, int]]:
        """Item and wording of what the tick brought, each once."""
        part = slice(self._offsets[tick], self._offsets[tick + 1])
        return list(dict.fromkeys(zip(self._item[part].tolist(), self._text[part].tolist(), strict=True)))

    def latest_on_platform(self, tick: int) -> int | None:
        """The latest poll of a platform that brought a row."""
        part = range(self._offsets[tick], self._offsets[tick + 1])
        return max((int(self.seen_at[row]) for row in part if self.source[self._item[row]] != TRADES), default=None)

    def take(self, tick: int) -> None:
        """The items of the tick are stored."""
        for row in range(self._offsets[tick], self._offsets[tick + 1]):
            item = int(self._item[row])
            self.text[item] = int(self._text[row])
            self.last_seen[item] = max(self.last_seen[item], self.seen_at[row])
            self.weight[item], self.shown[item] = self._weight[row], self._shown[row]
            if not np.isnan(self._new_mood[row]):
                self.mood[item] = self._new_mood[row]
            if self.kinds[self.source[item]] == SourceKind.LEVEL:
                self._sighted(item, row)

    def _sighted(self, item: int, row: int) -> None:
        before = self.sightings[item]
        if before:
            self._until[before[-1]] = self.seen_at[row]
        before.append(row)
        if self.source[item] != TRADES:
            for entity in self.entities.get(item, ()):
                self.logs[self.source[item]].add(entity, row, int(self.seen_at[row]))

    def mention(self, item: int, entity: int) -> bool:
        """The item names the entity from now on; whether that is new."""
        if entity in self.entities[item]:
            return False
        self.entities[item].add(entity)
        self.items[entity].append(item)
        source = self.source[item]
        if source == TRADES:
            self.trades[entity].append((instant(int(self.item_at[item])), self._published[item]))
        elif self.kinds[source] == SourceKind.EVENT:
            self.logs[source].add(entity, item, int(self.item_at[item]))
        else:
            for row in self.sightings[item]:
                self.logs[source].add(entity, row, int(self.seen_at[row]))
        return True

    def trim(self, before: int) -> None:
        """Forget mentions up to ``before`` (microseconds): no score looks back to them."""
        for log in self.logs:
            log.trim(before)

    def active(self, now: int, hours: int) -> NDArray[np.int64]:
        """The entities that a platform mentioned in the last ``hours`` hours."""
        return np.unique(np.concatenate([log.between(now - hours * HOUR, now)[0] for log in self.logs]))

    def rows(self, wanted: Ints, now: int, hours: int, extra: Sequence[Iterable[int]] = ()) -> tuple[Rows, ...]:
        """The rows of the last ``hours`` hours of the entities ``wanted`` (ascending), coded by their place; behind them
        those of ``extra``, each a collection of items."""
        return tuple(self._rows(source, wanted, now, hours, extra) for source in range(len(PLATFORMS)))

    def _rows(self, source: int, wanted: Ints, now: int, hours: int, extra: Sequence[Iterable[int]]) -> Rows:
        after = now - hours * HOUR
        entity, ref, at = self.logs[source].between(after, now)
        code = np.searchsorted(wanted, entity)
        here = np.flatnonzero(wanted[np.minimum(code, len(wanted) - 1)] == entity) if len(wanted) else code[:0]
        code, ref, at = code[here], ref[here], at[here]
        if extra:
            more = [
                (len(wanted) + place, *found) for place, items in enumerate(extra)
                for item in items if self.source[item] == source for found in self.times(item, after, now)
            ]  # fmt: skip
            if more:
                added = np.array(more, dtype=np.int64)
                code, ref, at = (np.concatenate(pair) for pair in zip((code, ref, at), added.T, strict=True))
                order = np.argsort(at, kind="stable")
                code, ref, at = code[order], ref[order], at[order]
        if self.kinds[source] == SourceKind.LEVEL:
            return Rows(SourceKind.LEVEL, code, at, self._until[ref], self._weight[ref], self.mood[self._item[ref]])
        until = np.full(len(at), FOREVER)
        return Rows(SourceKind.EVENT, code, at, until, self.weight[ref], self.mood[ref])

    def times(self, item: int, after: int, until: int) -> list[tuple[int, int]]:
        """(ref, time) of an item's rows with ``after < at <= until``: itself, or its sightings."""
        if self.kinds[self.source[item]] == SourceKind.EVENT:
            at = int(self.item_at[item])
            return [(item, at)] if after < at <= until else []
        found = []
        for row in reversed(self.sightings[item]):
            at = int(self.seen_at[row])
            if at <= after:
                break
            if at <= until:
                found.append((row, at))
        return found[::-1]

    def weight_of(self, item: int, ref: int) -> float:
        """What a row of an item weighs, as known now."""
        level = self.kinds[self.source[item]] == SourceKind.LEVEL
        return float(self._weight[ref] if level else self.weight[item])

    def figures(self, item: int, ref: int) -> tuple[float, float | None]:
        """Engagement of an item (at a sighting, for a level source), and its mood; NaN where there is none."""
        level = self.kinds[self.source[item]] == SourceKind.LEVEL
        return float(self._shown[ref] if level else self.shown[item]), float(self.mood[item])
