"""The definition of a table as its server keeps it, read like the statement that would make it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from thplugins_dbmigration.offences import naming
from thplugins_dbmigration.offences.clause import Clause, Name, Unreadable, read
from thplugins_dbmigration.offences.definition import Definition, definition
from thplugins_dbmigration.offences.naming import quoting
from thplugins_dbmigration.offences.wish import wish

Ask = Callable[[str], tuple[Mapping[str, Any], ...]]
"""Runs a query; answers its rows, a bounded number of them."""

_OF_POSTGRESQL = """
SELECT line FROM (
    SELECT 1 AS part, attnum AS place, quote_ident(attname) || ' ' || format_type(atttypid, atttypmod)
        || CASE WHEN attnotnull THEN ' NOT NULL' ELSE '' END
        || CASE WHEN atthasdef OR attidentity <> '' THEN ' DEFAULT' ELSE '' END AS line
    FROM pg_attribute WHERE attrelid = to_regclass({table}) AND attnum > 0 AND NOT attisdropped
    UNION ALL
    SELECT 2, 0, 'CONSTRAINT ' || quote_ident(conname) || ' ' || pg_get_constraintdef(oid)
    FROM pg_constraint WHERE conrelid = to_regclass({table}) AND contype IN ('p', 'u', 'f', 'c')
    UNION ALL
    SELECT 3, 0, pg_get_indexdef(indexrelid)
    FROM pg_index WHERE indrelid = to_regclass({table}) AND indisunique
    AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
) AS lines ORDER BY part, place, line
"""
_OF_SQLITE = (
    "SELECT sql FROM sqlite_master WHERE lower(tbl_name) = lower({table}) AND sql IS NOT NULL ORDER BY type DESC"
)


def look_up(ask: Ask, dialect: str, table: Name) -> Definition:
    """A table's definition; an empty one where the server knows none. Raises what ``ask`` raises."""
    if dialect == "mysql":
        rows = ask(f"SHOW CREATE TABLE {naming.table(dialect, table)}")
        return _read(dialect, [str(row.get("Create Table", "")) for row in rows])
    if dialect == "sqlite":
        rows = ask(_OF_SQLITE.format(table=naming.text(dialect, table.last)))
        return _read(dialect, [str(row["sql"]) for row in rows])
    rows = ask(_OF_POSTGRESQL.format(table=naming.text(dialect, naming.table(dialect, table))))
    lines = [str(row["line"]) for row in rows]
    indexes = [line for line in lines if line.startswith("CREATE ")]
    body = ", ".join(line for line in lines if not line.startswith("CREATE "))
    return _read(dialect, [f"CREATE TABLE made ({body})", *indexes]) if body else Definition()


_REFERRING = {
    "mysql": "SELECT DISTINCT table_name AS name, NULL AS place FROM information_schema.key_column_usage "
    "WHERE table_schema = database() AND referenced_table_name = {last} ORDER BY 1",
    "postgresql": "SELECT DISTINCT relname AS name, nullif(nspname, 'public') AS place FROM pg_constraint "
    "JOIN pg_class c ON c.oid = conrelid JOIN pg_namespace n ON n.oid = relnamespace "
    "WHERE contype = 'f' AND confrelid = to_regclass({table}) AND conparentid = 0 ORDER BY 1, 2",
    "sqlite": "SELECT name, NULL AS place FROM sqlite_master WHERE type = 'table' AND sql LIKE '%references%' "
    "AND {last} IS NOT NULL ORDER BY 1",
}


def referring(ask: Ask, dialect: str, table: Name) -> tuple[Name, ...]:
    """The tables that may refer to a table. Raises what ``ask`` raises."""
    whole = naming.text(dialect, naming.table(dialect, table))
    rows = ask(_REFERRING[dialect].format(table=whole, last=naming.text(dialect, table.last)))
    return tuple(Name(tuple(str(part) for part in (row["place"], row["name"]) if part is not None)) for row in rows)


def _read(dialect: str, statements: list[str]) -> Definition:
    made = Definition()
    for statement in statements:
        try:
            clause = read(dialect, statement)
            if clause.take("CREATE", "TABLE"):
                made += definition(_elements(clause), quoting(dialect))
            else:
                index = wish(dialect, statement)
                made += Definition(demands=index.demands if index is not None else ())
        except Unreadable:
            continue
    return made


def _elements(clause: Clause) -> list[Clause]:
    clause.until("(")
    return list(clause.group().parts())
