"""A recording read and matched once, as frames of numbers: what every evaluation of it starts from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from pipelines.errors import InputError
from pipelines.model import ALIASES, UTC_TIME, SourceKind
from pipelines.settings import Settings

VERSION = 1

TICKS = pl.Schema({"at": UTC_TIME, "counted": pl.Boolean(), "platforms_at": UTC_TIME})
"""One row per scoring poll: ``counted`` (a platform delivered since the one before), and the latest poll of a platform
since then (null: none)."""

FETCHES = pl.Schema({"tick": pl.Int32(), "source": pl.String(), "successful": pl.Boolean(), "at": UTC_TIME})
"""What each source gave before a tick; ``at``: its latest poll then."""

COVERED = pl.Schema({"tick": pl.Int32(), "source": pl.String(), "hour": UTC_TIME})
"""Hours in which a source was looked at, with the first tick that knows it."""

ITEMS_SEEN = pl.Schema(
    {
        "source": pl.String(), "item_id": pl.String(), "at": UTC_TIME, "published_at": UTC_TIME, "feed": pl.String(),
        "url": pl.String(),
    }
)  # fmt: skip
"""Row ``i`` is item ``i``. ``at``: its published time, else when it was first seen (SCORING 1)."""

TEXTS_SEEN = pl.Schema(
    {
        "item": pl.Int32(),
        "title": pl.String(),
        "names": pl.List(pl.String()),
        "mood": pl.Float64(),
        "context": pl.String(),
    }
)
"""Row ``i`` is text ``i``: one wording of an item. ``mood`` is null where it has none."""

SEEN = pl.Schema(
    {
        "tick": pl.Int32(), "item": pl.Int32(), "text": pl.Int32(), "at": UTC_TIME, "weight": pl.Float64(),
        "engagement": pl.Float64(), "mood": pl.Float64(), "level": pl.Boolean(),
    }
)  # fmt: skip
"""What each tick brought, in time order: for an event source one row an item as it was last seen, for a level source one
row a sighting. ``mood`` is null where the rows since the tick before gave none."""

WORDINGS = pl.Schema({"tick": pl.Int32(), "item": pl.Int32(), "text": pl.Int32()})
"""Wordings beside the last one, where an item had several since the tick before."""

STARTS = pl.Schema({"item": pl.Int32(), "at": UTC_TIME})
"""When Google says that a trend began; one row for each time it said so."""

OWNED = pl.Schema({"text": pl.Int32(), "entity": pl.Int64()})
"""Known names of the catalogue in each text."""

NAMED = pl.Schema({"text": pl.Int32(), "canonical": pl.String(), "name": pl.String(), "via": pl.String()})
"""Names nobody of the catalogue owns, in each text, in the order they were found."""

STANDS = pl.Schema({"text": pl.Int32(), "canonical": pl.String(), "joined": pl.Boolean()})
"""Which of all those names may stand in which texts; ``joined``: as a name in one word that the text has in several."""

ALONE = pl.Schema({"text": pl.Int32(), "canonical": pl.String(), "name": pl.String(), "via": pl.String()})
"""What comes of looking for one such name, shown as ``name``, in one text, with the catalogue known; ``via`` is null where
it is not met. A short cut: a pair that is not here is looked for when it comes up."""

CAST = pl.Schema(
    {"entity": pl.Int64(), "name": pl.String(), "slug": pl.String(), "kind": pl.String(), "domain": pl.String()}
)
"""The catalogue's entities, numbered."""

FOUND = pl.Schema({"title": pl.String(), "names": pl.List(pl.String())})
"""What the names model found in each title; empty without a model."""

_SCHEMAS: Mapping[str, pl.Schema] = {
    "ticks": TICKS, "fetches": FETCHES, "covered": COVERED, "items": ITEMS_SEEN, "texts": TEXTS_SEEN, "seen": SEEN,
    "wordings": WORDINGS, "starts": STARTS, "owned": OWNED, "named": NAMED, "stands": STANDS, "alone": ALONE, "cast": CAST,
    "aliases": ALIASES, "found": FOUND,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Prepared:
    """See the schemas above for the frames. ``start`` and ``end``: the span whose polls count (UTC); ticks before ``start``
    are the warm-up. ``basis``: the settings it was made with, as :func:`basis_of` gives them."""

    recording: str
    start: datetime
    end: datetime
    sources: tuple[str, ...]
    basis: Mapping[str, Any]
    notes: tuple[str, ...]
    ticks: pl.DataFrame
    fetches: pl.DataFrame
    covered: pl.DataFrame
    items: pl.DataFrame
    texts: pl.DataFrame
    seen: pl.DataFrame
    wordings: pl.DataFrame
    starts: pl.DataFrame
    owned: pl.DataFrame
    named: pl.DataFrame
    stands: pl.DataFrame
    alone: pl.DataFrame
    cast: pl.DataFrame
    aliases: pl.DataFrame
    found: pl.DataFrame

    def save(self, folder: Path) -> None:
        """Write it to ``folder`` (made where it is missing): one Parquet file a frame, and ``prepared.json``."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in _SCHEMAS:
            getattr(self, name).write_parquet(folder / f"{name}.parquet")
        told = {
            "version": VERSION, "recording": self.recording, "start": self.start.isoformat(),
            "end": self.end.isoformat(), "sources": list(self.sources), "basis": dict(self.basis),
            "notes": list(self.notes),
        }  # fmt: skip
        (folder / "prepared.json").write_text(json.dumps(told), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Prepared:
        """What :meth:`save` wrote. Raises :class:`InputError` where that is not there, or of another version."""
        try:
            told = json.loads((folder / "prepared.json").read_text(encoding="utf-8"))
            frames = {name: pl.read_parquet(folder / f"{name}.parquet") for name in _SCHEMAS}
        except (OSError, ValueError, pl.exceptions.PolarsError) as error:
            raise InputError(f"{folder}: no prepared recording here: {str(error).splitlines()[0]}") from None
        if told.pop("version", None) != VERSION:
            raise InputError(f"{folder}: prepared by another version; prepare it again")
        return cls(
            told["recording"], datetime.fromisoformat(told["start"]), datetime.fromisoformat(told["end"]),
            tuple(told["sources"]), told["basis"], tuple(told["notes"]), *frames.values(),
        )  # fmt: skip

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled by its fields."""
        return type(self), tuple(getattr(self, part.name) for part in fields(self))


def basis_of(settings: Settings) -> dict[str, Any]:
    """The settings that :func:`pipelines.backtest.prepare` depends on."""
    kinds = {name: str(SourceKind(getattr(settings, name).kind)) for name in ("reddit", "trends", "tiktok", "trades")}
    return {
        "kinds": kinds, "poll.score_seconds": settings.poll.score_seconds, "affect.model": settings.affect.model,
        "affect.ner_model": settings.affect.ner_model,
    }  # fmt: skip
