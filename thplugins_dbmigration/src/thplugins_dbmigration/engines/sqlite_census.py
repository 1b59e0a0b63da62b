"""Counting what an SQLite database holds."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Callable, Sequence

from thplugins_dbmigration.census import Column, TableCensus, counted

# A virtual table may need a module that is not there; columns that are hidden or generated have no values of their own.
_COLUMNS = """
SELECT m.name, p.name, p."notnull"
FROM sqlite_master m JOIN pragma_table_xinfo(m.name) p
WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
AND m.sql NOT LIKE 'CREATE VIRTUAL %' AND p.hidden = 0
ORDER BY m.name, p.cid
"""


def taken(connection: sqlite3.Connection, check: Callable[[], None]) -> dict[str, TableCensus]:
    """The census of a database; ``check`` raises when the build is told to end."""
    tables: dict[str, TableCensus] = {}
    found = connection.execute(_COLUMNS).fetchall()
    for table, rows in itertools.groupby(found, key=lambda row: str(row[0])):
        check()

        def count(names: Sequence[str], table: str = table) -> Sequence[int]:
            what = ", ".join(("count(*)", *(f"count({_quoted(name)})" for name in names)))
            row: Sequence[int] = connection.execute(f"SELECT {what} FROM {_quoted(table)}").fetchone()  # noqa: S608 - quoted
            return row

        tables[table] = counted([Column(str(name), bool(required)) for _, name, required in rows], count)
    return tables


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
