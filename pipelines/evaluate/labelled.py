"""Mention counts with marked windows in the format of the Numenta Anomaly Benchmark, and how each method finds them.

A folder holds ``windows.json`` (``{"folder/NAME.csv": [[from, to], ...]}``) and ``NAME.csv`` or ``NAME.csv.gz`` with the
columns ``timestamp,value``. A count is a volume: each mention weighs 1, and the noise unit is 1. One platform, so its z is
the velocity and there is no spread gate. Every step of the series is a scoring.

A window is found by the first alert inside it, or by one given up to the cool-down before it whose episode is still open
when it begins: the time to detection, counted from the window's begin, is then negative. Every other alert is false.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from pipelines.errors import InputError
from pipelines.score_model import Scoring
from pipelines.score_rows import Floats
from pipelines.score_velocity import Volumes, velocity_over

WINDOWS = "windows.json"
UNIT = 1.0
"""Volume of one mention: nothing is known of it but that it is one."""

HOUR = timedelta(hours=1)
Window = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Series:
    """Counts in steps of ``step``, the first of which begins at ``start`` (the file's own zone); NaN where none is given.
    ``windows`` are the marked ones, in order."""

    name: str
    start: datetime
    step: timedelta
    counts: Floats
    windows: tuple[Window, ...]

    def at(self, place: int) -> datetime:
        """When step number ``place`` is over, and can be scored."""
        return self.start + (place + 1) * self.step


def read_folder(folder: Path) -> tuple[Series, ...]:
    """Every series that ``windows.json`` names, in its order. Raises :class:`InputError` for another kind of folder."""
    marked = folder / WINDOWS
    if not marked.is_file():
        raise InputError(f"{folder}: no {WINDOWS}; wanted a folder of NAME.csv (timestamp,value) and {WINDOWS}")
    try:
        windows = json.loads(marked.read_text(encoding="utf-8"))
        named = {str(name): tuple((_time(a), _time(b)) for a, b in spans) for name, spans in windows.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise InputError(f'{marked}: wanted {{"NAME.csv": [["from", "to"], ...]}} ({error})') from None
    if not named:
        raise InputError(f"{marked}: names no series")
    return tuple(_series(folder, name, spans) for name, spans in named.items())


def _time(text: str) -> datetime:
    """Without a zone, as the counts are: one that is named is made UTC first."""
    at = datetime.fromisoformat(text)
    return at if at.tzinfo is None else at.astimezone(UTC).replace(tzinfo=None)


def _series(folder: Path, name: str, windows: tuple[Window, ...]) -> Series:
    places = [folder / name, folder / Path(name).name]
    found = [path for place in places for path in (place, place.with_name(f"{place.name}.gz")) if path.is_file()]
    if not found:
        raise InputError(f"{folder}: {WINDOWS} names {name}, but there is no such file")
    try:
        frame = pl.read_csv(found[0], columns=["timestamp", "value"], schema_overrides={"value": pl.Float64})
        times = frame["timestamp"].str.to_datetime(time_unit="us").dt.replace_time_zone(None)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(f"{found[0]}: wanted columns timestamp,value ({str(error).splitlines()[0][:120]})") from None
    values = frame["value"].to_numpy()
    at = times.dt.timestamp("us").to_numpy()
    if len(at) < 2 or not (np.diff(at) >= 0).all() or (values < 0).any():
        raise InputError(f"{found[0]}: wanted at least two rows in time order, with counts of 0 and more")
    step = int(np.median(np.diff(at)))
    if step <= 0 or 3_600_000_000 % step:
        raise InputError(f"{found[0]}: its rows are {timedelta(microseconds=step)} apart; wanted a part of an hour")
    place = np.rint((at - at[0]) / step).astype(np.int64)
    counts = np.full(place[-1] + 1, np.nan)
    counts[place] = 0.0
    np.add.at(counts, place, values)  # two rows of one step, as where clocks are set back, are both counts of it
    first = times[0]
    if not isinstance(first, datetime):
        raise InputError(f"{found[0]}: a timestamp is empty")
    label = Path(name).name.removesuffix(".csv")
    return Series(label, first, timedelta(microseconds=step), counts, tuple(sorted(windows)))


def velocity_of(series: Series, scoring: Scoring) -> Floats:
    """z at the end of every step; 0 before there is a baseline of ``min_windows`` windows.

    Steps without a count are hours in which nobody looked, in part (SCORING 2).
    """
    an_hour = HOUR // series.step
    there = np.isfinite(series.counts)
    hourly = _sums(np.where(there, series.counts, 0.0), an_hour)
    polled = _sums(there.astype(np.float64), an_hour) / an_hour
    z = np.zeros(len(series.counts))
    warm = scoring.window_hours * (scoring.min_windows + 1)
    for offset in range(min(an_hour, len(hourly))):
        rows = slice(offset, None, an_hour)
        scored = _hours(hourly[rows], polled[rows], scoring)
        places = np.arange(len(hourly))[rows] + an_hour - 1
        late = places >= warm * an_hour - 1
        z[places[late]] = scored[late]
    return z


def _sums(values: Floats, count: int) -> Floats:
    """Sums of ``count`` neighbours."""
    if len(values) < count:
        return np.zeros(0)
    return np.lib.stride_tricks.sliding_window_view(values, count).sum(axis=1)


def _hours(volume: Floats, polled: Floats, scoring: Scoring) -> Floats:
    """z at the end of each hour of one series; the hours before it are as if nobody had looked."""
    before = scoring.reach_hours - 1
    grid = np.concatenate([np.zeros(before), volume])[:, None]
    seen = np.concatenate([np.zeros(before), polled])
    length, times = scoring.window_hours, len(volume)
    total = np.concatenate([[0.0], np.cumsum(seen)])
    factor = np.zeros((times, len(scoring.window_ends)))
    for k, end in enumerate(scoring.window_ends):
        stop = np.arange(times) + len(seen) - times + 1 - end
        part = (total[stop] - total[stop - length]) / length
        factor[:, k] = np.where(part >= scoring.min_coverage, 1.0 / np.maximum(part, 1e-9), 0.0)
    return velocity_over(Volumes(grid, times), factor, UNIT, scoring).z[:, 0]
