"""Find a customer's orders quickly."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_index("orders_customer_id", "orders", ["customer_id"])
