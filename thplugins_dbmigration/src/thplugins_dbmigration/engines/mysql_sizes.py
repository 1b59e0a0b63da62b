"""How large the tables of MySQL and MariaDB are, and which files they are in."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from thplugins_dbmigration.engines.mysql_innodb import Stored, stored
from thplugins_dbmigration.engines.table_size import TableSize

_TABLES = """
SELECT table_name, table_rows, data_length, index_length, create_time FROM information_schema.tables
WHERE table_schema = %s AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED')
"""


def taken(cursor: Any, database: str, *, mariadb: bool) -> dict[str, TableSize]:
    """The sizes of a database's tables.

    InnoDB's file of a table is as large as it is, at any moment. What of it are indexes and how many rows there are is
    what the server believed when it last gathered statistics: ``Server.settle`` and every change of a schema do that.
    """
    if not mariadb:  # else sizes are those of yesterday
        cursor.execute("SET SESSION information_schema_stats_expiry = 0")
    cursor.execute(_TABLES, (database,))
    rows = {str(name): known for name, *known in cursor.fetchall()}
    files = stored(cursor, database, rows.keys(), mariadb=mariadb)
    return {name: _size(files.get(name, ()), *known) for name, known in rows.items()}


def _size(files: Collection[Stored], rows: int | None, data: int | None, index: int | None, made: Any) -> TableSize:
    index_bytes = int(index) if index is not None else None
    data_bytes = int(data) if data is not None else None
    sizes = [file.bytes for file in files if file.bytes is not None]
    if files and len(sizes) == len(files):
        data_bytes = max(0, sum(sizes) - (index_bytes or 0))
    identity = " ".join(sorted(f"{file.table}.{file.space}" for file in files)) or f"made {made}"
    return TableSize(int(rows) if rows is not None else None, data_bytes, index_bytes, identity)
