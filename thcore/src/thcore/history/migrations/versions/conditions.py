"""What durations can be compared within: the conditions of a dataset's run, whose code ran a step, and its chain."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the columns. Of what was recorded before, no conditions are known."""
    op.add_column("datasets", sa.Column("conditions", sa.Text, nullable=False, server_default="{}"))
    op.add_column("steps", sa.Column("chain", sa.Text, nullable=False, server_default=sa.text("''")))
    op.add_column("steps", sa.Column("leg", sa.Text, nullable=False, server_default=sa.text("''")))


def downgrade() -> None:
    """Drop the columns."""
    op.drop_column("steps", "leg")
    op.drop_column("steps", "chain")
    op.drop_column("datasets", "conditions")
