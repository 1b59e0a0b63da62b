"""Statements that fail for the rows of a table, and what is to be found of those."""

from __future__ import annotations

from attrs import frozen


@frozen
class Offending:
    """After ``before``, ``statement`` fails for ``count`` rows of a ``kind``, of which is said ``words``. ``earlier``
    are statements of the transaction that it belongs to."""

    name: str
    before: tuple[str, ...]
    statement: str
    kind: str
    count: int
    words: str
    earlier: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name


_PEOPLE = (
    "CREATE TABLE people (id integer PRIMARY KEY, mail varchar(60), name varchar(60), boss integer, town integer)",
    (
        "INSERT INTO people VALUES (1, 'ann@x', 'Ann', NULL, 1), (2, 'bob@x', 'Bob', 1, 1), (3, NULL, 'Eve', 9, 2), "
        "(4, 'bob@x', 'Bob', 2, 9), (5, NULL, NULL, 4, 3000000)"
    ),
    "CREATE TABLE towns (id integer PRIMARY KEY, zone integer, UNIQUE (id, zone))",
    "INSERT INTO towns VALUES (1, 1), (2, 2)",
)
_STAFF = (
    *_PEOPLE,
    (
        "CREATE TABLE staff (id integer PRIMARY KEY, mail varchar(60) NOT NULL UNIQUE, name varchar(3), "
        "town integer REFERENCES towns (id), CHECK (town < 100))"
    ),
    "INSERT INTO staff VALUES (10, 'ann@x', 'An', 1)",
)

ANYWHERE = (
    Offending(
        "a unique index on duplicates",
        _PEOPLE,
        "CREATE UNIQUE INDEX one_mail ON people (mail)",
        "duplicate",
        2,
        "2 rows of people have the same mail as another row",
    ),
    Offending(
        "a unique index over two columns",
        _PEOPLE,
        "CREATE UNIQUE INDEX one ON people (mail, name DESC)",
        "duplicate",
        2,
        "2 rows of people have the same mail and name as another row",
    ),
    Offending(
        "rows that one already stored is like",
        _STAFF,
        "INSERT INTO staff (id, mail) SELECT id, mail FROM people WHERE mail LIKE 'ann%'",
        "duplicate",
        1,
        "1 row for staff has the same mail as another row",
    ),
    Offending(
        "rows written out, like one already stored",
        _STAFF,
        "INSERT INTO staff (id, mail) VALUES (20, 'new@x'), (21, 'ann@x')",
        "duplicate",
        1,
        "1 row for staff has the same mail as another row",
    ),
    Offending(
        "rows without a value that is required",
        _STAFF,
        "INSERT INTO staff (id, mail) SELECT id, mail FROM people WHERE id IN (3, 5)",
        "null",
        2,
        "2 rows for staff have no mail",
    ),
    Offending(
        "rows that a check does not allow",
        _STAFF,
        "INSERT INTO staff (id, mail, town) SELECT id, 'm', town FROM people WHERE id = 5",
        "check",
        1,
        "1 row for staff has values that the check does not allow: ",
    ),
    Offending(
        "rows that others refer to",
        (
            *_PEOPLE,
            "CREATE TABLE roads (id integer PRIMARY KEY, town integer, FOREIGN KEY (town) REFERENCES towns (id))",
            (
                "CREATE TABLE shops (id integer PRIMARY KEY, town integer, "
                "FOREIGN KEY (town) REFERENCES towns (id) ON UPDATE RESTRICT ON DELETE CASCADE)"
            ),
            "INSERT INTO roads VALUES (1, 1), (2, 2), (3, 1), (4, NULL)",
            "INSERT INTO shops VALUES (1, 1)",
        ),
        "DELETE FROM towns WHERE id = 1",
        "orphan",
        2,
        "2 rows of roads have a town that is to be deleted from towns",
    ),
    Offending(
        "an update that makes duplicates",
        (*_PEOPLE, "CREATE UNIQUE INDEX one ON people (boss)"),
        "UPDATE people SET boss = 9 WHERE id > 3",
        "duplicate",
        3,
        "3 rows of people have the same boss as another row",
    ),
)
"""On every server."""

_NEW_COLUMNS = (
    Offending(
        "a column whose default refers to nothing",
        _PEOPLE,
        "ALTER TABLE people ADD COLUMN home integer DEFAULT 7 REFERENCES towns (id)",
        "orphan",
        5,
        "5 rows of people have no row in towns for home",
    ),
    Offending(
        "a column that is added with a constraint on it",
        _PEOPLE,
        "ALTER TABLE people ADD COLUMN grade integer DEFAULT 0, ADD CONSTRAINT positive CHECK (grade > 0)",
        "check",
        5,
        "5 rows of people have values that the check does not allow: grade > 0",
    ),
    Offending(
        "a column with the same value in all rows",
        _PEOPLE,
        "ALTER TABLE people ADD COLUMN code integer DEFAULT 1 UNIQUE",
        "duplicate",
        5,
        "5 rows of people have the same code as another row",
    ),
)
"""On servers."""

MYSQL = (
    Offending(
        "a unique key that takes no notice of case",
        ("CREATE TABLE t (id int PRIMARY KEY, a varchar(9))", "INSERT INTO t VALUES (1, 'bob'), (2, 'BOB'), (3, 'é')"),
        "ALTER TABLE t ADD COLUMN b int, ADD UNIQUE KEY `one` (`a`)",
        "duplicate",
        2,
        "2 rows of t have the same a as another row",
    ),
    Offending(
        "a unique key over the beginning of a text",
        ("CREATE TABLE t (id int PRIMARY KEY, a text)", "INSERT INTO t VALUES (1, 'alpha'), (2, 'alps'), (3, 'be')"),
        "ALTER TABLE t ADD CONSTRAINT one UNIQUE (a(3))",
        "duplicate",
        2,
        "2 rows of t have the same first 3 of a as another row",
    ),
    Offending(
        "a primary key on duplicates",
        ("CREATE TABLE t (a int, b int)", "INSERT INTO t VALUES (1, 1), (1, 1), (1, 2)"),
        "ALTER TABLE `t` ADD PRIMARY KEY (a, b)",
        "duplicate",
        2,
        "2 rows of t have the same a and b as another row",
    ),
    Offending(
        "NOT NULL on NULLs",
        _PEOPLE,
        "ALTER TABLE people MODIFY COLUMN mail varchar(60) NOT NULL COMMENT 'it''s, (required)' AFTER id",
        "null",
        2,
        "2 rows of people have no mail",
    ),
    Offending(
        "NOT NULL under another name",
        _PEOPLE,
        "ALTER TABLE people CHANGE mail address varchar(60) NOT NULL",
        "null",
        2,
        "2 rows of people have no mail",
    ),
    Offending(
        "text that is longer than its new column in characters",
        (
            "CREATE TABLE t (id int PRIMARY KEY, a varchar(9))",
            "INSERT INTO t VALUES (1, 'ééé'), (2, 'éééé'), (3, 'a    ')",
        ),
        "ALTER TABLE t MODIFY a varchar(3)",
        "too-long",
        1,
        "1 row of t has more than 3 characters in a",
    ),
    Offending(
        "text that is longer than its new column in bytes",
        (
            "CREATE TABLE t (id int PRIMARY KEY, a text)",
            "INSERT INTO t VALUES (1, repeat('é', 128)), (2, repeat('e', 255))",
        ),
        "ALTER TABLE t MODIFY a tinytext",
        "too-long",
        1,
        "1 row of t has more than 255 bytes in a",
    ),
    Offending(
        "numbers outside of a smaller type",
        ("CREATE TABLE t (id int PRIMARY KEY, n int)", "INSERT INTO t VALUES (1, 127), (2, 128), (3, -1)"),
        "ALTER TABLE t MODIFY n tinyint unsigned",
        "out-of-range",
        1,
        "1 row of t has a number outside of 0 to 255 in n",
    ),
    Offending(
        "numbers with more digits",
        ("CREATE TABLE t (id int PRIMARY KEY, n decimal(8,2))", "INSERT INTO t VALUES (1, 99.99), (2, 100), (3, NULL)"),
        "ALTER TABLE t MODIFY n decimal(4,2) DEFAULT 0",
        "out-of-range",
        1,
        "1 row of t has a number of more than 2 digits before the point in n",
    ),
    Offending(
        "text that is no number",
        ("CREATE TABLE t (id int PRIMARY KEY, a varchar(9))", "INSERT INTO t VALUES (1, '7'), (2, 'n/a'), (3, '')"),
        "ALTER TABLE t MODIFY a int",
        "invalid-text",
        2,
        "2 rows of t have a value in a that is no number",
    ),
    Offending(
        "values that an enum does not list any more",
        ("CREATE TABLE t (id int PRIMARY KEY, e enum('a','b'))", "INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, NULL)"),
        "ALTER TABLE t MODIFY e enum('a','c')",
        "out-of-range",
        1,
        "1 row of t has a value in e that the enum does not list",
    ),
    Offending(
        "text that a character set has not",
        (
            "CREATE TABLE t (id int PRIMARY KEY, a varchar(9)) CHARACTER SET utf8mb4",
            "INSERT INTO t VALUES (1, 'é'), (2, 'я'), (3, 'e')",
        ),
        "ALTER TABLE t CONVERT TO CHARACTER SET latin1",
        "invalid-text",
        1,
        "1 row of t has characters in a that latin1 does not have",
    ),
    Offending(
        "a date of zeros in a column that the statement does not name",
        (
            "SET SESSION sql_mode = ''",
            "CREATE TABLE t (id int PRIMARY KEY, d date, b varchar(9))",
            "INSERT INTO t VALUES (1, '0000-00-00', ''), (2, '2024-02-29', '')",
            "SET SESSION sql_mode = DEFAULT",
            "SET SESSION sql_mode = concat(@@sql_mode, ',NO_ZERO_DATE,NO_ZERO_IN_DATE')",
        ),
        "ALTER TABLE t MODIFY b int NOT NULL DEFAULT 0, ALGORITHM=COPY",
        "invalid-date",
        1,
        "1 row of t has a value in d that is no date",
    ),
    Offending(
        "text that is no date",
        (
            "CREATE TABLE t (id int PRIMARY KEY, d varchar(20))",
            "INSERT INTO t VALUES (1, '2024-02-30'), (2, '2024-02-29')",
        ),
        "ALTER TABLE t MODIFY d datetime",
        "invalid-date",
        1,
        "1 row of t has a value in d that is no datetime",
    ),
    Offending(
        "a foreign key with orphans",
        _PEOPLE,
        "ALTER TABLE people ADD CONSTRAINT lives FOREIGN KEY lives (town) REFERENCES towns (id) ON DELETE CASCADE",
        "orphan",
        2,
        "2 rows of people have no row in towns for town",
    ),
    Offending(
        "a foreign key to the same table",
        _PEOPLE,
        "ALTER TABLE people ADD FOREIGN KEY (boss) REFERENCES people (id)",
        "orphan",
        1,
        "1 row of people has no row in people for boss",
    ),
    Offending(
        "a foreign key over two columns, of which one is NULL",
        _PEOPLE,
        "ALTER TABLE people ADD FOREIGN KEY (town, boss) REFERENCES towns (id, zone)",
        "orphan",
        3,
        "3 rows of people have no row in towns for town and boss",
    ),
    Offending(
        "a check",
        _PEOPLE,
        "ALTER TABLE people ADD CONSTRAINT small CHECK (town < 100)",
        "check",
        1,
        "1 row of people has values that the check does not allow: town < 100",
    ),
    Offending(
        "a key that is there, in another collation",
        (
            "CREATE TABLE t (id int PRIMARY KEY, a varchar(9) COLLATE utf8mb4_bin, UNIQUE KEY one (a)) CHARSET utf8mb4",
            "INSERT INTO t VALUES (1, 'bob'), (2, 'BOB'), (3, 'e')",
        ),
        "ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci",
        "duplicate",
        2,
        "2 rows of t have the same a as another row",
    ),
    Offending(
        "a key that is there, of a column with another collation",
        (
            "CREATE TABLE t (id int PRIMARY KEY, a varchar(9) COLLATE utf8mb4_bin UNIQUE) CHARSET utf8mb4",
            "INSERT INTO t VALUES (1, 'bob'), (2, 'BOB'), (3, 'e')",
        ),
        "ALTER TABLE t MODIFY a varchar(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL",
        "duplicate",
        2,
        "2 rows of t have the same a as another row",
    ),
    Offending(
        "rows that are too long for where they go",
        _STAFF,
        "INSERT INTO staff (id, mail, name) SELECT id, mail, concat(name, '!') FROM people WHERE id < 3",
        "too-long",
        2,
        "2 rows for staff have more than 3 characters in name",
    ),
    Offending(
        "an update with what does not fit",
        (*_PEOPLE, "ALTER TABLE people MODIFY town mediumint"),
        "UPDATE people SET town = town * 10 WHERE town > 5",
        "out-of-range",
        1,
        "1 row of people has a number outside of -8388608 to 8388607 in town",
    ),
    *_NEW_COLUMNS,
    Offending(
        "a column that refers to what the server makes up",
        _PEOPLE,
        "ALTER TABLE people ADD COLUMN home integer NOT NULL, ADD FOREIGN KEY (home) REFERENCES towns (id)",
        "orphan",
        5,
        "5 rows of people have no row in towns for home",
    ),
)
"""On MySQL and MariaDB."""

POSTGRESQL = (
    Offending(
        "a unique constraint",
        _PEOPLE,
        "ALTER TABLE ONLY people ADD CONSTRAINT one UNIQUE (mail)",
        "duplicate",
        2,
        "2 rows of people have the same mail as another row",
    ),
    Offending(
        "a unique constraint for which NULLs are alike",
        _PEOPLE,
        "CREATE UNIQUE INDEX one ON public.people USING btree (mail) NULLS NOT DISTINCT",
        "duplicate",
        4,
        "4 rows of public.people have the same mail as another row",
    ),
    Offending(
        "an index that is built beside",
        _PEOPLE,
        "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS one ON people (lower(mail) text_pattern_ops) WHERE town > 0",
        "duplicate",
        2,
        "2 rows of people have the same lower(mail) as another row",
    ),
    Offending(
        "a column of the same transaction",
        _PEOPLE,
        "ALTER TABLE people ADD UNIQUE (half)",
        "duplicate",
        4,
        "4 rows of people have the same half as another row",
        earlier=("BEGIN", "ALTER TABLE people ADD COLUMN half integer", "UPDATE people SET half = id / 2"),
    ),
    Offending(
        "NOT NULL on NULLs",
        _PEOPLE,
        'ALTER TABLE people ALTER COLUMN "mail" SET NOT NULL',
        "null",
        2,
        "2 rows of people have no mail",
    ),
    Offending(
        "a column without a value",
        _PEOPLE,
        "ALTER TABLE people ADD COLUMN age integer NOT NULL",
        "null",
        5,
        "5 rows of people have no value for age",
    ),
    Offending(
        "text that is longer than its new column",
        ("CREATE TABLE t (id int PRIMARY KEY, a text)", "INSERT INTO t VALUES (1, 'ééé'), (2, 'éééé'), (3, 'a    ')"),
        "ALTER TABLE t ALTER a TYPE character varying(3)",
        "too-long",
        1,
        "1 row of t has more than 3 characters in a",
    ),
    Offending(
        "numbers outside of a smaller type",
        _PEOPLE,
        "ALTER TABLE people ALTER COLUMN town SET DATA TYPE smallint",
        "out-of-range",
        1,
        "1 row of people has a number outside of -32768 to 32767 in town",
    ),
    Offending(
        "numbers with more digits",
        ("CREATE TABLE t (id int PRIMARY KEY, n numeric)", "INSERT INTO t VALUES (1, 99.99), (2, 99.999), (3, 'NaN')"),
        "ALTER TABLE t ALTER n TYPE numeric(4,2)",
        "out-of-range",
        1,
        "1 row of t has a number of more than 2 digits before the point in n",
    ),
    Offending(
        "text that is no number",
        ("CREATE TABLE t (id int PRIMARY KEY, a text)", "INSERT INTO t VALUES (1, '7'), (2, 'n/a'), (3, '')"),
        "ALTER TABLE t ALTER a TYPE integer USING trim(a)::integer",
        "invalid-text",
        2,
        "2 rows of t have a value in a that is no integer",
    ),
    Offending(
        "text that is no date",
        ("CREATE TABLE t (id int PRIMARY KEY, a text)", "INSERT INTO t VALUES (1, '2024-02-30'), (2, '2024-02-29')"),
        "ALTER TABLE t ALTER a TYPE timestamp with time zone USING a::timestamptz",
        "invalid-date",
        1,
        "1 row of t has a value in a that is no timestamp with time zone",
    ),
    Offending(
        "values that an enum does not list",
        (
            "CREATE TYPE mood AS ENUM ('sad', 'ok')",
            "CREATE TABLE t (id int PRIMARY KEY, a text)",
            "INSERT INTO t VALUES (1, 'sad'), (2, 'glad')",
        ),
        "ALTER TABLE t ALTER a TYPE mood USING a::mood",
        "invalid-text",
        1,
        "1 row of t has a value in a that is no mood",
    ),
    Offending(
        "an update that casts",
        ("CREATE TABLE t (id int PRIMARY KEY, a text, n int)", "INSERT INTO t VALUES (1, '7'), (2, 'x'), (3, 'y')"),
        "UPDATE t AS it SET n = it.a::integer WHERE it.id < 3",
        "invalid-text",
        1,
        "1 row of t has a value in a that is no integer",
    ),
    Offending(
        "a foreign key with orphans",
        _PEOPLE,
        "ALTER TABLE people ADD CONSTRAINT lives FOREIGN KEY (town) REFERENCES towns",
        "orphan",
        2,
        "2 rows of people have no row in towns for town",
    ),
    Offending(
        "a key that is there, on values that are cut",
        (*_PEOPLE, "ALTER TABLE people ADD UNIQUE (id, name)", "ALTER TABLE people ADD UNIQUE (name, mail, id)"),
        "ALTER TABLE people ALTER id TYPE integer USING id / 2",
        "duplicate",
        4,
        "4 rows of people have the same id as another row",
    ),
    Offending(
        "a foreign key that is looked at in the end",
        (
            *_PEOPLE,
            "DELETE FROM people WHERE town > 2",
            "ALTER TABLE people ADD CONSTRAINT lives FOREIGN KEY (town) REFERENCES towns DEFERRABLE INITIALLY DEFERRED",
        ),
        "COMMIT",
        "orphan",
        1,
        "1 row of people has no row in towns for town",
        earlier=("BEGIN", "UPDATE people SET town = 7 WHERE id = 1"),
    ),
    Offending(
        "a foreign key that was not looked at before",
        (*_PEOPLE, "ALTER TABLE people ADD CONSTRAINT lives FOREIGN KEY (town) REFERENCES towns NOT VALID"),
        "ALTER TABLE people VALIDATE CONSTRAINT lives",
        "orphan",
        2,
        "2 rows of people have no row in towns for town",
    ),
    Offending(
        "a foreign key that is to be whole",
        _PEOPLE,
        "ALTER TABLE people ADD FOREIGN KEY (town, boss) REFERENCES towns (id, zone) MATCH FULL",
        "orphan",
        4,
        "4 rows of people have no row in towns for town and boss",
    ),
    Offending(
        "a check",
        _PEOPLE,
        "ALTER TABLE people ADD CONSTRAINT small CHECK (town < 100 OR id::text ~ $$^x$$)",
        "check",
        1,
        "1 row of people has values that the check does not allow: town < 100 OR id::text ~ $$^x$$",
    ),
    Offending(
        "rows that are too long for where they go",
        _STAFF,
        "INSERT INTO staff (id, mail, name) SELECT id, mail, name || '!' FROM people "
        "WHERE id < 3 ON CONFLICT DO NOTHING",
        "too-long",
        2,
        "2 rows for staff have more than 3 characters in name",
    ),
    *_NEW_COLUMNS,
    Offending(
        "a column that must refer and has no value",
        _PEOPLE,
        "ALTER TABLE people ADD COLUMN home integer NOT NULL REFERENCES towns (id)",
        "null",
        5,
        "5 rows of people have no value for home",
    ),
    Offending(
        "a column that may not have the value that it has",
        _PEOPLE,
        "ALTER TABLE people ADD COLUMN home integer DEFAULT NULL NOT NULL",
        "null",
        5,
        "5 rows of people have no value for home",
    ),
    Offending(
        "a column that is made of others",
        _PEOPLE,
        "ALTER TABLE people ADD COLUMN high varchar(60) GENERATED ALWAYS AS (upper(mail)) STORED NOT NULL",
        "null",
        2,
        "2 rows of people have no high",
    ),
    Offending(
        "a column whose default its check does not allow",
        _PEOPLE,
        "ALTER TABLE people ADD COLUMN grade integer DEFAULT 0 CHECK (grade > 0)",
        "check",
        5,
        "5 rows of people have values that the check does not allow: grade > 0",
    ),
    Offending(
        "a column whose check is about the others",
        _PEOPLE,
        "ALTER TABLE people ADD COLUMN grade integer CHECK (town < 100)",
        "check",
        1,
        "1 row of people has values that the check does not allow: town < 100",
    ),
)
"""On PostgreSQL."""

_REBUILT = (
    "CREATE TABLE new (id integer PRIMARY KEY, mail text NOT NULL COLLATE NOCASE, name varchar(60) "
    "CONSTRAINT brief CHECK (length(name) <= 3), boss integer REFERENCES new, CONSTRAINT one UNIQUE (mail, boss))"
)
SQLITE = (
    Offending(
        "a foreign key that is looked at in the end",
        (
            *_PEOPLE,
            "CREATE TABLE shops (id integer PRIMARY KEY, town int REFERENCES towns (id) DEFERRABLE INITIALLY DEFERRED)",
        ),
        "COMMIT",
        "orphan",
        2,
        "2 rows of shops have no row in towns for town",
        earlier=("BEGIN", "INSERT INTO shops VALUES (1, 1), (2, 8), (3, 9), (4, NULL)"),
    ),
    Offending(
        "a column without a value",
        _PEOPLE,
        "ALTER TABLE people ADD COLUMN age integer NOT NULL",
        "null",
        5,
        "5 rows of people have no value for age",
    ),
    Offending(
        "an index that takes no notice of case",
        (*_PEOPLE, "UPDATE people SET mail = upper(mail) WHERE id = 4"),
        "CREATE UNIQUE INDEX one ON people (mail COLLATE NOCASE)",
        "duplicate",
        2,
        "2 rows of people have the same mail as another row",
    ),
    Offending(
        "an index on an expression",
        _PEOPLE,
        "CREATE UNIQUE INDEX one ON people (substr(mail, 2), name) WHERE id > 1",
        "duplicate",
        2,
        "2 rows of people have the same substr(mail, 2) and name as another row",
    ),
    Offending(
        "a table that is made anew",
        (*_PEOPLE, _REBUILT),
        "INSERT INTO new (id, mail, name, boss) SELECT people.id, people.mail, people.name, people.boss FROM people",
        "null",
        2,
        "2 rows for new have no mail",
    ),
    Offending(
        "a table that is made anew, in a transaction",
        _PEOPLE,
        'INSERT INTO "new" ("id", "mail", "name") SELECT "id", coalesce("mail", \'\'), "name" || \'x\' FROM "people"',
        "check",
        4,
        "4 rows for new have values that the check does not allow: length(name) <= 3",
        earlier=("BEGIN", _REBUILT, "CREATE INDEX i ON new (name)"),
    ),
    Offending(
        "a table that is made anew, with orphans",
        (*_PEOPLE, _REBUILT, "PRAGMA foreign_keys = ON"),
        "INSERT INTO new (id, mail, boss) SELECT id, id, boss FROM people",
        "orphan",
        1,
        "1 row for new has no row in new for boss",
    ),
    Offending(
        "a column that is made of others",
        _PEOPLE,
        "ALTER TABLE people ADD COLUMN high varchar(60) GENERATED ALWAYS AS (upper(mail)) NOT NULL",
        "null",
        2,
        "2 rows of people have no high",
    ),
    Offending(
        "a column whose default its check does not allow",
        _PEOPLE,
        "ALTER TABLE people ADD COLUMN grade integer DEFAULT 0 CHECK (grade > 0)",
        "check",
        5,
        "5 rows of people have values that the check does not allow: grade > 0",
    ),
    Offending(
        "a column whose check is about the others",
        _PEOPLE,
        "ALTER TABLE people ADD COLUMN grade integer CHECK (town < 100)",
        "check",
        1,
        "1 row of people has values that the check does not allow: town < 100",
    ),
)
"""On SQLite."""
