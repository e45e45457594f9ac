"""What must be in the store and in the channel at the end, kept apart from the product, and the check."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.soak.ground import Ground, owner
from tests.soak.recovery import GOOD

LEVEL = ("trends", "tiktok")
HOURLY = """WITH made AS (
    SELECT m.entity_id, m.source, date_trunc('hour', m.at) AS hour, count(*)::int AS n FROM mention m
        WHERE m.source IN ('reddit', 'trades') GROUP BY 1, 2, 3
    UNION ALL SELECT m.entity_id, m.source, date_trunc('hour', s.seen_at), count(DISTINCT s.item_id)::int
        FROM mention m JOIN sighting s USING (source, item_id) WHERE m.source IN ('trends', 'tiktok') GROUP BY 1, 2, 3)
    SELECT count(*) FROM made FULL JOIN hourly h USING (entity_id, source, hour)
        WHERE made.n IS DISTINCT FROM h.mentions"""
"""Hours whose stored count is not what a recount gives."""


@dataclass
class Rows:
    """What the check found. ``examples`` are a few of what is wrong."""

    expected: int = 0
    lost: int = 0
    doubled: int = 0
    half_polls: int = 0
    miscounted_hours: int = 0
    stored: dict[str, int] = field(default_factory=dict)
    examples: list[str] = field(default_factory=list)


@dataclass
class Alerts:
    """``stored``: alerts decided. ``false``: about nothing that happened."""

    stored: int = 0
    delivered: int = 0
    lost: int = 0
    doubled: int = 0
    false: int = 0
    examples: list[str] = field(default_factory=list)


@dataclass
class Truth:
    """``polls``: what the poller said it had taken in, by (source, time): the outcome and the items the answer carried.
    ``unsaid``: rounds whose poller was killed; these are whole in the store, or absent."""

    polls: dict[tuple[str, datetime], tuple[str, frozenset[str]]] = field(default_factory=dict)
    unsaid: dict[tuple[str, datetime], frozenset[str]] = field(default_factory=dict)
    alerts: set[str] = field(default_factory=set)
    outcomes: Counter[str] = field(default_factory=Counter)

    def heard(self, reply: Mapping[str, Any], ground: Ground) -> None:
        """A round that the poller has told of."""
        shown = datetime.fromisoformat(reply["at"])
        for result in reply["results"]:
            source = result["source"]
            carried = frozenset(ground.witness.served.pop((source, shown), ()))
            if result["outcome"] == "cache_hit":
                carried = frozenset(ground.witness.last.get(source, ()))
            key = (source, datetime.fromisoformat(result["at"]))
            self.polls[key] = (result["outcome"], carried if result["outcome"] in GOOD else frozenset())
            self.outcomes[result["outcome"]] += 1
        self.alerts |= set(reply["alerts"])

    def silenced(self, at: datetime, ground: Ground) -> None:
        """The poller was killed in the round at ``at``."""
        for source in ground.upstreams:
            if carried := ground.witness.served.pop((source, at), None):
                self.unsaid[source, at] = frozenset(carried)

    def check_rows(self, ground: Ground, schema: str) -> Rows:
        """Every item of every successful answer is there, once; every poll is there, once."""
        found = Rows()
        with owner(ground.postgres) as connection, connection.cursor() as cursor:
            cursor.execute(f"SET search_path = {schema}; SET timezone = 'UTC'")
            stored = _Stored(cursor)
            cursor.execute(HOURLY)
            found.miscounted_hours = int((cursor.fetchone() or [0])[0])
        found.stored = stored.sizes
        for (source, at), (outcome, carried) in self.polls.items():
            found.expected += 1 + len(carried) * (2 if source in LEVEL else 1)
            if stored.polls[source, at, outcome] != 1:
                found.lost += 1
                found.examples.append(f"poll {source} {at} {outcome}: {stored.polls[source, at, outcome]} rows")
            found.lost += self._missing(source, at, carried, stored, found)
        for (source, at), carried in self.unsaid.items():
            there = any(stored.polls[source, at, outcome] for outcome in GOOD)
            half = self._missing(source, at, carried, stored, found) if there else 0
            found.half_polls += bool(half)
        found.doubled = stored.doubled
        return found

    def _missing(
        self, source: str, at: datetime, carried: frozenset[str], stored: _Stored, found: Rows
    ) -> int:  # fmt: skip
        lost = [item for item in carried if (source, item) not in stored.items]
        if source in LEVEL:
            lost += [f"sighting of {item}" for item in carried if (source, item, at) not in stored.sightings]
        found.examples += [f"{source} {at} {item}" for item in lost[:3]]
        return len(lost)

    def check_alerts(self, ground: Ground, schema: str) -> Alerts:
        """Every alert in the store is in the channel, once; none is about nothing."""
        found = Alerts()
        with owner(ground.postgres) as connection, connection.cursor() as cursor:
            cursor.execute(f"SET search_path = {schema}; SET timezone = 'UTC'")
            cursor.execute("""SELECT a.dedup_key, a.at, e.name, d.state, d.message_key FROM alert a
                JOIN entity e ON e.id = a.entity_id LEFT JOIN delivery d ON d.alert_id = a.id""")
            rows = cursor.fetchall()
        sent = ground.slack.keys()
        shown = Counter(key for key in sent if f"{schema}|" in key or key.startswith("digest|"))
        keys = {row[4] for row in rows}
        for key, at, name, state, message in rows:
            found.stored += 1
            found.delivered += bool(shown[message])
            found.lost += not shown[message]
            if not ground.world.may_alert(name, at):
                found.false += 1
                found.examples.append(f"false: {name} at {at}")
            if not shown[message]:
                found.examples.append(f"lost: {key} ({state})")
        found.lost += len(self.alerts - {row[0] for row in rows})
        twice = [key for key, count in shown.items() if count > 1 or key not in keys]
        found.doubled = sum(shown[key] - (key in keys) for key in twice)
        found.examples += [f"doubled: {key}" for key in twice[:3]]
        return found


class _Stored:
    """The store's rows, read once."""

    def __init__(self, cursor: Any) -> None:
        cursor.execute("SELECT source, item_id FROM item")
        items = Counter((row[0], row[1]) for row in cursor.fetchall())
        cursor.execute("SELECT source, item_id, seen_at FROM sighting")
        sightings = Counter(tuple(row) for row in cursor.fetchall())
        cursor.execute("SELECT source, at, outcome FROM poll")
        self.polls: Counter[tuple[str, datetime, str]] = Counter(tuple(row) for row in cursor.fetchall())
        cursor.execute("SELECT source, sum(new_items) FROM poll GROUP BY 1")
        counted_new = {row[0]: int(row[1]) for row in cursor.fetchall()}
        self.items, self.sightings = set(items), set(sightings)
        times = Counter((source, at) for source, at, _ in self.polls.elements())
        per_source = Counter(source for source, _ in items)
        self.doubled = sum(n - 1 for counter in (items, sightings, times) for n in counter.values())
        # each item counts as new in exactly one poll
        self.doubled += sum(abs(counted_new.get(source, 0) - n) for source, n in per_source.items())
        self.sizes = {"items": len(items), "sightings": len(sightings), "polls": sum(times.values())}
