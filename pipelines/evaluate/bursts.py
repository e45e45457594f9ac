"""Synthetic bursts of known size, shape and platform order, as mentions to lay over a recording. Seeded, pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import permutations

import numpy as np
import polars as pl

from pipelines.model import MENTIONS, SourceKind
from pipelines.score_rows import Floats

SHAPES: Mapping[str, Floats] = {
    "pulse": np.full(2, 0.5),
    "step": np.full(12, 1 / 12),
    "ramp": np.arange(1.0, 13.0) / 78.0,
    "slow": np.full(36, 1 / 36),
}
"""Part of a burst's mentions in each hour from its onset: all within 2 h; even over 12 h; growing over 12 h; over 36 h."""

EXTRA_HOURS = 12
"""A burst is found by an alert from its onset to so many hours after its end on the first platform."""

MAX_LAG_HOURS = 3.0
SCHEMA = pl.Schema({**MENTIONS, "entity": pl.Int64()})


@dataclass(frozen=True, slots=True)
class Burst:
    """``size`` mentions to be expected on each platform of ``order``, one ``lag_hours`` after the other, from ``onset`` on
    (UTC). ``entity`` is its number; ``host`` the name whose recorded mentions it has besides (None: a new name)."""

    entity: int
    host: int | None
    onset: datetime
    size: float
    shape: str
    order: tuple[str, ...]
    lag_hours: float

    @property
    def until(self) -> datetime:
        """The last moment at which an alert finds it."""
        return self.onset + timedelta(hours=len(SHAPES[self.shape]) + EXTRA_HOURS)


def draw(
    rng: np.random.Generator,
    span: tuple[datetime, datetime],
    platforms: Sequence[str],
    sizes: Sequence[float],
    each: int,
    hosts: Mapping[int, Sequence[int]],
    first_entity: int,
) -> list[Burst]:
    """``each`` bursts of every size and shape with onsets in ``span``, every order of platforms alike; every other one
    over a name of ``hosts`` (hour of the span: names that are not in an episode of their own then), the rest new."""
    orders = list(permutations(platforms))
    longest = max(len(shape) for shape in SHAPES.values()) + EXTRA_HOURS
    hours = max(int((span[1] - span[0]) / timedelta(hours=1)) - longest, 1)
    found: list[Burst] = []
    for size in sizes:
        for shape in SHAPES:
            for _ in range(each):
                hour = int(rng.integers(hours))
                possible = hosts.get(hour, [])
                old = len(found) % 2 == 0 and len(possible) > 0
                found.append(
                    Burst(
                        first_entity + len(found),
                        int(possible[int(rng.integers(len(possible)))]) if old else None,
                        span[0] + timedelta(hours=hour),
                        size,
                        shape,
                        orders[int(rng.integers(len(orders)))],
                        float(rng.uniform(0.0, MAX_LAG_HOURS)),
                    )
                )
    return found


def rows_of(
    burst: Burst, rng: np.random.Generator, kinds: Mapping[str, SourceKind], units: Mapping[str, float]
) -> list[tuple[object, ...]]:
    """The burst's own mentions (columns of MENTIONS): a Poisson number in each hour on an event source; on a list, seen in
    an hour with the chance that such a number is not 0. Each weighs about an ordinary mention."""
    rows: list[tuple[object, ...]] = []
    for place, source in enumerate(burst.order):
        begin = burst.onset + timedelta(hours=place * burst.lag_hours)
        for hour, count in enumerate(rng.poisson(burst.size * SHAPES[burst.shape])):
            level = kinds[source] == SourceKind.LEVEL
            for number in range(min(int(count), 1) if level else int(count)):
                at = begin + timedelta(hours=hour + float(rng.uniform(0.001, 0.999)))
                item = f"burst-{burst.entity}-{source}" + ("" if level else f"-{hour}-{number}")
                weight = max(units[source] + float(rng.normal(0.0, 0.3)), 1.01)
                shown = 10.0 ** (weight - 1.0)
                engagement = 10.0 * shown - 10.0 if level else shown - 1.0
                rows.append((burst.entity, source, item, at, max(engagement, 0.0), None, None, None))
    return rows


def laid_over(
    mentions: pl.DataFrame,
    bursts: Sequence[Burst],
    rng: np.random.Generator,
    kinds: Mapping[str, SourceKind],
    units: Mapping[str, float],
) -> pl.DataFrame:
    """The mentions of every burst and of its host, as a name of its own."""
    own = [row for burst in bursts for row in rows_of(burst, rng, kinds, units)]
    injected = pl.DataFrame(own, schema=list(MENTIONS), orient="row").cast(SCHEMA) if own else None
    pairs = [(burst.host, burst.entity) for burst in bursts if burst.host is not None]
    hosts = pl.DataFrame(pairs, schema={"entity": pl.Int64, "copy": pl.Int64}, orient="row")
    copied = mentions.join(hosts, on="entity").with_columns(entity=pl.col("copy")).select(list(MENTIONS))
    parts = [copied.cast(SCHEMA), *([] if injected is None else [injected])]
    return pl.concat(parts).sort("at", maintain_order=True)
