"""The tables of the history. What is below an attempt goes when the attempt goes.

A row below an attempt is named by the attempt and by positions, which count from 0 in the order of the outcome: so all
of an attempt lies together and is found, replaced and forgotten as one.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    Table,
    UniqueConstraint,
    text,
)

from thcore.history.column import Counter, Moment, Name, Prose, Words

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s",
        "fk": "fk_%(table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _position(name: str) -> Column[Any]:
    return Column(name, Integer, primary_key=True, autoincrement=False)


def _attempt() -> Column[Any]:
    return Column("attempt_id", ForeignKey("attempts.id", ondelete="CASCADE"), primary_key=True, autoincrement=False)


attempts = Table(
    "attempts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("build", Name, nullable=False),
    Column("worker", Name, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("job", Name, nullable=False),
    Column("project", Name, nullable=False),
    Column("branch", Name),
    Column("change", Prose, nullable=False),
    Column("verdict", Name, nullable=False),
    Column("summary", Prose, nullable=False),
    Column("started", Moment, nullable=False),
    Column("ended", Moment, nullable=False),
    Column("duration_s", Double, nullable=False),
    Column("commit", Name),
    Column("timed_out", Boolean, nullable=False),
    Column("url", Prose),
    Column("answered", Name, nullable=False),
    Column("log_path", Prose, nullable=False),
    UniqueConstraint("build", "worker", "attempt"),
    Index(None, "started"),
    Index(None, "job", "started"),
    Index(None, "project", "started"),
)

stages = Table(
    "stages",
    metadata,
    _attempt(),
    _position("position"),
    Column("name", Name, nullable=False),
    Column("result", Name, nullable=False),
    Column("started", Moment),
    Column("ended", Moment),
    Column("plugins", JSON, nullable=False),
    sqlite_with_rowid=False,
)

datasets = Table(
    "datasets",
    metadata,
    _attempt(),
    _position("position"),
    Column("name", Name, nullable=False),
    Column("version", Name, nullable=False),
    Column("fingerprint", Name, nullable=False),
    Column("engine", Name, nullable=False),
    Column("engine_version", Name, nullable=False),
    Column("tool", Name, nullable=False),
    Column("start_version", JSON, nullable=False),
    Column("expected_version", JSON, nullable=False),
    Column("final_version", JSON, nullable=False),
    Column("conditions", Words, nullable=False, server_default="{}"),
    Index(None, "name", "engine_version"),
    sqlite_with_rowid=False,
)

steps = Table(
    "steps",
    metadata,
    Column("attempt_id", Integer, primary_key=True, autoincrement=False),
    _position("dataset"),
    _position("position"),
    Column("version", Name, nullable=False),
    Column("parents", JSON, nullable=False),
    Column("title", Prose, nullable=False),
    Column("path", Prose),
    Column("added", Boolean, nullable=False),
    Column("result", Name, nullable=False),
    Column("wall_s", Double),
    Column("chain", Name, nullable=False, server_default=text("''")),
    Column("leg", Name, nullable=False, server_default=text("''")),
    Column("began", Double),
    ForeignKeyConstraint(["attempt_id", "dataset"], ["datasets.attempt_id", "datasets.position"], ondelete="CASCADE"),
    Index(None, "version", "attempt_id"),
    sqlite_with_rowid=False,
)

_STEP = (["attempt_id", "dataset", "step"], ["steps.attempt_id", "steps.dataset", "steps.position"])

measurements = Table(
    "measurements",
    metadata,
    Column("attempt_id", Integer, primary_key=True, autoincrement=False),
    _position("dataset"),
    _position("step"),
    _position("position"),
    Column("counter", Name, nullable=False),
    Column("value", Counter),
    ForeignKeyConstraint(*_STEP, ondelete="CASCADE"),
    sqlite_with_rowid=False,
)
"""One row per counter, null for one that the engine could not tell. The wall-clock time is the step's ``wall_s``."""

limits = Table(
    "limits",
    metadata,
    Column("attempt_id", Integer, primary_key=True, autoincrement=False),
    _position("dataset"),
    _position("step"),
    _position("position"),
    Column("counter", Name, nullable=False),
    Column("maximum", Double, nullable=False),
    Column("origin", Prose, nullable=False),
    Column("table", Name, nullable=False, server_default=text("''")),
    Column("severity", Name, nullable=False, server_default="failure"),
    Column("false_alarms", Double),
    Column("value", Double),
    Column("weight", Name),
    ForeignKeyConstraint(*_STEP, ondelete="CASCADE"),
    sqlite_with_rowid=False,
)

findings = Table(
    "findings",
    metadata,
    _attempt(),
    _position("position"),
    Column("code", Name, nullable=False),
    Column("severity", Name, nullable=False),
    Column("message", Prose, nullable=False),
    Column("plugin", Name),
    Column("path", Prose),
    Column("line", Integer),
    Column("dataset", Name),
    Column("step", Name),
    Column("hint", Prose),
    Column("command", Prose),
    sqlite_with_rowid=False,
)
"""What was found, without its evidence, which is with the publication."""

BELOW = (stages, datasets, steps, measurements, limits, findings)
"""What belongs to an attempt, each after the one that its rows belong to."""
