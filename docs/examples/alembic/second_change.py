"""a ticket is reported once"""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade():
    op.create_index("tickets_once", "tickets", ["reporter", "subject"], unique=True)
