"""The words of a statement that tell what it is about."""

from __future__ import annotations

import pytest

from thplugins_dbmigration.engines import wording

KNOWN = ("users", "Orders", "other.things", "größe-1")


@pytest.mark.parametrize(
    ("text", "verb"),
    [
        ("alter table users add x int", "ALTER"),
        ("  /* from a tool */ -- and a line\n\tCREATE INDEX i ON users (x);", "CREATE"),
        ("# MySQL's own\nDROP TABLE users", "DROP"),
        ("/*!40000 ALTER TABLE users DISABLE KEYS */", ""),
        ("", ""),
        ("-- nothing", ""),
    ],
)
def test_the_first_word_is_found_behind_comments(text: str, verb: str) -> None:
    assert wording.verb(text) == verb


@pytest.mark.parametrize(
    ("text", "tables"),
    [
        ("ALTER TABLE users ADD x INT", ("users",)),
        ("ALTER TABLE IF EXISTS ONLY public.users ADD x INT", ("users",)),
        ("ALTER ONLINE IGNORE TABLE `shop`.`orders` ADD x INT", ("Orders",)),
        ('ALTER TABLE "other"."things" ADD x INT', ("other.things",)),
        ("CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON ONLY users USING btree (x)", ("users",)),
        ("CREATE INDEX i ON `größe-1`(x)", ("größe-1",)),
        ("DROP INDEX i ON [Orders]", ("Orders",)),
        ("DROP TABLE IF EXISTS users, orders, unknown", ("users", "Orders")),
        ("RENAME TABLE users TO people", ("users",)),
        ("CREATE VIEW v AS SELECT 1 FROM users", ()),
        ("UPDATE users SET x = 1", ()),
    ],
)
def test_the_tables_that_a_statement_is_about_are_found_however_they_are_written(
    text: str, tables: tuple[str, ...]
) -> None:
    assert wording.about(text, KNOWN) == tables


@pytest.mark.parametrize(
    ("text", "goes"),
    [
        ("DROP TABLE users", True),
        ('ALTER TABLE "users" RENAME TO old', True),
        ("RENAME TABLE users TO old, new TO users", True),
        ("ALTER TABLE users RENAME COLUMN a TO b", False),
        ("ALTER TABLE users ADD x INT", False),
        ("DROP TABLE orders", False),
    ],
)
def test_a_table_that_goes_is_noticed(text: str, goes: bool) -> None:
    assert wording.takes_away(text, "users") is goes


@pytest.mark.parametrize(
    ("text", "tables"),
    [
        ('INSERT INTO "orders" ("a") SELECT "a" FROM "users"', ("Orders", "users")),
        ("INSERT OR IGNORE INTO orders SELECT * FROM users WHERE a", ("Orders", "users")),
        ("INSERT INTO orders VALUES (1)", None),
        ("INSERT INTO orders SELECT 1 FROM elsewhere", None),
    ],
)
def test_a_table_that_is_filled_from_another_is_noticed(text: str, tables: tuple[str, str] | None) -> None:
    assert wording.filled_from(text, KNOWN) == tables


def test_a_text_that_goes_on_for_ever_is_read_in_a_moment() -> None:
    for text in (
        "CREATE " + "x " * 50_000,
        "INSERT " + "INTO a " * 20_000,
        "/*" * 50_000,
        "DROP TABLE " + "a," * 50_000,
    ):
        wording.about(text, KNOWN)
        wording.filled_from(text, KNOWN)
        wording.takes_away(text, "users")
