"""What sort of failure a poll met, and the upstream's own name for its answer."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns, in the schema of the search path."""
    op.execute("ALTER TABLE poll ADD COLUMN kind TEXT NOT NULL DEFAULT ''")
    op.execute("ALTER TABLE poll ADD COLUMN request_id TEXT NOT NULL DEFAULT ''")
