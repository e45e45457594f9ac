"""What every command shares: settings, the store of the current mode, printing, a progress bar on a terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from tqdm import tqdm

from pipelines.errors import InputError
from pipelines.settings import Settings, load_settings
from pipelines.store.store import Store

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def say(text: str) -> None:
    """A line for a person, on stderr, so that results on stdout stay clean."""
    typer.echo(text, err=True)


def print_json(value: Any) -> None:
    """``value`` as JSON on stdout; times as RFC 3339 UTC."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2, default=as_text, allow_nan=False))


def as_text(value: Any) -> str:
    """JSON text of what JSON has no form for."""
    return rfc3339(value) if isinstance(value, datetime) else str(value)


def rfc3339(instant: datetime) -> str:
    """``2026-11-22T14:00:00Z``; microseconds only where there are any."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def parse_time(text: str, option: str) -> datetime:
    """An RFC 3339 time given on the command line; without a zone it is UTC. Raises :class:`InputError`."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(f"{option}: {text!r} is not a time; write it like 2026-11-22T14:00:00Z") from None
    if not 2000 < instant.year < 2100:
        raise InputError(f"{option}: {text!r} lies outside the years 2001 to 2099")
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def table(rows: Sequence[Sequence[object]], header: Sequence[str]) -> None:
    """Rows in columns as wide as they need to be, on stdout."""
    texts = [[str(value) for value in row] for row in (header, *rows)]
    widths = [max(len(row[place]) for row in texts) for place in range(len(header))]
    for row in texts:
        typer.echo("  ".join(value.ljust(width) for value, width in zip(row, widths, strict=True)).rstrip())


@contextmanager
def bar(total: int | None, unit: str, label: str) -> Iterator[tqdm[None]]:
    """A progress bar on stderr where that is a terminal, else nothing."""
    with tqdm(
        total=total, unit=unit, desc=label, file=sys.stderr, disable=not sys.stderr.isatty(), unit_scale=True
    ) as shown:
        yield shown


@contextmanager
def opened_store(settings: Settings | None = None) -> Iterator[Store]:
    """The store of the configured mode, closed at the end. Raises :class:`HeatmapError`."""
    from heatmap_app.runtime import open_database

    loaded = settings or load_settings()
    store, database = open_database(loaded, loaded.effective_mode)
    try:
        yield store
    finally:
        store.close()
        if database is not None:
            database.stop()
