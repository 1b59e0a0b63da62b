"""Count money in whole cents."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("orders", sa.Column("total_cents", sa.BigInteger))
    op.execute("UPDATE orders SET total_cents = round(total * 100) WHERE total IS NOT NULL")
