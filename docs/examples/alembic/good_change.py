"""closed tickets"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade():
    op.add_column("tickets", sa.Column("closed", sa.Boolean, nullable=False, server_default=sa.false()))
    tickets = sa.table("tickets", sa.column("closed"), sa.column("state"))
    op.execute(tickets.update().where(tickets.c.state == "closed").values(closed=sa.true()))
