"""What stands beside an SQLite database is the project's, and is not trusted."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from thcore.testing import make_build
from thplugins_dbmigration.engines.sqlite import UNREAD, SQLite, SQLiteServer
from thplugins_dbmigration.engines.sqlite_observed import CUT, LARGEST, LONGEST, MOST, UNOBSERVED, observed
from thplugins_dbmigration.measure.sqlite import UNCOUNTED

STATEMENT: dict[str, Any] = {
    "text": "DELETE FROM pets", "began": 7.5, "wall_s": 0.25, "calls": 2, "error": "",
    "rows_changed": 5, "vm_steps": 4000,
}  # fmt: skip
MESSAGE: dict[str, Any] = {
    "began": 7.0,
    "counters": {"rows_changed": 5, "vm_steps": 4000, "page_hits": 3, "page_misses": 1, "pages_written": 2},
    "unknown": {},
    "statements": [STATEMENT],
}


@pytest.fixture
def database(tmp_path: Path) -> Path:
    (tmp_path / "data.sqlite").touch()
    return tmp_path / "data.sqlite"


def place(database: Path) -> Path:
    return database.with_name("data.sqlite-observed")


def test_a_server_tells_what_was_observed(database: Path) -> None:
    server = SQLiteServer(database.parent)
    address = server.address("data", "", "")
    place(database).write_text(json.dumps(MESSAGE))
    counters, reasons = server.counters(address), server.reasons(address)
    assert (counters["rows_changed"], counters["pages_written"], counters["rows_read"]) == (5, 2, None)
    assert counters["pages_spilled"] is None
    assert reasons == {
        **UNCOUNTED,
        "rows_read": UNREAD,
        "Innodb_rows_read": UNREAD,
        "rows_locked": "SQLite locks the whole file, and no row",
        "pages_spilled": "the project's SQLite does not count them",
    }
    [statement] = server.statements(address, 6.0)
    assert (statement.text, statement.began_s, statement.wall_s, statement.calls) == ("DELETE FROM pets", 1.5, 0.25, 2)
    assert statement.counters == {"rows_changed": 5, "vm_steps": 4000}
    assert server.statements(address, 8.0) == (), "they are of a step before that one"


def test_of_a_statement_that_may_be_cut_it_is_told_that_there_may_be_more(database: Path) -> None:
    server = SQLiteServer(database.parent)
    place(database).write_text(json.dumps({**MESSAGE, "statements": [{**STATEMENT, "text": "x" * LONGEST}, STATEMENT]}))
    cut, whole = server.statements(server.address("data", "", ""), 6.0)
    assert (cut.unknown, whole.unknown) == ({"text": CUT}, {})


@pytest.mark.parametrize("name", ["rows_read", "rows_inserted", "rows_updated", "rows_deleted", "wal_bytes"])
def test_what_sqlite_never_counts_is_unknown_with_a_reason_and_no_0(database: Path, name: str) -> None:
    server = SQLiteServer(database.parent)
    address = server.address("data", "", "")
    place(database).write_text(json.dumps(MESSAGE))
    assert server.counters(address)[name] is None
    assert "does not count" in server.reasons(address)[name] or "counts changed rows" in server.reasons(address)[name]


def test_without_an_observer_it_tells_why_it_cannot(database: Path) -> None:
    server = SQLiteServer(database.parent)
    address = server.address("data", "", "")
    assert server.counters(address)["rows_changed"] is None
    assert server.statements(address, server.mark(address)) == ()
    reasons = server.reasons(address)
    assert (reasons["rows_changed"], reasons["vm_steps"], reasons["statements"]) == (UNOBSERVED,) * 3
    assert reasons["XInnodb_rows_changed"] == UNOBSERVED


def test_a_state_that_is_kept_has_none_of_it(tmp_path: Path, database: Path) -> None:
    place(database).write_text(json.dumps(MESSAGE))
    with make_build(tmp_path / "build") as build:
        SQLite().freeze(build, SQLite().installation(build), database.parent)
    assert not place(database).exists()
    assert database.exists()


def test_half_characters_do_not_get_into_results(database: Path) -> None:
    place(database).write_text(json.dumps({**MESSAGE, "statements": [{**STATEMENT, "text": "SELECT '\ud800'"}]}))
    found = observed(database)
    assert found is not None
    assert found.statements[0].text == "SELECT '?'"


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_link(path: Path) -> None:
    path.with_name("elsewhere").write_text(json.dumps(MESSAGE))
    path.symlink_to("elsewhere")


@pytest.mark.parametrize("make", [a_pipe, a_link, Path.mkdir])
def test_what_is_no_file_is_not_read(database: Path, make: Callable[[Path], None]) -> None:
    make(place(database))
    assert observed(database) is None


@pytest.mark.parametrize(
    "content",
    [
        "",
        "null",
        "[" * 100_000,
        json.dumps(MESSAGE) + " " * LARGEST,
        json.dumps({**MESSAGE, "began": float("nan")}),
        json.dumps({**MESSAGE, "counters": {"rows_changed": -1}}),
        json.dumps({**MESSAGE, "counters": {"rows_changed": 10**30}}),
        json.dumps({**MESSAGE, "counters": {"wall_s": 1}}),
        json.dumps({**MESSAGE, "unknown": {"rows_changed": "x" * 3000}}),
        json.dumps({**MESSAGE, "statements": [STATEMENT] * (MOST + 1)}),
        json.dumps({**MESSAGE, "statements": [{**STATEMENT, "text": "x" * 3000}]}),
        json.dumps({**MESSAGE, "statements": [{**STATEMENT, "wall_s": float("inf")}]}),
        json.dumps({**MESSAGE, "statements": [{"text": "DELETE"}]}),
    ],
    ids=str.__len__,
)
def test_what_no_observer_wrote_tells_nothing(database: Path, content: str) -> None:
    place(database).write_text(content)
    assert observed(database) is None
