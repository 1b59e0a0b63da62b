"""Taking the rows out of a database of PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from psycopg import sql

from thplugins_dbmigration.engines.postgresql_census import OURS

_TABLES = f"""
SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND {OURS}
ORDER BY n.nspname, c.relname
"""  # noqa: S608 - constants


def emptied(connection: Any, keep: Collection[str], check: Callable[[], None]) -> None:
    """Empty all tables of the database that the session is in, inside of a transaction, but those to ``keep``.
    ``check`` raises when the build is told to end."""
    # The project's own triggers would run with this session's rights.
    connection.execute("SET LOCAL session_replication_role = replica")
    connection.execute("SET LOCAL search_path = pg_catalog")
    for schema, table in connection.execute(_TABLES).fetchall():
        check()
        if (table if schema == "public" else f"{schema}.{table}") in keep:
            continue
        name = sql.Identifier(schema, table)
        rows = connection.execute(sql.SQL("SELECT FROM {} LIMIT 1").format(name)).fetchall()
        if rows:  # one at a time, with those that refer to it: all at once can be more locks than there are
            connection.execute(sql.SQL("TRUNCATE {} CASCADE").format(name))
