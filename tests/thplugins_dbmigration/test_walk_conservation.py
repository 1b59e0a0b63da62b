"""Which steps cannot have taken anything from the database."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from thcore.model import Measurement, Statement
from thplugins_dbmigration.census import TableCensus
from thplugins_dbmigration.engines.sqlite import SQLiteServer
from thplugins_dbmigration.walk.conservation import takes_nothing

from parts.dataset import write_dataset
from parts.releases import Releases

BOOK = "UPDATE alembic_version SET version_num='b' WHERE alembic_version.version_num = 'a'"
QUIET: Mapping[str, int | None] = {"tup_updated": 1, "tup_deleted": 0}


def measured(*texts: str, counters: Mapping[str, int | None] = QUIET) -> Measurement:
    return Measurement(1.0, counters, statements=tuple(Statement(text, 0.0, 0.1) for text in texts))


@pytest.mark.parametrize(
    "text",
    [
        "CREATE INDEX i ON orders (state)",
        "create  unique index i\n on orders (state);",
        "CREATE INDEX CONCURRENTLY i ON orders (state)",
        "DROP INDEX i",
        "ALTER TABLE orders ADD COLUMN note TEXT",
        "ALTER TABLE `shop`.`orders` ADD INDEX i (state), ADD c INT",
        "CREATE TABLE notes (id INTEGER PRIMARY KEY)",
        "SELECT version_num FROM alembic_version",
        "SET lock_timeout = '3s'",
    ],
)
def test_statements_that_add_take_nothing(text: str) -> None:
    assert takes_nothing(measured("BEGIN", text, BOOK, "COMMIT"))


@pytest.mark.parametrize(
    "text",
    [
        "UPDATE orders SET state = ''",
        "DELETE FROM orders",
        "DROP TABLE orders",
        "TRUNCATE orders",
        "ALTER TABLE orders DROP COLUMN note",
        "ALTER TABLE orders ADD c INT, DROP COLUMN note",
        "ALTER TABLE orders ADD c INT, MODIFY note VARCHAR(3)",
        "ALTER IGNORE TABLE orders ADD UNIQUE (name)",
        "ALTER TABLE orders ADD c INT; DELETE FROM orders",
        "REPLACE INTO orders VALUES (1)",
        "CREATE OR REPLACE TABLE orders (id INT)",
        "INSERT INTO orders SELECT 1 ON DUPLICATE KEY UPDATE name = ''",
        "CALL clean_up()",
        "SELECT clean_up()",
        "SET @done = clean_up()",
        "DO $$ BEGIN DELETE FROM orders; END $$",
        "-- add\nALTER TABLE orders DROP COLUMN note",
        "WITH gone AS (DELETE FROM orders RETURNING 1) SELECT 1",
        "COPY orders FROM stdin",
        "(further statements, too many and too short to be looked at)",
        "",
    ],
)
def test_of_any_other_statement_it_is_not_certain(text: str) -> None:
    assert not takes_nothing(measured("BEGIN", text, BOOK, "COMMIT"))


@pytest.mark.parametrize(
    "counters",
    [
        {"tup_updated": 1, "tup_deleted": 1},
        {"tup_updated": None, "tup_deleted": 0},
        {"Handler_update": 2, "Handler_delete": 0},
        {"rows_changed": 300},
        {},
    ],
)
def test_a_server_that_has_counted_more_or_cannot_tell_is_believed(counters: Mapping[str, int | None]) -> None:
    assert not takes_nothing(measured("SELECT 1", BOOK, counters=counters))


def test_without_statements_nothing_is_certain() -> None:
    assert not takes_nothing(measured())


def test_a_statement_that_may_have_been_cut_or_that_failed_is_not_certain() -> None:
    long = "CREATE TABLE notes (" + ", ".join(f"column_{number} INTEGER" for number in range(400)) + ")"
    assert not takes_nothing(measured(long))
    failed = Statement("CREATE INDEX i ON orders (state)", 0.0, 0.1, error="1062 Duplicate entry")
    assert not takes_nothing(Measurement(1.0, QUIET, statements=(failed,)))


def test_a_tool_may_keep_its_versions_in_a_table_of_any_name() -> None:
    kept = measured("UPDATE schema_versions SET version = 3")
    assert takes_nothing(kept, {"schema_versions"})
    assert not takes_nothing(kept)


def test_rows_are_counted_with_the_target_branch_and_again_only_after_a_step_that_may_take_some(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[str] = []
    taken = SQLiteServer.census

    def noting(server: SQLiteServer, address: object) -> dict[str, TableCensus]:
        counted.append("once")
        return taken(server, address)  # type: ignore[arg-type]

    monkeypatch.setattr(SQLiteServer, "census", noting)
    project = Releases(tmp_path_factory.mktemp("rows"))
    project.tree("master").revision("a", None).revision("b", "a", "alter table item add column price integer")
    seed = "create table alembic_version (version_num varchar(32) not null primary key);\n"
    seed += "insert into alembic_version values ('a');\ncreate table item (id integer primary key, name varchar(20));\n"
    write_dataset(project.datasets, "small", seed + "insert into item values (1, 'spade'), (2, 'rake');\n", start=["a"])
    for change, times in (("create index i on item (name)", 1), ("create index j on item (price)", 0)):
        project.tree("change", like="master").revision("c", "b", change)
        (run,) = project.gate().datasets
        assert (run.steps[-1].result, run.steps[-1].losses) == ("ok", ())
        assert len(counted) == times
        counted.clear()
    project.tree("change", like="master").revision("c", "b", "delete from item where id = 2")
    (run,) = project.gate().datasets
    assert [(loss.table, loss.before, loss.after) for loss in run.steps[-1].losses] == [("item", 2, 1)]
    assert len(counted) == 1
