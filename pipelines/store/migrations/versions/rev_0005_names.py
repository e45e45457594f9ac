"""Changes of names that can be taken back, and the watchlist. ``pipelines/store/tables.py`` says what each table is for."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE watch (
    entity_id BIGINT NOT NULL, at timestamptz NOT NULL, by_id TEXT NOT NULL, by_name TEXT NOT NULL,
    PRIMARY KEY (entity_id)
);
CREATE TABLE name_change (
    id BIGSERIAL NOT NULL, at timestamptz NOT NULL, action TEXT NOT NULL, entity_id BIGINT NOT NULL,
    by_id TEXT NOT NULL, by_name TEXT NOT NULL, before JSONB NOT NULL, undone_at timestamptz,
    undone_by TEXT NOT NULL DEFAULT '', PRIMARY KEY (id)
);
CREATE INDEX name_change_entity ON name_change (entity_id, id);
CREATE TABLE change_item (
    change_id BIGINT NOT NULL, kind TEXT NOT NULL, source TEXT NOT NULL, item_id TEXT NOT NULL,
    entity_id BIGINT NOT NULL, canonical TEXT NOT NULL, name TEXT NOT NULL, via TEXT NOT NULL, at timestamptz NOT NULL,
    last_at timestamptz NOT NULL, PRIMARY KEY (change_id, kind, source, item_id, entity_id)
);
CREATE INDEX change_item_item ON change_item (source, item_id);
CREATE INDEX change_item_last_at ON change_item (last_at);
"""


def upgrade() -> None:
    """Make the tables and indexes, in the schema of the search path."""
    for statement in TABLES.split(";"):
        if statement.strip():
            op.execute(statement)
