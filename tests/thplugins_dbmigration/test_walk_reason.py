"""Why a step failed, of what the server and the tool have told."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest
from attrs import evolve

from thcore.model import Measurement, Statement, Step
from thplugins_dbmigration.engines.sqlite import SQLiteServer
from thplugins_dbmigration.tools.tool import Stop
from thplugins_dbmigration.walk.ground import Ground
from thplugins_dbmigration.walk.reason import Reason, reason

INDEX = "CREATE UNIQUE INDEX one ON t (a)"
ERROR = "UNIQUE constraint failed: t.a"
FAILED = Statement(INDEX, 1.0, 0.1, error=ERROR)
STEP = Step("b", ("a",), path="versions/b.py")


@pytest.fixture
def place(tmp_path: Path) -> Ground:
    server = SQLiteServer(tmp_path)
    address = server.create("shop", "", "")
    with contextlib.closing(sqlite3.connect(address.database)) as session:
        session.executescript("CREATE TABLE t (id integer PRIMARY KEY, a text); INSERT INTO t (a) VALUES ('x'), ('x')")
    return Ground(server, address)


def why(place: Ground, stop: Stop, *statements: Statement) -> Reason:
    return reason(stop, Measurement(1.0, statements=statements), place, {}, Path(place.address.database).parent)


def test_the_statement_that_the_server_saw_fail_is_explained_and_told(place: Ground) -> None:
    found = why(place, Stop(STEP, message="exit 1"), Statement("SELECT 1", 0, 0), FAILED, Statement("ROLLBACK", 2, 0))
    assert [offence.count for offence in found.offences] == [2]
    assert found.lines[:3] == (
        f"The server's answer: {ERROR}",
        f"statement: {INDEX}",
        "2 rows of t have the same a as another row:",
    )


def test_a_statement_that_the_tool_told_is_explained_where_the_server_told_none(place: Ground) -> None:
    found = why(place, Stop(STEP, message="exit 1", statement=INDEX, error=ERROR))
    assert [offence.count for offence in found.offences] == [2]
    assert found.lines[0] == "2 rows of t have the same a as another row:"


def test_statements_that_failed_on_purpose_before_are_not_the_reason(place: Ground) -> None:
    probe = evolve(FAILED, text="SELECT 1 FROM u", error="no such table: u")
    assert why(place, Stop(STEP), probe, FAILED).offences
    assert not why(place, Stop(STEP), FAILED, probe).offences


def test_what_comes_after_the_failure_in_a_transaction_of_postgresql_is_not_the_reason(place: Ground) -> None:
    late = evolve(FAILED, text="SELECT 1", error="25P02: current transaction is aborted")
    assert why(place, Stop(STEP), FAILED, late).offences


def test_the_open_transaction_is_repeated_unless_only_a_part_of_it_is_known(place: Ground) -> None:
    begin, column = Statement("BEGIN", 0, 0), Statement("ALTER TABLE t ADD COLUMN b int DEFAULT 7", 0, 0)
    failed = Statement("CREATE UNIQUE INDEX one ON t (b)", 1, 0, error="UNIQUE constraint failed: t.b")
    assert [offence.count for offence in why(place, Stop(STEP), begin, column, failed).offences] == [2]
    cut = evolve(column, unknown={"text": "it is long"})
    assert not why(place, Stop(STEP), begin, cut, failed).offences
    committed = Statement("COMMIT", 0, 0)
    assert not why(place, Stop(STEP), begin, column, committed, failed).offences


def test_a_transaction_that_the_driver_began_by_itself_is_repeated(place: Ground) -> None:
    with contextlib.closing(sqlite3.connect(place.address.database)) as session:
        session.execute("ALTER TABLE t ADD COLUMN b int")
    column, filled = Statement("ALTER TABLE t ADD COLUMN b int", 0, 0), Statement("UPDATE t SET b = 7", 0, 0)
    failed = Statement("CREATE UNIQUE INDEX one ON t (b)", 1, 0, error="UNIQUE constraint failed: t.b")
    rollback = Statement("ROLLBACK", 2, 0)
    assert [offence.count for offence in why(place, Stop(STEP), column, filled, failed, rollback).offences] == [2]
    assert not why(place, Stop(STEP), column, filled, failed).offences
    back = Statement("rollback to savepoint x", 2, 0)
    assert not why(place, Stop(STEP), column, filled, failed, back).offences
    committed = Statement("COMMIT", 2, 0)
    assert not why(place, Stop(STEP), column, filled, committed, failed, rollback).offences


@pytest.mark.parametrize(
    ("path", "said", "line"),
    [
        ("versions/b.py", ['  File "/w/checkout/versions/b.py", line 12, in upgrade'], 12),
        ("versions/b.py", ['  File "b.py", line 3', '  File "/x/versions/b.py", line 4', "Error"], 4),
        ("versions/b.py", ['  File "/w/checkout/versions/ab.py", line 12, in upgrade'], None),
        ("sql/7_x.sql", ["psql:sql/7_x.sql:31: ERROR:  duplicate key"], 31),
        ("sql/7_x.sql", ["ERROR 1062 (23000) at line 5: Duplicate entry"], 5),
        ("versions/b.py", ["ERROR 1062 (23000) at line 5: Duplicate entry"], None),
        (None, ['  File "/w/checkout/versions/b.py", line 12'], None),
    ],
)
def test_the_line_is_the_one_of_the_steps_file_that_the_program_names(
    place: Ground, path: str | None, said: list[str], line: int | None
) -> None:
    stop = Stop(evolve(STEP, path=path), evidence=tuple(said))
    assert why(place, stop).line == line
    assert why(place, evolve(stop, line=99)).line == 99
