"""Stage one of a backtest: a recording read day by day into numbers, its texts matched in bulk.

What depends on the gates, the method or a threshold is left to stage two; so is every name that discovery may bring.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import polars as pl

from pipelines.affect import make_names, make_sentiment
from pipelines.backtest.fetches import fetched
from pipelines.backtest.model import Progress
from pipelines.backtest.prepared import CAST, TICKS, Prepared, basis_of
from pipelines.backtest.reading import Reader
from pipelines.backtest.texts import Texts
from pipelines.errors import InputError
from pipelines.model import ALIASES, ITEMS, PLATFORMS, SOURCES, conform
from pipelines.normalize.catalogue import for_store, read_catalogue
from pipelines.recording import POLLS
from pipelines.refresh import look_back
from pipelines.replay import between, thin
from pipelines.score_model import Scoring
from pipelines.settings import CONFIG_DIR, Settings
from pipelines.store.catalogue import unused

DAY = timedelta(days=1)
MICROSECOND = timedelta(microseconds=1)


class Polls(Protocol):
    """What a backtest reads. A :class:`pipelines.replay.Recording` is one, and so is a ``DemoWorld``."""

    @property
    def sources(self) -> tuple[str, ...]:
        """The sources it holds."""
        ...

    def polls(self, source: str, after: datetime | None, until: datetime) -> pl.DataFrame:
        """The polls of ``source`` with ``after < poll_at <= until`` (:data:`~pipelines.recording.POLLS`), in order."""
        ...

    def items(self, source: str, after: datetime | None, until: datetime) -> pl.DataFrame:
        """The rows of those polls (:data:`~pipelines.model.ITEMS`), in order."""
        ...


class FramePolls:
    """Frames as :class:`Polls`: ``items`` (:data:`ITEMS`), and ``polls`` (:data:`POLLS`; by default each distinct poll
    time and source of the items, all successful)."""

    def __init__(self, items: pl.DataFrame, polls: pl.DataFrame | None = None) -> None:
        rows = conform(items, ITEMS).sort("poll_at", "source", maintain_order=True)
        if polls is None:
            polls = rows.select("poll_at", "source", outcome=pl.lit("ok"))
        known = conform(polls, POLLS).unique(["poll_at", "source"], keep="last", maintain_order=True)
        known = known.sort("poll_at", "source")
        present = set(known["source"].unique())
        self.sources = tuple(name for name in SOURCES if name in present)
        self.end: datetime | None = known["poll_at"][-1] if known.height else None
        self._items = {name: rows.filter(pl.col("source") == name) for name in self.sources}
        self._polls = {name: known.filter(pl.col("source") == name) for name in self.sources}

    def polls(self, source: str, after: datetime | None, until: datetime) -> pl.DataFrame:
        """See :class:`Polls`."""
        return between(self._polls[source], after, until)

    def items(self, source: str, after: datetime | None, until: datetime) -> pl.DataFrame:
        """See :class:`Polls`."""
        return between(self._items[source], after, until)


def prepare(
    polls: Polls, settings: Settings, *, start: datetime | None = None, end: datetime | None = None,
    catalogue: Path | None = None, name: str = "", progress: Progress | None = None,
) -> Prepared:  # fmt: skip
    """Read and match a recording for :func:`evaluate`, with what a scoring poll reads before ``start`` (15 days; ``nb``
    more) as warm-up.

    ``start`` and ``end`` (UTC, both included) default to its first and last poll and never lie outside them, which a note
    says; ``catalogue`` to the shipped one.
    Raises :class:`InputError` where the recording holds no poll in the span or no platform at all.
    """
    told = progress or (lambda _part, _what: None)
    back = look_back(Scoring.from_settings(settings), settings)
    known = _all_polls(polls, start, end, back)
    first, last = start or known["poll_at"][0], end or known["poll_at"][-1]
    known = between(known, first - back - MICROSECOND, last)
    if between(known, first - MICROSECOND, last).is_empty():
        raise InputError(f"the recording has no poll between {first:%Y-%m-%d %H:%M} and {last:%Y-%m-%d %H:%M} UTC")
    first, last, notes = _within(polls, known, first, last)
    if not set(known["source"].unique()) & set(PLATFORMS):
        raise InputError(f"the recording has no platform ({', '.join(PLATFORMS)}); there is nothing to score")
    times = thin(known["poll_at"].to_list(), settings.poll.score_seconds)
    cast, aliases = load_cast(catalogue or CONFIG_DIR / "catalogue.csv")
    reader = Reader(settings, times)
    _read(polls, times, known["poll_at"][0], reader, lambda part: told(0.45 * part, "reading"))
    told(0.45, "moods and names")
    sentiment = make_sentiment(settings.affect)
    texts = Texts(reader.texts(sentiment), reader.items(), aliases, make_names(settings.affect))
    told(0.6, "matching")
    fetches, covered = fetched(known, reader.reach(), times, settings)
    owned, named, stands = texts.owned(), texts.named(), texts.stands()
    told(0.8, "names met elsewhere")
    alone = texts.alone(stands)
    told(1.0, "prepared")
    return Prepared(
        name, first, last, tuple(source for source in SOURCES if source in set(known["source"])), basis_of(settings),
        (*getattr(polls, "skipped", ()), *notes), _ticks(known, fetches, times), fetches, covered, reader.items(),
        texts.frame, reader.seen(texts.frame), reader.wordings(), reader.starts(), owned, named, stands, alone,
        cast, aliases, texts.found(),
    )  # fmt: skip


def _within(
    polls: Polls, known: pl.DataFrame, start: datetime, end: datetime
) -> tuple[datetime, datetime, tuple[str, ...]]:
    """The span cut to what was recorded, and what was cut: time that nobody watched is no time without alerts."""
    begins, ends = known["poll_at"][0], getattr(polls, "end", None) or end
    notes = []
    if start < begins:
        notes.append(f"the time before {begins:%Y-%m-%d %H:%M} UTC, where the recording begins")
    if end > ends:
        notes.append(f"the time after {ends:%Y-%m-%d %H:%M} UTC, where the recording ends")
    return max(start, begins), min(end, ends), tuple(notes)


def _all_polls(polls: Polls, start: datetime | None, end: datetime | None, back: timedelta) -> pl.DataFrame:
    after = start - back - MICROSECOND if start else None
    if not polls.sources:
        raise InputError("the recording holds no poll")
    end = end or getattr(polls, "end", None)
    if end is None:
        raise InputError("a source of polls without an end needs one: give `end`")
    frames = [polls.polls(source, after, end) for source in polls.sources]
    known = pl.concat([pl.DataFrame(schema=POLLS), *frames]).sort("poll_at", "source")
    if known.is_empty():
        raise InputError("the recording has no poll in that span")
    return known


def _read(
    polls: Polls, times: Sequence[datetime], first: datetime, reader: Reader, told: Callable[[float], None]
) -> None:
    """Hand the rows over day by day, so that no more than one day of texts is in memory at once."""
    begin = after = first - MICROSECOND
    for until in stretches(times, after):
        rows = [conform(polls.items(source, after, until), ITEMS) for source in polls.sources]
        reader.take(pl.concat([pl.DataFrame(schema=ITEMS), *rows]))
        after = until
        told((after - begin) / (times[-1] - begin))


def stretches(times: Sequence[datetime], after: datetime) -> Iterator[datetime]:
    """The ends of stretches of whole ticks, about a day each."""
    end = after + DAY
    for at, following in pairwise([*times, None]):
        assert at is not None  # noqa: S101 - only the last is
        if following is None or following > end:
            yield at
            end = at + DAY


def _ticks(known: pl.DataFrame, fetches: pl.DataFrame, times: Sequence[datetime]) -> pl.DataFrame:
    ticks = pl.DataFrame({"at": times}, schema={"at": TICKS["at"]}).with_row_index("tick").cast({"tick": pl.Int32})
    mine = fetches.filter(pl.col("source").is_in(PLATFORMS))
    good = mine.filter("successful").select("tick").unique().with_columns(counted=pl.lit(value=True))
    asked = mine.group_by("tick").agg(platforms_at=pl.col("at").max())
    joined = ticks.join(good, on="tick", how="left", maintain_order="left").join(asked, on="tick", how="left",
                                                                                  maintain_order="left")  # fmt: skip
    return joined.select("at", pl.col("counted").fill_null(value=False), "platforms_at")


def load_cast(path: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A catalogue as numbered entities (:data:`CAST`) and their names (:data:`ALIASES`), as a fresh store numbers them."""
    rows = for_store(read_catalogue(path).entities, "catalogue")
    made: dict[tuple[str, str], int] = {}
    taken: set[str] = set()
    entities: list[tuple[int, str, str, str, str]] = []
    aliases: dict[tuple[str, int], tuple[str, str, int, bool]] = {}
    for row in rows.iter_rows(named=True):
        key = (row["canonicals"][0], row["kind"])
        if key not in made:
            made[key] = len(made) + 1
            slug = unused(row["slug"], taken)
            taken.add(slug)
            entities.append((made[key], row["name"], slug, row["kind"], row["domain"]))
        for canonical, display in zip(row["canonicals"], row["aliases"], strict=True):
            aliases.setdefault((canonical, made[key]), (canonical, display, made[key], bool(row["needs_second_sign"])))
    return (
        pl.DataFrame(entities, schema=CAST, orient="row"),
        pl.DataFrame(list(aliases.values()), schema=ALIASES, orient="row").sort("canonical", "entity_id"),
    )
