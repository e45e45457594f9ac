"""The map's columns: an hour each, or six where a week would be too narrow to read. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from heatmap_app.pages.words import Times

HOURLY_UP_TO = 48
"""More hours than this are grouped."""
GROUP_HOURS = 6


@dataclass(frozen=True, slots=True)
class Column:
    """``hours`` are UTC starts of clock hours, oldest first; ``start`` is the first of them."""

    start: datetime
    hours: tuple[datetime, ...]


def columns(hours: Sequence[datetime], times: Times) -> tuple[Column, ...]:
    """``hours`` as columns, oldest first. Groups begin at 0, 6, 12 and 18 o'clock on the reader's clock, so that a day is
    four columns; the first and the last may hold fewer hours, and one at a change of the clock five or seven."""
    if len(hours) <= HOURLY_UP_TO:
        return tuple(Column(hour, (hour,)) for hour in hours)

    def quarter(hour: datetime) -> tuple[object, int]:
        local = times.local(hour)
        return local.date(), local.hour // GROUP_HOURS

    groups = (tuple(group) for _, group in groupby(hours, key=quarter))
    return tuple(Column(group[0], group) for group in groups)


def column_of(shown: Sequence[Column], hour: datetime | None) -> int | None:
    """The place of the column that holds ``hour``."""
    return next((place for place, column in enumerate(shown) if hour in column.hours), None)
