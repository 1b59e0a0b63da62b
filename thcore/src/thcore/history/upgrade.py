"""Bringing a history's database up to date: ``python -m thcore.history.upgrade``, with the pickled URL on its stdin.

A worker has this done by a process of its own, so that Alembic does not stay in its memory, and gives the URL on stdin,
because everybody sees the arguments of a process.
"""

from __future__ import annotations

import pickle
import sys

import sqlalchemy
from alembic import command
from alembic.config import Config as AlembicConfig
from sqlalchemy import URL, Connection

from thcore.errors import ThcoreError
from thcore.history import database
from thcore.history.revision import HEAD, Standing, standing

_LOCK = 0x7468636F7265
"""Key of PostgreSQL's advisory lock: several workers may want to upgrade the one database that they share."""


def upgrade(url: URL) -> None:
    """Make the tables, or bring them to the newest revision; nothing is done where they are. All of it or nothing.

    Raises InfrastructureError (``history-unavailable``), also for a database of a newer thcore.
    """
    engine = database.engine_for(url, create=True)
    try:
        with database.faults(url), engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(sqlalchemy.select(sqlalchemy.func.pg_advisory_xact_lock(_LOCK)))
            if standing(connection) is not Standing.CURRENT:
                command.upgrade(alembic_config(connection), HEAD)
    finally:
        engine.dispose()


def alembic_config(connection: Connection) -> AlembicConfig:
    """What Alembic needs to know; its commands then work on this connection."""
    config = AlembicConfig()
    config.set_main_option("script_location", "thcore.history:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def main() -> int:
    """Upgrade the database whose URL is on stdin. Says on stderr why it could not."""
    url = pickle.load(sys.stdin.buffer)  # noqa: S301 - from the worker that started this process
    try:
        upgrade(url)
    except ThcoreError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the worker reads it
        return int(error.exit_code)
    return 0


if __name__ == "__main__":
    sys.exit(main())
