"""Counting what a database of PostgreSQL holds."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

from psycopg import sql

from thplugins_dbmigration.census import Column, Count, Of, TableCensus, counted, told_apart

OURS = """
c.relpersistence <> 't' AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
AND NOT EXISTS (
    SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
)
"""
"""Which relations ``c`` in schemas ``n`` are the project's: what belongs to an extension is no data of it."""
# A partition is counted with its table, one that inherits from another is not. Generated columns have no values of
# their own.
_COLUMNS = f"""
SELECT n.nspname, c.relname, c.relkind = 'p', a.attname, a.attnotnull AND NOT EXISTS (
    SELECT FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'n' AND NOT k.convalidated
), a.atttypid IN ('text'::regtype, 'varchar'::regtype, 'bpchar'::regtype),
t.typcategory IN ('B', 'D', 'E', 'I', 'N', 'S', 'T') OR a.atttypid = 'uuid'::regtype
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
LEFT JOIN pg_type t ON t.oid = a.atttypid
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND {OURS}
ORDER BY n.nspname, c.relname, a.attnum
"""  # noqa: S608 - constants


_COUNTS = {
    Of.VALUES: sql.SQL("count({})"),
    Of.TEXTS: sql.SQL("count(CASE WHEN {} <> '' THEN 1 END)"),
    Of.DISTINCT: sql.SQL("count(DISTINCT {})"),
}


def taken(connection: Any, check: Callable[[], None]) -> dict[str, TableCensus]:
    """The census of the database that the session is in, inside of a transaction; ``check`` raises when the build is
    told to end."""
    # A scan that others can join leaves a mark from which the next one starts: rows would come in another order.
    connection.execute("SET LOCAL synchronize_seqscans = off")
    # A database may have functions of its own that are called as the server's are, and this session may do anything.
    connection.execute("SET LOCAL search_path = pg_catalog")
    tables: dict[str, TableCensus] = {}
    columns: dict[str, list[Column]] = {}
    counts: dict[str, Count] = {}
    found = connection.execute(_COLUMNS).fetchall()
    for (schema, table, partitioned), rows in itertools.groupby(found, key=lambda row: tuple(row[:3])):
        source = sql.SQL("" if partitioned else "ONLY ") + sql.Identifier(schema, table)

        def count(wanted: Sequence[tuple[str, Of]], source: sql.Composed = source) -> Sequence[int]:
            check()
            values = [_COUNTS[of].format(sql.Identifier(name)) for name, of in wanted]
            what = sql.SQL(", ").join((sql.SQL("count(*)"), *values))
            row: Sequence[int] = connection.execute(sql.SQL("SELECT {} FROM {}").format(what, source)).fetchone()
            return row

        name = table if schema == "public" else f"{schema}.{table}"
        columns[name] = [Column(column, *facts) for _, _, _, column, *facts in rows if column is not None]
        counts[name] = count
        tables[name] = counted(columns[name], count)
    return told_apart(tables, columns, counts)
