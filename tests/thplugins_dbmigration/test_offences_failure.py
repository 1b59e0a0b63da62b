"""What the errors of servers say, as servers, drivers and the observer tell them."""

from __future__ import annotations

import pytest

from thplugins_dbmigration.offences.failure import failure


@pytest.mark.parametrize(
    ("dialect", "error", "kinds", "columns", "constraints"),
    [
        ("mysql", "(1062) Duplicate entry 'a-1' for key 'users.one'", {"duplicate"}, (), ("one",)),
        ("mysql", "1062 (23000): Duplicate entry 'for key' for key 'one'", {"duplicate"}, (), ("one",)),
        ("mysql", "22001: (1406) Data too long for column 'a' at row 1", {"too-long"}, ("a",), ()),
        ("mysql", "42000: (1064) You have an error near 'cannot be null'", set(), (), ()),
        ("mysql", "(1048) Column 'mail' cannot be null", {"null"}, ("mail",), ()),
        (
            "mysql",
            "(1292) Incorrect datetime value: '0000-00-00' for column `shop`.`t`.`seen at` at row 1",
            {"invalid-date", "invalid-text"},
            ("seen at",),
            (),
        ),
        ("mysql", "(4025) CONSTRAINT `small` failed for `shop`.`t`", {"check", "invalid-text"}, (), ("small",)),
        ("mysql", "(3819) Check constraint 'small' is violated.", {"check"}, (), ("small",)),
        ("mysql", "(1064) You have an error in your SQL syntax near '1' at line 3", set(), (), ()),
        ("mysql", "(1205) Lock wait timeout exceeded; try restarting transaction", set(), (), ()),
        (
            "postgresql",
            '23505: could not create unique index "one"\nDETAIL:  Key (mail, lower(name))=(a, b) is duplicated.',
            {"duplicate"},
            (),
            ("one",),
        ),
        (
            "postgresql",
            '23502: column "mail" of relation "people" contains null values',
            {"null"},
            ("mail",),
            (),
        ),
        (
            "postgresql",
            '23503: insert or update on table "a" violates foreign key constraint "lives"',
            {"orphan"},
            (),
            ("lives",),
        ),
        ("postgresql", '42601: syntax error at or near "null value 23505"', set(), (), ()),
        ("postgresql", '42P07: relation "one" already exists', set(), (), ()),
        ("postgresql", '22P02: invalid input syntax for type integer: "x"', {"invalid-text"}, (), ()),
        ("sqlite", "UNIQUE constraint failed: t.a, t.b", {"duplicate"}, ("a", "b"), ()),
        ("sqlite", "UNIQUE constraint failed: index 'one'", {"duplicate"}, (), ()),
        ("sqlite", "CHECK constraint failed: length(name) < 3", {"check"}, (), ("length(name) < 3",)),
        ("sqlite", "NOT NULL constraint failed: t.a", {"null"}, ("a",), ()),
        ("sqlite", "database is locked", set(), (), ()),
    ],
)
def test_an_error_says_how_rows_can_be_at_fault_and_what_it_is_about(
    dialect: str, error: str, kinds: set[str], columns: tuple[str, ...], constraints: tuple[str, ...]
) -> None:
    found = failure(dialect, error)
    assert (set(found.kinds), found.columns, found.constraints) == (kinds, columns, constraints)
