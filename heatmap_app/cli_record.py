"""``heatmap record``: keep polling into a recording; check, merge and import recordings."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from heatmap_app.cli_common import JsonOption, bar, print_json, rfc3339, say, table
from heatmap_app.logs import configure
from pipelines.clock import SystemClock
from pipelines.errors import InputError
from pipelines.record_import import import_csv, read_map
from pipelines.record_merge import merge_recordings
from pipelines.recording_check import Checked, SourceCheck, check_recording, hour_of
from pipelines.settings import load_settings

DAYS_DRAWN = 31
"""A recording of at most so many days is drawn hour by hour; a longer one lists its gaps."""
GAPS_LISTED = 10


def record(
    files: Annotated[list[Path], typer.Argument(help="The recording; with --merge two or more; with --import a CSV.")],
    rounds: Annotated[int | None, typer.Option(help="Stop after so many rounds (default: until Ctrl-C).")] = None,
    check: Annotated[bool, typer.Option("--check", help="Report coverage, gaps, restarts and damage.")] = False,
    merge: Annotated[bool, typer.Option("--merge", help="Write several recordings as one, every poll once.")] = False,
    from_csv: Annotated[bool, typer.Option("--import", help="Make a recording of a foreign archive (CSV).")] = False,
    mapping: Annotated[Path | None, typer.Option("--map", help="Column map, see config/import_template.toml.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="The Parquet file to write.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Keep polling and append every poll's items to a recording; nothing is scored or stored elsewhere."""
    if check + merge + from_csv > 1:
        raise InputError("--check, --merge and --import: one of them")
    if merge:
        _merge(files, _target(out))
    elif from_csv:
        _import(_one(files), mapping, _target(out))
    elif check:
        _check(_one(files), as_json=as_json)
    else:
        _record(_one(files), rounds)


def _record(file: Path, rounds: int | None) -> None:
    from heatmap_app.once import record_to

    settings = load_settings()
    configure(settings)
    asyncio.run(record_to(settings, file, rounds, say))


def _one(files: list[Path]) -> Path:
    if len(files) != 1:
        raise InputError(f"one file is expected, {len(files)} were given; several go with --merge")
    return files[0]


def _target(out: Path | None) -> Path:
    if out is None:
        raise InputError("--out: say which Parquet file to write")
    if out.exists():
        raise InputError(f"--out: {out} exists; name a new file")
    return out


@contextmanager
def _progress(label: str) -> Iterator[Callable[[float], None]]:
    with bar(100, "%", label) as shown:

        def told(share: float) -> None:
            shown.update(round(share * 100) - shown.n)

        yield told


def _merge(files: list[Path], target: Path) -> None:
    try:
        with _progress("merging") as told:
            did = merge_recordings(files, target, told)
    except OSError as error:
        raise InputError(f"{target}: cannot be written ({error.strerror or error})") from None
    for line in did.skipped:
        say(f"left out: {line}")
    say(f"{target}: {did.polls} polls, {did.rows} items; {did.duplicates} polls stood in more than one recording")


def _import(file: Path, mapping: Path | None, target: Path) -> None:
    if mapping is None:
        raise InputError("--map: say which column is what; config/import_template.toml is a start")
    try:
        with _progress("importing") as told:
            did = import_csv(file, read_map(mapping), target, told)
    except OSError as error:
        raise InputError(f"{target}: cannot be written ({error.strerror or error})") from None
    for line in did.faults:
        say(f"set aside: {line}")
    say(f"{target}: {did.polls} polls, {did.rows} items; {len(did.faults)} rows set aside")


def _check(file: Path, *, as_json: bool) -> None:
    with _progress("checking") as told:
        found = check_recording(file, SystemClock().now(), told)
    if as_json:
        print_json(as_json_value(found))
        return
    rows = [_row(one) for one in found.sources]
    table(rows, ("source", "hours watched", "longest gap", "polls", "empty", "items", "last poll"))
    for line in said(found):
        typer.echo(line)


def _row(one: SourceCheck) -> tuple[object, ...]:
    share = f"{one.hours_watched} of {one.hours_of} ({one.hours_watched / one.hours_of:.1%})"
    gap = f"{one.longest_gap.hours:.1f} h" if one.longest_gap else "none"
    return one.source, share, gap, one.polls, one.empty_polls, one.items, rfc3339(one.last)


def said(found: Checked) -> Iterator[str]:
    """What a person reads below the table."""
    yield from _hours(found)
    starts = ", ".join(rfc3339(mark.at) for mark in found.restarts[-10:])
    yield f"\nRecorder starts: {len(found.restarts)}{f' (last: {starts})' if starts else ', none noted'}"
    yield f"Duplicates: {found.duplicates} items, {found.duplicate_polls} polls; each is read once"
    yield from (f"Suspicious: {line}" for line in found.suspicious)
    yield from (f"Damaged: {line}" for line in found.damaged)
    yield from (f"Unfinished: {line}" for line in found.left_over)
    if not (found.suspicious or found.damaged or found.left_over):
        yield "Nothing damaged, nothing suspicious"


def _hours(found: Checked) -> Iterator[str]:
    """Each day and source as 24 signs, one an hour (UTC); of a long recording its longest gaps."""
    if found.start is None or found.end is None:
        return
    days = (found.end.date() - found.start.date()).days + 1
    if days <= DAYS_DRAWN:
        yield f"\n{'hour (UTC)':22}0     6     12    18     # watched  . nobody looked"
        for day in range(days):
            for one in found.sources:
                yield _day(found, one, hour_of(found.start).replace(hour=0) + timedelta(days=day))
        return
    gaps = sorted(((gap, one.source) for one in found.sources for gap in one.gaps), key=lambda pair: -pair[0].hours)
    yield f"\nGaps of more than an hour: {len(gaps)}" + (", the longest:" if gaps else "")
    for gap, source in gaps[:GAPS_LISTED]:
        yield f"  {source:8}{gap.hours:7.1f} h  {rfc3339(gap.since)} to {rfc3339(gap.until)}"


def _day(found: Checked, one: SourceCheck, day: Any) -> str:
    assert found.start is not None and found.end is not None  # noqa: S101, PT018 - it has polls
    hours = [day + timedelta(hours=hour) for hour in range(24)]
    inside = [hour_of(found.start) <= hour <= found.end for hour in hours]
    signs = [
        "#" if one.polls_by_hour.get(hour) else "." if within else " "
        for hour, within in zip(hours, inside, strict=True)
    ]
    return f"{day:%Y-%m-%d}  {one.source:10}{''.join(signs)}".rstrip()


def as_json_value(found: Checked) -> dict[str, Any]:
    """The report as JSON: times RFC 3339, hours as numbers."""
    return {
        "recording": str(found.path), "from": found.start, "to": found.end,
        "sources": {
            one.source: {
                "first": one.first, "last": one.last, "hours_watched": one.hours_watched, "hours_of": one.hours_of,
                "longest_gap_hours": round(one.longest_gap.hours, 3) if one.longest_gap else 0.0,
                "gaps": [{"from": gap.since, "to": gap.until} for gap in one.gaps], "polls": one.polls,
                "empty_polls": one.empty_polls, "items": one.items, "future_items": one.future_items,
                "clock_back": one.clock_back,
                "polls_by_hour": {rfc3339(hour): count for hour, count in sorted(one.polls_by_hour.items())},
            }
            for one in found.sources
        },
        "restarts": [{"at": mark.at, "writer": mark.writer} for mark in found.restarts], "writers": found.writers,
        "duplicate_items": found.duplicates, "duplicate_polls": found.duplicate_polls,
        "suspicious": list(found.suspicious), "damaged": list(found.damaged), "unfinished": list(found.left_over),
    }  # fmt: skip
