"""Rows of an Apify dataset in our words, by the columns an :class:`Adapter` names. Pure: rows in, mapped rows out."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypedDict
from urllib.parse import quote

from pipelines.ingest.amounts import amount
from pipelines.ingest.clean import clean_text, clean_url, read_time
from pipelines.model import FeedReport, Outcome

Row = Mapping[str, Any]
Feed = Literal["hashtag", "sound", "creator", "video"]
FEEDS: tuple[Feed, ...] = ("hashtag", "sound", "creator", "video")
SAMPLE_ROWS, SAMPLE_CHARS = 3, 600
ANONYMOUS_ROWS = 3
"""What Creative Center shows a visitor who is not signed in; a list this short is not the list."""


class Mapped(TypedDict):
    """One row of an actor in our words. ``published_at`` (UTC) only where the row says it; amounts are counts."""

    item_id: str
    feed: Feed
    title: str
    names: list[str]
    url: str | None
    engagement: float | None
    rank: int | None
    published_at: datetime | None


@dataclass(frozen=True, slots=True)
class Fields:
    """Which columns of one list hold what; the first that is filled counts."""

    name: tuple[str, ...]
    engagement: tuple[str, ...] = ()
    rank: tuple[str, ...] = ("rank",)
    url: tuple[str, ...] = ("url",)
    id: tuple[str, ...] = ("id",)
    author: tuple[str, ...] = ()
    created: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Adapter:
    """How to talk to one actor: its input for (country, rows), and the columns of each list it returns.

    ``type_keys`` name the column that says which list a row is of; ``marks`` say it by a column only that list has.
    """

    build: Callable[[str, int], dict[str, Any]]
    lists: Mapping[Feed, Fields]
    type_keys: tuple[str, ...] = ("type", "trendType")
    marks: Mapping[str, Feed] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MappedRows:
    """All rows of a run, sorted out. ``unknown`` are kept as they came; ``errors`` are the actor's own error rows."""

    rows: list[Mapped]
    unknown: list[Row]
    errors: list[Row]

    @property
    def unknown_share(self) -> float:
        """Rows nobody understands among the rows that are not errors, 0 to 1."""
        total = len(self.rows) + len(self.unknown)
        return len(self.unknown) / total if total else 0.0

    def trouble(self, primary: Feed, asked: int) -> str | None:
        """Why these rows are not the lists that were asked for (``asked`` rows at most), or None when they are."""
        listed = sum(row["feed"] == primary for row in self.rows)
        if not self.rows and not self.errors:
            return "the run succeeded with an empty list"
        if not self.rows:
            return f"the run brought nothing but {len(self.errors)} error rows"
        if listed <= ANONYMOUS_ROWS < asked:
            return f"only {listed} {primary}s, as anonymous visitors see"
        return None

    def reports(self) -> tuple[FeedReport, ...]:
        """One report a list; a list as short as the anonymous one is degraded."""
        counts = Counter(row["feed"] for row in self.rows)
        return tuple(
            FeedReport(feed, Outcome.OK if counts[feed] > ANONYMOUS_ROWS else Outcome.DEGRADED, counts[feed])
            for feed in FEEDS
            if counts[feed]
        )

    @property
    def sample(self) -> str:
        """A short excerpt of what was not understood, as JSON."""
        kept = (self.unknown or self.errors)[:SAMPLE_ROWS]
        text = "\n".join(json.dumps(row, ensure_ascii=False, default=str)[:SAMPLE_CHARS] for row in kept)
        return text.encode("utf-8", "replace").decode()


def map_rows(adapter: Adapter, raw: Iterable[object]) -> MappedRows:
    """Every row of a dataset through ``adapter``. Raw pages (rows that hold ``items``) are opened first.

    A row seen twice (same item) keeps its better rank. Nothing raises: a row that does not fit is counted.
    """
    unknown: list[Row] = []
    errors: list[Row] = []
    found: dict[str, Mapped] = {}
    for row in _opened(raw):
        if not isinstance(row, Mapping):
            unknown.append({"not_a_row": str(row)[:SAMPLE_CHARS]})
        elif row.get("error") or row.get("#error"):
            errors.append(row)
        elif (mapped := map_row(adapter, row)) is None:
            unknown.append(row)
        else:
            _keep_better(found, mapped)
    return MappedRows(list(found.values()), unknown, errors)


def map_row(adapter: Adapter, row: Row) -> Mapped | None:
    """One row in our words, or None when its list or its name cannot be told."""
    feed = _feed(adapter, row)
    fields = adapter.lists.get(feed) if feed else None
    if feed is None or fields is None:
        return None
    name = _words(_first(row, fields.name))
    if not name:
        return None
    mapped = _BUILDERS[feed](row, fields, name)
    return mapped if mapped["item_id"].split(":", 1)[1] else None


def _opened(raw: Iterable[object]) -> Iterable[object]:
    for row in raw:
        pages = row.get("items") if isinstance(row, Mapping) else None
        if isinstance(pages, list):
            yield from pages
        else:
            yield row


def _keep_better(found: dict[str, Mapped], mapped: Mapped) -> None:
    before = found.get(mapped["item_id"])
    if before is None or (mapped["rank"] or 10**6) < (before["rank"] or 10**6):
        found[mapped["item_id"]] = mapped


def _feed(adapter: Adapter, row: Row) -> Feed | None:
    for key in adapter.type_keys:
        said = str(row.get(key) or "").casefold()
        for feed in FEEDS:
            if said.startswith(feed) or (feed == "sound" and said.startswith(("song", "music"))):
                return feed
    for key, feed in adapter.marks.items():
        if row.get(key) is not None:
            return feed
    return None


def _words(value: object) -> str:
    """Text, or a number that stands for a name or an id; empty for anything else."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value) if abs(value) < 10**30 else None
    return clean_text(value) or ""


def _moment(value: object) -> datetime | None:
    # milliseconds and seconds are both in use
    number = amount(value)
    return read_time(number / 1000 if number is not None and number > 1e11 else value)


def _first(row: Row, keys: Iterable[str]) -> object:
    return next((row[key] for key in keys if row.get(key) not in (None, "", [])), None)


def _amount(row: Row, keys: Iterable[str]) -> float | None:
    """The first amount above zero: actors report 0 views when they mean unknown."""
    found = [number for key in keys if (number := amount(row.get(key))) is not None]
    return next((number for number in found if number > 0), found[0] if found else None)


def _base(feed: Feed, key: str, row: Row, fields: Fields, title: str, names: list[str]) -> Mapped:
    rank = amount(_first(row, fields.rank))
    return Mapped(
        item_id=f"{feed}:{key}"[:200],
        feed=feed,
        title=title,
        names=names,
        url=clean_url(_first(row, fields.url)),
        engagement=_amount(row, fields.engagement),
        rank=int(rank) if rank is not None and 1 <= rank < 10_000 else None,
        published_at=None,
    )


def _hashtag(row: Row, fields: Fields, name: str) -> Mapped:
    tag = name.lstrip("#\uff03").strip()
    mapped = _base("hashtag", tag.casefold(), row, fields, f"#{tag}", [tag] if tag else [])
    mapped["url"] = mapped["url"] or f"https://www.tiktok.com/tag/{quote(tag, safe='')}"
    return mapped


def _sound(row: Row, fields: Fields, name: str) -> Mapped:
    author = _words(_first(row, fields.author))
    key = _words(_first(row, fields.id)) or f"{name}|{author}".casefold()
    # "original sound" is what TikTok calls every unnamed clip: its title is nobody's name
    song = [] if name.casefold().startswith(("original sound", "son original", "sonido original")) else [name]
    title = f"{name} - {author}" if author else name
    return _base("sound", key, row, fields, title, song + ([author] if author else []))


def _creator(row: Row, fields: Fields, name: str) -> Mapped:
    url = clean_url(_first(row, fields.url)) or ""
    handle = _words(_first(row, fields.id)) or (url.rsplit("/@", 1)[-1] if "/@" in url else name)
    return _base("creator", handle.split("?")[0].strip("/@").casefold(), row, fields, name, [name])


def _video(row: Row, fields: Fields, name: str) -> Mapped:
    url = clean_url(_first(row, fields.url)) or ""
    key = _words(_first(row, fields.id)) or url.split("?")[0].rstrip("/").rsplit("/", 1)[-1] or name.casefold()
    tags = [word.strip("#.,!?") for word in name.split() if word.startswith("#") and word.strip("#.,!?")]
    author = _words(_first(row, fields.author))
    mapped = _base("video", key, row, fields, name, list(dict.fromkeys([*tags, *([author] if author else [])])))
    mapped["published_at"] = _moment(_first(row, fields.created))
    return mapped


_BUILDERS: dict[Feed, Callable[[Row, Fields, str], Mapped]] = {
    "hashtag": _hashtag,
    "sound": _sound,
    "creator": _creator,
    "video": _video,
}
