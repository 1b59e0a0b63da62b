"""Checksums of what a database of MySQL or MariaDB holds."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from thplugins_dbmigration.checksums import SummedColumn, TableSum, key_of
from thplugins_dbmigration.engines.mysql_census import quoted

# Schemas are compared with the name alone, as for a census.
_COLUMNS = """
SELECT c.table_name, c.column_name, coalesce(s.seq_in_index, 0)
FROM information_schema.tables t JOIN information_schema.columns c
ON c.table_name = t.table_name
LEFT JOIN information_schema.statistics s ON s.table_schema = %s AND s.table_name = c.table_name
AND s.column_name = c.column_name AND s.index_name = 'PRIMARY'
WHERE t.table_schema = %s AND c.table_schema = %s AND t.table_type IN ('BASE TABLE', 'SYSTEM VERSIONED')
AND coalesce(c.generation_expression, '') = ''
ORDER BY c.table_name, c.ordinal_position
"""


def taken(cursor: Any, database: str, check: Callable[[], None]) -> dict[str, TableSum]:
    """The sums of a database; ``check`` raises when the build is told to end."""
    cursor.execute(_COLUMNS, (database,) * 3)
    sums: dict[str, TableSum] = {}
    for table, rows in itertools.groupby(cursor.fetchall(), key=lambda row: str(row[0])):
        check()
        columns = [SummedColumn(str(name), int(place)) for _, name, place in rows]
        key = key_of(columns)
        parts = [f"coalesce(sum(crc32({_joined((*key, column.name))})), 0)" for column in columns]
        cursor.execute(f"SELECT {', '.join(('count(*)', *parts))} FROM {quoted(database)}.{quoted(table)}")  # noqa: S608
        count, *numbers = map(int, cursor.fetchone())
        sums[table] = TableSum(count, key, dict(zip((column.name for column in columns), numbers, strict=True)))
    return sums


def _joined(names: tuple[str, ...]) -> str:
    """The bytes of several values, whatever their character sets are. NULL is left out, and so another than no text."""
    return f"concat_ws(0x00, {', '.join(f'CAST({quoted(name)} AS BINARY)' for name in names)})"
