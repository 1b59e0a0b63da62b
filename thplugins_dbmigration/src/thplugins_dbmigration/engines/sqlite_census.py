"""Counting what an SQLite database holds."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Callable, Sequence

from thplugins_dbmigration.census import Column, Count, Of, TableCensus, counted, told_apart

# A virtual table may need a module that is not there; columns that are hidden or generated have no values of their own.
_COLUMNS = """
SELECT m.name, p.name, p."notnull", p.type LIKE '%char%' OR p.type LIKE '%text%' OR p.type LIKE '%clob%'
FROM sqlite_master m JOIN pragma_table_xinfo(m.name) p
WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
AND m.sql NOT LIKE 'CREATE VIRTUAL %' AND p.hidden = 0
ORDER BY m.name, p.cid
"""


_COUNTS = {
    Of.VALUES: "count({})",
    Of.TEXTS: "count(CASE WHEN {} <> '' THEN 1 END)",
    Of.DISTINCT: "count(DISTINCT {})",
}


def taken(connection: sqlite3.Connection, check: Callable[[], None]) -> dict[str, TableCensus]:
    """The census of a database; ``check`` raises when the build is told to end."""
    tables: dict[str, TableCensus] = {}
    columns: dict[str, list[Column]] = {}
    counts: dict[str, Count] = {}
    found = connection.execute(_COLUMNS).fetchall()
    for table, rows in itertools.groupby(found, key=lambda row: str(row[0])):

        def count(wanted: Sequence[tuple[str, Of]], table: str = table) -> Sequence[int]:
            check()
            what = ", ".join(("count(*)", *(_COUNTS[of].format(_quoted(name)) for name, of in wanted)))
            row: Sequence[int] = connection.execute(f"SELECT {what} FROM {_quoted(table)}").fetchone()  # noqa: S608 - quoted
            return row

        columns[table] = [
            Column(str(name), bool(required), bool(text), comparable=True) for _, name, required, text in rows
        ]
        counts[table] = count
        tables[table] = counted(columns[table], count)
    return told_apart(tables, columns, counts)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
