"""Bringing a schema to the current revision, and refusing one that is not what this program expects."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, text

from pipelines.errors import StoreError
from pipelines.store.engine import Database
from pipelines.store.pooler import check_direct
from pipelines.store.tables import HEAD, metadata

MIGRATIONS = Path(__file__).resolve().parent / "migrations"
VERSION_TABLE = "alembic_version"


def upgrade(database: Database) -> bool:
    """Bring the schema to :data:`HEAD`; False where it was there already.

    A user who may not change tables can start where nothing needs changing. Raises :class:`StoreError` for a schema that a
    newer program made, for one that is only half there, and for an address that is a pooler's.
    """
    check_direct(database.conninfo(), database.schema, database.watch)
    with database.reading() as connection:
        version, found = _version(connection, database.schema), _tables(connection, database.schema)
    if version != HEAD:
        version, found = _bring(database)
    _check_complete(database.schema, found)
    return version != HEAD


def _bring(database: Database) -> tuple[str | None, set[str]]:
    """Run the missing steps; the step it was at before, and the tables there are now."""
    schema = database.schema
    with database.writing() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext(:key))"), {"key": f"heatmap {schema}"})
        connection.execute(text(f'CREATE SCHEMA IF NOT EXISTS "{schema}"'))
        version, found = _version(connection, schema), _tables(connection, schema)
        if version is None and found:
            raise StoreError(
                f"schema {schema!r} has tables ({', '.join(sorted(found)[:3])}, ...) but no version: "
                "step 0001 was left half done, or it belongs to another program; restore a backup or drop the schema"
            )
        if version != HEAD:
            run_steps(connection, schema, version)
        return version, _tables(connection, schema)


def _version(connection: Connection, schema: str) -> str | None:
    if connection.scalar(text("SELECT to_regclass(:name)"), {"name": f'"{schema}".{VERSION_TABLE}'}) is None:
        return None
    version: str | None = connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}"))  # noqa: S608  # our own name
    return version


def _tables(connection: Connection, schema: str) -> set[str]:
    rows = connection.execute(
        text("SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
             "WHERE n.nspname = :schema AND c.relkind IN ('r', 'p') AND c.relname <> :version"),
        {"schema": schema, "version": VERSION_TABLE},
    )  # fmt: skip
    return {row[0] for row in rows}


def _check_complete(schema: str, found: set[str]) -> None:
    missing = sorted(set(metadata.tables) - found)
    if missing:
        raise StoreError(
            f"schema {schema!r} says it is at step {HEAD} but has no table {missing[0]!r}: "
            "the step was left half done; restore a backup or drop the schema"
        )


def run_steps(connection: Connection, schema: str, version: str | None, target: str = "head") -> None:
    """Bring ``schema`` from ``version`` (None: empty) to ``target`` inside the transaction of ``connection``.

    Raises :class:`StoreError` where this program does not know ``version`` or ``target``.
    """
    # imported here: a start with nothing to do should not pay for it
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    config.attributes["schema"] = schema
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    strange = next((step for step in (version, target) if step not in known | {None, "head"}), None)
    if strange is not None:
        raise StoreError(
            f"schema {schema!r} is at step {strange}, which this program does not know: "
            "a newer version made it; update the program or restore a backup"
        )
    try:
        command.upgrade(config, target)
    except CommandError as error:
        raise StoreError(f"schema {schema!r}: upgrade from step {version or 'nothing'} failed: {error}") from error
