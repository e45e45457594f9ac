"""Bringing a schema up to date, refusing what does not fit, and saying plainly what is wrong with a database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from pipelines.errors import StoreError
from pipelines.store import Store
from pipelines.store.migrate import MIGRATIONS
from pipelines.store.tables import HEAD, metadata
from tests.contract.store_rows import T

SETTINGS = ("timezone", "lock_timeout", "idle_in_transaction_session_timeout", "search_path")


@pytest.fixture
def fresh(database_url: str) -> Iterator[Store]:
    """A store whose schema is not there yet."""
    made = Store.open(database_url, "fresh")
    yield made
    with made._db.writer.begin() as connection:
        connection.execute(text("DROP SCHEMA IF EXISTS fresh CASCADE"))
    made.close()


def execute(store: Store, statement: str) -> None:
    with store._db.writing() as connection:
        connection.execute(text(statement))


def test_upgrade_makes_the_tables_and_then_has_nothing_to_do(fresh: Store) -> None:
    assert fresh.upgrade() is True
    assert fresh.upgrade() is False
    fresh.ping()


def test_the_migrations_make_exactly_the_tables_of_the_queries(fresh: Store) -> None:
    fresh.upgrade()
    with fresh._db.writing() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": False})
        assert compare_metadata(context, metadata) == []


def test_head_is_the_newest_revision() -> None:
    assert ScriptDirectory(str(MIGRATIONS)).get_current_head() == HEAD


def test_a_newer_schema_is_refused(fresh: Store) -> None:
    fresh.upgrade()
    execute(fresh, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match=r"'fresh' is at step 9999.*newer version"):
        fresh.upgrade()


def test_a_half_made_schema_is_refused(fresh: Store) -> None:
    fresh.upgrade()
    execute(fresh, "DROP TABLE hourly")
    with pytest.raises(StoreError, match=rf"at step {HEAD} but has no table 'hourly'"):
        fresh.upgrade()
    execute(fresh, "DROP TABLE alembic_version")
    with pytest.raises(StoreError, match=r"no version: step 0001 was left half done"):
        fresh.upgrade()


def test_a_migration_that_fails_leaves_nothing(fresh: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "migrations"
    (broken / "versions").mkdir(parents=True)
    (broken / "env.py").write_text((MIGRATIONS / "env.py").read_text())
    source = (MIGRATIONS / "versions" / "rev_0001_first.py").read_text()
    (broken / "versions" / "rev_0001_first.py").write_text(
        source.replace("CREATE INDEX audit_at", "CREATE INDEXX audit_at")
    )
    monkeypatch.setattr("pipelines.store.migrate.MIGRATIONS", broken)
    with pytest.raises(StoreError, match="syntax error"):
        fresh.upgrade()
    monkeypatch.undo()
    assert fresh.upgrade() is True


@pytest.mark.parametrize("schema", ["", "Live", "x;drop", "a-b", "1a", "x" * 60])
def test_schema_names_are_plain(schema: str) -> None:
    with pytest.raises(StoreError, match="schema"):
        Store.open("postgresql://localhost/x", schema)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("not a url", "not a URL"),
        ("mysql://u:geheim@h/db", "mysql is not supported"),
        ("postgresql://u:geheim@127.0.0.1:1/db", "not answering: start it, or check HEATMAP_DATABASE_URL$"),
    ],
)
def test_a_wrong_address_is_one_line_without_the_password(url: str, words: str) -> None:
    with pytest.raises(StoreError, match=words) as caught:
        Store.open(url, "demo").ping()
    assert "geheim" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_wrong_password_is_one_line(server_url: str) -> None:
    wrong = Store.open(server_url.replace("test-password", "geheim"), "demo")
    with pytest.raises(StoreError, match="password") as caught:
        wrong.ping()
    assert "geheim" not in str(caught.value)
    with pytest.raises(StoreError, match="password") as caught:
        wrong.load_coverage(T, T)
    assert "geheim" not in str(caught.value)
    wrong.close()


def test_connections_are_utc_with_limits(store: Store) -> None:
    for context in (store._db.reading, store._db.writing):
        with context() as connection:
            settings = [connection.scalar(text(f"SHOW {name}")) for name in SETTINGS]
            assert settings == ["UTC", "5s", "1min", "replay"]


def test_the_reading_side_cannot_write(store: Store) -> None:
    with pytest.raises(StoreError, match="read-only"), store._db.reading() as connection:
        connection.execute(text("INSERT INTO coverage VALUES ('reddit', now())"))


def test_a_dropped_connection_is_replaced(store: Store) -> None:
    """P1: the server restarted, or somebody ended our sessions, between two polls."""
    store.ping()
    with store._db.writing() as connection:
        connection.execute(text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                                "WHERE pid <> pg_backend_pid() AND application_name = 'et-heatmap'"))  # fmt: skip
    store.ping()
    assert store.load_coverage(T, T).is_empty()
