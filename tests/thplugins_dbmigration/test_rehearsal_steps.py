"""Steps of several statements: names, sizes, successors, and what contradicts the tables with their rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import evolve

from thcore.model import Statement, TableWork
from thplugins_dbmigration.engines.stage import Stage
from thplugins_dbmigration.engines.table_size import TableSize
from thplugins_dbmigration.measure.sizes import Sizes
from thplugins_dbmigration.rehearsal import WORKS, classify, worth_rehearsing

from parts.servers import SQLITE, ground, query

TABLE = "CREATE TABLE t (id INTEGER PRIMARY KEY, name VARCHAR(50))"
BEFORE = {"t": TableSize(1000, 40_000, 2_000, "7")}


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A database of SQLite with one table and no rows."""
    with ground(tmp_path, SQLITE) as made, made.server() as server:
        address = server.create("app", "", "")
        query(address, TABLE)
        with server.stage(address) as opened:
            yield opened


def told(*texts: str, error: str = "") -> list[Statement]:
    """The statements of a step; the last one has failed, where there is an ``error``."""
    made = [Statement(text, float(number), 1.0) for number, text in enumerate(texts)]
    return [*made[:-1], evolve(made[-1], error=error)]


def works(statements: tuple[Statement, ...]) -> list[list[tuple[str, str, int | None]]]:
    return [[(work.table, work.kind, work.rows) for work in statement.works] for statement in statements]


@pytest.mark.parametrize(
    "fill",
    ["INSERT INTO new__t (id, name) SELECT id, name FROM t", 'INSERT INTO "new__t" ("id") SELECT "t"."id" FROM "t"'],
)
def test_a_table_that_gets_a_successor_is_copied_and_what_follows_has_its_size(stage: Stage, fill: str) -> None:
    step = told(
        "CREATE TABLE new__t (id INTEGER PRIMARY KEY, name VARCHAR(80))",
        fill,
        "DROP TABLE t",
        "ALTER TABLE new__t RENAME TO t",
        "CREATE INDEX i ON t (name)",
    )
    assert works(classify(stage, step, Sizes(BEFORE, {"t": TableSize(1000, 40_000, 9_000, "12")}))) == [
        [("new__t", "metadata", 0)],
        [("t", "copy", 1000)],
        [("t", "metadata", 1000)],
        [("t", "metadata", 1000)],
        [("t", "index", 1000)],
    ]


def test_filling_a_new_table_from_one_that_stays_is_no_copy_of_it(stage: Stage) -> None:
    step = told("CREATE TABLE names (name VARCHAR(50))", "INSERT INTO names SELECT name FROM t")
    assert works(classify(stage, step, Sizes(BEFORE)))[1] == []


def test_rows_and_bytes_are_those_before_the_step_under_whatever_name(stage: Stage) -> None:
    step = told(
        "ALTER TABLE t RENAME TO u", "CREATE INDEX i ON u (name)", "CREATE TABLE t (id INTEGER)", "DROP TABLE t"
    )
    renamed, indexed, made, dropped = classify(stage, step, Sizes(BEFORE))
    assert indexed.works == (TableWork("u", "index", 1000, 42_000, indexed.works[0].how),)
    assert (made.works[0].rows, made.works[0].bytes) == (dropped.works[0].rows, dropped.works[0].bytes) == (0, 0)
    assert renamed.works[0].bytes == 42_000


def test_sizes_that_nobody_knows_are_not_told_as_nothing(stage: Stage) -> None:
    (indexed,) = classify(stage, told("CREATE INDEX i ON t (name)"), Sizes())
    assert (indexed.works[0].rows, indexed.works[0].bytes) == (None, None)


def test_statements_that_change_rows_do_nothing_to_tables_and_are_not_worth_a_rehearsal(stage: Stage) -> None:
    step = told("UPDATE t SET name = 'x'", "SET x = 1", "BEGIN", "SELECT 1")
    assert not worth_rehearsing(step)
    assert classify(stage, step, Sizes(BEFORE)) == tuple(step)
    assert worth_rehearsing(told("-- behind\nALTER TABLE t ADD x INT"))


def test_a_statement_that_the_server_refuses_says_why_and_others_are_still_told(stage: Stage) -> None:
    refused, indexed = classify(stage, told("ALTER TABLE nowhere ADD x INT", "CREATE INDEX i ON t (name)"), Sizes())
    assert refused.works == ()
    assert "no such table: nowhere" in refused.unknown[WORKS]
    assert works((indexed,)) == [[("t", "index", None)]]


def test_a_statement_whose_text_is_cut_is_not_guessed_at(stage: Stage) -> None:
    cut = Statement("ALTER TABLE t ADD COLUMN x INT", 0, 1, unknown={"text": "only the first bytes were kept"})
    (seen,) = classify(stage, [cut], Sizes())
    assert seen.works == ()
    assert "only the first bytes were kept" in seen.unknown[WORKS]


def test_a_statement_that_failed_is_told_and_not_kept(stage: Stage) -> None:
    step = told("CREATE UNIQUE INDEX i ON t (name)", error="UNIQUE constraint failed: t.name")
    assert works(classify(stage, step, Sizes(BEFORE))) == [[("t", "index", 1000)]]
    assert works(classify(stage, told("CREATE UNIQUE INDEX i ON t (name)"), Sizes(BEFORE))) == [[("t", "index", 1000)]]


def test_a_table_that_was_written_anew_with_its_rows_is_told_to_be_by_the_longest_statement(stage: Stage) -> None:
    short, long = told("ALTER TABLE t ADD COLUMN a INT", "ALTER TABLE t ADD COLUMN b INT")
    first, second = classify(stage, [short, evolve(long, wall_s=9.0)], Sizes(BEFORE, {"t": TableSize(1, 1, 1, "8")}))
    assert (first.works[0].kind, second.works[0].kind) == ("metadata", stage.rewriting)
    assert second.works[0].how == ("without rows: its rows are not read; but with its rows, the table was written anew")


def test_a_table_that_stayed_where_it_was_is_told_so_where_that_proves_anything(stage: Stage) -> None:
    step = told(
        "CREATE TABLE n (id INTEGER)", "INSERT INTO n SELECT id FROM t", "DROP TABLE t", "ALTER TABLE n RENAME TO t"
    )
    for settles in (False, True):
        stage.settles = settles
        filled = classify(stage, step, Sizes(BEFORE, BEFORE))[1]
        assert filled.works[0].kind == "copy"
        assert filled.works[0].how.endswith("but with its rows, the table was not written anew") is settles


def test_nobody_is_accused_where_one_statement_is_not_known(stage: Stage) -> None:
    step = told("ALTER TABLE t ADD COLUMN a INT", "ALTER TABLE nowhere ADD x INT")
    added, _ = classify(stage, step, Sizes(BEFORE, {"t": TableSize(1, 1, 1, "8")}))
    assert added.works[0].kind == "metadata"


def test_what_a_project_says_cannot_leave_its_database(stage: Stage, tmp_path: Path) -> None:
    step = told(
        f"CREATE TABLE x AS SELECT load_extension('{tmp_path}/x')",
        f"VACUUM INTO '{tmp_path}/copy'",
        "CREATE TABLE big AS WITH RECURSIVE n(i) AS (SELECT 1) SELECT zeroblob(900000000) FROM n",
    )
    seen = classify(stage, step, Sizes())
    assert all(WORKS in statement.unknown for statement in seen)
    assert not (tmp_path / "copy").exists()
