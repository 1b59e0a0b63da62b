"""Taking the rows out of a database of MySQL or MariaDB."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from thplugins_dbmigration.engines.mysql_census import quoted

_HISTORY = "SYSTEM VERSIONED"
"""The type of MariaDB's tables that keep what was in them, which TRUNCATE does not take."""


def emptied(cursor: Any, database: str, keep: Collection[str], check: Callable[[], None]) -> None:
    """Empty all tables but those to ``keep``. ``check`` raises when the build is told to end."""
    cursor.execute(
        "SELECT table_name, table_type FROM information_schema.tables "
        "WHERE table_schema = %s AND table_type IN ('BASE TABLE', %s)",
        (database, _HISTORY),
    )
    tables = [(str(name), str(kind)) for name, kind in cursor.fetchall() if name not in keep]
    cursor.execute("SET foreign_key_checks = 0")
    try:
        for name, kind in tables:
            check()
            table = f"{quoted(database)}.{quoted(name)}"
            if kind == _HISTORY:
                cursor.execute(f"DELETE FROM {table}")  # noqa: S608 - quoted
                cursor.execute(f"DELETE HISTORY FROM {table}")
            else:
                cursor.execute(f"SELECT 1 FROM {table} LIMIT 1")  # noqa: S608 - quoted
                if cursor.fetchall():  # TRUNCATE makes the table anew, which takes longer than a look
                    cursor.execute(f"TRUNCATE TABLE {table}")
    finally:
        cursor.execute("SET foreign_key_checks = 1")
