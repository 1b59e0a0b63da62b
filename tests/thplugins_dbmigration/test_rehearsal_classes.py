"""What statements are told to do to tables, on real servers, one for each engine; and that they do so with rows."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import attrs
import psycopg
import pymysql
import pytest
from attrs import frozen

from thcore.model import Statement
from thplugins_dbmigration.address import Address
from thplugins_dbmigration.engines.engine import Server
from thplugins_dbmigration.engines.table_size import TableSize
from thplugins_dbmigration.measure.sizes import Sizes
from thplugins_dbmigration.rehearsal import WORKS, classify

from parts.servers import MARIADB, SQLITE, SYSTEM, ground

pytestmark = pytest.mark.system


@frozen
class Case:
    """Statements of a step, and what the last one does to which table; ``prepared`` is done before the step."""

    name: str
    statements: tuple[str, ...]
    works: dict[str, str]
    prepared: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name


def case(name: str, *statements: str, prepared: tuple[str, ...] = (), **works: str) -> Case:
    return Case(name, statements, works, prepared)


TABLES = {
    "mysql": (
        "CREATE TABLE parent (id INT PRIMARY KEY)",
        """CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(50) CHARACTER SET utf8mb3, number INT, owner INT,
        moment DATETIME, required INT NOT NULL, KEY by_number (number))""",
        "INSERT INTO parent VALUES (1), (2)",
        "INSERT INTO t VALUES (1, 'one', 1, 1, '2020-01-01', 1), (2, 'two', 2, 2, '2020-01-02', 2)",
    ),
    "postgresql": (
        "CREATE TABLE parent (id INT PRIMARY KEY)",
        """CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(50), number INT, owner INT, moment TIMESTAMP,
        required INT NOT NULL)""",
        "CREATE INDEX by_number ON t (number)",
        "INSERT INTO parent VALUES (1), (2)",
        "INSERT INTO t VALUES (1, 'one', 1, 1, '2020-01-01', 1), (2, 'two', 2, 2, '2020-01-02', 2)",
    ),
    "sqlite": (
        "CREATE TABLE parent (id INTEGER PRIMARY KEY)",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, name VARCHAR(50), number INT, owner INT)",
        "CREATE INDEX by_number ON t (number)",
        "INSERT INTO parent VALUES (1), (2)",
        "INSERT INTO t VALUES (1, 'one', 1, 1), (2, 'two', 2, 2)",
    ),
}

OF_MYSQL = (
    case("a nullable column", "ALTER TABLE t ADD COLUMN c INT", t="metadata"),
    case("a column with a default", "ALTER TABLE t ADD COLUMN c INT DEFAULT 7", t="metadata"),
    case("a required column with a default", "ALTER TABLE t ADD COLUMN c INT NOT NULL DEFAULT 7", t="metadata"),
    case("a column with an expression", "ALTER TABLE t ADD COLUMN c VARCHAR(80) DEFAULT (concat(name, id))", t="copy"),
    case("a column in the middle", "ALTER TABLE t ADD COLUMN c INT AFTER id", t="metadata"),
    case("a stored generated column", "ALTER TABLE t ADD COLUMN c INT AS (number + 1) STORED", t="copy"),
    case("dropping a column", "ALTER TABLE t DROP COLUMN moment", t="metadata"),
    case("a wider varchar", "ALTER TABLE t MODIFY name VARCHAR(80) CHARACTER SET utf8mb3", t="metadata"),
    case("a varchar of two length bytes", "ALTER TABLE t MODIFY name VARCHAR(255) CHARACTER SET utf8mb3", t="copy"),
    case("a narrower varchar", "ALTER TABLE t MODIFY name VARCHAR(20) CHARACTER SET utf8mb3", t="copy"),
    case("int to bigint", "ALTER TABLE t MODIFY number BIGINT", t="copy"),
    case("a column's new name", "ALTER TABLE t RENAME COLUMN number TO amount", t="metadata"),
    case("a column's new name, spelt out", "ALTER TABLE t CHANGE number amount INT", t="metadata"),
    case("a table's new name", "ALTER TABLE t RENAME TO u", u="metadata"),
    case("a table's new name, in one word", "RENAME TABLE t TO u", u="metadata"),
    case("an index", "CREATE INDEX i ON t (name)", t="index"),
    case("an index by ALTER, behind a comment", "-- find\nALTER TABLE `t` ADD INDEX i (name) -- fast", t="index"),
    case("a unique index", "CREATE UNIQUE INDEX i ON t (name)", t="index"),
    case("a full-text index", "ALTER TABLE t ADD FULLTEXT i (name)", t="rebuild"),
    case("dropping an index", "DROP INDEX by_number ON t", t="metadata"),
    case("a foreign key", "ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (number) REFERENCES parent (id)", t="copy"),
    case(
        "a foreign key that is not checked",
        "SET foreign_key_checks = 0",
        "ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (number) REFERENCES parent (id)",
        t="metadata",
    ),
    case("a check", "ALTER TABLE t ADD CONSTRAINT positive CHECK (number > 0)", t="copy"),
    case("NOT NULL", "ALTER TABLE t MODIFY number INT NOT NULL", t="rebuild"),
    case("NULL", "ALTER TABLE t MODIFY required INT NULL", t="rebuild"),
    case("another default", "ALTER TABLE t ALTER number SET DEFAULT 3", t="metadata"),
    case("a character set for all columns", "ALTER TABLE t CONVERT TO CHARACTER SET latin1", t="copy"),
    case("a character set that is more of the same", "ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4", t="metadata"),
    case("a character set of the table alone", "ALTER TABLE t DEFAULT CHARACTER SET latin1", t="metadata"),
    case("another engine", "ALTER TABLE t ENGINE = MyISAM", t="copy"),
    case("the same engine", "ALTER TABLE t ENGINE = InnoDB", t="rebuild"),
    case("a row format", "ALTER TABLE t ROW_FORMAT = COMPRESSED", t="rebuild"),
    case("another primary key", "ALTER TABLE t DROP PRIMARY KEY, ADD PRIMARY KEY (id, required)", t="rebuild"),
    case("an algorithm that is named", "ALTER TABLE t ADD COLUMN c INT, ALGORITHM=COPY", t="copy"),
    case("an index in place", "ALTER TABLE t ADD INDEX i (name), ALGORITHM = INPLACE, LOCK = NONE", t="index"),
    case("partitions", "ALTER TABLE t PARTITION BY HASH (id) PARTITIONS 2", t="copy"),
    case(
        "a partition more",
        "ALTER TABLE p ADD PARTITION (PARTITION b VALUES LESS THAN (20))",
        prepared=("CREATE TABLE p (id INT PRIMARY KEY) PARTITION BY RANGE (id) (PARTITION a VALUES LESS THAN (10))",),
        p="metadata",
    ),
    case("OPTIMIZE", "OPTIMIZE TABLE t", t="rebuild"),
    case("a new table", "CREATE TABLE n (id INT PRIMARY KEY)", n="metadata"),
    case("dropping a table", "DROP TABLE t", t="metadata"),
    case("TRUNCATE", "TRUNCATE TABLE t", t="metadata"),
    case(
        "an index of a table with odd letters",
        "CREATE INDEX i ON `größe-1` (name)",
        prepared=("CREATE TABLE `größe-1` (name VARCHAR(9))",),
        **{"größe-1": "index"},
    ),
    case("a view", "CREATE VIEW v AS SELECT id FROM t"),
)
OF_POSTGRESQL = (
    case("a nullable column", "ALTER TABLE t ADD COLUMN c INT", t="metadata"),
    case("a column with a default", "ALTER TABLE t ADD COLUMN c INT DEFAULT 7", t="metadata"),
    case("a required column with a default", "ALTER TABLE t ADD COLUMN c INT NOT NULL DEFAULT 7", t="metadata"),
    case("a column with a volatile default", "ALTER TABLE t ADD COLUMN c UUID DEFAULT gen_random_uuid()", t="copy"),
    case(
        "a stored generated column", "ALTER TABLE t ADD COLUMN c INT GENERATED ALWAYS AS (number + 1) STORED", t="copy"
    ),
    case("dropping a column", "ALTER TABLE t DROP COLUMN moment", t="metadata"),
    case("a wider varchar", "ALTER TABLE t ALTER COLUMN name TYPE VARCHAR(80)", t="metadata"),
    case("a varchar without a limit", "ALTER TABLE t ALTER COLUMN name TYPE TEXT", t="metadata"),
    case("a narrower varchar", "ALTER TABLE t ALTER COLUMN name TYPE VARCHAR(20)", t="copy"),
    case("int to bigint", "ALTER TABLE t ALTER COLUMN number TYPE BIGINT", t="copy"),
    case(
        "timestamp to timestamptz",
        "SET timezone = 'Europe/Berlin'",
        "ALTER TABLE t ALTER COLUMN moment TYPE TIMESTAMPTZ",
        t="copy",
    ),
    case(
        "timestamp to timestamptz where it is UTC",
        "SET timezone = 'UTC'",
        "ALTER TABLE t ALTER COLUMN moment TYPE TIMESTAMPTZ",
        t="metadata",
    ),
    case("a column's new name", "ALTER TABLE t RENAME COLUMN number TO amount", t="metadata"),
    case("a table's new name", "ALTER TABLE t RENAME TO u", u="metadata"),
    case("an index", "CREATE INDEX i ON t (name)", t="index"),
    case("an index beside writers", "CREATE INDEX CONCURRENTLY i ON t (name)", t="index"),
    case("a unique index", "CREATE UNIQUE INDEX i ON t (name)", t="index"),
    case("a primary key", "ALTER TABLE t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (id, required)", t="index"),
    case(
        "a constraint on an index that is there",
        "ALTER TABLE t ADD CONSTRAINT u UNIQUE USING INDEX i",
        prepared=("CREATE UNIQUE INDEX i ON t (required)",),
        t="metadata",
    ),
    case("dropping an index", "DROP INDEX by_number", t="metadata"),
    case("dropping an index beside writers", "DROP INDEX CONCURRENTLY by_number", t="metadata"),
    case("REINDEX", "REINDEX TABLE t", t="index"),
    case(
        "a foreign key",
        "ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (owner) REFERENCES parent (id)",
        t="scan",
        parent="metadata",
    ),
    case(
        "a foreign key that is not checked",
        "ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (owner) REFERENCES parent (id) NOT VALID",
        t="metadata",
        parent="metadata",
    ),
    case(
        "checking a foreign key",
        "ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (owner) REFERENCES parent (id) NOT VALID",
        "ALTER TABLE t VALIDATE CONSTRAINT f",
        t="scan",
    ),
    case("a check", "ALTER TABLE t ADD CONSTRAINT positive CHECK (number > 0)", t="scan"),
    case(
        "a check that is not made", "ALTER TABLE t ADD CONSTRAINT positive CHECK (number > 0) NOT VALID", t="metadata"
    ),
    case(
        "making a check",
        "ALTER TABLE t ADD CONSTRAINT positive CHECK (number > 0) NOT VALID",
        "ALTER TABLE t VALIDATE CONSTRAINT positive",
        t="scan",
    ),
    case("NOT NULL", "ALTER TABLE t ALTER COLUMN number SET NOT NULL", t="scan"),
    case(
        "NOT NULL that a check has proved",
        "ALTER TABLE t ALTER COLUMN number SET NOT NULL",
        prepared=("ALTER TABLE t ADD CONSTRAINT there CHECK (number IS NOT NULL)",),
        t="metadata",
    ),
    case("NULL", "ALTER TABLE t ALTER COLUMN required DROP NOT NULL", t="metadata"),
    case("another default", "ALTER TABLE t ALTER COLUMN number SET DEFAULT 3", t="metadata"),
    case("a table without a log", "ALTER TABLE t SET UNLOGGED", t="copy"),
    case("VACUUM FULL", "VACUUM FULL t", t="copy"),
    case("CLUSTER", "CLUSTER t USING by_number", t="copy"),
    case("a new table", "CREATE TABLE n (id INT PRIMARY KEY)", n="metadata"),
    case("a new table that refers to one", "CREATE TABLE n (id INT REFERENCES t)", n="metadata", t="metadata"),
    case("a table made of another", "CREATE TABLE n AS SELECT * FROM t", n="metadata", t="scan"),
    case("dropping a table", "DROP TABLE t", t="metadata"),
    case("TRUNCATE", "TRUNCATE t", t="metadata"),
    case("a comment", "COMMENT ON TABLE t IS 'things'", t="metadata"),
    case("a block of code", "DO $$ BEGIN ALTER TABLE t ALTER COLUMN number TYPE BIGINT; END $$", t="copy"),
    case(
        "a table of another schema",
        "CREATE INDEX i ON other.t (id)",
        prepared=("CREATE SCHEMA other", "CREATE TABLE other.t (id INT)"),
        **{"other.t": "index"},
    ),
    case("a view", "CREATE VIEW v AS SELECT id FROM t"),
    case("a type", "CREATE TYPE mood AS ENUM ('fine')"),
)
OF_SQLITE = (
    case("a nullable column", "ALTER TABLE t ADD COLUMN c INT", t="metadata"),
    case("a required column with a default", "ALTER TABLE t ADD COLUMN c INT NOT NULL DEFAULT 7", t="metadata"),
    case("a column with a check", "ALTER TABLE t ADD COLUMN c INT CHECK (c > 0)", t="scan"),
    case("dropping a column", "ALTER TABLE t DROP COLUMN owner", t="rebuild"),
    case("a column's new name", "ALTER TABLE t RENAME COLUMN number TO amount", t="metadata"),
    case("a table's new name", "ALTER TABLE t RENAME TO u", u="metadata"),
    case("an index", "CREATE INDEX i ON t (name)", t="index"),
    case("a unique index", "CREATE UNIQUE INDEX i ON t (name)", t="index"),
    case("dropping an index", "DROP INDEX by_number", t="metadata"),
    case("REINDEX", "REINDEX t", t="index"),
    case("VACUUM", "VACUUM", t="copy", parent="copy"),
    case("a new table", "CREATE TABLE n (id INTEGER PRIMARY KEY)", n="metadata"),
    case("a table made of another", "CREATE TABLE n AS SELECT * FROM t", n="metadata", t="scan"),
    case("dropping a table", "DROP TABLE t", t="metadata"),
    case("a view", "CREATE VIEW v AS SELECT id FROM t"),
)
CASES = [("mysql", each) for each in OF_MYSQL]
CASES += [("postgresql", each) for each in OF_POSTGRESQL]
CASES += [("sqlite", each) for each in OF_SQLITE]
KINDS = {"mysql": MARIADB, "postgresql": SYSTEM, "sqlite": SQLITE}


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, tuple[Server, Address]]]:
    """One server for each engine, with a database that the tests make their tables in."""
    with ExitStack() as stack:
        made: dict[str, tuple[Server, Address]] = {}
        for engine, kind in KINDS.items():
            place = stack.enter_context(ground(tmp_path_factory.mktemp(engine), kind))
            server = stack.enter_context(place.server())
            made[engine] = server, server.create("app", "app", "password")
        yield made


@contextmanager
def session(address: Address) -> Iterator[Callable[[str], object]]:
    """Runs statements one by one in one session, each on its own, as a project would."""
    connection: Any
    if address.dialect == "sqlite":
        connection = sqlite3.connect(address.database, isolation_level=None)
    elif address.dialect == "mysql":
        login = {"user": address.user, "password": address.password.reveal(), "database": address.database}
        connection = pymysql.connect(unix_socket=str(address.socket), autocommit=True, ssl_disabled=True, **login)
    else:
        connection = psycopg.connect(address.url(), autocommit=True)
    with closing(connection):
        yield connection.cursor().execute


def made_anew(engine: str, address: Address, prepared: tuple[str, ...], *, rows: bool) -> None:
    """The database with its tables and nothing else."""
    if engine == "sqlite":
        Path(address.database).unlink()
    with session(address) as run:
        if engine == "mysql":
            run("DROP DATABASE app")
            run("CREATE DATABASE app")
            run("USE app")
        elif engine == "postgresql":
            run("DROP SCHEMA IF EXISTS public, other CASCADE")
            run("CREATE SCHEMA public")
        for statement in (*TABLES[engine], *prepared):
            if rows or not statement.startswith("INSERT"):
                run(statement)


def told(*texts: str) -> tuple[Statement, ...]:
    return tuple(Statement(text, number, 1.0) for number, text in enumerate(texts))


@pytest.mark.parametrize(("engine", "case"), CASES, ids=[f"{engine}: {each}" for engine, each in CASES])
def test_a_statement_is_told_to_do_what_it_does(
    servers: dict[str, tuple[Server, Address]], engine: str, case: Case
) -> None:
    server, address = servers[engine]
    made_anew(engine, address, case.prepared, rows=True)
    before = server.sizes(address)
    with session(address) as run:
        for statement in case.statements:
            run(statement)
    sizes = Sizes(before, server.sizes(address))
    made_anew(engine, address, case.prepared, rows=False)
    with server.stage(address) as stage:
        *_, last = classify(stage, told(*case.statements), sizes)
    assert {work.table: work.kind for work in last.works} == case.works, [work.how for work in last.works]
    assert WORKS not in last.unknown
    assert "but" not in " ".join(work.how for work in last.works)  # what the same statements did to rows agrees


def test_the_example_of_the_page_is_what_is_told(servers: dict[str, tuple[Server, Address]]) -> None:
    server, address = servers["mysql"]
    page = Path(__file__).parents[2].joinpath("docs", "rehearsal.md").read_text("utf-8")
    (block,) = re.findall(r"^```json\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    example = json.loads(block)
    made_anew("mysql", address, ("CREATE TABLE tickets (reporter VARCHAR(40) CHARACTER SET utf8mb4)",), rows=False)
    (shown,) = example["works"]
    sizes = Sizes({"tickets": TableSize(shown["rows"], shown["bytes"] - 1, 1, "1")})
    with server.stage(address) as stage:
        (seen,) = classify(stage, told(example["text"]), sizes)
    assert [attrs.asdict(work) for work in seen.works] == [shown]
