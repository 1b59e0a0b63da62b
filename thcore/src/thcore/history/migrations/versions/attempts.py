"""Attempts with their stages, datasets, steps, measurements, limits and findings."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

TABLES = ("findings", "limits", "measurements", "steps", "datasets", "stages", "attempts")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "attempts",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("build", sa.Text, nullable=False),
        sa.Column("worker", sa.Text, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("job", sa.Text, nullable=False),
        sa.Column("project", sa.Text, nullable=False),
        sa.Column("branch", sa.Text),
        sa.Column("change", sa.Text, nullable=False),
        sa.Column("verdict", sa.Text, nullable=False),
        sa.Column("summary", sa.Text, nullable=False),
        sa.Column("started", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended", sa.DateTime(timezone=True), nullable=False),
        sa.Column("duration_s", sa.Double, nullable=False),
        sa.Column("commit", sa.Text),
        sa.Column("timed_out", sa.Boolean, nullable=False),
        sa.Column("url", sa.Text),
        sa.Column("answered", sa.Text, nullable=False),
        sa.Column("log_path", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_attempts"),
        sa.UniqueConstraint("build", "worker", "attempt", name="uq_attempts"),
    )
    op.create_index("ix_attempts_started", "attempts", ["started"])
    op.create_index("ix_attempts_job_started", "attempts", ["job", "started"])
    op.create_index("ix_attempts_project_started", "attempts", ["project", "started"])
    _below_attempts(
        "stages",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("result", sa.Text, nullable=False),
        sa.Column("started", sa.DateTime(timezone=True)),
        sa.Column("ended", sa.DateTime(timezone=True)),
        sa.Column("plugins", sa.JSON, nullable=False),
    )
    _below_attempts(
        "datasets",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("engine", sa.Text, nullable=False),
        sa.Column("engine_version", sa.Text, nullable=False),
        sa.Column("tool", sa.Text, nullable=False),
        sa.Column("start_version", sa.JSON, nullable=False),
        sa.Column("expected_version", sa.JSON, nullable=False),
        sa.Column("final_version", sa.JSON, nullable=False),
    )
    op.create_index("ix_datasets_name_engine_version", "datasets", ["name", "engine_version"])
    op.create_table(
        "steps",
        *_positions("attempt_id", "dataset", "position"),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("parents", sa.JSON, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("path", sa.Text),
        sa.Column("added", sa.Boolean, nullable=False),
        sa.Column("result", sa.Text, nullable=False),
        sa.Column("wall_s", sa.Double),
        sa.PrimaryKeyConstraint("attempt_id", "dataset", "position", name="pk_steps"),
        sa.ForeignKeyConstraint(
            ["attempt_id", "dataset"],
            ["datasets.attempt_id", "datasets.position"],
            name="fk_steps",
            ondelete="CASCADE",
        ),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_steps_version_attempt_id", "steps", ["version", "attempt_id"])
    _below_steps(
        "measurements",
        sa.Column("counter", sa.Text, nullable=False),
        sa.Column("value", sa.BigInteger),
    )
    _below_steps(
        "limits",
        sa.Column("counter", sa.Text, nullable=False),
        sa.Column("maximum", sa.Double, nullable=False),
        sa.Column("origin", sa.Text, nullable=False),
    )
    _below_attempts(
        "findings",
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("severity", sa.Text, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("plugin", sa.Text),
        sa.Column("path", sa.Text),
        sa.Column("line", sa.Integer),
        sa.Column("dataset", sa.Text),
        sa.Column("step", sa.Text),
        sa.Column("hint", sa.Text),
    )


def downgrade() -> None:
    """Drop the tables, and with them what they hold."""
    for table in TABLES:
        op.drop_table(table)


def _positions(*names: str) -> tuple[sa.Column[Any], ...]:
    return tuple(sa.Column(name, sa.Integer, autoincrement=False, nullable=False) for name in names)


def _below_attempts(name: str, *columns: sa.Column[Any]) -> None:
    op.create_table(
        name,
        *_positions("attempt_id", "position"),
        *columns,
        sa.PrimaryKeyConstraint("attempt_id", "position", name=f"pk_{name}"),
        sa.ForeignKeyConstraint(["attempt_id"], ["attempts.id"], name=f"fk_{name}", ondelete="CASCADE"),
        sqlite_with_rowid=False,
    )


def _below_steps(name: str, *columns: sa.Column[Any]) -> None:
    op.create_table(
        name,
        *_positions("attempt_id", "dataset", "step", "position"),
        *columns,
        sa.PrimaryKeyConstraint("attempt_id", "dataset", "step", "position", name=f"pk_{name}"),
        sa.ForeignKeyConstraint(
            ["attempt_id", "dataset", "step"],
            ["steps.attempt_id", "steps.dataset", "steps.position"],
            name=f"fk_{name}",
            ondelete="CASCADE",
        ),
        sqlite_with_rowid=False,
    )
