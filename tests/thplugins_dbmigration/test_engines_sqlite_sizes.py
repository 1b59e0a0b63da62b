"""What the tables of an SQLite database take, and which of them were written anew."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from thplugins_dbmigration.engines.sqlite import SQLiteServer
from thplugins_dbmigration.engines.table_size import TableSize
from thplugins_dbmigration.measure.sizes import rewritten

PAGE = 4096
COPY = """
CREATE TABLE new (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
INSERT INTO new SELECT * FROM pets;
DROP VIEW named;
DROP TABLE pets;
ALTER TABLE new RENAME TO pets;
"""


@pytest.fixture
def server(tmp_path: Path) -> SQLiteServer:
    """A thousand pets and an empty table of owners."""
    made = SQLiteServer(tmp_path)
    made.create("data", "", "")
    run(
        made,
        f"""
        PRAGMA page_size = {PAGE};
        CREATE TABLE pets (id INTEGER PRIMARY KEY, name TEXT);
        CREATE TABLE owners (id INTEGER PRIMARY KEY, mail TEXT UNIQUE);
        CREATE VIEW named AS SELECT * FROM pets WHERE name IS NOT NULL;
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
        INSERT INTO pets SELECT i, 'pet ' || i FROM n;
        """,
    )
    return made


def run(server: SQLiteServer, script: str) -> None:
    with closing(sqlite3.connect(server.address("data", "", "").database)) as connection:
        connection.executescript(script)


def sizes(server: SQLiteServer) -> dict[str, TableSize]:
    return dict(server.sizes(server.address("data", "", "")))


def test_rows_and_bytes_of_tables_and_indexes_are_told(server: SQLiteServer) -> None:
    run(server, "CREATE INDEX by_name ON pets (name)")
    found = sizes(server)
    assert found.keys() == {"pets", "owners"}
    assert (found["owners"].rows, found["owners"].data_bytes, found["owners"].index_bytes) == (0, PAGE, PAGE)
    assert found["pets"].rows == 1000
    for size in (found["pets"].data_bytes, found["pets"].index_bytes):
        assert size is not None
        assert 1000 * 8 < size < 1000 * 40
        assert size % PAGE == 0


@pytest.mark.parametrize(
    ("script", "tables"),
    [
        ("ALTER TABLE pets ADD COLUMN kind TEXT DEFAULT 'dog'", ()),
        ("CREATE INDEX by_name ON pets (name)", ()),
        ("UPDATE pets SET name = name || '!'", ()),
        (COPY, ("pets",)),
    ],
)
def test_a_table_that_is_copied_is_told_from_one_that_is_changed(
    server: SQLiteServer, script: str, tables: tuple[str, ...]
) -> None:
    before = sizes(server)
    run(server, script)
    assert rewritten(before, sizes(server)) == tables
