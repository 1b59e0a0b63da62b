"""How large the tables of MySQL and MariaDB are, and which files they are in."""

from __future__ import annotations

import collections
from collections.abc import Mapping
from typing import Any

from attrs import frozen

from thplugins_dbmigration.engines.table_size import TableSize

_TABLES = """
SELECT table_name, CONVERT(CONVERT(table_name USING filename) USING binary), table_rows, data_length, index_length,
create_time
FROM information_schema.tables
WHERE table_schema = %s AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED')
"""
_FILES = """
SELECT CAST(t.name AS BINARY), t.table_id, t.space, f.file_size
FROM information_schema.{tables} t LEFT JOIN information_schema.{spaces} f ON f.space = t.space
WHERE t.name LIKE CONCAT(CONVERT(CONVERT(%s USING filename) USING binary), '/%%')
"""


@frozen
class _File:
    """A tablespace of a table, or of one of its partitions. ``bytes`` is None for one that it shares with others."""

    identity: str
    bytes: int | None


def taken(cursor: Any, database: str, *, mariadb: bool) -> dict[str, TableSize]:
    """The sizes of a database's tables.

    InnoDB's file of a table is as large as it is, at any moment. What of it are indexes and how many rows there are is
    what the server believed when it last gathered statistics: ``Server.settle`` and every change of a schema do that.
    """
    if not mariadb:  # else sizes are those of yesterday
        cursor.execute("SET SESSION information_schema_stats_expiry = 0")
    cursor.execute(_TABLES, (database,))
    rows = cursor.fetchall()
    files = _files(cursor, database, mariadb=mariadb)
    return {str(name): _size(files.get(bytes(file), ()), *known) for name, file, *known in rows}


def _size(files: Any, rows: int | None, data: int | None, index: int | None, made: Any) -> TableSize:
    index_bytes = int(index) if index is not None else None
    data_bytes = int(data) if data is not None else None
    sizes = [file.bytes for file in files]
    if sizes and None not in sizes:
        data_bytes = max(0, sum(sizes) - (index_bytes or 0))
    identity = " ".join(sorted(file.identity for file in files)) or f"made {made}"
    return TableSize(int(rows) if rows is not None else None, data_bytes, index_bytes, identity)


def _files(cursor: Any, database: str, *, mariadb: bool) -> Mapping[bytes, list[_File]]:
    prefix = "innodb_sys_" if mariadb else "innodb_"
    cursor.execute(_FILES.format(tables=f"{prefix}tables", spaces=f"{prefix}tablespaces"), (database,))
    found: dict[bytes, list[_File]] = collections.defaultdict(list)
    for name, table, space, size in cursor.fetchall():
        # t, or t#P#first for a partition; # in a table's own name is written otherwise.
        file = bytes(name).partition(b"/")[2].partition(b"#")[0]
        found[file].append(_File(f"{table}.{space}", int(size) if size is not None and space else None))
    return found
