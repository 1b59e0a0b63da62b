"""Checksums of what a database of SQLite holds."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Callable
from typing import Any

from thplugins_dbmigration.checksums import SummedColumn, TableSum, key_of

_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
_COLUMNS = "SELECT name, pk FROM pragma_table_xinfo(?) WHERE hidden = 0"


def taken(connection: sqlite3.Connection, check: Callable[[], None]) -> dict[str, TableSum]:
    """The sums of a database; ``check`` raises when the build is told to end."""
    connection.create_function("thcore_checksum", -1, _checksum, deterministic=True)
    sums: dict[str, TableSum] = {}
    for (table,) in connection.execute(_TABLES).fetchall():
        check()
        columns = [SummedColumn(*row) for row in connection.execute(_COLUMNS, (table,))]
        key = key_of(columns)
        parts = [
            f"coalesce(sum(thcore_checksum({', '.join(map(_quoted, (*key, column.name)))})), 0)" for column in columns
        ]
        rows, *numbers = connection.execute(
            f"SELECT {', '.join(('count(*)', *parts))} FROM {_quoted(table)}"  # noqa: S608 - quoted
        ).fetchone()
        sums[table] = TableSum(rows, key, dict(zip((column.name for column in columns), numbers, strict=True)))
    return sums


def _checksum(*values: Any) -> int:
    return zlib.crc32(repr(values).encode("utf-8", "surrogatepass"))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
