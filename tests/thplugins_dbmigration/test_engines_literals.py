"""Values in statements."""

from __future__ import annotations

import pytest

from thplugins_dbmigration.engines.literals import literals, without_literals

EVERY = ("mysql", "postgresql", "sqlite")


@pytest.mark.parametrize("dialect", EVERY)
@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("UPDATE users SET mail = 'ann@x' WHERE id = 1", "UPDATE users SET mail = ? WHERE id = ?"),
        ("UPDATE t2 SET a1=a1+1.5, b='it''s', c=''", "UPDATE t2 SET a1=a1+?, b=?, c=?"),
        ("INSERT INTO t VALUES (X'ABCD', NULL, -1e5)", "INSERT INTO t VALUES (?, NULL, -?)"),
        ("/* ann's */ SELECT a -- it's\nFROM t", "SELECT a  \nFROM t"),
        ("UPDATE t SET a = 'cut off in the mid", "UPDATE t SET a = ?"),
        ("CREATE UNIQUE INDEX one ON users (mail)", "CREATE UNIQUE INDEX one ON users (mail)"),
    ],
)
def test_values_are_left_out_of_statements(dialect: str, text: str, left: str) -> None:
    assert without_literals(dialect, text) == left


@pytest.mark.parametrize(
    ("dialect", "text", "left"),
    [
        ("mysql", r"UPDATE t SET a = 'it\'s ann', b = 2", "UPDATE t SET a = ?, b = ?"),
        ("mysql", 'UPDATE `t 1` SET a = "ann", b = 0xABCD # it\'s', "UPDATE `t 1` SET a = ?, b = ?"),
        ("mysql", r"UPDATE t SET a = 'cut\ ".rstrip(), "UPDATE t SET a = ?"),
        ("mysql", "UPDATE t SET a = 5--3, b = _utf8mb4'ann'", "UPDATE t SET a = ?--?, b = _utf8mb4?"),
        ("mysql", "/*!40101 SET a = 'ann' */", "/*!? SET a = ? */"),
        ("mariadb", "UPDATE t SET a = 'ann'", "UPDATE t SET a = ?"),
        ("postgresql", r"UPDATE t SET a = E'it\'s ann', b = 'x\', c = 1", "UPDATE t SET a = ?, b = ?, c = ?"),
        ("postgresql", 'UPDATE "t 1" SET a = $$it\'s$$, b = $x$ $$ann $x$', 'UPDATE "t 1" SET a = ?, b = ?'),
        ("sqlite", 'UPDATE "t" SET [a 1] = "ann@x", x = x\'ab\'', 'UPDATE "t" SET [a 1] = ?, x = ?'),
        ("sqlite", r"UPDATE t SET a = 'x\', b = 'ann'", "UPDATE t SET a = ?, b = ?"),
    ],
)
def test_values_are_known_as_each_server_writes_them(dialect: str, text: str, left: str) -> None:
    assert without_literals(dialect, text) == left


def test_the_values_are_told_as_they_are_written() -> None:
    assert literals("postgresql", "UPDATE t SET a = E'x', b = 17 WHERE c = 'it''s'") == {"E'x'", "17", "'it''s'"}


@pytest.mark.parametrize("dialect", EVERY)
def test_what_has_no_values_any_more_stays_as_it_is(dialect: str) -> None:
    once = without_literals(dialect, "UPDATE t SET a = 'ann' WHERE id = 1")
    assert (without_literals(dialect, once), literals(dialect, once)) == (once, frozenset())
