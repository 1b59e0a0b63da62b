"""What it weighs that a step went above a limit."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the column; nobody knows of what was recorded before."""
    op.add_column("limits", sa.Column("weight", sa.Text))


def downgrade() -> None:
    """Drop it."""
    op.drop_column("limits", "weight")
