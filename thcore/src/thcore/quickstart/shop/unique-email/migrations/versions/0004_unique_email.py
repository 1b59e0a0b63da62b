"""One account per address: nobody can have signed up twice, can they?"""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_index("customers_email", "customers", ["email"], unique=True)
