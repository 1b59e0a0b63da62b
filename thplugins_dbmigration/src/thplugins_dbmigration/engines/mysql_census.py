"""Counting what a database of MySQL or MariaDB holds."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

from thplugins_dbmigration.census import Column, Count, Of, TableCensus, counted, told_apart

# A generated column has no values of its own. MariaDB's tables that keep their history are of a type of their own. Each
# schema is compared with the name alone: if both were compared as well, MariaDB would open the tables of all databases.
_COLUMNS = """
SELECT c.table_name, c.column_name, c.is_nullable = 'NO',
    c.data_type IN ('char', 'varchar', 'tinytext', 'text', 'mediumtext', 'longtext', 'enum'),
    c.data_type NOT LIKE '%%text' AND c.data_type NOT LIKE '%%blob' AND c.data_type NOT IN (
        'json', 'geometry', 'point', 'linestring', 'polygon',
        'multipoint', 'multilinestring', 'multipolygon', 'geometrycollection', 'geomcollection', 'vector'
    )
FROM information_schema.tables t JOIN information_schema.columns c
ON c.table_name = t.table_name
WHERE t.table_schema = %s AND c.table_schema = %s AND t.table_type IN ('BASE TABLE', 'SYSTEM VERSIONED')
AND coalesce(c.generation_expression, '') = ''
ORDER BY c.table_name, c.ordinal_position
"""


_COUNTS = {
    Of.VALUES: "count({})",
    Of.TEXTS: "count(CASE WHEN length({}) > 0 THEN 1 END)",
    Of.DISTINCT: "count(DISTINCT {})",
}


def taken(cursor: Any, database: str, check: Callable[[], None]) -> dict[str, TableCensus]:
    """The census of a database; ``check`` raises when the build is told to end."""
    cursor.execute(_COLUMNS, (database, database))
    tables: dict[str, TableCensus] = {}
    columns: dict[str, list[Column]] = {}
    counts: dict[str, Count] = {}
    for table, rows in itertools.groupby(cursor.fetchall(), key=lambda row: str(row[0])):

        def count(wanted: Sequence[tuple[str, Of]], table: str = table) -> Sequence[int]:
            check()
            what = ", ".join(("count(*)", *(_COUNTS[of].format(quoted(name)) for name, of in wanted)))
            cursor.execute(f"SELECT {what} FROM {quoted(database)}.{quoted(table)}")  # noqa: S608 - quoted
            row: Sequence[int] = cursor.fetchone()
            return row

        columns[table] = [Column(str(name), *map(bool, facts)) for _, name, *facts in rows]
        counts[table] = count
        tables[table] = counted(columns[table], count)
    return told_apart(tables, columns, counts)


def quoted(name: str) -> str:
    """A name as statements take it."""
    return "`" + name.replace("`", "``") + "`"
