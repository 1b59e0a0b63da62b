"""What statements want of rows."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thplugins_dbmigration.offences.clause import Name, Unreadable
from thplugins_dbmigration.offences.demand import Demand, Fits, Holds, Key, Present, Refers, Unique
from thplugins_dbmigration.offences.wish import Stored, Wish, wish


def wanted(dialect: str, statement: str) -> Wish:
    made = wish(dialect, statement)
    assert made is not None
    return made


@pytest.mark.parametrize(
    ("dialect", "statement", "table", "demands"),
    [
        (
            "mysql",
            "alter ignore table `a``b`.`t` add unique index `k` using btree (`x`(10), `y` desc) /* , */, drop column z",
            Name(("a`b", "t")),
            (Unique((Key("`x`", "x", 10), Key("`y`", "y")), name="k"),),
        ),
        (
            "mysql",
            "CREATE UNIQUE INDEX k ON t ((lower(x)), y) COMMENT 'WHERE'",
            Name(("t",)),
            (Unique((Key("(lower(x))"), Key("`y`", "y")), name="k"),),
        ),
        (
            "mysql",
            "ALTER TABLE t CHANGE COLUMN a `b` VARCHAR(7) CHARSET latin1 COLLATE x DEFAULT 'x, y' NOT NULL",
            Name(("t",)),
            (
                Fits("a", "varchar", ("7",), charset="latin1", collation="x", whole="VARCHAR(7)"),
                Present("a"),
            ),
        ),
        (
            "mysql",
            "ALTER TABLE t ADD (a int NOT NULL DEFAULT 1, b int NOT NULL), ADD FOREIGN KEY f (a) REFERENCES p",
            Name(("t",)),
            (Present("a"), Present("b", new=True), Refers(("a",), Name(("p",)), name="f")),
        ),
        (
            "postgresql",
            (
                'ALTER TABLE IF EXISTS ONLY S."T" ALTER Mail TYPE varchar (7) COLLATE "C" USING left(mail),'
                " ALTER COLUMN x SET NOT NULL"
            ),
            Name(("s", "T")),
            (
                Fits(
                    "mail",
                    "varchar",
                    ("7",),
                    collation='"C"',
                    whole="varchar (7)",
                    using="left(mail)",
                ),
                Present("x"),
            ),
        ),
        (
            "postgresql",
            "ALTER TABLE t ADD CONSTRAINT c CHECK ((a > 0) AND b <> ')') NOT VALID",
            Name(("t",)),
            (Holds("(a > 0) AND b <> ')'", "c"),),
        ),
        (
            "postgresql",
            "CREATE UNIQUE INDEX ON t (a) INCLUDE (b) NULLS NOT DISTINCT WITH (fillfactor = 70) WHERE c IS NULL;",
            Name(("t",)),
            (Unique((Key('"a"', "a"),), "c IS NULL", nulls_alike=True),),
        ),
        (
            "postgresql",
            "ALTER TABLE t ADD COLUMN a serial NOT NULL, ADD COLUMN b int GENERATED ALWAYS AS IDENTITY NOT NULL",
            Name(("t",)),
            (),
        ),
    ],
)
def test_a_definition_demands(dialect: str, statement: str, table: Name, demands: tuple[Demand, ...]) -> None:
    made = wanted(dialect, statement)
    assert (made.table, made.demands) == (table, demands)


@pytest.mark.parametrize(
    ("dialect", "statement", "stored"),
    [
        (
            "mysql",
            "INSERT IGNORE INTO t VALUES (1, 'a'), (2, f(3))",
            Stored((), "SELECT 1, 'a' UNION ALL SELECT 2, f(3)"),
        ),
        ("mysql", "REPLACE t SET a = 1, b = 'x, y'", Stored(("a", "b"), "SELECT 1, 'x, y'")),
        (
            "mysql",
            "INSERT INTO t (a) SELECT x FROM u JOIN v ON u.i = v.i ON DUPLICATE KEY UPDATE a = 1",
            Stored(("a",), "SELECT x FROM u JOIN v ON u.i = v.i"),
        ),
        (
            "postgresql",
            "INSERT INTO t AS it (a) OVERRIDING USER VALUE (SELECT 1) ON CONFLICT DO NOTHING RETURNING a",
            Stored(("a",), "(SELECT 1)"),
        ),
        (
            "sqlite",
            "UPDATE OR FAIL t SET a = b || ',', b = (SELECT max(x) FROM u) WHERE id IN (SELECT id FROM u WHERE x)",
            Stored(
                assigned=(("a", "b || ','"), ("b", "(SELECT max(x) FROM u)")),
                where="id IN (SELECT id FROM u WHERE x)",
            ),
        ),
        ("postgresql", "UPDATE t it SET a = it.b RETURNING 1", Stored(assigned=(("a", "it.b"),), alias="it")),
    ],
)
def test_a_statement_stores(dialect: str, statement: str, stored: Stored) -> None:
    assert wanted(dialect, statement).stored == stored


@pytest.mark.parametrize(
    ("dialect", "statement"),
    [
        ("postgresql", "UPDATE t SET a = u.a FROM u WHERE u.i = t.i"),
        ("mysql", "UPDATE t JOIN u ON t.i = u.i SET t.a = 1"),
        ("mysql", "UPDATE t SET a = 1 ORDER BY b LIMIT 1"),
        ("sqlite", "INSERT INTO t DEFAULT VALUES"),
        ("postgresql", "ALTER TABLE 'x' ADD UNIQUE (a)"),
        ("mysql", "CREATE UNIQUE INDEX k ON t (a"),
        ("mysql", "CREATE UNIQUE INDEX k ON t ('" + "a" * 300_000 + "')"),
    ],
)
def test_what_is_not_understood_is_left_alone(dialect: str, statement: str) -> None:
    with pytest.raises(Unreadable):
        wish(dialect, statement)


@pytest.mark.parametrize("statement", ["SELECT 1", "DROP TABLE t", "CREATE INDEX i ON t (a)", "COMMIT", "", ";"])
def test_a_statement_that_stores_and_forbids_nothing_wants_nothing(statement: str) -> None:
    assert wish("sqlite", statement) is None


_KEYWORDS = """
ALTER TABLE t ADD UNIQUE ( ) , KEY PRIMARY CHECK CONSTRAINT FOREIGN REFERENCES MODIFY CHANGE a `b` "c" 'd' int . =
INSERT INTO SELECT VALUES UPDATE SET WHERE ON CREATE INDEX NOT NULL TYPE USING ALTER COLUMN 5 ; -- /* $$ $
"""
_WORDS = st.sampled_from(_KEYWORDS.split())


@given(st.sampled_from(["mysql", "postgresql", "sqlite"]), st.lists(_WORDS, max_size=25), st.text(max_size=10))
def test_no_statement_breaks_the_reader(dialect: str, words: list[str], more: str) -> None:
    for start in ("", "ALTER TABLE t ", "CREATE UNIQUE INDEX ", "INSERT INTO t ", "UPDATE t SET "):
        with contextlib.suppress(Unreadable):
            wish(dialect, f"{start}{' '.join(words)}{more}")
