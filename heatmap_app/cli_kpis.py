"""``heatmap kpis``: the three KPIs with their cases, intervals and targets."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from heatmap_app.cli_alerts import present
from heatmap_app.cli_common import JsonOption, opened_store, print_json, say, table
from pipelines.alert import kpi_words as words
from pipelines.alert.kpi_view import KpiView
from pipelines.read.kpis import MAX_DAYS
from pipelines.read.kpis import kpis as read_kpis
from pipelines.settings import load_settings

Row = tuple[str, str, str, str, str, str]


def kpis(
    days: Annotated[int, typer.Option(min=1, max=MAX_DAYS, help="How many UTC days, today included.")] = 30,
    as_json: JsonOption = False,
) -> None:
    """Lead over the trades, usefulness and false alerts: each with n, interval and target."""
    settings = load_settings()
    with opened_store(settings) as store:
        view = read_kpis(store, settings.kpis, present(store), days)
    if as_json:
        print_json(json.loads(view.model_dump_json()))
        return
    table(rows_of(view), ("kpi", "value", "n", "interval", "target", "verdict"))
    for line in notes(view):
        typer.echo(line)
    if not view.alerts:
        say(f"No alert in the last {days} days; `heatmap alerts why NAME` says what is missing for one.")


def rows_of(view: KpiView) -> list[Row]:
    """One row a KPI, as texts."""
    lead, useful, false = view.lead, view.usefulness, view.false_positive_rate

    def hours(value: float | None) -> str:
        return words.lead(value, lead.target, lead.stretch)

    return [
        ("lead", hours(lead.median), f"{lead.n} alerts", words.span(lead.median_low, lead.median_high, words.lead),
         f"≥ {lead.target:g} h", lead.words),
        ("useful", words.pct(useful.value, useful.target), f"{useful.n} votes",
         words.span(useful.low, useful.high, words.pct), f"≥ {words.pct(useful.target)}", useful.words),
        ("false", words.pct(false.value, false.target), f"{false.n} alerts", words.span(false.low, false.high, words.pct),
         f"≤ {words.pct(false.target)}", false.words),
    ]  # fmt: skip


def notes(view: KpiView) -> list[str]:
    """What else SCORING 6 shows of the lead, and what the false alerts are made of."""
    lead, false = view.lead, view.false_positive_rate
    leads = (
        f"lead: middle half {words.span(lead.p25, lead.p75, words.lead)}; 2 h or more {words.pct(lead.share_2h)}, "
        f"6 h or more {words.pct(lead.share_6h)}, trades first {words.pct(lead.share_trades_first)}; "
        f"never covered {words.pct(lead.share_uncovered)} of {lead.decided}; {lead.open} still open"
    )
    checks = (
        f"false: {false.failed} did not hold, {false.source_faults} source faults, {false.duplicates} duplicates; "
        f"not counted: {false.unknown} unknown, {false.open} not checked yet"
    )
    return [leads, checks]
