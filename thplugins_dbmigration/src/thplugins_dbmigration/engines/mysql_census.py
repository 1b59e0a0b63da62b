"""Counting what a database of MySQL or MariaDB holds."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

from thplugins_dbmigration.census import Column, TableCensus, counted

# A generated column has no values of its own. MariaDB's tables that keep their history are of a type of their own.
_COLUMNS = """
SELECT c.table_name, c.column_name, c.is_nullable = 'NO'
FROM information_schema.tables t JOIN information_schema.columns c
ON c.table_schema = t.table_schema AND c.table_name = t.table_name
WHERE t.table_schema = %s AND c.table_schema = %s AND t.table_type IN ('BASE TABLE', 'SYSTEM VERSIONED')
AND coalesce(c.generation_expression, '') = ''
ORDER BY c.table_name, c.ordinal_position
"""


def taken(cursor: Any, database: str, check: Callable[[], None]) -> dict[str, TableCensus]:
    """The census of a database; ``check`` raises when the build is told to end."""
    cursor.execute(_COLUMNS, (database, database))
    tables: dict[str, TableCensus] = {}
    for table, rows in itertools.groupby(cursor.fetchall(), key=lambda row: str(row[0])):
        check()

        def count(names: Sequence[str], table: str = table) -> Sequence[int]:
            what = ", ".join(("count(*)", *(f"count({quoted(name)})" for name in names)))
            cursor.execute(f"SELECT {what} FROM {quoted(database)}.{quoted(table)}")  # noqa: S608 - quoted
            row: Sequence[int] = cursor.fetchone()
            return row

        tables[table] = counted([Column(str(name), bool(required)) for _, name, required in rows], count)
    return tables


def quoted(name: str) -> str:
    """A name as statements take it."""
    return "`" + name.replace("`", "``") + "`"
