"""Databases without their rows, on every engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from thplugins_dbmigration.engines.mysql_programs import is_mariadb

from parts.servers import MARIADB, SQLITE, SYSTEM, Kind, ground, query

pytestmark = pytest.mark.system

SEED = """
CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY);
INSERT INTO alembic_version VALUES ('a');
CREATE TABLE parent (id INTEGER PRIMARY KEY);
INSERT INTO parent VALUES (1), (2);
CREATE TABLE child (id INTEGER PRIMARY KEY, owner INTEGER, FOREIGN KEY (owner) REFERENCES parent (id));
INSERT INTO child VALUES (1, 1), (2, 2);
CREATE TABLE log (id INTEGER);
INSERT INTO log VALUES (0);
"""
TRIGGER = {
    "mysql": "CREATE TRIGGER gone AFTER DELETE ON child FOR EACH ROW INSERT INTO log VALUES (OLD.id)",
    "postgresql": "CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS "
    "'BEGIN INSERT INTO log VALUES (7); RETURN NULL; END'",
    "sqlite": "CREATE TRIGGER gone AFTER DELETE ON child BEGIN INSERT INTO log VALUES (OLD.id); END",
}
MORE = {
    "mysql": ["CREATE TABLE `odd-name` (id INTEGER){keeping}", "INSERT INTO `odd-name` VALUES (1)"],
    "postgresql": [
        "CREATE TRIGGER gone AFTER TRUNCATE ON child EXECUTE FUNCTION tell()",
        "CREATE SCHEMA other",
        'CREATE TABLE other."odd-name" (id INTEGER) PARTITION BY LIST (id)',
        'CREATE TABLE other.one PARTITION OF other."odd-name" FOR VALUES IN (1)',
        'INSERT INTO other."odd-name" VALUES (1)',
    ],
    "sqlite": ['CREATE TABLE "odd-name" (id INTEGER)', 'INSERT INTO "odd-name" VALUES (1)'],
}


@pytest.mark.parametrize("kind", [MARIADB, SYSTEM, SQLITE], ids=str)
def test_all_rows_go_but_those_of_versions_and_the_schema_stays(kind: Kind, tmp_path: Path) -> None:
    with ground(tmp_path, kind) as made, made.server() as server:
        address = server.create("app", "app", "password")
        server.load(made.build, address, made.seed(SEED))
        keeping = " WITH SYSTEM VERSIONING" if is_mariadb(made.installation) else ""
        for statement in (TRIGGER[kind.type], *MORE[kind.type]):
            query(address, statement.format(keeping=keeping))
        before = server.census(address)
        assert all(table.rows for table in before.values())
        server.empty(address, {"alembic_version"})
        after = server.census(address)
        assert {name: table.rows for name, table in after.items()} == {
            name: int(name == "alembic_version") for name in before
        }
        assert {name: list(table.present) for name, table in after.items()} == {
            name: list(table.present) for name, table in before.items()
        }
        if kind.type == "sqlite":
            assert query(address, "SELECT name FROM sqlite_master WHERE type = 'trigger'") == [("gone",)]
        query(address, "INSERT INTO parent VALUES (1)")
        query(address, "INSERT INTO child VALUES (1, 1)")
