"""``heatmap score``: a file in, numbers out, nothing else touched."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from heatmap_app.cli_common import JsonOption, parse_time, print_json, say, table
from pipelines.score_file import score_file
from pipelines.score_model import Scoring
from pipelines.settings import load_settings


def data(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command("score")(score_command)


def score_command(
    file: Annotated[Path, typer.Argument(help="Mentions, Parquet or CSV.")],
    at: Annotated[str, typer.Option("--at", help="The time to score at, RFC 3339.")],
    method: Annotated[str | None, typer.Option(help="robust, plain, seasonal, nb, ewma, multi or weighted.")] = None,
    combine: Annotated[str | None, typer.Option(help="stouffer, max or mean.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Score a mentions file at one time; nothing else is touched."""
    scoring = Scoring.from_settings(load_settings(), method, combine)
    result = score_file(file, parse_time(at, "--at"), scoring)
    if result.rejected:
        say(f"{result.rejected} rows set aside: {result.reasons}")
    if as_json:
        print_json(result.rows)
    else:
        _show(result.rows)


def _show(rows: list[dict[str, Any]]) -> None:
    columns = ("entity", "heat", "velocity_z", "spread_count", "affect", "confidence")
    shown = [[row["entity"], *(f"{row[name]:.4g}" for name in columns[1:])] for row in rows]
    table(shown, columns)
