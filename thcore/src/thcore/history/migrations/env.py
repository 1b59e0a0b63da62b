"""Run by Alembic: migrates the connection that it is given, inside its transaction."""

from __future__ import annotations

from alembic import context

from thcore.history.revision import TABLE
from thcore.history.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=TABLE,
    render_as_batch=True,  # SQLite alters a table by copying it
)
with context.begin_transaction():
    context.run_migrations()
