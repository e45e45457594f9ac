"""What people do with an alert, and what came of it. ``pipelines/store/tables.py`` says what each table is for."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TABLES = """
ALTER TABLE alert ADD COLUMN version INTEGER NOT NULL DEFAULT 0;
ALTER TABLE delivery ADD COLUMN shown INTEGER NOT NULL DEFAULT 0;
CREATE TABLE once (
    key TEXT NOT NULL, at timestamptz NOT NULL, result JSONB, PRIMARY KEY (key)
);
CREATE INDEX once_at ON once (at);
CREATE TABLE assignment (
    id BIGSERIAL NOT NULL, alert_id BIGINT NOT NULL, at timestamptz NOT NULL, by_id TEXT NOT NULL, by_name TEXT NOT NULL,
    who TEXT NOT NULL, who_id TEXT NOT NULL, due timestamptz, note TEXT NOT NULL, ended_at timestamptz,
    PRIMARY KEY (id)
);
CREATE INDEX assignment_alert_id ON assignment (alert_id, id);
CREATE TABLE card (
    id BIGSERIAL NOT NULL, alert_id BIGINT NOT NULL, at timestamptz NOT NULL, by_id TEXT NOT NULL, by_name TEXT NOT NULL,
    slug TEXT NOT NULL, segment TEXT NOT NULL, length_s INTEGER NOT NULL, hook TEXT NOT NULL, receipts JSONB NOT NULL,
    state TEXT NOT NULL, attempt INTEGER NOT NULL, next_at timestamptz NOT NULL, sent_at timestamptz,
    last_error TEXT NOT NULL, PRIMARY KEY (id)
);
CREATE INDEX card_alert_id ON card (alert_id, id);
CREATE INDEX card_state ON card (state, next_at);
CREATE TABLE promo (
    id BIGSERIAL NOT NULL, alert_id BIGINT NOT NULL, at timestamptz NOT NULL, by_id TEXT NOT NULL, by_name TEXT NOT NULL,
    text TEXT NOT NULL, state TEXT NOT NULL, attempt INTEGER NOT NULL, attempt_started_at timestamptz,
    next_at timestamptz NOT NULL, slack_ts TEXT, sent_at timestamptz, looks INTEGER NOT NULL, last_error TEXT NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX promo_alert_id ON promo (alert_id, id);
CREATE INDEX promo_state ON promo (state, next_at);
CREATE TABLE vote (
    alert_id BIGINT NOT NULL, voter TEXT NOT NULL, name TEXT NOT NULL, useful BOOLEAN NOT NULL, at timestamptz NOT NULL,
    PRIMARY KEY (alert_id, voter)
);
CREATE TABLE backcheck (
    alert_id BIGINT NOT NULL, at timestamptz NOT NULL, result TEXT NOT NULL, polls INTEGER NOT NULL,
    held INTEGER NOT NULL, detail TEXT NOT NULL, PRIMARY KEY (alert_id)
);
CREATE TABLE kpi_day (
    day DATE NOT NULL, kpi TEXT NOT NULL, n INTEGER NOT NULL, value DOUBLE PRECISION, low DOUBLE PRECISION,
    high DOUBLE PRECISION, detail JSONB NOT NULL, computed_at timestamptz NOT NULL, PRIMARY KEY (day, kpi)
);
"""


def upgrade() -> None:
    """Make the tables, columns and indexes, in the schema of the search path."""
    for statement in TABLES.split(";"):
        if statement.strip():
            op.execute(statement)
