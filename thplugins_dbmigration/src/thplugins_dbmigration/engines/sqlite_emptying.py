"""Taking the rows out of an SQLite database."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Collection

# The tables behind a virtual one are emptied through it.
_TABLES = """
SELECT name, type FROM pragma_table_list
WHERE schema = 'main' AND type IN ('table', 'virtual') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
"""


def emptied(connection: sqlite3.Connection, keep: Collection[str], check: Callable[[], None]) -> None:
    """Empty all tables but those to ``keep``, and make the file small. ``connection`` commits by itself; ``check``
    raises when the build is told to end."""
    triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    connection.execute("PRAGMA foreign_keys = OFF")
    connection.execute("BEGIN")
    for name, _ in triggers:  # they would write rows for those that go
        connection.execute(f"DROP TRIGGER {_quoted(name)}")
    for name, kind in connection.execute(_TABLES).fetchall():
        check()
        if name in keep:
            continue
        # What a virtual table is made with may not be there.
        with contextlib.suppress(sqlite3.OperationalError) if kind == "virtual" else contextlib.nullcontext():
            connection.execute(f"DELETE FROM {_quoted(name)}")  # noqa: S608 - quoted
    for _, text in triggers:
        connection.execute(text)
    connection.execute("COMMIT")
    connection.execute("VACUUM")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
