"""One file with everything the database keeps: a zip of COPY texts and a manifest; written and read by this program alone.

PostgreSQL's text COPY is exact for every type used here and the same in every version, so a backup moves between the
embedded server and any other. All tables are read in one snapshot.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from sqlalchemy import Connection, text

from pipelines.errors import InputError, StoreError
from pipelines.store.engine import Database
from pipelines.store.migrate import VERSION_TABLE
from pipelines.store.tables import metadata

FORMAT = 1
MANIFEST = "manifest.json"
MANIFEST_BYTES = 2**20
BLOCK = 2**20
Progress = Callable[[str, int], None]
"""Told the table and the bytes just moved."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One table in the file. ``next`` is what its serial number goes on with (None: it has none)."""

    schema: str
    table: str
    columns: tuple[str, ...]
    rows: int
    bytes: int
    sha256: str
    next: int | None = None

    @property
    def member(self) -> str:
        """Its name in the zip."""
        return f"{self.schema}/{self.table}.copy"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What the file holds. ``revisions``: each schema's step; ``made_at`` is UTC."""

    made_at: datetime
    revisions: dict[str, str]
    entries: tuple[Entry, ...]

    @property
    def rows(self) -> int:
        """Rows of all tables."""
        return sum(entry.rows for entry in self.entries)

    @property
    def bytes(self) -> int:
        """Bytes of all tables, not packed."""
        return sum(entry.bytes for entry in self.entries)


class Through:
    """A file that is handed on to ``write`` or taken from ``read``, counted and hashed on its way."""

    def __init__(self, file: IO[bytes], told: Callable[[int], None]) -> None:
        self._file, self._told = file, told
        self.bytes, self._hash = 0, hashlib.sha256()

    @property
    def sha256(self) -> str:
        """Of everything so far."""
        return self._hash.hexdigest()

    def write(self, block: bytes) -> int:
        """Hand ``block`` on."""
        self._saw(block)
        return self._file.write(block)

    def read(self, size: int = BLOCK) -> bytes:
        """The next bytes."""
        block = self._file.read(size if size > 0 else BLOCK)
        self._saw(block)
        return block

    def _saw(self, block: bytes) -> None:
        self.bytes += len(block)
        self._hash.update(block)
        self._told(len(block))


def schemas_there(database: Database, names: Sequence[str]) -> list[str]:
    """Those of ``names`` that are schemas of ours in this database."""
    with database.reading() as connection:
        return [name for name in names if revision_of(connection, name) is not None]


def revision_of(connection: Connection, schema: str) -> str | None:
    """The step ``schema`` is at; None where there is no schema of ours."""
    there = connection.scalar(text("SELECT to_regclass(:name)"), {"name": f'"{schema}".{VERSION_TABLE}'})
    query = f'SELECT version_num FROM "{schema}".{VERSION_TABLE}'  # noqa: S608  # a checked name
    found: str | None = None if there is None else connection.scalar(text(query))
    return found


def backup(
    database: Database, schemas: Sequence[str], path: Path, told: Progress = lambda _table, _bytes: None
) -> Manifest:
    """Write all tables of ``schemas`` to ``path`` (replaced when complete). Raises :class:`InputError` for a path that
    cannot be written and :class:`StoreError` for the database."""
    unfinished = path.with_name(f".{path.name}.part")
    try:
        with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
            unfinished.chmod(0o600)
            manifest = _fill(archive, database, schemas, told)
            archive.writestr(MANIFEST, json.dumps({"format": FORMAT, **asdict(manifest)}, default=str, indent=1))
        with unfinished.open("rb") as written:
            os.fsync(written.fileno())
        unfinished.replace(path)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
    finally:
        unfinished.unlink(missing_ok=True)
    return manifest


def _fill(archive: zipfile.ZipFile, database: Database, schemas: Sequence[str], told: Progress) -> Manifest:
    entries = []
    with database.reading() as connection:
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        revisions = {schema: revision_of(connection, schema) for schema in schemas}
        if missing := [schema for schema, revision in revisions.items() if revision is None]:
            raise StoreError(f"there is no schema {missing[0]!r} in this database")
        entries = [
            _write_table(archive, connection, schema, table, told)
            for schema in schemas for table in sorted(metadata.tables)
        ]  # fmt: skip
    return Manifest(datetime.now(UTC), {name: str(step) for name, step in revisions.items()}, tuple(entries))


def _write_table(
    archive: zipfile.ZipFile, connection: Connection, schema: str, table: str, told: Progress
) -> Entry:  # fmt: skip
    columns = columns_of(connection, schema, table)
    with archive.open(f"{schema}/{table}.copy", "w", force_zip64=True) as member:
        through = Through(member, lambda moved: told(f"{schema}.{table}", moved))
        cursor = connection.connection.cursor()
        try:
            cursor.copy_expert(f'COPY "{schema}"."{table}" ({quoted(columns)}) TO STDOUT', through)
            rows = cursor.rowcount
        finally:
            cursor.close()
    return Entry(schema, table, columns, rows, through.bytes, through.sha256, _next_number(connection, schema, table))


def columns_of(connection: Connection, schema: str, table: str) -> tuple[str, ...]:
    """The columns of a table, in their order."""
    query = text("""SELECT column_name FROM information_schema.columns
        WHERE table_schema = :schema AND table_name = :table ORDER BY ordinal_position""")
    return tuple(connection.execute(query, {"schema": schema, "table": table}).scalars())


def quoted(columns: Sequence[str]) -> str:
    """Column names as SQL."""
    return ", ".join('"' + name.replace('"', '""') + '"' for name in columns)


def _next_number(connection: Connection, schema: str, table: str) -> int | None:
    if "id" not in columns_of(connection, schema, table):
        return None
    sequence = connection.scalar(text("SELECT pg_get_serial_sequence(:name, 'id')"), {"name": f'"{schema}"."{table}"'})
    if sequence is None:
        return None
    query = f"SELECT last_value + CASE WHEN is_called THEN 1 ELSE 0 END FROM {sequence}"  # noqa: S608  # the server's own name
    return int(connection.execute(text(query)).scalar_one())


def read_manifest(archive: zipfile.ZipFile, path: Path) -> Manifest:
    """What the file says it holds. Raises :class:`InputError` for anything else than a backup of ours."""
    try:
        if archive.getinfo(MANIFEST).file_size > MANIFEST_BYTES:
            raise ValueError("too long")
        kept: dict[str, Any] = json.loads(archive.read(MANIFEST))
        if kept["format"] != FORMAT:
            raise InputError(
                f"{path}: a backup of format {kept['format']}, which this program does not know; update it"
            )
        entries = tuple(Entry(**{**entry, "columns": tuple(entry["columns"])}) for entry in kept["entries"])
        return Manifest(datetime.fromisoformat(kept["made_at"]), dict(kept["revisions"]), entries)
    except (KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: not a backup of this program ({type(error).__name__})") from None


def verified(archive: zipfile.ZipFile, path: Path, entries: Sequence[Entry]) -> Iterator[None]:
    """Read every table of the file once, against its hash; one step a table. Raises :class:`InputError`."""
    for entry in entries:
        try:
            with archive.open(entry.member) as member:
                through = Through(member, lambda _moved: None)
                while through.bytes <= entry.bytes and through.read():
                    pass
        except (KeyError, OSError, EOFError, zipfile.BadZipFile, zipfile.zlib.error) as error:  # type: ignore[attr-defined]  # the module it unpacks with
            raise InputError(
                f"{path}: damaged at {entry.member} ({type(error).__name__}); nothing was changed"
            ) from None
        if (through.bytes, through.sha256) != (entry.bytes, entry.sha256):
            raise InputError(f"{path}: damaged at {entry.member}: not what was written; nothing was changed")
        yield
