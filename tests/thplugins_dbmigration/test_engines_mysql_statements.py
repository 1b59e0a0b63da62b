"""What MariaDB or MySQL notes of the statements of a step, and of its tables."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pymysql
import pytest

from thcore.model import Statement
from thplugins_dbmigration.address import Address
from thplugins_dbmigration.engines import mysql_statements
from thplugins_dbmigration.engines.engine import Server
from thplugins_dbmigration.engines.mysql_statements import KEPT, LONGEST
from thplugins_dbmigration.measure.mysql import SESSION_COUNTERS, STATEMENT_COUNTERS
from thplugins_dbmigration.measure.sizes import rewritten
from thplugins_dbmigration.measure.watch import Watch

from parts.categories import silent, unknown
from parts.servers import MARIADB, ground

pytestmark = pytest.mark.system

ROWS = 2000
_DIGITS = " UNION ".join(f"SELECT {digit} AS n" for digit in range(10))
FILL = f"""INSERT INTO things SELECT id, concat('n', id DIV 2), NULL FROM (
SELECT 1 + a.n + 10 * b.n + 100 * c.n + 1000 * d.n AS id
FROM ({_DIGITS}) a JOIN ({_DIGITS}) b JOIN ({_DIGITS}) c JOIN (SELECT 0 AS n UNION SELECT 1) d) numbers"""
"""As many rows as ROWS."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with ground(tmp_path_factory.mktemp("mariadb"), MARIADB) as made, made.server() as running:
        yield running


@pytest.fixture(scope="module")
def address(server: Server) -> Address:
    return server.create("app", "app", "password")


class Session:
    """A session of the project."""

    def __init__(self, address: Address) -> None:
        self.connection = pymysql.connect(
            unix_socket=str(address.socket),
            user=address.user,
            password=address.password.reveal(),
            database=address.database,
            autocommit=True,
            ssl_disabled=True,
        )

    def run(self, *statements: str) -> None:
        for statement in statements:
            self.connection.cursor().execute(statement)

    def rows(self, question: str) -> list[tuple[Any, ...]]:
        with self.connection.cursor() as cursor:
            cursor.execute(question)
            return list(cursor.fetchall())

    def fails(self, statement: str) -> None:
        with pytest.raises(pymysql.MySQLError):
            self.run(statement)


@pytest.fixture
def session(server: Server, address: Address) -> Iterator[Session]:
    session = Session(address)
    with contextlib.closing(session.connection):
        session.run(
            "DROP TABLE IF EXISTS things, others, odd",
            "CREATE TABLE things (id INT PRIMARY KEY, name VARCHAR(40), note VARCHAR(40)) ENGINE=InnoDB",
            FILL,
        )
        yield session


@pytest.fixture
def told(server: Server, address: Address, session: Session) -> Callable[..., tuple[Statement, ...]]:
    """What is noted of statements, or of what a function does."""

    def run(*statements: str, work: Callable[[], None] = lambda: None) -> tuple[Statement, ...]:
        mark = server.mark(address)
        session.run(*statements)
        work()
        found = server.statements(address, mark)
        assert server.statements(address, mark) == found, "it can be asked again"
        return found

    return run


def test_statements_are_told_in_order_with_times_and_rows(told: Any) -> None:
    update, alter, select = (
        "UPDATE things SET note = 'x'",
        "ALTER TABLE things ADD INDEX by_name (name)",
        "SELECT id FROM things WHERE name = 'n7' ORDER BY note",
    )
    found = told(update, alter, select)
    assert [each.text for each in found] == [update, alter, select]
    assert [each.calls for each in found] == [1, 1, 1]
    assert 0 < found[0].began_s < found[1].began_s < found[2].began_s < 30
    assert found[0].began_s + found[0].wall_s <= found[1].began_s
    assert all(each.wall_s > 0 and not each.error for each in found)
    assert all(each.counters.keys() == STATEMENT_COUNTERS.keys() for each in found)
    nulls = [{name for name, value in each.counters.items() if value is None} for each in found]
    assert nulls == [set(each.unknown) for each in found]
    assert nulls == [{"Innodb_lsn_current"}, {"Innodb_lsn_current", "lock_time_us"}, {"Innodb_lsn_current"}]
    assert (found[0].counters["rows_affected"], found[0].counters["rows_examined"]) == (ROWS, ROWS)
    assert (found[2].counters["rows_sent"], found[2].counters["sort_rows"]) == (2, 2)


def test_a_statement_that_is_still_ending_before_is_in_no_sum_and_takes_no_place(
    server: Server, address: Address, session: Session, told: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mysql_statements, "ENDING_S", 30.0)
    before = Session(address)
    earlier = threading.Thread(target=before.run, args=("SELECT sleep(0.3)",))
    with contextlib.closing(before.connection):
        earlier.start()
        while not session.rows("SELECT id FROM information_schema.processlist WHERE state = 'User sleep'"):
            assert earlier.is_alive()
        found = told(*["DO 1"] * (KEPT + 10), work=earlier.join)
    assert sum(each.calls for each in found) == KEPT + 10
    assert not [each.text for each in found if "sleep" in each.text.lower()]


def test_a_statement_that_failed_is_told_with_the_words_of_the_server(told: Any, session: Session) -> None:
    unique = "ALTER TABLE things ADD UNIQUE INDEX once (name)"
    found = told(work=lambda: (session.fails(unique), session.fails("ALTER TABEL things")))
    assert [each.text for each in found] == [unique, "ALTER TABEL things"]
    assert re.fullmatch(r"1062 \(23000\): Duplicate entry 'n\d+' for key '(things\.)?once'", found[0].error)
    assert found[1].error.startswith("1064 (42000): You have an error in your SQL syntax")
    assert found[0].wall_s > 0


def test_lines_and_odd_bytes_in_statements_and_errors_are_kept(told: Any, session: Session) -> None:
    session.run("CREATE TABLE odd (name VARCHAR(20) PRIMARY KEY)")
    twice = "INSERT INTO odd VALUES\n  ('a\nb ä'),\n\n  ('a\nb ä')"
    (statement,) = told(work=lambda: session.fails(twice))
    assert statement.text == twice
    assert statement.error.startswith("1062 (23000): Duplicate entry 'a\nb ä' for key")


def test_a_backfill_row_by_row_is_one_statement_of_each_kind(told: Any) -> None:
    rows = [number for each in range(1, 601) for number in (each, each)]
    loop = [
        f"UPDATE things SET note = 'y{row}' WHERE id = {row}" if place % 2 else f"SELECT * FROM things WHERE id = {row}"
        for place, row in enumerate(rows)
    ]
    found = told("BEGIN", *loop, "COMMIT", "ALTER TABLE things DROP COLUMN note")
    assert [(each.text, each.calls) for each in found] == [
        ("BEGIN", 1),
        ("SELECT * FROM things WHERE id = 1", 600),
        ("UPDATE things SET note = 'y1' WHERE id = 1", 600),
        ("COMMIT", 1),
        ("ALTER TABLE things DROP COLUMN note", 1),
    ]
    assert found[2].counters["rows_affected"] == 600
    assert found[2].wall_s > 0


def test_sessions_of_the_gate_are_left_out(told: Any, server: Server, address: Address) -> None:
    def look() -> None:
        server.counters(address)
        server.sizes(address)
        server.census(address)
        server.versions(address, "things")

    assert [each.text for each in told("SELECT 1", work=look)] == ["SELECT 1"]


def test_of_more_statements_than_the_server_keeps_the_number_and_the_rows_are_exact(
    told: Any, session: Session
) -> None:
    many = KEPT + 700

    def run() -> None:
        cursor = session.connection.cursor()
        cursor.execute("BEGIN")
        for number in range(many):
            cursor.execute(f"UPDATE things SET note = '{number}' WHERE id = {number % ROWS + 1}")
        cursor.execute("COMMIT")

    found = told("CREATE TABLE others (id INT)", work=run)
    updates = [each for each in found if each.text.upper().startswith("UPDATE")]
    assert sum(each.calls for each in updates) == many
    assert sum(each.counters["rows_affected"] or 0 for each in updates) == many
    assert {each.text.split()[0] for each in found} == {"CREATE", "BEGIN", "UPDATE", "COMMIT"}
    assert sum(each.calls for each in found) == many + 3
    forgotten = [each for each in found if "text" in each.unknown]
    assert [each.calls for each in forgotten if each in updates] == [many - KEPT + 1]
    assert all("keeps" in each.unknown["text"] for each in forgotten)


def test_a_text_that_is_cut_says_so(told: Any) -> None:
    (found,) = told(f"SELECT '{'ä' * LONGEST}'")
    assert len(found.text.encode()) <= LONGEST + 2
    assert found.text.startswith("SELECT 'ääää")
    assert str(LONGEST) in found.unknown["text"]


def test_a_statement_that_still_runs_is_told(server: Server, address: Address, session: Session) -> None:
    def sleep() -> None:
        with contextlib.suppress(pymysql.MySQLError):
            session.run("SELECT SLEEP(60)")

    mark = server.mark(address)
    sleeping = threading.Thread(target=sleep)
    sleeping.start()
    watching = Session(address)
    with contextlib.closing(watching.connection):
        while True:
            found = [each for each in server.statements(address, mark) if "SLEEP" in each.text]
            if found and found[0].wall_s > 0.05:
                break
        watching.run(f"KILL {session.connection.thread_id()}")
    sleeping.join()
    assert [each.text for each in found] == ["SELECT SLEEP(60)"]
    assert not found[0].error


def test_what_a_trigger_does_is_part_of_the_statement(told: Any, session: Session) -> None:
    session.run(
        "CREATE TABLE others (id INT)",
        "CREATE TRIGGER note AFTER UPDATE ON things FOR EACH ROW INSERT INTO others VALUES (new.id)",
    )
    found = told("UPDATE things SET note = 'z' WHERE id < 5")
    assert [(each.text, each.calls) for each in found] == [("UPDATE things SET note = 'z' WHERE id < 5", 1)]


def test_instruments_change_no_counter_of_rows(server: Server, address: Address, session: Session) -> None:
    step = (
        "UPDATE things SET note = 'a'",
        "ALTER TABLE things MODIFY note VARCHAR(300)",
        "CREATE INDEX by_note ON things (note)",
        "DELETE FROM things WHERE id > 1000",
        "SELECT count(*) FROM things a JOIN things b USING (name)",
    )
    found = []
    for closely in (False, True, False, True):
        session.run(
            "DROP TABLE things",
            "CREATE TABLE things (id INT PRIMARY KEY, name VARCHAR(40), note VARCHAR(40))",
            FILL,
        )
        watch = Watch.start("mysql", server, address, lambda: server.counters(address), closely=closely)
        session.run(*step)
        measurement = watch.stop()
        assert [each.text for each in measurement.statements] == (list(step) if closely else [])
        rows = (*SESSION_COUNTERS, "Innodb_rows_read", "Innodb_rows_deleted", "XInnodb_rows_changed")
        found.append({name: measurement.counters[name] for name in rows})
    assert found[0] == found[1] == found[2] == found[3]
    # MySQL counts rows of its own catalogue in Handler_delete as well.
    deleted = "Handler_delete" if found[0]["Innodb_rows_deleted"] is None else "Innodb_rows_deleted"
    assert found[0][deleted] == ROWS - 1000


EVERY_CATEGORY = (
    "INSERT INTO things SELECT id + 10000, name, note FROM things",
    "DELETE FROM things WHERE id > 11000",
    "SET sort_buffer_size = 32768",
    "SELECT id FROM things ORDER BY name, note, id DESC",
    "CREATE TEMPORARY TABLE passing ENGINE=MyISAM AS SELECT * FROM things",
    "ALTER TABLE things MODIFY name VARCHAR(500), ALGORITHM=COPY",
    "BEGIN",
    "UPDATE things SET note = 'a'",
    "SELECT SLEEP(1)",
    "COMMIT",
)
"""Rows and pages of every kind, a table that is copied, and files and locks that are there for as long as looks
take."""


@pytest.fixture
def writing(server: Server) -> Iterator[None]:
    """The server writes pages as soon as they are changed."""
    running: Any = server
    with running.connection.cursor() as cursor:
        cursor.execute("SELECT @@innodb_max_dirty_pages_pct")
        (usual,) = cursor.fetchone()
        cursor.execute("SET GLOBAL innodb_max_dirty_pages_pct = 0")
        yield
        cursor.execute("SET GLOBAL innodb_max_dirty_pages_pct = %s", (usual,))


@pytest.mark.usefixtures("writing")
def test_a_migration_that_moves_every_category_is_told_in_every_one_of_them(
    server: Server, address: Address, session: Session
) -> None:
    session.run("CREATE INDEX by_name ON things (name)", "ANALYZE TABLE things")
    written = "SHOW GLOBAL STATUS LIKE 'Innodb_pages_written'"
    before = session.rows(written)
    watch = Watch.start("mysql", server, address, lambda: server.counters(address), closely=True)
    session.run(*EVERY_CATEGORY)
    while session.rows(written) == before:
        session.run("SELECT SLEEP(0.1)")
    measurement = watch.stop()
    assert list(silent("mysql", measurement)) == []
    assert unknown("mysql", measurement) == {"Binlog_bytes_written"}


def test_a_table_that_is_copied_is_rewritten_and_one_that_is_indexed_is_not(
    server: Server, address: Address, session: Session
) -> None:
    session.run("CREATE TABLE odd (id INT PRIMARY KEY) ENGINE=MyISAM")
    before = server.sizes(address)
    assert before["things"].rows is not None
    assert ROWS * 0.5 < before["things"].rows < ROWS * 1.5
    assert (before["things"].data_bytes or 0) > ROWS * 10
    session.run(
        "CREATE INDEX by_name ON things (name)",
        "ALTER TABLE things ADD COLUMN more INT",
        "INSERT INTO odd VALUES (1)",
    )
    indexed = server.sizes(address)
    assert rewritten(before, indexed) == ()
    assert (indexed["things"].index_bytes or 0) > (before["things"].index_bytes or 0)
    session.run("ALTER TABLE things FORCE")
    assert rewritten(indexed, server.sizes(address)) == ("things",)


def test_a_table_is_the_same_under_another_name_whatever_that_is(
    server: Server, address: Address, session: Session
) -> None:
    session.run("ANALYZE TABLE things")
    before = server.sizes(address)["things"]
    session.run("RENAME TABLE things TO `o'dd #1 täble`")
    try:
        after = server.sizes(address)["o'dd #1 täble"]
    finally:
        session.run("RENAME TABLE `o'dd #1 täble` TO things")
    assert after == before
    session.run(
        "ALTER TABLE things PARTITION BY RANGE (id) "
        "(PARTITION a VALUES LESS THAN (100), PARTITION b VALUES LESS THAN MAXVALUE)"
    )
    parts = server.sizes(address)["things"]
    assert len(parts.identity.split()) == 2
    assert (parts.data_bytes or 0) > (before.data_bytes or 0)
