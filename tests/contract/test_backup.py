"""A backup put back is the same, table by table; a damaged one changes nothing. And what each role may do."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from heatmap_app.cli import app
from pipelines.errors import InputError, StoreError
from pipelines.settings import load_settings
from pipelines.store import Store
from pipelines.store.tables import metadata
from tests.conftest import emptied
from tests.contract.store_rows import T, add
from tests.contract.test_refresh_alerts import flow, week_then_break
from tests.postgres import PASSWORD


def everything(store: Store) -> dict[str, tuple[int, str]]:
    """Every table's rows and a hash over all of their text."""
    query = "SELECT count(*), coalesce(md5(string_agg(t::text, E'\\n' ORDER BY t::text)), '') FROM {} t"
    found = {}
    with store._db.reading() as connection:
        for name in metadata.tables:
            rows, digest = connection.execute(text(query.format(name))).one()
            found[name] = (rows, digest)
    return found


@pytest.fixture
def full(embedded_store: Store) -> Store:
    """A store with a story that broke, an alert, and texts that are hard to copy."""
    week_then_break(embedded_store, flow(embedded_store), polls=2)
    add(embedded_store, 'Tab\tQuote"Back\\slash', "\\.", "名前 ☃")
    embedded_store.source_state.put("odd", {"text": "\\N\n\r\t\\.", "n": 1e-300})
    return embedded_store


@pytest.fixture
def file(full: Store, tmp_path: Path) -> Path:
    path = tmp_path / "all.backup"
    full.backup(path, ["demo"])
    return path


@pytest.fixture
def target(server_url: str) -> Iterator[Store]:
    with emptied(server_url, "demo") as store:
        yield store


@pytest.mark.server_pg
def test_a_round_trip_to_another_server_keeps_every_table(full: Store, file: Path, target: Store) -> None:
    before = everything(full)
    assert before["alert"][0] == 1
    moved: list[int] = []
    done = target.restore(file, told=lambda _table, size: moved.append(size))
    assert everything(target) == before
    assert (done.rows, sum(moved)) == (sum(rows for rows, _ in before.values()), done.bytes)
    assert file.stat().st_mode & 0o077 == 0, "for nobody else to read"
    (new,) = add(target, "Somebody New")
    assert new == add(full, "Somebody New")[0], "numbers go on where they were"
    with pytest.raises(StoreError, match=r"'demo' has rows .*--force"):
        target.restore(file)
    target.restore(file, force=True)
    assert everything(target) == before
    assert target.upgrade() is False


@pytest.mark.server_pg
def test_a_backup_of_an_older_step_is_brought_up_to_date(file: Path, target: Store, tmp_path: Path) -> None:
    older = tmp_path / "older"
    rewrite(file, older, revisions={"demo": "0001"}, drop=lambda entry: entry["table"] not in ("entity", "alias"))
    target.restore(older)
    assert target.upgrade() is False
    assert target.entities().height == 4
    assert target.alert_rows() == []


def rewrite(source: Path, path: Path, *, drop: object = lambda _entry: False, **changes: object) -> None:
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w") as new:
        manifest = json.loads(old.read("manifest.json"))
        manifest = {**manifest, "entries": [e for e in manifest["entries"] if not drop(e)], **changes}  # type: ignore[operator]  # a function
        for entry in manifest["entries"]:
            name = f"{entry['schema']}/{entry['table']}.copy"
            new.writestr(name, old.read(name))
        new.writestr("manifest.json", json.dumps(manifest))


@pytest.mark.server_pg
@pytest.mark.parametrize("harm", ["cut", "flip", "not a zip", "newer", "rows", "missing"])
def test_a_file_that_is_damaged_or_foreign_changes_nothing(
    file: Path, target: Store, tmp_path: Path, harm: str
) -> None:
    add(target, "Still Here")
    before, bad = everything(target), tmp_path / "bad"
    whole = file.read_bytes()
    match harm:
        case "cut":
            bad.write_bytes(whole[: len(whole) // 2])
        case "flip":
            bad.write_bytes(whole[:4000] + bytes([whole[4000] ^ 255]) + whole[4001:])
        case "not a zip":
            bad.write_text("hello")
        case "newer":
            rewrite(file, bad, revisions={"demo": "9999"})
        case "rows":
            with zipfile.ZipFile(file) as old:
                entries = json.loads(old.read("manifest.json"))["entries"]
            rewrite(file, bad, entries=[{**e, "rows": e["rows"] + 1} for e in entries])
    with pytest.raises((InputError, StoreError)) as told:
        target.restore(bad, force=True)
    assert "\n" not in str(told.value)
    assert everything(target) == before


@pytest.mark.server_pg
def test_a_restore_under_a_running_scheduler_is_refused(file: Path, target: Store) -> None:
    lease = target.lease()
    lease.attempt()
    with pytest.raises(StoreError, match="a server is scheduling; stop it first"):
        target.restore(file, force=True)
    lease.close()
    target.restore(file, force=True)


def test_the_commands(full: Store, embedded_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEATMAP_DATABASE_URL", embedded_url)
    monkeypatch.setenv("HEATMAP_MODE", "demo")
    before, path = everything(full), tmp_path / "cli.backup"
    run = CliRunner()
    made = run.invoke(app, ["db", "backup", str(path), "--schema", "demo"], catch_exceptions=False)
    assert (made.exit_code, "rows of demo" in made.output) == (0, True)
    with pytest.raises(StoreError, match="--force"):
        run.invoke(app, ["db", "restore", str(path)], catch_exceptions=False)
    put = run.invoke(app, ["db", "restore", str(path), "--yes"], catch_exceptions=False)
    assert (put.exit_code, "restored, as of" in put.output) == (0, True)
    assert everything(full) == before


@pytest.fixture
def as_app(server_url: str) -> Iterator[Store]:
    """A store opened as et_app, made by the server's superuser."""
    place = urlsplit(server_url)
    high = server_url.replace("//heatmap:", "//owner:")
    with emptied(high, "desk") as owner:
        owner.grant_roles()
        owner.grant_roles()
        with owner._db.writing() as connection:
            for role in ("et_app", "et_read", "et_owner"):
                connection.exec_driver_sql(f"ALTER ROLE {role} PASSWORD '{PASSWORD}'")
        store = Store.open(f"postgresql://et_app:{PASSWORD}@127.0.0.1:{place.port}/heatmap", "desk")
        yield store
        store.close()
        with owner._db.writing() as connection:
            connection.exec_driver_sql("DROP SCHEMA desk CASCADE")


@pytest.mark.server_pg
def test_the_servers_role_can_poll_and_score_and_only_add_to_the_audit(as_app: Store) -> None:
    assert as_app.upgrade() is False
    reports = week_then_break(as_app, flow(as_app), polls=2)
    assert len(reports[1].alerts) == 1
    as_app.set_domain(as_app.alert_rows()[0]["entity_id"], "sport", "ana")
    for table in ("audit", "poll"):
        for statement in (f"UPDATE {table} SET at = now()", f"DELETE FROM {table}", f"TRUNCATE {table}"):  # noqa: S608  # our own names
            with pytest.raises(StoreError, match="may not do this"), as_app._db.writing() as connection:
                connection.execute(text(statement))
    for statement in ("TRUNCATE item", "CREATE TABLE mine (n int)", "DROP TABLE item", "DELETE FROM alembic_version"):
        with pytest.raises(StoreError), as_app._db.writing() as connection:
            connection.execute(text(statement))
    gone = as_app.prune(T + timedelta(days=1000), load_settings().retention)
    assert "poll" not in gone
    assert gone["item"] > 0
    assert "poll" in as_app.append_only()
    assert everything(as_app)["poll"][0] > 0


@pytest.mark.server_pg
def test_the_owner_prunes_and_the_reader_reads(as_app: Store, server_url: str) -> None:
    week_then_break(as_app, flow(as_app), polls=1)
    port = urlsplit(server_url).port
    owner = Store.open(f"postgresql://et_owner:{PASSWORD}@127.0.0.1:{port}/heatmap", "desk")
    assert owner.upgrade() is False
    assert owner.prune(T + timedelta(days=1000), load_settings().retention)["poll"] > 0
    owner.close()
    reader = psycopg2.connect(f"postgresql://et_read:{PASSWORD}@127.0.0.1:{port}/heatmap")
    with reader.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM desk.poll")
        assert cursor.fetchone() is not None
        with pytest.raises(psycopg2.Error, match="read-only"):
            cursor.execute("DELETE FROM desk.poll")
    reader.close()
