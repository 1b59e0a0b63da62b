"""The rows that a statement fails for, found on real servers."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pymysql
import pytest
from attrs import frozen

from thplugins_dbmigration.address import Address
from thplugins_dbmigration.engines.engine import Server
from thplugins_dbmigration.engines.sqlite import SQLiteServer
from thplugins_dbmigration.offences import Explained, Failed, explain

from parts.offending import ANYWHERE, MYSQL, POSTGRESQL, SQLITE, Offending
from parts.servers import MARIADB, SYSTEM, Kind, ground, open_directory

_ERRORS = (sqlite3.Error, pymysql.MySQLError, psycopg.Error)


@frozen
class Bench:
    """A server with a database to break statements on, and a session of the project's account."""

    server: Server
    address: Address
    session: Any

    def run(self, statement: str) -> None:
        cursor = self.session.cursor()
        cursor.execute(statement)
        cursor.close()

    def failure(self, case: Offending) -> Failed:
        """The statement as it failed, after what comes before it; nothing is left open."""
        for statement in (*case.before, *case.earlier):
            self.run(statement)
        with pytest.raises(_ERRORS) as raised:
            self.run(case.statement)
        with contextlib.suppress(*_ERRORS):
            self.run("ROLLBACK")
        error: Any = raised.value
        words = f"{error.sqlstate}: {error}" if isinstance(error, psycopg.Error) else str(error)
        return Failed(case.statement, words, case.earlier)

    def explained(self, case: Offending, **confidential: tuple[str, ...]) -> tuple[Explained, ...]:
        return explain(self.server, self.address, self.failure(case), confidential)

    def look(self, query: str) -> list[Any]:
        """What somebody finds who runs the query that is told."""
        if self.address.dialect == "postgresql":
            return list(self.session.execute(query).fetchall()) if ";" not in query else self._of_the_last(query)
        cursor = self.session.cursor()
        cursor.execute(query)
        return list(cursor.fetchall())

    def _of_the_last(self, query: str) -> list[Any]:
        cursor = self.session.execute(query)
        while cursor.nextset():
            pass
        return list(cursor.fetchall())


@pytest.fixture
def lite(tmp_path: Path) -> Iterator[Bench]:
    server = SQLiteServer(tmp_path)
    address = server.create("shop", "", "")
    with contextlib.closing(sqlite3.connect(address.database, isolation_level=None)) as session:
        session.execute("PRAGMA foreign_keys = ON")
        yield Bench(server, address, session)


@contextlib.contextmanager
def _serving(kind: Kind) -> Iterator[tuple[Server, Address]]:
    with open_directory() as directory, ground(directory, kind) as made, made.server() as server:
        yield server, server.create("shop", "shop", "secret", character_set="utf8mb4" if kind == MARIADB else None)


@pytest.fixture(scope="module")
def mariadb() -> Iterator[tuple[Server, Address]]:
    with _serving(MARIADB) as serving:
        yield serving


@pytest.fixture(scope="module")
def postgresql() -> Iterator[tuple[Server, Address]]:
    with _serving(SYSTEM) as serving:
        yield serving


@pytest.fixture
def maria(mariadb: tuple[Server, Address]) -> Iterator[Bench]:
    server, address = mariadb
    session = pymysql.connect(
        unix_socket=str(address.socket),
        user=address.user,
        password=address.password.reveal(),
        charset="utf8mb4",
        autocommit=True,
        ssl_disabled=True,
    )
    with contextlib.closing(session):
        cursor = session.cursor()
        for statement in ("DROP DATABASE shop", "CREATE DATABASE shop CHARACTER SET utf8mb4", "USE shop"):
            cursor.execute(statement)
        yield Bench(server, address, session)


@pytest.fixture
def postgres(postgresql: tuple[Server, Address]) -> Iterator[Bench]:
    server, address = postgresql
    with psycopg.connect(address.url(), autocommit=True) as session:
        session.execute("DROP SCHEMA public CASCADE")
        session.execute("CREATE SCHEMA public")
        yield Bench(server, address, session)


def _is_explained(bench: Bench, case: Offending) -> None:
    found = bench.explained(case)
    assert [each.offence.kind for each in found] == [case.kind], found
    (explained,) = found
    assert explained.offence.count == case.count, explained
    assert explained.sentence.startswith(case.words), explained.sentence
    assert len(explained.offence.rows) == min(case.count, 5)
    if not case.earlier:
        assert len(bench.look(explained.offence.query)) == case.count


@pytest.mark.parametrize("case", [*ANYWHERE, *SQLITE], ids=str)
def test_rows_that_a_statement_fails_for_on_sqlite_are_found(lite: Bench, case: Offending) -> None:
    _is_explained(lite, case)


@pytest.mark.system
@pytest.mark.parametrize("case", [*ANYWHERE, *MYSQL], ids=str)
def test_rows_that_a_statement_fails_for_on_mariadb_are_found(maria: Bench, case: Offending) -> None:
    _is_explained(maria, case)


@pytest.mark.system
@pytest.mark.parametrize("case", [*ANYWHERE, *POSTGRESQL], ids=str)
def test_rows_that_a_statement_fails_for_on_postgresql_are_found(postgres: Bench, case: Offending) -> None:
    _is_explained(postgres, case)


_MAILS = "CREATE TABLE mails (id integer PRIMARY KEY, mail text)"
_ONE = "CREATE UNIQUE INDEX one ON mails (mail)"


def _mails(*values: str) -> tuple[str, ...]:
    rows = ", ".join(f"({number}, {value})" for number, value in enumerate(values, 1))
    return (_MAILS, f"INSERT INTO mails VALUES {rows}")


def test_rows_are_told_with_their_key_and_how_to_find_them(lite: Bench) -> None:
    (explained,) = lite.explained(Offending("", _mails("'a'", "'b'", "'a'"), _ONE, "duplicate", 2, ""))
    assert explained.lines() == (
        "2 rows of mails have the same mail as another row:",
        "  id 1, mail a",
        "  id 3, mail a",
        f"This finds them: {explained.offence.query}",
    )


def test_of_many_rows_the_first_are_told_and_how_many_there_are(lite: Bench) -> None:
    (explained,) = lite.explained(Offending("", _mails(*["'a'"] * 1200), _ONE, "duplicate", 1200, ""))
    assert explained.offence.count == 1200
    assert len(explained.offence.rows) == 5
    assert "  and 1,195 more" in explained.lines()
    assert explained.sentence.startswith("1,200 rows of mails")


def test_what_rows_hold_is_told_in_one_line_and_cut(lite: Bench) -> None:
    hostile = "'\x1b[2J<script>''\nDROP'"
    (explained,) = lite.explained(
        Offending(
            "", _mails(hostile, hostile, f"'{'x' * 500}'", f"'{'x' * 500}'", "x'00ff'", "x'00ff'"), _ONE, "", 6, ""
        )
    )
    lines = explained.lines()
    assert len(lines) == 8
    assert all(line.isprintable() and len(line) < 120 for line in lines[:-1])
    assert any("<script>'\\nDROP" in line for line in lines)
    assert {len(row["mail"] or "") for row in explained.offence.rows} >= {80}
    assert any(row["mail"] == "0x00ff" for row in explained.offence.rows)


def test_confidential_columns_are_masked(lite: Bench) -> None:
    case = Offending("", _mails("'ann'", "'bob'", "'ann'"), _ONE, "duplicate", 2, "")
    (explained,) = lite.explained(case, Mails=("Mail",))
    assert [dict(row) for row in explained.offence.rows] == [{"id": "1", "mail": "***"}, {"id": "3", "mail": "***"}]
    assert "ann" not in "\n".join(explained.lines())


def test_what_comes_from_a_confidential_column_is_masked_wherever_it_goes(lite: Bench) -> None:
    before = (*_mails("'ann'", "'ann'"), "CREATE TABLE copies (copy text UNIQUE)")
    case = Offending("", before, "INSERT INTO copies SELECT mail FROM mails", "duplicate", 2, "")
    (explained,) = lite.explained(case, mails=("mail",))
    assert [dict(row) for row in explained.offence.rows] == [{"copy": "***"}, {"copy": "***"}]


def test_looking_for_rows_changes_nothing(lite: Bench) -> None:
    case = next(case for case in SQLITE if case.earlier)
    failed = lite.failure(case)
    before = Path(lite.address.database).read_bytes()
    assert explain(lite.server, lite.address, failed, {})
    assert Path(lite.address.database).read_bytes() == before


@pytest.mark.system
def test_looking_for_rows_changes_nothing_on_postgresql(postgres: Bench) -> None:
    case = next(case for case in POSTGRESQL if case.earlier)
    assert postgres.explained(case)
    columns = postgres.look("SELECT attname FROM pg_attribute WHERE attrelid = 'people'::regclass AND attnum > 0")
    assert ("half",) not in columns


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        (_ONE, "no such table: mails"),
        ("CREATE UNIQUE INDEX one ON", "UNIQUE constraint failed: mails.mail"),
        ("CREATE UNIQUE INDEX one ON mails (nowhere)", "UNIQUE constraint failed: mails.nowhere"),
        ("INSERT INTO mails (mail) VALUES (?)", "UNIQUE constraint failed: mails.mail"),
        ("INSERT INTO mails SELECT load_extension('x'), 'y'", "UNIQUE constraint failed: mails.mail"),
        ("", "UNIQUE constraint failed: mails.mail"),
        ("(" * 5000, "UNIQUE constraint failed: mails.mail"),
    ],
)
def test_what_cannot_be_found_is_not_told(lite: Bench, statement: str, error: str) -> None:
    lite.run(_MAILS)
    assert explain(lite.server, lite.address, Failed(statement, error), {}) == ()


def test_a_search_ends_when_its_time_is_over(lite: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = lite.failure(Offending("", _mails(*["'a'"] * 5000), _ONE, "duplicate", 5000, ""))
    monkeypatch.setattr("thplugins_dbmigration.engines.inquiry.LIMIT_S", 0.0)
    assert explain(lite.server, lite.address, failed, {}) == ()
