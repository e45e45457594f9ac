"""The first tables. ``pipelines/store/tables.py`` says what each is for."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE source_kind (
    source TEXT NOT NULL, kind TEXT NOT NULL, PRIMARY KEY (source)
);
CREATE TABLE item (
    source TEXT NOT NULL, item_id TEXT NOT NULL, feed TEXT NOT NULL, title TEXT NOT NULL, url TEXT,
    published_at timestamptz, first_observed timestamptz NOT NULL, last_observed timestamptz NOT NULL,
    engagement DOUBLE PRECISION, rank INTEGER, list_length INTEGER, sentiment DOUBLE PRECISION, context JSONB,
    names JSONB, PRIMARY KEY (source, item_id)
);
CREATE INDEX item_last_observed ON item (last_observed);
CREATE TABLE sighting (
    source TEXT NOT NULL, item_id TEXT NOT NULL, seen_at timestamptz NOT NULL, engagement DOUBLE PRECISION,
    rank INTEGER, list_length INTEGER, PRIMARY KEY (source, item_id, seen_at)
);
CREATE INDEX sighting_seen_at ON sighting (seen_at);
CREATE TABLE mention (
    source TEXT NOT NULL, item_id TEXT NOT NULL, entity_id BIGINT NOT NULL, matched TEXT NOT NULL,
    via TEXT NOT NULL, first_observed timestamptz NOT NULL, at timestamptz NOT NULL,
    PRIMARY KEY (source, item_id, entity_id)
);
CREATE INDEX mention_at ON mention (at);
CREATE INDEX mention_entity_at ON mention (entity_id, at);
CREATE TABLE candidate (
    source TEXT NOT NULL, item_id TEXT NOT NULL, canonical TEXT NOT NULL, name TEXT NOT NULL, via TEXT NOT NULL,
    at timestamptz NOT NULL, last_at timestamptz NOT NULL, PRIMARY KEY (source, item_id, canonical)
);
CREATE INDEX candidate_canonical ON candidate (canonical);
CREATE INDEX candidate_last_at ON candidate (last_at);
CREATE TABLE entity (
    id BIGSERIAL NOT NULL, slug TEXT NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL, domain TEXT NOT NULL,
    domain_by TEXT NOT NULL, origin TEXT NOT NULL, muted BOOLEAN DEFAULT false NOT NULL, merged_into BIGINT,
    first_seen timestamptz, provenance JSONB NOT NULL, created_at timestamptz NOT NULL, PRIMARY KEY (id),
    CONSTRAINT entity_slug_key UNIQUE (slug)
);
CREATE INDEX entity_merged_into ON entity (merged_into) WHERE merged_into IS NOT NULL;
CREATE TABLE alias (
    canonical TEXT NOT NULL, entity_id BIGINT NOT NULL, display TEXT NOT NULL,
    needs_second_sign BOOLEAN DEFAULT false NOT NULL, origin TEXT NOT NULL, PRIMARY KEY (canonical, entity_id)
);
CREATE INDEX alias_entity_id ON alias (entity_id);
CREATE TABLE domain_evidence (
    entity_id BIGINT NOT NULL, kind TEXT NOT NULL, domain TEXT NOT NULL, weight DOUBLE PRECISION NOT NULL,
    detail TEXT NOT NULL, at timestamptz NOT NULL, PRIMARY KEY (entity_id, kind, domain)
);
CREATE TABLE poll (
    id BIGSERIAL NOT NULL, source TEXT NOT NULL, at timestamptz NOT NULL, outcome TEXT NOT NULL,
    items INTEGER NOT NULL, new_items INTEGER NOT NULL, rejected INTEGER NOT NULL, requests INTEGER NOT NULL,
    http_status INTEGER, bytes BIGINT NOT NULL, ms INTEGER NOT NULL, detail TEXT NOT NULL, covered_from timestamptz,
    retry_after_s DOUBLE PRECISION, feeds JSONB NOT NULL, PRIMARY KEY (id),
    CONSTRAINT poll_source_at_key UNIQUE (source, at)
);
CREATE INDEX poll_at ON poll (at);
CREATE TABLE coverage (
    source TEXT NOT NULL, hour timestamptz NOT NULL, PRIMARY KEY (source, hour)
);
CREATE TABLE hourly (
    entity_id BIGINT NOT NULL, source TEXT NOT NULL, hour timestamptz NOT NULL, volume DOUBLE PRECISION NOT NULL,
    mentions INTEGER NOT NULL, last_at timestamptz NOT NULL, PRIMARY KEY (entity_id, source, hour)
);
CREATE INDEX hourly_hour ON hourly (hour);
CREATE TABLE score_poll (
    id BIGSERIAL NOT NULL, at timestamptz NOT NULL, stored_at timestamptz NOT NULL, counted BOOLEAN NOT NULL,
    method TEXT NOT NULL, combine TEXT NOT NULL, healthy JSONB NOT NULL, enabled JSONB NOT NULL,
    ms INTEGER NOT NULL, PRIMARY KEY (id), CONSTRAINT score_poll_at_key UNIQUE (at)
);
CREATE TABLE score (
    poll_id BIGINT NOT NULL, entity_id BIGINT NOT NULL, rank INTEGER NOT NULL, velocity_z DOUBLE PRECISION,
    spread_count SMALLINT NOT NULL, affect DOUBLE PRECISION, raw DOUBLE PRECISION, heat DOUBLE PRECISION,
    peak_at timestamptz, hours_since_peak DOUBLE PRECISION, confidence DOUBLE PRECISION, passes BOOLEAN NOT NULL,
    persistence BOOLEAN NOT NULL, eligible BOOLEAN NOT NULL, parts JSONB NOT NULL, platforms JSONB NOT NULL,
    PRIMARY KEY (poll_id, entity_id)
);
CREATE INDEX score_entity_id ON score (entity_id, poll_id);
CREATE TABLE score_hour (
    entity_id BIGINT NOT NULL, hour timestamptz NOT NULL, heat DOUBLE PRECISION, raw DOUBLE PRECISION,
    velocity_z DOUBLE PRECISION, spread_count SMALLINT, affect DOUBLE PRECISION, PRIMARY KEY (entity_id, hour)
);
CREATE INDEX score_hour_hour ON score_hour (hour);
CREATE TABLE merge_suggestion (
    a BIGINT NOT NULL, b BIGINT NOT NULL, score DOUBLE PRECISION NOT NULL, reason TEXT NOT NULL,
    at timestamptz NOT NULL, PRIMARY KEY (a, b)
);
CREATE TABLE audit (
    id BIGSERIAL NOT NULL, at timestamptz NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL,
    subject TEXT NOT NULL, detail JSONB NOT NULL, PRIMARY KEY (id)
);
CREATE INDEX audit_at ON audit (at);
CREATE TABLE source_state (
    key TEXT NOT NULL, value JSONB NOT NULL, updated_at timestamptz NOT NULL, PRIMARY KEY (key)
);
"""


def upgrade() -> None:
    """Make every table and index, in the schema of the search path."""
    for statement in TABLES.split(";"):
        if statement.strip():
            op.execute(statement)
