"""What each source delivered before each tick, and which hours that covers: as a replay and the store make of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

import polars as pl

from pipelines.backtest.prepared import COVERED, FETCHES
from pipelines.model import UTC_TIME, Outcome, SourceKind
from pipelines.replay import covered_back
from pipelines.settings import Settings

HOUR = timedelta(hours=1)

Poll = tuple[datetime, str, datetime | None, bool]
"""When, what came of it, how far back it reaches (None: not known), and whether it had rows that can be stored."""


def fetched(
    polls: pl.DataFrame, reach: pl.DataFrame, times: Sequence[datetime], settings: Settings
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """:data:`FETCHES` and :data:`COVERED` from the polls and how far back their rows go (``reading.POLLED``)."""
    ticks = pl.Series(times, dtype=UTC_TIME)
    joined = polls.join(reach, on=["poll_at", "source"], how="left", maintain_order="left").with_columns(
        pl.coalesce("covered_from", "oldest").alias("reach"), pl.col("usable").fill_null(value=False),
        pl.Series("tick", ticks.search_sorted(polls["poll_at"], side="left")).cast(pl.Int32),
    )  # fmt: skip
    fetches: list[tuple[int, str, bool, datetime]] = []
    covered: dict[tuple[str, datetime], int] = {}
    groups: dict[tuple[int, str], list[Poll]] = defaultdict(list)
    for tick, source, *poll in joined.select("tick", "source", "poll_at", "outcome", "reach", "usable").iter_rows():
        groups[tick, source].append((poll[0], poll[1], poll[2], poll[3]))
    for (tick, source), group in groups.items():
        outcome = _outcome([Outcome(poll[1]) for poll in group])
        if outcome is Outcome.SKIPPED:
            continue
        with_rows = [poll[0] for poll in group if poll[3]]
        at = group[-1][0] if outcome is Outcome.CACHE_HIT or not with_rows else with_rows[-1]
        fetches.append((tick, source, outcome.successful, at))
        event = getattr(settings, source).kind == SourceKind.EVENT
        if outcome.successful:
            for hour in _hours(group, with_rows, outcome, event=event):
                covered.setdefault((source, hour), tick)
    hours = [(tick, source, hour) for (source, hour), tick in covered.items()]
    return (
        pl.DataFrame(fetches, schema=FETCHES, orient="row"),
        pl.DataFrame(hours, schema=COVERED, orient="row").sort("tick", "source", "hour"),
    )


def _outcome(outcomes: Sequence[Outcome]) -> Outcome:
    """Several polls as one fetch: good where an earlier one was, else as the last."""
    return Outcome.OK if any(one.successful for one in outcomes[:-1]) else outcomes[-1]


def _hours(group: Sequence[Poll], with_rows: Iterable[datetime], outcome: Outcome, *, event: bool) -> set[datetime]:
    """The clock hours that a good fetch looked at."""
    hours = {_hour(at) for at in with_rows}
    if outcome is Outcome.CACHE_HIT:
        return hours
    at = group[-1][0]
    back = covered_back([(poll_at, reach) for poll_at, _, reach, _ in group]) if event else None
    if not hours or back is not None:
        first = _hour(back or at)
        hours |= {first + n * HOUR for n in range((at - first) // HOUR + 1)}
    return hours


def _hour(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
