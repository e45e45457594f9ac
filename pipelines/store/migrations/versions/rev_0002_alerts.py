"""Decisions, episodes, alerts and the outbox. ``pipelines/store/tables.py`` says what each is for."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE decision (
    poll_id BIGINT NOT NULL, entity_id BIGINT NOT NULL, at timestamptz NOT NULL, outcome TEXT NOT NULL,
    reason TEXT NOT NULL, sentence TEXT NOT NULL, velocity_z DOUBLE PRECISION, spread_count SMALLINT,
    affect DOUBLE PRECISION, heat DOUBLE PRECISION, confidence DOUBLE PRECISION, trades_at timestamptz,
    started_at timestamptz, PRIMARY KEY (poll_id, entity_id)
);
CREATE INDEX decision_entity_at ON decision (entity_id, at);
CREATE INDEX decision_at ON decision (at);
CREATE TABLE episode (
    entity_id BIGINT NOT NULL, open BOOLEAN NOT NULL, started_at timestamptz NOT NULL, below INTEGER NOT NULL,
    alerted BOOLEAN NOT NULL, alerted_at timestamptz, alerted_heat DOUBLE PRECISION, PRIMARY KEY (entity_id)
);
CREATE TABLE alert (
    id BIGSERIAL NOT NULL, dedup_key TEXT NOT NULL, entity_id BIGINT NOT NULL, at timestamptz NOT NULL,
    heat DOUBLE PRECISION NOT NULL, velocity_z DOUBLE PRECISION NOT NULL, spread_count SMALLINT NOT NULL,
    affect DOUBLE PRECISION NOT NULL, confidence DOUBLE PRECISION NOT NULL, why TEXT NOT NULL, payload JSONB NOT NULL,
    state TEXT NOT NULL, PRIMARY KEY (id), CONSTRAINT alert_dedup_key_key UNIQUE (dedup_key)
);
CREATE INDEX alert_at ON alert (at);
CREATE INDEX alert_entity_at ON alert (entity_id, at);
CREATE TABLE delivery (
    alert_id BIGINT NOT NULL, channel TEXT NOT NULL, state TEXT NOT NULL, attempt INTEGER NOT NULL,
    attempt_started_at timestamptz, next_at timestamptz NOT NULL, message_key TEXT, slack_ts TEXT, sent_at timestamptz,
    looks INTEGER NOT NULL, marked BOOLEAN NOT NULL, resends INTEGER NOT NULL, last_error TEXT NOT NULL,
    PRIMARY KEY (alert_id, channel)
);
CREATE INDEX delivery_state ON delivery (channel, state, next_at);
CREATE INDEX delivery_message_key ON delivery (message_key);
"""


def upgrade() -> None:
    """Make the tables and indexes, in the schema of the search path."""
    for statement in TABLES.split(";"):
        if statement.strip():
            op.execute(statement)
