"""What the tables of an SQLite database take."""

from __future__ import annotations

import sqlite3
from collections import Counter

from thplugins_dbmigration.engines.table_size import TableSize

# Each table and index that is in the file is a tree of pages; tbl_name is the table of either.
_TREES = """
SELECT tbl_name, type, rootpage, name FROM sqlite_master
WHERE rootpage > 0 AND tbl_name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
"""
_MEASURED = "SELECT name, sum(pgsize), sum(CASE pagetype WHEN 'leaf' THEN ncell END) FROM dbstat GROUP BY name"


def taken(connection: sqlite3.Connection) -> dict[str, TableSize]:
    """The size of each table. Where SQLite has dbstat it reads the head of each page, and ``rows`` are exact (too low
    by a little for a table WITHOUT ROWID); elsewhere all but identities is None.

    ``identity`` is the root page. A table that is copied to another one, which takes its name, has another root page,
    but a second copy may come to lie where the first table was. VACUUM writes all tables anew, and moves few roots.
    """
    trees = connection.execute(_TREES).fetchall()
    (has_sizes,) = connection.execute("SELECT sqlite_compileoption_used('ENABLE_DBSTAT_VTAB')").fetchone()
    measured = connection.execute(_MEASURED).fetchall() if has_sizes else ()
    sizes = {name: (int(size), int(cells)) for name, size, cells in measured}
    indexes: Counter[str] = Counter()
    for table, kind, _, name in trees:
        if kind == "index" and name in sizes:
            indexes[table] += sizes[name][0]
    found: dict[str, TableSize] = {}
    for table, kind, root, _ in trees:
        if kind == "table":
            size, rows = sizes.get(table, (None, None))
            found[table] = TableSize(rows, size, indexes[table] if has_sizes else None, str(root))
    return found
