"""``heatmap alerts ...``: what alerted, whether it arrived, and why a name did or did not."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import uuid4

import typer

from heatmap_app.cli_common import JsonOption, opened_store, print_json, rfc3339, say, table
from heatmap_app.cli_entities import actor
from heatmap_app.cli_package import package_lines
from pipelines.alert import actions
from pipelines.clock import SystemClock
from pipelines.errors import InputError
from pipelines.outbox import SLACK
from pipelines.people import Person
from pipelines.read import why as read_why
from pipelines.settings import load_settings
from pipelines.store.store import Store

alerts = typer.Typer(
    help="Alerts: list, show, resend, mark as fault, and why one did or did not fire.", no_args_is_help=True
)
Number = Annotated[int, typer.Argument(help="The alert's number; `heatmap alerts list` shows them.")]


@alerts.command("list")
def list_alerts(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 20, as_json: JsonOption = False
) -> None:
    """The latest alerts and what became of their messages."""
    with opened_store() as store:
        rows = store.alert_rows(limit=limit)
    if as_json:
        print_json(rows)
        return
    shown = [(row["id"], rfc3339(row["at"]), row["name"] or "", row["why"], row["delivery"] or "kept") for row in rows]
    table(shown, ("id", "at", "name", "why", "slack"))
    if not rows:
        say("No alert yet; `heatmap alerts why NAME` says what is missing for one.")


@alerts.command("show")
def show(number: Number, as_json: JsonOption = False) -> None:
    """One alert with its numbers, receipts, action package and delivery."""
    with opened_store() as store:
        row = store.alert_row(number)
    if row is None:
        raise InputError(f"there is no alert {number}; `heatmap alerts list` shows them")
    if as_json:
        print_json(row)
        return
    payload: dict[str, Any] = row["payload"]
    typer.echo(f"{row['name']}  {rfc3339(row['at'])}")
    typer.echo(row["why"])
    if payload.get("hook"):
        typer.echo(payload["hook"])
    for receipt in payload.get("receipts", ()):
        typer.echo(f"  {receipt['source']}: {receipt['title']}  {receipt['url'] or ''}")
    for line in package_lines(payload):
        typer.echo(line)
    state = row["delivery"] or "kept, not sent: Slack was not configured"
    problem = f": {row['last_error']}" if row["last_error"] else ""
    typer.echo(f"slack: {state}{problem}")


@alerts.command("why")
def why(
    name: Annotated[str, typer.Argument(help="A slug, or a name as people write it.", metavar="ENTITY")],
    hours: Annotated[int, typer.Option(min=1, max=1440, help="How far back to look.")] = 24,
    as_json: JsonOption = False,
) -> None:
    """Why a name did, or did not, alert: each decision with its numbers, newest first."""
    settings = load_settings()
    with opened_store(settings) as store:
        found = read_why(store, settings, slug_of(store, name), present(store), timedelta(hours=hours))
    if found is None:
        raise InputError(f"no entity is called {name!r}; `heatmap entities list --search NAME` finds it")
    if as_json:
        print_json({"name": found.name, "slug": found.slug, "summary": found.summary,
                    "decisions": list(found.decisions), "alerts": list(found.alerts)})  # fmt: skip
        return
    typer.echo(f"{found.name}: {found.summary}")
    if found.trust:
        typer.echo(f"  Confidence {found.trust}.")
    for row in found.decisions:
        polls = f"  ({row['polls']} polls since {rfc3339(row['since'])})" if row["polls"] > 1 else ""
        typer.echo(f"  {rfc3339(row['at'])}  {row['sentence']}{polls}")
    for row in found.alerts:
        typer.echo(f"  alert {row['id']}: {row['why']}  slack: {row['delivery'] or 'kept'}")


@alerts.command("resend")
def resend(number: Number) -> None:
    """Send an alert's message once more; the running server, or the next `heatmap serve`, delivers it."""
    slack = load_settings().slack
    if not (slack.bot_token.get_secret_value() and slack.channel) and not slack.webhook_url.get_secret_value():
        raise InputError("Slack is not configured: set HEATMAP_SLACK__BOT_TOKEN and HEATMAP_SLACK__CHANNEL")
    with opened_store() as store:
        store.resend_alert(number, SLACK, SystemClock().now(), actor())
    say(f"alert {number} goes out again")


@alerts.command("fault")
def fault(number: Number, undo: Annotated[bool, typer.Option("--undo", help="Take the mark back.")] = False) -> None:
    """Mark an alert as made by a fault of a source: it counts as a false alert."""
    person = Person(actor(), actor().removeprefix("cli:"))
    with opened_store() as store:
        done = actions.mark_source_fault(
            store, number, person, SystemClock().now(), fault=not undo, once=f"cli {uuid4()}"
        )  # fmt: skip
    say(done.line)


def slug_of(store: Store, name: str) -> str:
    """``name`` where it is a slug, else the slug of the entity best known by that name."""
    if store.find(name) is not None:
        return name
    from pipelines.read import search

    found = search(store, name, 1)
    return found[0].slug if found else name


def present(store: Store) -> datetime:
    """The present of the stored data: a demo's clock is not the machine's."""
    latest = store.latest()
    return latest.at if latest is not None and store.schema != "live" else SystemClock().now()
