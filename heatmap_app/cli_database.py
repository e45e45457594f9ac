"""``heatmap db backup / restore / roles``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from heatmap_app.cli_common import bar, opened_store, say

SchemaOption = Annotated[
    list[str] | None, typer.Option("--schema", help="Only this schema: live, demo or replay. May be given again.")
]


def database(db: typer.Typer) -> None:
    """Add the commands to ``heatmap db``."""
    db.command("backup")(backup)
    db.command("restore")(restore)
    db.command("roles")(roles)


def backup(file: Annotated[Path, typer.Argument(help="Where to write it.")], schema: SchemaOption = None) -> None:
    """Write everything the database keeps to one file; the server may go on running."""
    with opened_store() as store, bar(None, "B", "backup") as shown:
        made = store.backup(file, schema, lambda _table, moved: _moved(shown.update, moved))
    say(f"{file}: {made.rows:,} rows of {', '.join(made.revisions)}, {file.stat().st_size:,} bytes")


def restore(
    file: Annotated[Path, typer.Argument(help="A file that `heatmap db backup` wrote.")],
    schema: SchemaOption = None,
    force: Annotated[bool, typer.Option("--force", "--yes", help="Replace what is in the database.")] = False,
) -> None:
    """Put a backup into the database: all of it, or nothing. Refuses where there are rows, unless told to replace them."""
    with opened_store() as store, bar(None, "B", "restore") as shown:
        put = store.restore(file, schema, force=force, told=lambda _table, moved: _moved(shown.update, moved))
    say(f"{put.rows:,} rows of {', '.join(put.revisions)} restored, as of {put.made_at:%Y-%m-%d %H:%M} UTC")


def roles() -> None:
    """Make the roles et_owner, et_app and et_read, and give each what it may do; run as the owner of the tables."""
    with opened_store() as store:
        store.grant_roles()
        say(f"schema {store.schema}: et_owner, et_app and et_read have what they need")
        say("Give each a password (psql: \\password et_app) and put et_app into HEATMAP_DATABASE_URL")


def _moved(update: Callable[[int], object], count: int) -> None:
    update(count)
