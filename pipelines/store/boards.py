"""What a board or an entity page asks of the scores: rows of one poll, positions, hours, first times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text

from pipelines.naming_past import NamesThen
from pipelines.store.base import Part, merged_map
from pipelines.store.bulk import json_dump

ORDERS = {
    "heat": "s.heat",
    "velocity": "s.velocity_z",
    "spread": "s.spread_count",
    "affect": "s.affect",
}
"""What a board may be sorted by; ties go by rank."""

LIVE = "AND {0}.merged_into IS NULL AND NOT {0}.muted"
"""Names that stand on boards today. A poll scores no others, so that one looked back at needs no such condition."""
FROM_BOARD = """FROM score s JOIN entity e ON e.id = s.entity_id {live}
    WHERE s.poll_id = :poll AND s.heat IS NOT NULL"""
FILTERED = """ AND (CAST(:velocity AS float8) IS NULL OR s.velocity_z >= :velocity)
    AND (CAST(:spread AS int) IS NULL OR s.spread_count >= :spread)
    AND (CAST(:domains AS text[]) IS NULL
        OR coalesce(CAST(:domains_then AS jsonb) ->> CAST(e.id AS text), e.domain) = ANY(:domains))
    AND (CAST(:platforms AS text[]) IS NULL OR EXISTS (SELECT FROM jsonb_each(s.platforms) AS seen
        WHERE seen.key = ANY(:platforms) AND CAST(seen.value ->> 'mentions' AS float8) > 0))
    AND (CAST(:only AS bigint[]) IS NULL OR s.entity_id = ANY(:only))"""
ROW = """s.entity_id, s.velocity_z, s.spread_count, s.affect, s.raw, s.heat, s.peak_at, s.hours_since_peak,
    s.confidence, s.passes, s.persistence, s.eligible, s.parts, s.platforms,
    e.slug, e.name, e.kind, e.domain, e.created_at, e.muted, e.merged_into"""
PLACE = """SELECT count(*) FROM score b JOIN entity o ON o.id = b.entity_id {live}
    WHERE b.poll_id = :poll AND b.heat IS NOT NULL AND b.rank <= s.rank"""
FIRST_PASSES = """SELECT s.entity_id, min(p.at) AS at FROM score s JOIN score_poll p ON p.id = s.poll_id
    WHERE s.entity_id = ANY(:ids) AND s.passes AND p.at > :since AND p.at <= :until GROUP BY 1"""
NAMES_OF = """SELECT entity_id, display, canonical, entity_id FROM alias WHERE entity_id = ANY(:ids) ORDER BY display"""
TRADE_TIMES = """SELECT entity_id, at FROM mention
    WHERE entity_id = ANY(:ids) AND source = 'trades' AND at > :since AND at <= :until ORDER BY at"""
TRADE_STORIES = """SELECT m.entity_id, m.at, i.published_at IS NOT NULL FROM mention m
    LEFT JOIN item i ON i.source = m.source AND i.item_id = m.item_id
    WHERE m.entity_id = ANY(:ids) AND m.source = 'trades' AND m.at >= :since AND m.at <= :until ORDER BY m.at"""


@dataclass(frozen=True, slots=True)
class BoardQuery:
    """Which rows of a scoring poll, in which order. None means no filter."""

    sort: str = "heat"
    limit: int = 20
    min_velocity: float | None = None
    min_spread: int | None = None
    domains: tuple[str, ...] | None = None
    platforms: tuple[str, ...] | None = None
    """Names mentioned on any of these."""
    only: frozenset[int] | None = None
    """No other entities than these: the watched ones."""
    as_then: bool = False
    """Names that were muted or merged since the poll are on its board, as they were."""
    domains_then: Mapping[int, str] | None = None
    """The domains that entities had then, where they have another today."""

    def values(self, poll_id: int) -> dict[str, Any]:
        """The parameters of the board's SQL."""
        domains = None if self.domains is None else list(self.domains)
        platforms = None if self.platforms is None else list(self.platforms)
        return {
            "poll": poll_id, "velocity": self.min_velocity, "spread": self.min_spread, "domains": domains,
            "platforms": platforms, "limit": self.limit, "only": None if self.only is None else sorted(self.only),
            "domains_then": json_dump({str(key): name for key, name in (self.domains_then or {}).items()}),
        }  # fmt: skip

    @property
    def scored(self) -> str:
        """The SQL of all rows of the board, before the filters."""
        return scored_names(as_then=self.as_then)

    @property
    def order(self) -> str:
        """The SQL order; only the names in :data:`ORDERS` exist."""
        return f"{ORDERS[self.sort]} DESC NULLS LAST, s.rank"


def scored_names(*, as_then: bool) -> str:
    """The SQL of a poll's scored names that stand on boards today, or of all of them."""
    return FROM_BOARD.format(live="" if as_then else LIVE.format("e"))


class Boards(Part):
    """Reads one scoring poll as a board."""

    def board_rows(self, poll_id: int, query: BoardQuery) -> list[dict[str, Any]]:
        """The rows of a board, best first, with the entity's slug, name, kind and domain."""
        statement = text(f"SELECT {ROW} {query.scored} {FILTERED} ORDER BY {query.order} LIMIT :limit")
        with self._db.reading() as connection:
            rows = connection.execute(statement, query.values(poll_id)).mappings().all()
        return [dict(row) for row in rows]

    def board_row(self, poll_id: int, entity_id: int, *, as_then: bool = False) -> tuple[int, dict[str, Any]] | None:
        """One entity's row of a poll with its place by HEAT among all that were scored; None where it was not.
        ``as_then``: among all that were scored then, also where it or another was muted or merged since."""
        place = PLACE.format(live="" if as_then else LIVE.format("o"))
        statement = text(f"SELECT {ROW}, ({place}) AS place {scored_names(as_then=as_then)} AND s.entity_id = :id")
        with self._db.reading() as connection:
            row = connection.execute(statement, {"poll": poll_id, "id": entity_id}).mappings().first()
        return None if row is None else (int(row["place"]), dict(row))

    def board_counts(self, poll_id: int, query: BoardQuery) -> tuple[int, int]:
        """How many names were scored, and how many of them the filters let through."""
        statement = text(f"SELECT count(*), count(*) FILTER (WHERE true {FILTERED}) {query.scored}")
        with self._db.reading() as connection:
            scored, shown = connection.execute(statement, query.values(poll_id)).one()
        return int(scored), int(shown)

    def board_places(self, poll_id: int, query: BoardQuery) -> dict[int, int]:
        """Each entity's place (from 1) on a board of that poll."""
        statement = text(f"SELECT s.entity_id {query.scored} {FILTERED} ORDER BY {query.order} LIMIT :limit")
        with self._db.reading() as connection:
            ids = connection.execute(statement, query.values(poll_id)).scalars().all()
        return {entity_id: place for place, entity_id in enumerate(ids, start=1)}

    def score_hours(self, ids: Sequence[int], since: datetime, until: datetime) -> list[dict[str, Any]]:
        """Hourly scores of these entities with ``since <= hour <= until``, oldest first."""
        statement = text("""SELECT entity_id, hour, heat, velocity_z, spread_count, affect FROM score_hour
            WHERE entity_id = ANY(:ids) AND hour >= :since AND hour <= :until ORDER BY hour""")
        with self._db.reading() as connection:
            rows = connection.execute(statement, {"ids": list(ids), "since": since, "until": until}).mappings().all()
        return [dict(row) for row in rows]

    def names_of(self, ids: Sequence[int], then: NamesThen | None = None) -> dict[int, tuple[str, ...]]:
        """The display names each of these entities answers to (``then``: answered to), those of merged ones included."""
        rows = self._of_families(ids, NAMES_OF, then=then)
        if then is not None and (then.not_yet or then.gone):
            lost = ((then.root(key), row.display, row.canonical, key) for key, row in then.gone)
            rows = [*(row for row in rows if (row[3], row[2]) not in then.not_yet), *lost]
        return {entity_id: tuple(dict.fromkeys(row[1] for row in rows if row[0] == entity_id)) for entity_id in ids}

    def first_seen(self, ids: Sequence[int], then: NamesThen | None = None) -> dict[int, datetime]:
        """When each of these entities, or one merged into it (``then``: as it stood then), was first mentioned."""
        statement = "SELECT id, first_seen FROM entity WHERE id = ANY(:ids) AND first_seen IS NOT NULL"
        rows = self._of_families(ids, statement, then=then)
        return {row[0]: min(at for key, at in rows if key == row[0]) for row in rows}

    def trade_times(
        self, ids: Sequence[int], since: datetime, until: datetime, then: NamesThen | None = None
    ) -> tuple[dict[int, datetime], dict[int, list[tuple[datetime, bool]]]]:
        """For each entity the first poll in the span in which it passed the gates, and the times of its trade items,
        oldest first: each with whether it is the publisher's own, not our first sight of it."""
        span = {"since": since, "until": until}
        passes = self._of_families(ids, FIRST_PASSES, span, then)
        items = self._of_families(ids, TRADE_STORIES, span, then)
        first = {row[0]: min(at for key, at in passes if key == row[0]) for row in passes}
        return first, {entity_id: sorted((at, own) for key, at, own in items if key == entity_id) for entity_id in ids}

    def _of_families(
        self, ids: Sequence[int], statement: str, values: Mapping[str, Any] | None = None, then: NamesThen | None = None
    ) -> list[tuple[Any, ...]]:
        """Rows of ``statement`` (first column an entity, ``:ids`` the wanted ones) under the live entities ``ids``, or under
        those they stood under ``then``."""
        with self._db.reading() as connection:
            wanted = set(ids)  # on a past board a name may stand beside the one it was merged into since
            roots = merged_map(connection) if then is None else then.roots
            merged = {child: root for child, root in roots.items() if root in wanted and child not in wanted}
            rows = connection.execute(text(statement), {**(values or {}), "ids": [*ids, *merged]}).all()
        return [(merged.get(row[0], row[0]), *row[1:]) for row in rows]
