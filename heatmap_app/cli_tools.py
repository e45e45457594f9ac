"""``heatmap serve / poll / record / replay`` and ``heatmap db``: the commands that run the product."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from heatmap_app.cli_common import JsonOption, opened_store, parse_time, print_json, say, table
from heatmap_app.cli_record import record
from heatmap_app.logs import configure
from pipelines.errors import InputError
from pipelines.settings import Settings, load_settings

if TYPE_CHECKING:
    from heatmap_app.runtime import Runtime

M_ARENA_MAX = -8
"""glibc's number for the setting."""

db = typer.Typer(help="Schema and retention of the database.", no_args_is_help=True)


def run(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    for name, command in (("serve", serve), ("poll", poll), ("record", record), ("replay", replay)):
        app.command(name)(command)


def serve(
    schedule: Annotated[
        bool, typer.Option("--schedule/--no-schedule", help="Poll and score, or show pages only.")
    ] = True,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
) -> None:
    """Web server and embedded scheduler; prints the address. Ctrl-C or SIGTERM stops it."""
    given: dict[str, Any] = {"host": host, "port": port}
    settings = load_settings(**{name: value for name, value in given.items() if value is not None})
    _serve(settings, lambda runtime: runtime.open_runtime(settings, lead=schedule), schedule=schedule)


def replay(
    file: Annotated[Path, typer.Argument(help="A recording: a Parquet file, or a folder of day files.")],
    speed: Annotated[float | None, typer.Option(help="Virtual seconds a real second.")] = None,
    since: Annotated[
        str | None, typer.Option("--from", help="Start here; earlier polls are read in as baseline.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Stop the clock here.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
) -> None:
    """Serve a recording as if it were live; marked as a replay everywhere."""
    if speed is not None and speed <= 0:
        raise InputError("--speed: must be more than 0")
    given: dict[str, Any] = {} if port is None else {"port": port}
    settings = load_settings(mode="replay", **given)

    def open_replay(runtime: Any) -> Runtime:
        plan = runtime.ReplayPlan(
            file, speed or settings.replay.speed,
            parse_time(since, "--from") if since else None, parse_time(until, "--until") if until else None,
        )  # fmt: skip
        opened: Runtime = runtime.open_runtime(settings, plan)
        return opened

    _serve(settings, open_replay)


def _serve(settings: Settings, opening: Callable[[Any], Runtime], *, schedule: bool = True) -> None:
    # the times of the schedule and the pages are UTC whatever the machine's zone
    os.environ["TZ"] = "UTC"
    time.tzset()
    from heatmap_app import runtime, server

    configure(settings)
    _few_arenas()
    server.serve(settings, lambda: opening(runtime), schedule=schedule)


def _few_arenas() -> None:
    """Let glibc keep two heaps for all threads: with one a thread the server holds about 65 MB more for nothing."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).mallopt(M_ARENA_MAX, 2)


def poll(
    source: Annotated[str | None, typer.Option(help="Only this source.")] = None,
    force: Annotated[bool, typer.Option(help="Fetch all, due or not.")] = False,
    as_json: JsonOption = False,
) -> None:
    """One round: fetch what is due, ingest, score; prints what each source did."""
    from heatmap_app.once import poll_once

    settings = load_settings()
    configure(settings)
    report = asyncio.run(poll_once(settings, source, force=force))
    if as_json:
        print_json(report)
        return
    rows = [
        (name, did["outcome"], did["items"], did["new_items"], f"{did['ms']} ms", did["detail"])
        for name, did in report["sources"].items()
    ]
    table(rows, ("source", "outcome", "items", "new", "time", "detail"))
    say(f"{report['scored']} names scored at {report['at']}")


@db.command("upgrade")
def upgrade() -> None:
    """Bring the database to the current schema."""
    with opened_store() as store:
        say(f"schema {store.schema}: current")


@db.command("prune")
def prune(as_json: JsonOption = False) -> None:
    """Delete what is older than the retention settings; prints the rows gone from each table."""
    from pipelines.clock import SystemClock

    settings = load_settings()
    with opened_store(settings) as store:
        gone = store.prune(SystemClock().now(), settings.retention)
        for name in sorted(store.append_only()):
            say(f"{name}: kept. This database user may only add to it; prune as et_owner (docs/database.md)")
    if as_json:
        print_json(gone)
    else:
        table(sorted(gone.items()), ("table", "rows"))
