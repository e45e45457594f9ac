"""Alembic's environment: runs on the connection that ``pipelines.store.migrate`` hands over."""

from alembic import context

from pipelines.store.tables import metadata

connection = context.config.attributes.get("connection")
if connection is None:
    raise SystemExit("migrations run through: heatmap db upgrade")
context.configure(connection=connection, target_metadata=metadata, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
