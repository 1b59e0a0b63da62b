"""All of a limit: its table, what going above it means, how sure it is, what the step came to; when a step began."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the columns. Every limit that was recorded before is about a whole step, as most were, and what the step came
    to is what its counters tell."""
    op.add_column("limits", sa.Column("table", sa.Text, nullable=False, server_default=sa.text("''")))
    op.add_column("limits", sa.Column("severity", sa.Text, nullable=False, server_default="failure"))
    op.add_column("limits", sa.Column("false_alarms", sa.Double))
    op.add_column("limits", sa.Column("value", sa.Double))
    op.add_column("steps", sa.Column("began", sa.Double))


def downgrade() -> None:
    """Drop the columns."""
    op.drop_column("steps", "began")
    for name in ("value", "false_alarms", "severity", "table"):
        op.drop_column("limits", name)
