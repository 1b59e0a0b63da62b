"""Under which numbers InnoDB keeps the tables of a database of MySQL or MariaDB, and in which files."""

from __future__ import annotations

import collections
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from attrs import frozen

# Whose tables have which file is told in the names of the files, which have only letters that every file system takes.
_ENCODED = """
SELECT table_name, CONVERT(CONVERT(table_name USING filename) USING binary) FROM information_schema.tables
WHERE table_schema = %s
"""
_OF_MARIADB = """
SELECT CAST(t.name AS BINARY), t.table_id, t.space, f.file_size
FROM information_schema.innodb_sys_tables t LEFT JOIN information_schema.innodb_sys_tablespaces f ON f.space = t.space
WHERE t.name LIKE CONCAT(CONVERT(CONVERT(%s USING filename) USING binary), '/%%')
"""
# MySQL converts no name to such letters, but calls a file's tablespace what its table is called. One that several
# tables share has a name without a slash.
_OF_MYSQL = """
SELECT IF(f.name LIKE '%/%', f.name, t.name), t.table_id, t.space, IF(f.name LIKE '%/%', f.file_size, NULL)
FROM information_schema.innodb_tables t LEFT JOIN information_schema.innodb_tablespaces f ON f.space = t.space
"""
_PARTITION = re.compile("#p#", re.IGNORECASE)


@frozen
class Stored:
    """A table, or one of its partitions: its number, its tablespace, and the bytes of that, None where it is shared
    with others."""

    table: int
    space: int
    bytes: int | None


def stored(cursor: Any, database: str, tables: Collection[str], *, mariadb: bool) -> Mapping[str, list[Stored]]:
    """What InnoDB has of each of the tables of a database; nothing of those of other storage engines."""
    found: dict[str, list[Stored]] = collections.defaultdict(list)
    rows = _of_mariadb(cursor, database) if mariadb else _of_mysql(cursor, database, tables)
    for name, table, space, size in rows:
        if name in tables:
            own = int(size) if size is not None and space else None
            found[name].append(Stored(int(table), int(space), own))
    return found


def _of_mariadb(cursor: Any, database: str) -> Iterator[tuple[Any, ...]]:
    cursor.execute(_ENCODED, (database,))
    names = {bytes(file): str(name) for name, file in cursor.fetchall()}
    cursor.execute(_OF_MARIADB, (database,))
    for stored, *what in cursor.fetchall():
        # t, or t#P#first for a partition; # in a table's own name is written otherwise.
        file = bytes(stored).partition(b"/")[2].partition(b"#")[0]
        yield names.get(file, ""), *what


def _of_mysql(cursor: Any, database: str, tables: Collection[str]) -> Iterator[tuple[Any, ...]]:
    cursor.execute(_OF_MYSQL)
    for stored, *what in cursor.fetchall():
        schema, _, name = str(stored).partition("/")
        if schema == database:
            yield name if name in tables else _PARTITION.split(name)[0], *what
