"""The command that a finding offers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the column; nobody knows of what was recorded before."""
    op.add_column("findings", sa.Column("command", sa.Text))


def downgrade() -> None:
    """Drop it."""
    op.drop_column("findings", "command")
