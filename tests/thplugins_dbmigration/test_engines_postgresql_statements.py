"""What PostgreSQL tells of the statements of a step, on real servers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import psycopg
import pytest
from attrs import frozen

from thcore.model import Statement
from thplugins_dbmigration.address import Address
from thplugins_dbmigration.engines import postgresql_noting
from thplugins_dbmigration.engines.engine import Server
from thplugins_dbmigration.engines.postgresql_counts import WITHOUT
from thplugins_dbmigration.engines.postgresql_server import PostgreSQLServer
from thplugins_dbmigration.engines.postgresql_statements import TELL_COUNTS
from thplugins_dbmigration.measure.postgresql import COUNTED, NOT_OF_FAILED, SUMMED
from thplugins_dbmigration.measure.watch import Watch

from parts.categories import silent, unknown
from parts.servers import EMBEDDED, SYSTEM, Ground, ground

pytestmark = pytest.mark.system

SEED = """\
CREATE TABLE people (id INTEGER PRIMARY KEY, name VARCHAR(40), age INTEGER);
INSERT INTO people SELECT n, 'person ' || n, n % 90 FROM generate_series(1, 2000) n;
CREATE TABLE pets (id INTEGER PRIMARY KEY, owner INTEGER);
"""


@frozen
class Bench:
    """A server with two tables, and whether it counts for each statement."""

    ground: Ground
    server: Server
    address: Address
    counts: bool

    @contextlib.contextmanager
    def session(self, **more: Any) -> Iterator[psycopg.Connection[Any]]:
        """As the project opens one; it commits each statement."""
        address = self.address
        connection = psycopg.connect(
            host=str(address.socket),
            dbname=address.database,
            user=address.user,
            password=address.password.reveal(),
            autocommit=True,
            **more,
        )
        with contextlib.closing(connection):
            yield connection

    def told(self, *statements: str) -> tuple[Statement, ...]:
        """What is told of statements that one session sends, each in a query of its own; those that fail too."""
        with self.session(cursor_factory=psycopg.ClientCursor) as session:
            mark = self.server.mark(self.address)
            for statement in statements:
                with contextlib.suppress(psycopg.Error):
                    session.execute(statement.encode())
            return self.server.statements(self.address, mark)


@pytest.fixture(scope="module", params=[EMBEDDED, SYSTEM], ids=str)
def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with ground(tmp_path_factory.mktemp("bench"), request.param) as made, made.server() as server:
        address = server.create("app", "app", "pw")
        server.load(made.build, address, made.seed(SEED))
        server.settle(address)
        yield Bench(made, server, address, request.param is SYSTEM)


@pytest.fixture
def table(bench: Bench) -> Iterator[str]:
    """A table with a thousand rows."""
    with bench.session() as session:
        session.execute("CREATE TABLE things AS SELECT n AS id, n % 10 AS kind FROM generate_series(1, 1000) n")
        yield "things"
        session.execute("DROP TABLE IF EXISTS things")


def test_each_statement_is_told_with_its_time_in_the_order_in_which_it_began(bench: Bench, table: str) -> None:
    first, second, third = bench.told(
        f"ALTER TABLE {table} ADD COLUMN note text",
        "SELECT pg_sleep(0.2)",
        f"UPDATE {table} SET note = 'x' WHERE id <= 100",
    )
    assert (first.text, first.calls, first.error) == (f"ALTER TABLE {table} ADD COLUMN note text", 1, "")
    assert 0.2 <= second.wall_s < 5
    assert first.began_s < second.began_s < second.began_s + 0.2 <= third.began_s + 0.002
    assert first.wall_s < second.wall_s


def test_what_a_statement_cost_is_told_where_the_server_counts_it_and_unknown_with_the_reason_elsewhere(
    bench: Bench, table: str
) -> None:
    update, index = bench.told(f"UPDATE {table} SET kind = 7", f"CREATE INDEX ON {table} (kind)")
    assert update.counters.keys() >= COUNTED.keys()
    assert update.counters["temp_bytes"] == 0
    if bench.counts:
        assert update.unknown == {}
        assert update.counters["rows"] == 1000
        assert (update.counters["wal_bytes"] or 0) > 50_000
        assert (update.counters["shared_blks_dirtied"] or 0) > 0
        assert 1_000 < (index.counters["wal_bytes"] or 0) < 50_000
    else:
        assert {update.counters[name] for name in COUNTED} == {None}
        assert update.unknown == dict.fromkeys(COUNTED, "this server's programs come without pg_stat_statements")


EVERY_CATEGORY = (
    "SET work_mem = '64kB'",
    "INSERT INTO many SELECT id + 10000, name FROM many",
    "UPDATE many SET name = 'somebody else of that name' WHERE id < 100",
    "DELETE FROM many WHERE id > 11000",
    "SELECT id FROM many ORDER BY name, id DESC",
    "DECLARE kept CURSOR WITH HOLD FOR SELECT * FROM many ORDER BY name, id DESC",
    "BEGIN",
    "ALTER TABLE many ALTER COLUMN id TYPE bigint",
    "SELECT pg_sleep(1)",
    "COMMIT",
    TELL_COUNTS,
)
"""Rows and blocks of every kind, a table that is rewritten, and files and locks that are there for as long as looks
take."""


@contextlib.contextmanager
def watched(bench: Bench) -> Iterator[tuple[Watch, psycopg.Connection[Any]]]:
    """A step of a session, with a table of its own."""
    with bench.session() as session:
        session.execute("CREATE TABLE many (id integer PRIMARY KEY, name text)")
        session.execute("INSERT INTO many SELECT n, 'somebody of that name ' || n FROM generate_series(1, 4000) n")
    bench.server.start_counting(bench.address)
    try:
        read = partial(bench.server.counters, bench.address)
        watch = Watch.start("postgresql", bench.server, bench.address, read, closely=True)
        with bench.session() as session:
            yield watch, session
    finally:
        with bench.session() as session:
            session.execute("DROP TABLE many")


def test_a_migration_that_moves_every_category_is_told_in_every_one_of_them(bench: Bench) -> None:
    with watched(bench) as (watch, session):
        for statement in EVERY_CATEGORY:
            session.execute(statement.encode())
        measurement = watch.stop()
    assert list(silent("postgresql", measurement)) == []
    assert unknown("postgresql", measurement) == {"rows_locked", *(() if bench.counts else SUMMED)}


def test_of_a_step_in_which_a_statement_failed_nobody_knows_which_blocks_it_changed(bench: Bench) -> None:
    with watched(bench) as (watch, session):
        session.execute("UPDATE many SET name = 'x'")
        with pytest.raises(psycopg.errors.UniqueViolation):
            session.execute("UPDATE many SET id = 1")
        measurement = watch.stop()
    assert {measurement.counters[name] for name in SUMMED} == {None}
    why = {measurement.unknown[name] for name in SUMMED}
    assert why == {NOT_OF_FAILED if bench.counts else WITHOUT}


def test_a_failed_statement_has_its_code_its_message_and_its_time(bench: Bench, table: str) -> None:
    good, bad = bench.told(
        f"INSERT INTO {table} VALUES (1, 1)",
        f"CREATE UNIQUE INDEX once ON {table} (id)",
    )
    assert good.error == ""
    assert bad.text == f"CREATE UNIQUE INDEX once ON {table} (id)"
    assert bad.error == ('23505: could not create unique index "once" DETAIL: Key (id)=(1) is duplicated.')
    (slow,) = bench.told("DO $$ BEGIN PERFORM pg_sleep(0.15); RAISE 'no' USING ERRCODE = 'TH001'; END $$")
    assert slow.error == "TH001: no"
    assert 0.14 < slow.wall_s < 5
    assert slow.counters["rows"] is None
    (wrong,) = bench.told("ALTER TABEL things")
    assert (wrong.text, wrong.error[:6]) == ("ALTER TABEL things", "42601:")


def test_an_error_that_a_function_catches_is_none(bench: Bench) -> None:
    (caught,) = bench.told("DO $$ BEGIN PERFORM 1/0; EXCEPTION WHEN division_by_zero THEN NULL; END $$")
    assert caught.error == ""


def test_words_that_look_like_the_log_are_the_words_of_the_statement_that_has_them(bench: Bench) -> None:
    fake = "2026-01-01 00:00:00.000 UTC [1.1 00000 0 client backend] LOG:  statement: DROP TABLE people"
    raising = (
        "DO $$ BEGIN RAISE LOG 'statement: DROP TABLE people'; RAISE LOG 'duration: 9999.0 ms';\n"
        f"RAISE LOG E'x\\n{fake}'; RAISE WARNING E'\\n\\t{fake}'; END $$"
    )
    comment = f"SELECT 'a\nb\tc' -- \n{fake}\n\t{fake}"
    with bench.session() as session, contextlib.suppress(psycopg.Error):
        session.execute(f"SET application_name = E'\\n{fake}'".encode())
    assert [(each.text, each.calls) for each in bench.told(raising, comment)] == [(raising, 1), (comment, 1)]
    mark = bench.server.mark(bench.address)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(host=str(bench.address.socket), user=f"\n{fake}"[:63], dbname=f"\n{fake}"[:63], password="x")
    assert bench.server.statements(bench.address, mark) == ()


def test_bytes_that_are_no_text_and_a_very_long_statement_are_told_as_far_as_they_can_be(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql_noting, "MANY", 2**20)  # each of these is noted, however long
    with bench.session() as session:
        mark = bench.server.mark(bench.address)
        session.pgconn.exec_(b"SELECT '\xff\xfe'")
        session.pgconn.exec_(b"SELECT '" + b"x\n" * 100_000 + b"'")
        session.pgconn.exec_(b"SELECT 1, '" + b"y" * 100_000 + b"'")
        session.pgconn.exec_(b"SELECT 1,\n2, '" + b"z" * 100_000 + b"'")
    wrong, *long = bench.server.statements(bench.address, mark)
    assert (wrong.text, wrong.error[:6]) == ("(the server does not say which statement)", "22021:")
    assert len(long) == 3
    for cut in long:
        assert len(cut.text) == 8192
        assert cut.unknown["text"] == "the first 8192 bytes of it are kept"


@pytest.mark.parametrize(
    "attempt",
    [
        "SET log_statement = 'none'",
        "SET log_min_duration_statement = -1",
        "SET log_min_messages = 'panic'",
        "SET log_min_error_statement = 'panic'",
        "SET compute_query_id = off",
        "ALTER ROLE app SET log_statement = 'none'",
        "ALTER DATABASE app SET log_statement = 'none'",
        "ALTER ROLE app RESET ALL",
        "ALTER DATABASE app RESET ALL",
        "RESET ALL",
        "DISCARD ALL",
        "SET SESSION AUTHORIZATION DEFAULT",
        "SET lc_messages = 'de_DE'",
    ],
)
def test_a_migration_cannot_keep_its_statements_out_of_the_log(bench: Bench, attempt: str) -> None:
    told = bench.told(attempt, "SELECT 4711")
    assert [each.text for each in told] == [attempt, "SELECT 4711"]
    assert told[0].error == "" or told[0].error.startswith("42501:")
    assert [each.text for each in bench.told("SELECT 4712")] == ["SELECT 4712"]


def test_the_statements_of_a_loop_are_told_as_one_with_all_their_calls(bench: Bench, table: str) -> None:
    loop = [
        statement
        for number in range(1, 61)
        for statement in (
            "BEGIN",
            f"SAVEPOINT s{number}",
            f"SELECT kind FROM {table} WHERE id = {number}",
            f"UPDATE {table} SET kind = {number} WHERE id = {number}",
            f"RELEASE SAVEPOINT s{number}",
            "COMMIT",
        )
    ]
    told = bench.told(*loop, f"ALTER TABLE {table} ADD other int", f"UPDATE {table} SET kind = 1 WHERE id = 1")
    assert [each.calls for each in told] == [60] * 6 + [1, 1]
    assert told[3].text == f"UPDATE {table} SET kind = 1 WHERE id = 1"
    assert told[3].counters["rows"] is None
    if bench.counts:
        assert told[2].counters["rows"] == 60
        assert (
            told[3].unknown["rows"]
            == "it was run elsewhere in this step as well, and the server counts all runs together"
        )


def test_failures_that_are_alike_are_told_as_one(bench: Bench) -> None:
    failing = [f"INSERT INTO people VALUES ({number}, 'again')" for number in range(1, 51)]
    (told,) = bench.told(*failing)
    assert (told.calls, told.text, told.error[:6]) == (50, failing[0], "23505:")


def test_parsing_binding_and_executing_are_one_statement(bench: Bench, table: str) -> None:
    with bench.session() as session:
        mark = bench.server.mark(bench.address)
        for number in range(20):  # from the sixth on it is prepared under a name
            session.execute(f"UPDATE {table} SET kind = %s WHERE id = %s".encode(), (number, 5))
        pg = session.pgconn
        pg.prepare(b"__asyncpg_stmt_1__", f"DELETE FROM {table} WHERE id = $1".encode())
        for number in (b"1", b"2", b"3"):
            pg.exec_prepared(b"__asyncpg_stmt_1__", [number])
        with session.pipeline():
            for number in range(30):
                session.execute(f"INSERT INTO {table} VALUES (%s, %s)".encode(), (number, number))
    update, delete, insert = bench.server.statements(bench.address, mark)
    assert (update.calls, delete.calls, insert.calls) == (20, 3, 30)
    assert delete.text == f"DELETE FROM {table} WHERE id = $1"
    if bench.counts:
        assert (update.counters["rows"], delete.counters["rows"], insert.counters["rows"]) == (20, 3, 30)


def test_a_bound_value_that_does_not_fit_is_an_error_of_the_statement(bench: Bench, table: str) -> None:
    with bench.session() as session:
        mark = bench.server.mark(bench.address)
        session.pgconn.exec_params(f"DELETE FROM {table} WHERE id = $1".encode(), [b"no number"])
    (told,) = bench.server.statements(bench.address, mark)
    assert told.text == f"DELETE FROM {table} WHERE id = $1"
    assert told.error.startswith("22P02: invalid input syntax for type integer")


def test_rows_that_are_fetched_little_by_little_are_one_run(bench: Bench) -> None:
    with bench.session() as session, session.transaction():
        mark = bench.server.mark(bench.address)
        with session.cursor("slowly") as cursor:
            cursor.itersize = 500
            cursor.execute("SELECT id FROM people ORDER BY name")
            assert len(list(cursor)) == 2000
    told = bench.server.statements(bench.address, mark)
    assert [(each.calls, each.error) for each in told][:2] == [(1, ""), (5, "")]


def test_statements_of_one_query_are_told_apart_where_the_server_counts_each(bench: Bench, table: str) -> None:
    script = (
        f"-- what a file holds; all of it\nALTER TABLE {table} ADD note text DEFAULT ';';\n"
        f"INSERT INTO {table} VALUES (2001, 1); INSERT INTO {table} VALUES (2002, -1);\n"
        f"CREATE INDEX ON {table} (kind)"
    )
    told = bench.told(script)
    if bench.counts:
        assert [each.text.splitlines()[-1] for each in told] == [
            f"ALTER TABLE {table} ADD note text DEFAULT ';'",
            f"INSERT INTO {table} VALUES (2001, 1)",
            f"CREATE INDEX ON {table} (kind)",
        ]
        assert [each.calls for each in told] == [1, 2, 1]
        assert told[1].counters["rows"] == 2
        assert told[1].unknown["began_s"] == "counted together from the times of those before it in the same query"
    else:
        (whole,) = told
        assert whole.text == script


def test_of_a_query_that_fails_the_statement_that_failed_is_found(bench: Bench, table: str) -> None:
    script = (
        f"INSERT INTO {table} VALUES (3001, 1); INSERT INTO {table} VALUES (3002, 1);"
        f"ALTER TABLE {table} ADD CHECK (kind > 5); DROP TABLE {table}"
    )
    told = bench.told(script)
    assert told[-1].error.startswith("23514: check constraint")
    if bench.counts:
        assert [(each.text, each.calls, bool(each.error)) for each in told] == [
            (f"INSERT INTO {table} VALUES (3001, 1)", 2, False),
            (f"ALTER TABLE {table} ADD CHECK (kind > 5)", 1, True),
        ]
    else:
        assert [each.text for each in told] == [script]


def test_a_query_whose_statements_cannot_be_told_from_others_stays_whole_and_says_why(bench: Bench, table: str) -> None:
    script = f"UPDATE {table} SET kind = 1; UPDATE {table} SET kind = 2 WHERE id = 1"
    whole, alone = bench.told(script, f"UPDATE {table} SET kind = 9")
    assert (whole.text, whole.counters["rows"]) == (script, None)
    assert alone.counters["rows"] is None
    if bench.counts:
        assert whole.unknown["rows"].startswith("several statements in one query")


def test_blocks_copies_and_rolled_back_work_are_counted_with_their_statement(bench: Bench, table: str) -> None:
    block = f"DO $$ BEGIN FOR n IN 1..50 LOOP UPDATE {table} SET kind = n WHERE id = n; END LOOP; END $$"
    with bench.session(cursor_factory=psycopg.ClientCursor) as session:
        mark = bench.server.mark(bench.address)
        session.execute(block.encode())
        with session.cursor().copy(f"COPY {table} FROM STDIN".encode()) as copy:
            copy.write("5001\t1\n5002\t2\n")
        session.execute("BEGIN")
        session.execute(f"DELETE FROM {table}".encode())
        session.execute("ROLLBACK")
        session.execute(f"CREATE INDEX CONCURRENTLY ON {table} (kind)".encode())
    told = bench.server.statements(bench.address, mark)
    assert [each.text.split()[0] for each in told] == ["DO", "COPY", "BEGIN", "DELETE", "ROLLBACK", "CREATE"]
    if bench.counts:
        do, copied, _, deleted, _, index = told
        assert (do.counters["wal_records"] or 0) >= 50
        assert (copied.counters["rows"], deleted.counters["rows"]) == (2, 1002)
        assert (index.counters["wal_bytes"] or 0) > 1000


def test_the_projects_other_sessions_count_and_the_gates_own_do_not(bench: Bench) -> None:
    with bench.session() as one, bench.session() as other:
        mark = bench.server.mark(bench.address)
        one.execute("SELECT id FROM people WHERE id = 1")
        other.execute("SELECT id FROM pets")
        one.execute(TELL_COUNTS)  # by the observer
        bench.server.counters(bench.address)
        bench.server.census(bench.address)
        bench.server.sizes(bench.address)
        assert bench.server.versions(bench.address, "nothing") is None
    told = bench.server.statements(bench.address, mark)
    assert [each.text for each in told] == ["SELECT id FROM people WHERE id = 1", "SELECT id FROM pets"]


def test_a_statement_that_still_runs_and_one_whose_session_is_ended_are_told_as_such(bench: Bench) -> None:
    def told() -> Statement:
        return next(each for each in bench.server.statements(bench.address, mark) if each.text == "SELECT pg_sleep(60)")

    with bench.session() as one, bench.session() as other:
        mark = bench.server.mark(bench.address)
        with ThreadPoolExecutor(1) as pool:
            sleeping = pool.submit(_ended, one, "SELECT pg_sleep(60)")
            try:
                while not other.execute("SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep'").fetchall():
                    pass
                running = told()
            finally:
                other.execute("SELECT pg_terminate_backend(%s)", (one.info.backend_pid,))
            sleeping.result()
        assert running.error == ""
        assert running.unknown["wall_s"] == "it had not ended when the step had"
        assert told().error.startswith("57P01: terminating connection due to administrator command")


def _ended(session: psycopg.Connection[Any], statement: str) -> None:
    with contextlib.suppress(psycopg.Error):
        session.execute(statement.encode())


def test_waiting_for_a_lock_and_spilling_to_disk_are_counted_for_each_statement(bench: Bench, table: str) -> None:
    with bench.session(cursor_factory=psycopg.ClientCursor) as one, bench.session() as other:
        one.execute("SET work_mem = '64kB'")
        other.execute("BEGIN")
        other.execute(f"LOCK TABLE {table}".encode())
        mark = bench.server.mark(bench.address)
        with ThreadPoolExecutor(1) as pool:
            altering = pool.submit(_ended, one, f"ALTER TABLE {table} ADD later int")
            try:
                while not other.execute("SELECT FROM pg_locks WHERE NOT granted").fetchall():
                    pass
                other.execute("SELECT pg_sleep(0.1)")
            finally:
                other.execute("COMMIT")
            altering.result()
        one.execute("SELECT id, name FROM people, generate_series(1, 20) ORDER BY name")
        told = bench.server.statements(bench.address, mark)
    altered = next(each for each in told if each.text.startswith("ALTER"))
    assert 90 < (altered.counters["lock_wait_ms"] or 0) < 5000
    assert told[-1].counters["lock_wait_ms"] == 0
    assert (told[-1].counters["temp_bytes"] or 0) > 100_000


def test_the_sizes_of_tables_show_what_is_written_anew_and_never_wait_for_a_lock(bench: Bench, table: str) -> None:
    def size(name: str = table) -> Any:
        return bench.server.sizes(bench.address)[name]

    before = size()
    assert (before.rows, before.index_bytes) == (None, 0)
    assert size("people").rows == 2000
    with bench.session() as session:
        session.execute(f"ALTER TABLE {table} ADD note text".encode())
        session.execute(f"CREATE INDEX ON {table} (kind)".encode())
        indexed = size()
        assert indexed.identity == before.identity
        assert indexed.index_bytes > 0
        session.execute(f"ALTER TABLE {table} ALTER id TYPE bigint".encode())
        rewritten = size()
        assert rewritten.identity != before.identity
        session.execute("BEGIN")
        session.execute(f"ALTER TABLE {table} DROP note".encode())
        locked = size()
        assert (locked.data_bytes, locked.index_bytes, locked.identity) == (None, None, rewritten.identity)
        assert size("people").data_bytes > 0
        session.execute("ROLLBACK")


def test_partitions_are_tables_of_their_own_and_extensions_and_temporary_tables_are_none(bench: Bench) -> None:
    with bench.session() as session:
        session.execute("CREATE SCHEMA archive")
        session.execute("CREATE TABLE archive.years (year int) PARTITION BY RANGE (year)")
        session.execute("CREATE TABLE archive.y1 PARTITION OF archive.years FOR VALUES FROM (1) TO (2)")
        session.execute("CREATE TEMPORARY TABLE fleeting (id int)")
        found = set(bench.server.sizes(bench.address))
        session.execute("DROP SCHEMA archive CASCADE")
    assert found == {"people", "pets", "archive.y1"}


@pytest.mark.parametrize("kind", [EMBEDDED, SYSTEM], ids=str)
def test_the_evidence_has_the_servers_log_without_the_statements_and_the_seed_is_in_neither(
    kind: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with ground(tmp_path_factory.mktemp("evidence"), kind) as made:
        with made.server() as server:
            address = server.create("app", "app", "pw")
            mark = server.mark(address)
            server.load(made.build, address, made.seed("CREATE TABLE t (a int);\nINSERT INTO t VALUES (4711);\n"))
            assert server.statements(address, mark) == ()
            there = Bench(made, server, address, counts=kind is SYSTEM)
            assert len(there.told("SELECT 4712", "SELECT 1/0")) == 2
            assert made.log.exists() is False
        log = made.log.read_text()
        assert "database system is ready to accept connections" in log
        assert "ERROR:  division by zero\n" in log
        assert "4711" not in log
        assert "4712" not in log
        assert [path.name for path in made.log.parent.glob("*.log")] == [made.log.name]


def until(session: psycopg.Connection[Any], setting: str, value: str, statement: str = "SELECT 1") -> None:
    """Run a statement, whether it fails or not, until the server has a setting at a value."""
    while True:
        with contextlib.suppress(psycopg.Error):
            session.execute(statement.encode())
        row = session.execute(f"SHOW {setting}".encode()).fetchone()
        if row == (value,):
            return


def test_of_very_many_statements_the_quick_ones_are_counted_and_all_others_told(
    bench: Bench, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql_noting, "MANY", 4_000)
    loop = [f"UPDATE {table} SET kind = {number} WHERE id = {number}" for number in range(1, 81)]
    # From 17 on, the server counts what other tests write in other words together, under the words of the first.
    others = (
        f"ALTER TABLE {table} ADD very_many text",
        f"INSERT INTO {table} SELECT id, 1 / 0 FROM {table}",
        "SELECT pg_sleep(0.05)",
        f"CREATE UNIQUE INDEX once ON {table} ((id / 2))",
        f"ALTER TABLE {table} DROP very_many",
    )
    with bench.session(cursor_factory=psycopg.ClientCursor) as session:
        mark = bench.server.mark(bench.address)
        for statement in loop[:50]:
            session.execute(statement.encode())
        until(session, "log_statement", "ddl")
        for statement in (*loop[50:], *others):
            with contextlib.suppress(psycopg.Error):
                session.execute(statement.encode())
        told = bench.server.statements(bench.address, mark)
    update, *_, add, insert, sleep, index, drop = told
    assert (update.text, update.calls) == (loop[0], 80)
    assert [each.text for each in (add, insert, sleep, index, drop)] == list(others)
    assert [each.error[:5] for each in (add, insert, sleep, index, drop)] == ["", "22012", "", "23505", ""]
    assert (
        insert.unknown["wall_s"]
        == "of so many statements in a step, not each one is noted with its beginning and its end"
    )
    assert "wall_s" not in index.unknown
    assert sleep.wall_s >= 0.05
    if bench.counts:
        assert update.counters["rows"] == 80
        assert all(each.wall_s > 0 and "wall_s" not in each.unknown for each in (add, drop))
    assert [each.text for each in bench.told("SELECT 1", "SELECT 1, 2")] == ["SELECT 1", "SELECT 1, 2"]


def test_the_log_of_a_step_has_an_end_and_what_comes_after_it_is_told_as_not_listed(
    bench: Bench, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql_noting, "MANY", 4_000)
    monkeypatch.setattr(postgresql_noting, "MOST", 20_000)
    failing = f"INSERT INTO {table} SELECT id, 1 / 0 FROM {table}"
    server = bench.server
    assert isinstance(server, PostgreSQLServer)
    with bench.session(cursor_factory=psycopg.ClientCursor) as session:
        mark = server.mark(bench.address)
        session.execute(f"UPDATE {table} SET kind = 7 WHERE id = 7".encode())
        until(session, "log_min_messages", "panic", failing)
        length = server.log.stat().st_size
        for number in range(100):
            with pytest.raises(psycopg.errors.DivisionByZero):
                session.execute(failing.encode())
            session.execute(f"UPDATE {table} SET kind = {number} WHERE id = {number}".encode())
        session.execute(f"ALTER TABLE {table} ADD at_the_end text".encode())
        told = server.statements(bench.address, mark)
        assert server.log.stat().st_size == length
    assert told[-1].text == "(further statements, too many to be listed)"
    assert {"calls", "error", "works"} <= told[-1].unknown.keys()
    if bench.counts:
        assert (told[0].calls, told[0].counters["rows"]) == (101, 100)
        assert f"ALTER TABLE {table} ADD at_the_end text" in [each.text for each in told]
    else:
        assert told[0].calls == 1
    assert [each.text for each in bench.told("SELECT 1", "SELECT 1, 2")] == ["SELECT 1", "SELECT 1, 2"]
