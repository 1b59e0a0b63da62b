"""Which version of its tables a history has. Cheap to ask: Alembic stays out of the worker's memory."""

from __future__ import annotations

import enum

import sqlalchemy
from sqlalchemy import URL, Connection

from thcore.errors import InfrastructureError
from thcore.history import database

REVISIONS = ("0001", "0002", "0003", "0004", "0005")
"""The revisions in ``migrations/``, oldest first."""
HEAD = REVISIONS[-1]
"""What this thcore reads and writes."""
TABLE = "history_version"
"""Where Alembic notes the revision; a database can hold other people's tables, with an ``alembic_version``, as well."""


class Standing(enum.Enum):
    """How a database relates to this thcore."""

    EMPTY = "empty"
    """No history has been made in it."""
    OUTDATED = "outdated"
    """An older thcore made it: ``upgrade`` brings it up to date."""
    CURRENT = "current"


def standing(connection: Connection) -> Standing:
    """How the database relates to this thcore. Raises InfrastructureError when a newer one made it."""
    if not sqlalchemy.inspect(connection).has_table(TABLE):
        return Standing.EMPTY
    found = connection.scalar(sqlalchemy.text(f"SELECT version_num FROM {TABLE}"))  # noqa: S608 - a constant
    if found is None:
        return Standing.EMPTY
    if found == HEAD:
        return Standing.CURRENT
    if found in REVISIONS:
        return Standing.OUTDATED
    raise InfrastructureError(
        f"the history is of a newer thcore (its revision is {found}, this one knows {HEAD}); upgrade this thcore, or "
        "name another database with history.url",
        code="history-unavailable",
    )


def standing_of(url: URL) -> Standing:
    """How the database at an address relates to this thcore; none is made. Raises InfrastructureError when it cannot be
    reached, or is of a newer thcore."""
    if not database.exists(url):
        return Standing.EMPTY
    engine = database.engine_for(url)
    try:
        with database.faults(url), engine.connect() as connection:
            return standing(connection)
    finally:
        engine.dispose()
