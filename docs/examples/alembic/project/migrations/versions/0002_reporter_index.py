"""index of reporters"""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade():
    op.create_index("tickets_reporter", "tickets", ["reporter"])
