"""A backup back into a database: read through and checked first, then all of it in one transaction, or nothing."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import Connection, text

from pipelines.errors import InputError, StoreError
from pipelines.store.backup import Entry, Manifest, Progress, Through, quoted, read_manifest, revision_of, verified
from pipelines.store.engine import SCHEMA_NAME, Database
from pipelines.store.migrate import run_steps
from pipelines.store.tables import HEAD, metadata

LEASE = "SELECT pg_try_advisory_xact_lock(hashtext('heatmap schedule'), hashtext(:schema))"


def restore(
    database: Database, path: Path, schemas: Sequence[str] | None = None, *, force: bool = False,
    told: Progress = lambda _table, _bytes: None,
) -> Manifest:  # fmt: skip
    """Put the tables of ``path`` (of ``schemas``, default all it holds) into the database, and bring them to the current
    step; what was put in. ``force`` replaces what is there.

    Raises :class:`InputError` for a file that is damaged or none of ours, :class:`StoreError` where there are rows already,
    where a server is scheduling, and for everything the database refuses. In all these cases nothing was changed.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            manifest = _chosen(read_manifest(archive, path), schemas, path)
            for _ in verified(archive, path, manifest.entries):
                pass
            with database.writing() as connection:
                connection.execute(text("SET LOCAL statement_timeout = 0"))
                for schema, revision in manifest.revisions.items():
                    _make_room(connection, schema, revision, force=force)
                for entry in manifest.entries:
                    _read_table(connection, archive, entry, told)
                for schema, revision in manifest.revisions.items():
                    _finish(connection, schema, revision)
    except zipfile.BadZipFile:
        raise InputError(f"{path}: damaged, or not a backup of this program; nothing was changed") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
    return manifest


def _chosen(manifest: Manifest, schemas: Sequence[str] | None, path: Path) -> Manifest:
    wanted = list(manifest.revisions) if schemas is None else list(schemas)
    for name in wanted:
        if name not in manifest.revisions or not SCHEMA_NAME.fullmatch(name):
            raise InputError(f"{path}: holds no {name!r}; it holds {', '.join(manifest.revisions)}")
    entries = tuple(entry for entry in manifest.entries if entry.schema in wanted)
    for entry in entries:
        if entry.table not in metadata.tables:
            raise InputError(f"{path}: holds a table {entry.table!r} that this program does not know; update it")
    return Manifest(manifest.made_at, {name: manifest.revisions[name] for name in wanted}, entries)


def _make_room(connection: Connection, schema: str, revision: str, *, force: bool) -> None:
    """The empty tables of ``revision`` in ``schema``."""
    if not connection.scalar(text(LEASE), {"schema": schema}):
        raise StoreError(f"schema {schema!r} is in use: a server is scheduling; stop it first. Nothing was changed")
    there = revision_of(connection, schema)
    if there is not None and not force and (table := _first_filled(connection, schema)):
        raise StoreError(
            f"schema {schema!r} has rows (in {table}, for one): --force replaces everything in it. Nothing was changed"
        )
    connection.execute(text(f'SET LOCAL search_path = "{schema}"'))
    if there == revision:
        # emptied, not remade: what roles may do with the tables stays
        connection.execute(text(f"TRUNCATE {', '.join(_there(connection, schema))} RESTART IDENTITY"))
        return
    connection.execute(text(f'CREATE SCHEMA IF NOT EXISTS "{schema}"'))
    for table in (*_there(connection, schema), "alembic_version"):
        connection.execute(text(f'DROP TABLE IF EXISTS "{schema}"."{table}"'))
    run_steps(connection, schema, None, revision)


def _there(connection: Connection, schema: str) -> list[str]:
    query = text("SELECT tablename FROM pg_tables WHERE schemaname = :schema")
    found = set(connection.execute(query, {"schema": schema}).scalars())
    return sorted(found & set(metadata.tables))


def _first_filled(connection: Connection, schema: str) -> str | None:
    for table in _there(connection, schema):
        if connection.scalar(text(f'SELECT EXISTS (SELECT FROM "{schema}"."{table}")')):  # noqa: S608  # our own names
            return table
    return None


def _read_table(connection: Connection, archive: zipfile.ZipFile, entry: Entry, told: Progress) -> None:
    with archive.open(entry.member) as member:
        through = Through(member, lambda moved: told(f"{entry.schema}.{entry.table}", moved))
        cursor = connection.connection.cursor()
        try:
            target = f'"{entry.schema}"."{entry.table}" ({quoted(entry.columns)})'
            cursor.copy_expert(f"COPY {target} FROM STDIN", through)
            rows = cursor.rowcount
        finally:
            cursor.close()
    if (rows, through.sha256) != (entry.rows, entry.sha256):
        raise StoreError(
            f"restore: {entry.member} should bring {entry.rows} rows and brought {rows}. Nothing was changed"
        )
    if entry.next is not None:
        connection.execute(
            text("SELECT setval(pg_get_serial_sequence(:name, 'id'), :next, false)"),
            {"name": f'"{entry.schema}"."{entry.table}"', "next": entry.next},
        )


def _finish(connection: Connection, schema: str, revision: str) -> None:
    connection.execute(text(f'SET LOCAL search_path = "{schema}"'))
    if revision != HEAD:
        run_steps(connection, schema, revision)
    connection.execute(text(f"ANALYZE {', '.join(_there(connection, schema))}"))
