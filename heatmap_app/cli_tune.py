"""``heatmap tune``: many backtests of one recording, side by side, on all cores or on a Dask cluster."""

from __future__ import annotations

import json
import shlex
import sys
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from heatmap_app.cli_backtest import percent
from heatmap_app.cli_common import JsonOption, bar, parse_time, print_json, rfc3339, say, table
from pipelines.backtest import Prepared, prepare
from pipelines.backtest.running import domains_of
from pipelines.errors import InputError
from pipelines.replay import Recording
from pipelines.settings import load_settings
from pipelines.tune import ORDER, Outcome, Point, frame, grid, ordered, points
from pipelines.tune_run import knock, run_dask, run_local

COLUMNS = ("alerts/day", "false by the back-check", "median lead", ">= 2 h", "misses")


def tune(
    file: Annotated[Path, typer.Argument(help="A recording: one Parquet file, or a folder of days.")],
    axes: Annotated[
        list[str] | None, typer.Option("--grid", help="A setting and its values, like gates.min_velocity=2.0,2.5,3.0.")
    ] = None,
    start: Annotated[str | None, typer.Option("--from", help="Alerts count from here on, RFC 3339.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="And up to here.")] = None,
    domain: Annotated[
        str | None, typer.Option(help="Whose alerts: one domain, or all. Default: entertainment and unclassified.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Keep points, alerts and misses here, as Parquet and JSON.")] = None,
    as_json: JsonOption = False,
    workers: Annotated[int | None, typer.Option(min=1, max=1024, help="Processes. Default: one a core.")] = None,
    dask: Annotated[str | None, typer.Option(help="Run on the Dask cluster at this address: tcp://host:port.")] = None,
    catalogue: Annotated[Path | None, typer.Option(help="Known names, as CSV. Default: the shipped ones.")] = None,
) -> None:
    """Run a grid of settings over a recording and compare what each would have given."""
    asked = points(grid(axes or []))
    domains_of(domain)
    span = (parse_time(start, "--from") if start else None, parse_time(end, "--to") if end else None)
    if span[0] and span[1] and span[0] >= span[1]:
        raise InputError("--from must be before --to")
    settings = load_settings()
    if dask is not None:
        knock(dask)
    with bar(1000, "‰", "prepare") as shown:

        def told(part: float, what: str) -> None:
            shown.set_postfix_str(what, refresh=False)
            shown.update(max(round(part * 1000) - shown.n, 0))

        prepared = prepare(
            Recording(file), settings, start=span[0], end=span[1], catalogue=catalogue, name=file.name, progress=told
        )
    found = ordered(_run(prepared, asked, domain, workers, dask), settings.kpis.false_share)
    told_of = record(prepared, found, shlex.join(["heatmap", *sys.argv[1:]]))
    for note in prepared.notes:
        say(f"left out: {note}")
    if out is not None:
        keep(found, told_of, out)
        say(f"kept in {out}")
    if as_json:
        print_json(told_of)
    else:
        _show(prepared, found, settings.kpis.false_share)


def _run(
    prepared: Prepared, asked: Sequence[Point], domain: str | None, workers: int | None, dask: str | None
) -> list[Outcome]:
    with bar(len(asked), " points", "tune") as shown:

        def told(_one: Outcome) -> None:
            shown.update(1)

        if dask:
            return run_dask(prepared, asked, dask, domain, told=told)
        with tempfile.TemporaryDirectory(prefix="heatmap-tune-") as folder:
            prepared.save(Path(folder))
            return run_local(Path(folder), asked, domain, workers=workers, told=told)


def record(prepared: Prepared, found: Sequence[Outcome], command: str) -> dict[str, Any]:
    """What ``--json`` prints: the span, the rule of the order, and the points in that order."""
    rows = frame(found).to_dicts()
    return {
        "recording": prepared.recording, "from": rfc3339(prepared.start), "to": rfc3339(prepared.end),
        "ran_at": rfc3339(datetime.now(UTC)), "command": command, "order": ORDER,
        "points": [{**row, "settings": json.loads(row["settings"])} for row in rows],
    }  # fmt: skip


def keep(found: Sequence[Outcome], told: Mapping[str, Any], folder: Path) -> None:
    """``tune.json``, ``points.parquet``, and every point's alerts and misses with the point's number, in ``folder``.
    Raises :class:`InputError` where it cannot be written."""
    from polars import Int32, concat, lit

    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "tune.json").write_text(json.dumps(told, ensure_ascii=False, indent=1), encoding="utf-8")
        frame(found).write_parquet(folder / "points.parquet")
        for name in ("alerts", "missed"):
            parts = [getattr(one, name).select(lit(one.number, dtype=Int32).alias("point"), "*") for one in found]
            concat(parts).write_parquet(folder / f"{name}.parquet")
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error.strerror or error}") from None


def _show(prepared: Prepared, found: Sequence[Outcome], false_share: float) -> None:
    keys = list(found[0].chosen)
    table([[*(one.chosen[key] for key in keys), *_cells(one)] for one in found], (*keys, *COLUMNS))
    typer.echo("")
    typer.echo(
        f"{prepared.recording}: {prepared.start:%Y-%m-%d %H:%M} to {prepared.end:%Y-%m-%d %H:%M} UTC, {len(found)} points; "
        f"target for false alerts {percent(false_share)}"
    )
    typer.echo(ORDER)
    if len(found) > 1:
        typer.echo("The first was chosen on the days it is judged by; look at it on other days too (--from, --to).")


def _cells(one: Outcome) -> tuple[str, ...]:
    false, lead = one.false, one.lead
    rate = "-" if not false.n else (
        f"{percent(false.value)} ({percent(false.low)} to {percent(false.high)}), {false.hits} of {false.n}"
    )  # fmt: skip
    median = "-" if lead.median is None else f"{lead.median:+.1f} h, n={lead.n}"
    return f"{one.alerts_per_day:.2f}", rate, median, percent(lead.share_2h), str(one.missed.height)
