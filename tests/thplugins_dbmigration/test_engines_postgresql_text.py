"""What is told of a statement of PostgreSQL by its text."""

from __future__ import annotations

import pytest

from thplugins_dbmigration.engines.postgresql_text import likeness, parts, valueless


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT 1", ["SELECT 1"]),
        ("SELECT 1; -- the end;\n", ["SELECT 1"]),
        ("; ;/* ; */", []),
        ("A; B;\nC", ["A", "B", "C"]),
        ("SELECT ';', E'\\';', \";\"; X", ["SELECT ';', E'\\';', \";\"", "X"]),
        ("DO $$ a; b; $$; X", ["DO $$ a; b; $$", "X"]),
        ("DO $a$ $$; $b$; $a$; X", ["DO $a$ $$; $b$; $a$", "X"]),
        ("SELECT 'it''s; so'; X", ["SELECT 'it''s; so'", "X"]),
        ("CREATE FUNCTION f() BEGIN ATOMIC SELECT 1; END; X", ["CREATE FUNCTION f() BEGIN ATOMIC SELECT 1; END; X"]),
        ("SELECT 'never closed; X", ["SELECT 'never closed; X"]),
    ],
)
def test_a_query_falls_into_its_statements(text: str, expected: list[str]) -> None:
    assert parts(text) == tuple(expected)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("INSERT INTO t VALUES (1, 'x''y', -2.5e3)", "INSERT INTO t VALUES ($1, $2, $3)"),
        ("SELECT a-1 /* why */ FROM t1\nWHERE b = E'\\''", "SELECT a-$1 FROM t1 WHERE b = $2"),
        ("ALTER TABLE t ADD c varchar(10)", "ALTER  TABLE t ADD c varchar(10) -- so"),
    ],
)
def test_a_statement_is_like_what_the_server_keeps_of_it(written: str, kept: str) -> None:
    assert valueless(written) == valueless(kept)


def test_names_and_signs_are_no_values() -> None:
    assert valueless("SELECT a1 - b FROM t1") != valueless("SELECT a2 - b FROM t1")
    assert valueless("SELECT a - b") != valueless("SELECT a + b")


def test_only_statements_of_loops_are_alike() -> None:
    assert likeness("SAVEPOINT a1", 5) == likeness("/* x */ savepoint a2", 6) == "SAVEPOINT"
    assert likeness("UPDATE t SET a = 1", 7) == likeness("update t SET a = 2", 7) != ""
    assert likeness("DELETE FROM t WHERE a = 1", 0) == likeness("DELETE FROM t WHERE a = 2", 0)
    assert likeness("ALTER TABLE t ADD a int", 8) == ""
    assert likeness("", 0) == ""
