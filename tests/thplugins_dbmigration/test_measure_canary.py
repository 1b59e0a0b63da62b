"""A canary beside statements on real servers: what it finds, and that it changes nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import sqlalchemy

from thcore.errors import InfrastructureError
from thcore.model import Measurement, Statement, Wait
from thplugins_dbmigration.address import Address
from thplugins_dbmigration.engines.engine import Server
from thplugins_dbmigration.engines.postgresql_probes import PostgreSQLProbes
from thplugins_dbmigration.measure import difference
from thplugins_dbmigration.measure.canary import Canary, attribute
from thplugins_dbmigration.measure.probes import LEAST_S, Answer, Kind
from thplugins_dbmigration.measure.rounds import SESSIONS, Spell
from thplugins_dbmigration.measure.watch import Watch

from parts import servers

TABLES = ("big", "child", "parent", "keyless", "blank", "no such table")
SEED = """
CREATE TABLE parent (id INTEGER PRIMARY KEY, name VARCHAR(40));
INSERT INTO parent VALUES (1, 'one'), (2, 'two');
CREATE TABLE child (id INTEGER PRIMARY KEY, parent INTEGER, FOREIGN KEY (parent) REFERENCES parent (id));
INSERT INTO child VALUES (1, 1), (2, 2);
CREATE TABLE keyless (n INTEGER);
INSERT INTO keyless VALUES (1), (2);
CREATE TABLE blank (id INTEGER PRIMARY KEY);
CREATE TABLE big (id INTEGER PRIMARY KEY, name VARCHAR(80), n INTEGER);
INSERT INTO big VALUES (1, 'a name that is as long as names tend to be', 1);
""" + "".join(f"INSERT INTO big SELECT id + {2**power}, name, n FROM big;\n" for power in range(16))
"""65,536 rows in the largest table."""
SLEEP = {"mysql": "SELECT sleep(0.5)", "postgresql": "SELECT pg_sleep(0.5)"}


@contextlib.contextmanager
def session(address: Address) -> Iterator[sqlalchemy.Connection]:
    """A session of the dataset's user, in which each statement is a transaction until one says BEGIN."""
    driver = {"mysql": "pymysql", "postgresql": "psycopg"}[address.dialect]
    engine = sqlalchemy.create_engine(address.url(driver), poolclass=sqlalchemy.pool.NullPool)
    with engine.connect() as connection:
        yield connection.execution_options(isolation_level="AUTOCOMMIT")


def run(address: Address, statements: Sequence[str]) -> None:
    with session(address) as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def beside(server: Server, address: Address, statements: Sequence[str], tables: Sequence[str] = TABLES) -> Canary:
    """The canary that was there while statements ran."""
    canary = Canary.start(server, address, tables)
    canary.begin()
    try:
        run(address, statements)
    finally:
        canary.stop()
    return canary


@pytest.fixture(scope="module", params=servers.WITH_SERVER, ids=str)
def seeded(request: pytest.FixtureRequest) -> Iterator[servers.Ground]:
    """A data directory whose server was stopped."""
    with servers.open_directory() as directory, servers.ground(directory, request.param) as made:
        with made.server() as server:
            address = server.create("app", "app", "password")
            server.load(made.build, address, made.seed(SEED))
            server.settle(address)
        yield made


@contextlib.contextmanager
def clone(seeded: servers.Ground, name: str) -> Iterator[tuple[Server, Address]]:
    target = seeded.data.with_name(name)
    servers.copied(seeded.data, target)
    with seeded.engine.start(seeded.build, seeded.installation, target, log=seeded.log, kept=False) as server:
        yield server, server.address("app", "app", "password")


@pytest.fixture(scope="module")
def served(seeded: servers.Ground) -> Iterator[tuple[Server, Address]]:
    """A server on a clone."""
    with clone(seeded, "served") as found:
        yield found


LOCKED = {
    "mysql": {
        "all": ("LOCK TABLES big WRITE", "UNLOCK TABLES"),
        "writers": ("LOCK TABLES big READ", "UNLOCK TABLES"),
        "row": ("BEGIN", "UPDATE big SET n = n + 1 WHERE id = 1", "ROLLBACK"),
    },
    "postgresql": {
        "all": ("BEGIN", "LOCK TABLE big IN ACCESS EXCLUSIVE MODE", "ROLLBACK"),
        "writers": ("BEGIN", "LOCK TABLE big IN SHARE MODE", "ROLLBACK"),
        "row": ("BEGIN", "UPDATE big SET n = n + 1 WHERE id = 1", "ROLLBACK"),
    },
}


@pytest.mark.system
@pytest.mark.parametrize(
    ("what", "kinds"),
    [("all", {"read", "write"}), ("writers", {"write"}), ("row", {"write"})],
    ids=["all", "writers", "row"],
)
def test_who_would_have_had_to_wait_for_a_lock_is_found_out(
    served: tuple[Server, Address], what: str, kinds: set[str]
) -> None:
    server, address = served
    *before, last = LOCKED[address.dialect][what]
    found = beside(server, address, [*before, SLEEP[address.dialect], last], ("big", "no such table"))
    waits = found.stop()
    assert {(wait.kind, wait.table) for wait in waits} == {(kind, "big") for kind in kinds}
    assert all(wait.wait_s >= LEAST_S for wait in waits)


@pytest.mark.system
def test_tables_that_are_too_many_to_be_watched_are_told(
    served: tuple[Server, Address], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("thplugins_dbmigration.measure.canary.TABLES", 1)
    server, address = served
    watch = Watch.start(address.dialect, server, address, dict, closely=True, canary=True)
    found = watch.stop()
    assert "big" not in found.unwatched
    assert set(found.unwatched) == {name for name in server.sizes(address) if name != "big"}


@pytest.mark.system
def test_a_table_in_partitions_is_watched_itself_where_somebody_has_a_limit_for_it(
    served: tuple[Server, Address],
) -> None:
    server, address = served
    kind = {"mysql": "HASH (id) PARTITIONS 2", "postgresql": "RANGE (id)"}[address.dialect]
    run(address, [f"CREATE TABLE event (id INTEGER) PARTITION BY {kind}"])
    if address.dialect == "postgresql":
        run(address, ["CREATE TABLE event_1 PARTITION OF event FOR VALUES FROM (0) TO (10)"])
    probes = server.probes(address)
    assert probes is not None
    assert list(probes.known(["", "no such table", "event"])) == ["event"]
    *before, last = (text.replace("big", "event") for text in LOCKED[address.dialect]["all"])
    watch = Watch.start(
        address.dialect, server, address, dict, closely=True, canary=True, first=("no such table", "event")
    )
    try:
        run(address, [*before, SLEEP[address.dialect], last])
        found = watch.stop()
    finally:
        watch.leave()
        run(address, ["DROP TABLE event"])
    assert {(wait.kind, wait.table) for wait in found.waits} >= {("read", "event"), ("write", "event")}


@pytest.mark.system
def test_a_watch_tells_waits_and_the_statement_that_caused_them(served: tuple[Server, Address]) -> None:
    server, address = served
    engine = address.dialect
    *before, last = LOCKED[engine]["all"]

    def measured(*, canary: bool) -> Measurement:
        watch = Watch.start(engine, server, address, lambda: server.counters(address), closely=True, canary=canary)
        try:
            run(address, [*before, SLEEP[engine], last])
            return watch.stop()
        finally:
            watch.leave()

    found = measured(canary=True)
    assert {(wait.kind, wait.table) for wait in found.waits} == {("read", "big"), ("write", "big")}
    (cause,) = [statement for statement in found.statements if statement.waits]
    assert (cause.text, set(cause.waits)) == (before[-1], set(found.waits))
    assert "waits" not in found.unknown
    without = measured(canary=False)
    assert (without.waits, without.unknown["waits"]) == ((), "the job's option canary is off")
    changing = {"XInnodb_rows_changed", "Innodb_rows_read"}
    assert {name: found.counters[name] for name in changing} == {name: without.counters[name] for name in changing}


@pytest.mark.system
def test_nobody_waits_for_statements_that_lock_nothing(served: tuple[Server, Address]) -> None:
    server, address = served
    found = beside(server, address, [SLEEP[address.dialect], "SELECT count(*) FROM big"])
    assert found.stop() == ()
    assert found.why_not == ""


SHARED = "INSERT INTO child SELECT id + {0}, 1 FROM child WHERE id <= 2"
STEP = {
    "mysql": (
        "ALTER TABLE big ADD COLUMN more VARCHAR(20) DEFAULT 'x', ALGORITHM=COPY",
        "UPDATE big SET n = n + 1",
        *(f"UPDATE big SET n = n + 1 WHERE id BETWEEN {start} AND {start + 4999}" for start in range(1, 60000, 5000)),
        "BEGIN",
        SHARED.format(10),
        "SELECT sleep(0.3)",
        "ROLLBACK",
        SHARED.format(20),
        "CREATE INDEX ix ON big (n)",
        "DELETE FROM big WHERE id < 3 OR id > 65000",
        "RENAME TABLE keyless TO renamed",
        "DROP TABLE blank",
        "SELECT sleep(0.3)",
    ),
    "postgresql": (
        "ALTER TABLE big ALTER COLUMN n TYPE bigint",
        "UPDATE big SET n = n + 1",
        *(f"UPDATE big SET n = n + 1 WHERE id BETWEEN {start} AND {start + 4999}" for start in range(1, 60000, 5000)),
        "BEGIN",
        SHARED.format(10),
        "SELECT pg_sleep(0.3)",
        "ROLLBACK",
        SHARED.format(20),
        "CREATE INDEX CONCURRENTLY ix ON big (n)",
        "DELETE FROM big WHERE id < 3 OR id > 65000",
        "ALTER TABLE keyless RENAME TO renamed",
        "DROP TABLE blank",
        "SELECT pg_sleep(0.3)",
    ),
}
"""Rebuilds, rows in one and in many transactions, a foreign key, an index, and tables that go in the middle."""


NEARLY = {
    "mysql": {
        # Whoever opens a table first, or first after DDL, reads what is known of its values.
        "Handler_read_key": 40,
        # These differ as much between two runs without a canary: what is cleaned up behind a transaction, and when.
        "Innodb_os_log_written": 200_000,
        "Innodb_lsn_current": 200_000,
        "Innodb_buffer_pool_read_requests": 10_000,
        "Innodb_buffer_pool_write_requests": 10_000,
        "Innodb_pages_created": 100,
        "Innodb_pages_read": 100,
        "Innodb_pages_written": 10_000,
        "Innodb_buffer_pool_pages_dirty": 10_000,
    },
    "postgresql": {
        # While somebody looks at a row, the server cleans up nothing that is younger: a page more is begun instead.
        "blks_read": 200,
        "blks_hit": 2000,
        "blks_dirtied": 200,
        "blks_written": 200,
        "wal_bytes": 100_000,
        "database_bytes": 16 * 8192,
        # Differs by a block between two runs without a canary.
        "temp_bytes": 2 * 8192,
    },
}
"""How much counters may differ; the others are equal."""


def counted(seeded: servers.Ground, name: str, *, watched: bool) -> dict[str, int | None]:
    with clone(seeded, name) as (server, address):
        server.census(address)
        Canary.start(server, address, TABLES).stop()  # as of the step before, whose sessions the next one may have
        canary = Canary.start(server, address, TABLES if watched else ())
        server.start_counting(address)
        server.counters(address)
        before = server.counters(address)
        canary.begin()
        try:
            run(address, STEP[address.dialect])
        finally:
            canary.stop()
        assert canary.why_not == ""
        assert not watched or sum(canary.share().values()) > 0
        return difference(before, canary.without(server.counters(address)))


@pytest.mark.system
def test_a_step_counts_the_same_with_a_canary_and_without_one(seeded: servers.Ground) -> None:
    plain = counted(seeded, "plain", watched=False)
    watched = counted(seeded, "watched", watched=True)
    nearly = NEARLY[seeded.engine.name]
    for name, value in plain.items():
        other = watched[name]
        if value is None or other is None:
            assert (name, value) == (name, other)
        else:
            assert abs(other - value) <= nearly.get(name, 0), (name, value, other)


UPGRADE = {
    "mysql": (
        "BEGIN",
        "UPDATE big SET n = n + 1 WHERE id < 40 OR id > 65500",
        "UPDATE parent SET name = 'x'",
        "ALTER TABLE big ADD COLUMN x{0} INTEGER, ALGORITHM=INPLACE",
        "LOCK TABLES big WRITE, parent WRITE, child WRITE",
        "UPDATE big SET n = n + 1 WHERE id < 40 OR id > 65500",
        "ALTER TABLE child ADD COLUMN x{0} INTEGER",
        "UNLOCK TABLES",
    ),
    "postgresql": (
        "BEGIN",
        "UPDATE big SET n = n + 1 WHERE id < 40 OR id > 65500",
        "UPDATE parent SET name = 'x'",
        "ALTER TABLE big ADD COLUMN x{0} INTEGER",
        "LOCK TABLE parent IN SHARE ROW EXCLUSIVE MODE",
        "ALTER TABLE child ADD COLUMN x{0} INTEGER",
        "ALTER TABLE parent ADD COLUMN x{0} INTEGER",
        "COMMIT",
    ),
}
"""Rows are locked first, and then the tables that they are in."""


@pytest.mark.system
def test_a_migration_that_locks_rows_and_then_their_tables_is_never_the_victim_of_a_deadlock(
    served: tuple[Server, Address],
) -> None:
    server, address = served
    before = server.counters(address)
    statements = [statement.format(turn) for turn in range(20) for statement in UPGRADE[address.dialect]]
    found = beside(server, address, statements)  # raises where a statement is refused
    assert found.why_not == ""
    deadlocks = "deadlocks" if address.dialect == "postgresql" else "Innodb_deadlocks"
    assert difference(before, server.counters(address)).get(deadlocks) in {0, None}


@pytest.mark.system
def test_a_canary_leaves_nothing_behind_in_the_log_of_a_server(served: tuple[Server, Address]) -> None:
    server, address = served
    marked = server.mark(address)
    beside(server, address, [SLEEP[address.dialect]])
    texts = [statement.text for statement in server.statements(address, marked)]
    assert [text for text in texts if "LIMIT 0" in text or "LOCK TABLE" in text or "FOR UPDATE" in text] == []


@pytest.fixture
def asking(served: tuple[Server, Address]) -> tuple[Address, PostgreSQLProbes]:
    """Those of PostgreSQL, which alone asks for many tables in one message and keeps its sessions."""
    server, address = served
    probes = server.probes(address)
    if not isinstance(probes, PostgreSQLProbes):
        pytest.skip("elsewhere each table is a message of its own, and each step has sessions of its own")
    return address, probes


@pytest.mark.system
@pytest.mark.parametrize("kind", list(Kind), ids=str)
def test_of_tables_that_are_asked_for_in_one_message_those_that_are_free_are_told(
    asking: tuple[Address, PostgreSQLProbes], kind: Kind
) -> None:
    address, probes = asking
    run(address, ["CREATE TABLE going (id INTEGER PRIMARY KEY)", "CREATE TABLE own (n INTEGER)"])
    run(address, ["INSERT INTO own VALUES (1)"])  # nobody has ever locked this row
    names = ["child", "going", "own", "keyless", "blank"]
    probes.known(names)
    with contextlib.closing(probes.open(kind)) as probe:

        def free() -> set[str]:
            """After each was asked for alone, as in a round, so that its rows are known."""
            for name in names:
                probe.ask(name, patient=False)
            return set(probe.free(names))

        assert free() == set(names)
        for what, (*before, last) in LOCKED[address.dialect].items():
            with session(address) as connection:
                for statement in before:
                    connection.exec_driver_sql(statement.replace("big", "own").removesuffix(" WHERE id = 1"))
                assert free() == {*names} - ({"own"} if what == "all" or kind is Kind.WRITE else set())
                connection.exec_driver_sql(last)
        run(address, ["DROP TABLE going"])
        assert free() - {"own"} == {"child", "keyless", "blank"}
        assert probe.ask("own", patient=False) is Answer.FREE  # as a writer, who cannot tell that at a glance any more
    run(address, ["DROP TABLE own"])


def end(probes: PostgreSQLProbes, process: int) -> None:
    with probes.reserve.new("template1") as other:
        other.execute("SELECT pg_terminate_backend(%s, 20000)", (process,))


@pytest.mark.system
def test_a_session_that_is_ended_between_two_messages_is_told(
    asking: tuple[Address, PostgreSQLProbes],
) -> None:
    _, probes = asking
    probes.known(["big"])
    probe = probes.open(Kind.READ)
    end(probes, probe.connection.info.backend_pid)
    with pytest.raises(InfrastructureError, match="a session that watches the tables broke"):
        probe.free(["big"])


@pytest.mark.system
def test_a_session_that_watched_a_step_watches_the_next_one_unless_it_was_ended(
    asking: tuple[Address, PostgreSQLProbes],
) -> None:
    _, probes = asking
    probes.known(["big"])

    def process() -> int:
        with contextlib.closing(probes.open(Kind.READ)) as probe:
            assert probe.ask("big", patient=False) is Answer.FREE
            return int(probe.connection.info.backend_pid)

    first = process()
    assert process() == first
    end(probes, first)
    assert process() != first


@pytest.mark.system
def test_a_project_that_takes_every_connection_is_watched_all_the_same(served: tuple[Server, Address]) -> None:
    server, address = served
    if address.dialect != "postgresql":
        pytest.skip("elsewhere the gate may be refused a session, and watches with those that it has")
    with contextlib.ExitStack() as every:

        def take(number: int) -> None:
            for _ in range(number):
                every.enter_context(session(address))

        take(50)
        with pytest.raises(sqlalchemy.exc.OperationalError, match="remaining connection slots are reserved"):
            take(50)
        probes = server.probes(address)
        assert probes is not None
        for _ in range(SESSIONS):
            for kind in Kind:
                every.enter_context(contextlib.closing(probes.open(kind, late=True)))


@pytest.mark.system
def test_rows_are_searched_where_there_are_some_and_only_until_they_are_known(served: tuple[Server, Address]) -> None:
    server, address = served
    if address.dialect != "postgresql":
        pytest.skip("elsewhere they are found before the step")
    probes = server.probes(address)
    assert probes is not None

    def questions(*tables: str) -> int:
        probe = probes.open(Kind.WRITE, late=True)
        for table in tables:
            assert probe.ask(table, patient=False) is Answer.FREE
        return probe.close()["xact_commit"]

    probes.known(["big", "blank"])
    questions()  # the first session of all searches for itself
    none = questions()
    assert questions("blank", "blank", "blank") - none == 3
    assert questions("big", "big", "big") - none == 3 + 1
    run(address, ["UPDATE big SET n = n"])  # each row has another place now
    assert questions("big", "big") - none == 2 + 1


def test_there_is_no_canary_beside_sqlite(tmp_path: Path) -> None:
    with servers.ground(tmp_path, servers.SQLITE) as made, made.server() as server:
        canary = Canary.start(server, server.create("app", "app", ""), TABLES)
        canary.begin()
        assert canary.stop() == ()
        assert canary.without({"rows_read": None, "database_bytes": 4096}) == {
            "rows_read": None,
            "database_bytes": 4096,
        }
    assert "beside a step" in canary.why_not


STATEMENTS = (
    Statement("SELECT count(*) FROM tickets", began_s=0.0, wall_s=0.4),
    Statement("ALTER TABLE `tickets` ADD COLUMN x INT", began_s=0.4, wall_s=0.01),
    Statement("UPDATE tickets_archive SET x = 1", began_s=0.41, wall_s=5.0),
    Statement("UPDATE tickets SET x = 1", began_s=5.41, wall_s=2.0),
)


@pytest.mark.parametrize(
    ("spell", "number"),
    [
        (Spell(Kind.READ, "tickets", 0.38, 0.45, 7.5), 1),
        (Spell(Kind.READ, "app.tickets", 0.38, 0.45, 7.5), 1),
        (Spell(Kind.WRITE, "tickets_archive", 0.42, 0.5, 7.5), 2),
        (Spell(Kind.WRITE, "tickets", 5.39, 5.45, 7.5), 3),
        (Spell(Kind.WRITE, "people", 5.45, 5.5, 7.5), 3),
        (Spell(Kind.WRITE, "tickets", 8.0, 8.1, 9.0), None),
    ],
)
def test_a_wait_belongs_to_the_statement_that_took_the_lock(spell: Spell, number: int | None) -> None:
    told = attribute(STATEMENTS, [spell])
    assert [index for index, statement in enumerate(told) if statement.waits] == ([] if number is None else [number])


def test_of_several_waits_for_a_table_the_longest_of_each_kind_is_told() -> None:
    spells = [
        Spell(Kind.WRITE, "tickets", 0.4, 0.45, 0.7),
        Spell(Kind.WRITE, "tickets", 0.4, 0.5, 1.0),
        Spell(Kind.READ, "tickets", 0.4, 0.5, 1.25),
    ]
    (altered,) = [statement for statement in attribute(STATEMENTS, spells) if statement.waits]
    assert altered.waits == (Wait("read", "tickets", 0.75, 0.5), Wait("write", "tickets", 0.5, 0.5))
