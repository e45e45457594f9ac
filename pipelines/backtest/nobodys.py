"""Names nobody owns during a run: what ``Refresh`` asks of the store's candidate table, answered from memory.

The rules are the live ones (``Refresh._candidates`` and ``find_candidates_in``, which is called here); what is added is
only that a question whose answer cannot have changed is not asked again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from pipelines.backtest.matching import Matching, Named
from pipelines.normalize.candidates import CANDIDATES, find_candidates_in
from pipelines.normalize.crossing import searchable
from pipelines.score_rows import HOUR, Ints

TRAILING = 168 * HOUR
STRUCTURED = "name"
READ = "run"
"""Of a name that was only read out of headlines: it hides no structured one."""

Place = tuple[int, int]
"""Item and text."""
Found = tuple[int, str, str, str]
"""item, canonical, name, via."""


@dataclass(slots=True)
class Row:
    """One row of the candidate table: ``last`` is when its item was last seen with it (microseconds)."""

    name: str
    via: str
    last: int


class Nobodys:
    """The candidate table, and how it grows. ``keys``: source and id of each item; ``alone``: answers known beforehand
    (``prepared.ALONE``); ``window_hours``: how long a name that was met is looked for in what comes."""

    def __init__(
        self, matching: Matching, keys: Sequence[tuple[str, str]], alone: pl.DataFrame, window_hours: int
    ) -> None:
        self._matching, self._window = matching, window_hours * HOUR
        self._keys = keys
        self._item_of = {key: item for item, key in enumerate(keys)}
        self.of_item: dict[int, dict[str, Row]] = defaultdict(dict)
        self.of_name: dict[str, dict[int, Row]] = defaultdict(dict)
        self._structured: dict[str, int] = {}
        self._kept: dict[tuple[int, int, tuple[tuple[str, str], ...]], list[Named]] = {}
        for text, canonical, name, via in alone.iter_rows():
            self._kept[text, 0, ((canonical, name),)] = [(canonical, name, via)] if via else []
        self._whole: dict[tuple[object, ...], list[Found]] = {}
        self._twins = _twins(matching.standing)

    def forget(self, canonical: str) -> list[int]:
        """A name has an owner now: its items, which are no longer here."""
        rows = self.of_name.pop(canonical, {})
        self._structured.pop(canonical, None)
        for item in rows:
            self.of_item[item].pop(canonical, None)
        return list(rows)

    def save(self, found: Iterable[Found], last_seen: Ints) -> list[tuple[str, int]]:
        """Keep what was found, as of when each item was last seen; the pairs (canonical, item) that are new."""
        new = []
        for item, canonical, name, via in found:
            row, last = self.of_item[item].get(canonical), int(last_seen[item])
            if row is None:
                row = self.of_item[item][canonical] = self.of_name[canonical][item] = Row(name, via, last)
                new.append((canonical, item))
            row.last = max(row.last, last)
            if row.via == STRUCTURED:
                self._structured[canonical] = max(self._structured.get(canonical, 0), row.last)
        return new

    def find(self, places: Sequence[Place], now: int, stored: Mapping[int, int], last_seen: Ints) -> list[Found]:
        """What a batch of platform items brings: names in them, earlier names met in them, new ones met in earlier texts.

        ``now`` is the batch's latest poll; ``stored`` the wording of each stored item, ``last_seen`` when it was last
        seen, both before this batch.
        """
        fresh = [(item, *named) for item, text in places for named in self._matching.named.get(text, ())]
        known = {(item, canonical) for item, canonical, _, _ in fresh}
        batch: dict[str, list[Found]] = defaultdict(list)
        for row in fresh:
            batch[row[1]].append(row)
        edge = now - self._window

        def rows(canonical: str) -> list[Found]:
            earlier = self.of_name.get(canonical, {})
            return batch.get(canonical, []) + [
                (item, canonical, row.name, row.via) for item, row in earlier.items()
                if row.via == STRUCTURED and row.last > edge
            ]  # fmt: skip

        def active(canonical: str) -> bool:
            return canonical in batch or self._structured.get(canonical, 0) > edge

        def own(item: int, canonical: str) -> bool:
            row = self.of_item[item].get(canonical) if item in self.of_item else None
            return (item, canonical) in known or (row is not None and row.via == STRUCTURED and row.last > edge)

        here = self._find(places, active, own, rows, batch)
        there = self._there(fresh, edge, now, stored, last_seen)
        first: dict[tuple[int, str], Found] = {}
        for row in (*fresh, *here, *there):
            first.setdefault((row[0], row[1]), row)
        return list(first.values())

    def _there(
        self, fresh: Sequence[Found], edge: int, now: int, stored: Mapping[int, int], last_seen: Ints
    ) -> list[Found]:
        new: dict[str, list[Found]] = defaultdict(list)
        for row in fresh:
            if row[3] == STRUCTURED and self._structured.get(row[1], 0) <= edge:
                new[row[1]].append(row)
        if not new:
            return []
        texts = {text for canonical in new for text in self._matching.standing.get(canonical, ())}
        places = [
            (item, text) for item, text in self._of_texts(texts, stored)
            if now - TRAILING < last_seen[item] <= now and self._titled[text]
        ]  # fmt: skip
        mine = {(row[0], row[1]) for rows in new.values() for row in rows}
        return self._find(
            places, new.__contains__, lambda item, canonical: (item, canonical) in mine, lambda name: new[name], new
        )

    _titled: Sequence[bool]
    _item_of_text: Sequence[int]

    def know_texts(self, item_of_text: Sequence[int], titled: Sequence[bool]) -> None:
        """The item of each text, and whether it has words."""
        self._item_of_text, self._titled = item_of_text, titled

    def item_of(self, text: int) -> int:
        """Whose wording a text is."""
        return self._item_of_text[text]

    def _of_texts(self, texts: Iterable[int], stored: Mapping[int, int]) -> Iterable[Place]:
        for text in sorted(texts):
            item = self._item_of_text[text]
            if stored.get(item) == text:
                yield item, text

    def _find(
        self,
        places: Sequence[Place],
        active: Callable[[str], bool],
        own: Callable[[int, str], bool],
        rows: Callable[[str], list[Found]],
        batch: Iterable[str],
    ) -> list[Found]:
        """``find_candidates_in``: places where an active name may stand that is not known to stand there."""
        wanted, joined = [], []
        for item, text in places:
            names = [name for name in self._matching.stands.get(text, ()) if active(name)]
            if any((text, name) in self._matching.joined for name in names):
                joined.append((item, text, names))
            elif names and not all(own(item, name) for name in names) and not self._whole_query(text, names):
                wanted.append((item, text, names))
        found = [
            (item, *named)
            for item, names in self._find_kept(wanted, rows)
            for named in names
            if not own(item, named[0])
        ]
        if joined:
            found += self._find_whole(joined, rows)
        for one, spaced in self._twins:
            if active(one) and active(spaced):
                shown = min(row[2] for row in rows(spaced))
                found += [
                    (item, spaced, shown, via) for item, _, _, via in rows(one) if not own(item, spaced)
                ]  # fmt: skip
        return found

    def _whole_query(self, text: int, names: Sequence[str]) -> bool:
        """Whether the text is itself one active name: the longest wins, and no other of ``names`` can be met in it."""
        query = self._matching.queries.get(text)
        if query is None or query not in names:
            return False
        tight = query.replace(" ", "")
        return all(name == query or name.replace(" ", "") != tight for name in names)

    def _find_kept(
        self, wanted: Sequence[tuple[int, int, list[str]]], rows: Callable[[str], list[Found]]
    ) -> Iterable[tuple[int, list[Named]]]:
        """Text by text; the answer depends on the text, the names that may stand in it, and the known names in it."""
        shown: dict[str, str] = {}
        read: dict[str, str] = {}
        for _, _, names in wanted:
            for name in names:
                if name not in shown:
                    mine = rows(name)
                    shown[name] = min(row[2] for row in mine)
                    read[name] = STRUCTURED if any(row[3] == STRUCTURED for row in mine) else READ
        keyed = [
            (item, text, (text, self._matching.version.get(text, 0), _told(names, shown, read)))
            for item, text, names in wanted
        ]
        missing = {text: key for _, text, key in keyed if key not in self._kept}
        if missing:
            for key in missing.values():
                self._kept[key] = []
            known = pl.DataFrame(
                [("", "", name, one, read[name]) for name, one in shown.items()], schema=CANDIDATES, orient="row"
            )
            found = find_candidates_in(self._matching.rows[sorted(missing)], known, self._matching.matcher)
            for item_id, canonical, name, via in found.select("item_id", "canonical", "name", "via").iter_rows():
                self._kept[missing[int(item_id)]].append((canonical, name, via))
        return [(item, self._kept[key]) for item, _, key in keyed]

    def _find_whole(
        self, wanted: Sequence[tuple[int, int, list[str]]], rows: Callable[[str], list[Found]]
    ) -> list[Found]:
        """All at once, where names in one word stand in texts in several: then items lend each other rows."""
        names = sorted({name for _, _, names in wanted for name in names})
        known = [row for name in names for row in rows(name)]
        texts = sorted({text for _, text, _ in wanted})
        key = (tuple(texts), tuple(sorted(known)), sum(self._matching.version.get(text, 0) for text in texts))
        if key not in self._whole:
            if len(self._whole) > 500:
                self._whole.clear()
            items = self._matching.rows[texts].with_columns(
                pl.Series("item_id", [self._keys[self._item_of_text[text]][1] for text in texts], dtype=pl.String)
            )
            frame = pl.DataFrame([(*self._keys[row[0]], *row[1:]) for row in known], schema=CANDIDATES, orient="row")
            found = find_candidates_in(items, frame, self._matching.matcher)
            self._whole[key] = [(self._item_of[row[0], row[1]], *row[2:]) for row in found.iter_rows()]
        return self._whole[key]


def _told(names: Sequence[str], shown: Mapping[str, str], read: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """What the answer for a text depends on: its names as shown, marked where another could be hidden by them."""
    several = len({read[name] for name in names}) > 1
    return tuple((name, f"{shown[name]}\x1f{read[name]}" if several else shown[name]) for name in names)


def _twins(names: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs of the same name in one word and in several; only the latter must be long enough to be looked for."""
    every = pl.DataFrame({"canonical": list(names)}, schema={"canonical": pl.String})
    spaced = pl.col("canonical").str.contains(" ", literal=True)
    words = every.filter(spaced & searchable()).select(
        spaced="canonical", tight=pl.col("canonical").str.replace_all(" ", "", literal=True)
    )
    pairs = every.filter(~spaced).join(words, left_on="canonical", right_on="tight", how="inner")
    return sorted(pairs.select("canonical", "spaced").iter_rows())
