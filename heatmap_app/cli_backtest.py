"""``heatmap backtest``: a recording through the real pipeline on a virtual clock, and what came of it."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from heatmap_app.cli_common import JsonOption, bar, parse_time, print_json, say, table
from heatmap_app.cli_evaluate import evaluate_labelled_folder
from pipelines.backtest import BacktestAlert, BacktestResult, run
from pipelines.backtest.keeping import FOLDER, keep
from pipelines.errors import InputError, SettingsError
from pipelines.model import SOURCES
from pipelines.replay import Recording
from pipelines.setting_keys import known_key, value_of
from pipelines.settings import Settings, load_settings

READ = frozenset(
    ("velocity", "methods", "affect", "heat", "confidence", "discovery", "poll", "gates", "episode", "kpis")
)  # fmt: skip
"""The sections a backtest reads as a whole; what is set ends up in the result and the report, so nothing else may be."""

READ_OF_SOURCES = frozenset(("poll_seconds", "kind", "noise_unit"))
_WHERE = re.compile(r" \(read from [^)]*\)$")


def backtest(
    file: Annotated[Path | None, typer.Argument(help="A recording: one Parquet file, or a folder of days.")] = None,
    start: Annotated[str | None, typer.Option("--from", help="Alerts count from here on, RFC 3339.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="And up to here.")] = None,
    domain: Annotated[
        str | None, typer.Option(help="Whose alerts: one domain, or all. Default: entertainment and unclassified.")
    ] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", help="A setting for this run, like gates.min_velocity=2.0.")
    ] = None,
    as_json: JsonOption = False,
    report: Annotated[Path | None, typer.Option(help="Write a report page here (one HTML file).")] = None,
    out: Annotated[Path | None, typer.Option(help="Keep the run here instead of in the data folder.")] = None,
    catalogue: Annotated[Path | None, typer.Option(help="Known names, as CSV. Default: the shipped ones.")] = None,
    labelled: Annotated[
        Path | None, typer.Option(help="Instead: counts with marked windows, every method (docs/methods.md).")
    ] = None,
) -> None:
    """Run a recording through the real pipeline: no database, no network, no Slack."""
    chosen = parse_overrides(overrides or [])
    settings = settings_with(chosen)
    if labelled is not None:
        if file is not None:
            raise InputError("backtest: a recording or --labelled, not both")
        evaluate_labelled_folder(labelled, settings, as_json=as_json)
        return
    if file is None:
        raise InputError("backtest: which recording? Give a file, or --labelled FOLDER")
    recording = Recording(file)
    span = (parse_time(start, "--from") if start else None, parse_time(end, "--to") if end else None)
    if span[0] and span[1] and span[0] >= span[1]:
        raise InputError("--from must be before --to")
    with bar(1000, "‰", "backtest") as shown:

        def told(part: float, what: str) -> None:
            shown.set_postfix_str(what, refresh=False)
            shown.update(max(round(part * 1000) - shown.n, 0))

        result = run(
            recording, settings, start=span[0], end=span[1], domain=domain, progress=told, catalogue=catalogue,
            name=file.name, overrides=flat(chosen),
        )  # fmt: skip
    ran_at, command = datetime.now(UTC), shlex.join(["heatmap", *sys.argv[1:]])
    folder = keep(result, out or settings.var_path / FOLDER, ran_at=ran_at, command=command)
    for note in result.notes:
        say(f"left out: {note}")
    if report is not None:
        from heatmap_app.backtest_report import write_report

        write_report(result, settings, report, ran_at=ran_at, command=command)
        say(f"report: {report}")
    say(f"kept in {folder}")
    if as_json:
        print_json(result.as_json())
    else:
        show(result)


def parse_overrides(given: Sequence[str]) -> dict[str, dict[str, Any]]:
    """``gates.min_velocity=2.0`` and the like as nested settings. Raises :class:`InputError` for a key that is none."""
    chosen: dict[str, dict[str, Any]] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or "." not in key:
            raise InputError(f"--set {text!r}: write it like gates.min_velocity=2.0")
        section, name = known_key("--set", key.strip())
        if section not in READ and not (section in SOURCES and name in READ_OF_SOURCES):
            raise InputError(f"--set {key.strip()}: a backtest does not read it; it would change nothing")
        chosen.setdefault(section, {})[name] = value_of(value.strip())
    return chosen


def settings_with(chosen: dict[str, Any]) -> Settings:
    """The settings with ``chosen`` on top. Raises :class:`InputError` that names the key of a wrong value."""
    try:
        return load_settings(**chosen)
    except SettingsError as error:
        text = str(error)
        if any(text.startswith(f"{key}:") for key in flat(chosen)):
            raise InputError(f"--set {_WHERE.sub('', text)}") from None
        raise


def flat(chosen: dict[str, Any]) -> dict[str, Any]:
    """``{"gates.min_velocity": 2.0}`` and the like."""
    return {f"{section}.{name}": value for section, values in chosen.items() for name, value in values.items()}


def show(result: BacktestResult) -> None:
    """The result for a person, on stdout."""
    columns = ("at", "entity", "velocity", "spread", "HEAT", "lead over the trades", "back-check")
    if result.alerts:
        table([_row(alert) for alert in result.alerts], columns)
        typer.echo("")
    for line in summary(result):
        typer.echo(line)


def _row(alert: BacktestAlert) -> list[str]:
    lead = "-" if alert.lead_hours is None else f"{alert.lead_hours:+.1f} h"
    check = "duplicate" if alert.duplicate else alert.backcheck
    return [
        f"{alert.at:%Y-%m-%d %H:%M}", alert.entity, f"{alert.velocity_z:+.1f}", f"{alert.spread_count}/3",
        f"{alert.heat:.2f}", lead, check,
    ]  # fmt: skip


def summary(result: BacktestResult) -> list[str]:
    """The figures, each with the number of cases behind it."""
    lead, false, google = result.lead, result.false_rate, result.google_lead
    span = f"{result.start:%Y-%m-%d %H:%M} to {result.end:%Y-%m-%d %H:%M} UTC"
    lines = [
        f"{result.recording}: {span}, {result.polls} scoring polls, method {result.method}",
        f"alerts: {len(result.alerts)} ({result.alerts_per_day:.2f} a day); names discovered: {result.discovered}",
    ]
    if lead.n:
        lines.append(
            f"lead over the trades: median {lead.median:+.1f} h ({lead.p25:+.1f} to {lead.p75:+.1f}), n={lead.n}; "
            f"at least 2 h {percent(lead.share_2h)}, 6 h {percent(lead.share_6h)}, "
            f"trades first {percent(lead.share_trades_first)}"
        )
    else:
        lines.append("lead over the trades: no alert was covered by them")
    if lead.decided:
        lines.append(
            f"never covered by the trades: {lead.uncovered} of {lead.decided} ({percent(lead.share_uncovered)})"
        )
    if google.n:
        lines.append(f"against Google's own start: median {google.median:+.1f} h, n={google.n}")
    if false.n:
        lines.append(
            f"false by the back-check: {false.hits} of {false.n} = {percent(false.value)} "
            f"(95%: {percent(false.low)} to {percent(false.high)})"
        )
    held = ", ".join(f"{reason} {count}" for reason, count in result.held_back.items())
    lines.append(f"held back, names x polls: {held or 'none'}")
    lines.append(
        f"misses: {result.misses.height} names the trades covered and nobody was alerted about; "
        f"{result.near_misses.height} episodes passed the gates and were held back"
    )
    return lines


def percent(value: float | None) -> str:
    """``37%``."""
    return "-" if value is None else f"{100 * value:.0f}%"
