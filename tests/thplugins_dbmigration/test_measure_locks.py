"""Which locks are seen beside statements on real servers, for how long, and that nobody notices the looking."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

import pytest
import sqlalchemy

from thcore.model import Measurement, Statement
from thplugins_dbmigration.address import Address
from thplugins_dbmigration.engines import mysql_locks
from thplugins_dbmigration.engines.engine import Server
from thplugins_dbmigration.engines.mysql_probes import MySQLProbes
from thplugins_dbmigration.engines.postgresql_probes import PostgreSQLProbes
from thplugins_dbmigration.engines.sqlite_locks import SQLiteLocks
from thplugins_dbmigration.measure import difference
from thplugins_dbmigration.measure.lock_view import Against, Held, LockView
from thplugins_dbmigration.measure.locks import Locks, taken
from thplugins_dbmigration.measure.tenures import Tenure
from thplugins_dbmigration.measure.watch import Watch

from parts import servers
from parts.fetched import FETCHED

SEED = """
CREATE TABLE parent (id INTEGER PRIMARY KEY);
INSERT INTO parent VALUES (1), (2);
CREATE TABLE big (id INTEGER PRIMARY KEY, name VARCHAR(80), n INTEGER);
INSERT INTO big VALUES (1, 'a name that is as long as names tend to be', 1);
""" + "".join(f"INSERT INTO big SELECT id + {2**power}, name, n FROM big;\n" for power in range(12))
ROWS = 4096
INDEX = "CREATE INDEX by_name ON big (name);\n"
PAUSE_S = 0.5
Found = set[tuple[str, str, str]]


@contextlib.contextmanager
def seeded(kind: servers.Kind) -> Iterator[tuple[Server, Address]]:
    with servers.open_directory() as directory, servers.ground(directory, kind) as made, made.server() as server:
        address = server.create("app", "app", "password")
        server.load(made.build, address, made.seed(SEED + INDEX))
        yield server, address


@pytest.fixture(scope="module")
def mariadb() -> Iterator[tuple[Server, Address]]:
    with seeded(servers.MARIADB) as found:
        yield found


@pytest.fixture(scope="module")
def mysql() -> Iterator[tuple[Server, Address]]:
    programs = next(each for each in FETCHED if each.name == "mysql").settings().mysql_programs
    with seeded(servers.Kind("mysql", servers.Choice(mysql_programs=programs))) as found:
        yield found


@pytest.fixture(scope="module")
def postgresql() -> Iterator[tuple[Server, Address]]:
    with seeded(servers.EMBEDDED) as found:
        yield found


ORACLES = pytest.param("mysql", marks=pytest.mark.slow)


@pytest.fixture(params=["mariadb", ORACLES, "postgresql"])
def served(request: pytest.FixtureRequest) -> tuple[Server, Address]:
    found: tuple[Server, Address] = request.getfixturevalue(request.param)
    return found


@pytest.fixture(params=["mariadb", ORACLES])
def either(request: pytest.FixtureRequest) -> tuple[Server, Address]:
    """MariaDB or MySQL."""
    found: tuple[Server, Address] = request.getfixturevalue(request.param)
    return found


@contextlib.contextmanager
def session(address: Address) -> Iterator[Callable[[str], object]]:
    """A session of the dataset's user, in which each statement is a transaction until one says BEGIN."""
    driver = {"mysql": "pymysql", "postgresql": "psycopg"}[address.dialect]
    engine = sqlalchemy.create_engine(address.url(driver), poolclass=sqlalchemy.pool.NullPool)
    with engine.connect() as connection:
        yield connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql


@contextlib.contextmanager
def beside(address: Address, statement: str) -> Iterator[threading.Thread]:
    """A statement that runs in another session, and has ended on leaving."""

    def run() -> None:
        with session(address) as execute:
            execute(statement)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield thread
    finally:
        thread.join()


def told(locks: Collection[Held]) -> Found:
    return {(lock.table or "file", lock.mode, str(lock.against)) for lock in locks}


def awaited(view: LockView, wanted: Callable[[Collection[Held]], bool]) -> Collection[Held]:
    """What is seen when it is as wanted."""
    deadline = time.monotonic() + 20
    while (found := view.look()) is None or not wanted(found):
        assert time.monotonic() < deadline, found
        time.sleep(view.interval_s)
    return found


@contextlib.contextmanager
def views(server: Server, address: Address) -> Iterator[Sequence[LockView]]:
    found = server.lock_views(address)
    try:
        yield found
    finally:
        for view in found:
            view.close()


POSTGRESQL = {
    "ALTER TABLE big ALTER COLUMN n TYPE bigint": {("big", "ACCESS EXCLUSIVE", "all"), ("big", "SHARE", "writers")},
    "CREATE INDEX by_n ON big (n)": {("big", "SHARE", "writers")},
    "ALTER TABLE big ADD FOREIGN KEY (n) REFERENCES parent": {
        ("big", "SHARE ROW EXCLUSIVE", "writers"),
        ("parent", "SHARE ROW EXCLUSIVE", "writers"),
        ("parent", "ROW SHARE", "rows"),
    },
    "ANALYZE big": {("big", "SHARE UPDATE EXCLUSIVE", "schema")},
    "UPDATE big SET n = n WHERE id < 10": {("big", "ROW EXCLUSIVE", "rows")},
    "SELECT count(*) FROM big": set(),
    "CREATE TABLE new AS SELECT * FROM big": set(),
}


@pytest.mark.system
@pytest.mark.parametrize("statement", POSTGRESQL)
def test_postgresql_tells_which_lock_a_transaction_has_on_a_table_that_was_there(
    postgresql: tuple[Server, Address], statement: str
) -> None:
    server, address = postgresql
    with views(server, address) as (view,), session(address) as execute:
        execute("BEGIN")
        execute(statement)
        found = view.look()
        execute("ROLLBACK")
        assert told(found) == POSTGRESQL[statement]
        assert view.look() == []


@pytest.mark.system
def test_postgresql_tells_a_lock_on_an_index_with_its_table(postgresql: tuple[Server, Address]) -> None:
    server, address = postgresql
    with views(server, address) as (view,), session(address) as execute:
        execute("BEGIN")
        execute("REINDEX INDEX by_name")
        found = view.look()
        execute("ROLLBACK")
    assert ("big", "by_name", "ACCESS EXCLUSIVE") in {(lock.table, lock.index, lock.mode) for lock in found}


@pytest.mark.system
def test_an_index_that_is_built_concurrently_locks_out_only_other_changes_of_the_schema_all_the_time(
    postgresql: tuple[Server, Address],
) -> None:
    server, address = postgresql
    with views(server, address) as (view,), contextlib.ExitStack() as stack, server.hindrance(address) as waits:
        stack.enter_context(beside(address, "CREATE INDEX CONCURRENTLY late ON big (n)"))
        first = awaited(view, bool)
        last = awaited(view, lambda _: waits())
    assert told(first) == told(last) == {("big", "SHARE UPDATE EXCLUSIVE", "schema")}
    (one,), (other,) = first, last
    assert one.holders & other.holders, "of one statement, though in several transactions"


@pytest.mark.system
def test_mysql_tells_the_mode_that_a_copying_alter_table_has_and_not_the_one_that_it_waits_for(
    either: tuple[Server, Address],
) -> None:
    server, address = either
    with views(server, address) as (tables, _), session(address) as reader:
        reader("BEGIN")
        reader("SELECT count(*) FROM big")
        with beside(address, "ALTER TABLE big MODIFY n BIGINT, ALGORITHM=COPY"):
            awaited(tables, lambda _: "metadata lock" in str(servers.query(address, "SHOW FULL PROCESSLIST")))
            found = tables.look()  # the one before may have been too early
            reader("ROLLBACK")
        assert told(found) == {("big", "SHARED_NO_WRITE", "writers")}
        assert tables.look() == []


@pytest.mark.system
def test_mysql_tells_tables_that_are_locked_by_hand_from_one_statement_to_the_next(
    either: tuple[Server, Address],
) -> None:
    server, address = either
    with views(server, address) as (tables, _), session(address) as execute:
        execute("LOCK TABLES big WRITE, parent READ")
        (*first,) = tables.look()
        execute("SELECT 1")
        (*last,) = tables.look()
        execute("UNLOCK TABLES")
    assert told(first) == {("big", "SHARED_NO_READ_WRITE", "all"), ("parent", "SHARED_READ_ONLY", "writers")}
    assert [lock.holders for lock in first] == [lock.holders for lock in last]


@pytest.mark.system
def test_rows_that_a_transaction_has_locked_are_counted_and_fewer_in_batches(either: tuple[Server, Address]) -> None:
    server, address = either
    with views(server, address) as (_, rows), session(address) as execute:
        execute("BEGIN")
        execute("UPDATE big SET n = n + 1")
        (all_at_once,) = awaited(rows, bool)
        execute("ROLLBACK")
        awaited(rows, lambda found: not found)
        execute("BEGIN")
        execute("UPDATE big SET n = n + 1 WHERE id <= 100")
        (batch,) = awaited(rows, bool)
        execute("ROLLBACK")
    assert (all_at_once.table, all_at_once.mode, all_at_once.against) == ("big", "SHARED_WRITE", Against.ROWS)
    assert ROWS <= (all_at_once.rows or 0) < 2 * ROWS, "and what lies between them"
    assert 100 <= (batch.rows or 0) < 200
    assert all_at_once.holders.isdisjoint(batch.holders)


@pytest.mark.system
def test_a_server_without_a_list_of_its_locks_says_so(
    mariadb: tuple[Server, Address], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, address = mariadb
    monkeypatch.setattr(mysql_locks, "_PLUGIN", "no such plugin")
    monkeypatch.setattr(mysql_locks, "_INSTRUMENT", "no such instrument")
    found = measured(server, address, STEP["mysql"])
    assert (found.locks, found.locks_unseen_s, found.counters["rows_locked"]) == ((), None, None)
    assert found.unknown["locks"] == found.unknown["rows_locked"] == mysql_locks.UNTOLD


STEP = {
    "mysql": ("LOCK TABLES big WRITE", f"SELECT sleep({PAUSE_S})", "UNLOCK TABLES"),
    "postgresql": ("BEGIN", "LOCK TABLE big IN ACCESS EXCLUSIVE MODE", f"SELECT pg_sleep({PAUSE_S})", "COMMIT"),
}
LOCK = {"mysql": "LOCK TABLES big WRITE", "postgresql": "LOCK TABLE big IN ACCESS EXCLUSIVE MODE"}
OWN = {
    "mysql": ("SET autocommit = 0", "UPDATE app.big SET n = n + 1", "LOCK TABLES app.big WRITE"),
    "postgresql": ("BEGIN", "LOCK TABLE public.big IN ACCESS EXCLUSIVE MODE"),
}
MODE = {"mysql": "SHARED_NO_READ_WRITE", "postgresql": "ACCESS EXCLUSIVE"}


def measured(server: Server, address: Address, statements: Sequence[str]) -> Measurement:
    watch = Watch.start(address.dialect, server, address, lambda: server.counters(address), closely=True, canary=True)
    try:
        with session(address) as execute:
            for statement in statements:
                execute(statement)
        return watch.stop()
    finally:
        watch.leave()


@pytest.mark.system
def test_locks_of_the_gates_own_sessions_are_not_told(served: tuple[Server, Address]) -> None:
    server, address = served
    probes = server.probes(address)
    assert isinstance(probes, MySQLProbes | PostgreSQLProbes)
    own = probes.connect() if isinstance(probes, MySQLProbes) else probes.reserve.new(address.database)
    with views(server, address) as found, contextlib.closing(own), contextlib.closing(own.cursor()) as cursor:
        for statement in OWN[address.dialect]:
            cursor.execute(statement)
            assert [awaited(view, lambda _: True) for view in found] == [[] for _ in found]


@pytest.mark.system
def test_a_measurement_has_the_locks_of_the_project_their_time_and_the_statement_that_took_them(
    served: tuple[Server, Address],
) -> None:
    server, address = served
    engine = address.dialect
    found = measured(server, address, STEP[engine])
    (lock,) = found.locks  # and none of the canary, whose sessions ask for the same table
    assert (lock.table, lock.mode, lock.against) == ("big", MODE[engine], "all")
    unseen_s = found.locks_unseen_s
    assert unseen_s is not None
    assert PAUSE_S - 2 * unseen_s <= lock.held_s <= lock.at_most_s
    assert lock.at_most_s >= PAUSE_S
    assert {statement.text: statement.locks for statement in found.statements if statement.locks} == {
        LOCK[engine]: (lock,)
    }
    assert "locks" not in found.unknown
    if engine == "mysql":
        assert found.counters["rows_locked"] == 0
    else:
        assert (found.counters["rows_locked"], "row itself" in found.unknown["rows_locked"]) == (None, True)


@pytest.mark.system
def test_a_step_counts_the_same_with_looks_at_its_locks_and_without(served: tuple[Server, Address]) -> None:
    server, address = served

    def counted(*, looked: bool) -> dict[str, int | None]:
        locks = Locks.start(server, address) if looked else Locks(())
        server.start_counting(address)
        server.counters(address)
        before = server.counters(address)
        locks.begin()
        with session(address) as execute:
            for statement in (*STEP[address.dialect], "SELECT count(*) FROM parent"):
                execute(statement)
            if address.dialect == "postgresql":
                execute("SELECT pg_stat_force_next_flush()")
        locks.stop()
        return difference(before, locks.without(server.counters(address)))

    counted(looked=True)  # whoever reads a table first reads more, the server's own too
    plain, watched = counted(looked=False), counted(looked=True)
    weather = {"blks_hit", "Innodb_buffer_pool_read_requests", "Innodb_os_log_written", "Innodb_pages_written"}
    weather |= {"Innodb_buffer_pool_pages_dirty"}
    if not server.version.startswith("10."):  # MySQL, and MariaDB from 11 on, write some log on their own account
        weather |= {"Innodb_lsn_current", "Innodb_buffer_pool_write_requests"}
    assert {name: value for name, value in watched.items() if name not in weather} == {
        name: value for name, value in plain.items() if name not in weather
    }


WRITER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
for statement in sys.stdin:
    connection.execute(statement).fetchall()
    print("done", flush=True)
"""


@contextlib.contextmanager
def writer(database: Path) -> Iterator[Callable[[str], None]]:
    """A program that does what it is told in an SQLite file."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(database)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def execute(statement: str) -> None:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(statement + "\n")
            process.stdin.flush()
            assert process.stdout.readline() == "done\n"

        yield execute
        process.stdin.close()


def test_whoever_writes_an_sqlite_file_has_it_against_other_writers_and_at_last_for_itself(tmp_path: Path) -> None:
    view = SQLiteLocks(tmp_path / "app.sqlite")
    assert view.look() == []
    with writer(view.database) as execute:
        execute("CREATE TABLE things (id INTEGER PRIMARY KEY)")
        execute("BEGIN")
        execute("SELECT * FROM things")
        assert view.look() == [], "who reads keeps nobody out"
        execute("INSERT INTO things VALUES (1)")
        (first,) = view.look()
        execute("INSERT INTO things VALUES (2)")
        (still,) = view.look()
        execute("COMMIT")
        assert view.look() == []
        execute("BEGIN")
        execute("INSERT INTO things VALUES (3)")
        (second,) = view.look()
        execute("ROLLBACK")
        execute("BEGIN EXCLUSIVE")
        alone = view.look()
        execute("COMMIT")
    assert told([first]) == {("file", "RESERVED", "writers")}
    assert first.holders == still.holders
    assert first.holders.isdisjoint(second.holders), "two transactions"
    assert ("file", "EXCLUSIVE", "all") in told(alone)


def test_with_a_wal_an_sqlite_file_is_locked_against_writers_alone(tmp_path: Path) -> None:
    view = SQLiteLocks(tmp_path / "app.sqlite")
    with writer(view.database) as execute:
        execute("PRAGMA journal_mode = WAL")
        execute("CREATE TABLE things (id INTEGER PRIMARY KEY)")
        execute("BEGIN")
        execute("INSERT INTO things VALUES (1)")
        (first,) = view.look()
        execute("COMMIT")
        assert view.look() == []
        execute("BEGIN")
        execute("INSERT INTO things VALUES (2)")
        (second,) = view.look()
    assert told([first]) == {("file", "WAL_WRITE", "writers")}
    assert first.holders.isdisjoint(second.holders)


def test_whatever_stands_where_an_sqlite_file_should_be_a_look_comes_to_an_end(tmp_path: Path) -> None:
    for name in ("app.sqlite", "app.sqlite-journal", "app.sqlite-shm"):
        os.mkfifo(tmp_path / name)
    assert SQLiteLocks(tmp_path / "app.sqlite").look() == []


def test_a_lock_belongs_to_the_statement_that_took_it_and_one_from_before_the_step_to_none() -> None:
    statements = (
        Statement("BEGIN", began_s=0.0, wall_s=0.0),
        Statement("SELECT count(*) FROM tickets", began_s=0.0, wall_s=0.4),
        Statement("ALTER TABLE `tickets` ADD COLUMN x INT", began_s=0.4, wall_s=0.01),
        Statement("UPDATE tickets SET x = 1", began_s=0.41, wall_s=5.0),
    )
    lock = Held("tickets", "ACCESS EXCLUSIVE", Against.ALL, frozenset({"one"}))
    rows = Held("tickets", "ROW EXCLUSIVE", Against.ROWS, frozenset({"one"}))
    whole = Held("", "RESERVED", Against.WRITERS, frozenset({"one"}))

    def number_of(tenure: Tenure) -> list[int]:
        return [number for number, each in enumerate(taken(statements, [tenure])) if each.locks]

    assert number_of(Tenure(lock, 0.38, 0.43, 5.4, 5.45)) == [2]
    assert number_of(Tenure(lock, 0.38, 0.45, 5.4, 5.45)) == [2]
    assert number_of(Tenure(rows, 0.38, 0.45, 5.4, 5.45)) == [3], "and not to the one before it"
    assert number_of(Tenure(whole, 0.0, 0.45, 5.4, 5.45)) == [2]
    assert number_of(Tenure(lock, 6.0, 6.05, 6.1, 6.2)) == []
