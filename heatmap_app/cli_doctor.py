"""``heatmap doctor``: one line a thing: ok, missing or wrong, and what to do. Exit status 1 when something is wrong."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import asdict

import structlog
import typer

from heatmap_app.cli_common import JsonOption, bar, print_json, say, table
from pipelines.settings import load_settings


def doctor(as_json: JsonOption = False) -> None:
    """Check database, cache, every source, Slack, and what else can be set up. Changes nothing, posts nothing."""
    from heatmap_app.doctor import Check, base_checks, run_checks
    from heatmap_app.doctor_upstreams import upstream_checks

    settings = load_settings()
    # what a check meets is its line; the same as log lines between them would only be in the way
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    logging.disable(logging.WARNING)
    asks = {**base_checks(settings), **upstream_checks(settings)}
    with bar(len(asks), "check", "asking") as shown:
        found: list[Check] = asyncio.run(run_checks(settings, asks, lambda: shown.update(1)))
    wrong = sum(check.standing == "wrong" for check in found)
    if as_json:
        print_json({"ok": not wrong, "mode": settings.effective_mode, "checks": [asdict(check) for check in found]})
    else:
        table([(check.name, check.standing, check.line) for check in found], ("check", "", "what it means, what to do"))
        say("Nothing is wrong." if not wrong else f"{wrong} wrong; see above.")
    raise typer.Exit(1 if wrong else 0)
