"""Checksums of what a database of PostgreSQL holds."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from psycopg import sql

from thplugins_dbmigration.checksums import SummedColumn, TableSum, key_of

_COLUMNS = """
SELECT n.nspname, c.relname, c.relkind = 'p', a.attname, coalesce(array_position(k.conkey, a.attnum), 0)
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
LEFT JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype = 'p'
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
AND NOT EXISTS (
    SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
)
ORDER BY n.nspname, c.relname, a.attnum
"""


def taken(connection: Any, check: Callable[[], None]) -> dict[str, TableSum]:
    """The sums of the database that the session is in, inside of a transaction; ``check`` raises when the build is told
    to end."""
    # A database may have functions of its own that are called as the server's are, and this session may do anything.
    connection.execute("SET LOCAL search_path = pg_catalog")
    sums: dict[str, TableSum] = {}
    found = connection.execute(_COLUMNS).fetchall()
    for (schema, table, partitioned), rows in itertools.groupby(found, key=lambda row: tuple(row[:3])):
        check()
        columns = [SummedColumn(name, place) for *_, name, place in rows]
        key = key_of(columns)
        source = sql.SQL("" if partitioned else "ONLY ") + sql.Identifier(schema, table)
        parts = [_sum((*key, column.name)) for column in columns]
        what = sql.SQL(", ").join((sql.SQL("count(*)"), *parts))
        count, *numbers = map(int, connection.execute(sql.SQL("SELECT {} FROM {}").format(what, source)).fetchone())
        name = table if schema == "public" else f"{schema}.{table}"
        sums[name] = TableSum(count, key, dict(zip((column.name for column in columns), numbers, strict=True)))
    return sums


def _sum(names: tuple[str, ...]) -> sql.Composed:
    """NULL is left out of what is joined, and so another than no text."""
    values = sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(name)) for name in names)
    return sql.SQL("coalesce(sum(hashtextextended(concat_ws(chr(1), {}), 0)), 0)").format(values)
