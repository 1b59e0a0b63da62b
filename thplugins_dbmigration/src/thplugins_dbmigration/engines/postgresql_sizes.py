"""How large the tables of a PostgreSQL database are, and which files hold them."""

from __future__ import annotations

from typing import Any

from thplugins_dbmigration.engines.postgresql_census import OURS
from thplugins_dbmigration.engines.table_size import TableSize

# The functions that add up what a table takes wait for whoever alters it, and a project may keep a transaction open.
_TABLES = f"""
WITH altered AS (
    SELECT relation FROM pg_locks
    WHERE locktype = 'relation' AND mode = 'AccessExclusiveLock' AND granted AND database = (
        SELECT oid FROM pg_database WHERE datname = current_database()
    )
)
SELECT n.nspname, c.relname, CASE WHEN c.reltuples >= 0 THEN c.reltuples::bigint END,
    CASE WHEN NOT locked THEN pg_table_size(c.oid) END, CASE WHEN NOT locked THEN pg_indexes_size(c.oid) END,
    pg_relation_filenode(c.oid)::text
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN LATERAL (
    SELECT EXISTS (
        SELECT FROM altered
        WHERE relation = c.oid OR relation IN (SELECT indexrelid FROM pg_index WHERE indrelid = c.oid)
    ) AS locked
) l
WHERE c.relkind = 'r' AND {OURS}
ORDER BY n.nspname, c.relname
"""  # noqa: S608 - constants


def taken(connection: Any) -> dict[str, TableSize]:
    """The sizes of the tables of the database that the session is in, inside of a transaction. Each partition is a
    table of its own, and that which they are the partitions of holds nothing."""
    # A database may have functions of its own that are called as the server's are, and this session may do anything.
    connection.execute("SET LOCAL search_path = pg_catalog")
    return {
        table if schema == "public" else f"{schema}.{table}": TableSize(rows, data, index, identity)
        for schema, table, rows, data, index, identity in connection.execute(_TABLES).fetchall()
    }
